# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One systemd unit on one node of a standby pair: what is there, what should be, and the steps between."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence, Tuple

from .._shared.masking import masked
from .standby import plan
from .steps import Act, Observed, Pair, Running, Side

# The properties of systemctl(1) show that say what a unit is doing.
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NeedDaemonReload",
    "MainPID",
    "ControlPID",
    "NRestarts",
)
HEADER = "# Written by smallfleet.infra.standby_service; changes are lost."
UNIT_FOLDER = "/etc/systemd/system"
MARKER_FOLDER = "/var/lib/smallfleet/standby"
STOPPED = ("inactive", "failed")
MOVING = ("active", "reloading", "refreshing", "activating", "deactivating", "maintenance")
ENABLED = ("enabled", "enabled-runtime")
# Without an [Install] section, or made at boot by a generator: systemctl(1) enable has no effect on these.
NOT_ENABLEABLE = ("static", "generated", "transient", "indirect", "alias", "linked", "linked-runtime")


def unit_path(unit: str) -> str:
    return f"{UNIT_FOLDER}/{unit}"


def gate_path(unit: str) -> str:
    return f"{UNIT_FOLDER}/{unit}.d/50-smallfleet-standby.conf"


def marker_path(unit: str) -> str:
    return f"{MARKER_FOLDER}/{unit}.active"


