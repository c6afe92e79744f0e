# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from ipaddress import IPv4Interface
from typing import Any, Dict, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.capability import resolve_probe, resolve_standby
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host, Resolution

DOMAIN = "demo.example.net"
GOOD: Dict[str, Any] = {
    "dns_zones": {DOMAIN: {"primary": "ns1", "ttl": 300, "records": [{"record": "mail", "type": "A"}]}},
    "standby_services": {
        "web": {
            "active": "app1",
            "standby": "app2",
            "unit": "web.service",
            "exec_start": "/usr/bin/python3 -m http.server 8080",
            "exec_start_pre": "/bin/true",
            "record": "www",
            "ttl": 5,
            "check": {"port": 8080, "path": "/"},
        }
    },
    "probe_targets": {"web": {"from": "watch1", "url": "http://www.demo.example.net:8080/"}},
}


def fleet(variables: Dict[str, Any]) -> Fleet:
    hosts = {}
    for number, name in enumerate(("ns1", "app1", "app2", "watch1"), start=11):
        place = Attachment("main", "eth0", IPv4Interface(f"198.18.0.{number}/24"), None, 1500)
        hosts[name] = Host(name, f"{name}.{DOMAIN}", (), (place,), {"management": "main", "public": "main"})
    return Fleet("demo", DOMAIN, {}, hosts, {}, variables)


def changed(path: str, value: Any) -> Dict[str, Any]:
    """The good variables with one value set, or removed when it is ``...``."""
    variables = copy.deepcopy(GOOD)
    at: Any = variables
    *folders, last = path.split("/")
    for folder in folders:
        at = at[folder]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return variables


def resolve_both(variables: Dict[str, Any]) -> Tuple[Resolution, Resolution]:
    return resolve_standby(fleet(variables)), resolve_probe(fleet(variables))


def test_both_hosts_of_a_service_get_the_same_host_plan_and_nobody_else_gets_one() -> None:
    found = resolve_standby(fleet(GOOD))
    assert found.problems == ()
    assert sorted(found.host_plans) == ["app1", "app2"]
    assert found.host_plans["app1"] == found.host_plans["app2"]
    assert found.host_plans["app1"]["services"] == [
        {
            "name": "web",
            "unit": "web.service",
            "exec_start": "/usr/bin/python3 -m http.server 8080",
            "exec_start_pre": ["/bin/true"],
            "active": "app1",
            "standby": "app2",
            "hosts": {
                "app1": {
                    "fqdn": "app1.demo.example.net",
                    "address": "198.18.0.12",
                    "alias_of": "app1.demo.example.net.",
                    "health_url": "http://198.18.0.12:8080/",
                },
                "app2": {
                    "fqdn": "app2.demo.example.net",
                    "address": "198.18.0.13",
                    "alias_of": "app2.demo.example.net.",
                    "health_url": "http://198.18.0.13:8080/",
                },
            },
            "zone": DOMAIN,
            "record": "www",
            "fqdn": "www.demo.example.net",
            "ttl": 5,
            "check": {"port": 8080, "path": "/"},
            "dns": {
                "host": "ns1",
                "server": "198.18.0.11",
                "port": 53,
                "key_file": "/etc/smallfleet/dns/demo-update.key",
                "key_name": "demo-update",
                "key_algorithm": "hmac-sha256",
            },
        }
    ]


def test_a_probe_asks_the_fleets_own_servers_for_the_fleets_own_zones() -> None:
    found = resolve_probe(fleet(GOOD))
    assert found.problems == ()
    assert found.host_plans == {
        "watch1": {
            "resolver": {"forward_zones": [{"name": DOMAIN, "addresses": ["198.18.0.11"]}]},
            "targets": [
                {
                    "name": "web",
                    "url": "http://www.demo.example.net:8080/",
                    "interval": 0.05,
                    "timeout": 1.0,
                    "duration": 600,
                }
            ],
        }
    }


def test_a_probe_asks_secondaries_too_and_may_be_one_of_them() -> None:
    zones = {DOMAIN: {"primary": "ns1", "secondaries": ["app2", 5, "nobody"]}}
    found = resolve_probe(fleet({**GOOD, "dns_zones": zones}))
    assert len(found.host_plans["watch1"]["resolver"]["forward_zones"][0]["addresses"]) == 2
    zones[DOMAIN]["secondaries"] = ["watch1"]
    found = resolve_probe(fleet({**GOOD, "dns_zones": zones}))
    assert not found.problems and [target["name"] for target in found.host_plans["watch1"]["targets"]] == ["web"]


