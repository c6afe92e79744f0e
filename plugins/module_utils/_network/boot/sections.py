# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of ``[section]`` and ``key=value`` lines, as systemd.syntax(7) has them."""

from __future__ import annotations

from typing import List, Tuple

Pairs = List[Tuple[str, str, str]]
BOM = "\ufeff"
"""systemd and GLib skip it at the beginning of a file."""


def pairs(text: str) -> Pairs:
    """Section, key and value of each line of a file, in order. An empty value takes earlier ones of its key away."""
    return [entry for block in blocks(text) for entry in block]


def blocks(text: str) -> List[Pairs]:
    """The same, with the lines below each header by themselves: there may be several sections of one name, each of a thing of its own."""
    found: List[Pairs] = [[]]
    section = ""
    begun: List[str] = []  # the lines so far of one that goes on in the next
    for line in (raw.strip() for raw in text.lstrip(BOM).split("\n")):
        if line.startswith(("#", ";")):
            continue
        begun.append(line[:-1].rstrip() if line.endswith("\\") else line)
        if line.endswith("\\"):
            continue
        line, begun = " ".join(begun), []
        if line.startswith("["):
            section = line.strip("[]")
            found.append([])
        elif "=" in line:
            key, _equals, value = line.partition("=")
            found[-1].append((section, key.strip(), value.strip()))
    return found


def last(entries: Pairs) -> Pairs:
    """What counts of them: an empty value takes the earlier ones of its key away."""
    cleared = {(section, key): index for index, (section, key, value) in enumerate(entries) if not value}
    return [entry for index, entry in enumerate(entries) if index > cleared.get(entry[:2], -1)]
