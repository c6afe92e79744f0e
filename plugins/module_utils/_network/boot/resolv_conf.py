# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading resolv.conf(5): the name servers that a host asks, and its search domains."""

from __future__ import annotations

from ipaddress import ip_address
from typing import List

from ..._fleet.values import is_domain
from ..._shared.limits import split_lines
from ..model import Dns


def read_resolv_conf(text: str) -> Dns:
    """Servers on the host itself (127.0.0.0/8, ::1) are left out: they ask others. So is what is not an address or a domain.

    As the resolver does, the last ``search`` or ``domain`` counts. Never raises.
    """
    servers: List[str] = []
    search: List[str] = []
    for words in (line.split() for line in split_lines(text)):
        if words[:1] == ["nameserver"]:
            servers += [address for address in map(_server, words[1:2]) if address]
        elif words[:1] in (["search"], ["domain"]):
            search = [word.lower().rstrip(".") for word in words[1:] if is_domain(word.lower().rstrip("."))]
    return Dns(tuple(dict.fromkeys(servers)), tuple(dict.fromkeys(search)))


def _server(text: str) -> str:
    try:
        found = ip_address(text)
    except ValueError:
        return ""
    return "" if found.is_loopback or found.is_multicast or found.is_unspecified or "%" in text else str(found)
