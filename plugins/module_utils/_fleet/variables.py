# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which variables describe a fleet, which of them hold for the whole fleet, and what a name may look like."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from ipaddress import IPv6Address
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence

from .fields import Field, address, boolean, choice, duration, optional, packages, path, read, table_of, text, unread, whole
from .places import BLANK, BLANK_REMEDY, Place
from .values import Notes, kind

PREFIXES = ("fleet_", "node_", "dns_", "acme_", "network_", "vm_host_", "standby_", "probe_", "lab_")

FLEET_WIDE: FrozenSet[str] = frozenset(
    {
        "fleet_name",
        "fleet_domain",
        "fleet_networks",
        "fleet_purposes",
        "fleet_plan_dir",
        "lab_cache",
        "lab_directory",
        "lab_name",
        "lab_packages",
        "lab_release",
        "dns_catalog",
        "dns_keys",
        "dns_update_key",
        "dns_zones",
        "acme_certificates",
        "acme_contact",
        "acme_directory",
        "standby_services",
        "probe_targets",
    }
)
PER_HOST: FrozenSet[str] = frozenset({"fleet_host_number", "fleet_host_networks", "fleet_host_fqdn", "fleet_host_member", "fleet_host_purposes"})
PER_HOST_OR_GROUP: FrozenSet[str] = frozenset(
    {
        "dns_server_provider",
        "lab_backend",
        "lab_cpus",
        "lab_disk",
        "lab_disks",
        "lab_installed_packages",
        "lab_macvtap",
        "lab_memory",
        "lab_nics",
        "network_absent_addresses",
        "network_allow_disconnect",
        "network_backend",
        "network_checks",
        "network_dns",
        "network_from_fleet",
        "network_ignored_addresses",
        "network_interfaces",
        "network_provider_mac_filter",
        "network_rollback_timeout",
        "network_routes",
        "network_rules",
        "node_administrators",
        "node_packages",
        "node_sysctl",
        "node_time_servers",
        "node_timezone",
        "vm_host_ceph",
        "vm_host_guests",
        "vm_host_image_directory",
        "vm_host_virtualization",
    }
)
OF_ROLES: Mapping[str, Field] = {
    "acme_certificates_ca_file": path(empty=True),
    "acme_certificates_least_days": whole(0, 3650, "days"),
    "acme_certificates_packages": packages(),
    "dns_keys_handed_over": boolean(),
    "dns_keys_packages": packages(),
    "dns_keys_phase": choice("prepared", "promoted", "settled"),
    "dns_keys_rotate": text("app1-own", empty=True),
    "dns_keys_rotate_packages": packages(),
    "dns_keys_secrets": unread(),
    "dns_rotate_handed_over": boolean(),
    "dns_rotate_key": text("app1-own", empty=True),
    "dns_rotate_wait": whole(0, 7 * 86400, "seconds"),
    "dns_server_discard_journals": boolean(),
    "dns_server_packages": table_of({"bind": optional(packages()), "knot": optional(packages())}, "the packages", "{bind: [bind9], knot: [knot]}"),
    "dns_server_replace_configuration": boolean(),
    "dns_server_responses_per_second": whole(0, 1000, "answers"),
    "dns_server_verify_timeout": whole(1, 86400, "seconds"),
    "lab_state": choice("present", "absent"),
    "network_new_address": address(),
    "network_verify": boolean(),
    "node_cache_valid_time": whole(0, 30 * 86400, "seconds"),
    "node_verify": boolean(),
    "probe_resolver_packages": packages(),
    "standby_settle": duration(0, 600),
    "standby_switch_retries": whole(1, 3600, "attempts"),
    "standby_switch_service": text("web"),
    "standby_switch_to": text("app2"),
    "vm_host_cache_valid_time": whole(0, 30 * 86400, "seconds"),
    "vm_host_shutdown_timeout": whole(1, 86400, "seconds"),
    "vm_host_verify": boolean(),
}
"""Inputs of roles and playbooks that are no part of the plan, and what they may be."""
_FIELDS = {**OF_ROLES, "fleet_plan_dir": text("build/plan")}
VARIABLES = sorted(FLEET_WIDE | PER_HOST | PER_HOST_OR_GROUP | OF_ROLES.keys())
EXCLUSIVE = ("fleet_", "network_", "vm_host_")
"""Prefixes of which every variable is ours. With the others, other roles may have variables too, such as ``node_exporter_port``."""
_NEAR = 0.8
"""How alike a name must be to count as misspelt, where it could be another role's: ``dns_servers`` is not."""
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY", re.IGNORECASE)
_PUBLISHED = re.compile(r"dns_zones\..+\.records\[[0-9]+\]\.value(\[|$)")
DEEPEST = 32
"""Levels of lists and dictionaries that a variable may have."""
_SECRET = re.compile(r"secret|password|passwd|passphrase|token|private_?key", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    r"(secret|password|passwd|passphrase|token|private_?key)[\"']?\s*[=:]\s*\S|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.IGNORECASE,
)


