# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's disk and power: an overlay on the base image in a file system of its own, run by one of the backends."""

from __future__ import annotations

import base64
import glob
import os
import secrets
import shutil
import signal
from typing import FrozenSet, List, Optional, Tuple

from .._system.files import FileStore
from . import processes_host as processes
from .backends.base_host import HostBackend
from .backends.registry_host import HOST_BACKENDS
from .commands_host import LabRunner
from .layer import SECRET_FILES, renew_secrets
from .network_host import LabNetworks
from .render import node_files
from .spec import LabNode, LabSpec

# Today's distributions want the unified hierarchy, also where the controller still mounts the old ones.
HIERARCHY = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


def trees_in_use(labs: str) -> FrozenSet[str]:
    """The read-only trees below the nodes of all labs in a folder, and below any overlay that is mounted."""
    lower = []
    for path in glob.glob(f"{glob.escape(labs)}/*/nodes/*/lower"):
        with open(path, encoding="utf-8") as stream:
            lower.append(stream.read().strip())
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        lower += [option[len("lowerdir=") :] for line in stream for option in line.split()[-1].split(",") if option.startswith("lowerdir=")]
    return frozenset(tree for trees in lower for tree in trees.split(":"))


class Node:
    """One node of a lab, named in the environment of its process as part ``node:NAME``."""

    def __init__(self, spec: LabSpec, node: LabNode, runner: LabRunner, files: FileStore, networks: LabNetworks) -> None:
        self.spec = spec
        self.node = node
        self.folder = f"{spec.folder}/nodes/{node.name}"
        self.part = f"node:{node.name}"
        self.runner = runner
        self.files = files
        self.networks = networks

    @property
    def root(self) -> str:
        return f"{self.folder}/root"

    def prepare(self, lower: Tuple[str, ...], authorized_key: str, digest: str) -> str:
        """Make the node's disk and write what it needs to be reachable; return its public host key."""
        os.makedirs(self.folder, mode=0o700)
        self.files.write(f"{self.folder}/lower", ":".join(lower), 0o600)
        self._make_disk(f"{self.folder}/disk.img", self.node.disk)
        for name, size in self.node.disks.items():
            with open(f"{self.folder}/{name}.disk", "wb") as stream:
                stream.truncate(size << 20)
        self.mount()
        key = f"{self.root}/etc/ssh/ssh_host_ed25519_key"
        self.runner.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.node.name, "-f", key])
        self._renew_secrets()
        for path, content in node_files(self.spec, self.node).items():
            self.files.write(f"{self.root}{path}", content, 0o644)
        os.makedirs(f"{self.root}/root/.ssh", mode=0o700, exist_ok=True)
        self.files.write(f"{self.root}/root/.ssh/authorized_keys", authorized_key, 0o600)
        public = self.files.read(f"{key}.pub") or ""
        self.backend.finish(self)
        self.files.write(f"{self.folder}/digest", digest, 0o600)
        return public

    def _renew_secrets(self) -> None:
        """Give the node secrets of its own where a package generated them in a shared layer; owners and modes stay."""
        for path in SECRET_FILES:
            if os.path.exists(f"{self.root}{path}"):
                with open(f"{self.root}{path}", "r+", encoding="ascii") as stream:
                    text = renew_secrets(stream.read(), lambda: base64.b64encode(secrets.token_bytes(32)).decode())
                    stream.seek(0)
                    stream.write(text)
                    stream.truncate()

    def _make_disk(self, path: str, size: int) -> None:
        with open(path, "wb") as stream:
            stream.truncate(size << 20)
        self.runner.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1", path])

    @property
    def backend(self) -> HostBackend:
        """What runs the node."""
        return HOST_BACKENDS[self.node.backend]

    @property
    def machine(self) -> str:
        """A name that no other node of any lab has."""
        return f"smallfleet-{self.spec.name}-{self.node.name}"

    def mounted(self) -> bool:
        return os.path.ismount(self.root)

    def ready(self) -> bool:
        """Whether what it boots from is in its place."""
        return self.backend.ready(self)

    def mount(self) -> None:
        """Mount the node's disk, and over it the base image below the node's own changes."""
        disk = f"{self.folder}/disk"
        for path in (disk, self.root):
            os.makedirs(path, exist_ok=True)
        if not os.path.ismount(disk):
            self.runner.run(["mount", "-o", "loop,noatime", f"{self.folder}/disk.img", disk])
        for path in (f"{disk}/upper", f"{disk}/work"):
            os.makedirs(path, exist_ok=True)
        if not self.mounted():
            lower = self.files.read(f"{self.folder}/lower")
            options = f"lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work"
            self.runner.run(["mount", "-t", "overlay", "-o", options, f"smallfleet-{self.spec.name}", self.root])

    def unmount(self) -> None:
        """Unmount whatever is mounted below the node's folder, deepest first."""
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            points = [line.split()[4] for line in stream]
        for point in sorted((p for p in points if p.startswith(f"{self.folder}/")), key=len, reverse=True):
            self.runner.run(["umount", point])

    def running(self) -> Optional[int]:
        """The id of the process that is the node's machine, or None."""
        found = processes.find(self.spec.name).get(self.part, [])
        return found[0] if found else None

    def start(self, accelerator: str = "tcg") -> None:
        """Switch the power on."""
        self.backend.connect(self)
        argv = self.backend.command(self, accelerator)
        groups = self.backend.groups(self)
        log = f"{self.folder}/console.log"
        processes.spawn(self.runner, self.spec.name, self.part, self.networks.enter(argv), log, HIERARCHY, groups)

    def leader(self) -> Optional[int]:
        """The first process inside a running container, or None. nspawn may have helpers outside it besides."""
        for child in processes.children(self.running() or 0):
            if processes.inside(child):
                return child
        return None

    def members(self) -> List[int]:
        """All processes that are the node: the machine's own and, in a container, everything that runs in it."""
        machine = self.running()
        return [] if machine is None else self.backend.members(self, machine)

    def power_off(self) -> None:
        """Power off hard: nothing in the node gets a chance to write another byte."""
        machine = self.running()
        if machine is None:
            return
        processes.end([*self.backend.killed_with(self, machine), machine])
        self._sweep()

    def _sweep(self) -> None:
        for backend in HOST_BACKENDS.values():
            backend.sweep(self)

    def freeze(self) -> None:
        """Stop every process of the node where it stands; connections stay open and nothing answers."""
        before: List[int] = []
        while True:
            members = self.members()
            processes.send(members, signal.SIGSTOP)
            if set(members) <= set(before):
                return
            before = members

    def thaw(self) -> None:
        processes.send(self.members(), signal.SIGCONT)

    def frozen(self) -> bool:
        return any(processes.stopped(pid) for pid in self.members())

    def remove(self) -> None:
        """Leave nothing of the node; of one whose folder somebody has deleted there was only its process."""
        self._sweep()
        self.unmount()
        for backend in HOST_BACKENDS.values():
            backend.forget(self)
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)
