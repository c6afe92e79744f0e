# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone's SOA: what the inventory says is enforced, what it does not say is left as the zone has it."""

from __future__ import annotations

from typing import Any, Dict, List

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import BIND, config, keyed, soa
from served import zone as served_zone
from servers import ZONE, as_configured, fleet, host_plans, zone
from written import soa_of

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServedZone, render_zone
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import ServerState, obstacles, plan_server, soa_after
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.soa import FIELDS, address, as_written, mailbox


def planned(**options: Any) -> Dict[str, Any]:
    part = host_plans(dns_zones=zone(**options))["ns1"]
    as_configured(part)
    found: Dict[str, Any] = part["zones"][0]["soa"]
    return found


def problems(given: Any, **options: Any) -> List[str]:
    return [str(one) for one in resolve(fleet(dns_zones=zone(soa=given, **options))).problems]


@pytest.mark.parametrize(
    ("address", "rname"),
    [
        ("hostmaster@example.net", "hostmaster.example.net."),
        ("Jane.Doe@Example.NET", r"jane\.doe.example.net."),
        ("dns+zone@example.net", r"dns\+zone.example.net."),
        ("o'neill.x.y@münchen.example", r"o\'neill\.x\.y.xn--mnchen-3ya.example."),
        ("root@localhost", "root.localhost."),
    ],
)
def test_a_mail_address_is_encoded_as_a_name(address: str, rname: str) -> None:
    assert mailbox(address) == rname == names.canonical(rname)
    local = dns.name.from_text(rname).labels[0].decode()
    assert local == address.lower().partition("@")[0], "the part before the @ is one label"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "hostmaster",
        "hostmaster.example.net.",
        "a@",
        "@b.example",
        ".a@b.example",
        "a..b@c.example",
        '"a b"@c.example',
        "ü@c.example",
        "a b@c.example",
        "a@c..example",
        "a@b c.example",
        "x" * 64 + "@c.example",
        "a@b_c.example",
        "a@0/26.2.0.192.in-addr.arpa",
        "a@-b.example",
        "a@" + "b" * 64,
        "a\n@b.example",
        r"a\.b@c.example",
        None,
        5,
        ["a@b.c"],
    ],
)
def test_what_is_not_a_mail_address_is_refused_by_its_place(address: Any) -> None:
    (problem,) = problems({"contact": address})
    remedy = "Write one" if address is None else "such as hostmaster@example.net"
    assert f"dns_zones.{ZONE}.soa.contact" in problem and remedy in problem and "\n" not in problem


@pytest.mark.parametrize("name", ["0/26.2.0.192.in-addr.arpa", "_tcp.example.net"])
def test_a_zone_whose_name_no_mail_address_can_have_gets_a_contact_in_the_domain_of_its_primary(name: str) -> None:
    found = resolve(fleet(dns_zones={name: {"primary": "ns1", "hosts": False}}))
    assert found.problems == ()
    assert found.host_plans["ns1"]["zones"][0]["soa"]["rname"] == f"hostmaster.{ZONE}."


@pytest.mark.parametrize(
    ("given", "place", "says"),
    [
        ({"refresh": "1h"}, ".refresh", "expected a whole number of seconds from 1 to 2147483647, got '1h'. Write for example 3600"),
        ({"refresh": True}, ".refresh", "got True"),
        ({"retry": 0}, ".retry", "from 1"),
        ({"expire": None}, ".expire", "has no value"),
        ({"ttl": -1}, ".ttl", "from 0"),
        ({"ttl": 2**31}, ".ttl", "2147483647"),
        ({"negative_ttl": 86401}, ".negative_ttl", "seconds (RFC 2308) from 0 to 86400"),
        ({"negative_ttl": 1.5}, ".negative_ttl", "a whole number of seconds"),
        ({"expire": 3720}, ".expire", "more than refresh and retry together, 3720"),
        ({"refresh": 1209600}, ".expire", "more than refresh and retry together"),
        ({"refresh": 600, "retry": 600}, ".retry", "less than refresh, 600"),
        ({"ttl": 60, "negative_ttl": 300}, ".ttl", "at least negative_ttl, 300, got 60"),
        ({"minimum": 300}, ".minimum", "is not an option of an SOA record"),
        ({"serial": 3}, ".serial", "Use contact, refresh"),
        (None, "", "has no value"),
        ([], "", "expected a dictionary"),
        ("hostmaster@example.net", "", "contact: hostmaster@example.net"),
    ],
)
def test_values_that_make_no_soa_are_refused_with_a_remedy(given: Any, place: str, says: str) -> None:
    found = problems(given)
    assert len(found) == 1
    assert f"dns_zones.{ZONE}.soa{place}:" in found[0] and says in found[0]


