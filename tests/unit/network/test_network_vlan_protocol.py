# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A VLAN interface of IEEE 802.1ad, whose tag is the outer one of two, is another than one of 802.1Q with the same number."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.backend import Backend
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.exported import export
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, as_data, from_data

from .booting import said
from .kernel import Kernel, bare, state
from .test_network_exported import left_to_do
from .test_network_resolve import planned, static

NUMBERS = {"802.1q": 0x8100, "802.1ad": 0x88A8}


def vlan(name: str, number: int, protocol: Any = None, base: str = "eth0", **more: Any) -> Dict[str, Any]:
    spoken = {} if protocol is None else {"protocol": protocol}
    return {"name": name, "type": "vlan", "vlan": {"base-iface": base, "id": number, **spoken}, **more}


def read(*interfaces: Dict[str, Any]) -> Desired:
    made = planned({"network_interfaces": [{"name": "eth0", "ipv4": static("192.0.2.11")}, *interfaces]})
    assert made.problems == ()
    return from_data(made.hosts["app1"]["network"]["desired"])


@pytest.mark.parametrize(("written", "protocol"), [(None, "802.1q"), ("802.1q", "802.1q"), ("802.1Q", "802.1q"), ("802.1ad", "802.1ad")])
def test_the_inventory_has_it_in_nmstate_s_words(written: Any, protocol: str) -> None:
    desired = read(vlan("v", 5, written))
    assert desired.interfaces[1].vlan_protocol == protocol
    assert from_data(json.loads(json.dumps(as_data(desired)))) == desired


@pytest.mark.parametrize("written", ["802.1x", 802.1, True, ["802.1ad"], {}, "0x88a8"])
def test_another_protocol_is_refused(written: Any) -> None:
    (problem,) = planned({"network_interfaces": [{"name": "eth0"}, vlan("v", 5, written)]}).problems
    assert problem.variable == "network_interfaces[1].vlan.protocol" and problem.message.startswith("expected 802.1q or 802.1ad, got ")
    assert problem.remedy in ("Write 802.1q", "Write for example 802.1q")


def test_data_of_another_protocol_is_refused_on_the_host() -> None:
    entry = {"name": "v", "type": "vlan", "vlan": {"base_iface": "eth0", "id": 5, "protocol": "802.1x"}}
    with pytest.raises(BadDesired, match="'802.1x' is not a protocol of VLANs"):
        from_data({"interfaces": [entry]})
    del entry["vlan"]["protocol"]  # type: ignore[attr-defined]
    assert from_data({"interfaces": [entry]}).interfaces[0].vlan_protocol == "802.1q"


def test_one_number_may_be_used_once_for_each_protocol() -> None:
    assert len(read(vlan("a", 5), vlan("b", 5, "802.1ad")).interfaces) == 3
    (problem,) = planned({"network_interfaces": [{"name": "eth0"}, vlan("a", 5, "802.1ad"), vlan("b", 5, "802.1ad")]}).problems
    assert problem.variable == "network_interfaces[2].vlan" and problem.message == "VLAN 5 of eth0 is already a"


def _attribute(number: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), number) + value + b"\0" * (-len(value) % 4)


@pytest.mark.parametrize("protocol", NUMBERS)
def test_what_ip_itself_prints_of_it_is_read_although_no_kernel_with_vlans_is_here(protocol: str, tmp_path: Path) -> None:
    """ip-monitor(8) prints a recorded message of the kernel (RTM_NEWLINK, linux/if_link.h), by the same code as a list of links."""
    data = _attribute(1, struct.pack("H", 5)) + _attribute(5, struct.pack(">H", NUMBERS[protocol]))
    info = _attribute(1, b"vlan\0") + _attribute(2, data)
    body = struct.pack("BxHiII", 0, 1, 7, 0x1003, 0) + _attribute(3, b"v\0") + _attribute(4, struct.pack("I", 1500)) + _attribute(18, info)
    recorded = tmp_path / "links"
    recorded.write_bytes(struct.pack("IHHII", 16 + len(body), 16, 0, 0, 0) + body)
    printed = run(["ip", "-N", "-details", "monitor", "link", "file", str(recorded)], capture_output=True, text=True, check=True).stdout
    spoken = re.search(r" vlan protocol (\S+) id 5 ", printed)
    assert spoken, printed
    assert of_kernel(spoken[1]).vlan_protocol == protocol


