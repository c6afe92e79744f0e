# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what ip(8) and bridge(8) say of bridges, their ports and bonds."""

from __future__ import annotations

from typing import Dict, Sequence, Tuple

from ..._shared.limits import BadText, Entry
from ..model import Vlan
from .link_options import BOND, BRIDGE, FILTERING, PORT, STP
from .vlans import LARGEST, PROTOCOLS, joined

_BOND_KEYS = {option.key: option.key for option in BOND}
_SHOWN_AS = {**_BOND_KEYS, "lacp_rate": "ad_lacp_rate"}
"""An option of a bond by which it is set -> that by which it is shown."""


def read_options(kind: str, data: Entry) -> Dict[str, str]:
    """The options of a bridge or a bond by the keys by which they are set."""
    if kind == "bridge":
        found = {option.key: data.scalar(option.key) for option in (*STP, *BRIDGE, FILTERING) if option.key in data}
        if "group_fwd_mask" in found:
            found["group_fwd_mask"] = str(_hexadecimal(data, "group_fwd_mask"))
        if "vlan_protocol" in found:
            found["vlan_protocol"] = PROTOCOLS.get(found["vlan_protocol"], found["vlan_protocol"])
        return found
    if kind != "bond":
        return {}
    found = {key: data.scalar(name) for key, name in _SHOWN_AS.items() if name in data and not data.is_null(name)}
    found.update({"primary": data.scalar("primary")} if "primary" in data else {})
    targets = data.texts("arp_ip_target")
    return {**found, **({"arp_ip_target": ",".join(targets)} if targets else {})}


def _hexadecimal(data: Entry, key: str) -> int:
    try:
        return int(data.scalar(key), 16)
    except ValueError:
        raise BadText(f"{data.place}.{key}: expected a number in hexadecimal digits") from None


def read_port_options(info: Entry) -> Dict[str, str]:
    """Those of a bridge's port."""
    if info.text("info_slave_kind", "") != "bridge":
        return {}
    data = info.entry("info_slave_data")
    found = {option.key: data.scalar(option.key) for option in PORT if option.key in data}
    if "hairpin" in found:
        found["hairpin"] = "on" if found["hairpin"] in ("True", "on", "1") else "off"
    return found


def read_vlans(entries: Sequence[Entry]) -> Dict[str, Tuple[Vlan, ...]]:
    """Interface -> the VLANs that it has as a bridge or as the port of one. bridge(8) prints them in order."""
    found: Dict[str, Tuple[Vlan, ...]] = {}
    for entry in entries:
        vlans = []
        next_one = 0
        for one in entry.entries("vlans"):
            flags = one.texts("flags")
            first = one.integer("vlan", low=next_one, high=LARGEST + 1)
            last = one.integer("vlanEnd", first, low=first, high=LARGEST + 1)
            vlans.append(Vlan(first, last, "PVID" in flags, "Egress Untagged" in flags))
            next_one = last + 1
        if vlans:
            found[entry.text("ifname")] = joined(vlans)
    return found
