# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the fleet's variables to the guests of each host: the capability ``vm_host``."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from .._fleet.fields import read_variable
from .._fleet.model import Fleet, Host, Resolution
from .._fleet.places import Place
from .._fleet.values import Notes
from .model import Guest, clashes, to_data
from .read import Around, read_ceph, read_guest
from .variables import VARIABLES

PACKAGES = ("libvirt-clients", "libvirt-daemon-system", "qemu-system-x86", "qemu-utils")
RBD_PACKAGE = "qemu-block-extra"


def resolve(fleet: Fleet) -> Resolution:
    """A host plan for each host with ``vm_host_guests``, an empty dictionary among them: what ``libvirt_guests`` takes, and packages.

    A guest may be written for several hosts, as for a standby, but may run on one of them only.
    """
    notes = Notes()
    host_plans: Dict[str, Dict[str, Any]] = {}
    guests: Dict[str, Dict[str, Guest]] = {}
    for name, host in sorted(fleet.hosts.items()):
        part = _host_plan(fleet, host, guests, notes)
        if "vm_host_guests" in host.variables:
            host_plans[name] = part
    _compare(guests, notes)
    return Resolution(host_plans, tuple(notes.problems))


def _host_plan(fleet: Fleet, host: Host, guests: Dict[str, Dict[str, Guest]], notes: Notes) -> Dict[str, Any]:
    def given(variable: str, default: Any = None) -> Any:
        return read_variable(VARIABLES[variable], host.variables, Place(host.name, variable, notes), default)

    directory = given("vm_host_image_directory", Around.image_directory)
    ceph = read_ceph(given("vm_host_ceph"))
    around = Around(fleet.name, directory, ceph)
    guests[host.name] = {name: read_guest(name, options, around) for name, options in given("vm_host_guests", {}).items()}
    return {
        "guests": [to_data(guests[host.name][name]) for name in sorted(guests[host.name])],
        "image_directory": directory,
        "virtualization": given("vm_host_virtualization", "auto"),
        "ceph": None if ceph is None else {"monitors": list(ceph.monitors), "user": ceph.user, "keyring": ceph.keyring},
        "packages": sorted([*PACKAGES, *([RBD_PACKAGE] if ceph else [])]),
    }


def _compare(guests: Mapping[str, Mapping[str, Guest]], notes: Notes) -> None:
    """What is wrong only among guests: two that run with one name, one MAC, or one disk."""
    first: Dict[str, str] = {}
    for host in sorted(guests):
        for name, guest in guests[host].items():
            if guest.state == "running" and first.setdefault(name, host) != host:
                said = f"is to run on {first[name]} too"
                notes.add(host, f"vm_host_guests.{name}.state", said, "Write state: stopped on all hosts but one")
    chosen: Dict[str, Guest] = {}
    at: Dict[str, str] = {}
    for host in sorted(guests):
        for name, guest in guests[host].items():
            if guest.state != "absent" and first.get(name, host) == host and f"vm_host_guests.{name}" not in chosen:
                chosen[f"vm_host_guests.{name}"] = guest
                at[name] = host
    for one, other, mac in clashes(chosen):
        name = other[len("vm_host_guests.") :].rsplit(".interfaces", 1)[0]
        notes.add(at[name], f"{other}.mac", f"{mac} is also that of {one}", "Give one of them another mac")
    _disks(guests, notes)


def _disks(guests: Mapping[str, Mapping[str, Guest]], notes: Notes) -> None:
    for host in sorted(guests):
        owners: Dict[str, List[str]] = {}
        for name, guest in guests[host].items():
            for disk in guest.domain.disks:
                owners.setdefault(disk.source, []).append(name)
        for source, names in owners.items():
            if len(set(names)) > 1:
                said = f"{source} is a disk of {', '.join(sorted(set(names)))}"
                notes.add(host, "vm_host_guests", said, "Give each guest a disk of its own")
