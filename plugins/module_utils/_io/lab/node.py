# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's disk and power: an overlay on the base image in a file system of its own, run by nspawn or QEMU."""

from __future__ import annotations

import base64
import glob
import os
import secrets
import shutil
import signal
from typing import FrozenSet, List, Optional, Tuple

from ..._core.lab.layer import SECRET_FILES, renew_secrets
from ..._core.lab.render import node_files
from ..._core.lab.spec import LabNode, LabSpec
from ..command import CommandRunner
from ..files import FileStore
from . import cgroups, processes
from .guest import kernel_of
from .network import LabNetworks

# Whether systemd is the controller's first process, which nspawn then asks for a scope.
SYSTEMD_MAKES_GROUPS = os.path.isdir("/run/systemd/system")
# Today's distributions want the unified hierarchy, also where the controller still mounts the old ones.
HIERARCHY = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
# A node must not change the controller's clock or kernel.
DENIED = "CAP_SYS_TIME,CAP_SYS_MODULE,CAP_SYS_RAWIO,CAP_SYS_BOOT"
ROOT_DISK = "/dev/nvme0n1"  # Debian's kernel has the drivers of NVMe and ext4 built in: it boots without an initrd
EMULATED = "max,la57=off"  # without the fifth level of page tables, which costs an emulated processor a third of its time


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

    def __init__(self, spec: LabSpec, node: LabNode, runner: CommandRunner, files: FileStore, networks: LabNetworks) -> None:
        self.spec = spec
        self.node = node
        self.folder = f"{spec.folder}/nodes/{node.name}"
        self.part = f"node:{node.name}"
        self._runner = runner
        self._files = files
        self._networks = networks

    @property
    def root(self) -> str:
        return f"{self.folder}/root"

    def prepare(self, lower: Tuple[str, ...], authorized_key: str, digest: str) -> str:
        """Make the node's disk and write what it needs to be reachable; return its public host key."""
        os.makedirs(self.folder, mode=0o700)
        self._files.write(f"{self.folder}/lower", ":".join(lower), 0o600)
        self._make_disk(f"{self.folder}/disk.img", self.node.disk)
        for name, size in self.node.disks.items():
            with open(f"{self.folder}/{name}.disk", "wb") as stream:
                stream.truncate(size << 20)
        self.mount()
        key = f"{self.root}/etc/ssh/ssh_host_ed25519_key"
        self._runner.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.node.name, "-f", key])
        self._renew_secrets()
        for path, content in node_files(self.spec, self.node).items():
            self._files.write(f"{self.root}{path}", content, 0o644)
        os.makedirs(f"{self.root}/root/.ssh", mode=0o700, exist_ok=True)
        self._files.write(f"{self.root}/root/.ssh/authorized_keys", authorized_key, 0o600)
        public = self._files.read(f"{key}.pub") or ""
        if self.node.backend == "qemu":
            self._into_guest_disk()
        self._files.write(f"{self.folder}/digest", digest, 0o600)
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
        self._runner.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1", path])

    def mounted(self) -> bool:
        return os.path.ismount(self.root)

    def mount(self) -> None:
        """Mount the node's disk, and over it the base image below the node's own changes."""
        disk = f"{self.folder}/disk"
        for path in (disk, self.root):
            os.makedirs(path, exist_ok=True)
        if not os.path.ismount(disk):
            self._runner.run(["mount", "-o", "loop,noatime", f"{self.folder}/disk.img", disk])
        for path in (f"{disk}/upper", f"{disk}/work"):
            os.makedirs(path, exist_ok=True)
        if not self.mounted():
            lower = self._files.read(f"{self.folder}/lower")
            options = f"lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work"
            self._runner.run(["mount", "-t", "overlay", "-o", options, f"smallfleet-{self.spec.name}", self.root])

    def unmount(self) -> None:
        """Unmount whatever is mounted below the node's folder, deepest first."""
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            points = [line.split()[4] for line in stream]
        for point in sorted((p for p in points if p.startswith(f"{self.folder}/")), key=len, reverse=True):
            self._runner.run(["umount", point])

    def _into_guest_disk(self) -> None:
        """Turn the prepared tree into a disk that a virtual machine boots from."""
        _version, kernel, initrd = kernel_of(self.root)
        shutil.copy(kernel, f"{self.folder}/vmlinuz")
        shutil.copy(initrd, f"{self.folder}/initrd.img")
        self._files.write(f"{self.root}/etc/fstab", f"{ROOT_DISK} / ext4 noatime 0 1\n", 0o644)
        guest = f"{self.folder}/guest.img"
        with open(guest, "wb") as stream:
            stream.truncate(self.node.disk << 20)
        self._runner.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-d", self.root, guest])
        self.unmount()
        os.unlink(f"{self.folder}/disk.img")
        for name in ("disk", "root"):
            os.rmdir(f"{self.folder}/{name}")

    def running(self) -> Optional[int]:
        """The id of the process that is the node's machine, or None."""
        found = processes.find(self.spec.name).get(self.part, [])
        return found[0] if found else None

    def start(self, accelerator: str = "tcg") -> None:
        """Switch the power on."""
        if self.node.backend == "qemu":
            for nic in self.node.nics:
                self._networks.add_tap(nic)
            argv = self._qemu(accelerator)
        else:
            self.mount()
            self._sweep()
            for nic in self.node.nics:
                self._networks.forget(nic)
            argv = self._nspawn()
        own = self.node.backend == "nspawn" and not SYSTEMD_MAKES_GROUPS
        groups = cgroups.create(self._machine) if own else []
        log = f"{self.folder}/console.log"
        processes.spawn(self._runner, self.spec.name, self.part, self._networks.enter(argv), log, HIERARCHY, groups)

    @property
    def _machine(self) -> str:
        return f"smallfleet-{self.spec.name}-{self.node.name}"

    def _nspawn(self) -> List[str]:
        argv = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--console=read-only", "--link-journal=no"]
        argv += [] if SYSTEMD_MAKES_GROUPS else ["--keep-unit"]
        argv += [f"--directory={self.root}", f"--machine={self._machine[:64]}"]
        argv += ["--resolv-conf=off", "--timezone=off", "--capability=all", f"--drop-capability={DENIED}", "--private-network"]
        argv += [f"--bind={device}" for device in ("/dev/net/tun", "/dev/fuse") if os.path.exists(device)]
        argv += [f"--network-veth-extra={nic.link}:{nic.interface}" for nic in self.node.nics]
        argv += [f"--bind={self.folder}/{name}.disk:/srv/disks/{name}" for name in self.node.disks]
        return argv

    def _qemu(self, accelerator: str) -> List[str]:
        argv = ["qemu-system-x86_64", "-name", self._machine, "-nodefaults", "-display", "none"]
        argv += ["-machine", f"q35,accel={accelerator}", "-cpu", "host" if accelerator == "kvm" else EMULATED]
        argv += ["-m", str(self.node.memory), "-smp", str(self.node.cpus), "-no-reboot", "-serial", "stdio"]
        argv += ["-device", "virtio-rng-pci", "-kernel", f"{self.folder}/vmlinuz"]
        argv += ["-append", f"root={ROOT_DISK} ro rootwait console=ttyS0 net.ifnames=0 quiet"]
        argv += ["-drive", f"file={self.folder}/guest.img,if=none,id=root,format=raw,cache=writeback,discard=unmap"]
        argv += ["-device", "nvme,drive=root,serial=root"]
        for name in self.node.disks:
            argv += ["-drive", f"file={self.folder}/{name}.disk,if=none,id={name},format=raw,cache=writeback"]
            argv += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
        for position, nic in enumerate(self.node.nics):
            argv += ["-netdev", f"tap,id=n{position},ifname={nic.link},script=no,downscript=no"]
            argv += ["-device", f"virtio-net-pci,netdev=n{position},mac={nic.mac}"]
        return argv

    def leader(self) -> Optional[int]:
        """The first process inside a running container, or None. nspawn may have helpers outside it besides."""
        for child in processes.children(self.running() or 0):
            if processes.inside(child):
                return child
        return None

    def members(self) -> List[int]:
        """All processes that are the node: the machine's own and, in a container, everything that runs in it."""
        machine = self.running()
        if machine is None:
            return []
        if self.node.backend == "qemu":
            return [machine]
        return [machine, *processes.inside(self.leader() or 0)]

    def power_off(self) -> None:
        """Pull the cord: nothing in the node gets a chance to write another byte. Killing a container's first process ends
        all others; what they had written is kept by the controller's kernel, unlike in a virtual machine.
        """
        machine = self.running()
        if machine is None:
            return
        processes.end([*(processes.children(machine) if self.node.backend == "nspawn" else []), machine])
        self._sweep()

    def _sweep(self) -> None:
        """Remove what nspawn keeps of a machine below /run while it runs, and partly refuses to start over."""
        for path in glob.glob(f"/run/systemd/nspawn/*/{glob.escape(self._machine[:64])}"):
            if os.path.ismount(path):
                self._runner.run(["umount", path])
            os.rmdir(path)
        if self.mounted():
            found = os.stat(self.root)
            self._files.remove(f"/run/systemd/nspawn/locks/inode-{found.st_dev}:{found.st_ino}")

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
        if not SYSTEMD_MAKES_GROUPS:
            cgroups.remove(self._machine)
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)
