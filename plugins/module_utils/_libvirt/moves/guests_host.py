# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guests of this host, seen and moved through virsh(1)."""

from __future__ import annotations

import glob
import json
import os
from typing import Any, Dict, List, Optional, Sequence

from ..._shared.limits import BadText, load_json
from ..._system.clock import Clock
from ..._system.command import CommandFailed, CommandRunner
from ..._system.files import FileStore
from ..domain import BadDefinition
from ..virsh_host import SYSTEM, Virsh
from .interfaces import Domain, read_domain, spliced
from .macvtap import LINKS, Link, read_links
from .plan import OFF, PAUSED, RUNNING, Entry, Guest, Step

STATE = "/var/lib/smallfleet/libvirt"
IMAGES = "/var/lib/libvirt/qemu/save"
"""Where libvirt keeps the memory of suspended guests."""
_STATES = {"1": RUNNING, "2": RUNNING, "3": PAUSED, "4": "shutting down", "5": OFF, "6": "crashed", "7": "suspended by itself"}


class MoveFailed(Exception):
    """A guest could not be moved; the text says which, why, and what to do."""


class Guests:
    """libvirt of this host. Raises CommandFailed when it does not answer."""

    def __init__(self, runner: CommandRunner, clock: Clock, uri: str = SYSTEM, unplug: float = 15.0) -> None:
        self._virsh = Virsh(runner, uri)
        self._clock = clock
        self._unplug = unplug

    def read(self, names: Optional[Sequence[str]] = None) -> Dict[str, Guest]:
        """The guests with these names, or all. One that libvirt does not have is left out. Raises BadDefinition."""
        states = self._states()
        saved = set(self._listed("--all", "--with-managed-save"))
        persistent = set(self._listed("--all", "--persistent"))
        found: Dict[str, Guest] = {}
        for name, state in states.items():
            if names is None or name in names:
                found[name] = self._guest(name, state, name in persistent, name in saved)
        return found

    def _guest(self, name: str, state: str, persistent: bool, saved: bool) -> Guest:
        live = self._domain("dumpxml", name) if state != OFF else None
        definition = self._domain("dumpxml", name, "--inactive") if persistent else None
        image = self._domain("managedsave-dumpxml", name) if saved and live is None else None
        known = live or image or definition
        if known is None:
            raise BadDefinition(f"libvirt gives no definition of the guest {name}")
        return Guest(name, known.uuid, state, live, definition, image)

    def _domain(self, command: str, name: str, *options: str) -> Domain:
        return read_domain(self._virsh.call(command, "--security-info", *options, name))

    def _states(self) -> Dict[str, str]:
        """Name -> state, from numbers, which no language translates (virsh(1), domstats)."""
        found: Dict[str, str] = {}
        name = ""
        for line in self._virsh.call("domstats", "--state").splitlines():
            key, _sign, value = line.strip().partition("=")
            if line.startswith("Domain:"):
                name = line.partition("'")[2].rpartition("'")[0]
            elif key == "state.state":
                found[name] = _STATES.get(value, f"in state {value}")
        return found

    def _listed(self, *options: str) -> List[str]:
        return [line.strip() for line in self._virsh.call("list", "--name", *options).splitlines() if line.strip()]

    def carry_out(self, step: Step) -> None:
        """One step but those of the journal. Raises MoveFailed and CommandFailed."""
        if step.kind == "save":
            self._virsh.call("managedsave", step.guest)
        elif step.kind == "start":
            self._go_on(step.guest)
        elif step.kind == "detach":
            self._virsh.device("detach", step.guest, step.text, "--live")
            self._wait_unplugged(step)
        elif step.kind == "attach":
            self._virsh.device("attach", step.guest, step.text, "--live")
        elif step.kind == "rewrite":
            saved = self._virsh.call("managedsave-dumpxml", "--security-info", step.guest)
            with self._virsh.file(spliced(saved, step.elements)) as path:
                self._virsh.call("managedsave-define", step.guest, path)
        elif step.kind == "define":
            self._virsh.define(step.text)

    def _go_on(self, name: str) -> None:
        """libvirt boots a guest whose saved memory is gone or not whole, so look before."""
        try:
            self._virsh.call("managedsave-dumpxml", name)
        except CommandFailed as error:
            raise MoveFailed(
                f"guest {name} is off and its saved memory cannot be read. It was not started, for that would boot it. "
                f"See {IMAGES}, and start it when it may boot"
            ) from error
        self._virsh.call("start", name)

    def _wait_unplugged(self, step: Step) -> None:
        """The guest lets the card go when it likes to; only then its place is free."""
        ends = self._clock.monotonic() + self._unplug
        while True:
            if self._domain("dumpxml", step.guest).nic(step.mac) is None:
                return
            if self._clock.monotonic() >= ends:
                raise MoveFailed(
                    f"guest {step.guest} did not let its interface {step.mac} go within {self._unplug:g} s. It may lack hot-plugging; use method: suspend"
                )
            self._clock.sleep(0.05)


