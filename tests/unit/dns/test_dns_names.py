# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Internationalised names: encoded where old and new rules agree, refused with both forms where they do not."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from servers import ZONE as ZONE_OF_FLEET
from servers import as_configured, fleet, host_plans, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind, knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import read_config
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_ignore

ZONE = "example.net."
DEVIATIONS = "ß\u1e9eς\u200c\u200d"


@pytest.mark.parametrize(
    ("name", "encoded", "old"),
    [
        ("faß", "xn--fa-hia", "fass"),
        ("FAẞ", "xn--fa-hia", "fass"),
        ("straße", "xn--strae-oqa", "strasse"),
        ("βόλος", "xn--nxasmm1c", "xn--nxasmq6b"),
        ("نامه\u200cای", "xn--mgba3gch31f060k", "xn--mgba3gch31f"),
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3", "xn--10cl1a0b660p", "xn--10cl1a0b"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "{}.example", "www.{}.example.net", "{}.example.net."])
def test_the_four_characters_that_rules_disagree_about_are_refused_with_both_forms(name: str, encoded: str, old: str, form: str) -> None:
    for read in (names.canonical, lambda text: names.qualify(text, ZONE), lambda text: names.target(text, ZONE)):
        with pytest.raises(names.BadName) as caught:
            read(form.format(name))
        assert f"'{encoded}'" in str(caught.value) and f"'{old}'" in str(caught.value)
    assert encoded in names.canonical(form.format(encoded)).split(".")


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("münchen", "xn--mnchen-3ya"),
        ("BÜCHER", "xn--bcher-kva"),
        ("例え", "xn--r8jz45g"),
        ("ΣΑΣ", "xn--mxa9ab"),
        ("e\u0301", "xn--9ca"),
    ],
)
def test_a_name_that_rules_agree_about_is_encoded(name: str, encoded: str) -> None:
    assert names.canonical(f"{name}.example") == f"{encoded}.example."


@given(st.text(st.characters(categories=["L", "Mn", "Nd"]), min_size=1, max_size=12))
def test_no_label_loses_one_of_the_four_characters(text: str) -> None:
    try:
        names.canonical(text)
    except names.BadName:
        return
    assert not any(one in DEVIATIONS for one in text)


def test_a_character_that_unfolds_to_a_separator_is_refused() -> None:
    with pytest.raises(names.BadName):
        names.canonical("\u2100.example")


LABELS = st.one_of(
    st.binary(min_size=1, max_size=20),
    st.text(r" .\"();@$*-+/_aZ09", min_size=1, max_size=20).map(str.encode),
)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (r"My\032Printer._ipp._tcp.example.net", r"my\032printer._ipp._tcp.example.net."),
        (r"my\ printer.example.net", r"my\032printer.example.net."),
        (r"first\.last.example.net", r"first\.last.example.net."),
        (r"\097b.example.net", "ab.example.net."),
        (r"\065b.example.net", "ab.example.net."),
        (r"a+b\..example.net", r"a\+b\..example.net."),
        (r"\*.example.net", "*.example.net."),
        (r"a.\*.example.net", r"a.\*.example.net."),
        (r"\-a.example.net", r"\-a.example.net."),
        (r"\255\000.example.net", r"\255\000.example.net."),
    ],
)
def test_an_escaped_name_has_one_canonical_form(written: str, canonical: str) -> None:
    assert names.canonical(written) == canonical == names.canonical(canonical)


@given(st.lists(LABELS, min_size=1, max_size=5))
def test_a_canonical_name_is_the_name_that_another_library_reads(labels: list[bytes]) -> None:
    name = names.from_wire(labels)
    assert dns.name.from_text(name).labels[:-1] == tuple(label.lower() for label in labels)
    assert names.canonical(name) == name == names.canonical(name[:-1])
    assert dns.name.from_text(names.configuration_word(name)) == dns.name.from_text(name)
    assert not set(names.configuration_word(name)) & set(' "\n')
    assert names.relative(names.qualify(names.relative(name + ZONE, ZONE), ZONE), ZONE) == name[:-1]


@given(st.lists(LABELS, min_size=1, max_size=4), st.lists(LABELS, min_size=1, max_size=4), st.sampled_from(["inside", "outside", "joined"]))
@example([b"a"], [b"*", b"x"], "inside")
def test_what_is_within_what_is_decided_by_labels_and_not_by_text(one: list[bytes], zone: list[bytes], place: str) -> None:
    inside = place == "inside"
    joined = [*one[:-1], one[-1] + b"." + zone[0], *zone[1:]]  # ends in the text of the zone, and is not in it
    name = names.from_wire({"inside": [*one, *zone], "outside": one, "joined": joined}[place])
    top = names.from_wire(zone)
    library = dns.name.from_text(name), dns.name.from_text(top)
    assert names.within(name, top) == library[0].is_subdomain(library[1])
    if inside:
        assert [len(names.split(above)) for above in names.parents(name, top)] == list(range(len(one + zone), len(zone), -1))


