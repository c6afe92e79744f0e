# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Knot as a provider: what is written, who may change what by it, and how a zone comes to life."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import pytest
from fakes import FakeFiles
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import (
    PRIMARY,
    SECONDARY,
    Catalog,
    Grant,
    KnownKey,
    Peer,
    ServedZone,
    ServerConfig,
    Transfer,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.knot_host import KnotDaemon
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.program_host import ServerFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.providers_host import PROVIDERS
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.external_secondaries import External
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.signing_policy import SigningPolicy
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult

GOLDEN = Path(__file__).parent / "golden"
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
NS2 = Peer("ns2", ("192.0.2.3", "2001:db8::3"))
NS3 = Peer("ns3", ("192.0.2.4",))
STRANGER = External(("198.51.100.5",), ("198.51.100.5",))
KEYS = ("demo-update", "demo-transfer-ns1", "demo-transfer-ns2", "app1-own", "acme-app1", "dyn")


def key(name: str, *generations: str) -> KnownKey:
    known = tuple(TsigKey(one, "hmac-sha256", SECRET) for one in generations or (name,))
    return KnownKey(name, "hmac-sha256", f"/etc/smallfleet/dns/{name}.key", known)


def primary(name: str = "demo.example.net", **more: Any) -> ServedZone:
    return ServedZone(name, PRIMARY, **more)


def config(*zones: ServedZone, **more: Any) -> ServerConfig:
    given_ = {"listen": ("192.0.2.2", "2001:db8::2"), "keys": tuple(key(name) for name in KEYS), "update_key": KEYS[0]}
    return ServerConfig(**{**given_, "zones": zones, **more})


def whole() -> ServerConfig:
    """A primary that signs and gives away, a secondary, and the consumer of a catalog, with a key between two names."""
    grants = (
        Grant("app1-own", "name", "app1.demo.example.net.", ("A", "AAAA", "SSHFP")),
        Grant("acme-app1", "name", "_acme-challenge.demo.example.net.", ("TXT",)),
        Grant("acme-app1", "name", "_acme-challenge.www.demo.example.net.", ("TXT",)),
        Grant("dyn", "subdomain", "dyn.demo.example.net.", ("ANY",)),
    )
    transfer = Transfer("demo-transfer-ns1", (NS2, NS3), (STRANGER,))
    taken = Transfer("demo-transfer-ns2", (NS2,))
    catalog = "catalog.ns2.demo.example.net"
    keys = (*(key(name) for name in KEYS if name != "app1-own"), key("app1-own", "app1-own-2", "app1-own-3"))
    return config(
        primary(dnssec=True, transfer=transfer, grants=grants),
        primary("0/25.2.0.192.in-addr.arpa"),
        ServedZone("other.example.net", SECONDARY, transfer=taken),
        ServedZone(catalog, SECONDARY, transfer=taken),
        keys=keys,
        catalogs=(Catalog(catalog, "consume", "demo-transfer-ns2", (NS2,), ("member.example.net",)),),
    )


@pytest.mark.parametrize(("name", "text"), [("knot.conf", knot.render_main(whole())), ("smallfleet.keys", knot.render_keys(whole()))])
def test_what_is_written_is_what_was_reviewed(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_no_secret_is_in_the_file_that_everybody_may_read() -> None:
    provider = PROVIDERS["knot"].provider
    assert list(provider.files(whole())) == [knot.MAIN_FILE, knot.UNIT_FILE]
    assert not any(SECRET in text for text in provider.files(whole()).values())
    assert provider.secrets(whole())[1].count(SECRET) == len(KEYS) + 1


def test_a_secondary_looks_at_its_primary_as_soon_as_it_has_started() -> None:
    assert "\nExecStartPost=-/usr/sbin/knotc zone-refresh\n" in knot.Knot().files(whole())[knot.UNIT_FILE]


def test_signatures_live_longer_than_the_longest_ttl_and_a_zone_of_short_ones_keeps_its_policy() -> None:
    weeks = primary("long.example.net", dnssec=True, soa={"ttl": 300}, record_sets=({"ttl": 14 * 86400},))
    days = primary("days.example.net", dnssec=True, soa={"ttl": 6 * 86400 + 1}, signing=SigningPolicy(denial="nsec3"))
    policies = "".join(knot._policies({knot._policy_name(one): (one.signing, knot._refresh(one)) for one in (weeks, days, primary())}))
    for name, lifetime, refresh in (("smallfleet-15d", 22, 15), ("smallfleet-nsec3-8d", 15, 8), ("smallfleet", 14, 7)):
        (policy,) = re.findall(rf"- id: {name}  .*?rrsig-lifetime: (\d+)d    rrsig-refresh: (\d+)d", policies)
        assert policy == (str(lifetime), str(refresh))


@pytest.mark.parametrize(("ttl", "signed", "refused"), [(31536000, True, False), (31536001, True, True), (31536001, False, False)])
def test_a_signed_zone_with_a_ttl_of_years_is_refused(ttl: int, signed: bool, refused: bool) -> None:
    wrong = knot.Knot().problems(config(primary(ttl=ttl, dnssec=signed)))
    assert [f"has a TTL of {ttl} seconds" in one for one in wrong] == [True] * refused


def test_a_server_without_zones_or_keys_has_no_empty_section() -> None:
    text = knot.render_main(config(keys=(), update_key=""))
    assert not re.search(r"^\w+:\n(\n|\Z)", text, re.MULTILINE)
    assert knot.render_keys(config(keys=(), update_key="")).count("\n") == 1


@dataclass
class Rule:
    """One rule of the section ``acl`` as Knot reads it."""

    keys: Sequence[str] = ()
    actions: Sequence[str] = ()
    types: Sequence[str] = ()
    match: str = ""
    names: Sequence[str] = ()
    addresses: Sequence[str] = ()


def rules(text: str, zone: str) -> List[Rule]:
    """The rules that hold for a zone, read from a rendered configuration."""
    known: Dict[str, Dict[str, Any]] = {}
    section, current = "", {}
    for line in text.splitlines():
        if re.match(r"\w", line):
            section = line.rstrip(":")
        elif section in ("acl", "zone") and line.strip():
            name, value = line.replace("- ", "  ").strip().split(": ", 1)
            read = re.findall(r'"([^"]*)"', value) or [value]
            if name in ("id", "domain"):
                current = known.setdefault(f"{section} {read[0]}", {})
            else:
                current[name] = read
    fields = {"keys": "key", "actions": "action", "types": "update-type", "names": "update-owner-name"}
    found = []
    for one in known[f"zone {zone}"].get("acl", []):
        held = known[f"acl {one}"]
        rule = Rule(**{name: held.get(item, []) for name, item in {**fields, "addresses": "address"}.items()})
        rule.match = held.get("update-owner-match", [""])[0]
        found.append(rule)
    return found


def allowed(found: List[Rule], by: str, records: Set[Tuple[str, str]]) -> bool:
    """As acl_allowed() of Knot decides: one rule has to allow every record of a message."""

    def fits(rule: Rule, name: str, kind: str) -> bool:
        below = any(name.endswith(f".{one}") for one in rule.names) and rule.match == "sub-or-equal"
        return (not rule.types or kind in rule.types) and (not rule.names or name in rule.names or below)

    return any("update" in rule.actions and by in rule.keys and all(fits(rule, name, kind) for name, kind in records) for rule in found)


LABELS = st.sampled_from(["a", "b", "a.b", "x.a", "xa", "_acme-challenge"])
TYPES = st.lists(st.sampled_from(["A", "AAAA", "TXT"]), min_size=1, unique=True) | st.just(["ANY"])


@st.composite
def grants(draw: Any) -> Grant:
    by, match = draw(st.sampled_from(["k1", "k2"])), draw(st.sampled_from(["name", "subdomain"]))
    return Grant(by, match, f"{draw(LABELS)}.demo.example.net.", tuple(draw(TYPES)))


def granted(grant: Grant, by: str, name: str, kind: str) -> bool:
    reached = name == grant.name or (grant.match == "subdomain" and name.endswith(f".{grant.name}"))
    return by == grant.key and reached and (grant.types == ("ANY",) or kind in grant.types)


@given(st.lists(grants(), max_size=5))
def test_a_key_may_change_exactly_what_it_was_granted(wanted: List[Grant]) -> None:
    asked = config(primary(grants=tuple(wanted)), keys=(key("demo-update"), key("k1", "k1", "k1-2"), key("k2")))
    found = rules(knot.render_main(asked), "demo.example.net")
    for by, tsig in (("k1", "k1"), ("k1", "k1-2"), ("k2", "k2")):
        for label in ("a", "b", "a.b", "x.a", "y.x.a", "xa", "_acme-challenge", "other"):
            for kind in ("A", "TXT", "MX"):
                name = f"{label}.demo.example.net."
                one = allowed(found, tsig, {(name, kind)})
                assert one == any(granted(grant, by, name, kind) for grant in wanted), (by, name, kind)
    assert allowed(found, "demo-update", {("anything.demo.example.net.", "NS")})


@given(st.lists(grants(), max_size=5))
def test_no_rule_is_open_to_whoever_has_no_key(wanted: List[Grant]) -> None:
    served = primary(grants=tuple(wanted), transfer=Transfer("demo-transfer-ns1", (NS2,), (STRANGER,)))
    found = rules(knot.render_main(config(served, keys=(key("demo-update"),))), "demo.example.net")
    assert all(rule.keys or (rule.addresses and list(rule.actions) == ["transfer"]) for rule in found)


def test_names_of_one_key_can_be_changed_in_one_message() -> None:
    both = {("_acme-challenge.demo.example.net.", "TXT"), ("_acme-challenge.www.demo.example.net.", "TXT")}
    assert allowed(rules(knot.render_main(whole()), "demo.example.net"), "acme-app1", both)


@dataclass
class FakeKnot:
    """knotc and kjournalprint of a server that has these zones and reads a zone's file only when it is told to."""

    files: Set[str] = field(default_factory=set)
    loaded: Set[str] = field(default_factory=set)
    journals: Set[str] = field(default_factory=set)
    unsigned: Set[str] = field(default_factory=set)
    transaction: bool = False
    listen: str = "127.0.0.1@53 ::1@53 192.0.2.2@53 2001:db8::2@53"
    reading: Optional[str] = None
    calls: List[str] = field(default_factory=list)
    refuse: str = ""

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        told = " ".join(argv)
        self.calls.append(told)
        rc, out = self._answer(list(argv))
        if self.refuse and self.refuse in told:
            rc, out = 1, "error: item 'secret', value 'AAAA' (invalid)"
        return CommandResult(tuple(argv), rc, out, "")

    def _answer(self, argv: List[str]) -> Tuple[int, str]:
        if "kjournalprint" in argv:
            return (0, "".join(f"{name}.\n" for name in self.journals)) if self.journals else (1, "")
        command = argv[1:]
        if command[0] == "zone-read":
            return int(command[1] not in self.loaded or (command[3] == "DNSKEY" and command[1] in self.unsigned)), ""
        if command[0] == "conf-read":
            return 0, f"server.listen = {self.listen}\n"
        if command[0] == "conf-set":
            self.reading = command[1]
        elif command[0] == "--blocking" and self.reading == f"zone[{command[2]}].zonefile-load":
            self.loaded.add(command[2])
            self.journals.add(command[2])
        elif command[0] == "reload":
            if self.transaction:
                return 1, "error: (too many transactions)"
            self.reading = None
        elif command[0].startswith("conf-"):
            self.transaction = command[0] == "conf-begin"
        return 0, ""


def daemon(fake: FakeKnot) -> KnotDaemon:
    return KnotDaemon(fake, FakeFiles(), find=lambda name: f"/usr/sbin/{name}")


def test_a_new_zone_is_read_from_its_file_once() -> None:
    fake = FakeKnot()
    assert not daemon(fake).zone_ready(primary())
    assert daemon(fake).zone_ready(primary())
    assert fake.reading is None, "the server must not read the file again"
    assert sum("zone-reload" in call for call in fake.calls) == 1


def test_a_transaction_that_a_killed_run_has_left_open_does_not_stop_the_next_run() -> None:
    """As knotd 3.4 answers a reload then."""
    fake = FakeKnot(transaction=True)
    daemon(fake).reload(config(primary()))
    assert "knotc reload" in fake.calls and not fake.transaction


@pytest.mark.parametrize("refused", ["conf-set", "conf-commit", "zone-reload"])
def test_a_zone_that_is_not_read_leaves_no_setting_behind(refused: str) -> None:
    fake = FakeKnot(refuse=refused)
    with pytest.raises(ServerFailure):
        daemon(fake).zone_ready(primary())
    assert fake.reading is None and not fake.transaction


def test_a_zone_with_a_journal_is_never_taken_from_its_file() -> None:
    fake = FakeKnot(journals={"demo.example.net"})
    assert not daemon(fake).zone_ready(primary())
    assert not any("conf-set" in call for call in fake.calls)


def test_a_signed_zone_is_ready_when_it_has_its_key_and_the_key_is_on_the_disk() -> None:
    name = primary().name
    fake = FakeKnot(loaded={name}, journals={name}, unsigned={name})
    assert not daemon(fake).zone_ready(primary(dnssec=True))
    assert not any(call.startswith("sync") for call in fake.calls), "there is no key yet"
    fake.unsigned.clear()
    assert daemon(fake).zone_ready(primary(dnssec=True))
    assert fake.calls[-1] == "sync --file-system /var/lib/knot"


def test_a_secondary_zone_is_left_to_its_primary() -> None:
    fake = FakeKnot()
    assert daemon(fake).zone_ready(ServedZone("other.example.net", SECONDARY, transfer=Transfer("k", (NS2,))))
    assert fake.calls == ["knotc zone-status other.example.net"]


def test_the_server_is_started_again_only_to_listen_elsewhere() -> None:
    fake = FakeKnot()
    daemon(fake).reload(config(primary()))
    assert "knotc reload" in fake.calls and not any("restart" in call for call in fake.calls)
    fake.listen = "127.0.0.1@53"
    daemon(fake).reload(config(primary()))
    assert "systemctl restart knot.service" in fake.calls


def signed(names: int) -> str:
    """What knotc shows of a signed zone."""
    apex = "[demo.example.net.] demo.example.net. 300"
    lines = [f"{apex} {kind} 1 2 3" for kind in ("SOA", "NS", "RRSIG", "RRSIG", "NSEC", "DNSKEY", "CDS", "CDNSKEY")]
    hosts = [f"[demo.example.net.] h{number}.demo.example.net. 60" for number in range(names)]
    lines.extend(f"{host} {kind} 1 2" for host in hosts for kind in ("A", "RRSIG", "NSEC"))
    return "\n".join(lines)


def test_a_zone_that_is_signed_no_more_loses_its_signatures_and_nothing_else() -> None:
    (tsig,) = key("demo-update").generations
    scripts = list(knot.unsigning(primary(), signed(1000), tsig))
    told = [line.split()[2:] for script in scripts for line in script.splitlines() if line.startswith("update")]
    assert len(told) == 2005 and {kind for name, kind in told} == {"RRSIG", "NSEC", "DNSKEY", "CDS", "CDNSKEY"}
    assert {name for name, kind in told[-5:]} == {"demo.example.net."}, "a run that dies halfway starts again"
    assert all(script.endswith("send\n") and len(script) < 65536 for script in scripts)
    assert not list(knot.unsigning(primary(), "[demo.example.net.] demo.example.net. 300 SOA 1", tsig))


def test_signatures_are_taken_out_of_unsigned_zones_only_and_the_secret_is_in_no_argument() -> None:
    class Signed(FakeKnot):
        """Has signatures in every zone."""

        def _answer(self, argv: List[str]) -> Tuple[int, str]:
            return (0, signed(1)) if argv[1] == "zone-read" else super()._answer(argv)

    fake = Signed()
    daemon(fake).reload(config(primary(), primary("kept.example.net", dnssec=True)))
    assert [call for call in fake.calls if "zone-read" in call] == [
        "knotc zone-read demo.example.net @ RRSIG",
        "knotc zone-read demo.example.net",
    ]
    assert fake.calls[-1] == "knsupdate -v"


@pytest.mark.parametrize("refused", ["conf-begin", "conf-set", "conf-commit", "zone-reload", "knotc reload"])
def test_a_server_that_refuses_is_named_with_what_it_was_told(refused: str) -> None:
    with pytest.raises(ServerFailure, match=refused.rsplit(" ", maxsplit=1)[-1]):
        daemon(FakeKnot(refuse=refused)).zone_ready(primary())


def test_a_configuration_that_knotc_refuses_replaces_nothing_and_no_secret_is_repeated() -> None:
    fake = FakeKnot(refuse="conf-check")
    with pytest.raises(ServerFailure, match="the old one stays in place") as caught:
        daemon(fake).check({knot.MAIN_FILE: knot.render_main(whole()), knot.KEYS_FILE: knot.render_keys(whole())})
    assert "AAAA" not in str(caught.value)


def test_the_candidates_are_checked_together() -> None:
    store = FakeFiles()
    read: Dict[str, str] = {}

    class Looking(FakeKnot):
        """Reads the candidate as knotc does."""

        def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
            read["main"] = store.read(argv[2]) or ""
            return super().run(argv, stdin=stdin, check=check)

    KnotDaemon(Looking(), store).check({knot.MAIN_FILE: knot.render_main(whole()), knot.KEYS_FILE: "key:\n"})
    included = re.findall(r'include: "(.*)"', read["main"])
    assert len(included) == 1 and included[0] != knot.KEYS_FILE and store.read(included[0]) == "key:\n"
