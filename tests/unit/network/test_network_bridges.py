# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of bridges and their ports, and VLANs of ports: read in nmstate's words, planned, kept, and written for each program."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Dict, List, Tuple

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.netplan import Netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface, Link, Observed, Vlan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import restore, switch
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.scripts import scripts
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, as_data, from_data

from .guarded import prepare
from .kernel import Kernel, bare, state
from .kernel_links import BRIDGE_DEFAULTS, PORT_DEFAULTS
from .test_network_resolve import planned, static

TRUNK = {"mode": "trunk", "enable-native": True, "tag": 100, "trunk-tags": [{"id": 101}, {"id-range": {"min": 500, "max": 599}}]}
WHOLE: Dict[str, Any] = {
    "name": "br0",
    "type": "linux-bridge",
    "bridge": {
        "options": {
            "group-forward-mask": 16392,
            "mac-ageing-time": 60,
            "multicast-querier": True,
            "multicast-snooping": False,
            "vlan-protocol": "802.1ad",
            "stp": {"enabled": True, "forward-delay": 4, "hello-time": 1, "max-age": 6, "priority": 4096},
        },
        "vlan": {"mode": "access", "tag": 100},
        "port": [
            {"name": "eth0", "stp-hairpin-mode": True, "stp-path-cost": 7, "stp-priority": 3, "vlan": TRUNK},
            {"name": "eth1", "vlan": {"mode": "access", "tag": 10}},
        ],
    },
    "ipv4": static("192.0.2.11"),
}


def read(*interfaces: Dict[str, Any]) -> Desired:
    made = planned({"network_interfaces": list(interfaces)})
    assert made.problems == ()
    return from_data(made.hosts["app1"]["network"]["desired"])


