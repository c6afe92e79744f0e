# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each backend (the program that configures the network at boot) must be able to say, and what they share."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Protocol, Tuple

from ...limits import BadText, check_size
from .._links import in_order
from ..model import DEFAULT_DESTINATIONS, Desired, FileChange, Files, Interface, Route, Rule

HEAD = "# Written from the inventory by smallfleet.infra.\n"


class Backend(Protocol):
    """The boot configuration of one program, as pure functions of what is ``pinned``.

    Each interface has files of its own, so that what is no longer in the inventory is left alone until it is asked to
    be absent.
    """

    name: str
    reads: Tuple[str, ...]
    """Patterns (glob) of the files whose contents ``changes`` must see."""

    def files(self, desired: Desired) -> Dict[str, str]:
        """Path and content of each file that configures the desired interfaces at boot."""

    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        """What becomes of the files that exist (path and content): written, rewritten, or taken away."""

    def claims(self, desired: Desired) -> Dict[str, str]:
        """What the program writes down below /run of each interface when it has configured it by these files; empty
        where it finds that out by itself.
        """


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


def compare(
    wanted: Mapping[str, str], existing: Mapping[str, str], gone: Iterable[str], mode: int = 0o644
) -> Tuple[FileChange, ...]:
    """The changes that make the wanted files, and take away those of ``gone`` that exist and are not wanted."""
    found = [
        FileChange(path, existing.get(path), content, mode)
        for path, content in sorted(wanted.items())
        if existing.get(path) != content
    ]
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
    """Key -> its values in one section of a file of ``[section]`` and ``key=value`` lines, as systemd.syntax(7) and GKeyFile have it.

    ``comments`` are the characters that begin one. Lines of no known form say nothing: the program that the file is for
    ignores them or the file. ConfigParser is not for foreign files: its error grows with the square of the bad lines.
    """
    found: Dict[str, List[str]] = {}
    here = ""
    for line in (raw.strip() for raw in text.split("\n")):
        if line.startswith("["):
            here = line.strip("[]")
        elif here == section and "=" in line and not line.startswith(tuple(comments)):
            key, _equals, value = line.partition("=")
            found.setdefault(key.strip(), []).append(value.strip())
    return found
