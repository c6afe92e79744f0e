# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding out, by trying in a namespace that is thrown away, what this machine can run."""

from __future__ import annotations

import os
import shutil
from typing import AbstractSet, FrozenSet, Mapping, Optional

from .._system.command import CommandRunner
from . import processes_host as processes
from .backends.registry_host import HOST_BACKENDS
from .commands_host import LabRunner
from .doctor import BACKEND_TOOLS, LINKS, TOOLS, USUAL_CONTAINERS, Facts
from .image_host import Images

TRIALS = {
    "veth": "link add trial type veth peer name other",
    "bridge": "link add trial type bridge",
    "tap": "tuntap add dev trial mode tap",
    "vxlan": "link add trial type vxlan id 7 dstport 4789 local 127.0.0.1",
    "macvtap": "link add parent type veth peer name other\nlink add link parent name trial type macvtap",
    "wireguard": "link add trial type wireguard",
    "vlan": "link add parent type veth peer name other\nlink add link parent name trial type vlan id 7",
    "bond": "link add trial type bond",
    "dummy": "link add trial type dummy",
}


INOTIFY_LIMIT = "/proc/sys/fs/inotify/max_user_instances"


def examine(cache: str, release: str, runner: LabRunner, trial: bool = True, containers: Optional[Mapping[str, AbstractSet[str]]] = None) -> Facts:
    """Facts about the machine this runs on, the trial guest among them if wanted. Nothing stays behind.

    ``containers`` are the hosts of each lab that are to be containers; without it a lab of usual size is supposed.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return Facts(
        root=os.geteuid() == 0,
        namespaces=_succeeds(runner, "unshare", "--net", "true"),
        overlay=_file_system(runner, "overlay"),
        loop=_succeeds(runner, "losetup", "--find"),
        machine_id=_machine_id(),
        commands=frozenset(name for name in (*TOOLS, *BACKEND_TOOLS) if shutil.which(name, path=path)),
        links=frozenset(kind for kind in LINKS if _link(runner, kind)),
        controllers=_controllers(),
        kvm=_kvm(Images(cache, release, runner, lambda _text: None), runner) if trial else None,
        kvm_device=os.path.exists("/dev/kvm"),
        memory=_free_memory(),
        disk=_free_disk(cache),
        inotify_limit=_inotify_limit(),
        inotify_used=inotify_instances(),
        containers=USUAL_CONTAINERS if containers is None else _stopped(containers),
    )


def _succeeds(runner: CommandRunner, *argv: str) -> bool:
    return runner.run(argv, check=False).rc == 0


def _file_system(runner: CommandRunner, name: str) -> bool:
    with open("/proc/filesystems", encoding="ascii") as stream:
        known = name in stream.read().split()
    return known or _succeeds(runner, "modprobe", "--dry-run", name)


def _machine_id() -> bool:
    """nspawn derives the addresses of its links from it."""
    try:
        with open("/etc/machine-id", encoding="ascii") as stream:
            return len(stream.read().strip()) == 32
    except FileNotFoundError:
        return False


def _link(runner: CommandRunner, kind: str) -> bool:
    return runner.run(["unshare", "--net", "ip", "-batch", "-"], stdin=TRIALS[kind] + "\n", check=False).rc == 0


def _controllers() -> FrozenSet[str]:
    """Controllers of the unified hierarchy: those of the old ones cannot be handed to a node."""
    for path in ("/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers"):
        if os.path.exists(path):
            with open(path, encoding="ascii") as stream:
                return frozenset(stream.read().split())
    return frozenset()


def _kvm(images: Images, runner: LabRunner) -> Optional[bool]:
    found = [one for one in (backend.trial(images, runner) for backend in HOST_BACKENDS.values()) if one is not None]
    return all(found) if found else None


def _inotify_limit() -> int:
    with open(INOTIFY_LIMIT, encoding="ascii") as stream:
        return int(stream.read())


def inotify_instances(user: int = 0, proc: str = "/proc") -> int:
    """How many instances of inotify(7) the processes of a user have open, those of nodes among them. Two that share one count twice."""
    found = 0
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            if os.stat(f"{proc}/{pid}").st_uid == user:
                found += sum(_is_inotify(f"{proc}/{pid}/fd/{number}") for number in os.listdir(f"{proc}/{pid}/fd"))
        except OSError:  # it has ended, or is another user's
            continue
    return found


def _is_inotify(path: str) -> bool:
    try:
        return os.readlink(path) == "anon_inode:inotify"
    except OSError:
        return False


def _stopped(containers: Mapping[str, AbstractSet[str]]) -> int:
    """How many of these hosts do not run yet."""
    running = {lab: {part.partition(":")[2] for part in processes.find(lab)} for lab in containers}
    return sum(len(hosts - running[lab]) for lab, hosts in containers.items())


def _free_memory() -> int:
    with open("/proc/meminfo", encoding="ascii") as stream:
        rows = dict(line.split(":", 1) for line in stream)
    return int(rows["MemAvailable"].split()[0]) >> 10


def _free_disk(path: str) -> int:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free >> 20
