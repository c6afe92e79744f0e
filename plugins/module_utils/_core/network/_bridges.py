# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``bridge`` of an interface, in nmstate's words: ports, STP, VLANs of ports, and other options."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..fleet.values import shown
from ._read import Place, add_port, boolean, choice, mapping, name, number, sequence
from .link_options import BRIDGE, PORT, STP, Option
from .model import Vlan
from .vlans import LARGEST, canonical, includes

_PORT = "{name: eth0}"
_VLAN = "{mode: access, tag: 10}"
_TRUNK = "{mode: trunk, trunk-tags: [{id: 10}, {id-range: {min: 20, max: 29}}]}"
_TAG = "a VLAN (IEEE 802.1Q: 0 and 4095 are reserved)"
_RESERVED = 0b111
"""Bits of the group-forward-mask that the kernel takes on no bridge: STP, PAUSE and LACP frames (BR_GROUPFWD_RESTRICTED)."""


def read_bridge(own: str, value: Any, place: Place) -> Dict[str, Any]:
    """The fields of the bridge ``own`` (see ``Interface``). A bridge filters VLANs when a port or the bridge itself has a
    ``vlan``, and does so no longer when there are only empty ones.
    """
    given = mapping(value, ("options", "port", "vlan"), f"{{port: [{_PORT}]}}", place)
    where = place / "options"
    known = (*(option.word for option in BRIDGE), "stp")
    written = mapping(given.get("options"), known, "{stp: {enabled: false}}", where)
    stp = mapping(written.pop("stp", None), (*(option.word for option in STP), "enabled"), "{enabled: false}", where / "stp")
    spoken = None if stp.get("enabled") is None else boolean(stp["enabled"], False, where / "stp" / "enabled")
    options = {**_options(stp, STP, where / "stp"), **_options(written, BRIDGE, where)}
    _check_mask(options, where)
    _check_times(options, spoken, where / "stp")
    ports: List[str] = []
    port_options: Dict[str, Dict[str, str]] = {}
    vlans: Dict[str, Tuple[Vlan, ...]] = {}
    for index, entry in enumerate(sequence(given.get("port"), f"[{_PORT}]", place / "port")):
        here = place / "port" / index
        inner = mapping(entry, ("name", "vlan", *(option.word for option in PORT)), _PORT, here)
        port = name(inner.get("name"), here / "name")
        add_port(port, ports, here)
        port_options[port] = _options(inner, PORT, here)
        if inner.get("vlan") is not None:
            vlans[port] = _vlans(inner["vlan"], here / "vlan")
    if given.get("vlan") is not None:
        vlans[own] = _vlans(given["vlan"], place / "vlan")
    if vlans:
        options["vlan_filtering"] = str(int(any(vlans.values())))
    said = {port: found for port, found in port_options.items() if found and port in ports}
    kept = {member: found for member, found in vlans.items() if member in (own, *ports)}
    return {"ports": tuple(ports), "stp": spoken, "options": options, "port_options": said, "vlans": kept}


def _options(given: Mapping[str, Any], known: Sequence[Option], place: Place) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for option in known:
        if given.get(option.word) is not None:
            value = option.read(given[option.word], place / option.word)
            found.update({option.key: value} if value else {})
    return found


def _check_mask(options: Mapping[str, str], place: Place) -> None:
    if int(options.get("group_fwd_mask", "0")) & _RESERVED:
        (place / "group-forward-mask").note(
            f"{options['group_fwd_mask']} has one of the bits 1, 2 and 4 (STP, PAUSE, LACP), which the kernel forwards on no bridge",
            "Write a mask without them",
        )


