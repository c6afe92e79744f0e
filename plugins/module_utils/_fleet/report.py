# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a subject contributes to the plan for people: sections of plan.md, and who talks to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from .._shared.quoting import visible

LONGEST_CELL = 100  # characters


@dataclass(frozen=True)
class Section:
    """``lines`` are Markdown below a heading of the second level; without any, the section is left out."""

    title: str
    lines: Tuple[str, ...]


@dataclass(frozen=True)
class Flow:
    """Connections that ``source`` opens to ``target``: host names, addresses or words; ``port`` such as ``53``, or ``123/UDP``."""

    source: str
    target: str
    port: str
    purpose: str


@dataclass(frozen=True)
class Report:
    """What one subject says of the plan of a fleet."""

    sections: Tuple[Section, ...] = ()
    flows: Tuple[Flow, ...] = ()


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> List[str]:
    """A table of Markdown (https://github.github.com/gfm/#tables-extension-); a cell that is None is empty."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join("" if cell is None else _cell(str(cell)) for cell in row) + " |")
    return lines


def section(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]], *before: str) -> Section:
    """A section with one table, after the lines ``before``; empty if the table has no rows."""
    there = list(rows)
    return Section(title, (*(line for one in before for line in (one, "")), *table(head, there)) if there else ())


def connections(flows: Iterable[Flow]) -> Section:
    """All connections as one section, in which those that differ in their source only share a row."""
    sources: Dict[Tuple[str, str, str], set[str]] = {}
    for flow in flows:
        sources.setdefault((flow.target, flow.port, flow.purpose), set()).add(flow.source)
    rows = sorted((", ".join(sorted(names)), *key) for key, names in sources.items())
    before = "What the fleet's own parts connect to, for firewalls. Ansible itself reaches every host by SSH."
    return section("Connections", ("from", "to", "port", "for"), rows, before)


def _cell(text: str) -> str:
    line = visible(text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}...")
    return line.replace("|", "\\|")
