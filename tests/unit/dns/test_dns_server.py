# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS server's configuration: what is written, in which order, and that nobody's zone is overwritten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import BIND, BORN, KEY_FILE, SECRET, config, keyed, soa, zone
from timing import AT_ONCE, Effort

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import BadKeyFile, TsigKey, parse, render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import BadConfig, ServerConfig, render_zone
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import (
    FileState,
    ServerState,
    Trouble,
    can_take_updates,
    diff_texts,
    digest,
    obstacles,
    plan_server,
    soa_after,
)

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("named.conf.options", bind.render_options(config())),
        ("named.conf.local", bind.render_zones(config(zone(), zone("a.example.net")))),
        ("demo.example.net.zone", render_zone(config().zones[0], 1)),
    ],
)
def test_what_is_written_is_what_was_reviewed(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_a_zone_of_a_part_of_a_network_gets_a_file_name_without_a_slash() -> None:
    assert bind.zone_file("0/25.2.0.192.in-addr.arpa") == "/var/lib/bind/0-25.2.0.192.in-addr.arpa.zone"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"update_key": {"name": 'x"; }; zone "y', "algorithm": "hmac-sha256", "file": KEY_FILE}}, 'x"; }; zone'),
        ({"listen": ["192.0.2.2; }"]}, "192.0.2.2; }"),
        ({"zones": [zone(record_sets=[{"record": "a", "type": "A", "ttl": 1, "value": ["x\ny"]}])]}, "demo"),
        ({"zones": [zone('x" {')]}, "characters that a name cannot have"),
        ({"zones": [{"name": "demo.example.net"}]}, "lacks ttl"),
        ({"zones": ["demo.example.net"]}, "is not as the fleet plan has it"),
        ({"zones": [zone(grants=[{"key": "k", "match": "name", "name": "a.", "types": ["A"]}])]}, "'k' is not among"),
    ],
)
def test_options_that_make_no_safe_configuration_are_refused(wrong: Dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig) as caught:
        config(**wrong)
    assert said in str(caught.value)


def test_a_key_file_is_read_as_it_was_written() -> None:
    key = TsigKey("demo-update", "hmac-sha256", SECRET)
    assert parse(render(key)) == key
    assert parse("# old\n/* key */ key demo-update. {algorithm hmac-sha256;secret ab/cd==;}; // end").secret == "ab/cd=="
    assert SECRET not in repr(key)
    assert parse("\ufeff" + render(key).replace("\n", "\r\n")) == key, "as an editor of Windows writes it"
    assert parse('key a { algorithm hmac-sha512; secret ab//cd==; };\ninclude "x"; view v { key b { secret x; }; };').secret == "ab//cd=="


@pytest.mark.parametrize(
    "text",
    [
        *("", "key x {};", render(TsigKey("a", "b", "cc")) * 2, "-----BEGIN KEY-----\n" + SECRET),
        f"key x {{ algorithm a; secret {SECRET}; secret {SECRET}; }};",
        f'key "x\x1b" {{ algorithm a; secret {SECRET}; }};',
        f"key x {{ algorithm a; secret {SECRET}; }};" + " " * 70_000,
        *("/*" * 30_000, "key a{" * 10_000, "key " * 15_000, '"' * 60_000, "key a" + " " * 60_000),
    ],
)
def test_a_file_that_is_no_key_is_refused_at_once_without_being_quoted(effort: Effort, text: str) -> None:
    def refused() -> None:
        with pytest.raises(BadKeyFile) as caught:
            parse(text)
        assert SECRET not in str(caught.value)

    assert effort(refused) < AT_ONCE


