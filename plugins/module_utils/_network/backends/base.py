# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the backends share: see ``backend`` for what each must be able to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Mapping, Tuple

from ..._shared.limits import BadText, check_size
from ..boot.sections import BOM
from ..kernel.link_options import BOND, BRIDGE, PORT, STP, VLAN, Option
from ..model import DEFAULT_DESTINATIONS, Desired, FileChange, Interface, Route, Rule
from ..plan.links import in_order

HEAD = "# Written from the inventory by smallfleet.infra.\n"
FIRST = "00-0-smallfleet-trial-"
"""What the names of files begin with that are there for a trial only. It sorts before what people call their files: of those that match
an interface, a program takes the first, in the order of the names."""


@dataclass(frozen=True)
class Lacks:
    """What a program cannot say of bridges, their ports and bonds: keys of ``link_options``, each with the values that it has no
    word for, or with none for all of them; and what else it cannot, each why it is so.
    """

    title: str
    bridge: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    port: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    bond: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)

    def of(self, desired: Desired) -> List[str]:
        """What is asked for, or there, and would be gone after a boot: interface, key, program and a remedy."""
        found: List[str] = []
        for one in present(desired):
            if one.type == "bond":
                found += self._said(one.name, "link-aggregation.options", one.options, self.bond, BOND)
            if one.type == "bridge":
                filtering = "vlan_filtering" in self.bridge and one.options.get("vlan_filtering") == "1"
                if filtering:
                    found.append(
                        f"interfaces.{one.name}.bridge.port.vlan: {self.title} cannot give VLANs to the ports of a bridge. "
                        "Set network_backend to another program, or remove vlan"
                    )
                known = [option for option in BRIDGE if not filtering or option not in VLAN]
                found += self._said(one.name, "bridge.options", one.options, self.bridge, known)
                found += self._said(one.name, "bridge.options.stp", one.options, self.bridge, STP)
                for port, options in sorted(one.port_options.items()):
                    found += self._said(one.name, f"bridge.port {port}", options, self.port, PORT)
        return found

    def _said(self, name: str, place: str, there: Mapping[str, str], lacking: Mapping[str, Tuple[str, ...]], known: Iterable[Option]) -> Iterator[str]:
        for option in known:
            value = there.get(option.key)
            if value is None or option.key not in lacking or lacking[option.key] and value not in lacking[option.key]:
                continue
            if value == option.default:
                continue  # what it leaves out is what the kernel has
            default = f", or write {_yaml(option, option.default)}, the kernel's default" if option.default else ", or remove it"
            yield (f"interfaces.{name}.{place}.{option.word}: {self.title} cannot say {_yaml(option, value)}. Set network_backend to another program{default}")


def _yaml(option: Option, value: str) -> str:
    written = option.value(value)
    return str(written).lower() if option.switch else str(written)


def present(desired: Desired) -> List[Interface]:
    return [interface for interface in desired.interfaces if not interface.absent]


def floors(desired: Desired) -> Dict[str, int]:
    """How many interfaces each one stands on, at most."""
    found: Dict[str, int] = {}
    for interface in in_order(present(desired)):
        below = [found.get(name, 0) for name in (*interface.ports, interface.base) if name]
        found[interface.name] = max(below) + 1 if below else 0
    return found


def routes_of(interface: Interface, desired: Desired) -> List[Route]:
    """One with several next hops is with the interface of the first of them, one without any with the first that has addresses."""
    first = _addressed(desired)[:1]
    return [route for route in desired.routes if interface.name in (route.interfaces[:1] or first) and not route.absent]


def rules_of(interface: Interface, desired: Desired) -> List[Rule]:
    """A rule belongs to no interface, but every backend keeps it with one: here that of the first route of its table,
    else the first interface with addresses.
    """
    found: List[Rule] = []
    for rule in desired.rules:
        homes = [one.interface for one in desired.routes if one.table == rule.table and one.interface and not one.absent]
        homes += _addressed(desired)
        if not rule.absent and interface.name in homes[:1]:
            found.append(rule)
    return found


def _addressed(desired: Desired) -> List[str]:
    return [one.name for one in present(desired) if one.addresses or one.ipv4.dynamic or one.ipv6.dynamic]


def dns_home(interface: Interface, desired: Desired) -> bool:
    """Whether the name servers belong to this interface: that of the first default route, else as for a rule."""
    defaults = [one for one in desired.routes if one.destination in DEFAULT_DESTINATIONS and not one.absent]
    homes = [one.interface for one in defaults if one.interface] + _addressed(desired)
    return interface.name in homes[:1]


def compare(wanted: Mapping[str, str], existing: Mapping[str, str], gone: Iterable[str], mode: int = 0o644) -> Tuple[FileChange, ...]:
    """The changes that make the wanted files, and take away those of ``gone`` that exist and are not wanted."""
    found = [FileChange(path, existing.get(path), content, mode) for path, content in sorted(wanted.items()) if existing.get(path) != content]
    for path in sorted(set(gone)):
        if path in existing and path not in wanted:
            found.append(FileChange(path, existing[path], None, mode))
    return tuple(found)


def oversized(existing: Mapping[str, str]) -> List[str]:
    """The files that are larger than any configuration is, each with the remedy. They are not read."""
    found: List[str] = []
    for path, text in sorted(existing.items()):
        try:
            check_size(text, path)
        except BadText as error:
            found.append(str(error))
    return found


def settings(text: str, section: str, comments: str) -> Dict[str, List[str]]:
    """Key -> its values in one section of a file of ``[section]`` and ``key=value`` lines, as GKeyFile has it.

    ``comments`` are the characters that begin one. Lines of no known form say nothing: the program that the file is for
    ignores them or the file. ConfigParser is not for foreign files: its error grows with the square of the bad lines.
    """
    found: Dict[str, List[str]] = {}
    here = ""
    for line in (raw.strip() for raw in text.lstrip(BOM).split("\n")):
        if line.startswith("["):
            here = line.strip("[]")
        elif here == section and "=" in line and not line.startswith(tuple(comments)):
            key, _equals, value = line.partition("=")
            found.setdefault(key.strip(), []).append(value.strip())
    return found
