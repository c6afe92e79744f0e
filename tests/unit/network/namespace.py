# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network namespace of this machine: a real kernel to try things on."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import time
from contextlib import contextmanager
from typing import Iterator, Optional, Sequence, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Observed, Operation, Rule

CARDS = ("eth0", "eth1", "eth2")
UNMANAGED = "eth9"
ROOT = os.geteuid() == 0
UNSHARE = ["unshare", "--net"] if ROOT else ["unshare", "--user", "--map-root-user", "--net"]
CLONE_NEWNET = 0x40000000
CARRIER_TIMEOUT = 60.0
"""In seconds. It takes the kernel up to one, and a busy machine longer."""
setns = ctypes.CDLL(None, use_errno=True).setns


LISTED = ("link show", "address show", "route show table all", "nexthop show", "neigh show nud permanent")
# Nobody else has an address here, so none is looked for: each interface would wait a second or two before it uses its own (RFC 4862, 5.4).
HOLD = "for of in all default; do echo 0 2>/dev/null > /proc/sys/net/ipv6/conf/$of/accept_dad; done; echo; exec cat"


class Namespace:
    """A network namespace with nothing in it, for as long as its process lives."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen([*UNSHARE, "sh", "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout
        if not self.holder.stdout.readline():
            self.holder.wait()  # this user may not make one
        self._cleared: Optional[str] = None

    def run(self, *words: str, text: str = "", check: bool = True) -> str:
        if words[0] not in ("ip", "bridge"):  # it may have changed what these do not list
            self._cleared = None
        # What this thread starts is born where it is: root needs no nsenter(1), which takes as long as most commands.
        if ROOT:
            with self._entered():
                done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
        else:
            inside = ["nsenter", "--target", str(self.holder.pid), "--user", "--preserve-credentials", "--net", *words]
            done = subprocess.run(inside, input=text, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}\n{text}"
        return done.stdout

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """This thread is in the namespace, by setns(2)."""
        with open("/proc/thread-self/ns/net", "rb") as own, open(f"/proc/{self.holder.pid}/ns/net", "rb") as other:
            assert setns(other.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert setns(own.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def batch(self, operations: Sequence[Operation], force: bool = False) -> None:
        parts = {("ip",): (0, False), ("ip", "-6"): (6, False), ("bridge",): (0, True)}
        for program, kind in parts.items():
            lines = [one.line for one in operations if (one.family, one.by_bridge) == kind]
            words = [*program, *(["-force"] if force else []), "-batch", "-"]
            if lines:
                self.run(*words, text="".join(f"{line}\n" for line in lines), check=not force)

    def observed(self) -> Observed:
        return observe({key: self.run(*words) for key, words in COMMANDS.items()})

    def has_all_addresses(self) -> bool:
        """Whether no IPv6 address is tentative, and each has its local route, which the kernel enters a moment later from a work queue
        (addrconf_dad_work in net/ipv6/addrconf.c).
        """
        addresses = self.run("ip", "-6", "-o", "address", "show")
        local = re.findall(r"^local ([0-9a-f:]+) ", self.run("ip", "-6", "route", "show", "table", "local"), re.MULTILINE)
        return "tentative" not in addresses and set(re.findall(r" inet6 ([0-9a-f:]+)", addresses)) <= set(local)

    def rules(self) -> Tuple[Rule, ...]:
        """The routing rules of ``observed``, without a look at the rest."""
        looked = ("rules4", "rules6")
        return observe({key: self.run(*words) if key in looked else "[]" for key, words in COMMANDS.items()}).rules

    def clear(self, promote: bool) -> None:
        """Only the cards, each of which is one end of a pair, up and with a carrier. What is so already stays."""
        if self._cleared is None or self._cleared != self._listed(promote):
            self._make_cards(promote)
        for rule in self.rules():
            if rule.priority in (100, 101):
                self.run("ip", f"-{rule.family}", "rule", "del", "priority", str(rule.priority))

    def _listed(self, promote: bool) -> str:
        """All that ip(8) says of links, addresses and routes of both families, and how the kernel treats secondary addresses."""
        text = "".join(f"{line}\n" for line in LISTED)
        return f"promote_secondaries {promote}\n" + self.run("ip", "-force", "-details", "-oneline", "-batch", "-", text=text, check=False)

    def _make_cards(self, promote: bool) -> None:
        there = re.findall(r"^\d+: ([^@:]+)", self.run("ip", "-o", "link"), re.MULTILINE)
        lines = [f"link delete dev {name}" for name in there if name != "lo"]
        self.run("ip", "-force", "-batch", "-", text="".join(f"{line}\n" for line in lines), check=False)
        for family in ("-4", "-6"):  # those that reject belong to no card
            self.run("ip", family, "route", "flush", "table", "main", check=False)
        lines = []
        for name in (*CARDS, UNMANAGED):
            lines += [f"link add name {name} type veth peer name {name}-far"]
            lines += [f"link set dev {end} up" for end in (name, f"{name}-far")]
        lines += [f"address add 203.0.113.9/24 dev {UNMANAGED}", "link set dev lo up"]
        self.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
        self.run("sh", "-c", f"echo {int(promote)} > /proc/sys/net/ipv4/conf/all/promote_secondaries")
        self._wait_for_carriers()
        self._cleared = self._settled(promote)

    def _settled(self, promote: bool) -> str:
        """The same, as soon as every card has its link-local address and may use it; without IPv6 there is none."""
        deadline = time.monotonic() + CARRIER_TIMEOUT
        while True:
            listed = self._listed(promote)
            usable = [line for line in listed.splitlines() if "inet6 fe80:" in line and "tentative" not in line]
            if "inet6" not in listed or (len(usable) == 2 * len((*CARDS, UNMANAGED)) and self.has_all_addresses()):
                return self._listed(promote)
            assert time.monotonic() < deadline, f"no link-local addresses after {CARRIER_TIMEOUT} seconds: {usable}"

    def _wait_for_carriers(self) -> None:
        """The kernel reports a carrier some time after the link is up (net/core/link_watch.c). IPv6 gives an interface no connected
        routes before: it needs operstate UP and a queue (addrconf_link_ready in net/ipv6/addrconf.c).
        """
        deadline = time.monotonic() + CARRIER_TIMEOUT
        while True:
            links = [line.partition(" link/")[0] for line in self.run("ip", "-o", "link", "show", "type", "veth", "up").splitlines()]
            waiting = [line for line in links if "LOWER_UP" not in line or " state UP " not in line or " qdisc noop " in line]
            if not waiting:
                return
            assert time.monotonic() < deadline, f"no carrier after {CARRIER_TIMEOUT} seconds: {waiting}"

    def close(self) -> None:
        self.holder.kill()
        self.holder.communicate()
