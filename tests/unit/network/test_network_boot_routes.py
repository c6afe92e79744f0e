# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes of the old boot configuration are told apart by table and metric, and what they have besides is named when it is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.routes import Written, compare
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Route

from .booting import DESIRED, ON_CARD, said

Fields = Dict[str, str]
HOME4, ROUTER, TO = "192.0.2.10", "192.0.2.1", "198.51.100.0/24"
PLAIN = Route(TO, "eth0", ROUTER)
KEYS = {
    "netplan": {"gateway": "via", "source": "from", "initcwnd": "congestion-window", "onlink": "on-link"},
    "networkmanager": {"source": "src"},
    "networkd": {
        "gateway": "Gateway", "metric": "Metric", "table": "Table", "source": "PreferredSource", "mtu": "MTUBytes", "type": "Type",
        "initcwnd": "InitialCongestionWindow", "onlink": "GatewayOnLink", "scope": "Scope",
    },
    "ifupdown": {"gateway": "via", "source": "src"},
}  # fmt: skip


def file_of(backend: str, routes: Sequence[Fields]) -> Dict[str, str]:
    """A file of others that has the default route, and these."""
    keys = KEYS[backend]
    if backend == "netplan":
        lines = [f"{{to: {TO}, {', '.join(f'{keys.get(key, key)}: {value}' for key, value in one.items())}}}" for one in routes]
        every = "".join(f"        - {line}\n" for line in [f"{{to: default, via: {ROUTER}}}", *lines])
        return {"/etc/netplan/50-a.yaml": f"network:\n  ethernets:\n    eth0:\n      addresses: [{HOME4}/24]\n      routes:\n{every}"}
    if backend == "networkmanager":
        text = f"[connection]\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=manual\naddress1={HOME4}/24,{ROUTER}\n"
        for index, one in enumerate(routes, 1):
            ends = [TO, one["gateway"], *([one["metric"]] if "metric" in one else [])]
            options = ",".join(f"{keys.get(key, key)}={value}" for key, value in one.items() if key not in ("gateway", "metric"))
            text += f"route{index}={','.join(ends)}\n" + (f"route{index}_options={options}\n" if options else "")
        return {"/etc/NetworkManager/system-connections/a.nmconnection": text}
    if backend == "networkd":
        text = f"[Match]\nName=eth0\n[Network]\nAddress={HOME4}/24\nGateway={ROUTER}\n"
        text += "".join(f"[Route]\nDestination={TO}\n" + "".join(f"{keys[key]}={value}\n" for key, value in one.items()) for one in routes)
        return {"/etc/systemd/network/10-a.network": text}
    text = f"auto eth0\niface eth0 inet static\n    address {HOME4}/24\n    gateway {ROUTER}\n"
    text += "".join(f"    up ip route add {TO} " + " ".join(f"{keys.get(key, key)} {value}" for key, value in one.items()) + "\n" for one in routes)
    return {"/etc/network/interfaces": text}


def named(backend: str, routes: Sequence[Fields], *wanted: Route) -> str:
    desired = replace(ON_CARD, routes=(*ON_CARD.routes, *wanted))
    found, _files, _after = said(backend, file_of(backend, routes), desired)
    assert found.problems == []
    return "; ".join(found.warnings)


@pytest.mark.parametrize("backend", sorted(KEYS))
@pytest.mark.parametrize(
    ("there", "wanted", "lost"),
    [
        ({"mtu": "1400"}, PLAIN, "1400"),
        ({"source": HOME4}, PLAIN, HOME4),
        ({"initcwnd": "20"}, replace(PLAIN, attributes=(("mtu", 1400),)), "20"),
        ({"metric": "50"}, PLAIN, "50"),
        ({"metric": "50"}, replace(PLAIN, metric=60), "50"),
        ({"table": "77"}, PLAIN, "77"),
    ],
)
def test_what_a_route_has_besides_its_destination_is_named_when_it_is_lost(backend: str, there: Fields, wanted: Route, lost: str) -> None:
    text = named(backend, [{"gateway": ROUTER, **there}], wanted)
    assert lost in text.partition(": the new boot")[2], text


@pytest.mark.parametrize("backend", sorted(KEYS))
@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({}, PLAIN),
        ({}, replace(PLAIN, metric=50)),
        ({"mtu": "1400", "source": HOME4}, replace(PLAIN, source=HOME4, attributes=(("mtu", 1400),))),
        ({"metric": "50", "table": "77"}, replace(PLAIN, metric=50, table=77)),
        ({"table": "254"}, PLAIN),
    ],
)
def test_a_route_that_the_inventory_has_too_gives_no_word(backend: str, there: Fields, wanted: Route) -> None:
    assert named(backend, [{"gateway": ROUTER, **there}], wanted) == ""


@pytest.mark.parametrize("backend", sorted(KEYS))
def test_two_routes_to_one_destination_are_kept_apart(backend: str) -> None:
    routes = [{"gateway": "192.0.2.1", "metric": "50"}, {"gateway": "192.0.2.2", "metric": "60"}, {"gateway": "192.0.2.3", "table": "77"}]
    every = (replace(PLAIN, metric=50), replace(PLAIN, gateway="192.0.2.2", metric=60), replace(PLAIN, gateway="192.0.2.3", table=77))
    assert named(backend, routes, *every) == ""
    for index, value in enumerate(("50", "60", "77")):
        text = named(backend, routes, *(one for one in every if one is not every[index]))
        assert value in text.partition(": the new boot")[2], text


@pytest.mark.parametrize("backend", ["netplan", "networkmanager", "networkd"])
def test_a_program_without_a_metric_of_its_own_is_not_taken_for_another_route_twice(backend: str) -> None:
    routes = [{"gateway": "192.0.2.1"}, {"gateway": "192.0.2.2", "metric": "60"}]
    assert "192.0.2.1" in named(backend, routes, replace(PLAIN, gateway="192.0.2.2", metric=60))


def test_a_default_route_is_that_of_the_family_of_its_gateway() -> None:
    four, six = Route("0.0.0.0/0", "eth0", ROUTER), Route("::/0", "eth0", "fe80::1", 1024)
    written = [Written("default", {"gateway": "fe80::1"}), Written("", {"gateway": ROUTER})]
    assert compare(written, [four, six]) == [[], []]
    assert compare(written, [four]) == [None, []]


FIELDS = st.fixed_dictionaries(
    {}, optional={"metric": st.sampled_from(["0", "50", "1024", "x"]), "table": st.sampled_from(["main", "77"]), "mtu": st.just("1400")}
)


@given(st.lists(FIELDS, max_size=4), st.lists(st.tuples(st.sampled_from([0, 50]), st.sampled_from([254, 77])), max_size=4, unique=True))
def test_each_route_of_the_inventory_stands_for_one_of_the_file(fields: List[Fields], keys: List[Tuple[int, int]]) -> None:
    routes = [replace(PLAIN, metric=metric, table=table) for metric, table in keys]
    found = compare([Written(TO, one) for one in fields], routes)
    assert len(found) == len(fields) and len([one for one in found if one is not None]) <= len(routes)
    again = compare([Written(TO, {"metric": str(one.metric), "table": str(one.table)}) for one in routes], routes)
    assert again == [[] for _route in routes]


def test_the_bridge_of_the_inventory_keeps_the_route_of_its_port() -> None:
    found, _files, _after = said("netplan", file_of("netplan", []), DESIRED)
    assert (found.problems, found.warnings) == ([], [])