def of_kernel(protocol: str) -> Link:
    info = {"info_kind": "vlan", "info_data": {"protocol": protocol, "id": 5, "flags": ["REORDER_HDR"]}}
    entry = {"ifname": "v", "link": "eth0", "flags": ["UP"], "mtu": 1500, "linkinfo": info}
    return observe({key: json.dumps([entry]) if key == "links" else "" for key in COMMANDS}).links["v"]


@pytest.mark.parametrize(("shown", "protocol"), [("802.1Q", "802.1q"), ("802.1ad", "802.1ad")])
def test_the_words_of_an_ip_without_numbers_are_read_too(shown: str, protocol: str) -> None:
    assert of_kernel(shown).vlan_protocol == protocol


def test_the_kernel_is_asked_for_it_and_the_next_run_has_nothing_to_do() -> None:
    observed = bare("eth0")
    desired = pinned(read(vlan("a", 5), vlan("b", 5, "802.1ad", ipv4=static("198.51.100.11"))), observed)
    kernel = Kernel(observed)
    steps = plan(desired, observed)
    kernel.run(steps.operations)
    lines = [one.line for one in steps.prepare if one.kind == "add_link"]
    assert lines == ["link add link eth0 name a type vlan id 5", "link add link eth0 name b type vlan protocol 802.1ad id 5"]
    assert kernel.links["b"].vlan_protocol == "802.1ad"
    assert plan(desired, kernel.observed()).operations == () and obstacles(desired, kernel.observed()) == []
    again = Kernel(observed)
    again.run(steps.prepare)
    again.force([replace(steps.prepare[0], words=words) for one in reversed(steps.prepare) for words in one.undo])
    assert state(again.observed()) == state(observed)


def test_it_cannot_be_changed_while_the_interface_exists_and_no_other_name_has_it() -> None:
    base = bare("eth0")
    observed = replace(base, links={**base.links, "v": Link("v", "vlan", lower="eth0", vlan_id=5, vlan_protocol="802.1ad")})
    (line,) = obstacles(pinned(read(vlan("v", 5)), observed), observed)
    assert line == (
        "interfaces.v: is VLAN 5 of eth0 by 802.1ad, which cannot be changed while it exists. Give the new VLAN another name, and this one state: absent"
    )
    assert obstacles(pinned(read(vlan("w", 5)), observed), observed) == []
    (line,) = obstacles(pinned(read(vlan("w", 5, "802.1ad")), observed), observed)
    assert "VLAN 5 of eth0 exists already as v" in line


def test_it_is_exported_and_the_first_run_changes_nothing() -> None:
    links = {"eth0": Link("eth0"), "v": replace(of_kernel("[34984]"), name="v"), "w": replace(of_kernel("[33024]"), name="w")}
    observed = Observed(links, ipv6=False)
    made = export(observed, ["v", "w"])
    there = {one["name"]: one.get("vlan") for one in made.variables["network_interfaces"]}
    assert there == {"eth0": None, "v": {"base-iface": "eth0", "id": 5, "protocol": "802.1ad"}, "w": {"base-iface": "eth0", "id": 5}}
    assert left_to_do(made, observed) == [], made.text


