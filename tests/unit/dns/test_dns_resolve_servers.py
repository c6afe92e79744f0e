# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory asks of several servers: secondaries, hidden primaries, catalogs, and keys with few rights."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import OTHER, OWN, ZONE, as_configured, fleet, held, host, host_plans, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve, resolve_keys
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import Problem


def test_a_secondary_knows_its_primary_and_the_primary_its_secondaries() -> None:
    found = host_plans(dns_zones=zone(secondaries=["ns2", "ns3"], external_secondaries=["198.51.100.53"]))
    primary = found["ns1"]["zones"][0]
    assert primary["role"] == "primary"
    assert primary["transfer"]["key"] == "demo-transfer-ns1"
    assert [peer["host"] for peer in primary["transfer"]["peers"]] == ["ns2", "ns3"]
    stranger = {"notify": ["198.51.100.53"], "port": 53, "transfer": ["198.51.100.53"], "key": ""}
    assert primary["transfer"]["external"] == [stranger]
    secondary = found["ns2"]["zones"][0]
    assert (secondary["name"], secondary["role"]) == (ZONE, "secondary")
    assert secondary["transfer"]["peers"] == [{"host": "ns1", "addresses": ["192.0.2.2", "2001:db8::2"]}]
    assert secondary["transfer"]["key"] == "demo-transfer-ns1"
    assert (found["ns2"]["provider"], found["ns3"]["provider"]) == ("bind", "knot")
    assert found["ns2"]["updates"] == [] and found["ns2"]["answers"][0]["zone_name"] == ZONE
    for part in found.values():
        as_configured(part)


def test_a_secondary_never_has_the_key_that_may_change_everything() -> None:
    found = host_plans(dns_zones=zone(secondaries=["ns2"]))
    assert [key["name"] for key in found["ns1"]["keys"]] == ["demo-transfer-ns1", "demo-update"]
    assert [key["name"] for key in found["ns2"]["keys"]] == ["demo-transfer-ns1"]
    assert "update_key" not in found["ns2"]
    assert held(dns_zones=zone(secondaries=["ns2"])) == {
        "ns1": {"demo-update": "ns1", "demo-transfer-ns1": "ns1"},
        "ns2": {"demo-transfer-ns1": "ns1"},
        **{name: {} for name in ("ns3", "app1", "bare")},
    }


def test_what_a_key_may_change_is_published_once_and_then_left_to_its_holder() -> None:
    grants = [
        {"zone": ZONE, "name": "app1", "types": ["A", "SSHFP"]},
        {"zone": ZONE, "name": "dyn", "match": "subdomain", "types": ["ANY"]},
    ]
    records = [{"record": "x.dyn", "type": "A", "value": ["192.0.2.9"]}, {"record": "xdyn", "type": "A", "value": ["192.0.2.9"]}]
    found = host_plans(dns_zones=zone(records=records), dns_keys={"own": {"hosts": ["app1"], "grants": grants}})
    (update,) = found["ns1"]["updates"]
    kept = {(one["record"], one["type"]) for one in update["record_sets"] if one.get("on_existing") == "keep"}
    assert kept == {("app1", "A"), ("x.dyn", "A")}
    assert ("app1", "AAAA") in {(one["record"], one["type"]) for one in update["record_sets"]}


def test_every_server_that_the_world_may_ask_is_a_nameserver_with_an_address() -> None:
    served = host_plans(dns_zones=zone(secondaries=["ns2"], hosts=False))["ns1"]["zones"][0]
    assert served["nameservers"] == [f"ns1.{ZONE}.", f"ns2.{ZONE}."]
    assert {one["record"] for one in served["record_sets"]} == {"ns1", "ns2"}


