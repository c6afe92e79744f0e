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

from ..addresses import read_network
from ..fleet.networks import unusable
from ..fleet.values import integer, shown, truth
from . import names
from .breadth import LIMIT, is_too_wide
from .host_names import is_host

ANYWHERE = "any"  # with a key only
OPTIONS = ("name", "address", "addresses", "port", "notify", "transfer", "key")
EXAMPLE = "Write for example 192.0.2.53, or {addresses: [192.0.2.53], key: provider-transfer}"
DNS_PORT = 53
_WIDE = "would let everybody there transfer the zone without a key, and is more than the addresses of one provider"
_NARROWER = f"Name the provider's own networks, {LIMIT}, or a key of dns_keys with which transfers are signed"

_BROADCAST = IPv4Address("255.255.255.255")

Note = Callable[[str, str, str], None]  # variable, message, remedy


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


def read_external(given: Any, zone: str, owners: Mapping[str, str], path: str, note: Note) -> Tuple[External, ...]:
    """The external secondaries of a zone. ``owners`` are the fleet's hosts by address, which belong in ``secondaries``."""
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        note(path, f"{shown(given)} is not a list of servers", f"{EXAMPLE}, each as an entry of a list")
        return ()
    reader = _Reader(zone, owners, note, {})
    found = [one for one in (reader.entry(one, f"{path}[{index}]") for index, one in enumerate(given)) if one is not None]
    unsigned = [network for one in found if not one.key for network in one.transfer]
    if is_too_wide(unsigned):
        note(path, f"together, the networks without a key, {shown(', '.join(unsigned))}, {_WIDE}", _NARROWER)
    return tuple(found)


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
    note: Note
    seen: Dict[str, str]  # address -> path of the entry that has it

    def entry(self, given: Any, path: str) -> Optional[External]:
        if not isinstance(given, dict):
            address = self._own_address(given, path)
            return External((address,), (address,), path=path) if address else None
        before = dict(given)
        for option, value in given.items():
            if option not in OPTIONS:
                self.note(f"{path}.{option}", "is not an option of an external secondary", f"Use {', '.join(OPTIONS)}")
            elif value is None:
                self.note(f"{path}.{option}", "has no value", "Give it one, or leave it out")
                before.pop(option)
        addresses = self._addresses(before, path)
        key = self._key(before["key"], f"{path}.key") if "key" in before else ""
        notify = self._notify(before.get("notify", True), addresses, f"{path}.notify")
        transfer = self._transfer(before.get("transfer", True), addresses, key, f"{path}.transfer")
        port = self._port(before.get("port", DNS_PORT), f"{path}.port")
        name = self._name(before["name"], f"{path}.name") if "name" in before else ""
        if None in (addresses, key, notify, transfer, port, name):
            return None
        if not notify and not transfer:
            self.note(path, "is neither notified nor may it transfer the zone", EXAMPLE)
            return None
        return External(notify or (), transfer or (), key or "", port or DNS_PORT, name or "", path)

    def _own_address(self, given: Any, path: str) -> str:
        """An address that no other entry has; empty, and noted, for anything else."""
        address = self._address(given, path)
        if address and address in self.seen:
            self.note(path, f"{address} is there twice", "Write each address once")
            return ""
        self.seen.setdefault(address, path)
        return address

    def _address(self, given: Any, path: str) -> str:
        try:
            address = str(ip_address(given)) if isinstance(given, str) and "%" not in given else ""
        except ValueError:
            address = ""
        if not address:
            self.note(path, f"{shown(given)} is not an address", "Write the IPv4 or IPv6 address of the server")
        elif address in self.owners:
            self.note(path, f"{address} is an address of {self.owners[address]}", "Name that host in secondaries instead")
            return ""
        elif _is_no_server(address):
            self.note(path, f"{address} {_is_no_server(address)}, so that no server has it", "Write the IPv4 or IPv6 address of the server")
            return ""
        return address

    def _addresses(self, entry: Mapping[Any, Any], path: str) -> Optional[Tuple[str, ...]]:
        if "address" in entry and "addresses" in entry:
            self.note(f"{path}.address", "is there beside addresses", "Write all in addresses")
            return None
        if "address" in entry:
            address = self._own_address(entry["address"], f"{path}.address")
            return (address,) if address else None
        return self._list(entry.get("addresses", ()), f"{path}.addresses", self._own_address)

    def _list(self, given: Any, path: str, read: Callable[[Any, str], str]) -> Optional[Tuple[str, ...]]:
        if not isinstance(given, (list, tuple)):
            self.note(path, f"{shown(given)} is not a list of addresses", "Write for example [192.0.2.53]")
            return None
        found: List[str] = [read(one, f"{path}[{index}]") for index, one in enumerate(given)]
        return tuple(dict.fromkeys(found)) if all(found) else None

    def _notify(self, given: Any, addresses: Optional[Tuple[str, ...]], path: str) -> Optional[Tuple[str, ...]]:
        said = truth(given)
        if said is not None:
            return addresses if said else ()
        return self._list(given, path, self._address)

    def _transfer(self, given: Any, addresses: Optional[Tuple[str, ...]], key: Optional[str], path: str) -> Optional[Tuple[str, ...]]:
        said = truth(given)
        if said is not None:
            return () if not said else (ANYWHERE,) if key else addresses
        return self._list(given, path, lambda one, here: self._network(one, here, bool(key)))

    def _network(self, given: Any, path: str, keyed: bool) -> str:
        """An address, or a network in whose addresses no bit of a host is set."""
        if not isinstance(given, str) or "/" not in given:
            return self._address(given, path)
        try:
            network = read_network(given)
        except ValueError:
            self.note(path, f"{shown(given)} is not a network", "Write for example 192.0.2.0/24")
            return ""
        if not keyed and is_too_wide([str(network)]):
            self.note(path, f"{given} {_WIDE}", _NARROWER)
            return ""
        return str(network)

    def _port(self, given: Any, path: str) -> Optional[int]:
        port = integer(given)
        if port is not None and 0 < port < 65536:
            return port
        self.note(path, f"{shown(given)} is not a port", "Write a number from 1 to 65535, or leave it out")
        return None

    def _key(self, given: Any, path: str) -> Optional[str]:
        if isinstance(given, str) and given:
            return given
        self.note(path, f"{shown(given)} is not the name of a key", "Name a key of dns_keys")
        return None

    def _name(self, given: Any, path: str) -> Optional[str]:
        try:
            name = names.target(given, self.zone)
            if not is_host(name):
                raise names.BadName("is not the name of a host")
            return name
        except names.BadName as error:
            self.note(path, f"{shown(given)} {error}", "Write the name that the zone's NS records give it, with its final dot")
            return None
