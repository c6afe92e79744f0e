# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting, confirming and rolling back a guarded change of this host's network."""

from __future__ import annotations

import fcntl
import hmac
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar

from ..._shared.limits import BadText
from ..._shared.masking import masked_message
from ..._system.clock import Clock
from ..._system.command import CommandResult, CommandRunner
from ..._system.files import FileStore
from ..backends.advertisements import requests
from .batches import batches
from .change import Change
from .foreign_script import FOREIGN, LEFT, RESTORE
from .kernel_scripts import DIFFERS
from .phases import ADOPTING, APPLIED, CONFIRMED, LOCK, OPEN, RESTORED, ROLLBACK, ROOT, SWITCH, sources
from .record import Known, is_id, read_known, write_known
from .scripts import HELD, TOO_LATE, WATCH, scripts

Content = TypeVar("Content")

LAST = f"{ROOT}/last"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
UPTIME = "/proc/uptime"
KILLED = ("Restart=on-abnormal", "RestartSec=3s")
"""What systemd does when a rollback is killed in the middle, as where memory is short (systemd.service(5)): each may run again."""
BEGIN = f'/bin/sh "$0/switch.sh"; exec /bin/sh "$0/{WATCH}"'
"""Makes the change of a folder, and then watches over its timer until it is confirmed or rolled back."""
LEAST_ROOM = 1 << 18
"""Bytes in /run without which it is called full."""


