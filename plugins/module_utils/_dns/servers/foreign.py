# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others have configured in a file of a DNS server that is to be replaced, beyond what Debian's package puts there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Tuple

MARK = "smallfleet.infra.dns_server_config"
"""In every file that is written from the inventory."""
NOTICE = f"Written by {MARK}. Changes made here are lost at its next run."
SHOWN = 20
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|/\*.*?(?:\*/|\Z)|//[^\n]*|#[^\n]*|[{};]|[^\s{};"#/]+|/', re.DOTALL)
_DEBIAN_OPTIONS = frozenset(("directory", "dnssec-validation", "listen-on", "listen-on-v6", "auth-nxdomain"))
_KNOT_SECTION = re.compile(r"^([a-z][a-z-]*)[ ]*:", re.MULTILINE)
_KNOT_ZONE = re.compile(r"^[ \t]*-[ \t]+domain[ ]*:[ \t]*([^\s#]+)", re.MULTILINE)
_DEBIAN_SECTIONS = frozenset(("server", "log", "database", "remote", "template", "zone"))


@dataclass(frozen=True)
class Foreign:
    """A file that others wrote. ``parts`` are what of it would be lost, such as ``zone example.net``.

    ``backups`` is how many backups of other contents of the file there are.
    """

    path: str
    parts: Tuple[str, ...]
    backups: int = 0

    def __str__(self) -> str:
        more = len(self.parts) - SHOWN
        parts = ", ".join(self.parts[:SHOWN]) + (f" and {more} more" if more > 0 else "")
        return (
            f"{self.path} was not written from the inventory and has {parts}, which this server would no longer have. Put what is needed into"
            " dns_zones; then set replace_configuration (of the role: dns_server_replace_configuration) to true once. The file is kept as"
            f" {self.backup}"
        )

    @property
    def backup(self) -> str:
        """Where the file is kept."""
        return backup(self.path, self.backups)


def backup(path: str, number: int) -> str:
    """The name of a backup; 0 is the first one. No backup replaces another."""
    return f"{path}.before-smallfleet" + (f"-{number + 1}" if number else "")


def named_conf(text: str) -> Tuple[str, ...]:
    """The statements of a part of named.conf, by their names, in order (BIND 9 Administrator Reference Manual, section 8)."""
    if MARK in text:
        return ()
    words: List[str] = []
    found: List[str] = []
    depth = 0
    within = ""
    for token in _TOKEN.findall(text):
        if token.startswith(("//", "#", "/*")):
            continue
        if token in ("{", ";"):
            if words and depth == 0:
                within = words[0]
                found += _statement(words)
            elif words and depth == 1 and within == "options" and words[0] not in _DEBIAN_OPTIONS:
                found.append(words[0])
            words = []
        else:
            words += [] if token == "}" else [token.strip('"') or token]
        depth = max(0, depth + {"{": 1, "}": -1}.get(token, 0))
    return tuple(dict.fromkeys(found))


def _statement(words: List[str]) -> List[str]:
    return [] if words[0] == "options" else [" ".join(words[:2])]


def knot_conf(text: str) -> Tuple[str, ...]:
    """The zones of knot.conf, and its sections that Debian's package does not have (knot.conf(5))."""
    if MARK in text:
        return ()
    zones = ["zone " + name.strip("\"'") for name in _KNOT_ZONE.findall(text)]
    return tuple(dict.fromkeys((*zones, *(name for name in _KNOT_SECTION.findall(text) if name not in _DEBIAN_SECTIONS))))
