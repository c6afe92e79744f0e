# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a machine lacks for a lab: what that costs, the remedy, and when a lab is refused."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._lab import doctor
from ansible_collections.smallfleet.infra.plugins.module_utils._lab import doctor_host as machine


def facts(**changes: Any) -> doctor.Facts:
    everything: Dict[str, Any] = dict(
        root=True,
        namespaces=True,
        overlay=True,
        loop=True,
        machine_id=True,
        commands=frozenset({**doctor.TOOLS, **doctor.BACKEND_TOOLS}),
        links=frozenset(doctor.LINKS),
        controllers=frozenset(doctor.USED_CONTROLLERS),
        kvm=True,
        kvm_device=True,
        memory=9999,
        disk=9999,
        inotify_limit=128,
        inotify_used=20,
    )
    return doctor.Facts(**{**everything, **changes})


def test_a_machine_that_lacks_nothing_is_told_nothing() -> None:
    rows = doctor.examine(facts())
    assert all(row.here and not row.lost and not row.remedy for row in rows)
    assert doctor.refusals(rows, ["nspawn", "qemu"]) == []


@pytest.mark.parametrize(
    ("changes", "subject", "stopped"),
    [
        ({"root": False}, "root", ["nspawn", "qemu"]),
        ({"overlay": False}, "overlayfs", ["nspawn", "qemu"]),
        ({"machine_id": False}, "machine id", ["nspawn"]),
        ({"disk": 10}, "free disk", ["nspawn", "qemu"]),
        ({"memory": 10}, "free memory", []),
        ({"commands": frozenset({**doctor.TOOLS, **doctor.BACKEND_TOOLS}) - {"qemu-system-x86_64"}}, "qemu-system-x86_64", ["qemu"]),
        ({"links": frozenset(doctor.LINKS) - {"wireguard"}}, "wireguard links", []),
        ({"links": frozenset(doctor.LINKS) - {"tap"}}, "tap links", ["qemu"]),
        ({"kvm": False}, "KVM", []),
        ({"kvm": None}, "KVM", []),
        ({"controllers": frozenset()}, "cgroup controllers", []),
        ({"inotify_used": 100}, "inotify instances", []),
        ({"inotify_used": 110}, "inotify instances", ["nspawn"]),
        ({"containers": 21}, "inotify instances", []),
        ({"containers": 22}, "inotify instances", ["nspawn"]),
    ],
)
def test_each_lack_is_named_with_what_it_costs_and_the_remedy(changes: Dict[str, Any], subject: str, stopped: List[str]) -> None:
    rows = doctor.examine(facts(**changes))
    lacking = [row for row in rows if not row.here]
    assert [row.subject for row in lacking] == [subject]
    assert lacking[0].lost and lacking[0].remedy
    assert [backend for backend in ("nspawn", "qemu") if doctor.refusals(rows, [backend])] == stopped
    assert subject in doctor.table(rows) and lacking[0].remedy in doctor.table(rows)


def test_the_instances_of_inotify_are_counted_and_the_remedy_is_a_sysctl_that_suffices() -> None:
    row = {row.subject: row for row in doctor.examine(facts(inotify_limit=128, inotify_used=300, containers=10))}["inotify instances"]
    assert row.found == "300 of 128 in use, 80 needed"
    assert "'sysctl -w fs.inotify.max_user_instances=760'" in row.remedy and "/etc/sysctl.d/" in row.remedy
    few = doctor.examine(facts(inotify_limit=128, inotify_used=120))
    assert any("'sysctl -w fs.inotify.max_user_instances=512'" in row.remedy for row in few)


def test_a_lab_whose_containers_all_run_needs_no_more_instances_of_inotify() -> None:
    assert doctor.refusals(doctor.examine(facts(inotify_limit=128, inotify_used=128, containers=0)), ["nspawn"]) == []


def host_plan(lab: str, name: str, backend: str) -> Dict[str, Any]:
    return {"lab": {"lab": {"name": lab}, "node": {"name": name, "backend": backend}}}


def test_the_containers_of_a_lab_are_its_hosts_that_are_no_virtual_machines() -> None:
    plan = {"a": host_plan("demo", "a", "nspawn"), "b": host_plan("demo", "b", "qemu"), "c": {"capabilities": []}}
    assert doctor.containers_of({**plan, "d": host_plan("demo", "d", "nspawn")}) == {"demo": {"a", "d"}}
    assert doctor.containers_of({"b": plan["b"], "c": plan["c"]}) == {}


def test_only_the_open_instances_of_one_user_are_counted(tmp_path: Path) -> None:
    one = "anon_inode:inotify"
    for pid, links in {"1": [one, "anon_inode:[eventpoll]", one], "2": ["/dev/null"], "self": [one]}.items():
        (tmp_path / pid / "fd").mkdir(parents=True)
        for number, target in enumerate(links):
            os.symlink(target, tmp_path / pid / "fd" / str(number))
    (tmp_path / "3").mkdir()  # it has just ended
    assert machine.inotify_instances(os.getuid(), str(tmp_path)) == 2
    assert machine.inotify_instances(os.getuid() + 1, str(tmp_path)) == 0


def test_an_instance_that_is_opened_counts_until_it_is_closed() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    instances = [libc.inotify_init1(os.O_CLOEXEC) for _number in range(3)]
    assert min(instances) >= 0, os.strerror(ctypes.get_errno())
    own = f"/proc/{os.getpid()}/fd"
    assert sum(machine._is_inotify(f"{own}/{number}") for number in instances) == 3
    for number in instances:
        os.close(number)
    assert not any(machine._is_inotify(f"{own}/{number}") for number in instances)
