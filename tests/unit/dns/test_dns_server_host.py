# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What acts on a DNS server's host: good files stay until better ones are checked, and nothing is lost silently."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Dict, List, Optional, Sequence

import pytest
from fakes import FakeClock, FakeFiles, FakeRunner
from served import BIND, BORN, KEY, KEY_FILE, SECRET, config, soa, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey, parse, render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServedZone, ServerConfig
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.bind_host import BindDaemon
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.handover import FROZEN_FILE, Copy
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.handover_host import QUIET
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.knot import Knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.knot_host import KnotDaemon
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import STAMP_FILE, ServerStep, obstacles, plan_server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.program_host import ServerFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.server_host import ServerHost
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import Access, NewFile

ZONE_FILE = "/var/lib/bind/demo.example.net.zone"
MAIN = f'include "{bind.OPTIONS_FILE}";\ninclude "{bind.ZONES_FILE}";\n'


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
    keys: Dict[str, Any] = field(default_factory=dict)
    tags: Dict[str, Sequence[int]] = field(default_factory=dict)

    def sep_tags(self, wanted: ServerConfig, one: ServedZone) -> Any:
        return frozenset(self.tags.get(one.name, ()))

    def dnskeys(self, wanted: ServerConfig) -> Any:
        return self.keys

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


@dataclass
class FakeSuccession:
    """Says one thing after another of the next primary, and has other servers with serials, one set of them after another."""

    missing: List[str] = field(default_factory=list)
    seen: List[Dict[str, int]] = field(default_factory=lambda: [{"": BORN}])

    def behind(self, wanted: ServerConfig, one: ServedZone) -> str:
        return self.missing.pop() if self.missing else ""

    def serials(self, wanted: ServerConfig, one: ServedZone) -> Dict[str, int]:
        return self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]


def bind_host(refuse: str = "", journal: bool = False) -> ServerHost:
    runner = Accepting()
    runner.refuse = refuse
    store = FakeFiles({bind.MAIN_FILE: (MAIN, 0o644), KEY_FILE: (render(KEY), 0o600)})
    if journal:
        store.write(ZONE_FILE, "", 0o644)
        store.write(f"{ZONE_FILE}.jnl", "", 0o644)
    daemon = BindDaemon(runner, store, lambda name: name, lambda path: path in store.files)

    def find(pattern: str) -> List[str]:
        return [path for path in store.files if path.startswith(pattern[:-1])]

    return ServerHost(BIND, daemon, runner, store, FakeClock(), FakeAsker(), FakeSuccession(), store.files.__contains__, lambda: BORN, find)


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
    assert host.store.access(bind.KEYS_FILE) == Access(0o640, "root", "bind")
    assert host.store.access(ZONE_FILE) == Access(0o644, "bind", "bind")
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
        if "named-journalprint" in argv:
            self.answer(argv, 0, PRINTED)
            return FakeRunner.run(self, argv, stdin=stdin, check=check)
        if "named-checkzone" in argv:
            self.answer(argv, 0, f"zone demo.example.net/IN: loaded serial {BORN + 5}\nOK\n")
            return FakeRunner.run(self, argv, stdin=stdin, check=check)
        return super().run(argv, stdin=stdin, check=check)


def test_a_journal_is_set_aside_with_consent_only_and_kept() -> None:
    host = bind_host(journal=True)
    runner = Unloaded()
    runner.store = host.store  # type: ignore[assignment]
    host.runner = host.daemon.runner = runner  # type: ignore[attr-defined]
    state = host.observe(host.complete(config()))
    assert state.troubles[0].lost[-1] == "add x.demo.example.net. 60 IN A 192.0.2.9"
    (said,) = obstacles(config(), state)
    assert f"does not follow its file (serial {BORN + 5}; the journal leads from {BORN + 6} to {BORN + 7}): zone not loaded." in said
    tools = [argv for argv in runner.calls if "named-checkzone" in argv or "named-journalprint" in argv]
    assert tools and all(argv[:2] == ("setpriv", "--reuid=bind") for argv in tools), "BIND's folder is read as BIND"
    assert "set_aside" in apply(host, config(discard_journals=True))
    assert host.store.read(f"{ZONE_FILE}.jnl.set-aside-{BORN + 7}-{BORN}") == ""
    assert host.observe(host.complete(config())).troubles == ()
    # The secondaries have the serial that is no more, and would take nothing older.
    assert f" {BORN + 8} " in host.asker.replaced[0].split("->")[1]  # type: ignore[attr-defined]
    assert host.observe(host.complete(config())).floors == {"demo.example.net": BORN + 7}


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