@pytest.mark.parametrize("text", ["a\\", r"a\1", r"a\12.b", r"a\256", "a\\.b c", "a b", "a\nb", "a\\\nb", r"a\.ü", "a!b", "a\\\u0661\u0661\u0661"])
def test_what_is_not_escaped_or_escapes_nothing_is_refused_with_the_form_to_write(text: str) -> None:
    with pytest.raises(names.BadName, match=r"\\032|at most \\255"):
        names.canonical(text)


def test_an_escaped_dot_makes_no_name_absolute_and_puts_none_into_a_zone() -> None:
    assert names.qualify("a\\.", ZONE) == "a\\..example.net."
    assert names.qualify(r"a\.example.net", ZONE) == r"a\.example.net.example.net."
    assert names.target(r"a\.b", ZONE) == r"a\.b.example.net."
    with pytest.raises(names.BadName, match="could be meant"):
        names.target(r"a\.b.example.com", ZONE)
    with pytest.raises(names.BadName, match="outside the zone"):
        names.qualify(r"a\.example.net.", ZONE)


def test_a_label_is_counted_in_octets() -> None:
    assert names.canonical("\\032" * 63).count("\\032") == 63
    for text in ("\\032" * 64, ".".join(["\\032" * 63] * 4)):
        with pytest.raises(names.BadName, match="63 characters|253 characters"):
            names.canonical(text)


def test_the_name_of_a_zone_or_host_has_no_escapes() -> None:
    with pytest.raises(names.BadName, match="names of zones, hosts and keys"):
        names.plain(r"a\.b.example.net")


@given(LABELS)
def test_a_pattern_ignores_exactly_the_names_that_it_spells(label: bytes) -> None:
    name = names.from_wire([label, b"example", b"net"])
    assume("*" not in name)
    (rule,) = read_ignore(ZONE, [{"record": name, "match": "pattern"}])
    assert rule.covers((name, "A")) and not rule.covers((f"other.{name}", "A"))


def test_a_record_set_with_an_escaped_name_is_planned_and_rendered_alike() -> None:
    record = {"record": r"My\032Printer._ipp._tcp", "type": "SRV", "value": [r"0 0 631 app1"]}
    part = host_plans(dns_zones=zone(records=[record], prune=True))["ns1"]
    as_configured(part)
    for sets in (part["zones"][0]["record_sets"], part["updates"][0]["record_sets"]):
        assert r"my\032printer._ipp._tcp" in [one["record"] for one in sets]


@pytest.mark.parametrize("kind", ["A", "AAAA", "MX"])
def test_records_of_hosts_have_no_escaped_names_since_bind_would_not_load_the_zone(kind: str) -> None:
    value = {"A": "192.0.2.1", "AAAA": "2001:db8::1", "MX": "10 app1"}[kind]
    (problem,) = resolve(fleet(dns_zones=zone(records=[{"record": r"a\.b", "type": kind, "value": [value]}]))).problems
    assert rf"a\.b.{ZONE_OF_FLEET}. is not the name of a host" in str(problem) and "SRV and TXT" in str(problem)


def test_two_zones_that_would_have_one_file_are_refused() -> None:
    zones = {name: {"primary": "ns1"} for name in ("0/26.2.0.192.in-addr.arpa", "0-26.2.0.192.in-addr.arpa")}
    problems = [str(one) for one in resolve(fleet(dns_zones=zones)).problems]
    assert "dns_zones.0-26.2.0.192.in-addr.arpa: would have the same zone file as dns_zones.0/26.2.0.192.in-addr.arpa" in problems[0], problems


def test_a_zone_with_an_escaped_name_is_refused() -> None:
    (problem,) = resolve(fleet(dns_zones={r"a\.b.example": {"primary": "ns1"}})).problems
    assert "names of zones, hosts and keys cannot have" in str(problem)


def test_a_grant_for_an_escaped_name_is_a_word_in_both_configurations() -> None:
    keys = {"own": {"hosts": ["app1"], "grants": [{"zone": ZONE_OF_FLEET, "name": r"My\032\"P\"\.\;\\x", "types": ["TXT"]}]}}
    part = host_plans(dns_zones=zone(), dns_keys=keys)["ns1"]
    config = read_config({option: part[option] for option in ("listen", "keys", "update_key", "zones", "catalogs")})
    word = rf'"my\032\034p\034\046\059\092x.{ZONE_OF_FLEET}."'
    assert f'grant "own" name {word} TXT;' in bind.render_zones(config)
    assert f"update-owner-name: [{word}]" in knot.render_main(config)