def names_a_secret(name: str) -> bool:
    """Whether a variable or a dictionary key of this name is likely to hold a secret."""
    return _SECRET.search(name) is not None


def belongs(name: str) -> bool:
    """Whether a variable of this name is read from the inventory at all. What may be a secret is left alone."""
    return name.startswith(PREFIXES) and (name.startswith("fleet_") or not names_a_secret(name))


def concerns_fleet(name: str) -> bool:
    """Whether the name of a variable says something about the fleet: the variable belongs to it, or is meant to."""
    return belongs(name) or meant_variable(name) != ""


def find_typos(host: str, variables: Mapping[str, Any], notes: Notes) -> None:
    """Note every variable that does not exist, with the name that was probably meant."""
    for name in sorted(variables):
        prefix = next((prefix for prefix in EXCLUSIVE if name.startswith(prefix)), "")
        near = "" if name in VARIABLES else meant_variable(name)
        if near:
            remedy = f"Write {near}" if prefix else f"Write {near}, or choose another name if it is a variable of your own"
            notes.add(host, name, f"no such variable; did you mean {near}", remedy, meant=near)
        elif prefix and name not in VARIABLES:
            known = ", ".join(known for known in VARIABLES if known.startswith(prefix))
            notes.add(host, name, "no such variable", f"Remove it; the variables of this kind are {known}")


def find_faults(host: str, variables: Mapping[str, Any], notes: Notes) -> None:
    """Note what is wrong with inputs of roles and playbooks, which would else be said by one host after others were changed."""
    for name, value in variables.items():
        if name in _FIELDS:
            read(_FIELDS[name], value, Place(host, name, notes))


@cache
def meant_variable(name: str) -> str:
    """The variable of which the name is probably a misspelling; empty if it is a variable, or nothing like any."""
    if name in VARIABLES:
        return ""
    near = difflib.get_close_matches(name[:64], VARIABLES, n=3, cutoff=0.6 if name.startswith(EXCLUSIVE) else _NEAR)
    # Of two that differ in one letter, such as standby_service and standby_services, people write the one of the plan.
    return next((other for other in near if other not in OF_ROLES and near[0] in (other, other[:-1])), near[0] if near else "")


def find_blanks(host: str, variable: str, value: Any, notes: Notes) -> None:
    """Note every place without a value, however deep: what a null removes, or stands for, nobody meant to say by it."""
    if value is None:
        notes.add(host, variable, BLANK, BLANK_REMEDY, blank=True)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            find_blanks(host, f"{variable}.{key}", inner, notes)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            find_blanks(host, f"{variable}[{index}]", inner, notes)