def test_a_zone_is_checked_as_strictly_as_named_loads_it() -> None:
    host = bind_host()
    apply(host, config())
    (argv,) = [argv for argv in host.runner.calls if "named-checkzone" in argv]  # type: ignore[attr-defined]
    assert argv[argv.index("-k") + 1] == "fail"


def test_a_main_file_without_our_includes_is_an_error_before_any_step_and_in_check_mode() -> None:
    host, wanted = bind_host(), config()
    assert obstacles(wanted, host.observe(wanted)) == []
    host.store.write(bind.MAIN_FILE, f'include "{bind.OPTIONS_FILE}";\n// include "{bind.ZONES_FILE}";\n', 0o644)
    (reason,) = obstacles(wanted, host.observe(wanted))
    assert "does not include /etc/bind/named.conf.local; put the lines" in reason


def test_a_configuration_database_that_knot_prefers_is_an_error_before_any_step() -> None:
    """As knotd 3.2 does: "loaded configuration database '/var/lib/knot/confdb'", whatever is in knot.conf."""
    there: List[str] = []
    host, wanted = bind_host(), config()
    host.daemon = KnotDaemon(host.runner, host.store, lambda name: name, there.__contains__)
    assert host.daemon.unread() == ""
    there.append("/var/lib/knot/confdb")
    (reason,) = obstacles(wanted, host.observe(wanted))
    assert "/var/lib/knot/confdb and not /etc/knot/knot.conf" in reason and "conf-export" in reason


def test_a_server_that_does_not_take_its_configuration_is_told_again_next_time() -> None:
    host, wanted = bind_host("rndc"), config()
    with pytest.raises(ServerFailure, match="did not take its configuration"):
        apply(host, wanted)
    host.runner.refuse = ""  # type: ignore[attr-defined]
    complete = host.complete(wanted)
    again = plan_server(BIND, complete, host.observe(complete))
    assert [step.action for step in again] == ["reload", "stamp"]


class Stopping(FakeFiles):
    """Shows every state that the files are in while they are replaced."""

    states: ClassVar[List[Dict[str, str]]] = []

    def write_all(self, files: Sequence[NewFile]) -> None:
        for one in files:
            self.write(*one)
            self.states.append({path: content for path, (content, _mode) in self.files.items() if path.startswith("/etc/bind")})


def test_a_server_that_is_started_at_any_moment_of_a_change_knows_all_keys_and_catalogs_that_its_files_name() -> None:
    """named does not start with a key that it lacks, nor with a catalog that is not among its zones."""
    key = {"algorithm": "hmac-sha256"}
    before = {"name": "before", "file": "/etc/smallfleet/dns/before.key", **key}
    after = {"name": "after", "file": "/etc/smallfleet/dns/after.key", **key}
    peers = [{"host": "ns2", "addresses": ["192.0.2.3"]}]

    def wanted(one: Dict[str, str]) -> ServerConfig:
        taken = {"name": f"{one['name']}.invalid", "role": "secondary", "transfer": {"key": one["name"], "peers": peers}}
        catalog = {"name": f"{one['name']}.invalid", "role": "consume", "key": one["name"], "peers": peers, "members": []}
        return config(zone(), taken, keys=[one], catalogs=[catalog])

    host = bind_host()
    store = Stopping(host.store.files)  # type: ignore[attr-defined]
    host.store = host.daemon.store = store  # type: ignore[attr-defined]
    for one in (before, after):
        store.write(one["file"], render(TsigKey(one["name"], "hmac-sha256", SECRET)), 0o600)
    apply(host, wanted(before))
    store.states.clear()
    apply(host, wanted(after))
    assert len(store.states) >= 4
    for files in store.states:
        named = set(re.findall(r'key "([^"]+)";', files[bind.ZONES_FILE] + files[bind.OPTIONS_FILE]))
        assert named <= {found.name for found in BIND.keys_in(files[bind.KEYS_FILE])}, files
        catalogs = re.findall(r'^        zone "([^"]+)"', files[bind.OPTIONS_FILE], re.MULTILINE)
        assert all(f'zone "{catalog}" {{' in files[bind.ZONES_FILE] for catalog in catalogs), files
    assert {found.name for found in BIND.keys_in(store.states[-1][bind.KEYS_FILE])} == {"after", "demo-update"}