class Refused(Exception):
    """The guard does not do it. ``reason`` is one word for programs."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


@dataclass(frozen=True)
class Record:
    """What is known of a change. ``phase`` is started, applied, adopting, confirmed or restored. ``differs`` is what the kernel
    has, after it was rolled back, that it had not before, or lacks; None when that was not compared, as after a boot.
    """

    id: str
    holder: str
    phase: str
    reason: str
    seconds_left: float
    steps: Tuple[str, ...]
    differs: Optional[Tuple[str, ...]] = None

    def __str__(self) -> str:
        return f"change {self.id} of {self.holder}"


def change_id(token: str) -> str:
    """The public name of the change that a token belongs to. The token itself is written nowhere."""
    return sha256(f"smallfleet change {token}".encode()).hexdigest()[:12]


def _digest(token: str) -> str:
    return sha256(f"smallfleet token {token}".encode()).hexdigest()


class Guard:
    """One change at a time. ``folder(id)`` holds all that a change needs; the file OPEN names the pending one."""

    def __init__(self, runner: CommandRunner, files: FileStore, clock: Clock) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock
        self._planned_after: Optional[str] = None

    def folder(self, name: str) -> str:
        return f"{ROOT}/{name}"

    def under_way(self) -> Optional[Record]:
        """The change that waits for its confirmation, or None."""
        name = self._open()
        return self._record(name) if name and self._watched(name) else None

    def _unfinished(self) -> Optional[Record]:
        """The change that is neither confirmed nor rolled back, whether or not anything watches over it."""
        name = self._open()
        return self._record(name) if name else None

    def last(self) -> Optional[Record]:
        """The change that was made or rolled back last."""
        name = self._text(LAST).strip()
        return self._record(name) if is_id(name) else None

    def refuse_second(self) -> None:
        """Raise Refused, with who holds it, if a change waits for its confirmation.

        What is planned from here on is for the host as it is now: ``start`` refuses it after another change.
        """
        self._planned_after = self._text(LAST)
        self._refuse_pending()

    def _refuse_pending(self) -> None:
        busy = self.under_way()
        if busy is not None:
            left = f"It is rolled back in {busy.seconds_left:.0f} s unless it is confirmed"
            raise Refused("busy", f"{busy} is pending here. {left}; wait for that")

    def clear(self) -> None:
        """Roll back what somebody began and nothing watches over any more, as after a power cut. Raises Refused."""
        with self._lock():
            self._clear()

    def _clear(self) -> None:
        """The same for whoever has the lock: nobody is just about to begin, so what nothing watches over is left behind."""
        name = self._open()
        if name and self._watched(name):
            return
        if not name or not os.path.exists(f"{self.folder(name)}/restore.sh"):
            self._files.remove(OPEN)
            return
        begun = os.path.exists(f"{self.folder(name)}/reason")
        why = "its rollback did not end" if begun else "its timer was stopped, by a program or by hand"
        why = why if self._of_this_boot(name) else "its node was switched off before it was confirmed"
        answer = self._script(name, "restore.sh", why, HELD)
        if answer.rc != 0:
            raise Refused("stuck", f"change {name} could not be rolled back: {_said(answer)}. Run {answer.argv[1]} by hand")

    def start(
        self,
        token: str,
        holder: str,
        timeout: int,
        delay: float,
        make: Callable[[str], Change],
        beside: Mapping[str, str],
    ) -> Record:
        """Write everything, arm the timer, and let the change begin in ``delay`` seconds.

        ``make`` gives the change for a folder; ``beside`` are further files to keep there. Raises Refused when another
        change is pending, or has been made since ``refuse_second``.
        """
        name = change_id(token)
        with self._lock():
            self._refuse_pending()
            self._clear()
            self._refuse_outdated()
            if os.path.exists(self.folder(name)):
                raise Refused("token", f"The token of this change was used for {self._record(name)}. Give each change its own")
            self._claim(name)
            try:
                change = make(self.folder(name))
                self._write(name, token, holder, timeout, change)
                for file, text in beside.items():
                    self._files.write(f"{self.folder(name)}/{file}", text, 0o600)
                self._arm(name, timeout)
            except BaseException:
                self._files.remove(OPEN)
                raise
            self._files.write(LAST, f"{name}\n", 0o600)
        try:
            self._transient(SWITCH, delay, ["-c", BEGIN, self.folder(name)])
        except Refused as refusal:
            self._script(name, "restore.sh", str(refusal))  # nothing was begun: this ends the timer
            raise
        return self._record(name)

    def _refuse_outdated(self) -> None:
        """A plan from before another change would meet another network, and its way back would restore files that are not the last."""
        if self._planned_after not in (None, self._text(LAST)):
            text = f"{self.last() or 'Another change'} was made here while this one was being planned"
            raise Refused("busy", f"{text}. Nothing was changed. Run again")

    def demand(self, token: str, watched: bool = True) -> Record:
        """The pending change, for whoever has its token; also without a timer, unless it is to be ``watched``. Raises Refused."""
        record = self.under_way() if watched else self._unfinished()
        if record is None:
            mine = self._record(change_id(token)) if os.path.exists(self.folder(change_id(token))) else None
            if mine is not None and mine.phase == CONFIRMED:
                return mine
            if mine is not None:
                if mine.phase != RESTORED and self._of_this_boot(mine.id):
                    raise Refused("unwatched", f"The timer of {mine} was stopped, by a program or by hand, so it cannot be confirmed")
                why = mine.reason or "nobody watched over it any more"
                raise Refused("expired", f"The change was rolled back: {why}. Find out why, then make it again")
            raise Refused("none", "No change of the network is pending here. Make it first")
        known = self.stored(record, "change.json", read_known)
        if not hmac.compare_digest(known.token.encode(), _digest(token).encode()):
            raise Refused("token", f"This is not the token of {record}. Only who began it can confirm it or roll it back")
        return record

    def confirm(self, token: str, settled: Callable[[], str]) -> Record:
        """Make it final. ``settled`` says what is wrong after the boot configuration was changed; "" for nothing."""
        record = self.demand(token)
        if record.phase == CONFIRMED:
            return record
        if record.phase not in (APPLIED, ADOPTING):
            raise Refused("early", f"{record} has not been carried out yet. Try again in a moment")
        self._final(record, self._script(record.id, "adopt.sh"))
        wrong = settled()
        if wrong:
            self.roll_back(token, f"with the new boot configuration {wrong}")
            raise Refused("unsettled", f"The change was rolled back, because with the new boot configuration {wrong}")
        self._final(record, self._script(record.id, "finish.sh"))
        return self._record(record.id)

    def roll_back(self, token: str, reason: str) -> Record:
        """Roll it back now. Raises Refused."""
        record = self.demand(token, watched=False)
        if record.phase == CONFIRMED:
            raise Refused("confirmed", f"{record} was confirmed already. Change the inventory back and run again")
        answer = self._script(record.id, "restore.sh", reason)
        if answer.rc != 0:
            raise Refused("stuck", f"{record} could not be rolled back: {_said(answer)}")
        return self._record(record.id)

    def restore_foreign(self, record: Record) -> List[str]:
        """Put back what programs have added and the new boot configuration has cost; requests of it that the kernel refuses."""
        self._script(record.id, FOREIGN, RESTORE)
        return [f"ip -{line}" for line in self._text(f"{self.folder(record.id)}/{LEFT}").splitlines()]

    def _final(self, record: Record, answer: CommandResult) -> None:
        now = self._record(record.id)
        if answer.rc == 0 and now.phase != RESTORED:
            return
        if answer.rc == TOO_LATE or now.phase == RESTORED:
            why = now.reason or _said(answer)
            raise Refused("expired", f"The change was rolled back: {why}. Find out why, then make it again")
        raise Refused("stuck", f"{record} could not be confirmed: {_said(answer)}. It is rolled back when its time is up")

    def _script(self, name: str, script: str, *words: str) -> CommandResult:
        return self._runner.run(["/bin/sh", f"{self.folder(name)}/{script}", *words], check=False)

    def _claim(self, name: str) -> None:
        """Only one can make the file, whatever happens to locks."""
        for entry in os.listdir(ROOT):
            if os.path.isdir(self.folder(entry)):
                shutil.rmtree(self.folder(entry))
        try:
            handle = os.open(OPEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise Refused("busy", "Another change of the network has just begun here. Wait for its end") from error
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{name}\n")
            stream.flush()
            os.fsync(stream.fileno())  # a power cut would leave an empty file, which says nothing of whom it names

    def _write(self, name: str, token: str, holder: str, timeout: int, change: Change) -> None:
        folder = self.folder(name)
        os.makedirs(folder, mode=0o700)
        boot_id = (self._files.read(BOOT_ID) or "").strip()
        known = Known(holder, _digest(token), boot_id, self._uptime() + timeout, tuple(describe(change)))
        self._files.write(f"{folder}/change.json", write_known(known), 0o600)
        for file, text in batches(change).items():
            self._files.write(f"{folder}/{file}", text, 0o600)
        for file, source in sources(change).items():
            access = self._files.access(source.like) if source.like else None
            self._files.write(f"{folder}/{file}", source.text, *(access or (source.mode,)))
        for file, text in scripts(change, boot_id, timeout).items():
            self._files.write(f"{folder}/{file}", text, 0o700)

    def _arm(self, name: str, timeout: int) -> None:
        script = [f"{self.folder(name)}/restore.sh", f"nobody confirmed it within {timeout} s"]
        self._transient(ROLLBACK, timeout, script, KILLED)
        if not self._armed():
            raise Refused("timer", "The timer that would roll the change back did not start. Nothing was changed")

    def _transient(self, unit: str, delay: float, script: List[str], properties: Sequence[str] = ()) -> None:
        for left in (f"{unit}.timer", f"{unit}.service"):
            self._runner.run(["systemctl", "stop", "--", left], check=False)
            self._runner.run(["systemctl", "reset-failed", "--", left], check=False)
        argv = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={delay:g}s"]
        argv += [f"--property={one}" for one in properties]
        argv += ["--timer-property=AccuracySec=50ms", "--service-type=oneshot", "--", "/bin/sh", *script]
        answer = self._runner.run(argv, check=False)
        if answer.rc != 0:
            raise Refused("timer", f"systemd could not start {unit}: {_said(answer)}. {_remedy()}. Nothing was changed")

    def _armed(self) -> bool:
        """The timer waits, or what it starts is at work. Raises Refused where systemd does not say so, as while it is executed again."""
        ends = self._clock.monotonic() + 10
        while True:
            answer = self._runner.run(["systemctl", "is-active", f"{ROLLBACK}.timer", f"{ROLLBACK}.service"], check=False)
            states = set(answer.stdout.split())
            if states & {"active", "activating", "deactivating"}:
                return True
            if states & {"inactive", "failed", "unknown"}:
                return False
            if self._clock.monotonic() > ends:
                raise Refused("timer", f"systemd does not say whether {ROLLBACK}.timer waits: {_said(answer)}. {_remedy()}. Try again then")
            self._clock.sleep(0.25)

    def stored(self, record: Record, file: str, reader: Callable[[str, str], Content]) -> Content:
        """What the pending change keeps in a file. Raises Refused."""
        path = f"{self.folder(record.id)}/{file}"
        try:
            return self._read(path, reader)
        except BadText as error:
            remedy = "The change cannot be confirmed, and is rolled back when its time is up. Then make it again"
            raise Refused("unreadable", f"{error}. {remedy}") from error

    def _read(self, path: str, reader: Callable[[str, str], Content]) -> Content:
        """Raises BadText for all that a file may be after a power cut, or from another version."""
        try:
            text = self._files.read(path)
        except OSError as error:
            raise BadText(f"{path}: cannot be read: {error.strerror}") from None
        if text is None:
            raise BadText(f"{path}: is missing")
        return reader(text, path)

    def _text(self, path: str) -> str:
        """A file of a few words; nothing when it cannot be read."""
        try:
            return self._read(path, lambda text, _what: text)
        except BadText:
            return ""

    def _open(self) -> str:
        """The name of the change that somebody began; "" for none.

        Where the file says nonsense it is the change whose scripts are here: there never are those of two. An empty file is
        from before they were written.
        """
        name = self._text(OPEN).strip()
        if is_id(name) or not os.path.exists(OPEN) or os.path.getsize(OPEN) == 0:
            return name
        left = [entry for entry in os.listdir(ROOT) if is_id(entry) and os.path.exists(f"{self.folder(entry)}/restore.sh")]
        return left[0] if left else ""

    def _watched(self, name: str) -> bool:
        """Whether it is rolled back when its time is up. The timer does not outlive a boot, so it is of this one."""
        return self._of_this_boot(name, True) and self._armed()

    def _of_this_boot(self, name: str, unknown: bool = False) -> bool:
        """Whether it was begun since the host started; ``unknown`` where what is known of it cannot be read."""
        try:
            known = self._read(f"{self.folder(name)}/change.json", read_known)
        except BadText:
            return unknown
        return known.boot_id == (self._files.read(BOOT_ID) or "").strip()

    def _record(self, name: str) -> Record:
        folder = self.folder(name)
        try:
            known = self._read(f"{folder}/change.json", read_known)
        except BadText:
            known = Known()
        marks = [mark for mark in (CONFIRMED, RESTORED, ADOPTING, APPLIED) if os.path.exists(f"{folder}/{mark}")]
        phase = marks[0] if marks else "started"
        reason = masked_message(self._text(f"{folder}/reason").strip()) if phase == RESTORED else ""
        left = max(0.0, known.ends - self._uptime()) if phase not in (CONFIRMED, RESTORED) else 0.0
        return Record(name, known.holder, phase, reason, left, known.steps, self._differs(folder) if phase == RESTORED else None)

    def _differs(self, folder: str) -> Optional[Tuple[str, ...]]:
        path = f"{folder}/{DIFFERS}"
        return tuple(masked_message(line) for line in self._text(path).splitlines()) if os.path.exists(path) else None

    def _uptime(self) -> float:
        return float((self._files.read(UPTIME) or "0").split()[0])

    @contextmanager
    def _lock(self) -> Iterator[None]:
        os.makedirs(ROOT, mode=0o700, exist_ok=True)
        with open(LOCK, "a", encoding="utf-8") as stream:
            ends = self._clock.monotonic() + 30
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if self._clock.monotonic() > ends:
                        raise Refused("busy", "Another change of the network is at work here. Wait for its end") from error
                    self._clock.sleep(0.1)
            yield


def describe(change: Change) -> List[str]:
    """What the change does, for people: requests to the kernel as ip(8) takes them, then the files."""
    words = {True: "remove", False: "write"}
    return requests(change.operations, change.heedings) + [f"{words[one.after is None]} {one.path}" for one in change.boot]


def _remedy() -> str:
    """systemd keeps what it is asked to start below /run."""
    try:
        place = os.statvfs("/run")
    except OSError:
        return "systemctl status says how systemd fares"
    full = place.f_bavail * place.f_frsize < LEAST_ROOM or (place.f_files and not place.f_favail)
    return "/run is full: remove what filled it (du -x /run)" if full else "systemctl status says how systemd fares"


def _said(answer: CommandResult) -> str:
    return masked_message((answer.stdout + answer.stderr).strip())[-600:] or f"exit status {answer.rc}"
