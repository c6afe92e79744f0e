# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``link-aggregation`` of an interface: the mode, the ports, and the kernel's options of a bond."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

from ..._fleet.fields import Field, Option, choice, list_of, optional, required
from ..._fleet.places import REFUSED, Place, Values
from ..._fleet.values import shown
from ..kernel.link_options import ARP, BOND, MII, keys_of
from .values import LINK, address, settings

MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
MIIMON = "100"
"""Milliseconds, where nothing is said: the kernel's own, 0, never notices that a link is gone."""
TARGETS_MOST = 16  # BOND_MAX_ARP_TARGETS in include/net/bonding.h
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


def _targets(value: Any, place: Place) -> Any:
    """A list, or what the kernel takes: addresses with commas between them. Gives the latter."""
    if isinstance(value, str):
        each = [_TARGET.parse(part.strip(), place) for part in value.split(",")]
        targets: Any = REFUSED if REFUSED in each else tuple(each)
    else:
        targets = list_of(_TARGET, "[192.0.2.1]", 1).parse(value, place)
    if targets is REFUSED:
        return REFUSED
    if len(targets) > TARGETS_MOST:
        return place.refuse(f"has {len(targets)} addresses, and the kernel takes at most {TARGETS_MOST}", "Remove some")
    if len(set(targets)) < len(targets):
        return place.refuse("has an address twice", "Write each once")
    return ",".join(targets)


_TARGET = address(4)
_TARGETS = Field("raw", _targets, {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}]})
BOND_OPTIONS: Mapping[str, Option] = dict(sorted({**keys_of(BOND), "arp_ip_target": optional(_TARGETS), "primary": optional(LINK)}.items()))
AGGREGATION = settings(
    {
        "mode": required(choice(*MODES), f"Use one of {', '.join(MODES)}"),
        "port": required(list_of(LINK, "[eth0, eth1]", 1, unique=True), "Name at least one, for example [eth0, eth1]"),
        "options": optional(settings(BOND_OPTIONS, "a bond", "{miimon: 100}")),
    },
    "a bond",
    "{mode: active-backup, port: [eth0, eth1]}",
)


def read_bond(given: Values) -> Dict[str, Any]:
    """The fields of a bond (see ``Interface``)."""
    ports: Tuple[str, ...] = tuple(given["port"] or ())
    options = _options(given["options"], given, ports) if given["options"] is not None else {}
    return {"mode": given["mode"] or MODES[1], "ports": ports, "options": options}


def _options(written: Values, bond: Values, ports: Tuple[str, ...]) -> Dict[str, str]:
    """The options by the kernel's keys; what does not fit together is noted."""
    mode = bond["mode"]
    usable = {key: value for key, value in written.items() if value is not None and (mode is None or fits(key, mode))}
    for key in sorted(written.written - written.refused - usable.keys()):
        message = f"has no meaning with the mode {mode}, but with {', '.join(_MODES_OF[key])}"
        written.at(key).refuse(message, "Remove it, or change the mode")
    if "primary" in usable and usable["primary"] not in ports and not bond.refused & {"port"}:
        written.at("primary").refuse(f"{shown(usable['primary'])} is not a port of the bond", "Name one of its ports")
    if int(usable.get("arp_interval", "0")) and "arp_ip_target" not in written.written:
        written.at("arp_ip_target").refuse("is missing, and arp_interval needs addresses to ask for", "Write for example [192.0.2.1]")
    _check(usable, written)
    return usable


def fits(key: str, mode: str) -> bool:
    """Whether an option has a meaning with the mode."""
    return mode in _MODES_OF.get(key, (mode,))


def _check(options: Mapping[str, str], written: Values) -> None:
    """The two ways to notice that a port is gone exclude each other, and each has options that need it."""
    arp = int(options.get("arp_interval", "0"))
    if arp and int(options.get("miimon", "0")):
        written.at("arp_interval").refuse("miimon is there too, and the kernel ends one when the other is set", "Remove one of the two")
    for key in ("arp_ip_target", "arp_validate", "arp_all_targets") if not arp else ():
        if options.get(key, "none") != "none":
            written.at(key).refuse("has no meaning without arp_interval", "Write arp_interval in milliseconds, or remove it")
    every = 0 if arp else int(options.get("miimon", MIIMON))
    for key in MII[1:]:
        delay = int(options.get(key, "0"))
        if delay and not every:
            written.at(key).refuse("has no meaning without miimon", "Write miimon in milliseconds, or remove it")
        elif delay and delay % every:
            written.at(key).refuse(f"{delay} is not a multiple of miimon, {every}", "The kernel would round it; write a multiple")