def bridge(value: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    return {"name": "br0", "type": "bridge", "bridge": value, **more}


def port(vlan: Any, **options: Any) -> Dict[str, Any]:
    return bridge({"port": [{"name": "eth0", "vlan": vlan}], "options": options})


def test_every_option_is_read_and_comes_back_from_the_plan_as_it_was() -> None:
    desired = read(WHOLE)
    one = desired.interfaces[0]
    assert (one.type, one.stp, one.ports) == ("bridge", True, ("eth0", "eth1"))
    assert one.options == {
        "group_fwd_mask": "16392", "ageing_time": "6000", "mcast_querier": "1", "mcast_snooping": "0", "vlan_protocol": "802.1ad",
        "forward_delay": "400", "hello_time": "100", "max_age": "600", "priority": "4096", "vlan_filtering": "1",
    }  # fmt: skip
    assert one.port_options == {"eth0": {"hairpin": "on", "cost": "7", "priority": "3"}}
    assert one.vlans == {
        "br0": (Vlan(100, 100, True, True),),
        "eth0": (Vlan(100, 100, True, True), Vlan(101, 101), Vlan(500, 599)),
        "eth1": (Vlan(10, 10, True, True),),
    }
    assert from_data(as_data(desired)) == desired


@pytest.mark.parametrize(
    ("written", "where", "text"),
    [
        (port({"mode": "access"}), "bridge.port[0].vlan.tag", "is missing"),
        (port({"tag": 5}), "bridge.port[0].vlan.mode", "is missing"),
        (port({"mode": "hybrid", "tag": 5}), "bridge.port[0].vlan.mode", "got 'hybrid'"),
        (port({"mode": "access", "tag": 0}), "bridge.port[0].vlan.tag", "0 is not a VLAN"),
        (port({"mode": "access", "tag": 4095}), "bridge.port[0].vlan.tag", "4095 is not a VLAN"),
        (port({"mode": "access", "tag": True}), "bridge.port[0].vlan.tag", "True is not a VLAN"),
        (port({"mode": "access", "tag": 5, "trunk-tags": [{"id": 6}]}), "bridge.port[0].vlan.trunk-tags", "no meaning with mode access"),
        (port({"mode": "access", "tag": 5, "enable-native": True}), "bridge.port[0].vlan.enable-native", "no meaning with mode access"),
        (port({"mode": "trunk"}), "bridge.port[0].vlan.trunk-tags", "is missing"),
        (port({"mode": "trunk", "trunk-tags": [{"id": 5}], "tag": 6}), "bridge.port[0].vlan.tag", "frames without a tag"),
        (port({"mode": "trunk", "trunk-tags": [{"id": 5}], "enable-native": True}), "bridge.port[0].vlan.tag", "is missing"),
        (port({"mode": "trunk", "trunk-tags": [{"id": 5}], "enable-native": True, "tag": 5}), "bridge.port[0].vlan.trunk-tags", "native VLAN"),
        (port({"mode": "trunk", "trunk-tags": [{"id": 5}, {"id-range": {"min": 4, "max": 6}}]}), "bridge.port[0].vlan.trunk-tags[1]", "another entry"),
        (port({"mode": "trunk", "trunk-tags": [{"id-range": {"min": 6, "max": 4}}]}), "bridge.port[0].vlan.trunk-tags[0].id-range", "after its end"),
        (port({"mode": "trunk", "trunk-tags": [{"id": 4, "id-range": {"min": 5, "max": 6}}]}), "bridge.port[0].vlan.trunk-tags[0]", "either id or id-range"),
        (port({"mode": "trunk", "trunk-tags": [7]}), "bridge.port[0].vlan.trunk-tags[0]", "expected a dictionary"),
        (port([]), "bridge.port[0].vlan", "expected a dictionary"),
        (bridge({"options": {"group-forward-mask": 5}}), "bridge.options.group-forward-mask", "bits 1, 2 and 4"),
        (bridge({"options": {"group-forward-mask": 65536}}), "bridge.options.group-forward-mask", "expected a whole number from "),
        (bridge({"options": {"mac-ageing-time": -1}}), "bridge.options.mac-ageing-time", "expected a whole number from "),
        (bridge({"options": {"multicast-snooping": "maybe"}}), "bridge.options.multicast-snooping", "neither true nor false"),
        (bridge({"options": {"vlan-protocol": "802.1x"}}), "bridge.options.vlan-protocol", "got '802.1x'"),
        (bridge({"options": {"vlan-default-pvid": 4095}}), "bridge.options.vlan-default-pvid", "expected a whole number from "),
        (bridge({"options": {"vlan-filtering": True}}), "bridge.options.vlan-filtering", "is not an option of a bridge"),
        (bridge({"options": {"stp": {"hello-time": 11}}}), "bridge.options.stp.hello-time", "expected a whole number from "),
        (bridge({"options": {"stp": {"priority": 65536}}}), "bridge.options.stp.priority", "expected a whole number from "),
        (bridge({"options": {"stp": {"enabled": True, "forward-delay": 0}}}), "bridge.options.stp.forward-delay", "with STP"),
        (bridge({"options": {"stp": {"enabled": True, "forward-delay": 4}}}), "bridge.options.stp", "contradict each other"),
        (bridge({"port": [{"name": "eth0", "stp-priority": 64}]}), "bridge.port[0].stp-priority", "expected a whole number from "),
        (bridge({"port": [{"name": "eth0", "stp-path-cost": 0}]}), "bridge.port[0].stp-path-cost", "expected a whole number from "),
        (bridge({"port": [{"name": "eth0", "stp-hairpin-mode": 7}]}), "bridge.port[0].stp-hairpin-mode", "neither true nor false"),
    ],
)
def test_what_contradicts_itself_or_is_out_of_range_is_refused_by_its_place(written: Dict[str, Any], where: str, text: str) -> None:
    problems = planned({"network_interfaces": [written]}).problems
    assert [problem.variable for problem in problems] == [f"network_interfaces[0].{where}"]
    assert text in problems[0].message and problems[0].remedy


def test_nothing_that_is_written_for_a_bridge_raises() -> None:
    paths: List[Tuple[Any, ...]] = [("bridge",), ("bridge", "options"), ("bridge", "port"), ("bridge", "vlan"), ("bridge", "options", "stp")]
    paths += [("bridge", "port", 0, "vlan", key) for key in TRUNK] + [("bridge", "port", 0, key) for key in WHOLE["bridge"]["port"][0]]
    for path in paths:
        for wrong in (None, 7, "x", [], {}, [[]], {"x": 1}, True, "9" * 30):
            damaged = copy.deepcopy(WHOLE)
            inner = damaged
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = wrong
            planned({"network_interfaces": [damaged]})


def test_a_host_plan_with_a_wrong_value_is_refused_with_its_place() -> None:
    data = {"interfaces": [{"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0", "vlan": {"mode": "access", "tag": 5000}}]}}]}
    with pytest.raises(BadDesired, match=r"bridge\.port\[0\]\.vlan\.tag: 5000 is not a VLAN"):
        from_data(data)