class Status(Accepting):
    """rndc tells of one zone what it is."""

    told = ""

    def run(self, argv: Any, *, stdin: Optional[str] = None, check: bool = True) -> Any:
        if argv[:2] == ["rndc", "zonestatus"]:
            self.answer(argv, stdout=self.told)
            return FakeRunner.run(self, argv, stdin=stdin, check=check)
        return super().run(argv, stdin=stdin, check=check)


def told_host(told: str) -> ServerHost:
    host, runner = bind_host(), Status()
    runner.told = told
    host.runner = host.daemon.runner = runner  # type: ignore[attr-defined]
    return host


def test_a_copy_that_a_primary_would_not_read_stops_the_move_before_any_step() -> None:
    host = told_host("name: demo.example.net\ntype: secondary\nfiles: /var/lib/bind/__catz__1.db\n")
    (reason,) = obstacles(config(), host.observe(host.complete(config())))
    assert "/var/lib/bind/__catz__1.db, which a primary does not read" in reason and "set dns_catalog to false" in reason
    host.runner.told = f"type: secondary\nfiles: {ZONE_FILE}\n"  # type: ignore[attr-defined]
    assert obstacles(config(), host.observe(host.complete(config()))) == []


def test_a_signed_zone_moves_only_to_a_host_that_has_its_key() -> None:
    host, signed = told_host(f"type: secondary\nfiles: {ZONE_FILE}\n"), config(zone(dnssec=True))
    host.asker.tags = {"demo.example.net": (4711,)}  # type: ignore[attr-defined]
    there: List[str] = ["Kdemo.example.net.+013+00001.private", "Kother.example.net.+013+42211.private"]
    host.daemon.names = lambda folder: there  # type: ignore[attr-defined]
    (reason,) = obstacles(signed, host.observe(host.complete(signed)))
    assert "the key 4711, which is not on this host" in reason and "docs/dnssec.md" in reason
    there.append("Kdemo.example.net.+013+04711.private")
    assert obstacles(signed, host.observe(host.complete(signed))) == []


class Program(Status):
    """named, which freezes and thaws the one zone that it has, and notes what it was told meanwhile."""

    frozen = False

    def run(self, argv: Any, *, stdin: Optional[str] = None, check: bool = True) -> Any:
        if argv[0] == "rndc" and argv[1] in ("freeze", "thaw"):
            assert self.frozen == (argv[1] == "thaw"), "rndc fails at this"
            self.frozen = argv[1] == "freeze"
        if argv == ["rndc", "reconfig"] and "type: primary" in self.told:
            self.told, self.frozen = "type: secondary\n", False
        elif "type: primary" in self.told:
            self.told = f"type: primary\nfrozen: {'yes' if self.frozen else 'no'}\n"
        return super().run(argv, stdin=stdin, check=check)

    @property
    def order(self) -> List[str]:
        return [argv[1] for argv in self.calls if argv[0] == "rndc" and argv[1] != "zonestatus"]