def render_unit(unit: str, exec_start: str, exec_start_pre: Sequence[str]) -> str:
    """A unit file for one long-running command, which gets ``/run/<unit name>`` (systemd.service(5), systemd.exec(5)).

    ``Type=exec`` makes a start fail when the command cannot be executed at all.
    """
    lines = [
        HEADER,
        "[Unit]",
        f"Description={unit}, which runs on one of two hosts",
        "After=network.target",
        "",
        "[Service]",
        "Type=exec",
        "RuntimeDirectory=%N",
        *(f"ExecStartPre={command}" for command in exec_start_pre),
        f"ExecStart={exec_start}",
        "Restart=on-failure",
        "RestartSec=1",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def render_gate(unit: str) -> str:
    """A drop-in without which a host that was down during a switch-over would start the unit when it boots."""
    return f"{HEADER}\n# The file is there only on the host that shall run the unit.\n[Unit]\nConditionPathExists={marker_path(unit)}\n"


def render_marker(content: Optional[str]) -> str:
    """What the marker holds: the digest of the unit file that the running process was started with, if it is ours."""
    digest = "the host's own unit file" if content is None else hashlib.sha256(content.encode()).hexdigest()
    return f"{digest}\n"


@dataclass(frozen=True)
class Node:
    """What was observed: the properties of the unit and the three files of ours, each None when it is not there."""

    properties: Mapping[str, str]
    unit_text: Optional[str] = None
    gate_text: Optional[str] = None
    marker_text: Optional[str] = None

    @property
    def installed(self) -> bool:
        return self.properties.get("LoadState") in ("loaded", "masked")

    @property
    def running(self) -> Running:
        """Anything but a clear answer is UNKNOWN; a unit on its way up or down counts as running."""
        load, active = self.properties.get("LoadState", ""), self.properties.get("ActiveState", "")
        pids = (self.properties.get("MainPID", "0"), self.properties.get("ControlPID", "0"))
        if load == "" or active not in STOPPED + MOVING:
            return Running.UNKNOWN
        if active in STOPPED and pids == ("0", "0"):
            return Running.NO
        return Running.YES

    @property
    def enabled(self) -> bool:
        return self.properties.get("UnitFileState") in ENABLED

    def armed(self, unit: str) -> bool:
        """Whether a boot may start the unit: with the gate only by the marker, without it when anything could."""
        if self.gate_text == render_gate(unit):
            return self.marker_text is not None
        return self.properties.get("UnitFileState", "") not in ("", "disabled", "masked", "masked-runtime", "bad")

    def side(self, unit: str) -> Side:
        return Side(self.running, self.armed(unit))


@dataclass(frozen=True)
class Wanted:
    """What should be. ``content`` is the unit file to write, or None when the host brings its own."""

    unit: str
    active: bool
    content: Optional[str]
    host: str = "this host"
    peer_host: str = "the other host"
    peer: Side = Side()


@dataclass(frozen=True)
class NodeStep:
    """One effect on the node: ``kind`` is what to do, ``path`` and ``text`` the file, ``title`` what to tell.

    Kinds are ``write``, ``write_unit``, ``arm`` (write a marker where none was), ``remove``, ``reload``, ``start``,
    ``stop``, ``enable`` and ``disable``.
    """

    kind: str
    title: str
    path: str = ""
    text: str = ""


class Refused(Exception):
    """The node cannot be brought there safely; nothing was changed."""


def plan_node(wanted: Wanted, seen: Node) -> Tuple[NodeStep, ...]:
    """The steps that bring the unit of this node to what is wanted.

    Invariant: stopped after any step, the unit does not run, and would not run after a boot, on a node that shall stand
    by, once its first step is done; on the active node it is started or armed only when ``peer`` was observed to be at
    rest, and the marker is on the disk before the start, so that a power cut right after it brings the unit back.
    Raises Refused.
    """
    if seen.running is Running.UNKNOWN:
        raise Refused(f"systemd on {wanted.host} does not say whether {wanted.unit} runs")
    return _to_active(wanted, seen) if wanted.active else _to_standby(wanted, seen)


def _to_standby(wanted: Wanted, seen: Node) -> Tuple[NodeStep, ...]:
    steps: List[NodeStep] = []
    if seen.marker_text is not None:
        steps.append(NodeStep("remove", "remove the marker, so that no boot starts it", marker_path(wanted.unit)))
    if seen.running is Running.YES:
        steps.append(NodeStep("stop", f"stop {wanted.unit}"))
    steps.extend(_files(wanted, seen))
    if seen.enabled:
        steps.append(NodeStep("disable", f"disable {wanted.unit}"))
    return tuple(steps)


def _to_active(wanted: Wanted, seen: Node) -> Tuple[NodeStep, ...]:
    marker = render_marker(wanted.content)
    running = seen.running is Running.YES
    restart = running and wanted.content is not None and seen.marker_text not in (None, marker)
    adopt = running and wanted.content is not None and seen.unit_text != wanted.content
    start = not running or restart or adopt
    if start or seen.marker_text != marker or not seen.armed(wanted.unit):
        _demand_peer_at_rest(wanted, start)
    if seen.properties.get("LoadState") == "masked":
        raise Refused(f"{wanted.unit} is masked on {wanted.host}: unmask it with 'systemctl unmask {wanted.unit}'")
    steps = _files(wanted, seen)
    if start and running:
        steps.append(NodeStep("stop", f"stop {wanted.unit}, which was started with another unit file"))
    if seen.marker_text != marker:
        kind = "arm" if seen.marker_text is None else "write"
        steps.append(NodeStep(kind, "write the marker that lets it start", marker_path(wanted.unit), marker))
    if start:
        steps.append(NodeStep("start", f"start {wanted.unit}"))
    if not seen.enabled and seen.properties.get("UnitFileState", "") not in NOT_ENABLEABLE:
        steps.append(NodeStep("enable", f"enable {wanted.unit}"))
    return tuple(steps)


def _demand_peer_at_rest(wanted: Wanted, start: bool) -> None:
    """Ask the pair's planner whether this node may start now, as the one that DNS names."""
    pair = Pair(wanted.host, wanted.peer_host)
    observed = Observed({wanted.host: Side(Running.NO, False), wanted.peer_host: wanted.peer}, wanted.host)
    for step in plan(pair, observed):
        if step.act is Act.HOLD:
            raise Refused(f"{wanted.unit} was not {_verb(start)} on {wanted.host}: {step.why}")
        if step.act is Act.STOP:
            state = "runs" if wanted.peer.running is Running.YES else "would start at the next boot"
            raise Refused(f"{wanted.unit} was not {_verb(start)} on {wanted.host}: it {state} on {step.host}")


def _verb(start: bool) -> str:
    return "started" if start else "enabled"


def _files(wanted: Wanted, seen: Node) -> List[NodeStep]:
    steps: List[NodeStep] = []
    path, gate = unit_path(wanted.unit), render_gate(wanted.unit)
    if wanted.content is not None and seen.unit_text != wanted.content:
        steps.append(NodeStep("write_unit", f"write {path}", path, wanted.content))
    if seen.gate_text != gate:
        steps.append(NodeStep("write", f"write {gate_path(wanted.unit)}", gate_path(wanted.unit), gate))
    if steps or seen.properties.get("NeedDaemonReload") == "yes":
        steps.append(NodeStep("reload", "have systemd read its unit files again"))
    return steps


def describe(unit: str, seen: Node) -> str:
    """The node's state as the text of a diff, without secrets."""
    lines = [
        f"unit: {unit}",
        f"running: {seen.running.value}",
        f"enabled: {'yes' if seen.enabled else 'no'}",
        f"starts at boot: {'yes' if seen.armed(unit) and seen.installed else 'no'}",
    ]
    for path, text in ((unit_path(unit), seen.unit_text), (gate_path(unit), seen.gate_text)):
        if text is not None:
            lines.extend([f"--- {path}", masked(text, "pairs").rstrip("\n")])
    return "\n".join(lines) + "\n"


def predict(wanted: Wanted, seen: Node, steps: Sequence[NodeStep]) -> Node:
    """What would be observed after the steps."""
    properties = dict(seen.properties)
    files = {
        unit_path(wanted.unit): seen.unit_text,
        gate_path(wanted.unit): seen.gate_text,
        marker_path(wanted.unit): seen.marker_text,
    }
    for step in steps:
        if step.kind in ("write", "write_unit", "arm"):
            files[step.path] = step.text
        elif step.kind == "remove":
            files[step.path] = None
        elif step.kind == "enable":
            properties["UnitFileState"] = "enabled"
        elif step.kind == "disable":
            properties["UnitFileState"] = "disabled"
        elif step.kind == "start":
            properties.update(ActiveState="active", MainPID="1")
        elif step.kind == "stop":
            properties.update(ActiveState="inactive", MainPID="0", ControlPID="0")
        if step.kind == "write_unit":
            properties["LoadState"] = "loaded"
            properties["UnitFileState"] = properties.get("UnitFileState") or "disabled"
    paths = (unit_path(wanted.unit), gate_path(wanted.unit), marker_path(wanted.unit))
    return Node(properties, *(files[path] for path in paths))