@pytest.mark.parametrize(
    ("backend", "path", "line"),
    [
        (Networkd(), "/etc/systemd/network/05-smallfleet-svc.5.netdev", "[VLAN]\nId=5\nProtocol=802.1ad\n"),
        (NetworkManager(), "/etc/NetworkManager/system-connections/smallfleet-svc.5.nmconnection", "id=5\nparent=eth0\nprotocol=802.1ad\n"),
        (Ifupdown(), "/etc/network/interfaces.d/smallfleet-1-svc--5", " pre-up ip link add link eth0 name svc.5 type vlan protocol 802.1ad id 5 "),
        (Ifupdown(), "/etc/network/interfaces.d/smallfleet-1-svc--5", "\n    vlan-protocol 802.1ad\n"),
    ],
    ids=["networkd", "networkmanager", "ifupdown", "ifupdown2"],
)
def test_the_boot_configuration_has_it(backend: Backend, path: str, line: str) -> None:
    desired = read(vlan("svc.5", 5, "802.1ad"))
    assert line in backend.files(desired)[path]
    assert BACKENDS[backend.name].unsupported(desired) == []
    usual = "".join(backend.files(read(vlan("svc.5", 5))).values())
    assert "802.1" not in usual and "rotocol" not in usual


@pytest.mark.parametrize(
    ("backend", "path", "text"),
    [
        ("networkd", "/etc/systemd/network/10-v.netdev", "[NetDev]\nName=v\nKind=vlan\n\n[VLAN]\nId=5\nProtocol=802.1ad\n"),
        (
            "networkmanager",
            "/etc/NetworkManager/system-connections/v.nmconnection",
            "[connection]\nid=v\nuuid=1\ntype=vlan\ninterface-name=v\n\n[vlan]\nid=5\nparent=eth0\nprotocol=802.1ad\n",
        ),
        ("ifupdown", "/etc/network/interfaces", "iface v inet manual\n    vlan-raw-device eth0\n    vlan-id 5\n    vlan-protocol 802.1ad\n"),
    ],
)
def test_an_old_file_that_says_it_is_named_where_the_inventory_does_not(backend: str, path: str, text: str) -> None:
    observed = bare("eth0")
    found = said(backend, {path: text}, read(vlan("v", 5, "802.1ad")), observed, management=())[0]
    assert (found.problems, found.warnings) == ([], [])
    found = said(backend, {path: text}, read(vlan("v", 5)), observed, management=())[0]
    assert found.problems == [] and len(found.warnings) == 1 and path in found.warnings[0] and "rotocol" in found.warnings[0]


def test_netplan_which_has_no_word_for_it_refuses_it() -> None:
    desired = read(vlan("v", 5, "802.1ad"))
    (refused,) = BACKENDS["netplan"].unsupported(desired)
    assert str(refused) == (
        "interfaces.v.vlan.protocol: netplan cannot express protocol: 802.1ad. Set network_backend to another program, or remove protocol for 802.1q"
    )
    (problem,) = planned({"network_interfaces": [{"name": "eth0"}, vlan("v", 5, "802.1ad")], "network_backend": "netplan"}).problems
    assert problem.variable == "network_interfaces.v.vlan.protocol"
    assert BACKENDS["netplan"].unsupported(read(vlan("v", 5))) == []


@pytest.mark.parametrize(
    ("itself", "options", "text"),
    [
        ({"mode": "trunk", "trunk-tags": [{"id": 5}]}, {}, "in which frames of svc (802.1ad) are for a bridge of 802.1q"),
        ({"mode": "access", "tag": 10}, {}, ""),
        ({"mode": "trunk", "trunk-tags": [{"id": 5}]}, {"vlan-protocol": "802.1ad"}, ""),
        ({"mode": "access", "tag": 10}, {"vlan-protocol": "802.1ad"}, "br0 itself is not in VLAN 5, which svc is for"),
    ],
)
def test_a_bridge_that_filters_by_another_protocol_has_its_frames_in_the_vlan_of_frames_without_a_tag(
    itself: Dict[str, Any], options: Dict[str, Any], text: str
) -> None:
    """They are payload to it (br_allowed_ingress in net/bridge/br_vlan.c)."""
    ports = [{"name": "eth1", "vlan": {"mode": "trunk", "trunk-tags": [{"id": 10}]}}]
    bridge = {"name": "br0", "type": "bridge", "bridge": {"port": ports, "vlan": itself, "options": options}}
    observed = bare("eth0", "eth1")
    found = obstacles(pinned(read(bridge, vlan("svc", 5, "802.1ad", "br0")), observed), observed)
    assert [text in one for one in found] == ([True] if text else [])