def handing_over() -> Any:
    """A host with BIND, and a configuration that makes another host the primary of its zone."""
    peers = [{"host": "ns2", "addresses": ["192.0.2.3"]}]
    key = {"name": "theirs", "algorithm": "hmac-sha256", "file": "/etc/smallfleet/dns/theirs.key"}
    given_away = config({"name": "demo.example.net", "role": "secondary", "transfer": {"key": "theirs", "peers": peers}}, update_key=None, keys=[key])
    host, runner = bind_host(), Program()
    runner.told = "type: primary\n"
    host.runner = host.daemon.runner = runner  # type: ignore[attr-defined]
    host.store.write(key["file"], render(TsigKey("theirs", "hmac-sha256", SECRET)), 0o600)
    host.store.write(bind.ZONES_FILE, "old", 0o644)
    return host, given_away


def test_a_primary_gives_a_zone_away_only_when_the_next_one_has_all_that_it_acknowledged() -> None:
    host, given_away = handing_over()
    host.succession.missing = ["ns2 is not its primary yet (refused)."] * 1000
    with pytest.raises(ServerFailure, match="stays the primary of the zone demo.example.net, and nothing was changed: ns2 is not") as failed:
        apply(host, given_away)
    assert "(refused)" in str(failed.value) and host.store.read(bind.ZONES_FILE) == "old"
    assert host.runner.order == ["freeze", "thaw"] and host.store.read(FROZEN_FILE) is None
    host.succession.missing = ["ns2 has serial 1 and lacks what was changed here since, up to 2."] * 3
    assert "configure" in apply(host, given_away)
    assert host.runner.order[2:] == ["freeze", "reconfig"], "updates were taken between the last look and the change"
    assert host.store.read(FROZEN_FILE) is None


@pytest.mark.parametrize("moment", ["behind", "write_all", "reload"])
def test_a_zone_that_a_killed_run_has_left_frozen_is_handed_over_or_thawed_by_the_next_one(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for next_one_stays_primary in (False, True):
        host, given_away = handing_over()
        with monkeypatch.context() as patched:
            place = {"behind": host.succession, "write_all": host.store, "reload": host.daemon}[moment]
            patched.setattr(place, moment, lambda *options: Process.kill())
            patched.setattr(host.daemon, "thaw", lambda name: Process.kill())
            with pytest.raises(Process):
                apply(host, given_away)
        assert host.runner.frozen and host.store.read(FROZEN_FILE) == "demo.example.net\n"
        assert "thaw" in apply(host, config() if next_one_stays_primary else given_away)
        assert not host.runner.frozen and host.store.read(FROZEN_FILE) is None
        assert ("reconfig" in host.runner.order) and ("secondary" in host.runner.told or next_one_stays_primary)


class Process(BaseException):
    """Killed: nothing that follows is done, whatever would be."""

    @classmethod
    def kill(cls) -> None:
        raise cls


def test_a_zone_stays_frozen_where_the_next_primary_has_it_and_the_configuration_cannot_be_written() -> None:
    host, given_away = handing_over()

    class Full(FakeFiles):
        """No room for a configuration."""

        def write_all(self, files: Sequence[NewFile]) -> None:
            raise OSError(28, "No space left on device", files[0].path)

    host.store = Full(host.store.files)
    with pytest.raises(ServerFailure, match="It takes no updates of demo.example.net, which another host is the primary of by now"):
        apply(host, given_away)
    assert host.runner.frozen


def test_a_new_primary_waits_until_nobody_changes_the_zone_and_it_has_the_last_change() -> None:
    for seen, seconds in (
        ([{"": 5, "ns1": 5}], QUIET),
        ([{"": 5}], 0),  # nobody to wait for
        ([{"": 5, "ns1": 7}, {"": 5, "ns1": 8}, {"": 8, "ns1": 8}], 1 + QUIET),
        ([{"ns1": 8}, {"": 8, "ns1": 8}], 0.5 + QUIET),  # its copy was not loaded
        ([{"": 2**32 - 1, "ns1": 1}, {"": 1, "ns1": 1}], 0.5 + QUIET),
    ):
        host = told_host(f"type: secondary\nfiles: {ZONE_FILE}\n")
        host.succession.seen = seen  # type: ignore[attr-defined]
        apply(host, config())
        assert host.clock.monotonic() == seconds


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([{"": one, "ns1": one} for one in range(99)], "the primary that it has takes updates all the time. Run the role on both hosts in the same run"),
        ([{"": 5, "ns3": 6}], "ns3 has changes that this host does not have. .*name the host with the latest changes as the primary"),
    ],
)
def test_a_new_primary_that_lacks_changes_or_cannot_have_the_last_one_stays_a_secondary(seen: Any, said: str) -> None:
    host = told_host(f"type: secondary\nfiles: {ZONE_FILE}\n")
    host.succession.seen = seen  # type: ignore[attr-defined]
    with pytest.raises(ServerFailure, match=f"did not become the primary of demo.example.net, and nothing was changed: {said}"):
        apply(host, config())
    assert host.store.read(bind.ZONES_FILE) is None