@pytest.mark.parametrize("hosts", [True, False])
def test_a_hidden_primary_is_in_no_answer(hosts: bool) -> None:
    found = host_plans(dns_zones=zone(hidden_primary=True, secondaries=["ns2"], hosts=hosts))
    served = found["ns1"]["zones"][0]
    assert served["nameservers"] == [f"ns2.{ZONE}."]
    assert served["soa"]["mname"] == f"ns2.{ZONE}."
    assert "ns1" not in str((served["record_sets"], found["ns1"]["updates"]))


def test_pruning_leaves_alone_what_others_may_change() -> None:
    services = {"web": {"active": "app1", "standby": "ns3", "record": "www"}}
    keys = {
        "dyn": {"grants": [{"zone": ZONE, "name": "dyn", "match": "subdomain", "types": ["ANY"]}]},
        **OWN,
    }
    ignore = [
        {"record": "keep", "type": "TXT"},
        {"record": "old", "match": "subdomain"},
        {"record": "x*", "match": "pattern"},
    ]
    asked = zone(prune=True, ignore=ignore)
    update = host_plans(dns_zones=asked, standby_services=services, dns_keys=keys)["ns1"]["updates"][0]
    assert update["prune"] is True
    assert update["ignore"] == [
        {"record": "app1", "type": "SSHFP", "match": "name"},
        {"record": "dyn", "type": "ANY", "match": "subdomain"},
        {"record": "keep", "type": "TXT", "match": "name"},
        {"record": "old", "type": "ANY", "match": "subdomain"},
        {"record": "www", "type": "ANY", "match": "name"},
        {"record": "x*", "type": "ANY", "match": "pattern"},
    ]
    plain = host_plans(dns_zones=zone(), standby_services=services, dns_keys=keys)["ns1"]["updates"][0]
    assert (plain["prune"], plain["ignore"]) == (False, [])


def test_a_catalog_lists_exactly_the_zones_that_have_secondaries() -> None:
    both = {"primary": "ns1", "secondaries": ["ns2"]}
    zones = {ZONE: both, OTHER: both, "alone.example.org": {"primary": "ns1"}}
    found = host_plans(dns_zones=zones, dns_catalog=True)
    name = "ns1.catalog.demo.invalid"
    catalog = next(one for one in found["ns1"]["zones"] if one["name"] == name)
    assert sorted(one["value"][0] for one in catalog["record_sets"]) == ["2", "demo.example.net.", "example.com."]
    assert [one["name"] for one in found["ns2"]["zones"]] == [name]
    assert found["ns2"]["catalogs"][0]["members"] == [ZONE, OTHER]
    assert found["ns2"]["catalogs"][0]["role"] == "consume"
    assert [one["zone_name"] for one in found["ns2"]["answers"]] == [ZONE, OTHER]
    assert [one["zone_name"] for one in found["ns1"]["awaited"]] == [ZONE, OTHER]  # Knot answers nobody for a catalog
    assert found["ns1"]["awaited"][0]["servers"] == found["ns1"]["listen"] + found["ns2"]["listen"] and found["ns2"]["awaited"] == []
    update = next(one for one in found["ns1"]["updates"] if one["zone_name"] == name)
    assert update["prune"] is True
    for part in found.values():
        as_configured(part)


def test_a_member_of_a_catalog_keeps_its_label_whatever_else_changes() -> None:
    few = host_plans(dns_zones=zone(secondaries=["ns2"]), dns_catalog=True)
    more = {"aaa.example.org": {"primary": "ns1", "secondaries": ["ns2"]}, **zone(secondaries=["ns2"])}
    many = host_plans(dns_zones=more, dns_catalog="yes")
    sets = [[str(one) for one in found["ns1"]["zones"][-1]["record_sets"]] for found in (few, many)]
    assert set(sets[0]) < set(sets[1])


def key(**more: Any) -> Dict[str, Any]:
    return {"dns_keys": {"k": {"grants": [{"zone": ZONE, "name": "a", "types": ["A"], **more}]}}}


