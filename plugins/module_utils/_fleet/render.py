# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as text: for programs as JSON, for people as Markdown with a topology that Mermaid draws."""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, List, Mapping, Sequence, Tuple

from .._shared.quoting import visible
from .report import Report, connections, count, table

_ODD = re.compile(r"[^a-z0-9]")


def render_json(fleet: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """The plan as JSON, hosts in order of name. The same plan gives the same bytes."""
    ordered = {name: hosts[name] for name in sorted(hosts)}
    return json.dumps({"fleet": fleet, "hosts": ordered}, indent=2, ensure_ascii=False) + "\n"


def render_markdown(fleet: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]], reports: Sequence[Report] = ()) -> str:
    """The plan for people: networks, hosts with their roles, addresses, what each subject reports, connections, and the topology."""
    sections = [*(section for report in reports for section in report.sections), connections(flow for report in reports for flow in report.flows)]
    ordered = [hosts[name] for name in sorted(hosts)]
    lines = [
        f"# Fleet {visible(fleet['name'])}",
        "",
        f"{count(len(ordered), 'host')} in `{fleet['domain']}`. Written from the inventory by `smallfleet.infra.plan`; change the inventory, not this file.",
        "",
        "## Networks",
        "",
        *table(("network", "IPv4", "IPv6", "MTU", "hosts"), _network_rows(fleet, ordered)),
        "",
        "## Hosts",
        "",
        *table(*_host_table(ordered)),
        "",
        "## Addresses",
        "",
        *table(*_address_table(ordered)),
        "",
        *(line for section in sections if section.lines for line in (f"## {visible(section.title)}", "", *section.lines, "")),
        "## Topology",
        "",
        "```mermaid",
        *_topology(fleet, ordered),
        "```",
    ]
    return "".join(f"{visible(line)}\n" for line in lines)


def _network_rows(fleet: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
    for name, network in fleet["networks"].items():
        members = sum(name in host["host"]["networks"] for host in hosts)
        prefixes = ("routed", "routed") if network["routed"] else (network["ipv4"], network["ipv6"])
        yield name, *prefixes, network["mtu"], members


_Table = Tuple[Sequence[str], List[Sequence[Any]]]


def _host_table(hosts: Sequence[Mapping[str, Any]]) -> _Table:
    """Head and rows, with the public addresses if they are others than those of the management on any host."""
    rows: List[Sequence[Any]] = []
    differ = any(host_plan["host"]["purposes"]["public"] != host_plan["host"]["management"] for host_plan in hosts)
    for host_plan in hosts:
        host = host_plan["host"]
        networks = [host["management"], *([host["purposes"]["public"]] if differ else [])]
        addresses = [_addresses(host["networks"][name]) for name in networks]
        rows.append((host["name"], host["fqdn"], *addresses, ", ".join(host_plan["capabilities"])))
    return ("host", "full name", "management address", *(["public address"] if differ else []), "roles"), rows


def _addresses(place: Mapping[str, Any]) -> str:
    return ", ".join(place[family].partition("/")[0] for family in ("ipv4", "ipv6") if place[family])


def _address_table(hosts: Sequence[Mapping[str, Any]]) -> _Table:
    """Head and rows, with the gateways if any host has some."""
    rows: List[Sequence[Any]] = []
    places = [(host_plan["host"]["name"], name, place) for host_plan in hosts for name, place in host_plan["host"]["networks"].items()]
    gateways = [", ".join(place[key] for key in ("ipv4_gateway", "ipv6_gateway") if key in place) for _host, _name, place in places]
    for (host, name, place), gateway in zip(places, gateways):
        rows.append((host, name, place["interface"], place["ipv4"], place["ipv6"], place["mtu"], *([gateway] if any(gateways) else [])))
    return ("host", "network", "interface", "IPv4", "IPv6", "MTU", *(["gateways"] if any(gateways) else [])), rows


def _topology(fleet: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Lines of a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html): networks, hosts, NICs as edges."""
    yield "flowchart LR"
    for name, network in fleet["networks"].items():
        prefixes = "<br/>".join(prefix for prefix in (network["ipv4"], network["ipv6"]) if prefix) or "routed"
        yield f'  {_key("network", name)}(["{name}<br/>{prefixes}"])'
    for host_plan in hosts:
        host = host_plan["host"]
        yield f'  {_key("host", host["name"])}["{host["name"]}<br/>{", ".join(host_plan["capabilities"])}"]'
    for host_plan in hosts:
        host = host_plan["host"]
        for name, place in host["networks"].items():
            yield f'  {_key("host", host["name"])} -- "{_quoted(place["interface"])}" --- {_key("network", name)}'


def _key(kind: str, name: str) -> str:
    """An identifier that Mermaid accepts and that two names never share."""
    return f"{kind}_" + _ODD.sub(lambda found: f"_{ord(found.group()):x}_", name)


def _quoted(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;")
