# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of cards at the next boot: systemd.link(5) files and rules of udev(7) that give a card of the inventory another one."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Tuple

from ..backends.base import present
from ..backends.networkd import FOLDERS
from ..kernel.macs import mac_of
from ..model import Link
from .findings import CARDS, Boot, word
from .sections import pairs

LINKS: Tuple[str, ...] = tuple(f"{folder}/*.link" for folder in FOLDERS)
RULES: Tuple[str, ...] = ("/etc/udev/rules.d/*.rules",)
_ASSIGNED = re.compile(r'\bNAME:?="([^"\n]{1,64})"')
_ADDRESS = re.compile(r'\bATTRS?\{address\}=="([^"\n]{1,64})"')


def renamed(boot: Boot, texts: Mapping[str, str]) -> List[str]:
    """The files by which a card has another name after the next boot. ``texts``: path and content of what ``LINKS`` and ``RULES`` match."""
    found: List[str] = []
    rules = [(path, *rule) for path in sorted(texts) if path.endswith(".rules") for rule in _rules(texts[path])]
    for one in present(boot.desired):
        link = boot.observed.links.get(one.name)
        if link is None or link.kind not in CARDS:
            continue
        path, settings = link_file(link, texts)
        name = settings.get("Name", "")
        if name and name != one.name:
            found.append(f"{path}: names {one.name} {word(name)} at the next boot. Use that name in the inventory after a boot, or remove the file")
        for rule, mac, name in rules:
            if mac in _macs(link) and name != one.name:
                found.append(f"{rule}: names {one.name} {word(name)} at the next boot. Use that name in the inventory after a boot, or remove the rule")
    return found


def link_file(link: Link, texts: Mapping[str, str]) -> Tuple[str, Dict[str, str]]:
    """The file that applies to a card, the first that is for its MAC, and what it says in [Link]."""
    bases: Dict[str, str] = {}
    for folder in FOLDERS:
        for path in texts:
            base = path.rpartition("/")[2]
            if path == f"{folder}/{base}" and base.endswith(".link"):
                bases.setdefault(base, path)
    for _base, path in sorted(bases.items()):
        entries = pairs(texts[path])
        macs = [value for section, key, value in entries if section == "Match" and key in ("MACAddress", "PermanentMACAddress")]
        if any(mac_of(one) in _macs(link) for value in macs for one in value.split()):
            return path, {key: value for section, key, value in entries if section == "Link"}
    return "", {}


def _macs(link: Link) -> Tuple[str, ...]:
    return tuple(mac for mac in (link.permanent_mac or link.mac, link.mac) if mac)


def _rules(text: str) -> Iterator[Tuple[str, str]]:
    """MAC and name of each rule that gives one card a name."""
    for line in text.replace("\\\n", " ").split("\n"):
        address, name = _ADDRESS.search(line), _ASSIGNED.search(line)
        if address and name and not line.lstrip().startswith("#"):
            yield address[1].lower(), name[1]