HOST = bare("eth0", "eth1", "eth2")


def change(*interfaces: Dict[str, Any], observed: Observed = HOST) -> Tuple[Desired, Kernel]:
    """What is desired, and the kernel when it is so: nothing is left to do then, and the way back gave what was."""
    desired = pinned(read(*interfaces), observed)
    assert obstacles(desired, observed) == []
    steps = plan(desired, observed)
    kernel = Kernel(observed)
    kernel.run(steps.prepare + steps.switch + steps.cleanup)
    kernel.force(rollback(steps))
    assert state(kernel.observed()) == state(observed)
    kernel = Kernel(observed)
    kernel.run(steps.operations)
    again = pinned(read(*interfaces), kernel.observed())
    assert plan(again, kernel.observed()).operations == ()
    for backend in (Networkd(), Ifupdown(), Netplan(), NetworkManager()):
        assert backend.files(again) == backend.files(desired)
    return desired, kernel


def test_ports_have_exactly_their_vlans_before_the_bridge_goes_by_them() -> None:
    desired, kernel = change(WHOLE)
    assert kernel.vlans == {name: desired.interfaces[0].vlans[name] for name in ("br0", "eth0", "eth1")}
    lines = [str(one) for one in plan(desired, HOST).operations]
    assert "stp_state 0 ageing_time 6000" in lines[0] and "vlan_default_pvid 0" in lines[0] and "vlan_filtering" not in lines[0]
    vlans = [line for line in lines if line.startswith("bridge ")]
    assert vlans == [
        "bridge vlan add dev br0 vid 100 pvid untagged self",
        "bridge vlan add dev eth0 vid 100 pvid untagged",
        "bridge vlan add dev eth0 vid 101",
        "bridge vlan add dev eth0 vid 500-599",
        "bridge vlan add dev eth1 vid 10 pvid untagged",
    ]
    assert lines.index("ip link set dev br0 type bridge vlan_filtering 1") > lines.index(vlans[-1])


def test_the_batch_for_bridge_8_comes_before_the_filtering_and_last_on_the_way_back() -> None:
    desired = pinned(read(WHOLE), HOST)
    made = prepare("/var/lib/smallfleet/network/x", plan(desired, HOST), (), {}, HOST)
    assert batches(made)["cleanup-vlan"].splitlines()[0] == "vlan add dev br0 vid 100 pvid untagged self"
    assert "vlan add" not in batches(made)["cleanup"]
    names = [step.file for step in switch(made) if step.kind == "batch"]
    assert names[-2:] == ["cleanup-vlan", "cleanup"]
    assert "batch cleanup-vlan bridge" in scripts(made, "boot", 90)["switch.sh"]
    _desired, kernel = change(WHOLE)
    off = replace(desired, interfaces=(replace(desired.interfaces[0], absent=True), *desired.interfaces[1:]))
    back = prepare("/var/lib/smallfleet/network/x", plan(off, kernel.observed()), (), {}, kernel.observed())
    assert batches(back)["undo-vlan"].splitlines()[0].startswith("vlan add dev ")
    assert "undo undo-vlan bridge" in scripts(back, "boot", 90)["restore.sh"]
    assert [step.file for step in restore(made, False) if step.kind == "undo"] == ["away"]
    more = copy.deepcopy(WHOLE)
    more["bridge"]["port"][1]["vlan"] = {"mode": "access", "tag": 11}
    other = prepare("/x", plan(pinned(read(more), kernel.observed()), kernel.observed()), (), {}, kernel.observed())
    assert batches(other)["away-vlan"] == "vlan del dev eth1 vid 11\n"  # what was there comes back in the kernel's own words
    assert "undo away-vlan bridge" in scripts(other, "boot", 90)["restore.sh"]


