# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key may change exactly what its grants say, and whole zones go to whom they should."""

from __future__ import annotations

import pytest
from servers import HIDDEN, NS1, NS1_IPV6, NS2, OWN_KEY, TRANSFER_KEY, UPDATE_KEY, ZONE, dig, nsupdate, nsupdates, transfer

testinfra_hosts = ["ansible://client1"]

# The key of client1 may change A and AAAA of own.ZONE, and TXT of dyn.ZONE and all below.
ALLOWED = {
    "an address at its name": f"update add own.{ZONE} 60 A 198.18.0.21",
    "the other family": f"update add own.{ZONE} 60 AAAA 2001:db8:0:1::15",
    "its name in capitals": f"update add OWN.{ZONE.upper()} 60 A 198.18.0.22",
    "one address away": f"update delete own.{ZONE} A 198.18.0.22",
    "all addresses away": f"update delete own.{ZONE} A",
    "all that it may have": f"update delete own.{ZONE}",
    "a text at the top of its part": f"update add dyn.{ZONE} 60 TXT x",
    "a text deep in its part": f"update add a.b.dyn.{ZONE} 60 TXT x",
    "that text away": f"update delete a.b.dyn.{ZONE} TXT",
    "two names in one message": f"update add own.{ZONE} 60 A 198.18.0.21\\nupdate add c.dyn.{ZONE} 60 TXT x",
}
REFUSED = {
    "another type at its name": f"update add own.{ZONE} 60 TXT x",
    "an alias at its name": f"update add own.{ZONE} 60 CNAME www2",
    "a delegation at its name": f"update add own.{ZONE} 60 NS www2",
    "a name below its name": f"update add below.own.{ZONE} 60 A 198.18.0.66",
    "a wildcard below its name": f"update add *.own.{ZONE} 60 A 198.18.0.66",
    "the name of another host": f"update add ns1.{ZONE} 60 A 198.18.0.66",
    "a new name": f"update add intruder.{ZONE} 60 A 198.18.0.66",
    "a name that ends as its own": f"update add notown.{ZONE} 60 A 198.18.0.66",
    "the top of the zone": f"update add {ZONE} 60 A 198.18.0.66",
    "a nameserver": f"update add {ZONE} 60 NS own.{ZONE}.",
    "the SOA": f"update add {ZONE} 60 SOA own.{ZONE}. h.{ZONE}. 4000000000 1 1 1 1",
    "another type in its part": f"update add a.dyn.{ZONE} 60 A 198.18.0.66",
    "a static record away": f"update delete www2.{ZONE} A",
    "all of a static name away": f"update delete www2.{ZONE}",
    "the whole top away": f"update delete {ZONE}",
    "both, of which one is not its own": f"update add own.{ZONE} 60 A 198.18.0.66\\nupdate delete www2.{ZONE} A",
}


def content(client) -> list:
    """The zone but its SOA, as the primary has it, taken with a key that may."""
    first = client.get_host("ansible://ns1", ansible_inventory=client.backend.ansible_inventory)
    lines = transfer(first, ZONE, UPDATE_KEY).splitlines()
    return sorted(line for line in lines if line and line[0] != ";" and not {"SOA", "TSIG"} & set(line.split()[:4]))


def test_a_key_may_change_what_it_was_granted(host):
    assert nsupdates(host, NS1, ALLOWED, OWN_KEY) == dict.fromkeys(ALLOWED, "")
    assert dig(host, f"own.{ZONE} A") == ["198.18.0.21"]
    assert nsupdate(host, NS1_IPV6, f"update add own.{ZONE} 60 AAAA 2001:db8:0:1::15", OWN_KEY) == ""
    assert dig(host, f"own.{ZONE} AAAA", NS1_IPV6) == ["2001:db8:0:1::15"]


def test_a_key_may_change_nothing_else(host):
    before = content(host)
    assert any(line.startswith(f"www2.{ZONE}.") for line in before)
    assert nsupdates(host, NS1, REFUSED, OWN_KEY) == dict.fromkeys(REFUSED, "update failed: REFUSED")
    assert content(host) == before


@pytest.mark.parametrize("zone", [HIDDEN, "18.198.in-addr.arpa"])
def test_a_key_may_change_nothing_in_another_zone(host, zone):
    said = nsupdate(host, NS1, f"update add own.{zone} 60 A 198.18.0.66", OWN_KEY, zone)
    assert said == "update failed: REFUSED"


def test_a_secondary_takes_no_updates(host):
    assert nsupdate(host, NS2, f"update add own.{ZONE} 60 A 198.18.0.66", OWN_KEY) != ""
    assert dig(host, f"own.{ZONE} A", NS2) != ["198.18.0.66"]


def test_the_key_of_a_client_is_on_no_other_host_but_the_primary(host):
    second = host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)
    assert not second.file(OWN_KEY).exists
    assert not second.file(UPDATE_KEY).exists
    assert not host.file(UPDATE_KEY).exists and not host.file(TRANSFER_KEY).exists


def test_nobody_gets_a_whole_zone_without_the_key_for_it(host):
    for server in (NS1, NS2):
        assert "Transfer failed" in transfer(host, ZONE, server=server)
        assert "Transfer failed" in transfer(host, ZONE, OWN_KEY, server=server)


def test_the_fleets_secondaries_and_the_primary_itself_get_it_with_theirs(host):
    first, second = (host.get_host(f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory) for name in ("ns1", "ns2"))
    assert f"www2.{ZONE}." in transfer(second, ZONE, TRANSFER_KEY)
    assert f"www2.{ZONE}." in transfer(first, ZONE, UPDATE_KEY)
    assert "Transfer failed" in transfer(second, "18.198.in-addr.arpa", TRANSFER_KEY)


def test_an_external_secondary_gets_it_by_its_address_and_is_notified(host):
    """A socket stands in for the server that is not ours."""
    host.check_output("ip address add 198.18.0.53/24 dev $(ip -o -4 address show to 198.18.0.21 | cut -d' ' -f2)")
    try:
        assert f"www2.{ZONE}." in transfer(host, ZONE, option="-b 198.18.0.53")
        assert "Transfer failed" in transfer(host, HIDDEN, option="-b 198.18.0.53")
        listen = "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('198.18.0.53',53)); s.settimeout(15)"
        # Opcode 4 is NOTIFY (RFC 1996).
        told = "print(next(p[2] >> 3 & 15 for p in iter(lambda: s.recv(512), None)))"
        host.check_output(f'nohup python3 -c "import socket; {listen}; {told}" > /tmp/told 2>&1 & sleep 0.5')
        assert nsupdate(host, NS1, f"update add own.{ZONE} 60 A 198.18.0.53", OWN_KEY) == ""
        host.check_output("for i in $(seq 100); do grep -q . /tmp/told && break; sleep 0.1; done")
        assert host.check_output("cat /tmp/told") == "4"
    finally:
        host.check_output("ip address del 198.18.0.53/24 dev $(ip -o -4 address show to 198.18.0.21 | cut -d' ' -f2)")
