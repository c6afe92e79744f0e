# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Diffs of files that a host had before: what changes with a few lines around it, never the whole file, and no secret."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Dict, List, Sequence, Tuple

from .masking import lines_of, masked

CONTEXT = 2
"""Lines that are shown before and after each change."""
MOST = 4000
"""Lines on one side above which a change is taken as one: to compare them costs the square of that."""
_KINDS = (
    (re.compile(r"/etc/network/.*"), "interfaces"),
    (re.compile(r".*/netplan/.*"), "yaml"),
    (re.compile(r".*\.(nmconnection|netdev|network|link|service|timer|socket|conf\.d/.*)|.*/system-connections/.*|.*/systemd/.*"), "pairs"),
    (re.compile(r"/etc/(bind|knot|nsd|unbound)/.*|.*/named\.conf.*"), "server"),
    (re.compile(r".*/authorized_keys"), "authorized_keys"),
    (re.compile(r"/etc/(hosts|hostname|timezone|resolv\.conf)"), "public"),
)


def kind_of(path: str) -> str:
    """The format of a file by its path, for ``masked``; empty where nothing is known of it."""
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(path)), "")


def file_diff(path: str, before: str, after: str, header: str = "") -> Dict[str, str]:
    """A change of a file as Ansible shows it: changed lines with ``CONTEXT`` around them, secrets masked."""
    kind = kind_of(path)
    return text_diff(header or path, *hunks(before, after, masked(before, kind), masked(after, kind)))


def text_diff(header: str, before: str, after: str) -> Dict[str, str]:
    """The form in which Ansible takes a diff."""
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def hunks(before: str, after: str, masked_before: str = "", masked_after: str = "") -> Tuple[str, str]:
    """Both texts cut down to what differs. The ``masked`` texts, line for line the same, are what the result is made of.

    What is the same on both sides and left out is one line that says how much it is.
    """
    old, new = lines_of(before), lines_of(after)
    printed = lines_of(masked_before or before), lines_of(masked_after or after)
    sides: Tuple[List[str], List[str]] = ([], [])
    blocks = _equal_blocks(old, new)
    for index, (start, other, size) in enumerate(blocks):
        head = CONTEXT if index else 0
        tail = CONTEXT if index < len(blocks) - 1 else 0
        left_out = size - head - tail
        for side, lines, begin in ((sides[0], printed[0], start), (sides[1], printed[1], other)):
            if left_out > 1:
                side += lines[begin : begin + head]
                side.append(f"[{left_out} lines]\n")
                side += lines[begin + size - tail : begin + size]
            else:
                side += lines[begin : begin + size]
        if index < len(blocks) - 1:
            sides[0].extend(printed[0][start + size : blocks[index + 1][0]])
            sides[1].extend(printed[1][other + size : blocks[index + 1][1]])
    return "".join(sides[0]), "".join(sides[1])


def _equal_blocks(old: Sequence[str], new: Sequence[str]) -> List[Tuple[int, int, int]]:
    """Where lines are the same: begin in either, and how many. The first and the last may be empty."""
    least = min(len(old), len(new))
    head = next((index for index in range(least) if old[index] != new[index]), least)
    tail = next((index for index in range(least - head) if old[-1 - index] != new[-1 - index]), least - head)
    blocks = [(0, 0, head)]
    if old[head : len(old) - tail] and new[head : len(new) - tail] and max(len(old), len(new)) - head - tail <= MOST:
        matcher = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
        blocks += [(head + match.a, head + match.b, match.size) for match in matcher.get_matching_blocks() if match.size]
    return [*blocks, (len(old) - tail, len(new) - tail, tail)]
