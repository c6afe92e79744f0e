# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this machine can run, what each lack takes away, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from .backends.registry import BACKENDS

# Command -> Debian package it comes from, and what it is for.
TOOLS: Mapping[str, Tuple[str, str]] = {
    "mmdebstrap": ("mmdebstrap", "building images"),
    "systemd-nspawn": ("systemd-container", "container nodes"),
    "systemd-socket-activate": ("systemd", "packages on nodes"),
    "tinyproxy": ("tinyproxy-bin", "packages on nodes"),
    "ip": ("iproute2", "lab networks"),
    "nc": ("netcat-openbsd", "reaching nodes"),
    "ssh": ("openssh-client", "reaching nodes"),
    "nft": ("nftables", "cutting links"),
    "mkfs.ext4": ("e2fsprogs", "node disks"),
}
BACKEND_TOOLS: Mapping[str, Tuple[str, str]] = {command: use for backend in BACKENDS.values() for command, use in backend.commands.items()}
# Kind of link -> what a container node cannot show without it.
LINKS: Mapping[str, str] = {
    "veth": "every node",
    "bridge": "every node",
    "tap": "virtual machine nodes",
    "vxlan": "VXLAN overlays",
    "macvtap": "guests on macvtap",
    "wireguard": "kernel WireGuard",
    "vlan": "VLANs",
    "bond": "bonds",
    "dummy": "dummy interfaces",
}
NEEDED_LINKS = ("veth", "bridge")
ENOUGH_MEMORY = 2048
ENOUGH_DISK = 4096
USUAL_CONTAINERS = 4
BOOT_INSTANCES, NODE_INSTANCES = 5, 8
"""Instances of inotify(7) that a container takes from root's: those of its systemd, without which it does not boot, and all of a node with a
login prompt (1) and NetworkManager (2). Counted in nodes with systemd 257."""
ENOUGH_INSTANCES = 512
USED_CONTROLLERS = ("cpu", "memory", "pids")


@dataclass(frozen=True)
class Facts:
    """What was found out by trying. ``memory`` and ``disk`` are free MiB; ``kvm`` is None where it was not tried.

    ``inotify_limit`` is fs.inotify.max_user_instances, which holds for each user, and ``inotify_used`` how many of them root has.
    ``containers`` is how many the lab has to start.
    """

    root: bool
    namespaces: bool
    overlay: bool
    loop: bool
    machine_id: bool
    commands: FrozenSet[str]
    links: FrozenSet[str]
    controllers: FrozenSet[str]
    kvm: Optional[bool]
    kvm_device: bool
    memory: int
    disk: int
    inotify_limit: int
    inotify_used: int
    containers: int = USUAL_CONTAINERS


@dataclass(frozen=True)
class Row:
    """One line of the table. ``stops`` says for which backends a lack means that nothing runs."""

    subject: str
    here: bool
    found: str
    lost: str = ""
    remedy: str = ""
    stops: Tuple[str, ...] = ()


def examine(facts: Facts) -> List[Row]:
    """Every row, those that are fine among them."""
    every = tuple(BACKENDS)
    elsewhere = f"lab_backend: {' or '.join(name for name, backend in BACKENDS.items() if backend.own_kernel)}"
    rows = [
        _row("root", facts.root, "every lab", "Run as root or with sudo", every),
        _row("network namespaces", facts.namespaces, "every lab", "Run on a machine or container that may unshare them", every),
        _row("overlayfs", facts.overlay, "container nodes", "Load the kernel module overlay", every),
        _row("loop devices", facts.loop, "node disks", "Load the kernel module loop", every),
        _row("machine id", facts.machine_id, "container nodes", "Run systemd-machine-id-setup", _needed_by("machine id")),
        _inotify(facts),
        _row("free memory", facts.memory >= ENOUGH_MEMORY, "larger labs", "Free some", (), f"{facts.memory} MiB"),
        _row("free disk", facts.disk >= ENOUGH_DISK, "building images", "Free some or set lab_cache", every, f"{facts.disk} MiB"),
    ]
    for name, (package, use) in {**TOOLS, **BACKEND_TOOLS}.items():
        needed_by = tuple(one for one, backend in BACKENDS.items() if name in backend.commands) or every
        rows.append(_row(name, name in facts.commands, use, f"apt-get install {package}", needed_by))
    rows.append(_kvm(facts))
    for kind, use in LINKS.items():
        stops: Sequence[str] = every if kind in NEEDED_LINKS else _needed_by(f"{kind} links")
        lost = use if stops else f"{use} in container nodes"
        rows.append(_row(f"{kind} links", kind in facts.links, lost, f"Use {elsewhere} for the hosts that need it", stops))
    lacking = [name for name in USED_CONTROLLERS if name not in facts.controllers]
    remedy = f"Boot with systemd.unified_cgroup_hierarchy=1, or use {elsewhere}"
    rows.append(_row("cgroup controllers", not lacking, "limits inside container nodes", remedy, (), ", ".join(sorted(facts.controllers))))
    return rows


