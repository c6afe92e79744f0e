# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading
from typing import Optional

import pytest
from fakes import FakeClock, FakeFiles, FakeRunner
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.caching_resolver import (
    ADDRESS,
    CONFIG,
    NSSWITCH,
    RESOLV_CONF,
    UNIT,
    UNIT_FILE,
    Resolver,
    plan_resolver,
    render_files,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.caching_resolver_host import QUERY, ResolverFailed, ResolverKeeper, answers
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.probe_host import ProbeUnit

FILES = render_files([{"name": "demo.example.net", "addresses": ["192.0.2.53", "2001:db8::53"]}], "demo.example.net")
NOTHING = Resolver({}, running=False, enabled=False)
resolvers = st.builds(
    Resolver,
    st.fixed_dictionaries({path: st.sampled_from([None, "old\n", text]) for path, text in FILES.items()}),
    st.booleans(),
    st.booleans(),
)


def after(observed: Resolver, count: Optional[int] = None) -> Resolver:
    files, running, enabled = dict(observed.files), observed.running, observed.enabled
    for step in plan_resolver(FILES, observed)[:count]:
        if step.kind == "write":
            files[step.path] = FILES[step.path]
        running = running or step.kind == "restart"
        enabled = enabled or step.kind == "enable"
    return Resolver(files, running, enabled)


@given(resolvers)
def test_after_its_plan_the_resolver_runs_and_the_next_plan_is_empty(observed: Resolver) -> None:
    assert after(observed) == Resolver(FILES, True, True)
    assert plan_resolver(FILES, after(observed)) == ()


@given(resolvers, st.integers(0, 8))
def test_a_probe_is_never_led_to_a_resolver_that_was_not_started(observed: Resolver, count: int) -> None:
    half = after(observed, count)
    if half.files[RESOLV_CONF] != observed.files[RESOLV_CONF]:
        assert half.running
    steps = plan_resolver(FILES, observed)
    if any(step.path == RESOLV_CONF for step in steps):
        assert [step.kind for step in steps if step.path not in (NSSWITCH, RESOLV_CONF)][-1] == "await"
        assert steps[-1].path == RESOLV_CONF


@given(resolvers)
def test_a_changed_unit_is_reloaded_and_a_changed_file_of_unbound_restarts_it(observed: Resolver) -> None:
    kinds = [step.kind for step in plan_resolver(FILES, observed)]
    assert ("reload" in kinds) == (observed.files[UNIT_FILE] != FILES[UNIT_FILE])
    stale = any(observed.files[path] != FILES[path] for path in (CONFIG, UNIT_FILE))
    assert ("restart" in kinds) == (stale or not observed.running)


def test_the_fleets_zones_are_asked_from_its_own_servers_and_no_expired_answer_is_served() -> None:
    for line in ('    name: "demo.example.net."', "    stub-addr: 192.0.2.53", "    stub-addr: 2001:db8::53"):
        assert f"{line}\n" in FILES[CONFIG]
    for line in ("    serve-expired: no", "    cache-min-ttl: 0", "    prefetch: no"):
        assert f"{line}\n" in FILES[CONFIG]


def test_no_file_of_the_host_is_among_those_that_are_written() -> None:
    runner, files = FakeRunner(), FakeFiles()
    for command in (["daemon-reload"], ["enable", "--", UNIT], ["restart", "--", UNIT]):
        runner.answer(["systemctl", *command])
    keeper = ResolverKeeper(runner, files, FakeClock(), lambda address: address == ADDRESS)
    keeper.apply(plan_resolver(FILES, NOTHING), FILES)
    assert {path: content for path, (content, _mode) in files.files.items()} == FILES
    for path in FILES:
        assert path.startswith("/etc/smallfleet/") or "smallfleet-resolver" in path
        assert "unbound.conf.d" not in path  # which the host's own unbound reads
    assert not any("unbound.service" in call for call in runner.calls)


def test_a_resolver_that_does_not_answer_leaves_the_probes_files_alone() -> None:
    runner, files, clock = FakeRunner(), FakeFiles(), FakeClock()
    for command in (["daemon-reload"], ["enable", "--", UNIT], ["restart", "--", UNIT]):
        runner.answer(["systemctl", *command])
    mute = ResolverKeeper(runner, files, clock, lambda address: False)
    with pytest.raises(ResolverFailed, match=f"does not answer on {ADDRESS}"):
        mute.apply(plan_resolver(FILES, NOTHING), FILES)
    assert set(files.files) == {CONFIG, UNIT_FILE}
    assert clock.now >= 15


def test_a_resolver_that_does_not_start_says_so_with_its_log() -> None:
    runner = FakeRunner()
    for command in (["daemon-reload"], ["enable", "--", UNIT]):
        runner.answer(["systemctl", *command])
    runner.answer(["systemctl", "restart", "--", UNIT], rc=1)
    journal = ["journalctl", "--no-pager", "--boot", "--lines=10", "--output=cat", f"--unit={UNIT}"]
    runner.answer(journal, stdout="can't bind socket: Address already in use for 127.0.0.73 port 53\n")
    keeper = ResolverKeeper(runner, FakeFiles(), FakeClock())
    with pytest.raises(ResolverFailed, match="does not start(?s:.*)already in use"):
        keeper.apply(plan_resolver(FILES, NOTHING), FILES)


@pytest.mark.parametrize("own_resolver", [True, False])
def test_only_a_probe_that_is_to_has_the_resolver_of_the_probes(own_resolver: bool) -> None:
    runner, files = FakeRunner(), FakeFiles()
    probe = ProbeUnit("web", runner, files)
    assert probe.missing_resolver()
    files.files = {RESOLV_CONF: ("", 0o644), NSSWITCH: ("", 0o644)}
    assert not probe.missing_resolver()
    with pytest.raises(Exception, match="systemd-run"):
        probe.start("", [], 1.0, own_resolver)
    assert any(f"{RESOLV_CONF}:/etc/resolv.conf" in argument for argument in runner.calls[-1]) is own_resolver


@pytest.mark.parametrize(("code", "expected"), [(0, True), (2, False), (5, False)])
def test_only_an_answer_without_error_counts_as_one(code: int, expected: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            _question, asker = server.recvfrom(512)
            server.sendto(QUERY[:2] + bytes([0x81, 0x80 | code]) + QUERY[4:], asker)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert answers("127.0.0.1", server.getsockname()[1], timeout=2) is expected
        thread.join()


def test_no_answer_at_all_counts_as_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert answers("127.0.0.1", silent.getsockname()[1], timeout=0.05) is False
