# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the plan about options of bridges, their ports and bonds, and VLANs of ports."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from ..kernel.link_options import ARP, BOND, BRIDGE, MII, PORT, STP, VLAN, by_key
from ..kernel.vlans import by_default, default_pvid, filters, requests
from ..model import Interface, Link, Operation, Vlan
from .draft import Draft, masters, set_link

Words = Tuple[str, ...]
_BRIDGE = by_key((*STP, *BRIDGE))
_PORT = by_key(PORT)
_BOND = by_key(BOND)
_BEFORE_FILTERING = [option.key for option in VLAN]
"""Given to a bridge before its ports get their VLANs: the kernel changes these with it."""


def born_with(interface: Interface) -> List[str]:
    """The options that a bridge or bond gets when it is made. STP and VLAN filtering come last, and so does a bond's primary port,
    which must be there first.
    """
    last = ("vlan_filtering", "primary")
    return [word for key, value in sorted(interface.options.items()) if key not in last for word in (key, value)]


def plan_settings(draft: Draft) -> None:
    """What can be changed while it serves."""
    for interface in draft.desired.interfaces:
        link = draft.links.get(interface.name)
        if interface.absent or (link is None and not interface.virtual):
            continue
        if interface.type == "bond":
            _plan_bond(interface, link, draft)
        elif interface.type == "bridge":
            _plan_bridge(interface, link, draft)


def _type(interface: Interface, words: Sequence[str]) -> Words:
    return ("link", "set", "dev", interface.name, "type", interface.type, *words)


def _set(interface: Interface, key: str, value: str, before: str) -> Operation:
    return set_link(interface.name, ["type", interface.type, key, value], [_type(interface, [key, before])] if before else [])


def _plan_bond(interface: Interface, link: Optional[Link], draft: Draft) -> None:
    if link is None:
        if interface.options.get("primary"):
            draft.cleanup.append(_set(interface, "primary", interface.options["primary"], ""))
        return
    for key, value in sorted(interface.options.items()):
        before = link.options.get(key, _BOND[key].default if key in _BOND else "")
        if before == value:
            continue
        operation = _set(interface, key, value, before)
        ended = MII if key == "arp_interval" and value != "0" else ARP if key == "miimon" and value != "0" else ()
        back = [_type(interface, [other, link.options[other]]) for other in ended if link.options.get(other, "0") not in ("0", "none")]
        draft.cleanup.append(replace(operation, undo=operation.undo + tuple(back)))


def _plan_bridge(interface: Interface, link: Optional[Link], draft: Draft) -> None:
    there: Mapping[str, str] = link.options if link is not None else {}
    if link is not None:
        for key, value in sorted(interface.options.items()):
            before = there.get(key, _BRIDGE[key].default) if key in _BRIDGE else value
            if before != value:
                (draft.switch if key in _BEFORE_FILTERING else draft.cleanup).append(_set(interface, key, value, before))
    if bool(interface.stp) != (link is not None and link.stp):
        undo = [] if link is None else [_type(interface, ["stp_state", str(int(link.stp))])]
        draft.cleanup.append(set_link(interface.name, ["type", "bridge", "stp_state", str(int(bool(interface.stp)))], undo))
    for port in interface.ports:
        _plan_port(interface, port, draft)
    _plan_vlans(interface, draft)
    filtering, before = interface.options.get("vlan_filtering", "0"), there.get("vlan_filtering", "0")
    if filtering != before:
        operation = _set(interface, "vlan_filtering", filtering, before if link is not None else "")
        (draft.cleanup if filtering == "1" else draft.switch).append(operation)


def _plan_port(interface: Interface, port: str, draft: Draft) -> None:
    link = draft.links.get(port)
    stays = link is not None and link.master == interface.name
    for key, value in sorted(interface.port_options.get(port, {}).items()):
        before = link.port_options.get(key, _PORT[key].default) if link is not None and stays else ""
        if before != value:
            back = [("link", "set", "dev", port, "type", "bridge_slave", key, before)] if before else []
            draft.cleanup.append(set_link(port, ["type", "bridge_slave", key, value], back))


def _plan_vlans(interface: Interface, draft: Draft) -> None:
    """A port that joins gets the default VLAN from the kernel, and so do all when that changes."""
    if not filters(interface):
        return
    now = draft.links.get(interface.name)
    default = by_default(default_pvid(interface))
    changed = now is None or now.options.get("vlan_default_pvid", "1") != interface.options.get("vlan_default_pvid")
    for name, wanted in sorted(interface.vlans.items()):
        stays = now is not None and (name == interface.name or name in draft.links and draft.links[name].master == interface.name)
        there = draft.observed.vlans.get(name, ()) if stays else default
        if there == wanted and not (changed and stays):
            continue
        itself = name == interface.name
        there = (*there, *default)
        back = tuple(requests(name, draft.observed.vlans.get(name, ()), [*wanted, *default], itself)) if stays else ()
        steps = [Operation("set_vlans", name, words) for words in requests(name, wanted, there, itself)]
        draft.cleanup += [replace(step, undo=back) if not index else step for index, step in enumerate(steps)]


def lost_by_moving(draft: Draft) -> Iterator[Words]:
    """The lines that give ports that leave their bridge what they had as its ports, for when they are back."""
    wanted = masters(draft.desired)
    for interface in draft.desired.interfaces:
        link = draft.links.get(interface.name)
        bridge = draft.links.get(link.master) if link is not None else None
        if link is None or bridge is None or bridge.kind != "bridge":
            continue
        if not interface.absent and wanted.get(interface.name, "") == bridge.name:
            continue
        for key, value in sorted(link.port_options.items()):
            yield ("link", "set", "dev", link.name, "type", "bridge_slave", key, value)
        vlans: Sequence[Vlan] = draft.observed.vlans.get(link.name, ())
        default = by_default(int(bridge.options.get("vlan_default_pvid", "1")))
        if tuple(vlans) != default:
            yield from requests(link.name, vlans, default, False)