class Journal:
    """What is remembered of guests on their way, and of how fast their memory went to the disk, over runs and boots."""

    def __init__(self, files: FileStore, folder: str = STATE) -> None:
        self._files = files
        self._folder = folder

    def _path(self, uuid: str) -> str:
        return f"{self._folder}/moves/{uuid}.json"

    def read(self) -> Dict[str, Entry]:
        """By the UUID of the guest."""
        found: Dict[str, Entry] = {}
        for path in sorted(glob.glob(self._path("*"))):
            try:
                data: Dict[str, Any] = load_json(self._files.read(path) or "{}", path)
                entry = Entry(data["uuid"], data["guest"], data["method"], data["ran"], data["was"], data["defined"])
            except (BadText, KeyError, TypeError) as error:
                raise BadDefinition(f"{path}: is not a note of a move: {error}. Remove it when the guest is where it belongs") from None
            found[entry.uuid] = entry
        return found

    def note(self, entry: Entry) -> None:
        data = {"uuid": entry.uuid, "guest": entry.guest, "method": entry.method, "ran": entry.ran}
        data.update(was=dict(entry.was), defined=dict(entry.defined))
        self._files.write(self._path(entry.uuid), json.dumps(data, indent=1), 0o600)

    def forget(self, uuid: str) -> None:
        self._files.remove(self._path(uuid))

    def rate(self) -> float:
        """MiB/s at which the memory of guests went to the disk and came back last time; 0 when that never was."""
        return float(json.loads(self._files.read(f"{self._folder}/rate.json") or "{}").get("mib_per_second", 0.0))

    def measured(self, mib: int, seconds: float) -> None:
        data = {"mib_per_second": round(mib / max(seconds, 0.001), 1)}
        self._files.write(f"{self._folder}/rate.json", json.dumps(data), 0o600)


def links(runner: CommandRunner) -> Dict[str, Link]:
    """The network interfaces of this host. Raises CommandFailed and macvtap.Unreadable."""
    return read_links(runner.run(LINKS).stdout)


def holders(found: Dict[str, Link]) -> Dict[str, str]:
    """Macvtap -> the process that has its device open, such as "qemu-system-x86 (4711)"."""
    wanted = {f"/dev/tap{link.index}": link.name for link in found.values() if link.kind == "macvtap"}
    if not wanted:
        return {}
    holding: Dict[str, str] = {}
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            name = wanted.get(os.readlink(path), "")
            if name:
                pid = path.split("/")[2]
                with open(f"/proc/{pid}/comm", encoding="utf-8") as stream:
                    holding[name] = f"{stream.read().strip()} ({pid})"
        except OSError:
            continue
    return holding


def free_bytes(path: str = IMAGES) -> int:
    """Free space where libvirt keeps saved memory, or will."""
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    seen = os.statvfs(path)
    return seen.f_bavail * seen.f_frsize


def installed(runner: CommandRunner) -> bool:
    """Whether there is a virsh at all."""
    return runner.run(["virsh", "--version"], check=False).rc != 127