def _needed_by(subject: str) -> Tuple[str, ...]:
    return tuple(name for name, backend in BACKENDS.items() if subject in backend.needs)


def _row(subject: str, here: bool, lost: str, remedy: str, stops: Sequence[str], found: str = "") -> Row:
    return Row(subject, here, found or ("yes" if here else "no"), "" if here else lost, "" if here else remedy, tuple(stops))


def _kvm(facts: Facts) -> Row:
    if facts.kvm is None:
        found = "not tried" if facts.kvm_device else "no /dev/kvm"
    else:
        found = "a trial guest ran" if facts.kvm else "a trial guest did not run"
    remedy = "" if facts.kvm else "None needed: guests are emulated, and boot in about a minute"
    return Row("KVM", bool(facts.kvm), found, "" if facts.kvm else "fast virtual machines", remedy)


def _inotify(facts: Facts) -> Row:
    """Whether the containers to be started find enough instances. Only those that surely do not boot are a reason to refuse."""
    free, needed = facts.inotify_limit - facts.inotify_used, facts.containers * NODE_INSTANCES
    enough = max(ENOUGH_INSTANCES, 2 * (facts.inotify_used + needed))
    line = f"fs.inotify.max_user_instances={enough}"
    remedy = f"Run 'sysctl -w {line}', and write {line} to /etc/sysctl.d/60-inotify.conf for the next boot; or remove a lab that is up"
    found = f"{facts.inotify_used} of {facts.inotify_limit} in use, {needed} needed"
    stops = _needed_by("inotify instances") if free < facts.containers * BOOT_INSTANCES else ()
    return _row("inotify instances", free >= needed, "container nodes, which do not boot without them", remedy, stops, found)


def containers_of(plan: Mapping[str, Mapping[str, Any]]) -> Dict[str, FrozenSet[str]]:
    """Lab -> its hosts that are containers. ``plan`` is the plan of the whole fleet, by host."""
    labs = [(host_plan["lab"]["lab"]["name"], host_plan["lab"]["node"]) for host_plan in plan.values() if "lab" in host_plan]
    containers = [(lab, node["name"]) for lab, node in labs if not BACKENDS[node["backend"]].own_kernel]
    return {lab: frozenset(name for other, name in containers if other == lab) for lab, _name in containers}


def backends_of(plan: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """The backends of a lab's nodes, sorted and each once. ``plan`` is the plan of the whole fleet, by host."""
    return sorted({host_plan["lab"]["node"]["backend"] for host_plan in plan.values() if "lab" in host_plan})


def refusals(rows: Sequence[Row], backends: Sequence[str]) -> List[Row]:
    """The rows for which a lab with these backends cannot be raised."""
    return [row for row in rows if not row.here and set(row.stops) & set(backends)]


def table(rows: Sequence[Row]) -> str:
    """The rows as text in columns."""
    cells = [("", "what", "found", "lost without it", "remedy")]
    cells += [("ok" if row.here else "--", row.subject, row.found, row.lost, row.remedy) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells)
