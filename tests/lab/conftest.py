# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real labs for the tests in this folder: they need root and, the first time, the package mirror."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.smallfleet.infra.plugins.module_utils._lab import cgroups_host as cgroups
from ansible_collections.smallfleet.infra.plugins.module_utils._lab import processes_host as processes
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.capability import mac_address
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.module_host import system_lab
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.spec import LabNetwork, LabNic, LabNode, LabSpec

CACHE = "/var/cache/smallfleet"
LOCKS = Path("/run/systemd/nspawn/locks")


def make_lab(name, count, backend="nspawn", macvtap=(), installed=()):
    """A lab of ``count`` nodes n1, n2 ... at 198.18.0.N and 2001:db8::N, all with the same packages installed."""
    nodes = []
    for number in range(1, count + 1):
        nic = LabNic("main", "eth0", f"n{number}.0", mac_address(name, f"n{number}", 0), f"198.18.0.{number}/24", f"2001:db8::{number}/64", 1500)
        nodes.append(LabNode(f"n{number}", backend, 1024, 1, 2048, {}, (nic,), f"n{number}" in macvtap, installed))
    network = LabNetwork("main", "br-main", 1500, "198.18.0.254/24")
    return system_lab(LabSpec(name, "/var/lib/smallfleet/labs", CACHE, "trixie", (), (network,), tuple(nodes)))


def on(lab, node, command, check=True, timeout=60):
    """Run a command on a node by SSH and return the finished process."""
    argv = ["ssh", "-F", f"{lab.spec.folder}/ssh_config", "-o", "ConnectTimeout=3", node, command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=check, stdin=subprocess.DEVNULL)


def traces(lab):
    """Everything that a lab could have left on this machine, as text."""
    spec = lab.spec
    found = [f"process {part} {pids}" for part, pids in processes.find(spec.name).items()]
    found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"labs/{spec.name}/" in line]
    found += [f"path {path}" for path in Path("/run/systemd/nspawn").glob(f"*/{spec.namespace}-*")]
    found += [f"path {path}" for path in (spec.folder, f"/run/netns/{spec.namespace}") if Path(path).exists()]
    found += [f"group {top}" for node in spec.nodes for top in cgroups.folders(f"{spec.namespace}-{node.name}") if Path(top).exists()]
    loops = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=True).stdout
    found += [f"loop {line}" for line in loops.splitlines() if f"labs/{spec.name}/" in line]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    found += [f"link {line}" for line in links.splitlines() if any(nic.link in line for node in spec.nodes for nic in node.nics)]
    return found


def left_locks():
    """The files by which systemd-nspawn keeps two machines off one tree, for trees that no lab has, here or of other tests."""
    trees = [root.stat() for root in Path("/var/lib/smallfleet/labs").glob("*/nodes/*/root")]
    return {path.name for path in LOCKS.glob("inode-*")} - {f"inode-{tree.st_dev}:{tree.st_ino}" for tree in trees}


@pytest.fixture
def raise_lab():
    """A function that raises a lab; all labs it raised are removed at the end."""
    raised = []
    locks = left_locks()

    def up(name, count, backend="nspawn", macvtap=(), installed=()):
        lab = make_lab(name, count, backend, macvtap, installed)
        raised.append(lab)
        lab.apply(lab.plan(present=True))
        return lab

    yield up
    for lab in raised:
        lab.apply(lab.plan(present=False))
        assert traces(lab) == []
    assert left_locks() <= locks
