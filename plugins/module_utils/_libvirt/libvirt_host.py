# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guests of the host this runs on: what is there, and each step that changes them."""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, Mapping, Optional, Set, Tuple

from .._system.clock import Clock
from .._system.command import CommandFailed, CommandRunner
from .._system.files import FileStore, read_head
from .domain import offers_kvm, read_domain
from .image import HEAD, Image, read_image
from .model import Ceph
from .plan import OFF, Action, Desired, Found, Observed, Step, images_of, uses_ceph
from .virsh_host import Virsh

LINKS = "/sys/class/net"
SECRET_XML = """<secret ephemeral="no" private="yes"><uuid>{uuid}</uuid><usage type="ceph"><name>client.{user}</name></usage></secret>"""


class GuestFailed(Exception):
    """A guest did not do what it was told."""


class Hypervisor:
    """This host's guests, disks and secrets."""

    def __init__(self, runner: CommandRunner, files: FileStore, clock: Clock, shutdown_timeout: float = 120.0) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock
        self._timeout = shutdown_timeout
        self._virsh = Virsh(runner)

    def observe(self, desired: Desired) -> Observed:
        """What the host has, as far as ``desired`` asks about it."""
        guests: Dict[str, Found] = {}
        refused = ""
        kvm = False
        try:
            guests = {name: self._guest(name) for name in self._virsh.names()}
            kvm = self._kvm()
        except CommandFailed as failure:
            refused = failure.result.message.replace("\n", "; ")
        paths: Set[str] = {path for guest in desired.guests for path in images_of(guest.domain)}
        for guest in desired.guests:
            if guest.remove_disks and guest.name in guests:
                paths |= set(images_of(read_domain(guests[guest.name].definition)))
        known = [read_domain(guests[guest.name].definition) for guest in desired.guests if guest.name in guests]
        raw = {disk.source for domain in known for disk in domain.disks if disk.format == "raw"}
        boots = {path for guest in desired.guests for path in (guest.domain.kernel, guest.domain.initrd) if path}
        links = os.listdir(LINKS)
        key, keyring = self._key(desired)
        return Observed(
            guests=guests,
            images={path: self._image(path, path in raw) for path in sorted(paths) if os.path.exists(path)},
            files=frozenset(path for path in boots if os.path.isfile(path)),
            bridges=frozenset(link for link in links if os.path.isdir(f"{LINKS}/{link}/bridge")),
            links=frozenset(links),
            kvm=kvm,
            secret=bool(key) and not refused and desired.ceph is not None and self._has(desired.ceph, key),
            keyring=keyring,
            libvirt=refused,
        )

    def _guest(self, name: str) -> Found:
        info = self._virsh.info(name)
        definition = self._virsh.definition(name) if info.persistent else self._virsh.live(name)
        live = definition if info.state in OFF else self._virsh.live(name)
        return Found(info.state, info.autostart, definition, live, info.persistent)

    def _kvm(self) -> bool:
        return offers_kvm(self._virsh.call("capabilities"))

    @staticmethod
    def _image(path: str, raw: bool) -> Image:
        """What the guest of a raw disk wrote into it says nothing of its format."""
        head, size = read_head(path, HEAD)
        return Image("raw", size) if raw else read_image(head, size)

    def _key(self, desired: Desired) -> Tuple[str, str]:
        """The key in the keyring, and what is wrong with that file; either is empty."""
        ceph = desired.ceph
        if ceph is None or not uses_ceph(desired):
            return "", ""
        text = self._files.read(ceph.keyring)
        if text is None:
            return "", f"there is no keyring {ceph.keyring}. Put the one of client.{ceph.user} there, readable by root only"
        section = text.partition(f"[client.{ceph.user}]")[2].partition("\n[")[0]
        match = re.search(r"^\s*key\s*=\s*([A-Za-z0-9+/]+=*)\s*$", section, re.MULTILINE)
        return (match[1], "") if match else ("", f"{ceph.keyring} holds no key of client.{ceph.user}. Put the right one there")

    def _has(self, ceph: Ceph, key: str) -> bool:
        """Whether libvirt's secret is this key. It does not tell a private one's value, but keeps it in a file that root can read."""
        said = self._runner.run(self._virsh.argv("secret-dumpxml", ceph.secret), check=False)
        return said.rc == 0 and self._files.read(_value_file(ceph.secret)) in (key, f"{key}\n")

    def apply(self, step: Step, desired: Desired) -> None:
        """Make one change. Raise CommandFailed, GuestFailed or OSError when it cannot be made."""
        name = step.target
        actions: Mapping[Action, Callable[[], object]] = {
            Action.SET_SECRET: lambda: self._set_secret(desired),
            Action.CREATE_DISK: lambda: self._create(name, *step.value.split(" ")),
            Action.DELETE_DISK: lambda: self._files.remove(name),
            Action.DEFINE: lambda: self._virsh.define(step.value),
            Action.UNDEFINE: lambda: self._virsh.call("undefine", "--domain", name, "--managed-save", "--nvram"),
            Action.AUTOSTART: lambda: self._virsh.call("autostart", "--domain", name),
            Action.NO_AUTOSTART: lambda: self._virsh.call("autostart", "--domain", name, "--disable"),
            Action.START: lambda: self._virsh.call("start", "--domain", name),
            Action.SHUT_DOWN: lambda: self._shut_down(name),
            Action.MOVE_INTERFACE: lambda: self._virsh.device("update", name, step.value, "--live"),
        }
        actions[step.action]()

    def _create(self, path: str, format_: str, size: str) -> None:
        """The file appears whole, so that one that is there is never a part of a disk."""
        beside = f"{path}.smallfleet"
        self._files.own_folder(os.path.dirname(path), 0o711)
        self._runner.run(["qemu-img", "create", "-q", "-f", format_, beside, size])
        self._files.rename(beside, path)

    def _shut_down(self, name: str) -> None:
        """Press the power button, again when it was not heard, and wait. The cord is never pulled."""
        ends = self._clock.monotonic() + self._timeout
        pressed: Optional[float] = None
        while self._virsh.info(name).state not in OFF:
            now = self._clock.monotonic()
            if now > ends:
                raise GuestFailed(f"{name} did not shut down within {self._timeout:g} s and runs on. See to it, and run again")
            if pressed is None or now - pressed > 10:
                pressed = now
                self._runner.run(self._virsh.argv("shutdown", "--domain", name), check=False)
            self._clock.sleep(0.3)

    def _set_secret(self, desired: Desired) -> None:
        """libvirt reads the key from a file in memory, so that it is in no argument."""
        key, _wrong = self._key(desired)
        if desired.ceph is None:
            return
        uuid = desired.ceph.secret
        with self._virsh.file(SECRET_XML.format(uuid=uuid, user=desired.ceph.user)) as path:
            self._virsh.call("secret-define", "--file", path)
        with self._virsh.file(key) as path:
            self._virsh.call("secret-set-value", "--secret", uuid, "--file", path)


def _value_file(uuid: str) -> str:
    """Where libvirt keeps the value of a secret that is not ephemeral, in base64 and readable by root only."""
    return f"/etc/libvirt/secrets/{uuid}.base64"