def test_a_port_whose_vlans_change_loses_none_that_stays() -> None:
    _desired, kernel = change(WHOLE)
    other = copy.deepcopy(WHOLE)
    other["bridge"]["port"][1]["vlan"] = {"mode": "trunk", "trunk-tags": [{"id": 10}, {"id": 11}]}
    desired, after = change(other, observed=kernel.observed())
    assert after.vlans["eth1"] == (Vlan(10, 11),)
    assert [str(one) for one in plan(desired, kernel.observed()).operations] == ["bridge vlan add dev eth1 vid 10-11"]
    other["bridge"]["port"][1]["vlan"] = {"mode": "access", "tag": 12}
    desired, after = change(other, observed=after.observed())
    assert after.vlans["eth1"] == (Vlan(12, 12, True, True),)


def test_a_port_with_an_empty_vlan_has_the_default_and_filtering_ends_when_all_are_empty() -> None:
    _desired, kernel = change(WHOLE)
    other = copy.deepcopy(WHOLE)
    del other["bridge"]["vlan"]
    other["bridge"]["port"] = [{"name": "eth0", "vlan": {}}, {"name": "eth1", "vlan": {}}]
    desired, after = change(other, observed=kernel.observed())
    assert after.links["br0"].options["vlan_filtering"] == "0"
    assert str(plan(desired, kernel.observed()).switch[0]) == "ip link set dev br0 type bridge vlan_filtering 0"


def grown(**more: str) -> Observed:
    """A bridge that somebody else has made, with options that are not the kernel's."""
    kernel = Kernel(bare("eth0", "eth1"))
    kernel.links["br0"] = Link("br0", "bridge", "02:00:00:00:00:00", options={**BRIDGE_DEFAULTS, **more})
    kernel.links["eth0"] = replace(kernel.links["eth0"], master="br0", port_options={**PORT_DEFAULTS, "hairpin": "on"})
    kernel.addresses["br0"] = []
    kernel.vlans = {"br0": (Vlan(1, 1, True, True),), "eth0": (Vlan(1, 1, True, True),)}
    return kernel.observed()


def test_what_nobody_asks_for_stays_in_the_kernel_and_is_written_down() -> None:
    observed = grown(mcast_snooping="0", ageing_time="100", forward_delay="0", max_age="1000")
    desired, kernel = change(bridge({"port": [{"name": "eth0"}], "options": {"mac-ageing-time": 300}}), observed=observed)
    one = desired.interfaces[0]
    assert one.options == {"mcast_snooping": "0", "ageing_time": "30000"}  # without STP its times mean nothing
    assert one.port_options == {"eth0": {"hairpin": "on"}} and one.vlans == {}
    assert kernel.links["br0"].options == {**BRIDGE_DEFAULTS, "mcast_snooping": "0", "forward_delay": "0", "max_age": "1000"}
    files = Networkd().files(desired)
    assert "MulticastSnooping=no\n" in files["/etc/systemd/network/05-smallfleet-br0.netdev"]
    assert "\n[Bridge]\nHairPin=yes\n" in files["/etc/systemd/network/05-smallfleet-eth0.network"]


