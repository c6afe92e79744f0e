# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nobody asks for and the kernel has: options of bridges and bonds that exist stay, and are written down with the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Mapping, Optional, Sequence, Tuple

from ..kernel.link_options import ARP, BOND, BRIDGE, FILTERING, MII, PORT, STP, Option, by_key
from ..kernel.vlans import by_default, default_pvid, filters, with_default
from ..model import Interface, Link, Observed, Vlan
from ..variables.bonds import MIIMON


def with_kept(interface: Interface, observed: Observed) -> Interface:
    """The same with what its options, those of its ports and their VLANs are beyond the kernel's defaults. So another run finds
    the same, and a boot gives it again.
    """
    if interface.absent or interface.type not in ("bridge", "bond"):
        return interface
    link = observed.links.get(interface.name)
    if link is not None and link.kind != interface.type:
        link = None
    return _bridge(interface, link, observed) if interface.type == "bridge" else _bond(interface, link)


def _beyond(there: Mapping[str, str], known: Sequence[Option]) -> Dict[str, str]:
    defaults = by_key(known)
    return {key: value for key, value in there.items() if key in defaults and value != defaults[key].default}


def _bond(interface: Interface, link: Optional[Link]) -> Interface:
    given = interface.options
    kept = _beyond(link.options, BOND) if link is not None else {}
    if link is not None:
        kept.update({key: link.options[key] for key in ("arp_ip_target", "primary") if link.options.get(key)})
    if kept.get("primary") not in interface.ports:
        kept.pop("primary", None)
    if int(given.get("arp_interval", "0")):
        kept = {key: value for key, value in kept.items() if key not in MII}
    elif int(given.get("miimon", "0")) or not int({**kept, **given}.get("arp_interval", "0")):
        kept = {key: value for key, value in kept.items() if key not in ARP}
    options = {**kept, **given}
    if not int(options.get("arp_interval", "0")):
        options.setdefault("miimon", MIIMON)
    return replace(interface, options=options)


def _bridge(interface: Interface, link: Optional[Link], observed: Observed) -> Interface:
    there: Mapping[str, str] = link.options if link is not None else {}
    stp = link.stp or None if interface.stp is None and link is not None else interface.stp
    known = (*BRIDGE, FILTERING, *(STP if stp else ()))  # without STP its times mean nothing
    options = {**_beyond(there, known), **interface.options}
    filtering = there.get("vlan_filtering") == "1"
    if options.get("vlan_filtering") == "1" and "vlan_default_pvid" not in options:
        options["vlan_default_pvid"] = there.get("vlan_default_pvid", "1") if filtering else "0"
    if options.get("vlan_filtering") != "1" and "vlan_default_pvid" not in interface.options:
        options.pop("vlan_default_pvid", None)
    interface = replace(interface, stp=stp, options=options)
    already = [name for name in interface.ports if name in observed.links and observed.links[name].master == interface.name]
    port_options: Dict[str, Mapping[str, str]] = {}
    for port in interface.ports:
        kept = _beyond(observed.links[port].port_options, PORT[::2]) if port in already else {}  # a cost depends on the speed
        both = {**kept, **interface.port_options.get(port, {})}
        port_options.update({port: both} if both else {})
    members = [*([interface.name] if link is not None else []), *already] if filtering else []
    return replace(interface, port_options=port_options, vlans=_vlans(interface, members, observed))


def _vlans(interface: Interface, members: Sequence[str], observed: Observed) -> Dict[str, Tuple[Vlan, ...]]:
    """``members`` have the VLANs already by which the bridge filters."""
    found: Dict[str, Tuple[Vlan, ...]] = {}
    default = default_pvid(interface)
    for name in (interface.name, *interface.ports) if filters(interface) else ():
        if name in interface.vlans:
            found[name] = with_default(interface.vlans[name], default)
        elif name in members and observed.vlans.get(name, ()) != by_default(default):
            found[name] = observed.vlans.get(name, ())
    return found
