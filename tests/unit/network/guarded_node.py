# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of the node that carries out the steps of a guarded change: what is on its disk, below /run, and in its kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence, Set, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.advertisements import Heeding
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.control import RECORD, START, STOP
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.vlans import requests
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, FileChange, Observed, Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.draft import by_key, route_words, rule_words
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.draft import restore as restore_addresses
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change, Claim
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import (
    ADOPTING,
    CONFIRMED,
    OPEN,
    RECOVER_LINK,
    RECOVER_UNIT,
    Source,
    Step,
    adopt,
    finish,
    recover,
    restore,
    sources,
    switch,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.hops import route_key

from .guarded import prepare
from .kernel import Kernel
from .kernel_links import Failed

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


def bridge_plan() -> Plan:
    add = Operation("add_link", "br0", tuple("link add name br0 type bridge".split()), (("link", "delete", "dev", "br0"),))
    up = Operation("set_link", "br0", tuple("link set dev br0 up".split()))
    rule = Operation("add_rule", "", tuple("rule add priority 9 table 7".split()), (("rule", "del", "priority", "9"),), 6)
    leave = Operation("set_link", "eth1", tuple("link set dev eth1 nomaster".split()))
    return Plan(prepare=(add, up), switch=(rule, leave), carriers=("br0",))