def old_primary(serials: Dict[str, int]) -> ServerHost:
    """A secondary that takes its zone from ns1, and that is to be its primary."""
    host = told_host(f"type: secondary\nfiles: {ZONE_FILE}\n")
    before = config({"name": "demo.example.net", "role": "secondary", "transfer": {"key": "demo-update", "peers": PEERS[:1]}}, update_key=None, keys=[UPDATE])
    host.store.write(bind.ZONES_FILE, BIND.files(before)[bind.ZONES_FILE], 0o644)
    host.succession.seen = [serials]  # type: ignore[attr-defined]
    return host


UPDATE = {"name": "demo-update", "algorithm": "hmac-sha256", "file": KEY_FILE}
PEERS = [{"host": "ns1", "addresses": ["192.0.2.2", "2001:db8::2"]}, {"host": "ns3", "addresses": ["192.0.2.4"]}]


@pytest.mark.parametrize(
    ("run_hosts", "serials", "refused"),
    [
        (["ns2", "ns3"], {"": 5, "ns1": 5, "ns3": 5}, True),  # not in the run, or it has failed in it
        (["ns2"], {"": 5, "ns1": 7}, True),
        (["ns1", "ns2"], {"": 5, "ns1": 5, "ns3": 5}, False),  # another secondary may stay away
        (["ns2"], {"": 5, "ns3": 5}, False),  # it is gone for good
        ([], {"": 5, "ns1": 5}, False),
    ],
)
def test_a_zone_does_not_get_a_second_primary_while_the_first_one_is_not_in_the_run(run_hosts: Any, serials: Any, refused: bool) -> None:
    wanted = config(zone(transfer={"key": "demo-update", "peers": PEERS}), run_hosts=run_hosts)
    host = old_primary(serials)
    found = obstacles(wanted, host.observe(host.complete(wanted)))
    assert len(found) == refused, found
    for reason in found:
        assert "The zone demo.example.net is left as it is: its primary ns1 is not in this run, or has failed in it" in reason
        assert "Run the role on ns1 and on this host in the same run" in reason


def test_a_zone_that_is_taken_over_gets_a_serial_that_no_other_branch_of_it_has() -> None:
    """With a hidden primary, nothing else in the SOA record changes."""
    wanted = config(zone(transfer={"key": "demo-update", "peers": PEERS}))
    host, serials = old_primary({"": BORN, "ns1": BORN}), []
    for drawn in (0, 999_999):
        host.draw = lambda below, drawn=drawn: drawn
        complete = host.complete(wanted)
        (late,) = host.apply(complete, [ServerStep("reload", "named.service")])
        serials.append(int(late.after.split()[5]))
        assert late.action == "set_soa" and host.asker.replaced[-1].split("->")[1].split()[5] == str(serials[-1])  # type: ignore[attr-defined]
    assert serials == [BORN + 1, BORN + 1_000_000]
    host.runner.told = "type: primary\n"  # type: ignore[attr-defined]
    assert host.apply(complete, [ServerStep("reload", "named.service")]) == [], "it was the primary before"