def test_a_fleet_without_services_and_probes_costs_nothing() -> None:
    for variables in ({}, {"standby_services": {}, "probe_targets": {}}):
        assert resolve_both(variables) == (Resolution(), Resolution())


def test_a_record_may_be_given_as_a_full_name_in_its_zone() -> None:
    for record in ("WWW", "www.demo.example.net", "www.demo.example.net."):
        found = resolve_standby(fleet(changed("standby_services/web/record", record)))
        assert [service["record"] for service in found.host_plans["app1"]["services"]] == ["www"]


WRONG = [
    ("standby_services", None, "standby_services", "has no value"),
    ("probe_targets", None, "probe_targets", "has no value"),
    ("standby_services", "web", "standby_services", "expected a dictionary"),
    ("standby_services", ["web"], "standby_services", "expected a dictionary"),
    ("standby_services/web", "web.service", "standby_services.web", "expected a dictionary"),
    ("standby_services/Web", {}, "standby_services.Web", "name"),
    ("standby_services/web/active", "app9", "standby_services.web.active", "'app9' is not a host of the fleet"),
    ("standby_services/web/active", ["app1"], "standby_services.web.active", "is not a host of the fleet"),
    ("standby_services/web/active", ..., "standby_services.web.active", "missing"),
    ("standby_services/web/standby", "app1", "standby_services.web.standby", "cannot stand by for itself"),
    ("standby_services/web/standby", None, "standby_services.web.standby", "has no value"),
    ("standby_services/web/unit", ..., "standby_services.web.unit", "missing"),
    ("standby_services/web/unit", "web", "standby_services.web.unit", "is not the name of a service unit"),
    ("standby_services/web/unit", "web@.service", "standby_services.web.unit", "is not the name of a service unit"),
    ("standby_services/web/unit", "../web.service", "standby_services.web.unit", "is not the name of a service unit"),
    ("standby_services/web/unit", 7, "standby_services.web.unit", "is not the name of a service unit"),
    ("standby_services/web/exec_start", "a\nb", "standby_services.web.exec_start", "cannot be used here"),
    ("standby_services/web/exec_start", ["/a", "/b"], "standby_services.web.exec_start", "one main command"),
    ("standby_services/web/exec_start", ..., "standby_services.web.exec_start_pre", "exec_start is missing"),
    ("standby_services/web/exec_start_pre", [1], "standby_services.web.exec_start_pre[0]", "1 cannot be used here"),
    ("standby_services/web/zone", "example.org", "standby_services.web.zone", "not such a zone"),
    ("standby_services/web/zone", 5, "standby_services.web.zone", "not such a zone"),
    ("dns_zones", ..., "standby_services.web.zone", "not such a zone"),
    ("standby_services/web/record", ..., "standby_services.web.record", "missing"),
    ("standby_services/web/record", "www.example.org.", "standby_services.web.record", "not a name in the zone"),
    ("standby_services/web/record", "@", "standby_services.web.record", "own name"),
    ("standby_services/web/record", DOMAIN, "standby_services.web.record", "own name"),
    ("standby_services/web/record", "w w", "standby_services.web.record", "not a name in the zone"),
    ("standby_services/web/record", "app1", "standby_services.web.record", "already has records from host app1"),
    ("standby_services/web/record", "mail", "standby_services.web.record", "already has records from dns_zones"),
    ("standby_services/web/ttl", 0, "standby_services.web.ttl", "whole number"),
    ("standby_services/web/ttl", "5s", "standby_services.web.ttl", "whole number"),
    ("standby_services/web/ttl", True, "standby_services.web.ttl", "whole number"),
    ("standby_services/web/ttl", ..., "standby_services.web.ttl", "missing"),
    ("standby_services/web/check", ..., "standby_services.web.check", "missing"),
    ("standby_services/web/check", 8080, "standby_services.web.check", "expected a dictionary, got a number"),
    ("standby_services/web/check/port", 70000, "standby_services.web.check.port", "is not a port"),
    ("standby_services/web/check/port", "http", "standby_services.web.check.port", "is not a port"),
    ("standby_services/web/check/path", "health", "standby_services.web.check.path", "cannot be used"),
    ("standby_services/web/check/path", "/a b", "standby_services.web.check.path", "cannot be used"),
    ("standby_services/web/check/prot", 80, "standby_services.web.check.prot", "did you mean port"),
    ("standby_services/web/activ", "app1", "standby_services.web.activ", "did you mean active"),
    ("probe_targets", 5, "probe_targets", "expected a dictionary"),
    ("probe_targets/web", None, "probe_targets.web", "has no value"),
    ("probe_targets/web/from", "watch9", "probe_targets.web.from", "'watch9' is not a host of the fleet"),
    ("probe_targets/web/from", ..., "probe_targets.web.from", "missing"),
    ("probe_targets/web/url", "www.demo.example.net", "probe_targets.web.url", "plain HTTP only"),
    ("probe_targets/web/url", "https://www.example.net/", "probe_targets.web.url", "plain HTTP only"),
    ("probe_targets/web/url", "http://[::1/", "probe_targets.web.url", "Invalid IPv6 URL"),
    ("probe_targets/web/url", "http:///x", "probe_targets.web.url", "names no host"),
    ("probe_targets/web/url", "http://www.example.net:99999/", "probe_targets.web.url", "ort"),
    ("probe_targets/web/url", 5, "probe_targets.web.url", "cannot be used"),
    ("probe_targets/web/interval", 0, "probe_targets.web.interval", "expected a number of seconds"),
    ("probe_targets/web/interval", float("nan"), "probe_targets.web.interval", "expected a number of seconds"),
    ("probe_targets/web/timeout", "1s", "probe_targets.web.timeout", "expected a number of seconds"),
    ("probe_targets/web/duration", 10**400, "probe_targets.web.duration", "expected a number of seconds"),
    ("probe_targets/web/durations", 5, "probe_targets.web.durations", "did you mean duration"),
]


