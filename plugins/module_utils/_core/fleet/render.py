# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as text: for programs as JSON, for people as Markdown with a topology that Mermaid draws."""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, List, Mapping, Sequence

from ..quoting import visible

_ODD = re.compile(r"[^a-z0-9]")


def render_json(fleet: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """The plan as JSON, hosts in order of name. The same plan gives the same bytes."""
    ordered = {name: hosts[name] for name in sorted(hosts)}
    return json.dumps({"fleet": fleet, "hosts": ordered}, indent=2, ensure_ascii=False) + "\n"


def render_markdown(fleet: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """The plan for people: networks, hosts with their roles, addresses, and the topology."""
    ordered = [hosts[name] for name in sorted(hosts)]
    lines = [
        f"# Fleet {visible(fleet['name'])}",
        "",
        f"{_count(len(ordered), 'host')} in `{fleet['domain']}`. Written from the inventory by `smallfleet.infra.plan`; change the inventory, not this file.",
        "",
        "## Networks",
        "",
        *_table(("network", "IPv4", "IPv6", "MTU", "hosts"), _network_rows(fleet, ordered)),
        "",
        "## Hosts",
        "",
        *_table(("host", "full name", "management address", "roles"), _host_rows(ordered)),
        "",
        "## Addresses",
        "",
        *_table(("host", "network", "interface", "IPv4", "IPv6", "MTU"), _address_rows(ordered)),
        "",
        "## Topology",
        "",
        "```mermaid",
        *_topology(fleet, ordered),
        "```",
    ]
    return "".join(f"{visible(line)}\n" for line in lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> List[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = ["" if cell is None else visible(str(cell)).replace("|", "\\|") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _network_rows(fleet: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
    for name, network in fleet["networks"].items():
        members = sum(name in host["host"]["networks"] for host in hosts)
        yield name, network["ipv4"], network["ipv6"], network["mtu"], members


def _host_rows(hosts: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
    for slice_ in hosts:
        host = slice_["host"]
        addresses = ", ".join(address for address in (host["ipv4"], host["ipv6"]) if address)
        yield host["name"], host["fqdn"], addresses, ", ".join(slice_["capabilities"])


def _address_rows(hosts: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
    for slice_ in hosts:
        for name, place in slice_["host"]["networks"].items():
            yield slice_["host"]["name"], name, place["interface"], place["ipv4"], place["ipv6"], place["mtu"]


def _topology(fleet: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Lines of a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html): networks, hosts, NICs as edges."""
    yield "flowchart LR"
    for name, network in fleet["networks"].items():
        prefixes = "<br/>".join(prefix for prefix in (network["ipv4"], network["ipv6"]) if prefix)
        yield f'  {_key("network", name)}(["{name}<br/>{prefixes}"])'
    for slice_ in hosts:
        host = slice_["host"]
        yield f'  {_key("host", host["name"])}["{host["name"]}<br/>{", ".join(slice_["capabilities"])}"]'
    for slice_ in hosts:
        host = slice_["host"]
        for name, place in host["networks"].items():
            yield f'  {_key("host", host["name"])} -- "{_quoted(place["interface"])}" --- {_key("network", name)}'


def _key(kind: str, name: str) -> str:
    """An identifier that Mermaid accepts and that two names never share."""
    return f"{kind}_" + _ODD.sub(lambda found: f"_{ord(found.group()):x}_", name)


def _quoted(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;")