@dataclass
class Machine:
    """A host with BIND as the planner sees it, and what the running server was told."""

    secrets: Optional[FileState] = None
    config: Dict[str, str] = field(default_factory=dict)
    zone_files: List[str] = field(default_factory=list)
    journals: Dict[str, bool] = field(default_factory=dict)
    aside: List[str] = field(default_factory=list)
    soas: Dict[str, RRset] = field(default_factory=dict)
    stamp: str = ""
    active: bool = False
    enabled: bool = False
    told: Any = None

    def state(self) -> ServerState:
        bad = [path for path, good in self.journals.items() if not good]
        troubles = tuple(Trouble(path, "out of sync", path, ("add x",)) for path in bad)
        return ServerState(
            True,
            self.active,
            self.enabled,
            self.secrets,
            dict(self.config),
            tuple(self.zone_files),
            self.stamp,
            troubles=troubles,
            soas=dict(self.soas) if self.active else {},
            silence="" if self.active else "it does not run",
        )

    def holds(self) -> Any:
        return (self.secrets, sorted(self.config.items()), sorted(self.zone_files), sorted(self.journals))

    def do(self, wanted: ServerConfig, step: Any) -> None:
        if step.action == "write_keys":
            self.secrets = FileState(BIND.secrets(wanted)[1], 0o640, "root", "bind")
        elif step.action == "create_zone":
            assert step.subject not in self.zone_files, "a zone file that exists was written"
            self.zone_files.append(step.subject)
        elif step.action == "configure":
            self.config[step.subject] = step.after
        elif step.action == "set_aside":
            assert wanted.discard_journals and not self.journals.pop(step.subject)
            self.aside.append(step.subject)
        elif step.action == "enable":
            self.enabled = True
        elif step.action in ("start", "reload"):
            assert (step.action == "start") != self.active
            self.active, self.told = True, self.holds()
            for one in wanted.primaries:
                if bind.zone_file(one.name) in self.zone_files:
                    self.soas.setdefault(one.name, soa(one.name))
        elif step.action == "set_soa":
            assert self.active
            self.soas[step.subject] = soa_after(wanted.primaries[0], self.soas[step.subject])
        else:
            self.stamp = digest(BIND, wanted) if step.action == "stamp" else ""


def good_secrets(**more: Any) -> FileState:
    return replace(FileState(BIND.secrets(keyed(config()))[1], 0o640, "root", "bind"), **more)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    held = [None, good_secrets(), good_secrets(mode=0o644), good_secrets(content="torn")]
    made = Machine(secrets=draw(st.sampled_from(held)), enabled=draw(st.booleans()))
    made.zone_files = list(draw(st.sets(st.sampled_from([bind.zone_file("demo.example.net"), "/var/lib/bind/other"]))))
    made.config = dict(draw(st.sampled_from([{}, BIND.files(config()), {bind.OPTIONS_FILE: "options {};"}])))
    made.journals = draw(st.dictionaries(st.sampled_from(["/a.jnl", "/b.jnl"]), st.booleans()))
    if bind.zone_file("demo.example.net") in made.zone_files:
        ttl, minimum = draw(st.sampled_from([300, 5])), draw(st.sampled_from([300, 60]))
        made.soas = {"demo.example.net": soa(ttl=ttl, minimum=minimum)}
    made.active = draw(st.booleans())
    # The stamp is there only when the running server was told what the files say: that is what the planner keeps up.
    if draw(st.booleans()) and made.config == BIND.files(config()) and made.secrets and made.zone_files:
        made.stamp = digest(BIND, config())
    made.told = made.holds()
    return made


@settings(max_examples=300, deadline=None)
@given(machine=machines(), stops=st.lists(st.integers(0, 8), max_size=3), consent=st.booleans())
def test_however_often_it_is_interrupted_the_server_ends_up_told_of_everything(machine: Machine, stops: List[int], consent: bool) -> None:
    wanted = keyed(config(zone(), zone("example.com"), discard_journals=consent))
    before = dict(machine.journals)
    for stop in stops:
        for step in plan_server(BIND, wanted, machine.state())[:stop]:
            machine.do(wanted, step)
    for _run in ("", "a server that was not running shows its SOA records to the next run only"):
        for step in plan_server(BIND, wanted, machine.state()):
            machine.do(wanted, step)
    assert machine.active and machine.enabled
    assert machine.told == machine.holds()
    assert machine.config == BIND.files(wanted)
    assert {**machine.journals, **dict.fromkeys(machine.aside, False)} == before, "a journal was lost"
    assert consent or not machine.aside
    assert plan_server(BIND, wanted, machine.state()) == []
    assert can_take_updates(BIND, wanted, machine.state())
    assert not obstacles(wanted, machine.state()) or not consent
    assert [one.ttl for one in machine.soas.values()] == [300, 300]