def test_without_options_a_new_zone_has_the_defaults_and_one_that_exists_keeps_what_it_has() -> None:
    found = planned()
    assert [found[one] for one in FIELDS] == [f"ns1.{ZONE}.", f"hostmaster.{ZONE}.", 3600, 120, 1209600, 300, 300]
    assert found["keep"] == ["rname", "refresh", "retry", "expire", "minimum", "ttl"]


def test_options_reach_the_zone_file_of_a_new_zone() -> None:
    written = {"contact": "dns.admin@example.net", "refresh": 7200, "retry": 600, "expire": 2419200, "negative_ttl": 60, "ttl": 3600}
    part = host_plans(dns_zones=zone(soa=written))["ns1"]
    (one,) = config(*part["zones"], keys=part["keys"], update_key=part["update_key"]).primaries
    assert rf"@ 3600 SOA ns1.{ZONE}. dns\.admin.example.net. 7 7200 600 2419200 60" in render_zone(one, 7).splitlines()
    assert one.soa_keep == ()


def test_a_negative_ttl_beyond_the_zones_ttl_raises_that_of_the_soa_which_resolvers_compare_it_with() -> None:
    found = planned(soa={"negative_ttl": 900})
    assert (found["minimum"], found["ttl"]) == (900, 900)
    assert found["keep"] == ["rname", "refresh", "retry", "expire"]


def test_a_ttl_of_the_zone_that_is_written_is_enforced_on_its_soa() -> None:
    found = planned(ttl=120)
    assert (found["minimum"], found["ttl"], found["keep"]) == (120, 120, ["rname", "refresh", "retry", "expire"])


def with_keep(keep: List[str], **fields: Any) -> ServedZone:
    asked = keyed(config(served_zone(soa={**served_zone()["soa"], **fields, "keep": keep})))
    return asked.primaries[0]


def steps(zone_: ServedZone, seen: RRset) -> List[str]:
    asked = keyed(config(served_zone(soa={**zone_.soa, "keep": list(zone_.soa_keep)})))
    state = ServerState(installed=True, active=True, enabled=True, soas={zone_.name: seen})
    return [str(step) for step in plan_server(BIND, asked, state) if step.action == "set_soa"]


def test_a_field_that_somebody_changed_is_put_back_only_if_the_inventory_says_it() -> None:
    changed = RRset("demo.example.net.", "SOA", 900, frozenset(["ns1.demo.example.net. jane.example.net. 9 7200 600 1209600 60"]))
    everything = ["rname", "refresh", "retry", "expire", "minimum", "ttl"]
    assert steps(with_keep(everything), changed) == []
    kept = with_keep([one for one in everything if one != "minimum"])
    assert steps(kept, changed) == ["change the SOA of demo.example.net"]
    assert str(soa_after(kept, changed)) == "demo.example.net. 900 SOA ns1.demo.example.net. jane.example.net. 10 7200 600 1209600 300"


def test_a_contact_with_escapes_is_compared_as_a_name() -> None:
    asked = with_keep([], rname=mailbox("dns.a+b@example.net"))
    value = r"ns1.demo.example.net. dns\.a+b.example.net. 9 3600 600 1209600 300"  # as dnspython writes it
    assert steps(asked, RRset("demo.example.net.", "SOA", 300, frozenset([value]))) == []


def test_timers_that_do_not_fit_those_that_the_zone_keeps_are_refused_before_anything_is_changed() -> None:
    asked = keyed(config(served_zone(soa={**served_zone()["soa"], "expire": 5000, "keep": ["refresh", "retry"]})))
    value = "ns1.demo.example.net. hostmaster.demo.example.net. 9 86400 7200 1209600 300"
    state = ServerState(installed=True, soas={"demo.example.net": RRset("demo.example.net.", "SOA", 300, frozenset([value]))})
    (said,) = obstacles(asked, state)
    assert "dns_zones.demo.example.net.soa.expire: expected more than refresh and retry together, 93600, got 5000" in said
    assert "refresh 86400, retry 7200" in said
    assert obstacles(asked, ServerState(installed=True, soas={"demo.example.net": soa()})) == []