BROKEN: Dict[str, Tuple[Dict[str, Any], str]] = {
    "secondaries a text": ({"dns_zones": zone(secondaries="ns2")}, ".secondaries"),
    "secondary unknown": ({"dns_zones": zone(secondaries=["ns9"])}, ".secondaries[0]"),
    "secondary a number": ({"dns_zones": zone(secondaries=[2])}, ".secondaries[0]"),
    "secondary without address": ({"dns_zones": zone(secondaries=["bare"])}, ".secondaries[0]"),
    "secondary is the primary": ({"dns_zones": zone(secondaries=["ns2", "ns1"])}, ".secondaries[1]"),
    "secondary twice": ({"dns_zones": zone(secondaries=["ns2", "ns2"])}, ".secondaries[1]"),
    "external secondary a name": ({"dns_zones": zone(external_secondaries=["ns.example.com"])}, "_secondaries[0]"),
    "external secondary a number": ({"dns_zones": zone(external_secondaries=[1])}, "_secondaries[0]"),
    "external secondary with interface": ({"dns_zones": zone(external_secondaries=["fe80::1%eth0"])}, "_secondaries[0]"),
    "external secondary of the fleet": ({"dns_zones": zone(external_secondaries=["2001:DB8::3"])}, "_secondaries[0]"),
    "external secondary twice": (
        {"dns_zones": zone(external_secondaries=["2001:db8:1::3", "2001:DB8:1:0::3"])},
        "_secondaries[1]",
    ),
    "external secondaries a text": ({"dns_zones": zone(external_secondaries="192.0.2.99")}, ".external_secondaries"),
    "hidden primary alone": ({"dns_zones": zone(hidden_primary=True)}, ".hidden_primary"),
    "hidden primary a text": ({"dns_zones": zone(hidden_primary="maybe", secondaries=["ns2"])}, ".hidden_primary"),
    "hidden primary with strangers only": (
        {"dns_zones": zone(hidden_primary=True, external_secondaries=["198.51.100.53"])},
        ".hidden_primary",
    ),
    "hidden primary in the NS records": (
        {
            "dns_zones": zone(
                hidden_primary=True,
                secondaries=["ns2"],
                records=[
                    {"record": "@", "type": "NS", "value": ["ns1", "ns2"]},
                    {"record": "ns1", "type": "A", "value": ["192.0.2.2"]},
                ],
            )
        },
        ".hidden_primary",
    ),
    "dnssec a text": ({"dns_zones": zone(dnssec="signed")}, ".dnssec"),
    "prune a number": ({"dns_zones": zone(prune=1)}, ".prune"),
    "ignore a text": ({"dns_zones": zone(ignore="keep")}, ".ignore"),
    "ignore without record": ({"dns_zones": zone(ignore=[{"type": "A"}])}, ".ignore[0].record"),
    "ignore outside": ({"dns_zones": zone(ignore=[{"record": "a.example.org."}])}, ".ignore[0].record"),
    "ignore an unknown type": ({"dns_zones": zone(ignore=[{"record": "a", "type": "X"}])}, ".ignore[0].type"),
    "ignore an unknown match": ({"dns_zones": zone(ignore=[{"record": "a", "match": "all"}])}, ".ignore[0].match"),
    "ignore an unknown option": ({"dns_zones": zone(ignore=[{"record": "a", "typ": "A"}])}, ".ignore[0].typ"),
    "ignore what the zone has": ({"dns_zones": zone(ignore=[{"record": "app1", "type": "A"}])}, ".ignore[0]"),
    "ignore the nameservers": ({"dns_zones": zone(ignore=[{"record": "@"}])}, ".ignore[0]"),
    "ignore a pattern of what the zone has": (
        {"dns_zones": zone(ignore=[{"record": "app*", "match": "pattern"}])},
        ".ignore[0]",
    ),
    "prune where a key may change what the zone has": (
        {"dns_zones": zone(prune=True), **key(name="app1", match="subdomain")},
        "dns_keys.k.grants",
    ),
    "keys a list": ({"dns_zones": zone(), "dns_keys": ["k"]}, "dns_keys"),
    "key name with a slash": ({"dns_zones": zone(), "dns_keys": {"../k": OWN["app1-own"]}}, "dns_keys.../k"),
    "key name of a file of the store": ({"dns_zones": zone(), "dns_keys": {"k.next": OWN["app1-own"]}}, "k.next"),
    "key name a number": ({"dns_zones": zone(), "dns_keys": {5: OWN["app1-own"]}}, "dns_keys.5"),
    "key name twice": (
        {"dns_zones": zone(), "dns_keys": {"app1-own": OWN["app1-own"], "APP1-own.": OWN["app1-own"]}},
        "dns_keys.APP1-own.",
    ),
    "key of the update key's name": (
        {"dns_zones": zone(), "dns_keys": {"demo-update": OWN["app1-own"]}},
        "dns_keys.demo-update",
    ),
    "key of a transfer key's name": (
        {"dns_zones": zone(secondaries=["ns2"]), "dns_keys": {"demo-transfer-ns1": OWN["app1-own"]}},
        "dns_keys.demo-transfer-ns1",
    ),
    "key named as a generation of another": (
        {"dns_zones": zone(), "dns_keys": {"k": OWN["app1-own"], "k-2": OWN["app1-own"]}},
        "dns_keys.k-2",
    ),
    "key without options": ({"dns_zones": zone(), "dns_keys": {"k": None}}, "dns_keys.k"),
    "key with an unknown option": ({"dns_zones": zone(), "dns_keys": {"k": {**OWN["app1-own"], "host": 1}}}, "k.host"),
    "key with a weak algorithm": (
        {"dns_zones": zone(), "dns_keys": {"k": {**OWN["app1-own"], "algorithm": "hmac-md5"}}},
        "k.algorithm",
    ),
    "key that nobody serves": ({"dns_zones": zone(), "dns_keys": {"k": {"hosts": ["app1"]}}}, "dns_keys.k.grants"),
    "key for hosts in a text": (
        {"dns_zones": zone(), "dns_keys": {"k": {**OWN["app1-own"], "hosts": "app1"}}},
        "k.hosts",
    ),
    "key for an unknown host": (
        {"dns_zones": zone(), "dns_keys": {"k": {**OWN["app1-own"], "hosts": ["app9"]}}},
        "dns_keys.k.hosts[0]",
    ),
    "key for a host twice": (
        {"dns_zones": zone(), "dns_keys": {"k": {**OWN["app1-own"], "hosts": ["app1", "app1"]}}},
        "dns_keys.k.hosts[1]",
    ),
    "grant a text": ({"dns_zones": zone(), "dns_keys": {"k": {"grants": [ZONE]}}}, "grants[0]"),
    "grant with an unknown option": ({"dns_zones": zone(), **key(record="a")}, "grants[0].record"),
    "grant in no zone": ({"dns_zones": zone(), **key(zone="example.org")}, "grants[0].zone"),
    "grant without zones": (key(), "grants[0].zone"),
    "grant outside its zone": ({"dns_zones": zone(), **key(name="a.example.org.")}, "grants[0].name"),
    "grant in a zone below": (
        {"dns_zones": {**zone(), "example.net": {"primary": "ns1"}}, **key(zone="example.net", name="a.demo")},
        "grants[0].name",
    ),
    "grant of an unknown type": ({"dns_zones": zone(), **key(types=["ADDRESS"])}, "grants[0].types[0]"),
    "grant of the server's type": ({"dns_zones": zone(), **key(types=["SOA"])}, "grants[0].types[0]"),
    "grant of no types": ({"dns_zones": zone(), **key(types=[])}, "grants[0].types"),
    "grant of types in a text": ({"dns_zones": zone(), **key(types="A")}, "grants[0].types"),
    "grant with an unknown match": ({"dns_zones": zone(), **key(match="zonesub")}, "grants[0].match"),
    "catalog a word": ({"dns_zones": zone(), "dns_catalog": "perhaps"}, "dns_catalog"),
    "zone named as a catalog": (
        {"dns_zones": {**zone(secondaries=["ns2"]), "ns1.catalog.demo.invalid": {"primary": "ns3"}}, "dns_catalog": True},
        "dns_zones.ns1.catalog.demo.invalid",
    ),
    "catalog with several sets of secondaries": (
        {
            "dns_zones": {**zone(secondaries=["ns2"]), OTHER: {"primary": "ns1", "secondaries": ["ns3"]}},
            "dns_catalog": True,
        },
        f"dns_zones.{OTHER}.secondaries",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_input_is_refused_with_its_place_and_a_remedy_and_nothing_else_is(what: str) -> None:
    variables, place = BROKEN[what]
    problems = resolve(fleet(**variables)).problems
    assert [problem for problem in problems if problem.variable.endswith(place)], problems
    assert len(problems) == 1, problems
    assert all(problem.message and problem.remedy for problem in problems)


def test_an_unknown_provider_is_a_problem_of_the_host_that_has_it() -> None:
    other = host("ns4", 5, dns_server_provider="powerdns")
    found = resolve(fleet(other, dns_zones=zone(secondaries=["ns4"]))).problems
    assert [(one.host, one.variable) for one in found] == [("ns4", "dns_server_provider")]


def test_hosts_whose_keys_would_share_a_name_are_told() -> None:
    zones = {name: {"primary": primary, "secondaries": ["ns2"]} for name, primary in ((ZONE, "ns1"), (OTHER, "ns-1"), ("example.org", "ns_1"))}
    found = resolve(fleet(host("ns-1", 5), host("ns_1", 6), dns_zones=zones)).problems
    assert ["already a key demo-transfer-ns-1" in problem.message for problem in found] == [True]


words = st.sampled_from(["ns1", "ns2", "app1", "a", "@", ZONE, OTHER, "A", "TXT", "ANY", "name", "subdomain", "198.51.100.1"])
garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(), inner, max_size=3),
    max_leaves=12,
)


