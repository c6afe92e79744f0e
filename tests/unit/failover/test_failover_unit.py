# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

import pytest
from fakes import FakeClock, FakeFiles
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.steps import Running, Side
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.unit import (
    Node,
    NodeStep,
    Refused,
    Wanted,
    describe,
    gate_path,
    marker_path,
    plan_node,
    predict,
    render_gate,
    render_marker,
    render_unit,
    unit_path,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.unit_host import UnitFailed, UnitKeeper
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult

UNIT = "web.service"
CONTENT = render_unit(UNIT, "/usr/bin/python3 -m http.server", ["/bin/true"])
REST = Side(Running.NO, False)
texts = st.sampled_from([None, "other\n", CONTENT])
contents = st.sampled_from([None, CONTENT])


def properties(active: str = "inactive", enabled: str = "disabled", load: str = "loaded") -> Dict[str, str]:
    pid = "0" if active in ("inactive", "failed") else "7"
    return {
        "LoadState": load,
        "ActiveState": active,
        "UnitFileState": enabled,
        "MainPID": pid,
        "ControlPID": "0",
        "NeedDaemonReload": "no",
        "NRestarts": "0",
    }


nodes = st.builds(
    Node,
    st.builds(
        properties,
        st.sampled_from(["inactive", "failed", "active", "activating", "deactivating"]),
        st.sampled_from(["enabled", "disabled", "static"]),
    ),
    texts,
    st.sampled_from([None, "old\n", render_gate(UNIT)]),
    st.sampled_from([None, "old\n", render_marker(CONTENT)]),
)


def wanted(active: bool, content: Optional[str] = CONTENT, peer: Side = REST) -> Wanted:
    return Wanted(UNIT, active, content, "app1", "app2", peer)


@given(nodes, contents)
def test_a_standby_side_is_at_rest_after_its_plan_and_the_next_is_empty(node: Node, content: Optional[str]) -> None:
    after = predict(wanted(False, content), node, plan_node(wanted(False, content), node))
    assert after.side(UNIT) == REST
    assert plan_node(wanted(False, content), after) == ()


@given(nodes, contents)
def test_an_active_side_runs_after_its_plan_and_a_second_plan_is_empty(node: Node, content: Optional[str]) -> None:
    after = predict(wanted(True, content), node, plan_node(wanted(True, content), node))
    assert after.running is Running.YES
    assert after.armed(UNIT)
    assert plan_node(wanted(True, content), after) == ()


@given(nodes, st.booleans(), contents, st.integers(0, 8))
def test_a_plan_interrupted_anywhere_is_finished_by_the_next(node: Node, active: bool, content: Optional[str], count: int) -> None:
    want = wanted(active, content)
    half = predict(want, node, plan_node(want, node)[:count])
    after = predict(want, half, plan_node(want, half))
    assert (after.running is Running.YES) == active
    assert plan_node(want, after) == ()


@given(nodes, st.integers(0, 8))
def test_a_standby_side_is_never_started_and_never_armed_on_the_way(node: Node, count: int) -> None:
    steps = plan_node(wanted(False), node)
    assert not [step for step in steps if step.kind in ("start", "arm", "enable")]
    half = predict(wanted(False), node, steps[:count])
    assert half.armed(UNIT) <= node.armed(UNIT)


@given(nodes, contents, st.sampled_from([Side(), Side(Running.UNKNOWN, False), Side(Running.YES), Side(Running.NO)]))
def test_nothing_is_started_or_armed_beside_a_peer_that_is_not_at_rest(node: Node, content: Optional[str], peer: Side) -> None:
    try:
        steps = plan_node(wanted(True, content, peer), node)
    except Refused:
        return
    assert not [step for step in steps if step.kind in ("start", "arm", "stop")]
    assert node.running is Running.YES


@given(nodes)
def test_the_marker_is_on_the_disk_before_the_start_and_gone_before_the_stop(node: Node) -> None:
    kinds = [step.kind for step in plan_node(wanted(True), node)]
    if "arm" in kinds and "start" in kinds:
        assert kinds.index("arm") < kinds.index("start")
    kinds = [step.kind for step in plan_node(wanted(False), node)]
    if "remove" in kinds and "stop" in kinds:
        assert kinds.index("remove") < kinds.index("stop")


def test_a_unit_is_not_restarted_unless_its_file_changed() -> None:
    node = Node(properties("active", "enabled"), CONTENT, render_gate(UNIT), render_marker(CONTENT))
    assert plan_node(wanted(True), node) == ()
    newer = render_unit(UNIT, "/usr/bin/python3 -m http.server 8081", [])
    kinds = [step.kind for step in plan_node(wanted(True, newer), node)]
    assert kinds == ["write_unit", "reload", "stop", "write", "start"]


def test_a_restart_that_was_interrupted_after_the_file_was_written_is_made_up_for() -> None:
    node = Node(properties("active", "enabled"), CONTENT, render_gate(UNIT), render_marker("older"))
    assert [step.kind for step in plan_node(wanted(True), node)] == ["stop", "write", "start"]


@pytest.mark.parametrize("answer", [{}, {"LoadState": "loaded"}, {**properties(), "ActiveState": "new-in-2030"}])
def test_no_clear_answer_from_systemd_is_unknown_and_changes_nothing(answer: Dict[str, str]) -> None:
    assert Node(answer).running is Running.UNKNOWN
    for active in (True, False):
        with pytest.raises(Refused, match="does not say whether"):
            plan_node(wanted(active), Node(answer))


def test_a_stopped_unit_with_a_process_left_counts_as_running() -> None:
    assert Node({**properties("failed"), "MainPID": "12"}).running is Running.YES


def test_a_masked_unit_is_refused_with_the_remedy() -> None:
    with pytest.raises(Refused, match="systemctl unmask web.service"):
        plan_node(wanted(True), Node(properties(load="masked")))


def test_the_diff_shows_the_files_and_what_runs() -> None:
    text = describe(UNIT, Node(properties("active", "enabled"), CONTENT, render_gate(UNIT), render_marker(CONTENT)))
    assert "running: running\nenabled: yes\nstarts at boot: yes\n" in text
    assert "ExecStart=/usr/bin/python3 -m http.server\n" in text


@dataclass
class FakeSystemd:
    """systemctl and journalctl for one unit. ``dies`` makes it die after that many looks at it."""

    files: FakeFiles
    active: bool = False
    enabled: bool = False
    dies: Optional[int] = None
    calls: List[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        verb = argv[1] if argv[0] == "systemctl" else argv[0]
        self.calls.append(verb)
        out = ""
        if verb == "start":
            self.active = self.files.read(marker_path(UNIT)) is not None
        elif verb == "stop":
            self.active = False
        elif verb in ("enable", "disable"):
            self.enabled = verb == "enable"
        elif verb == "journalctl":
            out = "Address already in use\n"
        elif verb == "show":
            now = properties("active" if self.active else "inactive", "enabled" if self.enabled else "disabled")
            out = "".join(f"{name}={value}\n" for name, value in now.items())
            if self.active and self.dies is not None:
                self.dies -= 1
                self.active = self.dies > 0
        return CommandResult(tuple(argv), 0, out, "")


def keeper_of(**state: object) -> Tuple[UnitKeeper, FakeSystemd, FakeFiles]:
    files = FakeFiles()
    systemd = FakeSystemd(files, **state)  # type: ignore[arg-type]
    return UnitKeeper(UNIT, systemd, files, FakeClock()), systemd, files


def test_a_node_is_brought_to_active_and_back_to_standby() -> None:
    keeper, systemd, files = keeper_of()
    keeper.apply(plan_node(wanted(True), keeper.observe()), 0.5)
    assert (systemd.active, systemd.enabled) == (True, True)
    assert files.files[unit_path(UNIT)] == (CONTENT, 0o644)
    assert files.files[gate_path(UNIT)][0] == render_gate(UNIT)
    assert plan_node(wanted(True), keeper.observe()) == ()
    keeper.apply(plan_node(wanted(False), keeper.observe()), 0.5)
    assert (systemd.active, systemd.enabled, files.read(marker_path(UNIT))) == (False, False, None)


def test_a_unit_that_dies_at_once_is_reported_with_its_log_and_disarmed_again() -> None:
    keeper, systemd, files = keeper_of(dies=1)
    with pytest.raises(UnitFailed, match="Address already in use"):
        keeper.apply(plan_node(wanted(True), keeper.observe()), 0.5)
    assert files.read(marker_path(UNIT)) is None
    assert systemd.calls[-1] == "stop"


def test_a_failed_restart_keeps_the_marker_for_the_next_boot() -> None:
    keeper, systemd, files = keeper_of(active=True, enabled=True)
    files.write(gate_path(UNIT), render_gate(UNIT), 0o644)
    files.write(marker_path(UNIT), render_marker("older"), 0o644)
    steps: Sequence[NodeStep] = plan_node(wanted(True), keeper.observe())
    systemd.dies = 1
    with pytest.raises(UnitFailed):
        keeper.apply(steps, 0.5)
    assert files.read(marker_path(UNIT)) == render_marker(CONTENT)