def find_secrets(host: str, variable: str, value: Any, notes: Notes) -> None:
    """Note every dictionary key and every text, however deep, that looks like a secret: people share a plan's files.

    A text looks like one when it assigns to a telling name (``--password=x``) or holds a private key; one that DNS publishes only when it
    holds a private key.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            path = f"{variable}.{key}"
            if isinstance(key, str) and names_a_secret(key) and not _is_address(inner):
                notes.add(
                    host,
                    path,
                    "looks like a secret, and a plan holds none",
                    "Remove it; secrets are made on the host that uses them",
                )
            find_secrets(host, path, inner, notes)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            find_secrets(host, f"{variable}[{index}]", inner, notes)
    elif isinstance(value, str) and (_PRIVATE_KEY if _PUBLISHED.match(variable) else _ASSIGNMENT).search(value):
        notes.add(
            host,
            variable,
            "seems to contain a secret, and a plan holds none",
            "Let the program read it from a file on the host that uses it",
        )


def _is_address(value: Any) -> bool:
    """The ``token`` of an interface is the second half of its addresses (ip-token(8))."""
    try:
        return isinstance(value, str) and bool(IPv6Address(value))
    except ValueError:
        return False


def agree(hosts: Mapping[str, Mapping[str, Any]], notes: Notes) -> Dict[str, Any]:
    """The values that hold for the whole fleet.

    A fleet-wide variable must have the same value on every host; when it has not, the value of most hosts is used
    to go on with, and each other host is noted. Any other variable counts as the fleet's when all hosts agree.
    """
    found: Dict[str, Any] = {}
    for name in sorted({name for variables in hosts.values() for name in variables} - PER_HOST):
        votes: Dict[str, List[str]] = {}
        values: Dict[str, Any] = {}
        for host in sorted(hosts):
            if name in hosts[host]:
                ballot = _ballot(hosts[host][name])
                votes.setdefault(ballot, []).append(host)
                values.setdefault(ballot, hosts[host][name])
        winner = min(votes, key=lambda ballot: (-len(votes[ballot]), ballot))
        unanimous = len(votes[winner]) == len(hosts)
        if name in FLEET_WIDE or unanimous:
            found[name] = values[winner]
        if name in FLEET_WIDE and not unanimous:
            _note_dissent(name, hosts, votes[winner], notes)
    return found


def _ballot(value: Any) -> str:
    return json.dumps(value, default=repr)


def _note_dissent(name: str, hosts: Mapping[str, Any], majority: Sequence[str], notes: Notes) -> None:
    for host in sorted(set(hosts) - set(majority)):
        said = "has another value" if name in hosts[host] else "is not set"
        notes.add(
            host,
            name,
            (
                f"{said} here, but it holds for the whole fleet ({majority[0]} and {len(majority) - 1} more agree)"
                if len(majority) > 1
                else f"{said} here, but it holds for the whole fleet and {majority[0]} has it"
            ),
            "Set it once, in group_vars/all",
        )


def plain_hosts(hosts: Any, notes: Notes) -> Dict[str, Dict[str, Any]]:
    """The hosts' variables that concern the fleet, each dictionary in the order of its keys; notes what cannot be read.

    Programs that pass inventories on sort their keys (``ansible-inventory --export``, AWX), so the order in which a dictionary is
    written has no meaning.
    """
    clean: Dict[str, Dict[str, Any]] = {}
    if not isinstance(hosts, Mapping):
        notes.add("", "hosts", f"expected a dictionary of hosts, found {kind(hosts)}", "Correct the inventory", blank=True)
        return clean
    for host, variables in hosts.items():
        own = clean[str(host)] = {}
        if not isinstance(variables, Mapping):
            message = f"expected a dictionary of variables, found {kind(variables)}"
            notes.add(str(host), "hosts", message, "Correct the inventory")
            continue
        for name, value in variables.items():
            if not concerns_fleet(str(name)):
                continue
            try:
                own[str(name)] = sorted_by_key(value)
            except RecursionError:
                message = f"is nested more than {DEEPEST} levels deep, or contains itself"
                notes.add(str(host), str(name), message, "Remove the alias (*NAME) that stands inside of what it names", blank=True)
    return clean


def sorted_by_key(value: Any, levels: int = DEEPEST) -> Any:
    """A copy in which each dictionary, however deep, has its keys in the order of their text. Raise RecursionError."""
    if not levels:
        raise RecursionError
    if isinstance(value, Mapping):
        return {key: sorted_by_key(value[key], levels - 1) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [sorted_by_key(inner, levels - 1) for inner in value]
    return value