@given(st.sets(st.sampled_from(FIELDS[1:])), st.integers(0, 2**32 - 1), st.lists(st.integers(1, 10**6), min_size=5, max_size=5))
def test_what_is_kept_stays_the_rest_is_as_asked_and_the_serial_is_later(keep: Any, serial: int, numbers: List[int]) -> None:
    asked = with_keep(sorted(keep))
    timers = " ".join(map(str, numbers[:4]))
    seen = RRset("demo.example.net.", "SOA", numbers[4], frozenset([f"other.example. x\\.y.example. {serial} {timers}"]))
    after = soa_after(asked, seen)
    mname, rname, new, *rest = next(iter(after.values)).split()
    assert 0 < (int(new) - serial) % 2**32 <= 2 and int(new)
    before = dict(zip(FIELDS, ("other.example.", "x\\.y.example.", *map(str, numbers))))
    for one, value in zip(FIELDS, (mname, rname, *rest, str(after.ttl))):
        assert value == (before[one] if one in keep else str(asked.soa[one]))
    assert steps(asked, after) == []


SECONDS = st.sampled_from([0, 1, 59, 120, 300, 3600, 86400, 86401, 1209600, 2147483647, 4294967295])


@given(
    st.sampled_from(["hostmaster.example.net.", r"dns\.admin.example.net.", r"a\032b.example.net.", ".", "net.", r"\046.example.net."]),
    SECONDS,
    SECONDS,
    SECONDS,
    SECONDS,
    SECONDS,
)
def test_an_soa_that_is_written_down_is_read_as_the_same_or_what_is_lost_is_named(
    rname: str, refresh: int, retry: int, expire: int, minimum: int, ttl: int
) -> None:
    options, reasons = as_written(f"ns1.example.net. {rname} 7 {refresh} {retry} {expire} {minimum}", ttl, 300)
    soa_read, problems_noted = soa_of(options, 300)
    assert problems_noted == []
    written = soa_read.written
    given_ = {"contact": "rname", "refresh": "refresh", "retry": "retry", "expire": "expire", "negative_ttl": "minimum", "ttl": "ttl"}
    values = {"rname": rname, "refresh": refresh, "retry": retry, "expire": expire, "minimum": minimum, "ttl": ttl}
    assert {given_[option] for option in options} | {given_[option] for reason in reasons for option in reason.partition(":")[0].split(", ")} == set(values)
    assert {given_[option]: written[given_[option]] for option in options} == {given_[option]: values[given_[option]] for option in options}


def test_a_usual_soa_is_written_down_whole() -> None:
    options, reasons = as_written(r"ns1.example.net. dns\.admin.example.net. 7 3600 600 1209600 60", 300, 300)
    assert (options, reasons) == (
        {"contact": "dns.admin@example.net", "refresh": 3600, "retry": 600, "expire": 1209600, "negative_ttl": 60, "ttl": 300},
        [],
    )
    assert address("hostmaster.") == ""


LONG = ".".join(["a" * 60] * 4)  # 243 characters


@pytest.mark.parametrize("name", [LONG, f"b.{LONG}"])
def test_a_zone_whose_default_contact_would_be_too_long_is_refused_unless_it_has_a_contact(name: str) -> None:
    (problem,) = resolve(fleet(dns_zones={name: {"primary": "ns1", "hosts": False}})).problems
    assert problem.variable == f"dns_zones.{name}.soa.contact" and "is longer than 253 characters" in problem.message
    assert "hostmaster@example.net" in problem.remedy
    contact = {"contact": "hostmaster@example.net"}
    assert not resolve(fleet(dns_zones={name: {"primary": "ns1", "hosts": False, "soa": contact}})).problems
    assert not resolve(fleet(dns_zones={LONG[1:]: {"primary": "ns1", "hosts": False}})).problems, "253 characters are a name"
