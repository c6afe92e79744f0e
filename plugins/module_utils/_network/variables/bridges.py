# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``bridge`` of an interface, in nmstate's words: ports, STP, VLANs of ports, and other options."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..._fleet.fields import boolean, choice, list_of, optional, required
from ..._fleet.places import Place, Values
from ..kernel.link_options import BRIDGE, PORT, STP, Option, by_kernel, keys_of
from ..kernel.vlans import canonical, includes
from ..model import Vlan
from .values import LINK, VLAN_ID, settings

_PORT = "{name: eth0}"
_VLAN = "{mode: access, tag: 10}"
_TRUNK = "{mode: trunk, trunk-tags: [{id: 10}, {id-range: {min: 20, max: 29}}]}"
_RANGE = settings({"min": required(VLAN_ID), "max": required(VLAN_ID)}, "a range of VLANs", "{min: 20, max: 29}")
_TAGS = list_of(settings({"id": optional(VLAN_ID), "id-range": optional(_RANGE)}, "VLANs of a trunk", "{id: 10}"), "[{id: 10}, {id-range: {min: 20, max: 29}}]")
VLAN_OF_PORT = settings(
    {"mode": optional(choice("access", "trunk")), "tag": optional(VLAN_ID), "trunk-tags": optional(_TAGS, ()), "enable-native": optional(boolean(), False)},
    "the VLANs of a port",
    _VLAN,
)
_RESERVED = 0b111
"""Bits of the group-forward-mask that the kernel takes on no bridge: STP, PAUSE and LACP frames (BR_GROUPFWD_RESTRICTED)."""


_STP = settings({**keys_of(STP), "enabled": optional(boolean())}, "STP", "{enabled: false}")
BRIDGE_PART = settings(
    {
        "options": optional(settings({**keys_of(BRIDGE), "stp": optional(_STP)}, "a bridge", "{stp: {enabled: false}}")),
        "port": optional(list_of(settings({"name": required(LINK), "vlan": optional(VLAN_OF_PORT), **keys_of(PORT)}, "a port", _PORT), f"[{_PORT}]"), ()),
        "vlan": optional(VLAN_OF_PORT),
    },
    "a bridge",
    f"{{port: [{_PORT}]}}",
)


def read_bridge(own: str, given: Values) -> Dict[str, Any]:
    """The fields of the bridge ``own`` (see ``Interface``). A bridge filters VLANs when a port or the bridge itself has a
    ``vlan``, and does so no longer when there are only empty ones.
    """
    written: Optional[Values] = given["options"]
    stp: Optional[Values] = None if written is None else written["stp"]
    spoken: Optional[bool] = None if stp is None else stp["enabled"]
    options = {**({} if stp is None else by_kernel(stp, STP)), **({} if written is None else by_kernel(written, BRIDGE))}
    if written is not None:
        _check_mask(options, written.place)
    if stp is not None and stp.clean:
        _check_times(options, spoken, stp.place)
    ports: List[str] = []
    port_options: Dict[str, Dict[str, str]] = {}
    vlans: Dict[str, Tuple[Vlan, ...]] = {}
    for port in given["port"]:
        name = port["name"]
        if name in ports:
            port.place.refuse(f"{name} is there twice", "Write each port once")
        elif name is not None:
            ports.append(name)
            port_options[name] = by_kernel(port, PORT)
            if port["vlan"] is not None:
                vlans[name] = _vlans(port["vlan"])
    if given["vlan"] is not None:
        vlans[own] = _vlans(given["vlan"])
    if vlans:
        options["vlan_filtering"] = str(int(any(vlans.values())))
    of_ports = {port: chosen for port, chosen in port_options.items() if chosen}
    return {"ports": tuple(ports), "stp": spoken, "options": options, "port_options": of_ports, "vlans": vlans}


def _check_mask(options: Mapping[str, str], place: Place) -> None:
    if int(options.get("group_fwd_mask", "0")) & _RESERVED:
        place.key("group-forward-mask").refuse(
            f"{options['group_fwd_mask']} has one of the bits 1, 2 and 4 (STP, PAUSE, LACP), which the kernel forwards on no bridge",
            "Write a mask without them",
        )


