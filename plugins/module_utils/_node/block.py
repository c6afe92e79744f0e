# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of a text file that is ours, between two marks; the rest belongs to others and is kept byte for byte."""

from __future__ import annotations

from typing import List, Sequence, Tuple

from .._shared.limits import split_lines

BEGIN = "# BEGIN smallfleet.infra: written from the inventory, changes are lost"
END = "# END smallfleet.infra"


class DamagedBlock(ValueError):
    """The marks are not there once each, in order, so it cannot be said what is ours."""


def with_block(text: str, lines: Sequence[str]) -> str:
    """The text with our part holding exactly these lines; without lines the part goes.

    A part that is there is replaced in its place, a new one is put at the end. Raise DamagedBlock.
    """
    before, after, present = _split(text)
    if not lines:
        return "".join(before + after) if present else text
    ours = [f"{line}\n" for line in (BEGIN, *lines, END)]
    if not present and before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    return "".join(before + ours + after)


def has_block(text: str) -> bool:
    """Whether a part of the text is ours, damaged or not."""
    return any(line.rstrip("\n") in (BEGIN, END) for line in split_lines(text))


def _split(text: str) -> Tuple[List[str], List[str], bool]:
    lines = split_lines(text)
    marks = [(index, line.rstrip("\n")) for index, line in enumerate(lines) if line.rstrip("\n") in (BEGIN, END)]
    if not marks:
        return lines, [], False
    if [mark for _index, mark in marks] != [BEGIN, END]:
        raise DamagedBlock(f"expected one line '{BEGIN}' and after it one line '{END}'")
    return lines[: marks[0][0]], lines[marks[1][0] + 1 :], True
