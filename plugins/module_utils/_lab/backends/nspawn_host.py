# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers run by systemd-nspawn(1) on the controller."""

from __future__ import annotations

import glob
import os
from typing import List

from .. import cgroups_host as cgroups
from .. import processes_host as processes
from .base_host import HostBackend, Machine

# Whether systemd is the controller's first process, which nspawn then asks for a scope.
SYSTEMD_MAKES_GROUPS = os.path.isdir("/run/systemd/system")
# A node must not change the controller's clock or kernel.
DENIED = "CAP_SYS_TIME,CAP_SYS_MODULE,CAP_SYS_RAWIO,CAP_SYS_BOOT"


class NspawnHost(HostBackend):
    """See ``HostBackend``."""

    def connect(self, machine: Machine) -> None:
        """nspawn makes the links itself."""
        machine.mount()
        self.sweep(machine)
        for nic in machine.node.nics:
            machine.networks.forget(nic)

    def command(self, machine: Machine, accelerator: str) -> List[str]:
        argv = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--console=read-only", "--link-journal=no"]
        argv += [] if SYSTEMD_MAKES_GROUPS else ["--keep-unit"]
        argv += [f"--directory={machine.root}", f"--machine={machine.machine[:64]}"]
        argv += ["--resolv-conf=off", "--timezone=off", "--capability=all", f"--drop-capability={DENIED}", "--private-network"]
        argv += [f"--bind={device}" for device in ("/dev/net/tun", "/dev/fuse") if os.path.exists(device)]
        argv += [f"--network-veth-extra={nic.link}:{nic.interface}" for nic in machine.node.nics]
        argv += [f"--bind={machine.folder}/{name}.disk:/srv/disks/{name}" for name in machine.node.disks]
        return argv

    def groups(self, machine: Machine) -> List[str]:
        return [] if SYSTEMD_MAKES_GROUPS else cgroups.create(machine.machine)

    def members(self, machine: Machine, leader: int) -> List[int]:
        """The command, and everything that runs in the container."""
        return [leader, *processes.inside(machine.leader() or 0)]

    def killed_with(self, machine: Machine, leader: int) -> List[int]:
        """Killing a container's first process ends all others; what they had written is kept by the controller's kernel."""
        return processes.children(leader)

    def sweep(self, machine: Machine) -> None:
        """nspawn keeps files of a machine below /run while it runs, and partly refuses to start over."""
        for path in glob.glob(f"/run/systemd/nspawn/*/{glob.escape(machine.machine[:64])}"):
            if os.path.ismount(path):
                machine.runner.run(["umount", path])
            os.rmdir(path)
        if machine.mounted():
            found = os.stat(machine.root)
            machine.files.remove(f"/run/systemd/nspawn/locks/inode-{found.st_dev}:{found.st_ino}")

    def forget(self, machine: Machine) -> None:
        if not SYSTEMD_MAKES_GROUPS:
            cgroups.remove(machine.machine)