def test_vlans_by_which_a_bridge_filters_stay_with_their_ports() -> None:
    observed = grown(vlan_filtering="1")
    observed = replace(observed, vlans={**observed.vlans, "eth0": (Vlan(1, 1, False, True), Vlan(7, 7, True, True))})
    desired, _kernel = change(bridge({"port": [{"name": "eth0"}, {"name": "eth1", "vlan": {"mode": "access", "tag": 5}}]}), observed=observed)
    assert desired.interfaces[0].vlans == {
        "eth0": (Vlan(1, 1, False, True), Vlan(7, 7, True, True)),
        "eth1": (Vlan(1, 1, False, True), Vlan(5, 5, True, True)),  # the default VLAN of the bridge is still 1
    }
    assert desired.interfaces[0].options["vlan_default_pvid"] == "1"


@pytest.mark.parametrize(
    ("written", "observed", "text"),
    [
        (port({"mode": "access", "tag": 5}, **{"vlan-default-pvid": 9}), grown(vlan_filtering="1"), "has vlan-default-pvid 1, which a bridge"),
        ({**port({"mode": "access", "tag": 5}), "ipv4": static("192.0.2.11")}, HOST, "br0 has addresses, but is itself in no VLAN"),
        (
            port({"mode": "access", "tag": 5}),
            replace(grown(), links={**grown().links, "vnet0": Link("vnet0", "tun", master="br0")}),
            "vnet0, which is not in the inventory, would be in no VLAN",
        ),
    ],
)
def test_who_would_be_cut_off_by_the_vlans_is_named_before(written: Dict[str, Any], observed: Observed, text: str) -> None:
    said = obstacles(pinned(read(written), observed), observed)
    assert len(said) == 1 and said[0].startswith("interfaces.br0.bridge: ") and text in said[0]


def test_a_vlan_interface_on_a_bridge_needs_the_bridge_itself_in_that_vlan() -> None:
    on_top = {"name": "br0.5", "type": "vlan", "vlan": {"base-iface": "br0", "id": 5}}
    written = port({"mode": "trunk", "trunk-tags": [{"id": 5}]})
    desired = pinned(read(written, on_top), HOST)
    assert ["br0 itself is not in VLAN 5, which br0.5 is for" in line for line in obstacles(desired, HOST)] == [True]
    written["bridge"]["vlan"] = {"mode": "trunk", "trunk-tags": [{"id": 5}]}
    assert obstacles(pinned(read(written, on_top), HOST), HOST) == []


def test_a_port_that_comes_back_has_what_it_had_as_a_port() -> None:
    observed = grown(vlan_filtering="1")
    observed = replace(observed, vlans={**observed.vlans, "eth0": (Vlan(7, 9),)})
    desired = pinned(read(bridge({"port": [{"name": "eth1"}]}), {"name": "eth0"}), observed)
    steps = plan(desired, observed)
    kernel = Kernel(observed)
    kernel.run(steps.operations)
    assert "eth0" not in kernel.vlans and kernel.links["eth0"].port_options == {}
    kernel.force(rollback(steps))
    assert state(kernel.observed()) == state(observed)


def test_systemd_networkd_is_told_all_of_it() -> None:
    files = Networkd().files(pinned(read(WHOLE), HOST))
    netdev = files["/etc/systemd/network/05-smallfleet-br0.netdev"].split("[Bridge]\n")[1].splitlines()
    assert netdev == [
        "STP=yes", "AgeingTimeSec=60", "ForwardDelaySec=4", "GroupForwardMask=16392", "HelloTimeSec=1", "MaxAgeSec=6", "MulticastQuerier=yes",
        "MulticastSnooping=no", "Priority=4096", "DefaultPVID=none", "VLANFiltering=yes", "VLANProtocol=802.1ad",
    ]  # fmt: skip
    network = files["/etc/systemd/network/05-smallfleet-eth0.network"]
    assert "[Bridge]\nCost=7\nHairPin=yes\nPriority=3\n" in network
    assert "[BridgeVLAN]\nPVID=100\nVLAN=100\nEgressUntagged=100\n\n[BridgeVLAN]\nVLAN=101\n\n[BridgeVLAN]\nVLAN=500-599\n" in network
    assert "[BridgeVLAN]\nPVID=100\n" in files["/etc/systemd/network/05-smallfleet-br0.network"]
    assert Networkd().changes(pinned(read(WHOLE), HOST), {}).problems == ()


