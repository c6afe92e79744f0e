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
from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.server import (
    STAMP_FILE,
    FileState,
    ServerState,
    can_take_updates,
    diff_texts,
    digest,
    plan_server,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._io.clock import FakeClock
from ansible_collections.smallfleet.infra.plugins.module_utils._io.command import FakeRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._io.dns_server import BindHost, ServerFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import FakeFiles

GOLDEN = Path(__file__).parent / "golden"
KEY_FILE = "/etc/bind/smallfleet/demo-update.key"
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
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


def config(*zones: Dict[str, Any]) -> bind.ServerConfig:
    served = list(zones) or [zone()]
    return bind.ServerConfig(["192.0.2.2", "2001:db8::2"], "demo-update", "hmac-sha256", KEY_FILE, served)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("named.conf.options", bind.render_options(config())),
        ("named.conf.local", bind.render_zones(config(zone(), zone("a.example.net")))),
        ("demo.example.net.zone", bind.render_zone(zone())),
    ],
)
def test_what_is_written_is_what_was_reviewed(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_a_zone_of_a_part_of_a_network_gets_a_file_name_without_a_slash() -> None:
    assert bind.zone_file("0/25.2.0.192.in-addr.arpa") == "/var/lib/bind/0-25.2.0.192.in-addr.arpa.zone"


def test_text_that_would_break_out_of_a_configuration_is_refused() -> None:
    broken = replace(config(), key_name='x"; }; zone "y', listen=["192.0.2.2; }"])
    assert len(bind.problems(broken)) == 2
    assert bind.problems(config(zone(record_sets=[{"record": "a", "type": "A", "ttl": 1, "value": ["x\ny"]}])))
    assert bind.problems(config({"name": "demo.example.net"}))
    assert bind.problems(config()) == []


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


@dataclass
class Machine:
    """A host with BIND as the planner sees it, and what the running server was told."""

    key: Optional[FileState] = None
    config: Dict[str, str] = field(default_factory=dict)
    zone_files: List[str] = field(default_factory=list)
    stamp: str = ""
    active: bool = False
    enabled: bool = False
    told: Any = None
    made: int = 0

    def state(self) -> ServerState:
        return ServerState(
            True, self.active, self.enabled, self.key, dict(self.config), tuple(self.zone_files), self.stamp
        )

    def holds(self) -> Any:
        return (self.key, sorted(self.config.items()), sorted(self.zone_files))

    def do(self, wanted: bind.ServerConfig, step: Any) -> None:
        if step.action == "make_key":
            self.made += 1
            secret = f"{SECRET}{self.made}"
            text = render(TsigKey(wanted.key_name, wanted.key_algorithm, secret))
            self.key = FileState(text, 0o640, "root", "bind")
        elif step.action == "own_key":
            assert self.key is not None
            self.key = replace(self.key, mode=0o640, owner="root", group="bind")
        elif step.action == "create_zone":
            assert step.subject not in self.zone_files, "a zone file that exists was written"
            self.zone_files.append(step.subject)
        elif step.action == "configure":
            self.config[step.subject] = step.after
        elif step.action == "enable":
            self.enabled = True
        elif step.action in ("start", "reload"):
            assert (step.action == "start") != self.active
            self.active, self.told = True, self.holds()
        else:
            self.stamp = digest(wanted) if step.action == "stamp" else ""


def good_key(**more: Any) -> FileState:
    text = render(TsigKey("demo-update", "hmac-sha256", SECRET))
    return replace(FileState(text, 0o640, "root", "bind"), **more)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    keys = [
        None,
        good_key(),
        good_key(mode=0o644),
        good_key(content="torn"),
        good_key(content=render(TsigKey("old", "hmac-sha256", SECRET))),
    ]
    made = Machine(key=draw(st.sampled_from(keys)), enabled=draw(st.booleans()))
    made.zone_files = list(draw(st.sets(st.sampled_from([bind.zone_file("demo.example.net"), "/var/lib/bind/other"]))))
    made.config = draw(st.sampled_from([{}, bind.files(config()), {bind.OPTIONS_FILE: "options {};"}]))
    made.config = dict(made.config)
    made.active = draw(st.booleans())
    # The stamp is there only when the running server was told what the files say: that is what the planner keeps up.
    if draw(st.booleans()) and made.config == bind.files(config()) and made.key and made.zone_files:
        made.stamp = digest(config())
    made.told = made.holds()
    return made


@settings(max_examples=200, deadline=None)
@given(machine=machines(), stops=st.lists(st.integers(0, 8), max_size=3))
def test_however_often_it_is_interrupted_the_server_ends_up_told_of_everything(
    machine: Machine, stops: List[int]
) -> None:
    wanted = config(zone(), zone("example.com"))
    for stop in stops:
        for step in plan_server(wanted, machine.state())[:stop]:
            machine.do(wanted, step)
    for step in plan_server(wanted, machine.state()):
        machine.do(wanted, step)
    assert machine.active and machine.enabled
    assert machine.told == machine.holds()
    assert machine.config == bind.files(wanted)
    assert machine.made <= 1
    assert plan_server(wanted, machine.state()) == []
    assert can_take_updates(wanted, machine.state())


def test_a_usable_key_is_kept_and_only_its_rights_are_mended() -> None:
    open_key = ServerState(True, True, True, good_key(mode=0o644, group="root"), stamp="x")
    assert [step.action for step in plan_server(config(), open_key)][:2] == ["unstamp", "own_key"]


def test_a_server_that_only_stopped_is_only_started() -> None:
    files = bind.files(config())
    stopped = ServerState(True, False, True, good_key(), files, (bind.zone_file("demo.example.net"),), digest(config()))
    assert [step.action for step in plan_server(config(), stopped)] == ["start"]


def test_a_blank_host_would_get_everything_and_the_diff_has_no_secret() -> None:
    steps = plan_server(config(), ServerState(installed=False))
    actions = [step.action for step in steps]
    assert actions == ["make_key", "create_zone", "configure", "configure", "enable", "start", "stamp"]
    texts = diff_texts(steps)
    assert texts["before"] == ""
    assert "ns1 300 A 192.0.2.2" in texts["after"]
    assert "secret made on this host" in texts["after"]
    assert not can_take_updates(config(), ServerState(installed=False))


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
        refused = bool(self.refuse) and argv[0] == self.refuse
        said = "ActiveState=active\nUnitFileState=enabled\n" if argv[:2] == ["systemctl", "show"] else "said so"
        self.answer(argv, rc=int(refused), stdout=said)
        return super().run(argv, stdin=stdin, check=check)


def bind_host(refuse: str = "") -> BindHost:
    runner = Accepting()
    runner.refuse = refuse
    store = FakeFiles({bind.MAIN_FILE: (MAIN, 0o644)})
    return BindHost(
        runner, store, FakeOwners(), FakeClock(), lambda path: store.read(path) is not None, lambda name: name
    )


def test_applying_the_plan_leaves_nothing_to_plan() -> None:
    host, wanted = bind_host(), config()
    host.apply(wanted, plan_server(wanted, host.observe(wanted)))
    assert plan_server(wanted, host.observe(wanted)) == []
    assert host.owners.given[KEY_FILE] == ("root", "bind", 0o640)  # type: ignore[attr-defined]
    assert parse(host.store.read(KEY_FILE) or "").name == "demo-update"


def test_the_secret_is_in_no_argument_vector_and_new_each_time() -> None:
    secrets = set()
    for _server in range(2):
        host, wanted = bind_host(), config()
        host.apply(wanted, plan_server(wanted, host.observe(wanted)))
        secret = parse(host.store.read(KEY_FILE) or "").secret
        secrets.add(secret)
        assert not any(secret in word for argv in host.runner.calls for word in argv)  # type: ignore[attr-defined]
    assert len(secrets) == 2


def test_a_configuration_that_is_refused_leaves_the_good_one() -> None:
    host, wanted = bind_host("named-checkconf"), config()
    host.store.write(bind.OPTIONS_FILE, "good", 0o644)
    with pytest.raises(ServerFailure, match="the old one stays in place: said so"):
        host.apply(wanted, plan_server(wanted, host.observe(wanted)))
    assert host.store.read(bind.OPTIONS_FILE) == "good"
    assert host.store.read(STAMP_FILE) is None


def test_a_zone_that_would_not_load_is_not_created() -> None:
    host, wanted = bind_host("named-checkzone"), config()
    with pytest.raises(ServerFailure, match="was not created"):
        host.apply(wanted, plan_server(wanted, host.observe(wanted)))
    assert [path for path in host.store.files if path.startswith("/var/lib/bind")] == []  # type: ignore[attr-defined]


def test_a_main_file_without_our_includes_is_an_error_and_not_a_silent_nothing() -> None:
    host, wanted = bind_host(), config()
    host.store.write(bind.MAIN_FILE, f'include "{bind.OPTIONS_FILE}";\n// include "{bind.ZONES_FILE}";\n', 0o644)
    with pytest.raises(ServerFailure, match="does not include /etc/bind/named.conf.local"):
        host.apply(wanted, plan_server(wanted, host.observe(wanted)))


def test_a_server_that_does_not_take_its_configuration_is_told_again_next_time() -> None:
    host, wanted = bind_host("rndc"), config()
    with pytest.raises(ServerFailure, match="did not take its configuration"):
        host.apply(wanted, plan_server(wanted, host.observe(wanted)))
    host.runner.refuse = ""  # type: ignore[attr-defined]
    again = plan_server(wanted, host.observe(wanted))
    assert [step.action for step in again] == ["reload", "stamp"]
