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

from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns import bind
from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.keyfile import (
    BadKeyFile,
    TsigKey,
    parse,
    render,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.server import (
    STAMP_FILE,
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
from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.serving import (
    BadConfig,
    ServerConfig,
    read_config,
    render_zone,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._io.clock import FakeClock
from ansible_collections.smallfleet.infra.plugins.module_utils._io.command import FakeRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._io.bind_server import BindDaemon
from ansible_collections.smallfleet.infra.plugins.module_utils._io.dns_server import ServerFailure, ServerHost
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import FakeFiles

GOLDEN = Path(__file__).parent / "golden"
KEY_FILE = "/etc/smallfleet/dns/demo-update.key"
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0="
KEY = TsigKey("demo-update", "hmac-sha256", SECRET)
ZONE_FILE = "/var/lib/bind/demo.example.net.zone"
BIND = bind.Bind()
BORN = 1790000000
MAIN = f'include "{bind.OPTIONS_FILE}";\ninclude "{bind.ZONES_FILE}";\n'


def zone(name: str = "demo.example.net", **more: Any) -> Dict[str, Any]:
    server = f"ns1.{name}."
    soa = {"mname": server, "rname": f"hostmaster.{name}.", "refresh": 3600, "retry": 600, "expire": 1209600}
    return {
        "name": name,
        "ttl": 300,
        "nameservers": [server],
        "soa": {**soa, "minimum": 300},
        "record_sets": [
            {"record": "@", "type": "TXT", "ttl": 60, "value": ['say "hi"', "k" * 300]},
            {"record": "ns1", "type": "A", "ttl": 300, "value": ["192.0.2.2"]},
            {"record": "ns1", "type": "AAAA", "ttl": 300, "value": ["2001:db8::2"]},
            {"record": "www2", "type": "CNAME", "ttl": 5, "value": ["ns1.demo.example.net."]},
        ],
        **more,
    }


def options(*zones: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    key = {"name": "demo-update", "algorithm": "hmac-sha256", "file": KEY_FILE}
    return {"listen": ["192.0.2.2", "2001:db8::2"], "update_key": key, "zones": list(zones) or [zone()], **more}


def config(*zones: Dict[str, Any], **more: Any) -> ServerConfig:
    return read_config(options(*zones, **more))


def keyed(wanted: ServerConfig, secret: str = SECRET) -> ServerConfig:
    """As the host sees it when its key store has every key."""
    keys = [replace(key, generations=(TsigKey(key.name, key.algorithm, secret),)) for key in wanted.keys]
    return replace(wanted, keys=tuple(keys))


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
        ({"update_key": {"name": 'x"; }; zone "y', "algorithm": "hmac-sha256", "file": KEY_FILE}}, "x\"; }; zone"),
        ({"listen": ["192.0.2.2; }"]}, "192.0.2.2; }"),
        ({"zones": [zone(record_sets=[{"record": "a", "type": "A", "ttl": 1, "value": ["x\ny"]}])]}, "demo.example.net"),
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
    assert (
        parse("# old\n/* key */ key demo-update. {algorithm hmac-sha256;secret ab/cd==;}; // end").secret == "ab/cd=="
    )
    assert SECRET not in repr(key)


@pytest.mark.parametrize(
    "text", ["", "key x {};", render(TsigKey("a", "b", "cc")) * 2, "-----BEGIN KEY-----\n" + SECRET]
)
def test_a_file_that_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadKeyFile) as caught:
        parse(text)
    assert SECRET not in str(caught.value)


def soa(name: str = "demo.example.net", ttl: int = 300, minimum: int = 300, serial: int = BORN) -> RRset:
    value = f"ns1.{name}. hostmaster.{name}. {serial} 3600 600 1209600 {minimum}"
    return RRset(f"{name}.", "SOA", ttl, frozenset([value]))


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
        troubles = tuple(Trouble(path, "out of sync", path, ("add x",)) for path, good in self.journals.items() if not good)
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
        made.soas = {"demo.example.net": soa(minimum=draw(st.sampled_from([300, 60])), ttl=draw(st.sampled_from([300, 5])))}
    made.active = draw(st.booleans())
    # The stamp is there only when the running server was told what the files say: that is what the planner keeps up.
    if draw(st.booleans()) and made.config == BIND.files(config()) and made.secrets and made.zone_files:
        made.stamp = digest(BIND, config())
    made.told = made.holds()
    return made


@settings(max_examples=300, deadline=None)
@given(machine=machines(), stops=st.lists(st.integers(0, 8), max_size=3), consent=st.booleans())
def test_however_often_it_is_interrupted_the_server_ends_up_told_of_everything(
    machine: Machine, stops: List[int], consent: bool
) -> None:
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
    assert "dns_server_discard_journals" in said
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
    assert [step.action for step in plan_server(BIND, wanted, open_file)][:3] == ["unstamp", "create_zone", "write_keys"]


def test_a_server_that_only_stopped_is_only_started() -> None:
    wanted = keyed(config())
    files = (bind.zone_file("demo.example.net"),)
    stopped = ServerState(True, False, True, good_secrets(), BIND.files(wanted), files, digest(BIND, wanted))
    assert [step.action for step in plan_server(BIND, wanted, stopped)] == ["start"]


def test_a_blank_host_would_get_everything_and_the_diff_has_no_secret() -> None:
    steps = plan_server(BIND, config(), ServerState(installed=False, serial=BORN))
    actions = [step.action for step in steps]
    assert actions == ["create_zone", "write_keys", "configure", "configure", "enable", "start", "stamp"]
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
    good = ServerState(
        True, True, True, good_secrets(), BIND.files(wanted), files, digest(BIND, wanted), soas={"demo.example.net": soa()}
    )
    assert can_take_updates(BIND, wanted, good)
    assert not can_take_updates(BIND, wanted, replace(good, silence="it does not know the key"))
    assert not can_take_updates(BIND, wanted, replace(good, soas={}))
    assert not can_take_updates(BIND, config(), good), "it holds no key to send updates with"


def test_a_zone_that_is_born_again_has_a_higher_serial_than_before() -> None:
    first, second = (plan_server(BIND, config(), ServerState(True, serial=BORN + age))[0] for age in (0, 60))
    assert f" {BORN} " in first.after and f" {BORN + 60} " in second.after


class FakeOwners:
    """Remembers who was given what."""

    def __init__(self) -> None:
        self.given: Dict[str, Any] = {}

    def state(self, path: str, content: str) -> FileState:
        owner, group, mode = self.given.get(path, ("root", "root", 0o600))
        return FileState(content, mode, owner, group)

    def give(self, path: str, owner: str, group: str, mode: int) -> None:
        self.given[path] = (owner, group, mode)


class Accepting(FakeRunner):
    """Every command succeeds, but those that ``refuse``."""

    refuse: str = ""

    def run(self, argv: Any, *, stdin: Optional[str] = None, check: bool = True) -> Any:
        refused = bool(self.refuse) and self.refuse in argv
        said = "ActiveState=active\nUnitFileState=enabled\n" if argv[:2] == ["systemctl", "show"] else "said so"
        self.answer(argv, rc=int(refused), stdout=said)
        return super().run(argv, stdin=stdin, check=check)


@dataclass
class FakeAsker:
    """Answers with the zones' SOA records, unless another program does, and counts who came between."""

    silence: str = ""
    ttl: int = 300
    rivals: int = 0
    serial: int = BORN
    replaced: List[str] = field(default_factory=list)

    def ask(self, wanted: ServerConfig) -> Any:
        found = {one.name: soa(one.name, self.ttl, serial=self.serial) for one in wanted.primaries}
        return ({}, self.silence) if self.silence else (found, "")

    def replace(self, wanted: ServerConfig, seen: RRset, after: RRset) -> bool:
        if self.rivals:
            self.rivals, self.serial = self.rivals - 1, self.serial + 1
            return False
        self.replaced.append(f"{seen} -> {after}")
        self.ttl = after.ttl
        return True


def bind_host(refuse: str = "", journal: bool = False) -> ServerHost:
    runner = Accepting()
    runner.refuse = refuse
    store = FakeFiles({bind.MAIN_FILE: (MAIN, 0o644), KEY_FILE: (render(KEY), 0o600)})
    if journal:
        store.write(ZONE_FILE, "", 0o644)
        store.write(f"{ZONE_FILE}.jnl", "", 0o644)
    daemon = BindDaemon(runner, store, lambda name: name, lambda path: path in store.files)
    owners, clock = FakeOwners(), FakeClock()

    def rename(path: str, other: str) -> None:
        store.files[other] = store.files.pop(path)

    def find(pattern: str) -> List[str]:
        return [path for path in store.files if path.startswith(pattern[:-1])]

    asker = FakeAsker()
    exists = store.files.__contains__
    return ServerHost(BIND, daemon, runner, store, owners, clock, asker, exists, lambda: BORN, rename, find)


def apply(host: ServerHost, wanted: ServerConfig) -> List[str]:
    complete = host.complete(wanted)
    steps = plan_server(BIND, complete, host.observe(complete))
    host.apply(complete, steps)
    return [step.action for step in steps]


def test_applying_the_plan_leaves_nothing_to_plan() -> None:
    host, wanted = bind_host(), config()
    apply(host, wanted)
    complete = host.complete(wanted)
    assert plan_server(BIND, complete, host.observe(complete)) == []
    assert host.owners.given[bind.KEYS_FILE] == ("root", "bind", 0o640)  # type: ignore[attr-defined]
    assert parse(host.store.read(bind.KEYS_FILE) or "") == KEY


def test_a_key_that_is_missing_is_named_with_the_role_that_makes_it() -> None:
    host = bind_host()
    host.store.remove(KEY_FILE)
    with pytest.raises(ServerFailure, match=f"{KEY_FILE}. Run the role dns_keys first"):
        apply(host, config())
    assert list(host.store.files) == [bind.MAIN_FILE]  # type: ignore[attr-defined]


def test_every_generation_in_the_key_store_is_known_to_the_server_and_may_do_the_same() -> None:
    host, wanted = bind_host(), config()
    later = TsigKey("demo-update-2", "hmac-sha512", SECRET * 2)
    host.store.write(KEY_FILE.replace(".key", ".next.key"), render(later), 0o600)
    apply(host, wanted)
    known = host.store.read(bind.KEYS_FILE) or ""
    assert render(KEY) in known and render(later) in known
    local = host.store.read(bind.ZONES_FILE) or ""
    assert 'grant "demo-update" zonesub ANY;' in local and 'grant "demo-update-2" zonesub ANY;' in local


def test_the_secret_is_in_no_argument_vector() -> None:
    host = bind_host()
    apply(host, config())
    assert not any(SECRET in word for argv in host.runner.calls for word in argv)  # type: ignore[attr-defined]


def test_another_program_on_the_port_is_an_error_and_not_a_success() -> None:
    host = bind_host()
    host.asker.silence = "192.0.2.2 does not know the key demo-update."  # type: ignore[attr-defined]
    with pytest.raises(ServerFailure, match="not what answers at its address: 192.0.2.2 does not know the key"):
        apply(host, config())


def test_an_soa_is_changed_against_rivals_and_nobodys_change_is_undone() -> None:
    host = bind_host()
    apply(host, config())
    host.asker.ttl, host.asker.rivals = 60, 3  # type: ignore[attr-defined]
    assert apply(host, config()) == ["set_soa"]
    assert len(host.asker.replaced) == 1 and f" {BORN + 3} " in host.asker.replaced[0]  # type: ignore[attr-defined]
    host.asker.ttl, host.asker.rivals = 60, 99  # type: ignore[attr-defined]
    with pytest.raises(ServerFailure, match="others change the zone all the time"):
        apply(host, config())


PRINTED = f"""del demo.example.net. 300 IN SOA ns1.demo.example.net. h. {BORN + 6} 3600 600 1209600 300
add demo.example.net. 300 IN SOA ns1.demo.example.net. h. {BORN + 7} 3600 600 1209600 300
add x.demo.example.net. 60 IN A 192.0.2.9
"""


class Unloaded(Accepting):
    """named has not loaded a zone because its journal does not fit, until that is gone."""

    store: FakeFiles

    def run(self, argv: Any, *, stdin: Optional[str] = None, check: bool = True) -> Any:
        bad = f"{ZONE_FILE}.jnl" in self.store.files
        if bad and (argv[:2] == ["rndc", "zonestatus"] or "-j" in argv):
            self.answer(argv, 1, "zone not loaded")
            return FakeRunner.run(self, argv, stdin=stdin, check=check)
        if argv[0] == "named-journalprint":
            self.answer(argv, 0, PRINTED)
            return FakeRunner.run(self, argv, stdin=stdin, check=check)
        return super().run(argv, stdin=stdin, check=check)


def test_a_journal_is_set_aside_with_consent_only_and_kept() -> None:
    host = bind_host(journal=True)
    runner = Unloaded()
    runner.store = host.store  # type: ignore[assignment]
    host.runner = host.daemon.runner = runner  # type: ignore[attr-defined]
    state = host.observe(host.complete(config()))
    assert state.troubles[0].lost[-1] == "add x.demo.example.net. 60 IN A 192.0.2.9"
    assert obstacles(config(), state)
    assert "set_aside" in apply(host, config(discard_journals=True))
    assert host.store.read(f"{ZONE_FILE}.jnl.set-aside-{BORN + 7}-{BORN}") == ""
    assert host.observe(host.complete(config())).troubles == ()
    # The secondaries have the serial that is no more, and would take nothing older.
    assert f" {BORN + 8} " in host.asker.replaced[0].split("->")[1]  # type: ignore[attr-defined]
    assert host.observe(host.complete(config())).floors == {"demo.example.net": BORN + 7}


def test_a_zone_whose_journal_was_set_aside_gets_past_the_serial_that_its_secondaries_have() -> None:
    wanted = keyed(config())
    for serial, said in ((BORN, BORN + 8), (BORN + 7, BORN + 8), (BORN + 8, None), (BORN - 1, BORN + 8)):
        state = ServerState(True, True, True, floors={"demo.example.net": BORN + 7}, soas={"demo.example.net": soa(serial=serial)})
        steps = [step for step in plan_server(BIND, wanted, state) if step.action == "set_soa"]
        assert [f" {said} " in step.after for step in steps] == ([] if said is None else [True])


def test_a_configuration_that_is_refused_leaves_the_good_one() -> None:
    host, wanted = bind_host("named-checkconf"), config()
    host.store.write(bind.OPTIONS_FILE, "good", 0o644)
    with pytest.raises(ServerFailure, match="the old one stays in place: said so"):
        apply(host, wanted)
    assert host.store.read(bind.OPTIONS_FILE) == "good"
    assert host.store.read(STAMP_FILE) is None


def test_a_zone_that_would_not_load_is_not_created() -> None:
    host, wanted = bind_host("named-checkzone"), config()
    with pytest.raises(ServerFailure, match="was not created"):
        apply(host, wanted)
    assert [path for path in host.store.files if path.startswith("/var/lib/bind")] == []  # type: ignore[attr-defined]


def test_a_main_file_without_our_includes_is_an_error_and_not_a_silent_nothing() -> None:
    host, wanted = bind_host(), config()
    host.store.write(bind.MAIN_FILE, f'include "{bind.OPTIONS_FILE}";\n// include "{bind.ZONES_FILE}";\n', 0o644)
    with pytest.raises(ServerFailure, match="does not include /etc/bind/named.conf.local"):
        apply(host, wanted)


def test_a_server_that_does_not_take_its_configuration_is_told_again_next_time() -> None:
    host, wanted = bind_host("rndc"), config()
    with pytest.raises(ServerFailure, match="did not take its configuration"):
        apply(host, wanted)
    host.runner.refuse = ""  # type: ignore[attr-defined]
    complete = host.complete(wanted)
    again = plan_server(BIND, complete, host.observe(complete))
    assert [step.action for step in again] == ["reload", "stamp"]
