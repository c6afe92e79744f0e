# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel lacks is refused before the change, in check mode as in a run, and asking for it changes nothing of the host."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, List, Sequence

import pytest
from fakes import FakeClock

from ansible_collections.smallfleet.infra.plugins.module_utils._network import network_host as module
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel import support_host as kernel_support
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.support import MODULES, Need, needs
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.support_host import lacking
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface, Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.network_host import HostNetwork
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

from .kernel import bare
from .namespace import Namespace

BOND = Interface("bond0", "bond", mode="active-backup", ports=("eth0",))
DUMMY = Interface("lo1", "dummy")
VLAN = Interface("eth0.5", "vlan", base="eth0", vlan_id=5)
BRIDGE = Interface("br0", "bridge", ports=("eth0",))
FILTERING = replace(BRIDGE, options={"vlan_filtering": "1"})
UNKNOWN = "Error: Unknown device type.\n"
UNSUPPORTED = "RTNETLINK answers: Operation not supported\n"


class Answers:
    """A host whose modprobe(8) and whose kernel give these answers."""

    def __init__(self, stderr: str, modprobe: int = 1) -> None:
        self.stderr, self.modprobe = stderr, modprobe
        self.calls: List[Sequence[str]] = []

    def run(self, argv: Sequence[str], *, stdin: Any = None, check: bool = True) -> CommandResult:
        self.calls.append(argv)
        if argv[0] == "modprobe":
            return CommandResult(tuple(argv), self.modprobe, "", "")
        if "unshare" in argv:
            return CommandResult(tuple(argv), 2 if self.stderr else 0, "", self.stderr)
        return CommandResult(tuple(argv), 1, "[]", "")


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_support.os.path, "isdir", lambda path: False)


@pytest.mark.parametrize("one", [BOND, DUMMY, VLAN, BRIDGE], ids=lambda one: one.type)
def test_a_type_that_the_kernel_does_not_know_is_refused_with_its_module(one: Interface) -> None:
    (said,) = lacking(Answers(UNKNOWN), Desired((Interface("eth0"), one)), bare("eth0"))
    assert said.startswith(f"interfaces.{one.name}: the kernel") and f"type {one.type} (module {MODULES[one.type]})" in said


def test_filtering_is_refused_where_the_kernel_has_bridges_without_it() -> None:
    observed = bare("eth0")
    observed = replace(observed, links={**observed.links, "br0": Link("br0", "bridge")})
    (said,) = lacking(Answers(UNSUPPORTED, modprobe=0), Desired((Interface("eth0"), FILTERING)), observed)
    assert said.startswith("interfaces.br0.bridge.port.vlan: ") and "cannot filter VLANs" in said
    assert lacking(Answers(UNSUPPORTED), Desired((Interface("eth0"), BRIDGE)), observed) == []


@pytest.mark.parametrize("stderr", ["", "unshare: unshare failed: Operation not permitted\n", "Error: VLANs not allowed on device.\n", UNSUPPORTED])
def test_any_other_answer_is_no_reason_to_refuse(stderr: str) -> None:
    assert lacking(Answers(stderr), Desired((Interface("eth0"), BOND, DUMMY, VLAN, BRIDGE)), bare("eth0")) == []


def test_nothing_is_tried_of_what_is_there_or_would_be_loaded() -> None:
    """Trying loads the module, and that of bonds makes a bond0."""
    desired = Desired((Interface("eth0"), BOND, replace(DUMMY, absent=True)))
    loads = Answers(UNKNOWN, modprobe=0)
    assert lacking(loads, desired, bare("eth0")) == [] and [argv[0] for argv in loads.calls] == ["modprobe"]
    observed = bare("eth0")
    assert needs(desired, replace(observed, links={**observed.links, "bond9": Link("bond9", "bond")})) == []


def test_the_real_kernel_is_asked_in_a_namespace_that_is_gone_afterwards(namespace: Namespace) -> None:
    """It is refused where the kernel makes none in a namespace of the test either."""
    if os.geteuid() != 0:
        pytest.skip("the module runs as root")
    before, spaces = namespace.run("ip", "-o", "link"), os.listdir("/sys/class/net")
    for kind in ("bridge", "bond", "dummy", "vlan_filtering"):
        need = Need(kind, "x")
        namespace.run("ip", "link", "add", *need.probe, check=False)
        made = "probe" in namespace.run("ip", "-o", "link")
        namespace.run("ip", "link", "del", "probe", check=False)
        answer = SystemRunner(20.0).run(["env", "LC_ALL=C", "unshare", "--net", "--", "ip", "link", "add", *need.probe], check=False)
        assert need.refused(answer.rc, answer.stderr) == (not made), answer
    assert (namespace.run("ip", "-o", "link"), os.listdir("/sys/class/net")) == (before, spaces)


def test_check_mode_and_a_run_are_refused_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ask for the same work, and neither goes on where it is wrong."""
    observed: Observed = bare("eth0")
    monkeypatch.setattr(module, "boot_files", lambda backend: {})
    monkeypatch.setattr(module, "choose", lambda wanted, desired, seen: ("ifupdown", ""))
    monkeypatch.setattr(module, "boot_texts", lambda name: [])
    monkeypatch.setattr(module, "from_data", lambda data: Desired((Interface("eth0"), DUMMY)))
    network = HostNetwork(Answers(UNKNOWN), SystemFiles(), FakeClock())
    monkeypatch.setattr(network, "observe", lambda: observed)
    work = network.work({}, "ifupdown", (), True)
    assert [text for text in work.wrong if text.startswith("interfaces.lo1: the kernel of this host")], work.wrong