def _check_times(options: Mapping[str, str], stp: Optional[bool], place: Place) -> None:
    """IEEE 802.1D-2004, 17.14: 2 (forward-delay - 1) >= max-age >= 2 (hello-time + 1)."""
    if not stp:
        return
    delay, hello, age = (int(options.get(option.key, option.default)) // option.scale for option in STP[:3])
    if delay < 2:
        place.key("forward-delay").refuse(f"{delay} is less than a bridge with STP can have", "Write 2 to 30")
    elif not 2 * (delay - 1) >= age >= 2 * (hello + 1):
        place.refuse(
            f"forward-delay {delay}, max-age {age} and hello-time {hello} contradict each other",
            "Keep 2 * (forward-delay - 1) >= max-age >= 2 * (hello-time + 1) (IEEE 802.1D)",
        )


def _vlans(given: Values) -> Tuple[Vlan, ...]:
    if not given.written or "mode" in given.refused:
        return ()
    if "mode" not in given.written:
        given.at("mode").refuse("is missing", f"Write access or trunk, for example {_VLAN}")
        return ()
    tag, native = given["tag"], given["enable-native"]
    tags = _tags(given["trunk-tags"])
    if given["mode"] == "access":
        if given["trunk-tags"]:
            given.at("trunk-tags").refuse("has no meaning with mode access", "Remove it, or write mode: trunk")
        if native:
            given.at("enable-native").refuse("has no meaning with mode access, whose frames have no tag", "Remove it")
        if "tag" not in given.written:
            given.at("tag").refuse("is missing", f"Write for example {_VLAN}")
        return (Vlan(tag, tag, True, True),) if tag else ()
    if native and "tag" not in given.written:
        given.at("tag").refuse("is missing: enable-native needs the VLAN of frames without a tag", "Write for example tag: 10")
    if "tag" in given.written and not native and "enable-native" not in given.refused:
        given.at("tag").refuse("of a trunk is the VLAN of frames without a tag", "Write enable-native: true, or remove the tag")
    if not given["trunk-tags"] and not native and not given.refused & {"trunk-tags", "enable-native"}:
        given.at("trunk-tags").refuse("is missing", f"Write for example {_TRUNK}")
    if tag and includes(tags, tag):
        given.at("trunk-tags").refuse(f"{tag} is the tag of the native VLAN too, whose frames have none", "Write it once")
    return canonical([*tags, *([Vlan(tag, tag, True, True)] if tag and native else [])])


def _tags(entries: Sequence[Values]) -> Tuple[Vlan, ...]:
    vlans: List[Vlan] = []
    for given in entries:
        ends: Optional[Values] = given["id-range"]
        if ("id" in given.written) == ("id-range" in given.written):
            given.place.refuse("must have either id or id-range", "Write {id: 10} or {id-range: {min: 20, max: 29}}")
        if not given.clean or (given["id"] is None) == (ends is None):
            continue
        first, last = (given["id"], given["id"]) if ends is None else (ends["min"], ends["max"])
        if first > last:
            given.at("id-range").refuse(f"begins with {first}, after its end {last}", "Exchange them")
        elif any(one.first <= last and first <= one.last for one in vlans):
            given.place.refuse(f"{first if first == last else f'{first} to {last}'} is in another entry too", "Write each VLAN once")
        else:
            vlans.append(Vlan(first, last))
    return tuple(vlans)


def as_vlan(vlans: Sequence[Vlan]) -> Dict[str, Any]:
    """What ``read_bridge`` reads as these VLANs, with underscores."""
    native = [one.first for one in vlans if one.pvid]
    tags = [one for one in vlans if not one.pvid]
    if native and not tags:
        return {"mode": "access", "tag": native[0]}
    if not vlans:
        return {}
    trunk = [{"id": one.first} if one.first == one.last else {"id_range": {"min": one.first, "max": one.last}} for one in tags]
    return {"mode": "trunk", "trunk_tags": trunk, **({"enable_native": True, "tag": native[0]} if native else {})}


def as_words(given: Mapping[str, str], known: Sequence[Option]) -> Dict[str, Any]:
    """The options among these that are given, in nmstate's words with underscores."""
    return {option.word.replace("-", "_"): option.value(given[option.key]) for option in known if option.key in given}
