# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients saw, from the lines that a probe wrote."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._shared.limits import BadText, Limits, load_json

SAMPLE = Limits(size=2**20, depth=8)
"""One line that a probe wrote, with the beginning of the answer in it."""
NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Sample:
    """One request: when it began, in seconds since the epoch; whether it was answered well, and by whom."""

    at: float
    good: bool
    answered_by: str = ""
    error: str = ""


def parse(text: str) -> Tuple[Tuple[Sample, ...], int]:
    """The samples in the order of their beginning, and the number of lines that could not be read.

    A probe that lost its power leaves a torn last line, which is no sample.
    """
    samples: List[Sample] = []
    unreadable = 0
    for line in text.splitlines():
        sample = _sample(line)
        if sample is None:
            unreadable += 1
        else:
            samples.append(sample)
    return tuple(sorted(samples, key=lambda sample: sample.at)), unreadable


def _sample(line: str) -> Optional[Sample]:
    try:
        data = load_json(line, "sample", SAMPLE)
    except BadText:
        return None
    at = data.get("at") if isinstance(data, Mapping) else None
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not _finite(at):
        return None
    if data.get("error") is not None:
        return Sample(float(at), False, error=str(data["error"]))
    return Sample(float(at), True, answered_by=_node(data.get("body"), data.get("address")))


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _node(body: object, address: object) -> str:
    """Who answered: the answer itself when its first line is a name such as ``app1``, else the address."""
    if isinstance(body, str) and NODE_NAME.fullmatch(body):
        return body
    return str(address)


def summarise(samples: Sequence[Sample]) -> Dict[str, Any]:
    """What the samples, in the order of their beginning, say to a client. Times are seconds, ``at`` since the epoch.

    ``longest_gap`` is the longest time from the last success before an error to the first success after it; at an edge
    it begins with the first sample, or ends with the last, and ``still_failing`` says whether the last one failed. It
    is 0 exactly when there was no error, or nothing but one sample. ``longest_pause`` is the longest time between two
    requests: a probe that was itself held up cannot vouch for that time. ``answered_by`` are the nodes in the order of
    their first answer, ``changes`` when the one that answers changed, ``switched_at`` the last of these times.
    """
    gap, gap_at = _longest_gap(samples)
    changes: List[Dict[str, Any]] = []
    nodes: List[str] = []
    last = ""
    for sample in samples:
        if sample.good:
            if last and sample.answered_by != last:
                changes.append({"at": sample.at, "from": last, "to": sample.answered_by})
            last = sample.answered_by
            if last not in nodes:
                nodes.append(last)
    errors: Dict[str, int] = {}
    for sample in samples:
        if not sample.good:
            errors[sample.error] = errors.get(sample.error, 0) + 1
    return {
        "requests": len(samples),
        "errors": sum(errors.values()),
        "kinds_of_error": errors,
        "longest_gap": round(gap, 6),
        "longest_gap_at": gap_at,
        "longest_pause": round(max((b.at - a.at for a, b in zip(samples, samples[1:])), default=0.0), 6),
        "still_failing": bool(samples) and not samples[-1].good,
        "answered_by": nodes,
        "changes": changes,
        "switched_at": changes[-1]["at"] if changes else None,
    }


def _longest_gap(samples: Sequence[Sample]) -> Tuple[float, Optional[float]]:
    longest, longest_at = 0.0, None
    begun: Optional[float] = None
    failed = False
    for sample in samples:
        begun = sample.at if begun is None else begun
        if failed and sample.at - begun > longest:
            longest, longest_at = sample.at - begun, begun
        if sample.good:
            begun, failed = sample.at, False
        elif not failed:
            failed = True
            if sample.at - begun > longest:
                longest, longest_at = sample.at - begun, begun
    return longest, longest_at


def line(summary: Mapping[str, Any]) -> str:
    """The summary in one line for people."""
    if not summary["requests"]:
        return "outage: not measured, for the probe has no samples"
    if not summary["answered_by"]:
        return f"outage: nobody answered any of {_count(summary['requests'], 'request')}"
    path = [summary["answered_by"][0], *(change["to"] for change in summary["changes"])]
    shown = path if len(path) <= 6 else [*path[:2], "...", *path[-2:]]
    text = f"outage: longest gap {summary['longest_gap']:.2f} s, {_count(summary['errors'], 'error')}"
    text += f" of {_count(summary['requests'], 'request')}, {' -> '.join(shown)}"
    if summary["still_failing"]:
        text += ", and still failing"
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