def test_a_journal_that_does_not_fit_stops_the_run_and_its_changes_are_named() -> None:
    lost = tuple(f"add r{number}.demo.example.net. 60 A 192.0.2.1" for number in range(30))
    trouble = Trouble("demo.example.net", "journal out of sync with zone", "/z.jnl", lost)
    state = ServerState(True, True, True, troubles=(trouble,))
    (said,) = obstacles(config(), state)
    assert "add r29.demo.example.net" in said and "and 10 before these" in said and "add r9." not in said
    assert "dns_server_discard_journals" in said and "(serial unknown; the journal leads from unknown to unknown)" in said
    consenting = config(discard_journals=True)
    assert obstacles(consenting, state) == []
    assert [step.action for step in plan_server(BIND, keyed(consenting), state)][0] == "set_aside"
    assert obstacles(consenting, replace(state, troubles=(Trouble("demo.example.net", "no TTL"),)))


def test_an_soa_that_is_not_as_asked_is_changed_with_the_next_serial() -> None:
    wanted = keyed(config(zone(ttl=60, soa={**zone()["soa"], "minimum": 60})))
    state = ServerState(True, True, True, soas={"demo.example.net": soa(serial=2**32 - 1)})
    step = next(step for step in plan_server(BIND, wanted, state) if step.action == "set_soa")
    assert step.after.startswith("demo.example.net. 60 SOA ns1.demo.example.net. hostmaster.demo.example.net. 1 3600")
    assert step.after.endswith(" 60\n")


def test_only_the_rights_of_the_file_with_the_keys_are_mended() -> None:
    wanted = keyed(config())
    open_file = ServerState(True, True, True, good_secrets(mode=0o644, group="root"), BIND.files(wanted), stamp="x")
    actions = [step.action for step in plan_server(BIND, wanted, open_file)]
    assert actions[:3] == ["unstamp", "create_zone", "write_keys"]


def test_a_server_that_only_stopped_is_only_started() -> None:
    wanted = keyed(config())
    files = (bind.zone_file("demo.example.net"),)
    stopped = ServerState(True, False, True, good_secrets(), BIND.files(wanted), files, digest(BIND, wanted))
    assert [step.action for step in plan_server(BIND, wanted, stopped)] == ["start"]


def test_a_blank_host_would_get_everything_and_the_diff_has_no_secret() -> None:
    steps = plan_server(BIND, config(), ServerState(installed=False, serial=BORN))
    actions = [step.action for step in steps]
    assert actions == ["create_zone", "write_keys", "configure", "configure", "configure", "enable", "start", "stamp"]
    texts = diff_texts(steps)
    assert texts["before"] == ""
    assert "ns1 300 A 192.0.2.2" in texts["after"]
    assert 'key "demo-update" algorithm hmac-sha256' in texts["after"]
    assert not can_take_updates(BIND, config(), ServerState(installed=False))
    secret = diff_texts(plan_server(BIND, keyed(config()), ServerState(installed=False)))
    assert SECRET not in str(secret)


def test_a_server_that_another_program_answers_for_can_take_no_updates() -> None:
    wanted = keyed(config())
    files = (bind.zone_file("demo.example.net"),)
    told = digest(BIND, wanted)
    soas = {"demo.example.net": soa()}
    good = ServerState(True, True, True, good_secrets(), BIND.files(wanted), files, told, soas=soas)
    assert can_take_updates(BIND, wanted, good)
    assert not can_take_updates(BIND, wanted, replace(good, silence="it does not know the key"))
    assert not can_take_updates(BIND, wanted, replace(good, soas={}))
    assert not can_take_updates(BIND, config(), good), "it holds no key to send updates with"


def test_a_zone_that_is_born_again_has_a_higher_serial_than_before() -> None:
    first, second = (plan_server(BIND, config(), ServerState(True, serial=BORN + age))[0] for age in (0, 60))
    assert f" {BORN} " in first.after and f" {BORN + 60} " in second.after


def test_a_zone_whose_journal_was_set_aside_gets_past_the_serial_that_its_secondaries_have() -> None:
    wanted = keyed(config())
    for serial, said in ((BORN, BORN + 8), (BORN + 7, BORN + 8), (BORN + 8, None), (BORN - 1, BORN + 8)):
        floors, soas = {"demo.example.net": BORN + 7}, {"demo.example.net": soa(serial=serial)}
        state = ServerState(True, True, True, floors=floors, soas=soas)
        steps = [step for step in plan_server(BIND, wanted, state) if step.action == "set_soa"]
        assert [f" {said} " in step.after for step in steps] == ([] if said is None else [True])
