# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles decide is decided in Python; a role's own files only name it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping

import pytest

from ansible_collections.smallfleet.infra.plugins.filter.dns_key_former_homes import dns_key_former_homes
from ansible_collections.smallfleet.infra.plugins.filter.dns_key_homes import dns_key_homes
from ansible_collections.smallfleet.infra.plugins.filter.dns_key_kept import dns_key_kept
from ansible_collections.smallfleet.infra.plugins.filter.dns_key_secrets import dns_key_secrets
from ansible_collections.smallfleet.infra.plugins.filter.standby_fault import FilterModule as Fault
from ansible_collections.smallfleet.infra.plugins.filter.standby_side import FilterModule as Side
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.doctor import backends_of

ROLES = Path(__file__).resolve().parents[2] / "roles"
COMPUTES = re.compile(r"\bset_fact\b|\|\s*(selectattr|rejectattr|dict2items|items2dict|ternary|difference|combine|json_query)\b|\{%")

side = Side().filters()["standby_side"]
fault = Fault().filters()["standby_fault"]
SERVICE: Mapping[str, Any] = {
    "name": "web",
    "unit": "web.service",
    "active": "app1",
    "standby": "app2",
    "fqdn": "www.example.net",
    "hosts": {
        "app1": {"alias_of": "app1.example.net.", "health_url": "http://192.0.2.1:80/"},
        "app2": {"alias_of": "app2.example.net.", "health_url": "http://192.0.2.2:80/"},
    },
}


def names(target: str) -> Dict[str, Any]:
    return {"state": {"after": {"value": [target]}}}


def unit(running: str, armed: bool, health: str) -> Dict[str, Any]:
    return {"running": running, "armed": armed, "health": health}


def test_no_role_computes_in_jinja() -> None:
    sources = [path for path in sorted(ROLES.rglob("*")) if path.suffix in (".yml", ".j2")]
    assert ROLES / "standby" / "vars" / "main.yml" in sources
    found = [
        f"{path.relative_to(ROLES)}:{number}: {line.strip()}"
        for path in sources
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if COMPUTES.search(line)
    ]
    assert found == []


def test_the_host_that_dns_names_is_the_active_one_whatever_the_inventory_says() -> None:
    assert side(names("app2.example.net."), SERVICE, "app2") == {
        "dns_target": "app2.example.net.",
        "active": True,
        "peer": "app1",
        "health_url": "http://192.0.2.2:80/",
        "refusal": "",
    }
    other = side(names("app2.example.net."), SERVICE, "app1")
    assert (other["active"], other["peer"], other["health_url"]) == (False, "app2", "")


def test_without_an_answer_in_check_mode_the_first_host_would_be_the_active_one() -> None:
    answers: List[Dict[str, Any]] = [{"failed": True, "msg": "refused"}, {"failed": True, "state": {}}]
    for answer in answers:
        assert side(answer, SERVICE, "app1")["active"] is True
        assert side(answer, SERVICE, "app2")["active"] is False


def test_a_name_that_is_neither_host_is_refused_on_both() -> None:
    for host in SERVICE["hosts"]:
        decided = side(names("cdn.example.com."), SERVICE, host)
        assert not decided["active"]
        assert "alias of cdn.example.com., which is neither app1 nor app2" in decided["refusal"]
        assert "standby_services.web" in decided["refusal"]
        assert "cdn.example.com." in fault(unit("stopped", False, ""), SERVICE, host, decided)


@pytest.mark.parametrize(
    ("host", "observed", "said"),
    [
        ("app1", unit("running", True, "ok"), ""),
        ("app1", unit("running", False, "ok"), "on app1 web.service is running and does not start at boot. Its health: ok. Run site.yml"),
        ("app1", unit("running", True, "HTTP 500"), "Its health: HTTP 500."),
        ("app1", unit("running", True, ""), "is running and starts at boot. Run site.yml"),
        ("app1", unit("stopped", True, ""), "web.service is stopped"),
        ("app1", unit("unknown", True, ""), "web.service is unknown"),
        ("app2", unit("stopped", False, ""), ""),
        ("app2", unit("stopped", True, ""), "on app2 web.service is stopped and starts at boot"),
        ("app2", unit("running", False, ""), "web.service is running"),
        ("app2", unit("unknown", False, ""), "web.service is unknown"),
    ],
)
def test_only_the_active_host_runs_the_unit(host: str, observed: Dict[str, Any], said: str) -> None:
    message = fault(observed, SERVICE, host, side(names("app1.example.net."), SERVICE, host))
    assert said in message and bool(said) == bool(message)