def nearly(**parts: Any) -> Any:
    return st.fixed_dictionaries({}, optional={name: part | garbage for name, part in parts.items()})


grants: Any = st.lists(nearly(zone=words, name=words, match=words, types=st.lists(words)), max_size=3)
zones_asked = st.dictionaries(
    st.sampled_from([ZONE, OTHER, "a." + ZONE]),
    nearly(
        primary=words,
        secondaries=st.lists(words, max_size=3),
        external_secondaries=st.lists(words, max_size=2),
        hidden_primary=st.booleans(),
        dnssec=st.booleans(),
        prune=st.booleans(),
        ignore=st.lists(nearly(record=words, type=words, match=words | st.just("pattern")), max_size=2),
    ),
    max_size=3,
)
one_key = nearly(hosts=st.lists(words), grants=grants, algorithm=words)
keys_asked = st.dictionaries(words | st.text(), one_key, max_size=3)


@settings(max_examples=300, deadline=None)
@given(zones=zones_asked, keys=keys_asked | garbage, catalog=st.booleans() | garbage, provider=words)
def test_nothing_a_user_writes_makes_it_raise_and_what_is_accepted_can_be_configured(zones: Any, keys: Any, catalog: Any, provider: Any) -> None:
    asked = fleet(dns_zones=zones, dns_keys=keys, dns_catalog=catalog)
    found, keyed = resolve(asked), resolve_keys(asked)
    for problem in found.problems:
        assert isinstance(problem, Problem) and problem.message and problem.remedy
    if found.problems:
        return
    for name, part in found.host_plans.items():
        as_configured(part)
        mine = {one["name"]: one for one in keyed.host_plans[name]["keys"]}
        assert {one["name"] for one in part["keys"]} <= set(mine)
        homes: List[str] = [one["home"] for one in mine.values()]
        assert set(homes) <= set(keyed.host_plans), "a home that holds nothing"
