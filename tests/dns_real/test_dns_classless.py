# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of 256 addresses (RFC 2317) on a real BIND and a real Knot, together with the zone above that leads there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest
from asking import write
from rendered import Rendered, rendered, soon

ABOVE = "2.0.192.in-addr.arpa"


def ask(made: Rendered, name: Any, kind: str) -> dns.message.Message:
    return dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=made.port, timeout=20)


def reverse(made: Rendered, address: str) -> List[str]:
    """The name of an address as a resolver finds it, after the alias that leads there, if there is one."""
    found: List[str] = []
    name: Any = dns.reversename.from_address(address)
    while True:
        answer = {dns.rdatatype.to_text(one.rdtype): str(one[0]) for one in ask(made, name, "PTR").answer if str(one.name).lower() == str(name)}
        found += answer.values()
        if "CNAME" not in answer:
            return found
        name = answer["CNAME"]


def publish(made: Rendered) -> List[str]:
    """Do the updates of the plan, as the role does; answers the steps."""
    with closing(made.running().client(name="demo-update")) as client:
        done = []
        for update in made.plan()["updates"]:
            entries = [{"ttl": 300, "state": "present", **one} for one in update["record_sets"]]
            done += write(client, *entries, zone=f"{update['zone_name']}.").steps
        return done


@pytest.mark.parametrize("part", ["8/29", "8-29", "8-15"])
@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_the_zone_above_leads_to_the_part_once_it_is_served_and_an_address_always_has_its_name(kind: str, part: str, tmp_path: Path) -> None:
    zones: Dict[str, Any] = {ABOVE: {"primary": "ns1"}}
    name = f"{part}.{ABOVE}"
    with rendered(kind, tmp_path, zones) as made:
        assert publish(made) == [] and reverse(made, "192.0.2.11") == ["app1.example.net."]
        zones[name] = {"primary": "ns1"}
        made.reload(born=True)
        soon(lambda: ask(made, name, "SOA").rcode() == dns.rcode.NOERROR and bool(ask(made, name, "SOA").answer), True)
        steps = publish(made)
        assert {f"delete 11.{ABOVE}. PTR", f"create 11.{ABOVE}. CNAME", f"create 15.{ABOVE}. CNAME"} <= set(steps)
        assert reverse(made, "192.0.2.11") == [f"11.{name}.", "app1.example.net."]
        assert reverse(made, "192.0.2.2") == ["ns1.example.net."]
        assert publish(made) == []