def _check_times(options: Mapping[str, str], stp: Optional[bool], place: Place) -> None:
    """IEEE 802.1D-2004, 17.14: 2 (forward-delay - 1) >= max-age >= 2 (hello-time + 1)."""
    if not stp:
        return
    delay, hello, age = (int(options.get(option.key, option.default)) // option.scale for option in STP[:3])
    if delay < 2:
        (place / "forward-delay").note(f"{delay} is less than a bridge with STP can have", "Write 2 to 30")
    elif not 2 * (delay - 1) >= age >= 2 * (hello + 1):
        place.note(
            f"forward-delay {delay}, max-age {age} and hello-time {hello} contradict each other",
            "Keep 2 * (forward-delay - 1) >= max-age >= 2 * (hello-time + 1) (IEEE 802.1D)",
        )


def _vlans(value: Any, place: Place) -> Tuple[Vlan, ...]:
    given = mapping(value, ("mode", "tag", "trunk-tags", "enable-native"), _VLAN, place)
    if not given:
        return ()
    if "mode" not in given:
        (place / "mode").note("is missing", f"Write access or trunk, for example {_VLAN}")
        return ()
    mode = choice(given["mode"], ("access", "trunk"), "access", place / "mode")
    tag = number(given.get("tag"), 1, LARGEST, _TAG, place / "tag")
    native = boolean(given.get("enable-native"), False, place / "enable-native")
    tags = _tags(given.get("trunk-tags"), place / "trunk-tags")
    if mode == "access":
        if given.get("trunk-tags"):
            (place / "trunk-tags").note("has no meaning with mode access", "Remove it, or write mode: trunk")
        if native:
            (place / "enable-native").note("has no meaning with mode access, whose frames have no tag", "Remove it")
        if given.get("tag") is None:
            (place / "tag").note("is missing", f"Write for example {_VLAN}")
        return (Vlan(tag, tag, True, True),) if tag else ()
    if native and given.get("tag") is None:
        (place / "tag").note("is missing: enable-native needs the VLAN of frames without a tag", "Write for example tag: 10")
    if given.get("tag") is not None and not native:
        (place / "tag").note("of a trunk is the VLAN of frames without a tag", "Write enable-native: true, or remove the tag")
    if not given.get("trunk-tags") and not native:
        (place / "trunk-tags").note("is missing", f"Write for example {_TRUNK}")
    if tag and includes(tags, tag):
        (place / "trunk-tags").note(f"{tag} is the tag of the native VLAN too, whose frames have none", "Write it once")
    return canonical([*tags, *([Vlan(tag, tag, True, True)] if tag and native else [])])


def _tags(value: Any, place: Place) -> Tuple[Vlan, ...]:
    found: List[Vlan] = []
    for index, entry in enumerate(sequence(value, "[{id: 10}, {id-range: {min: 20, max: 29}}]", place)):
        here = place / index
        given = mapping(entry, ("id", "id-range"), "{id: 10}", here)
        if not isinstance(entry, Mapping):
            continue
        if ("id" in given) == ("id-range" in given):
            here.note("must have either id or id-range", "Write {id: 10} or {id-range: {min: 20, max: 29}}")
            continue
        ends = mapping(given.get("id-range"), ("min", "max"), "{min: 20, max: 29}", here / "id-range")
        first, last = (number(given["id"], 1, LARGEST, _TAG, here / "id"),) * 2 if "id" in given else _ends(ends, here / "id-range")
        if first is None or last is None:
            continue
        if any(one.first <= last and first <= one.last for one in found):
            here.note(f"{shown(entry)} is in another entry too", "Write each VLAN once")
            continue
        found.append(Vlan(first, last))
    return tuple(found)


def _ends(given: Mapping[str, Any], place: Place) -> Tuple[Optional[int], Optional[int]]:
    for key in ("min", "max"):
        if key not in given:
            (place / key).note("is missing", "Write for example {min: 20, max: 29}")
    first, last = (number(given.get(key), 1, LARGEST, _TAG, place / key) for key in ("min", "max"))
    if first is not None and last is not None and first > last:
        place.note(f"begins with {first}, after its end {last}", "Exchange them")
        return None, None
    return first, last


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
