# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External secondaries: name servers of others that transfer a zone, as ``external_secondaries`` lists them.

Providers publish up to two lists of addresses: where they take NOTIFY (RFC 1996), and from where they transfer. With a TSIG
key (RFC 8945) the key is what allows a transfer, and addresses only where they are listed for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..._fleet.fields import boolean, either, in_context, list_of, optional, port, table_of
from ..._fleet.fields import name as a_name
from ..._fleet.networks import unusable
from ..._fleet.places import Items, Place, Values, items
from ..._fleet.values import shown
from ..._shared.addresses import read_network
from .. import names
from ..host_names import is_host
from .breadth import LIMIT, is_too_wide

ANYWHERE = "any"  # with a key only
DNS_PORT = 53
_FORM = "192.0.2.53, or {addresses: [192.0.2.53], key: provider-transfer}"
_LIST = list_of(in_context(), "[192.0.2.53]")
_SERVER = "Write the IPv4 or IPv6 address of the server"
_WIDE = "would let everybody there transfer the zone without a key, and is more than the addresses of one provider"
_NARROWER = f"Name the provider's own networks, {LIMIT}, or a key of dns_keys with which transfers are signed"

_BROADCAST = IPv4Address("255.255.255.255")

_WHOM = either("is neither true nor false, nor a list of addresses", "Write for example [192.0.2.53]", boolean(), _LIST)
OPTIONS = {
    "name": optional(in_context()),
    "address": optional(in_context()),
    "addresses": optional(_LIST, items(())),
    "port": optional(port(), DNS_PORT),
    "notify": optional(_WHOM, True),
    "transfer": optional(_WHOM, True),
    "key": optional(a_name(".+", "the name of a key", "Name a key of dns_keys"), ""),
}
EXTERNAL = list_of(either("is not an address", _SERVER, table_of(OPTIONS, "an external secondary", _FORM), in_context()), f"[{_FORM}]")


@dataclass(frozen=True)
class External:
    """One entry. ``notify`` are addresses that are notified at ``port``, ``transfer`` those or networks that may transfer.

    ``transfer`` is ANYWHERE where the key alone allows it. ``name`` is canonical, for the zone's NS set, or empty.
    """

    notify: Tuple[str, ...] = ()
    transfer: Tuple[str, ...] = ()
    key: str = ""
    port: int = DNS_PORT
    name: str = ""
    path: str = ""

    def as_data(self) -> Dict[str, Any]:
        """What the zone's primary needs to know of it."""
        return {"notify": list(self.notify), "port": self.port, "transfer": list(self.transfer), "key": self.key}


def read_external(given: Items, zone: str, owners: Mapping[str, str], place: Place) -> Tuple[External, ...]:
    """The external secondaries of a zone. ``owners`` are the fleet's hosts by address, which belong in ``secondaries``."""
    reader = _Reader(zone, owners, {})
    read = [reader.entry(one, here) for one, here in zip(given, given.places)]
    usable = tuple(one for one in read if one is not None)
    unsigned = [network for one in usable if not one.key for network in one.transfer]
    if is_too_wide(unsigned):
        place.refuse(f"together, the networks without a key, {shown(', '.join(unsigned))}, {_WIDE}", _NARROWER)
    return usable


def _is_no_server(address: str) -> str:
    """Why no server elsewhere can have an address, or ""."""
    network = read_network(address)
    if network.is_link_local:
        return "is link-local"
    if network.network_address == _BROADCAST:
        return "is for broadcasts"
    return unusable(network)


@dataclass
class _Reader:
    zone: str
    owners: Mapping[str, str]
    seen: Dict[str, str]  # address -> path of the entry that has it

    def entry(self, given: Any, place: Place) -> Optional[External]:
        if not isinstance(given, Values):
            address = self._own_address(given, place)
            return External((address,), (address,), path=place.path) if address else None
        addresses = self._addresses(given)
        notify = self._notify(given["notify"], addresses)
        transfer = self._transfer(given["transfer"], addresses, bool(given["key"]) or "key" in given.refused)
        name = self._name(given["name"], given.at("name")) if "name" in given.written - given.refused else ""
        if given.refused or addresses is None or notify is None or transfer is None or name is None:
            return None
        if not notify and not transfer:
            place.refuse("is neither notified nor may it transfer the zone", f"Write for example {_FORM}")
            return None
        return External(notify, transfer, given["key"], given["port"], name, place.path)

    def _own_address(self, given: Any, place: Place) -> str:
        """An address that no other entry has; empty, and noted, for anything else."""
        address = self._address(given, place)
        if address and address in self.seen:
            place.refuse(f"{address} is there twice", "Write each address once")
            return ""
        self.seen.setdefault(address, place.path)
        return address

    def _address(self, given: Any, place: Place) -> str:
        try:
            address = str(ip_address(given)) if isinstance(given, str) and "%" not in given else ""
        except ValueError:
            address = ""
        if not address:
            place.refuse(f"{shown(given)} is not an address", _SERVER)
        elif address in self.owners:
            place.refuse(f"{address} is an address of {self.owners[address]}", "Name that host in secondaries instead")
            return ""
        elif _is_no_server(address):
            place.refuse(f"{address} {_is_no_server(address)}, so that no server has it", _SERVER)
            return ""
        return address

    def _addresses(self, entry: Values) -> Optional[Tuple[str, ...]]:
        if {"address", "addresses"} <= entry.written:
            entry.at("address").refuse("is there beside addresses", "Write all in addresses")
            return None
        if not entry.refused.isdisjoint(("address", "addresses")):
            return None
        if "address" in entry.written:
            address = self._own_address(entry["address"], entry.at("address"))
            return (address,) if address else None
        return _each(entry["addresses"], self._own_address)

    def _notify(self, given: Any, addresses: Optional[Tuple[str, ...]]) -> Optional[Tuple[str, ...]]:
        if isinstance(given, bool):
            return addresses if given else ()
        return _each(given, self._address)

    def _transfer(self, given: Any, addresses: Optional[Tuple[str, ...]], keyed: bool) -> Optional[Tuple[str, ...]]:
        if isinstance(given, bool):
            return () if not given else (ANYWHERE,) if keyed else addresses
        return _each(given, lambda one, here: self._network(one, here, keyed))

    def _network(self, given: Any, place: Place, keyed: bool) -> str:
        """An address, or a network in whose addresses no bit of a host is set."""
        if not isinstance(given, str) or "/" not in given:
            return self._address(given, place)
        try:
            network = read_network(given)
        except ValueError:
            place.refuse(f"{shown(given)} is not a network", "Write for example 192.0.2.0/24")
            return ""
        if not keyed and is_too_wide([str(network)]):
            place.refuse(f"{given} {_WIDE}", _NARROWER)
            return ""
        return str(network)

    def _name(self, given: Any, place: Place) -> Optional[str]:
        try:
            name = names.target(given, self.zone)
            if not is_host(name):
                raise names.BadName("is not the name of a host")
            return name
        except names.BadName as error:
            place.refuse(f"{shown(given)} {error}", "Write the name that the zone's NS records give it, with its final dot")
            return None


def _each(given: Items, read: Callable[[Any, Place], str]) -> Optional[Tuple[str, ...]]:
    """Each element once, or None when one of them cannot be used."""
    usable: List[str] = [read(one, here) for one, here in zip(given, given.places)]
    return tuple(dict.fromkeys(usable)) if all(usable) else None
