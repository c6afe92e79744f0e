# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``link-aggregation`` of an interface: the mode, the ports, and the kernel's options of a bond."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ..fleet.values import kind, shown
from ._read import Place, add_port, address, choice, mapping, name, sequence, unknown
from .link_options import ARP, BOND, MII

MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
BOND_OPTIONS = tuple(sorted((*(option.word for option in BOND), "arp_ip_target", "primary")))
MIIMON = "100"
"""Milliseconds, where nothing is said: the kernel's own, 0, never notices that a link is gone."""
TARGETS_MOST = 16  # BOND_MAX_ARP_TARGETS in include/net/bonding.h
_BY_WORD = {option.word: option for option in BOND}
_ACTIVE = ("active-backup", "balance-tlb", "balance-alb")
_HASHING = ("balance-xor", "802.3ad", "balance-tlb")
_ARP = ("balance-rr", "active-backup", "balance-xor", "broadcast")
_MODES_OF: Mapping[str, Tuple[str, ...]] = {
    "lacp_rate": ("802.3ad",),
    "ad_select": ("802.3ad",),
    "min_links": ("802.3ad",),
    "primary": _ACTIVE,
    "primary_reselect": _ACTIVE,
    "fail_over_mac": ("active-backup",),
    "xmit_hash_policy": _HASHING,
    **{key: _ARP for key in ARP},
}
"""Where an option has a meaning (Documentation/networking/bonding.rst, and ``unsuppmodes`` in bond_options.c)."""


def read_bond(value: Any, place: Place) -> Dict[str, Any]:
    """The fields of a bond (see ``Interface``)."""
    given = mapping(value, ("mode", "port", "options"), "{mode: active-backup, port: [eth0, eth1]}", place)
    if "mode" not in given:
        (place / "mode").note("is missing", f"Use one of {', '.join(MODES)}")
    mode = choice(given.get("mode"), MODES, "active-backup", place / "mode") if "mode" in given else "active-backup"
    ports: List[str] = []
    for index, entry in enumerate(sequence(given.get("port"), "[eth0, eth1]", place / "port")):
        add_port(name(entry, place / "port" / index), ports, place / "port" / index)
    if not ports:
        (place / "port").note("a bond needs ports", "Name at least one, for example [eth0, eth1]")
    written = given.get("options")
    if written is not None and not isinstance(written, dict):
        (place / "options").note(f"must be a dictionary, found {kind(written)}", "Write for example {miimon: 100}")
        written = {}
    options: Dict[str, str] = {}
    for key, option in (written or {}).items():
        text = _option(str(key).replace("-", "_"), option, mode, ports, place / "options" / str(key))
        if text:
            options[str(key).replace("-", "_")] = text
    if int(options.get("arp_interval", "0")) and "arp_ip_target" not in {str(key).replace("-", "_") for key in written or {}}:
        (place / "options" / "arp_ip_target").note("is missing, and arp_interval needs addresses to ask for", "Write for example [192.0.2.1]")
    _check(options, place / "options")
    return {"mode": mode, "ports": tuple(ports), "options": options}


def fits(key: str, mode: str) -> bool:
    """Whether an option has a meaning with the mode."""
    return mode in _MODES_OF.get(key, (mode,))


def _option(key: str, value: Any, mode: str, ports: List[str], place: Place) -> str:
    if key not in BOND_OPTIONS:
        unknown(key, BOND_OPTIONS, place, "no such option of a bond here")
        return ""
    if not fits(key, mode):
        place.note(f"has no meaning with the mode {mode}, but with {', '.join(_MODES_OF[key])}", "Remove it, or change the mode")
        return ""
    if key == "arp_ip_target":
        return _targets(value, place)
    if key == "primary":
        if value not in ports:
            place.note(f"{shown(value)} is not a port of the bond", "Name one of its ports")
            return ""
        return str(value)
    return _BY_WORD[key].read(value, place)


def _targets(value: Any, place: Place) -> str:
    """A list, or what the kernel takes: addresses with commas between them."""
    if isinstance(value, str):
        found = [address(part.strip(), 4, place) for part in value.split(",")]
    else:
        found = [address(part, 4, place / index) for index, part in enumerate(sequence(value, "[192.0.2.1]", place))]
    if len(found) > TARGETS_MOST:
        place.note(f"has {len(found)} addresses, and the kernel takes at most {TARGETS_MOST}", "Remove some")
    if len(set(found)) < len(found) and all(found):
        place.note("has an address twice", "Write each once")
    return ",".join(one for one in found if one)


def _check(options: Mapping[str, str], place: Place) -> None:
    """The two ways to notice that a port is gone exclude each other, and each has options that need it."""
    arp = int(options.get("arp_interval", "0"))
    if arp and int(options.get("miimon", "0")):
        (place / "arp_interval").note("miimon is there too, and the kernel ends one when the other is set", "Remove one of the two")
    for key in ("arp_ip_target", "arp_validate", "arp_all_targets") if not arp else ():
        if options.get(key, "none") != "none":
            (place / key).note("has no meaning without arp_interval", "Write arp_interval in milliseconds, or remove it")
    every = 0 if arp else int(options.get("miimon", MIIMON))
    for key in MII[1:]:
        delay = int(options.get(key, "0"))
        if delay and not every:
            (place / key).note("has no meaning without miimon", "Write miimon in milliseconds, or remove it")
        elif delay and delay % every:
            (place / key).note(f"{delay} is no multiple of miimon, {every}", "The kernel would round it; write a multiple")
