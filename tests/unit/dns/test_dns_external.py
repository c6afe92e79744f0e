# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External secondaries: who is notified where, who may transfer with which key, and which names the zone gives them."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import OTHER, OWN, ZONE, as_configured, fleet, held, host_plans, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve, resolve_keys
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind, knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import BadConfig, ServerConfig, read_config
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.external_secondaries import ANYWHERE

KEYS: Dict[str, Any] = {"provider": {}}
NAME = "ns1.provider.example."


def external(*entries: Any, **more: Any) -> List[Dict[str, Any]]:
    """What the primary is told of the external secondaries of a zone."""
    found = host_plans(dns_zones=zone(external_secondaries=list(entries), **more), dns_keys=KEYS if "key" in str(entries) else {})
    as_configured(found["ns1"])
    (served,) = found["ns1"]["zones"]
    return list(served["transfer"]["external"])


def entry(**more: Any) -> Dict[str, Any]:
    return {"notify": [], "port": 53, "transfer": [], "key": "", **more}


BOTH = ["198.51.100.53", "2001:db8:1::53"]
WRITTEN: Dict[str, Tuple[Any, Dict[str, Any]]] = {
    "an address": ("2001:DB8:1:0::53", entry(notify=["2001:db8:1::53"], transfer=["2001:db8:1::53"])),
    "one address with a key": ({"address": BOTH[0], "key": "provider"}, entry(notify=BOTH[:1], transfer=[ANYWHERE], key="provider")),
    "addresses": ({"addresses": BOTH, "port": 5353}, entry(notify=BOTH, port=5353, transfer=BOTH)),
    "a port in a template": ({"addresses": BOTH, "port": "5353"}, entry(notify=BOTH, port=5353, transfer=BOTH)),
    "two lists": (
        {"notify": BOTH[:1], "transfer": ["203.0.113.0/24", BOTH[1]]},
        entry(notify=BOTH[:1], transfer=["203.0.113.0/24", BOTH[1]]),
    ),
    "addresses and others to transfer from": (
        {"addresses": BOTH, "transfer": ["203.0.113.7"]},
        entry(notify=BOTH, transfer=["203.0.113.7"]),
    ),
    "not notified": ({"addresses": BOTH, "notify": False}, entry(transfer=BOTH)),
    "only notified": ({"addresses": BOTH, "transfer": False}, entry(notify=BOTH)),
    "a key alone": ({"key": "provider"}, entry(transfer=[ANYWHERE], key="provider")),
    "a key and where it may be used": (
        {"key": "provider", "transfer": ["203.0.113.0/24"]},
        entry(transfer=["203.0.113.0/24"], key="provider"),
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_an_entry_says_who_is_notified_and_who_may_transfer(what: str) -> None:
    written, told = WRITTEN[what]
    assert external(written) == [told]


def test_a_secondary_of_the_fleet_is_not_told_of_others() -> None:
    found = host_plans(dns_zones=zone(secondaries=["ns2"], external_secondaries=[{"address": BOTH[0], "key": "provider"}]), dns_keys=KEYS)
    assert found["ns2"]["zones"][0]["transfer"]["external"] == []
    assert [one["name"] for one in found["ns2"]["keys"]] == ["demo-transfer-ns1"]


def test_the_key_of_a_provider_belongs_to_the_primaries_of_its_zones_and_needs_no_grants() -> None:
    zones = {
        **zone(external_secondaries=[{"key": "provider"}]),
        OTHER: {"primary": "ns3", "external_secondaries": [{"address": BOTH[0], "key": "provider"}]},
    }
    keys = {"provider": {"hosts": ["app1"]}}
    asked = {"dns_zones": zones, "dns_keys": keys}
    found = held(**asked)
    assert {host: part.get("provider") for host, part in found.items()} == {
        "ns1": "ns1",
        "ns3": "ns1",
        "app1": "ns1",
        "ns2": None,
        "bare": None,
    }
    servers = host_plans(**asked)
    assert sorted(servers) == ["ns1", "ns3"] and all("provider" in str(servers[one]["keys"]) for one in servers)


def test_who_makes_a_key_is_in_the_plan_of_the_keys() -> None:
    asked = zone(external_secondaries=[{"key": "ours"}, {"key": "theirs"}])
    keys = {"ours": {}, "theirs": {"external": True}, **OWN}
    told = {one["name"]: one for one in resolve_keys(fleet(dns_zones=asked, dns_keys=keys)).host_plans["ns1"]["keys"]}
    assert told["ours"]["shared"] and "external" not in told["ours"]
    assert told["theirs"]["external"] and "shared" not in told["theirs"]
    assert {"shared", "external"}.isdisjoint(told["app1-own"]) and {"shared", "external"}.isdisjoint(told["demo-update"])


# --- names ---


def named(**more: Any) -> Dict[str, Any]:
    return {"name": NAME, "addresses": BOTH, **more}


def test_a_name_is_added_to_the_names_that_the_zone_has_anyway() -> None:
    served = host_plans(dns_zones=zone(external_secondaries=[named()]))["ns1"]["zones"][0]
    assert served["nameservers"] == [f"ns1.{ZONE}.", NAME]
    records = [{"record": "@", "type": "NS", "value": [NAME, "ns9.example.org."]}]
    found = host_plans(dns_zones=zone(records=records, external_secondaries=[named(), {"name": "ns2.provider.example.", "address": "203.0.113.1"}]))
    assert found["ns1"]["zones"][0]["nameservers"] == [NAME, "ns9.example.org.", "ns2.provider.example."]
    own = found["ns1"]["updates"][0]["record_sets"][0]
    assert (own["record"], own["type"]) == ("@", "NS") and "ns2.provider.example." in own["value"]


def test_a_hidden_primary_with_named_external_secondaries_only_is_in_no_answer() -> None:
    found = host_plans(dns_zones=zone(hidden_primary=True, external_secondaries=[named()]))["ns1"]
    (served,) = found["zones"]
    assert served["nameservers"] == [NAME] and served["soa"]["mname"] == NAME
    assert "ns1.demo" not in str((served["record_sets"], served["soa"], found["updates"]))


NO_SERVERS = ("0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1", "ff02::1", "255.255.255.255", "fe80::1", "169.254.1.1", "::ffff:192.0.2.2")
BROKEN: Dict[str, Tuple[Any, str, str]] = {
    **{address: (address, "[0]", "so that no server has it") for address in NO_SERVERS},
    "notified at no server": ({"notify": ["127.0.0.1"], "transfer": BOTH}, "[0].notify[0]", "is for loopback"),
    "transferred from no server": ({"notify": BOTH, "transfer": ["fe80::1"]}, "[0].transfer[0]", "is link-local"),
    "a number": (1, "[0]", "not an address"),
    "nothing": ({}, "[0]", "neither notified"),
    "a name only": ({"name": NAME}, "[0]", "neither notified"),
    "null": ({"address": None, "key": "provider"}, "[0].address", "has no value"),
    "an unknown option": ({"address": BOTH[0], "tsig": "x"}, "[0].tsig", "not an option"),
    "both forms": ({"address": BOTH[0], "addresses": BOTH}, "[0].address", "beside addresses"),
    "addresses a text": ({"addresses": BOTH[0]}, "[0].addresses", "expected a list, got a string"),
    "an address of the fleet": ({"addresses": ["192.0.2.3"]}, "[0].addresses[0]", "an address of ns2"),
    "a notified address of the fleet": ({"address": BOTH[0], "notify": ["192.0.2.3"]}, "[0].notify[0]", "an address of ns2"),
    "a port that is none": ({"address": BOTH[0], "port": 65536}, "[0].port", "not a port"),
    "a port that is true": ({"address": BOTH[0], "port": True}, "[0].port", "not a port"),
    "bits of a host in a network": ({"transfer": ["192.0.2.7/24"], "key": "provider"}, "[0].transfer[0]", "not a network"),
    "everybody": ({"transfer": ["::/0"]}, "[0].transfer[0]", "everybody"),
    "half of the internet": ({"transfer": ["0.0.0.0/1"]}, "[0].transfer[0]", "everybody"),
    "half of IPv6": ({"transfer": ["8000::/1"]}, "[0].transfer[0]", "everybody"),
    "public addresses beside private ones": ({"transfer": ["8.0.0.0/6"]}, "[0].transfer[0]", "everybody"),
    "more than a provider": ({"transfer": ["203.0.0.0/15"]}, "[0].transfer[0]", "more than the addresses of one provider"),
    "more than a provider in IPv6": ({"transfer": ["2001:c00::/31"]}, "[0].transfer[0]", "more than the addresses of one provider"),
    "IPv4 within IPv6": ({"transfer": ["::ffff:0.0.0.0/97"]}, "[0].transfer[0]", "everybody"),
    "halves that are too wide together": ({"transfer": ["203.0.0.0/16", "198.50.0.0/16"]}, "external_secondaries", "together, the networks without a key"),
    "notify a word": ({"address": BOTH[0], "notify": "always"}, "[0].notify", "nor a list of addresses"),
    "neither": ({"address": BOTH[0], "notify": False, "transfer": False}, "[0]", "neither notified"),
    "an unknown key": ({"address": BOTH[0], "key": "provder"}, "[0].key", "not a key of dns_keys"),
    "the key that may change everything": ({"address": BOTH[0], "key": "demo-update"}, "[0].key", "not a key of dns_keys"),
    "a secret in the place of a key": ({"address": BOTH[0], "key": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0="}, "[0].key", "looks like a secret"),
    "a name that could be another": ({"address": BOTH[0], "name": "ns1.provider.example"}, "[0].name", "could be meant"),
    "a name of no host": ({"address": BOTH[0], "name": "ns_1.provider.example."}, "[0].name", "not the name of a host"),
    "a name in the zone without address": ({"address": BOTH[0], "name": "ns9"}, "records", "has no address"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_entry_is_refused_with_its_place(what: str) -> None:
    written, place, said = BROKEN[what]
    keys = {**KEYS, **OWN}
    ours = [{"key": "provider"}]  # so that the key is one that is used
    zones = {**zone(external_secondaries=[written]), OTHER: {"primary": "ns1", "external_secondaries": ours}}
    problems = resolve(fleet(dns_zones=zones, dns_keys=keys)).problems
    assert [str(one) for one in problems if one.variable.endswith(place) and said in one.message], problems
    assert len(problems) == 1, problems
    assert "c2VjcmV0" not in str(problems)


def test_the_same_address_twice_is_refused_and_a_second_key_without_addresses_is_not() -> None:
    twice = zone(external_secondaries=[BOTH[0], {"addresses": [BOTH[1], BOTH[0]]}])
    (problem,) = resolve(fleet(dns_zones=twice)).problems
    assert problem.variable.endswith("[1].addresses[1]")
    while_a_key_is_replaced = zone(external_secondaries=[{"addresses": BOTH, "key": "old"}, {"key": "new"}])
    assert resolve(fleet(dns_zones=while_a_key_is_replaced, dns_keys={"old": {}, "new": {"external": True}})).problems == ()


def test_a_key_that_is_neither_granted_nor_used_is_refused() -> None:
    (problem,) = resolve(fleet(dns_zones=zone(), dns_keys={"provider": {"external": True}})).problems
    assert problem.variable == "dns_keys.provider.grants" and "external_secondaries" in problem.message


values = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["192.0.2.3", *BOTH, "provider", NAME])
entries = values | st.dictionaries(
    st.sampled_from(["name", "address", "addresses", "port", "notify", "transfer", "key", "x"]), values | st.lists(values, max_size=2), max_size=5
)


@given(st.lists(entries, max_size=3) | values)
def test_whatever_is_written_is_either_refused_or_served(written: Any) -> None:
    found = resolve(fleet(dns_zones=zone(external_secondaries=written), dns_keys={"provider": {"grants": [{"zone": ZONE, "name": "a", "types": ["A"]}]}}))
    if not found.problems:
        as_configured(found.host_plans["ns1"])


# --- what becomes of it in the configuration of a server ---

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0="


def configured(*external_: Dict[str, Any], rotating: bool = False) -> ServerConfig:
    found = host_plans(dns_zones=zone(), dns_keys=OWN)["ns1"]
    (served,) = found["zones"]
    served["transfer"]["external"] = list(external_)
    known = {"name": "provider", "algorithm": "hmac-sha256", "file": "/etc/smallfleet/dns/provider.key"}
    taken = {option: found[option] for option in ("listen", "keys", "update_key", "zones", "catalogs")}
    read = read_config({**taken, "keys": [*found["keys"], known]})
    generations = [TsigKey("provider", "hmac-sha256", SECRET), TsigKey("provider-2", "hmac-sha256", SECRET)][: 2 if rotating else 1]
    keys = [replace(one, generations=tuple(generations)) if one.name == "provider" else one for one in read.keys]
    return replace(read, keys=tuple(keys))


def block(text: str, statement: str) -> List[str]:
    found = re.search(rf"{statement} {{\n(.*?)\n    }};", text, re.DOTALL)
    return [line.strip() for line in found[1].splitlines()] if found else []


KEYED = entry(notify=BOTH, port=5353, transfer=[ANYWHERE], key="provider")


def test_bind_notifies_with_port_and_key_and_gives_the_zone_to_who_has_the_key() -> None:
    text = bind.render_zones(configured(KEYED, rotating=True))
    assert block(text, "also-notify") == [f'{one} port 5353 key "provider";' for one in BOTH]
    assert block(text, "allow-transfer") == ['key "demo-update";', 'key "provider";', 'key "provider-2";']


def test_bind_asks_for_address_and_key_where_both_are_said() -> None:
    both = entry(transfer=["203.0.113.0/24"], key="provider")
    text = bind.render_zones(configured(both, entry(transfer=BOTH)))
    allowed = ['key "demo-update";', '{ !{ !203.0.113.0/24; any; }; key "provider"; };', *(f"{one};" for one in BOTH)]
    assert block(text, "allow-transfer") == allowed
    assert "also-notify" not in text


def test_knot_notifies_with_port_and_key_and_gives_the_zone_to_who_has_the_key() -> None:
    text = knot.render_main(configured(KEYED, rotating=True))
    assert f'  - id: "{BOTH[0]} 5353 provider"\n    address: ["{BOTH[0]}@5353"]\n    key: "provider"\n' in text
    assert f'    notify: ["{BOTH[0]} 5353 provider", "{BOTH[1]} 5353 provider"]\n' in text
    rule = f'  - id: "external 1 {ZONE}"\n    key: ["provider", "provider-2"]\n    action: ["transfer"]\n'
    assert rule in text and f'    acl: ["update", "external 1 {ZONE}"' in text and f"{rule}    address" not in text


def test_knot_asks_for_address_and_key_where_both_are_said() -> None:
    text = knot.render_main(configured(entry(transfer=["203.0.113.0/24"], key="provider"), entry(transfer=BOTH)))
    assert f'  - id: "external {ZONE}"\n    action: ["transfer"]\n    address: ["{BOTH[0]}", "{BOTH[1]}"]\n' in text
    assert f'  - id: "external 1 {ZONE}"\n    key: ["provider"]\n    action: ["transfer"]\n    address: ["203.0.113.0/24"]\n' in text


@pytest.mark.parametrize("bad", [{"transfer": [ANYWHERE]}, {"notify": ['1; }; zone "x']}, {"key": "unknown"}])
def test_the_module_refuses_what_would_open_the_zone_or_its_configuration(bad: Dict[str, Any]) -> None:
    with pytest.raises(BadConfig):
        configured(entry(**bad))


def transferring(*networks: str, **more: Any) -> Tuple[Any, ...]:
    written = [{"transfer": [network], **more} for network in networks]
    return resolve(fleet(dns_zones=zone(external_secondaries=written), dns_keys=KEYS if more else {})).problems


def test_entries_without_a_key_count_together_and_others_do_not() -> None:
    (problem,) = transferring("203.0.0.0/17", "203.0.128.0/17", "198.50.0.0/32")
    assert problem.variable.endswith(".external_secondaries") and "203.0.0.0/17, 203.0.128.0/17" in problem.message and "key" in problem.remedy
    assert not transferring("203.0.0.0/17", "203.0.128.0/17", "2001:db8::/32", "10.0.0.0/8", "172.16.0.0/12", "fd00::/8")
    assert not transferring("0.0.0.0/0", key="provider")


@given(st.integers(0, 16), st.integers(0, 2**32 - 1))
def test_no_network_that_is_wider_than_the_limit_is_served_without_a_key(length: int, number: int) -> None:
    network = ip_network((number, length), strict=False)
    inside = any(network.subnet_of(ip_network(one)) for one in ("10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "127.0.0.0/8", "198.18.0.0/15"))
    inside = inside or str(network) in ("192.168.0.0/16", "169.254.0.0/16")
    assert bool(transferring(str(network))) == (length < 16 and not inside)