@pytest.mark.parametrize(("path", "value", "variable", "message"), WRONG)
def test_bad_input_is_refused_with_its_place_and_a_remedy(path: str, value: Any, variable: str, message: str) -> None:
    standby, probe = resolve_both(changed(path, value))
    problems = [problem for problem in standby.problems + probe.problems if problem.variable == variable]
    assert problems, standby.problems + probe.problems
    assert message in problems[0].message
    assert all(problem.remedy for problem in problems)


def test_a_service_with_a_problem_reaches_no_host() -> None:
    assert resolve_standby(fleet(changed("standby_services/web/ttl", "5s"))).host_plans == {}


def test_two_services_cannot_share_a_record() -> None:
    variables = changed("standby_services/api", {**GOOD["standby_services"]["web"], "unit": "api.service"})
    found = resolve_standby(fleet(variables))
    assert [problem.variable for problem in found.problems] == ["standby_services.api.record"]


def test_two_services_cannot_share_a_unit_on_one_host() -> None:
    api = {**GOOD["standby_services"]["web"], "record": "api", "active": "app2", "standby": "watch1"}
    found = resolve_standby(fleet(changed("standby_services/api", api)))
    assert [problem.variable for problem in found.problems] == ["standby_services.api.unit"]


def test_all_problems_are_found_at_once() -> None:
    broken = {"active": "x", "standby": "y", "unit": "web", "record": "@", "ttl": -1, "check": {"port": 0}}
    found = resolve_standby(fleet(changed("standby_services/web", broken)))
    assert {problem.variable.rsplit(".", 1)[-1] for problem in found.problems} == {*("active", "standby", "unit", "record", "ttl", "port")}


words = st.text(max_size=12) | st.sampled_from([DOMAIN, "app1"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
garbage = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=6,
)
PLACES = (
    "dns_zones",
    f"dns_zones/{DOMAIN}",
    f"dns_zones/{DOMAIN}/primary",
    f"dns_zones/{DOMAIN}/records",
    "dns_update_key",
    "standby_services",
    "standby_services/web",
    *(f"standby_services/web/{key}" for key in GOOD["standby_services"]["web"]),
    "standby_services/web/zone",
    "standby_services/web/check/port",
    "standby_services/web/check/path",
    "probe_targets",
    "probe_targets/web",
    *(f"probe_targets/web/{key}" for key in ("from", "url", "interval", "timeout", "duration")),
)


@given(st.sampled_from(PLACES), garbage)
def test_no_value_of_any_type_raises_and_every_host_plan_is_plain_data(path: str, value: Any) -> None:
    for found in resolve_both(changed(path, value)):
        assert all(problem.message and problem.remedy for problem in found.problems)
        json.dumps(found.host_plans, allow_nan=False)


@given(garbage, garbage, garbage)
def test_garbage_everywhere_is_refused_and_not_a_traceback(zones: Any, services: Any, targets: Any) -> None:
    variables = {"dns_zones": zones, "standby_services": services, "probe_targets": targets}
    for found, given_value in zip(resolve_both(variables), (services, targets)):
        assert found.host_plans == {}
        if given_value not in (None, {}):
            assert found.problems
