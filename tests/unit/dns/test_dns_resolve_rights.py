# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys the inventory makes, who holds them, and what each may change."""

from __future__ import annotations

from servers import OTHER, OWN, ZONE, as_configured, fleet, held, host_plans, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve_keys


def test_each_primary_has_an_update_key_of_its_own_by_the_same_name() -> None:
    zones = {**zone(secondaries=["ns2"]), OTHER: {"primary": "ns2", "secondaries": ["ns1"]}}
    keys = held(dns_zones=zones)
    assert keys["ns1"] == {"demo-update": "ns1", "demo-transfer-ns1": "ns1", "demo-transfer-ns2": "ns2"}
    assert keys["ns2"] == {"demo-update": "ns2", "demo-transfer-ns1": "ns1", "demo-transfer-ns2": "ns2"}
    found = host_plans(dns_zones=zones)
    assert [one["role"] for one in found["ns1"]["zones"]] == ["primary", "secondary"]
    for part in found.values():
        as_configured(part)


def test_a_key_is_made_by_the_primary_of_its_first_grant_and_held_by_its_host() -> None:
    keys = held(dns_zones=zone(secondaries=["ns2"]), dns_keys=OWN)
    assert keys["app1"] == {"app1-own": "ns1"}
    assert keys["ns1"]["app1-own"] == "ns1"
    assert "app1-own" not in keys["ns2"]
    found = host_plans(dns_zones=zone(), dns_keys=OWN)
    assert list(found) == ["ns1"]
    assert found["ns1"]["zones"][0]["grants"] == [{"key": "app1-own", "match": "name", "name": f"app1.{ZONE}.", "types": ["A", "SSHFP"]}]
    as_configured(found["ns1"])


def test_a_server_that_holds_a_key_as_a_client_does_not_have_to_know_it() -> None:
    keys = {"ns2-own": {"hosts": ["ns2"], "grants": [{"zone": ZONE, "name": "x", "types": ["TXT"]}]}}
    found = host_plans(dns_zones={**zone(), OTHER: {"primary": "ns2"}}, dns_keys=keys)
    assert [key["name"] for key in found["ns2"]["keys"]] == ["demo-update"]
    assert [key["name"] for key in found["ns1"]["keys"]] == ["demo-update", "ns2-own"]


def test_a_key_for_zones_of_two_primaries_is_known_to_both() -> None:
    grants = [{"zone": OTHER, "name": "@", "types": ["MX"]}, {"zone": ZONE, "name": "a", "types": ["ANY"]}]
    variables = {"dns_zones": {**zone(), OTHER: {"primary": "ns2"}}, "dns_keys": {"both": {"grants": grants}}}
    assert {host for host, keys in held(**variables).items() if keys.get("both") == "ns2"} == {"ns1", "ns2"}


def test_the_key_that_a_certificate_needs_is_made_without_being_asked_for() -> None:
    certificates = {"web": {"hosts": ["app1"], "names": [f"app1.{ZONE}"]}}
    found = host_plans(dns_zones=zone(), acme_certificates=certificates)
    assert found["ns1"]["zones"][0]["grants"] == [{"key": "acme-app1", "match": "name", "name": f"_acme-challenge.app1.{ZONE}.", "types": ["TXT"]}]
    assert held(dns_zones=zone(), acme_certificates=certificates)["app1"] == {"acme-app1": "ns1"}


def test_the_plan_says_from_which_home_a_host_takes_each_key_and_which_secrets_only_its_home_needs() -> None:
    keys = {"theirs": {"external": True, "hosts": ["app1"], "grants": [{"zone": ZONE, "name": "app1", "types": ["A"]}]}}
    found = resolve_keys(fleet(dns_zones={**zone(secondaries=["ns2"]), OTHER: {"primary": "ns2", "secondaries": ["ns1"]}}, dns_keys=keys))
    assert found.problems == ()
    assert {host: part["secrets"] for host, part in found.host_plans.items()} == {"ns1": ["theirs"], "ns2": [], "ns3": [], "app1": [], "bare": []}
    taken = {host: {home: [key["name"] for key in part] for home, part in found.host_plans[host]["by_home"].items()} for host in ("ns1", "ns2", "app1", "ns3")}
    assert taken == {
        "ns1": {"ns1": ["demo-transfer-ns1", "demo-update", "theirs"], "ns2": ["demo-transfer-ns2"]},
        "ns2": {"ns1": ["demo-transfer-ns1"], "ns2": ["demo-transfer-ns2", "demo-update"]},
        "app1": {"ns1": ["theirs"]},
        "ns3": {},
    }
    for part in found.host_plans.values():
        assert sorted((one for keys in part["by_home"].values() for one in keys), key=lambda one: one["name"]) == part["keys"]
