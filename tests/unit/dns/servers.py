# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of three servers and a client, and what becomes of its variables."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Dict, Mapping

from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.capability import challenge_keys
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve, resolve_keys
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import read_config
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host

ZONE = "demo.example.net"
OTHER = "example.com"
OWN = {"app1-own": {"hosts": ["app1"], "grants": [{"zone": ZONE, "name": "app1", "types": ["A", "sshfp"]}]}}


def host(name: str, number: int, **variables: Any) -> Host:
    place = Attachment("main", "eth0", IPv4Interface(f"192.0.2.{number}/24"), IPv6Interface(f"2001:db8::{number:x}/64"), 1500)
    return Host(name, f"{name}.{ZONE}", (), (place,), {"management": "main", "public": "main"}, variables)


HOSTS = [host("ns1", 2), host("ns2", 3), host("ns3", 4, dns_server_provider="knot"), host("app1", 11)]


def fleet(*more: Host, **variables: Any) -> Fleet:
    hosts = {one.name: one for one in (*HOSTS, replace(HOSTS[0], name="bare", attachments=()), *more)}
    return Fleet("demo", ZONE, {}, hosts, {}, variables)


def zone(**options: Any) -> Dict[str, Any]:
    return {ZONE: {"primary": "ns1", **options}}


def host_plans(**variables: Any) -> Mapping[str, Any]:
    all_ = fleet(**variables)
    found = resolve(all_, challenge_keys(all_))
    assert [str(problem) for problem in found.problems] == []
    return found.host_plans


def held(**variables: Any) -> Dict[str, Dict[str, str]]:
    """For each host the keys it holds and where each is made."""
    all_ = fleet(**variables)
    found = resolve_keys(all_, challenge_keys(all_))
    assert found.problems == ()
    return {host: {key["name"]: key["home"] for key in part["keys"]} for host, part in found.host_plans.items()}


def as_configured(part: Mapping[str, Any]) -> None:
    """What the module takes, without a complaint."""
    taken = ("listen", "keys", "update_key", "zones", "catalogs")
    read_config({option: part[option] for option in taken if option in part})