def test_networkmanager_is_told_all_of_it_and_times_of_stp_only_where_it_takes_them() -> None:
    files = NetworkManager().files(pinned(read(WHOLE), HOST))
    folder = "/etc/NetworkManager/system-connections/smallfleet-"
    lines = files[f"{folder}br0.nmconnection"].split("[bridge]\n")[1].split("\n\n")[0].splitlines()
    assert lines == [
        "stp=true", "ageing-time=60", "forward-delay=4", "group-forward-mask=16392", "hello-time=1", "max-age=6", "multicast-querier=true",
        "multicast-snooping=false", "priority=4096", "vlan-default-pvid=0", "vlan-filtering=true", "vlan-protocol=802.1ad",
        "vlans=100 pvid untagged",
    ]  # fmt: skip
    assert "[bridge-port]\npath-cost=7\nhairpin-mode=true\npriority=3\nvlans=100 pvid untagged, 101, 500-599\n" in files[f"{folder}eth0.nmconnection"]
    silent = pinned(read(bridge({"options": {"stp": {"enabled": False, "forward-delay": 5}}})), HOST)
    (said,) = NetworkManager().changes(silent, {}).problems
    assert "interfaces.br0.bridge.options.stp.forward-delay: NetworkManager without STP cannot say 5" in said


def test_ifupdown_gives_the_vlans_by_bridge_8_and_filters_then() -> None:
    text = Ifupdown().files(pinned(read(WHOLE), HOST))["/etc/network/interfaces.d/smallfleet-1-br0"]
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("pre-up ip link set dev eth0 type bridge_slave hairpin on") > lines.index("pre-up ip link set dev eth0 master br0")
    assert lines.index("pre-up bridge vlan add dev eth0 vid 500-599") > lines.index("pre-up ip link set dev eth1 master br0")
    assert lines.index("pre-up ip link set dev br0 type bridge vlan_filtering 1") > lines.index("pre-up bridge vlan add dev eth1 vid 10 pvid untagged")


def test_what_netplan_cannot_say_is_refused_each_by_its_key() -> None:
    problems = Netplan().changes(pinned(read(WHOLE), HOST), {}).problems
    assert [line.split(": ")[0] for line in problems] == [
        "interfaces.br0.bridge.port.vlan",
        "interfaces.br0.bridge.options.group-forward-mask",
        "interfaces.br0.bridge.options.multicast-querier",
        "interfaces.br0.bridge.options.multicast-snooping",
        "interfaces.br0.bridge.port eth0.stp-hairpin-mode",
    ]
    assert all("netplan cannot" in line and "Set network_backend to another program" in line for line in problems)
    kept = pinned(read(bridge({"port": [{"name": "eth0"}]})), grown(mcast_snooping="0"))
    assert "multicast-snooping: netplan cannot say false" in Netplan().changes(kept, {}).problems[0]
    timed = bridge({"port": [{"name": "eth0", "stp-path-cost": 7}], "options": {"mac-ageing-time": 60, "stp": {"enabled": False, "max-age": 10}}})
    desired = pinned(read(timed), HOST)
    assert Netplan().changes(desired, {}).problems == ()
    written = yaml.safe_load(Netplan().files(desired)["/etc/netplan/90-smallfleet-1-br0.yaml"])["network"]["bridges"]["br0"]
    assert written["parameters"] == {"stp": False, "ageing-time": 60, "max-age": 10, "path-cost": {"eth0": 7}}


def test_a_bridge_without_any_option_is_made_as_before() -> None:
    desired, _kernel = change(bridge({"port": [{"name": "eth0"}]}))
    assert str(plan(desired, HOST).operations[0]) == "ip link add name br0 address 02:00:00:00:00:00 type bridge stp_state 0"
    assert desired.interfaces[0] == Interface("br0", "bridge", mac="02:00:00:00:00:00", ports=("eth0",))