@pytest.mark.parametrize("provider", [BIND, Knot()])
def test_where_a_zone_is_taken_from_is_read_from_the_files_of_before(provider: Any) -> None:
    taken = [
        {"name": name, "role": "secondary", "transfer": {"key": "demo-update", "peers": PEERS[number:]}}
        for number, name in enumerate(("a.example", "b.example"))
    ]
    files = provider.files(config(*taken, zone(), update_key=UPDATE))
    assert provider.upstreams(files, "a.example") == ("192.0.2.2", "2001:db8::2", "192.0.2.4")
    assert provider.upstreams(files, "b.example") == ("192.0.2.4",)
    assert provider.upstreams(files, "demo.example.net") == provider.upstreams(files, "example") == provider.upstreams({}, "a.example") == ()


def test_zones_that_two_hosts_swap_are_refused_before_any_step_with_the_two_runs_that_do_it() -> None:
    peers = [{"host": "ns2", "addresses": ["192.0.2.3"]}]
    given_away = {"name": "other.example.net", "role": "secondary", "transfer": {"key": "demo-update", "peers": peers}}
    for others, problems in ((peers, 1), ([{"host": "ns3", "addresses": ["192.0.2.4"]}], 0)):
        swapped = config(zone(transfer={"key": "demo-update", "peers": others}), given_away)
        state = replace(bind_host().observe(swapped), copies=(Copy("demo.example.net"),), handed=("other.example.net",))
        found = obstacles(swapped, state)
        assert len(found) == problems, found
        for reason in found:
            assert "The zone other.example.net is to move from this host to ns2, and demo.example.net the other way in the same run" in reason
            assert "name the primary that demo.example.net had in dns_zones, run the role on both, then change it and run it again" in reason


def test_the_soa_of_a_zone_that_had_another_primary_is_changed_in_the_same_run() -> None:
    host = bind_host()
    apply(host, config())
    host.store.remove(STAMP_FILE)
    host.asker.ttl = 60  # type: ignore[attr-defined]
    complete = host.complete(config())
    steps = plan_server(BIND, complete, replace(host.observe(complete), soas={}))
    assert [step.action for step in steps] == ["reload", "stamp"]
    assert [step.action for step in host.apply(complete, steps)] == ["set_soa"]
    assert len(host.asker.replaced) == 1  # type: ignore[attr-defined]


def test_what_a_killed_run_has_left_beside_the_keys_is_removed_and_nothing_else() -> None:
    host = bind_host()
    apply(host, config())
    left = "/etc/bind/.smallfleet-0123456789abcdef"
    for path in (left, "/var/lib/bind/.smallfleet-fedcba9876543210", "/var/lib/bind/.smallfleet-notes"):
        host.store.write(path, SECRET, 0o640)
    assert apply(host, config()) == ["sweep", "sweep"]
    assert host.store.read(left) is None and host.store.read("/var/lib/bind/.smallfleet-notes") == SECRET
    assert apply(host, config()) == []


def test_what_cannot_be_written_is_named_with_what_stays_and_what_to_look_at() -> None:
    class Full(FakeFiles):
        """No room for anything."""

        def write_all(self, files: Sequence[NewFile]) -> None:
            raise OSError(28, "No space left on device", files[0].path)

    host = bind_host()
    host.store = Full(host.store.files)  # type: ignore[attr-defined]
    with pytest.raises(ServerFailure, match=f"Could not write {ZONE_FILE}: No space left on device. No file") as failed:
        apply(host, config())
    assert "See with df" in str(failed.value)


def test_check_mode_says_what_the_programs_would_refuse_and_writes_nothing() -> None:
    host = bind_host("named-checkconf")
    complete = host.complete(config())
    before = dict(host.store.files)  # type: ignore[attr-defined]
    with pytest.raises(ServerFailure, match="named-checkconf refuses"):
        host.check(complete, plan_server(BIND, complete, host.observe(complete)))
    assert {path for path in host.store.files if not path.startswith("/run/")} == set(before)  # type: ignore[attr-defined]
    host.check(config(), plan_server(BIND, config(), host.observe(config())))  # keys are still to be made: nothing is known
