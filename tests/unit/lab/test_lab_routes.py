# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller's kernel does with a lab's addresses. It is asked by ``ip route get``; no packet is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional, Sequence, Set

import pytest
from network.namespace import Namespace

from ansible_collections.smallfleet.infra.plugins.module_utils._lab import routes_host as routes
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.routes import METRIC, RANGES, blocked, request
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.routes_host import LabRoutes
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult

ADDRESSES = {4: ("198.18.0.11", "198.19.255.254"), 6: ("2001:db8::11", "2001:db8:ffff::1")}
ELSEWHERE = {4: "203.0.112.77", 6: "fd00::77"}


class Controller:
    """A machine whose default routes go out by eth0, with the labs that are up, in a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        return CommandResult(tuple(argv), 0, self.namespace.run(*argv, text=stdin or "", check=check), "")

    def way(self, address: str) -> str:
        """The interface by which a packet would leave, or ``unreachable``."""
        said = self.namespace.run("sh", "-c", f"ip route get {address} 2>&1 || true")
        if "unreachable" in said.lower() or "No route to host" in said:
            return "unreachable"
        return said.split(" dev ")[1].split()[0]

    def ways(self) -> Set[str]:
        return {self.way(address) for addresses in ADDRESSES.values() for address in addresses}


@pytest.fixture(scope="module", name="namespace")
def fixture_namespace() -> Iterator[Namespace]:
    found = Namespace()
    if found.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    yield found
    found.close()


@pytest.fixture(name="controller")
def fixture_controller(namespace: Namespace) -> Controller:
    namespace.clear(False)
    for family in RANGES:
        namespace.run("ip", f"-{family}", "route", "flush", "table", "main", "type", "unreachable", check=False)
    lines = [
        "address add 192.0.2.2/24 dev eth0", "route add default via 192.0.2.1", "-6 address add fd00::2/64 dev eth0 nodad",
        "-6 route add default via fd00::1 dev eth0",
    ]  # fmt: skip
    for line in lines:
        namespace.run("ip", *line.split())
    return Controller(namespace)


@pytest.fixture(name="up")
def fixture_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Set[str]:
    """The namespaces that are mounted."""
    found: Set[str] = set()
    (tmp_path / "if_inet6").write_text("lo\n", encoding="utf-8")
    monkeypatch.setattr(routes, "IPV6_INTERFACES", str(tmp_path / "if_inet6"))
    monkeypatch.setattr(routes.os.path, "ismount", lambda path: path.rpartition("/")[2] in found)
    monkeypatch.setattr(routes.os, "listdir", lambda path: [*found, "smallfleet-left-by-a-crash"])
    return found


@pytest.fixture(name="of_labs")
def fixture_of_labs(controller: Controller, up: Set[str], tmp_path: Path) -> LabRoutes:
    return LabRoutes(controller, str(tmp_path), str(tmp_path / "lock"))


def test_nothing_for_a_lab_leaves_the_controller_while_a_lab_is_up(controller: Controller, of_labs: LabRoutes) -> None:
    assert controller.ways() == {"eth0"}
    of_labs.block()
    assert of_labs.blocked() == of_labs.needed() == frozenset(RANGES.values())
    assert controller.ways() == {"unreachable"}
    assert {controller.way(address) for address in ELSEWHERE.values()} == {"eth0"}
    of_labs.block()
    of_labs.unblock()
    assert of_labs.blocked() == frozenset()
    assert controller.ways() == {"eth0"}


def test_the_last_lab_that_goes_takes_the_routes_along(controller: Controller, of_labs: LabRoutes, up: Set[str]) -> None:
    up |= {"smallfleet-one", "smallfleet-two", "another"}
    of_labs.block()
    up.remove("smallfleet-one")
    of_labs.unblock()
    assert controller.ways() == {"unreachable"}
    up.remove("smallfleet-two")
    of_labs.unblock()
    assert controller.ways() == {"eth0"}


@pytest.mark.parametrize("family", RANGES)
def test_what_a_run_that_was_killed_left_is_completed_and_removed(controller: Controller, of_labs: LabRoutes, family: int) -> None:
    controller.run(request(family, "add"))
    of_labs.block()
    assert controller.ways() == {"unreachable"}
    controller.run(request(family, "delete"))
    of_labs.unblock()
    assert of_labs.blocked() == frozenset()


def test_routes_of_others_stay_and_are_used(controller: Controller, of_labs: LabRoutes) -> None:
    theirs = ["198.18.7.0/24 dev eth1", "198.18.0.0/15 via 203.0.113.9 dev eth9", "2001:db8:7::/48 dev eth1"]
    for route in theirs:
        controller.namespace.run("ip", "route", "add", *route.split())
    controller.namespace.run("ip", "-6", "route", "add", "unreachable", "2001:db8::/32", "metric", "5")
    of_labs.block()
    assert controller.way("198.18.7.1") == controller.way("2001:db8:7::1") == "eth1"
    assert controller.way("198.18.8.1") == "eth9"
    of_labs.unblock()
    assert controller.way("198.18.7.1") == "eth1"
    assert controller.way("198.18.8.1") == "eth9"
    assert controller.way("2001:db8::1") == "unreachable"


def test_a_machine_without_ipv6_needs_no_route_for_it(of_labs: LabRoutes, tmp_path: Path) -> None:
    (tmp_path / "if_inet6").write_text("", encoding="utf-8")
    assert of_labs.needed() == {RANGES[4]}


def test_only_unreachable_routes_to_the_ranges_count() -> None:
    listed = [{"type": "unreachable", "dst": RANGES[4]}, {"dst": RANGES[6]}, {"type": "unreachable", "dst": "198.51.100.0/24"}]
    assert blocked(listed) == {RANGES[4]}
    assert int(METRIC) < 2**32
