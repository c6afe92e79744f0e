# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How phases ended: rows of a table, as text, JSON, a page with a bar for each, and a JUnit file for each."""

from __future__ import annotations

import html
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import AbstractSet, Iterator, List, Sequence
from xml.etree import ElementTree

PASSED, FAILED, FLAKY, LEFT_OUT = "passed", "FAILED", "flaky", "left out"
COLOURS = {PASSED: "#2e7d32", FAILED: "#c62828", FLAKY: "#ef6c00", LEFT_OUT: "#9e9e9e"}
REASON = re.compile(r"^[\s│]*(E   |FAILED |ERROR[: ]|fatal: |\[ERROR\]|\S+: error: |Error: )")
"""A line that says why something failed: of pytest, Ansible, molecule or mypy."""
MOST, LONGEST = 30, 400
"""How many such lines, the last, are repeated at the end, and how much of each: a scenario provokes failures too."""


@dataclass(frozen=True)
class Row:
    """How a phase ended. ``started`` and ``seconds`` count from the start of the run; ``note`` says why it is what it is."""

    name: str
    result: str
    seconds: float = 0.0
    started: float = 0.0
    note: str = ""
    core: bool = False


def counts(rows: Sequence[Row]) -> str:
    """The last line. A flaky phase did pass, the second time."""
    number = {result: sum(row.result == result for row in rows) for result in COLOURS}
    return f"{number[PASSED] + number[FLAKY]} passed, {number[FAILED]} failed, {number[LEFT_OUT]} skipped"


def table(rows: Sequence[Row], total: float) -> str:
    """The rows in the order in which they are given, with the time of the core, the sum of the drills' and the run's."""
    lines = [f"{'phase':<28}{'result':<10}{'seconds':>8}  note"]
    lines += [f"{row.name:<28}{row.result:<10}{row.seconds:>8.0f}  {row.note}".rstrip() for row in rows]
    core = max((row.started + row.seconds for row in rows if row.core), default=0.0)
    if core:
        lines.append(f"{'the core':<28}{'':<10}{core:>8.0f}")
    drills = sum(row.seconds for row in rows if not row.core)
    if drills:
        lines.append(f"{'the drills, added up':<28}{'':<10}{drills:>8.0f}")
    lines.append(f"{'this run':<28}{'':<10}{total:>8.0f}")
    return "\n".join(lines)


def reasons(text: str) -> Iterator[str]:
    """The lines that say why a phase failed, each once and none of them long; its last ones where none is known to say so."""
    lines = text.splitlines()
    matching = list(dict.fromkeys(line.strip()[:LONGEST] for line in lines if REASON.match(line)))
    yield from matching[-MOST:] or [line.rstrip()[:LONGEST] for line in lines[-10:]]


def write(folder: Path, rows: Sequence[Row], total: float, state: str) -> None:
    """Write table.json and index.html. ``state`` names the files that were tested; a phase without a log in ``folder`` ran earlier."""
    data = {"state": state, "seconds": round(total, 1), "phases": [asdict(row) for row in rows]}
    (folder / "table.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    logs = {path.name for path in folder.glob("logs/*.log")}
    (folder / "index.html").write_text(_page(rows, total, state, logs), encoding="utf-8")


def _page(rows: Sequence[Row], total: float, state: str, logs: AbstractSet[str]) -> str:
    scale = 100.0 / max(total, 1.0)
    body = "".join(_bar(row, scale, logs) for row in rows)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Tests of {html.escape(state)}</title>"
        "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}td,th{padding:2px 8px;text-align:left;white-space:nowrap}"
        "td.time{width:50%;background:#f5f5f5}div.bar{height:14px;min-width:2px}td.n{text-align:right}td.note{white-space:normal}</style>"
        f"<h1>Tests of {html.escape(state)}</h1><p>{html.escape(counts(rows))}; {total:.0f} s</p>"
        f"<table><tr><th>phase<th>result<th>seconds<th>from start to end<th>note</tr>{body}</table></html>\n"
    )


def _bar(row: Row, scale: float, logs: AbstractSet[str]) -> str:
    style = f"margin-left:{row.started * scale:.2f}%;width:{row.seconds * scale:.2f}%;background:{COLOURS[row.result]}"
    name = html.escape(row.name)
    ran_now = f"{row.name}.log" in logs
    linked = f'<a href="logs/{name}.log">{name}</a>' if ran_now else name
    drawn = f'<div class=bar style="{style}"></div>' if ran_now else ""
    return f"<tr><td>{linked}<td>{row.result}<td class=n>{row.seconds:.0f}<td class=time>{drawn}<td class=note>{html.escape(row.note)}</tr>"


def write_junit(path: Path, phase: str, passed: bool, seconds: float, text: str) -> None:
    """Write the JUnit file of a phase at ``path``: one case for the phase itself, and what pytest has left in ``path`` before."""
    suites = _suites(path)
    own = ElementTree.Element("testsuite", name=phase, tests="1", failures=str(int(not passed)), errors="0", time=f"{seconds:.1f}")
    case = ElementTree.SubElement(own, "testcase", classname="phase", name=phase, time=f"{seconds:.1f}")
    if not passed:
        ElementTree.SubElement(case, "failure", message="the phase failed").text = _printable("\n".join(reasons(text)))
    top = ElementTree.Element("testsuites")
    top.extend([*suites, own])
    ElementTree.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)


def _suites(path: Path) -> List[ElementTree.Element]:
    try:
        return list(ElementTree.parse(path).getroot())
    except (OSError, ElementTree.ParseError):
        return []


def _printable(text: str) -> str:
    """Text without the control characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)
