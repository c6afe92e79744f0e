# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a virtual machine really runs here under KVM: the presence of /dev/kvm proves nothing.

On some hosts that are virtual themselves KVM runs a boot sector but fails at the first unusual instruction of a real kernel. So
the trial is the kernel that the lab's guests boot.
"""

from __future__ import annotations

import os
from typing import List, Tuple

from .commands_host import LabRunner

# The kernel got as far as running the first program of the initial RAM disk, /bin/false, and says that it ended.
PROOF = "Attempted to kill init"
FAILURES = ("KVM internal error", "emulation failure", "failed to initialize kvm", "Could not access KVM")


def kernel_of(tree: str) -> Tuple[str, str, str]:
    """(version, kernel, initial RAM disk) of the newest kernel in a tree. Raise FileNotFoundError when there is none."""
    boot = f"{tree}/boot"
    versions = sorted(name[len("vmlinuz-") :] for name in os.listdir(boot) if name.startswith("vmlinuz-"))
    if not versions:
        raise FileNotFoundError(f"no kernel in {boot}")
    return versions[-1], f"{boot}/vmlinuz-{versions[-1]}", f"{boot}/initrd.img-{versions[-1]}"


def kvm_runs(runner: LabRunner, kernel: str, initrd: str, timeout: float = 20.0) -> bool:
    """Boot the kernel under KVM with nothing to do but to stop, and read its console until it has proven itself or failed."""
    if not os.path.exists("/dev/kvm"):
        return False
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "768", "-machine", "q35", "-nodefaults", "-display", "none"]
    argv += ["-no-reboot", "-serial", "stdio", "-kernel", kernel, "-initrd", initrd]
    argv += ["-append", "console=ttyS0 panic=-1 rdinit=/bin/false"]
    proven: List[bool] = []

    def seen(line: str) -> bool:
        if PROOF in line:
            proven.append(True)
        return PROOF in line or any(failure in line for failure in FAILURES)

    runner.watch(argv, seen, timeout)
    return bool(proven)
