# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding out that another host has an address already, on a real link too."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.duplicate_addresses import Probe, asking, claim, same_macs
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed

from .namespace import Namespace

COLLECTIONS = Path(__file__).resolve().parents[3] / "collections"
MINE, THEIRS = "02:00:00:00:00:01", "02:00:00:00:00:02"
ETH0 = Link("eth0", mac=MINE)
OBSERVED = Observed({"eth0": ETH0}, {"eth0": (Address("192.0.2.1", 24),)})
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.smallfleet.infra.plugins.module_utils._network.duplicate_addresses import Asking, Probe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._network.duplicate_addresses_client import Conflicts
mac = sys.argv[2]
probes = tuple(Probe(ip, "br0", "eth0", mac) for ip in sys.argv[3:])
observed = Observed({"eth0": Link("eth0", mac=mac)})
print(json.dumps(Conflicts(None, SystemClock()).taken(Asking(probes), observed)))
"""


def interface(name: str, *ips: str, **more: Any) -> Interface:
    four = tuple(Address(ip, 24) for ip in ips if ":" not in ip)
    six = tuple(Address(ip, 64) for ip in ips if ":" in ip)
    return Interface(name, ipv4=Family(bool(four), addresses=four), ipv6=Family(bool(six), addresses=six), **more)


def asked(*interfaces: Interface, observed: Observed = OBSERVED) -> Dict[str, str]:
    """Address -> the card that is asked by, or "late"."""
    found = asking(Desired(interfaces), observed)
    return {**{one.ip: one.card for one in found.probes}, **{ip: "late" for ip, _name in found.late}}


def test_an_address_that_only_moves_within_the_host_is_not_asked_for():
    assert asked(interface("br0", "192.0.2.1", type="bridge", ports=("eth0",))) == {}


def test_a_new_address_of_a_new_bridge_is_asked_for_by_its_card():
    assert asked(interface("br0", "192.0.2.9", "2001:db8::9", type="bridge", ports=("eth0",))) == {
        "192.0.2.9": "eth0",
        "2001:db8::9": "eth0",
    }


def test_a_bridge_on_a_new_bond_is_asked_for_by_the_first_card_that_is_up():
    down = Link("eth1", mac="02:00:00:00:00:03", up=False, carrier=False)
    observed = replace(OBSERVED, links={"eth1": down, "eth0": ETH0})
    bond = interface("bond0", type="bond", ports=("eth1", "eth0"))
    assert asked(bond, interface("br0", "192.0.2.9", type="bridge", ports=("bond0",)), observed=observed) == {"192.0.2.9": "eth0"}


def test_a_bridge_that_is_there_is_asked_on_itself_and_one_that_changes_its_network_by_its_new_card():
    links = {"br0": Link("br0", "bridge", mac=MINE), "eth0": replace(ETH0, master="br0"), "eth1": Link("eth1", mac=THEIRS)}
    observed = replace(OBSERVED, links=links)
    assert asked(interface("br0", "192.0.2.9", type="bridge", ports=("eth0",)), observed=observed) == {"192.0.2.9": "br0"}
    assert asked(interface("br0", "192.0.2.9", type="bridge", ports=("eth1",)), observed=observed) == {"192.0.2.9": "eth1"}


def test_the_address_of_a_vlan_that_is_new_is_asked_for_later():
    assert asked(interface("eth0.5", "192.0.2.9", type="vlan", base="eth0", vlan_id=5)) == {"192.0.2.9": "late"}


@pytest.mark.parametrize("ip", ["192.0.2.9", "2001:db8::9"])
def test_whoever_probes_for_the_same_address_claims_it(ip):
    frame = Probe(ip, "br0", "eth0", MINE).frame
    assert claim(frame) == (ip, MINE)
    assert len(frame) == (42 if "." in ip else 78)


def test_who_asks_for_anothers_address_claims_its_own_only():
    probe = Probe("192.0.2.9", "br0", "eth0", MINE).frame
    request = probe[:28] + bytes([192, 0, 2, 7]) + probe[32:]
    assert claim(request) == ("192.0.2.7", MINE)
    solicitation = bytearray(Probe("2001:db8::9", "br0", "eth0", MINE).frame)
    solicitation[37] = 1
    assert claim(bytes(solicitation)) is None


@given(st.binary(max_size=100), st.sampled_from([b"", b"\x08\x06", b"\x86\xdd"]))
def test_no_frame_makes_a_traceback(garbage, kind):
    claim(bytes(12) + kind + garbage)
    claim(garbage)


def test_the_mac_of_a_neighbour_is_refused_and_ones_own_is_not():
    neighbours = json.dumps([{"dst": "192.0.2.2", "dev": "eth0", "lladdr": THEIRS, "state": ["STALE"]}, {"dst": "192.0.2.3"}])
    wrong = same_macs(Desired((interface("br0", type="bridge", ports=("eth0",), mac=THEIRS),)), OBSERVED, neighbours)
    assert wrong == [f"interfaces.br0.mac_address: 192.0.2.2 has the MAC {THEIRS}. Give this host another, or none"]
    assert same_macs(Desired((interface("br0", type="bridge", ports=("eth0",), mac=MINE),)), OBSERVED, neighbours) == []


def test_a_host_on_a_real_link_says_that_it_has_the_address(namespace: Namespace):
    namespace.clear(False)
    lines = ["address add 192.0.2.9/24 dev eth0-far", "address add 2001:db8::9/64 dev eth0-far nodad"]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    mac = namespace.observed().links["eth0"].mac
    wanted = ["192.0.2.9", "2001:db8::9", "192.0.2.10", "2001:db8::10"]
    said = json.loads(namespace.run(sys.executable, "-c", ASK, str(COLLECTIONS), mac, *wanted))
    theirs = namespace.observed().links["eth0-far"].mac
    assert [text.split(". ")[0] for text in said] == [f"interfaces.br0: the host with the MAC {theirs} has {ip} already" for ip in ("192.0.2.9", "2001:db8::9")]
