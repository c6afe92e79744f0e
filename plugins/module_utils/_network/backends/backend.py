# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a backend: a program that configures the network at boot.

A new one is a class below ``Backend`` in a file of its own here, with its entry in ``registry``. What has to be looked at on the
host is in its class below ``HostBackend`` (``_network/backends``). Nothing else knows a program by its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Callable, Collection, Dict, Iterable, Iterator, List, Mapping, Tuple

from ..boot.findings import Boot, Findings
from ..model import ROUTE_ATTRIBUTES, Desired, Files, Interface, Observed, Plan, Route, Rule
from .base import present
from .control import NO_CONTROL, NO_TRIAL, Trial
from .facts import HostFacts
from .unsupported import Unsupported

Load = Callable[[str, str], Any]
"""Text and name of a file -> the value of its YAML, all scalars as strings. Raises BadText."""
Review = Callable[[Boot, Load], Findings]


def nothing_to_review(_boot: Boot, _load: Load) -> Findings:
    """Of a program whose files nobody else writes."""
    return Findings()


class Backend(ABC):
    """One program, as pure functions of what is ``pinned``, of files, and of what the host's glue gathered.

    Each interface has files of its own, so that what is no longer in the inventory is left alone until it is asked to
    be absent.
    """

    name = ""
    """What ``network_backend`` calls it."""
    title = ""
    """What messages call it."""
    service = ""
    """The unit that sets up the network by the program's files while the host runs; "" for a program that does so at boot only."""
    boot_unit = ""
    """The unit that must be enabled for a program that does so at boot only."""
    writes_for = ""
    """The backend whose program reads what this one generates: it has those interfaces for this one."""
    kernel_accepts_ra = False
    """Whether the kernel, and not the program, accepts router advertisements (see ``advertisements``)."""
    reads: Tuple[str, ...] = ()
    """Patterns (glob) of the files whose contents ``changes`` must see."""
    reviewed: Tuple[str, ...] = ()
    """Patterns of the files that ``review`` must see besides."""
    mentions: Tuple[str, ...] = ()
    """Patterns of further files, scripts among them, whose addresses belong to the boot configuration."""
    settings: Tuple[str, ...] = ()
    """Patterns of the files with the settings of the program itself, for ``notes``."""
    route_attributes: Collection[str] = ROUTE_ATTRIBUTES
    """The attributes of routes that its files can express."""
    control = NO_CONTROL
    """How a guarded change deals with the program."""

    def __init__(self, review: Review = nothing_to_review) -> None:
        self._review = review

    # Boot configuration

    @abstractmethod
    def files(self, desired: Desired) -> Dict[str, str]:
        """Path and content of each file that configures the desired interfaces at boot."""

    @abstractmethod
    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        """What becomes of the files that exist (path and content): written, rewritten, or removed."""

    @abstractmethod
    def owns(self, path: str) -> bool:
        """Whether a file is one that ``files`` writes."""

    @abstractmethod
    def has_route(self, text: str, route: Route) -> bool:
        """Whether one of its own files has exactly this route."""

    def has_rule(self, text: str, rule: Rule) -> bool:
        """Whether one of its own files has exactly this rule; not needed of a program that deletes the rules of its former files."""
        return False

    def includes(self, path: str, text: str) -> List[str]:
        """Patterns of the files that a file reads in."""
        return []

    def review(self, boot: Boot, load: Load) -> Findings:
        """What the next boot has otherwise than the change, by the files of others."""
        return self._review(boot, load)

    def on_host(self, observed: Observed, load: Load) -> Backend:
        """The same for one host, where it needs to know the host's cards or to read YAML."""
        return self

    # What it cannot express

    def unsupported(self, desired: Desired) -> List[Unsupported]:
        """What the inventory can describe and the program cannot: refused before the change, with the key and a remedy."""
        found: List[Unsupported] = []
        for interface in present(desired):
            found += self.unsupported_of_interface(interface)
        for route in desired.routes:
            found += self.unsupported_of_route(route) if not route.absent else []
        for rule in desired.rules:
            found += self.unsupported_of_rule(rule) if not rule.absent else []
        return found

    def unsupported_of_interface(self, interface: Interface) -> Iterable[Unsupported]:
        """Part of ``unsupported``."""
        return ()

    def unsupported_of_route(self, route: Route) -> Iterable[Unsupported]:
        """Part of ``unsupported``."""
        for key, _value in route.attributes:
            if key not in self.route_attributes:
                yield self.cannot(f"routes.{route.destination}", key, f"Remove {key}")

    def unsupported_of_rule(self, rule: Rule) -> Iterable[Unsupported]:
        """Part of ``unsupported``."""
        return ()

    def cannot(self, where: str, key: str, remedy: str) -> Unsupported:
        """``where`` is the key in the inventory."""
        return Unsupported(where, f"{self.title} cannot express {key}", remedy)

    def peers(self, interface: Interface) -> Iterator[Unsupported]:
        """``unsupported_of_interface`` where the program knows no peer of an address."""
        for address in interface.addresses:
            if address.peer:
                where = f"interfaces.{interface.name}.ipv{address.family}.address"
                remedy = f"Remove peer: {address.peer}; a gateway outside the networks of a /{address.prefix_length} is reached all the same"
                if not address.alone:
                    remedy = f"Remove peer: {address.peer}, and write a route to its network without next-hop-address"
                yield self.cannot(where, f"the peer of {address.ip}", remedy)

    def several_hops(self, route: Route) -> Iterator[Unsupported]:
        """``unsupported_of_route`` where the program knows one next hop only."""
        if route.hops:
            remedy = "Write one of them without weight, or give each a metric of its own"
            yield self.cannot(f"routes.{route.destination}", "several next hops", remedy)

    # The host as it is

    def configures(self, facts: HostFacts) -> Collection[str]:
        """The interfaces that the program configures."""
        return facts.of(self.name).interfaces

    def in_use(self, facts: HostFacts) -> bool:
        """Whether the program has any interface here."""
        return bool(self.configures(facts))

    def conflict(self, facts: HostFacts) -> str:
        """Why nothing may be changed on a host with this program, whichever backend is used, and a remedy; or ""."""
        return ""

    def preflight_errors(self, desired: Desired, facts: HostFacts) -> List[str]:
        """What the program would have to interrupt, or cannot do while it runs: what, where and a remedy."""
        return []

    def notes(self, desired: Desired, observed: Observed, settings: Mapping[str, str]) -> List[str]:
        """What the program does to the network that this change cannot prevent; ``settings`` are its own files (path and content)."""
        return []

    # While a change lasts

    def claims(self, desired: Desired) -> Dict[str, str]:
        """What the program writes down below /run of each interface when it has configured it by these files; empty
        where it finds that out by itself.
        """
        return {}

    def dhcp_clients_to_end(self, desired: Desired, facts: HostFacts) -> Tuple[str, ...]:
        """The interfaces whose DHCP client the program started and nobody desires any more."""
        return ()

    def trial(self, desired: Desired, operations: Plan, observed: Observed) -> Trial:
        """What the program is shown, of one that watches the network."""
        return NO_TRIAL
