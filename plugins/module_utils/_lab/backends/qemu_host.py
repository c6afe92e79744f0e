# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines run by QEMU on the controller."""

from __future__ import annotations

import os
import shutil
from typing import List, Optional

from ..commands_host import LabRunner
from ..image_host import Images, Progress
from ..kvm_host import kernel_of, kvm_runs
from .base_host import HostBackend, Machine
from .qemu import Qemu

ROOT_DISK = "/dev/nvme0n1"  # Debian's kernel has the drivers of NVMe and ext4 built in: it boots without an initrd
EMULATED = "max,la57=off"  # without the fifth level of page tables, which costs an emulated processor a third of its time
KVM, EMULATION = "kvm", "tcg"


class QemuHost(HostBackend):
    """See ``HostBackend``."""

    def recognises(self, folder: str) -> bool:
        return os.path.exists(f"{folder}/guest.img")

    def finish(self, machine: Machine) -> None:
        _version, kernel, initrd = kernel_of(machine.root)
        shutil.copy(kernel, f"{machine.folder}/vmlinuz")
        shutil.copy(initrd, f"{machine.folder}/initrd.img")
        machine.files.write(f"{machine.root}/etc/fstab", f"{ROOT_DISK} / ext4 noatime 0 1\n", 0o644)
        guest = f"{machine.folder}/guest.img"
        with open(guest, "wb") as stream:
            stream.truncate(machine.node.disk << 20)
        machine.runner.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-d", machine.root, guest])
        machine.unmount()
        os.unlink(f"{machine.folder}/disk.img")
        for name in ("disk", "root"):
            os.rmdir(f"{machine.folder}/{name}")

    def ready(self, machine: Machine) -> bool:
        """A disk image needs no mount."""
        return True

    def connect(self, machine: Machine) -> None:
        for nic in machine.node.nics:
            machine.networks.add_tap(nic)

    def command(self, machine: Machine, accelerator: str) -> List[str]:
        argv = ["qemu-system-x86_64", "-name", machine.machine, "-nodefaults", "-display", "none"]
        argv += ["-machine", f"q35,accel={accelerator}", "-cpu", "host" if accelerator == KVM else EMULATED]
        argv += ["-m", str(machine.node.memory), "-smp", str(machine.node.cpus), "-no-reboot", "-serial", "stdio"]
        argv += ["-device", "virtio-rng-pci", "-kernel", f"{machine.folder}/vmlinuz"]
        argv += ["-append", f"root={ROOT_DISK} ro rootwait console=ttyS0 net.ifnames=0 quiet"]
        argv += ["-drive", f"file={machine.folder}/guest.img,if=none,id=root,format=raw,cache=writeback,discard=unmap"]
        argv += ["-device", "nvme,drive=root,serial=root"]
        for name in machine.node.disks:
            argv += ["-drive", f"file={machine.folder}/{name}.disk,if=none,id={name},format=raw,cache=writeback"]
            argv += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
        for position, nic in enumerate(machine.node.nics):
            argv += ["-netdev", f"tap,id=n{position},ifname={nic.link},script=no,downscript=no"]
            argv += ["-device", f"virtio-net-pci,netdev=n{position},mac={nic.mac}"]
        return argv

    def accelerator(self, machine: Machine, progress: Progress) -> str:
        """Found out once for a lab, by a trial guest."""
        remembered = f"{machine.spec.folder}/accelerator"
        known = machine.files.read(remembered)
        if known is None:
            progress("trying whether a guest runs under KVM")
            runs = kvm_runs(machine.runner, f"{machine.folder}/vmlinuz", f"{machine.folder}/initrd.img")
            known = KVM if runs else EMULATION
            progress(f"  guests run by {'KVM' if runs else 'emulation: booting takes a minute'}")
            machine.files.write(remembered, known, 0o600)
        return known

    def boot_limit(self, accelerator: str) -> float:
        return 420.0 if accelerator == EMULATION else super().boot_limit(accelerator)

    def trial(self, images: Images, runner: LabRunner) -> Optional[bool]:
        """By a guest under KVM."""
        if not os.path.exists("/dev/kvm") or not all(shutil.which(command) for command in Qemu.commands):
            return None
        tree = images.base(Qemu.name)
        if tree is None:
            return None
        _version, kernel, initrd = kernel_of(tree)
        return kvm_runs(runner, kernel, initrd)
