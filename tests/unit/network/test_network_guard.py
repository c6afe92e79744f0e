# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guarded change against a model of the node, cut off after every step, once more while it is rolled back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any, Dict, List, Sequence, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network._draft import by_key, route_words, rule_words
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network._draft import restore as restore_addresses
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network._hops import route_key
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.advertisements import Heeding
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.backends.control import RECORD, START, STOP
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard import (
    ADOPTING,
    APPLIED,
    CONFIRMED,
    OPEN,
    RECOVER_LINK,
    RECOVER_UNIT,
    RESTORED,
    ROLLBACK,
    SWITCH,
    Source,
    Step,
    adopt,
    finish,
    recover,
    restore,
    sources,
    switch,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_change import (
    Change,
    Claim,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_scripts import scripts
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.model import (
    Desired,
    FileChange,
    Link,
    Observed,
    Operation,
    Plan,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.plan import plan
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.vlans import requests
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import SystemFiles

from .guarded import prepare
from .kernel import Failed, Kernel, state
from .test_network_plan import changes

NETWORKD = "/etc/systemd/network"
OLD = {f"{NETWORKD}/10-eth0.network": "old", f"{NETWORKD}/20-gone.network": "old", f"{NETWORKD}/br9.netdev": "old", "/etc/other": "theirs"}
BOOT = (
    FileChange(f"{NETWORKD}/10-eth0.network", "old", "new"),
    FileChange(f"{NETWORKD}/20-gone.network", "old", None),
    FileChange(f"{NETWORKD}/br9.netdev", "old", None),
    FileChange(f"{NETWORKD}/30-br0.netdev", None, "[NetDev]\nName=br0\nKind=bridge\n"),
)
SHOWN = {BOOT[0].path: "new", BOOT[3].path: "[NetDev]\nName=br0\nKind=bridge\n"}
CLAIMS = (Claim("eth0", "by the old files", "by the new files"), Claim("eth1", "by the old files", ""), Claim("br0", "", "by the new files"))
HEEDINGS = (Heeding("eth0", "1", "0"), Heeding("eth1", "0", "2"), Heeding("br0", "", "0"))
PROGRAMS = ("", "networkd", "ifupdown", "networkmanager")
WITH_RECORDS = tuple(name for name, backend in BACKENDS.items() if RECORD in backend.control.commands)
NEW = {BOOT[0].path: BOOT[0].after, BOOT[3].path: BOOT[3].after, "/etc/other": "theirs"}


class Node:
    """A node that carries out steps: what is on its disk, below /run, and in its kernel."""

    def __init__(self, change: Change, observed: Observed, promote: bool) -> None:
        self.change = change
        self.disk: Dict[str, str] = {**OLD, OPEN: "this"}
        self.volatile: Dict[str, str] = {}
        self.marks: Set[str] = set()
        self.observed = observed
        self.remembers = False
        self.kernel = Kernel(observed, promote)
        self.armed = True
        self.watched = True
        self.serves = change.control.stops
        self.claims = {one.interface: one.before for one in change.claims if one.before}
        self.clients = dict.fromkeys(change.clients, "at work")
        self.accept_ra = {one.interface: one.before for one in change.heedings if one.before}

    def carry_out(self, steps: Sequence[Step], at_most: int = 10**6) -> int:
        """Do the first steps; return how many there were left to do."""
        for step in steps[:at_most]:
            self.step(step)
        return max(0, at_most - len(steps))

    def step(self, step: Step) -> None:
        assert OPEN in self.disk or not self.armed and not self.watched, "whoever looks finds no pending change, and its units"
        if step.kind in ("batch", "undo"):
            assert step.kind == "undo" or not self.serves, "NetworkManager would take it back"
            lines = batches(self.change)[step.file].splitlines()
            for line in lines if step.kind == "batch" or self.remembers else ():
                self.request(Operation("", "", tuple(line.split()), family=step.family), step.kind == "undo")
        elif step.kind == "remember":
            self.remembers = True
        elif step.kind == "again" and self.remembers:
            self.again()
        elif step.kind == "link":
            made = [one for one in self.change.operations.prepare if one.kind == "add_link" and one.link == step.file]
            self.kernel.force(made)
        elif step.kind in ("put", "enable"):
            text = sources(self.change).get(step.source, Source(step.source)).text
            (self.volatile if step.file.startswith("/run/") else self.disk)[step.file] = text
        elif step.kind == "drop":
            (self.volatile if step.file.startswith("/run/") else self.disk).pop(step.file, None)
        elif step.kind == "mark":
            self.marks.add(step.file)
        elif step.kind == "disarm":
            self.armed = False
        elif step.kind == "unwatch":
            self.watched = False
        elif step.kind in (STOP, START):
            self.serves = step.kind == START
        elif step.kind == RECORD:
            self.claims.pop(step.file, None)
            self.claims.update({step.file: sources(self.change)[step.source].text} if step.source else {})
        elif step.kind in ("freeze", "thaw", "end") and self.clients[step.file] != "dead":
            self.clients[step.file] = {"freeze": "frozen", "thaw": "at work", "end": "dead"}[step.kind]
        elif step.kind == "heed":
            self.accept_ra[step.file] = step.source

    def again(self) -> None:
        """What is missing is added; test_network_rollback.py has what the scripts do in a real kernel."""
        for name in self.observed.addresses:
            for words in restore_addresses(name, self.observed):
                self.request(Operation("", "", words), True)
        self.routes_again()
        for rule in self.observed.rules:
            if rule not in self.kernel.rules:
                self.request(Operation("", "", rule_words("add", rule), family=6 if rule.family == 6 else 0), True)
        for name, vlans in self.observed.vlans.items():
            for words in requests(name, vlans, self.kernel.vlans.get(name, ()), self.observed.links[name].kind == "bridge"):
                self.request(Operation("", "", words), True)

    def routes_again(self) -> None:
        """All routes of a place where one is missing, in their order; another one there, which the kernel has changed, is deleted."""
        of_key = by_key(self.observed)
        there = [(route, route.attributes) for route in self.kernel.routes]
        missing = {route_key(route) for route in self.observed.routes if (route, route.attributes) not in there}
        for route in [one for one in self.kernel.routes if route_key(one) in missing]:
            self.request(Operation("", "", route_words("del", route)), True)
        for key in sorted(missing, key=lambda key: bool(of_key[key][0].gateway)):
            for route in of_key[key]:
                self.request(Operation("", "", route_words("append", route)), True)

    def request(self, operation: Operation, force: bool) -> None:
        try:
            self.kernel.step(operation)
        except Failed:
            if not force:
                raise

    def restoring(self) -> List[Step]:
        """What restore.sh does on the running node."""
        if CONFIRMED in self.marks:
            return finish(self.change)
        return restore(self.change, ADOPTING in self.marks)

    def boots(self) -> List[Step]:
        """What a boot does before the network comes up, after the power failed."""
        self.volatile.clear()
        self.armed = self.watched = False
        if RECOVER_LINK not in self.disk:
            return []
        if CONFIRMED in self.marks:
            return [step for step in finish(self.change) if step.kind not in ("batch", "undo")]
        return recover(self.change, ADOPTING in self.marks)

    def program(self) -> Tuple[bool, Dict[str, str], Set[str]]:
        """Whether NetworkManager serves, whose the interfaces are, and what the DHCP clients do."""
        return self.serves, self.claims, set(self.clients.values())

    def boot_files(self) -> Dict[str, str]:
        ours = (OPEN, RECOVER_LINK, RECOVER_UNIT)
        return {path: text for path, text in self.disk.items() if path not in ours}


Case = Tuple[Desired, Observed, bool]


def node_of(case: Case, program: str) -> Node:
    desired, observed, promote = case
    shown = SHOWN if program == "networkd" else {}
    change = prepare("/x", plan(desired, observed), BOOT, shown, observed)
    if program in WITH_RECORDS:
        change = replace(change, control=BACKENDS[program].control, claims=CLAIMS)
    if program == "ifupdown":
        change = replace(change, clients=("eth0",), heedings=HEEDINGS)
    return Node(change, observed, promote)


def owned(program: str, confirmed: bool) -> Tuple[bool, Dict[str, str], Set[str]]:
    """What ``Node.program`` must be in the end."""
    has = CLAIMS if program in WITH_RECORDS else ()
    texts = {one.interface: one.after if confirmed else one.before for one in has}
    clients = {"dead" if confirmed else "at work"} if program == "ifupdown" else set()
    return program == "networkmanager", {name: text for name, text in texts.items() if text}, clients


def heard(node: Node) -> Dict[str, str]:
    """What the kernel does with router advertisements, on interfaces that were there before."""
    return {name: value for name, value in node.accept_ra.items() if name != "br0"}


def everything(change: Change) -> List[Step]:
    return [*switch(change), *adopt(change), *finish(change)]


@settings(max_examples=150, deadline=None)
@given(changes(), st.sampled_from(PROGRAMS), st.data())
def test_whoever_is_killed_anywhere_leaves_the_old_network_or_the_new_one(case: Case, program: str, data: st.DataObject) -> None:
    node = node_of(case, program)
    steps = everything(node.change)
    node.carry_out(steps, data.draw(st.integers(0, len(steps))))
    confirmed = CONFIRMED in node.marks
    node.carry_out(node.restoring(), data.draw(st.integers(0, 60)))
    node.carry_out(node.restoring())
    assert node.boot_files() == (NEW if confirmed else OLD)
    assert OPEN not in node.disk and RECOVER_LINK not in node.disk and not node.armed and not node.watched
    assert node.volatile == {}
    assert node.program() == owned(program, confirmed)
    if confirmed:
        end = Kernel(case[1], case[2])
        end.run(plan(case[0], case[1]).operations)
        assert state(node.kernel.observed()) == state(end.observed())
        assert all(node.accept_ra[one.interface] == one.after for one in node.change.heedings)
    else:
        assert state(node.kernel.observed()) == state(case[1])
        assert heard(node) == {one.interface: one.before for one in node.change.heedings if one.before}


@settings(max_examples=150, deadline=None)
@given(changes(), st.sampled_from(PROGRAMS), st.data())
def test_a_power_cut_anywhere_boots_the_old_configuration_or_the_confirmed_one(case: Case, program: str, data: st.DataObject) -> None:
    node = node_of(case, program)
    steps = everything(node.change)
    node.carry_out(steps, data.draw(st.integers(0, len(steps))))
    if data.draw(st.booleans()):
        node.carry_out(node.restoring(), data.draw(st.integers(0, 60)))
    confirmed = CONFIRMED in node.marks
    node.carry_out(node.boots(), data.draw(st.integers(0, 20)))
    node.carry_out(node.boots())
    assert node.boot_files() == (NEW if confirmed else OLD)


@settings(max_examples=30, deadline=None)
@given(changes(), st.sampled_from(PROGRAMS))
def test_a_confirmed_change_leaves_nothing_behind(case: Case, program: str) -> None:
    node = node_of(case, program)
    node.carry_out(everything(node.change))
    assert node.boot_files() == NEW
    assert node.volatile == {} and not node.armed and not node.watched
    assert node.marks == {APPLIED, ADOPTING, CONFIRMED}
    assert node.program() == owned(program, True)
    assert plan(case[0], node.kernel.observed()).operations == ()


def bridge_plan() -> Plan:
    add = Operation("add_link", "br0", tuple("link add name br0 type bridge".split()), (("link", "delete", "dev", "br0"),))
    up = Operation("set_link", "br0", tuple("link set dev br0 up".split()))
    rule = Operation("add_rule", "", tuple("rule add priority 9 table 7".split()), (("rule", "del", "priority", "9"),), 6)
    leave = Operation("set_link", "eth1", tuple("link set dev eth1 nomaster".split()))
    return Plan(prepare=(add, up), switch=(rule, leave), carriers=("br0",))


def test_networkd_makes_the_bridge_itself_and_only_that_line_is_left_to_it() -> None:
    change = prepare("/x", bridge_plan(), BOOT, SHOWN, Observed())
    assert change.made == ("br0",)
    assert batches(change)["prepare"] == "link set dev br0 up\n"
    kinds = [step.kind for step in switch(change)]
    assert kinds[:6] == ["remember", "put", "save-foreign", "reload", "link", "restore-foreign"]
    assert "link delete dev br0" in batches(change)["undo"]
    assert prepare("/x", bridge_plan(), BOOT, {}, Observed()).made == ()


def test_networkd_knows_the_file_of_a_vlan_before_the_vlan_is_made_and_does_not_make_it() -> None:
    """It makes one when it configures the interface below, and fails where the VLAN is there and it has not seen it come."""
    add = Operation("add_link", "eth0.5", tuple("link add link eth0 name eth0.5 type vlan id 5".split()))
    shown = {"/etc/systemd/network/eth0.5.netdev": "[NetDev]\nName=eth0.5\nKind=vlan\n\n[VLAN]\nId=5\n"}
    change = prepare("/x", Plan(prepare=(add,)), (), shown, Observed())
    assert change.made == ()
    assert batches(change)["prepare"] == f"{add.line}\n"
    assert [step.kind for step in switch(change)][:6] == ["remember", "put", "save-foreign", "reload", "restore-foreign", "batch"]


def test_the_kernel_announces_a_moved_address_and_its_route_again_for_networkd() -> None:
    there, local = "address add 192.0.2.1/24 broadcast + dev br0", "address add fe80::1/64 scope link dev br0 nodad"
    six = "address add 2001:db8::1/64 dev br0 nodad"
    passing = ("address add 192.0.2.9/32 dev br0", "address del 192.0.2.9/32 dev br0")
    moved = [Operation("", "br0", tuple(words.split())) for words in (there, local, *passing, six)]
    change = prepare("/x", Plan(switch=tuple(moved)), (), SHOWN, Observed())
    assert batches(change)["remind-switch"].splitlines() == [
        "address change 192.0.2.1/24 dev br0 metric 1",
        "address change 192.0.2.1/24 dev br0 metric 0",
        "address change fe80::1/64 scope link dev br0 nodad",
        "address change 2001:db8::1/64 dev br0 nodad metric 1",
        "address change 2001:db8::1/64 dev br0 nodad metric 256",
    ]
    for steps, after in ((switch(change), "batch"), (adopt(change), "reload")):
        kinds = [step.kind for step in steps]
        assert kinds[kinds.index("remind") - 1] == after
    assert "remind-switch" not in batches(prepare("/x", Plan(switch=tuple(moved)), (), {}, Observed()))


def test_an_interface_that_somebody_has_deleted_is_left_to_networkd_first_and_else_made_at_once() -> None:
    """systemd-networkd takes over no bridge that it did not make."""
    observed = Observed(links={"br0": Link("br0", "bridge", mac="02:00:00:00:00:01"), "eth1": Link("eth1", master="br0")})
    moved = Plan(switch=(Operation("set_link", "br0", tuple("link set dev br0 mtu 1400".split())),))
    for shown in (SHOWN, {}):
        change = replace(prepare("/x", moved, BOOT, shown, observed), accept_ra=(("br0", "0"),))
        assert batches(change)["remake-0"] == (
            "link add name br0 address 02:00:00:00:00:01 type bridge\nlink set dev br0 addrgenmode none\nlink set dev eth1 master br0\n"
        )
        kinds = [step.kind for step in restore(change, True)]
        before = ["pause", "link"] if shown else ["meanwhile"]
        assert kinds[kinds.index("remake") - len(before) : kinds.index("remake")] == before and kinds.count("remake") == 1
        assert Step("heed", "br0", "0") in restore(change, True)[kinds.index("remake") :]


@pytest.mark.parametrize("name", ["switch.sh", "watch.sh", "adopt.sh", "finish.sh", "restore.sh"])
def test_the_shell_understands_every_script(name: str) -> None:
    text = scripts(prepare("/x y", bridge_plan(), BOOT, SHOWN, Observed()), "boot", 90)[name]
    assert run(["sh", "-n"], input=text, text=True, capture_output=True, check=False).stderr == ""


def laid_out(folder: Path, boot: Sequence[FileChange], undo: str = "", **more: Any) -> Change:
    """A change on the disk of this machine whose requests to the kernel do nothing."""
    here = folder / "change"
    here.mkdir()
    change = Change(str(here), Plan(), tuple(boot), **more)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    for name, text in scripts(change, undo or boot_id, 90).items():
        for path in (OPEN, RECOVER_LINK, RECOVER_UNIT):
            text = text.replace(path, f"{folder}/aside{path}")
        text = text.replace("systemctl", "true").replace("/run/", f"{folder}/run/")
        (here / name).write_text(text, encoding="utf-8")
    files = SystemFiles()
    for name, source in sources(change).items():
        files.write(f"{here}/{name}", source.text, *((files.access(source.like) if source.like else None) or (source.mode,)))
    return change


def script(change: Change, name: str, *words: str) -> tuple[int, str]:
    done = run(["sh", f"{change.folder}/{name}", *words], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(name="boot")
def boot_files(tmp_path: Path) -> Tuple[FileChange, ...]:
    (tmp_path / "kept").write_text("old", encoding="utf-8")
    (tmp_path / "gone").write_text("old", encoding="utf-8")
    (tmp_path / "kept").chmod(0o600)
    (tmp_path / "gone").chmod(0o640)
    return (
        FileChange(str(tmp_path / "kept"), "old", "new"),
        FileChange(str(tmp_path / "gone"), "old", None),
        FileChange(str(tmp_path / "deep" / "born"), None, "new", 0o604),
    )


def modes(boot: Sequence[FileChange]) -> List[object]:
    return [Path(one.path).stat().st_mode & 0o777 if Path(one.path).exists() else None for one in boot]


def contents(boot: Sequence[FileChange]) -> List[object]:
    return [Path(one.path).read_text(encoding="utf-8") if Path(one.path).exists() else None for one in boot]


def test_the_scripts_change_and_confirm_the_files_of_this_machine(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    change = laid_out(tmp_path, boot)
    assert script(change, "switch.sh") == (0, "")
    assert contents(boot) == ["old", "old", None]
    assert script(change, "adopt.sh") == (0, "")
    assert contents(boot) == ["new", None, "new"]
    assert modes(boot) == [0o600, None, 0o604], "the mode of a file that is there stays"
    assert Path(f"{tmp_path}/aside{RECOVER_LINK}").is_symlink()
    assert script(change, "finish.sh") == (0, "")
    assert not Path(f"{tmp_path}/aside{RECOVER_LINK}").is_symlink()
    assert script(change, "restore.sh") == (0, "")
    assert contents(boot) == ["new", None, "new"]


@pytest.mark.parametrize("ending", [("adopt.sh", "finish.sh"), ("restore.sh",)], ids=["confirmed", "rolled back"])
@pytest.mark.parametrize("unit", [ROLLBACK, SWITCH])
def test_what_ends_a_change_ends_what_watches_over_its_timer_unless_that_is_what_runs_it(tmp_path: Path, ending: Tuple[str, ...], unit: str) -> None:
    """systemd would kill what it stops."""
    change = laid_out(tmp_path, ())
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\n[ -e {tmp_path}/aside{OPEN} ] && echo "$*" >> {tmp_path}/asked\n')
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "cgroup").write_text(f"12:pids:/user.slice\n0::/system.slice/{unit}.service\n")
    for path in Path(change.folder).glob("*.sh"):
        text = path.read_text().replace("/proc/self/cgroup", f"{tmp_path}/cgroup")
        path.write_text(text.replace("true stop", f"{tmp_path}/systemctl stop"))
    Path(f"{tmp_path}/aside{OPEN}").parent.mkdir(parents=True)
    Path(f"{tmp_path}/aside{OPEN}").touch()
    assert [script(change, name) for name in ("switch.sh", *ending)] == [(0, "")] * (len(ending) + 1)
    stopped = [f"stop {ROLLBACK}.timer"] + ([] if unit == SWITCH else [f"stop {SWITCH}.timer {SWITCH}.service"])
    assert (tmp_path / "asked").read_text().splitlines() == stopped


@pytest.mark.parametrize("boot_id", ["", "another boot"])
def test_what_was_adopted_and_not_finished_is_put_back_with_the_reason(tmp_path: Path, boot: Tuple[FileChange, ...], boot_id: str) -> None:
    change = laid_out(tmp_path, boot, boot_id)
    script(change, "switch.sh")
    script(change, "adopt.sh")
    assert script(change, "restore.sh", "we said so") == (0, "")
    assert contents(boot) == ["old", "old", None]
    assert modes(boot) == [0o600, 0o640, None]
    assert (Path(change.folder) / "reason").read_text(encoding="utf-8") == "we said so\n"
    assert script(change, "finish.sh")[0] == 3
    assert script(change, "adopt.sh")[0] == 3
    assert contents(boot) == ["old", "old", None]


def test_what_cannot_be_put_back_is_not_called_restored(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    change = laid_out(tmp_path, boot)
    script(change, "switch.sh")
    script(change, "adopt.sh")
    (Path(change.folder) / "old-0").unlink()
    assert script(change, "restore.sh")[0] == 1
    assert not (Path(change.folder) / RESTORED).exists()


def test_a_file_that_cannot_be_written_takes_all_back(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    (tmp_path / "deep").write_text("a file where a folder is needed", encoding="utf-8")
    change = laid_out(tmp_path, boot)
    script(change, "switch.sh")
    said = script(change, "adopt.sh")[1]
    assert "could not be written" in said
    assert contents(boot)[:2] == ["old", "old"]
    assert (Path(change.folder) / RESTORED).exists()


def test_a_file_of_which_only_a_part_could_be_written_leaves_no_part(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    """As where /run is full."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cp").write_text('#!/bin/sh\nfor last; do :; done\nprintf part > "$last"\necho "No space left on device" >&2\nexit 1\n')
    (programs / "cp").chmod(0o755)
    change = laid_out(tmp_path, boot)
    script(change, "switch.sh")
    adopting = Path(change.folder) / "adopt.sh"
    adopting.write_text(adopting.read_text().replace("PATH=", f"PATH={programs}:", 1))
    assert "could not be written: No space left on device" in script(change, "adopt.sh")[1]
    assert contents(boot) == ["old", "old", None] and list(tmp_path.rglob("*.smallfleet-new")) == []


def test_nothing_is_adopted_that_was_not_carried_out(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    change = laid_out(tmp_path, boot)
    assert script(change, "adopt.sh")[0] == 1
    assert script(change, "finish.sh")[0] == 1
    assert contents(boot) == ["old", "old", None]


def test_ifupdown_is_told_what_is_up_and_told_again_when_it_is_taken_back(tmp_path: Path) -> None:
    state = tmp_path / "run/network/ifstate"
    state.parent.mkdir(parents=True)
    state.write_text("lo=lo\neth0=lan\n", encoding="utf-8")
    claims = (Claim("eth0", "lan\n", "eth0\n"), Claim("br0", "", "br0\n"))
    change = laid_out(tmp_path, (), control=BACKENDS["ifupdown"].control, claims=claims)
    script(change, "switch.sh")
    assert script(change, "adopt.sh") == (0, "")
    assert sorted(state.read_text(encoding="utf-8").split()) == ["br0=br0", "eth0=eth0", "lo=lo"]
    assert (state.parent / "ifstate.br0").read_text(encoding="utf-8") == "br0\n"
    assert script(change, "restore.sh") == (0, "")
    assert sorted(state.read_text(encoding="utf-8").split()) == ["eth0=lan", "lo=lo"]


def test_networkmanager_finds_whose_profile_is_active_under_the_number_of_the_interface(tmp_path: Path) -> None:
    number = Path("/sys/class/net/lo/ifindex").read_text(encoding="utf-8").strip()
    kept = tmp_path / f"run/NetworkManager/devices/{number}"
    claims = (Claim("lo", "", "[device]\nmanaged=true\n"), Claim("there-is-none", "", "[device]\n"))
    change = laid_out(tmp_path, (), control=BACKENDS["networkmanager"].control, claims=claims)
    script(change, "switch.sh")
    assert script(change, "adopt.sh") == (0, "")
    assert [path.name for path in kept.parent.iterdir()] == [number]
    assert kept.read_text(encoding="utf-8") == "[device]\nmanaged=true\n"
    assert script(change, "restore.sh") == (0, "")
    assert list(kept.parent.iterdir()) == []