@pytest.mark.parametrize(
    ("missing", "stores", "homes"),
    [
        ({}, {"ns1": {"a": "current=1", "z": "current=9"}, "ns2": {"b": "current=2"}}, []),
        ({}, {"ns1": {"a": "current=3"}, "ns2": {"b": "current=2"}}, ["ns1"]),
        ({}, {"ns1": {}, "ns2": {"b": "next=4 current=2"}}, ["ns1", "ns2"]),
        ({}, {"ns2": {"b": "current=2"}}, []),
        ({"ns1": ["a"]}, {"ns2": {"b": "current=2"}}, ["ns1"]),
        ({"ns1": ["a"]}, {}, ["ns1"]),
    ],
    ids=["all as at home", "another generation", "a home without it", "a home outside the run", "missing here", "no home in the run"],
)
def test_a_home_is_asked_for_what_differs_and_outside_the_run_only_for_what_is_missing(
    missing: Dict[str, List[str]], stores: Dict[str, Dict[str, str]], homes: List[str]
) -> None:
    state = {"held": {"ns1": {"a": "current=1"}, "ns2": {"b": "current=2"}}, "missing": missing}
    hostvars: Dict[str, Dict[str, Any]] = {"ns1": {}, "ns2": {}}
    for home, offers in stores.items():
        hostvars[home]["__here"] = {"state": {"offers": offers}}
    assert dns_key_homes(state, hostvars, "__here") == homes


def test_a_home_whose_store_failed_counts_as_outside_the_run() -> None:
    state = {"held": {"ns1": {"a": "current=1"}}, "missing": {}}
    assert dns_key_homes(state, {"ns1": {"__here": {"failed": True, "msg": "disk full"}}}, "__here") == []


def test_a_host_is_sent_only_the_secrets_of_its_own_keys() -> None:
    assert dns_key_secrets({"a": "1", "b": "2"}, ["b", "c"]) == {"b": "2"}
    assert dns_key_secrets({"a": "1"}, []) == {}


def test_the_backends_of_a_lab_are_named_once_and_hosts_outside_it_are_none() -> None:
    plan = {host: {"lab": {"node": {"backend": backend}}} for host, backend in (("a", "qemu"), ("b", "nspawn"), ("c", "qemu"))}
    assert backends_of({**plan, "d": {"capabilities": []}}) == ["nspawn", "qemu"]
    assert backends_of({}) == []


def left(host: str, generate: Any = (), remove: Any = (), **more: Any) -> Dict[str, Any]:
    """What the key store of a host has left for later."""
    return {"host": host, "deferred": {"generate": list(generate), "remove": dict.fromkeys(remove, "current=1")}, **more}


def run_of(*states: Dict[str, Any]) -> Dict[str, Any]:
    return {**{state["host"]: {"here": {"state": state}} for state in states}, "away": {}}


def test_a_key_whose_home_this_host_became_comes_from_the_former_home_before_any_other_holder() -> None:
    new, old = left("ns2", ["own", "fresh"]), left("ns1", [], ["own"])
    app = left("app1", held={"ns2": {"own": "current=1", "fresh": ""}})
    asked = {"host": "ns1", "keys": [{"name": "own", "home": "ns1"}], "adopt": {"own": "ns1"}}
    assert dns_key_former_homes(new, run_of(new, app, old), "here") == [asked]
    assert [one["host"] for one in dns_key_former_homes(new, run_of(new, app), "here")] == ["app1"]
    assert dns_key_former_homes(new, run_of(new), "here") == dns_key_former_homes(old, run_of(new, old), "here") == []


def test_a_key_is_removed_from_its_former_home_only_when_the_new_one_has_it() -> None:
    old, elsewhere = left("ns1", [], ["own", "gone"]), {"own": "ns2"}
    assert dns_key_kept(old, run_of(old, left("ns2", ["own"], offers={"own": ""})), "here", elsewhere) == ["own"]
    assert dns_key_kept(old, run_of(old), "here", elsewhere) == ["own"], "the new home is not in this run"
    assert dns_key_kept(old, run_of(old, left("ns2", offers={"own": "current=1"})), "here", elsewhere) == []
    assert dns_key_kept(left("app1", [], ["own"]), run_of(old), "here", {}) == [], "a host that is no server never was a home"
    new = left("ns2", ["own", "fresh"])
    assert dns_key_kept(new, run_of(new, old), "here", {}) == ["own"], "check mode takes nothing, and must not say that it generates"
