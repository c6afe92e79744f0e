# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name of a time zone is looked at before anything is changed."""

from __future__ import annotations

from typing import Any, Collection, List
from zoneinfo import available_timezones

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._node import capability as resolve

FLEET = {"fleet_name": "demo", "fleet_domain": "demo.example.net", "fleet_networks": {"main": {"ipv4": "192.0.2.0/24"}}}
KNOWN = ("Europe/Berlin", "Europe/Vienna", "Europe/Kiev", "America/Argentina/Ushuaia", "Asia/Kolkata")


def problems(zone: Any, known: Collection[str] = KNOWN) -> List[str]:
    hosts = {"app1": {**FLEET, "fleet_host_number": 1, "node_timezone": zone}}
    plan = plan_fleet(hosts, {}, {"node": resolve.resolve}, known)
    assert plan.problems or plan.hosts["app1"]["node"]["timezone"] == zone
    assert all((problem.host, problem.variable) == ("app1", "node_timezone") for problem in plan.problems)
    return [f"{problem.message}. {problem.remedy}" for problem in plan.problems]


@pytest.mark.parametrize(
    "zone", ["Etc/UTC", "UTC", "Etc/GMT+5", "Europe/Vienna", "America/Argentina/Ushuaia", "GB-Eire", "GMT0", "US/Pacific", "posix/Europe/Berlin"]
)
def test_a_zone_of_the_database_is_accepted(zone: str) -> None:
    assert problems(zone) == problems(zone, ()) == []


def test_every_zone_that_this_machine_knows_is_accepted() -> None:
    zones = sorted(available_timezones() - {"localtime"})
    assert [zone for zone in zones if problems(zone, zones)] == []


@pytest.mark.parametrize(
    "zone", [1, True, ["Europe/Berlin"], "", "Europe", "Berlin", "Europe/", "/Berlin", "Europe/Ber lin", "../etc/passwd", "Europe/../x", "Europe/a/b/c/d"]
)
def test_what_is_no_zone_is_refused(zone: Any) -> None:
    (line,) = problems(zone)
    assert line == f"{zone!r} is not the name of a time zone. Write for example Europe/Vienna; timedatectl list-timezones shows all"


@pytest.mark.parametrize(("zone", "meant"), [("Eurpoe/Berlin", "Europe/Berlin"), ("america/Argentina/Ushuaia", "America/Argentina/Ushuaia"), ("UCTT", "UCT")])
def test_a_misspelt_area_is_named_with_the_one_that_was_meant(zone: str, meant: str) -> None:
    assert problems(zone, ()) == [f"{zone!r} is not the name of a time zone; did you mean {meant}. Write {meant}"]


@pytest.mark.parametrize(
    ("zone", "meant"), [("Europe/Berln", "Europe/Berlin"), ("Europe/Viena", "Europe/Vienna"), ("America/Argentina/Ushuia", "America/Argentina/Ushuaia")]
)
def test_a_misspelt_zone_is_named_with_the_one_that_the_controller_knows(zone: str, meant: str) -> None:
    assert problems(zone) == [f"is not a time zone that the controller knows; did you mean {meant}. Write {meant}"]
    assert problems(zone, ()) == []


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "Asia/Calcutta", "America/Coyhaique"])
def test_a_zone_that_only_the_hosts_may_know_is_left_to_them(zone: str) -> None:
    """Their database may be newer, or have the names of backward, which Debian has in a package of its own."""
    assert problems(zone) == []
