# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading
from typing import Optional

import pytest
from ansible_collections.smallfleet.infra.plugins.module_utils._core.failover.resolver import (
    CONFIG,
    RESOLV_CONF,
    Resolver,
    plan_resolver,
    render_config,
    render_resolv_conf,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._io.clock import FakeClock
from ansible_collections.smallfleet.infra.plugins.module_utils._io.command import FakeRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import FakeFiles
from ansible_collections.smallfleet.infra.plugins.module_utils._io.unbound import (
    QUERY,
    ResolverFailed,
    ResolverKeeper,
    answers,
)
from hypothesis import given
from hypothesis import strategies as st

NEW = render_config([{"name": "demo.example.net", "addresses": ["192.0.2.53", "2001:db8::53"]}])
RESOLV = render_resolv_conf("demo.example.net")
resolvers = st.builds(
    Resolver,
    st.sampled_from([None, "old\n", NEW]),
    st.sampled_from([None, "old\n", RESOLV]),
    st.booleans(),
    st.booleans(),
)


def after(seen: Resolver, count: Optional[int] = None) -> Resolver:
    config, resolv_conf, running, enabled = seen.config, seen.resolv_conf, seen.running, seen.enabled
    for step in plan_resolver(NEW, RESOLV, seen)[:count]:
        config = NEW if step.kind == "write_config" else config
        resolv_conf = RESOLV if step.kind == "write_resolv_conf" else resolv_conf
        running = running or step.kind == "restart"
        enabled = enabled or step.kind == "enable"
    return Resolver(config, resolv_conf, running, enabled)


@given(resolvers)
def test_after_its_plan_a_node_asks_its_own_resolver_and_the_next_plan_is_empty(seen: Resolver) -> None:
    assert after(seen) == Resolver(NEW, RESOLV, True, True)
    assert plan_resolver(NEW, RESOLV, after(seen)) == ()


@given(resolvers, st.integers(0, 5))
def test_resolv_conf_never_points_at_a_resolver_that_was_not_started(seen: Resolver, count: int) -> None:
    half = after(seen, count)
    if half.resolv_conf == RESOLV and seen.resolv_conf != RESOLV:
        assert half.running
    kinds = [step.kind for step in plan_resolver(NEW, RESOLV, seen)]
    if "write_resolv_conf" in kinds:
        assert kinds[-2:] == ["await", "write_resolv_conf"]


def test_the_fleets_zones_are_asked_from_its_own_servers_and_no_expired_answer_is_served() -> None:
    for line in ('    name: "demo.example.net."', "    stub-addr: 192.0.2.53", "    stub-addr: 2001:db8::53"):
        assert f"{line}\n" in NEW
    for line in ("    serve-expired: no", "    cache-min-ttl: 0", "    prefetch: no"):
        assert f"{line}\n" in NEW
    assert RESOLV.splitlines()[1] == "nameserver 127.0.0.1"


def keeper(answering: bool) -> "tuple[ResolverKeeper, FakeFiles, FakeClock]":
    runner, files, clock = FakeRunner(), FakeFiles(), FakeClock()
    for verb in ("enable", "restart"):
        runner.answer(["systemctl", verb, "--", "unbound.service"])
    return ResolverKeeper(runner, files, clock, lambda address: answering), files, clock


def test_a_resolver_that_does_not_answer_leaves_resolv_conf_alone() -> None:
    mute, files, clock = keeper(answering=False)
    with pytest.raises(ResolverFailed, match="does not answer"):
        mute.apply(plan_resolver(NEW, RESOLV, Resolver(None, "old\n", False, False)), NEW, RESOLV)
    assert CONFIG in files.files
    assert RESOLV_CONF not in files.files
    assert clock.now >= 15


def test_a_resolver_that_answers_is_asked_from_then_on() -> None:
    good, files, _clock = keeper(answering=True)
    good.apply(plan_resolver(NEW, RESOLV, Resolver(None, "old\n", False, False)), NEW, RESOLV)
    assert files.files[RESOLV_CONF] == (RESOLV, 0o644)


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
