# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of a host's network that undoes itself unless it is confirmed.

The change is five lists of steps. Each is written as a shell script beside the others before anything is touched, so that
nothing but a shell and ip(8) is needed to go back. ``switch`` makes the change in the kernel and, for a service that watches
the network, below /run; ``adopt`` and then ``finish`` make it the boot configuration; ``restore`` takes everything back;
``recover`` is what a boot does that finds an ``adopt`` without its ``finish``.

Invariants, which the tests look at after every step:

- Until the mark ``confirmed`` is on the disk, ``restore`` gives back what was, wherever it was cut off.
- Until then a boot, after ``recover`` where that is enabled, finds the old boot configuration; afterwards the new one.
- Whoever runs ``restore`` after ``confirmed`` finishes the change instead.
- Every list may be run again after it was cut off anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from .model import FileChange, Observed, Operation, Plan
from .plan import rollback

ROOT = "/var/lib/smallfleet/network"
OPEN = f"{ROOT}/open"
LOCK = f"{ROOT}/lock"
ROLLBACK = "smallfleet-network-rollback"
SWITCH = "smallfleet-network-switch"
RECOVER = "smallfleet-network-recover.service"
RECOVER_UNIT = f"/etc/systemd/system/{RECOVER}"
RECOVER_LINK = f"/etc/systemd/system/sysinit.target.wants/{RECOVER}"
APPLIED, ADOPTING, CONFIRMED, RESTORED = "applied", "adopting", "confirmed", "restored"
ETC_NETWORKD, RUN_NETWORKD = "/etc/systemd/network/", "/run/systemd/network/"
# Sorts before what people call their files: networkd takes the first file that matches, in the order of the names.
FIRST = "00-0-smallfleet-trial-"


@dataclass(frozen=True)
class Step:
    """One step of a script.

    ``kind``: ``batch`` (the lines of ``file`` to ip(8), all must succeed), ``undo`` (likewise, each may fail), ``carrier`` and
    ``link`` (wait for an interface to be up, to be there), ``put`` (``source`` becomes ``file``, whole and synced), ``drop``
    (``file`` goes), ``enable`` (``file`` is a link to ``source``), ``mark`` (an empty file of that name beside the scripts, synced), ``reload`` (networkd reads its files),
    ``disarm`` (the timer is stopped), ``pause`` (a moment for a service to act).
    """

    kind: str
    file: str = ""
    source: str = ""
    mode: int = 0o644
    family: int = 0


@dataclass(frozen=True)
class Change:
    """What is changed: requests to the kernel, the boot configuration, and what a service is shown for the trial.

    ``trial`` are files below /run, gone at the next boot; those of ``devices`` among them are shown to the service first,
    and it makes the interfaces ``made``: systemd-networkd 257 does not take over a bridge that it did not make.
    """

    folder: str
    operations: Plan
    boot: Tuple[FileChange, ...] = ()
    trial: Tuple[Tuple[str, str], ...] = ()
    devices: Tuple[str, ...] = ()
    made: Tuple[str, ...] = ()
    reloads: bool = False


def prepare(folder: str, operations: Plan, boot: Sequence[FileChange], observed: Observed, networkd: bool) -> Change:
    """The change in ``folder``. ``networkd``: systemd-networkd runs and watches the network."""
    if not networkd:
        return Change(folder, operations, tuple(boot))
    shown = [
        (f"{RUN_NETWORKD}{FIRST}{one.path[len(ETC_NETWORKD):]}", one.after)
        for one in boot
        if one.path.startswith(ETC_NETWORKD) and one.after is not None
    ]
    added = {one.link for one in operations.prepare if one.kind == "add_link"}
    names = {path: device_name(text) for path, text in shown if path.endswith(".netdev")}
    made = tuple(sorted(name for name in names.values() if name in added and name not in observed.links))
    devices = tuple(path for path, name in names.items() if name in made)
    return Change(folder, operations, tuple(boot), tuple(shown), devices, made, True)


def device_name(netdev: str) -> str:
    """The interface that a systemd.netdev(5) file makes."""
    for line in netdev.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "Name":
            return value.strip()
    return ""


def _asked(change: Change) -> List[Operation]:
    """The preparing operations, less those that make what the service makes."""
    return [one for one in change.operations.prepare if not (one.kind == "add_link" and one.link in change.made)]


def batches(change: Change) -> Dict[str, str]:
    """File name -> lines for ``ip -batch``; those of rules for IPv6, which need an option of ip(8), apart."""
    parts: Dict[str, Sequence[Operation]] = {
        "prepare": _asked(change),
        "switch": change.operations.switch,
        "cleanup": change.operations.cleanup,
        "retire": change.operations.retire,
        "undo": rollback(change.operations),
    }
    found: Dict[str, str] = {}
    for name, operations in parts.items():
        for family, suffix in ((0, ""), (6, "6")):
            lines = [one.line for one in operations if one.family == family]
            if lines:
                found[f"{name}{suffix}"] = "".join(f"{line}\n" for line in lines)
    return found


def _batch(change: Change, name: str, kind: str = "batch") -> List[Step]:
    there = batches(change)
    return [Step(kind, f"{name}{end}", family=6 if end else 0) for end in ("", "6") if f"{name}{end}" in there]


def sources(change: Change) -> Dict[str, Tuple[str, int]]:
    """File name -> content and mode of what the scripts put in place."""
    found = {f"old-{number}": (one.before, one.mode) for number, one in enumerate(change.boot) if one.before is not None}
    found.update({f"new-{number}": (one.after, one.mode) for number, one in enumerate(change.boot) if one.after is not None})
    found.update({f"trial-{number}": (text, 0o644) for number, (_path, text) in enumerate(change.trial)})
    found["recover.service"] = (recover_unit(change), 0o644)
    return found


def _trial(change: Change, devices: bool) -> List[Step]:
    numbered = list(enumerate(change.trial))
    return [Step("put", path, f"trial-{n}") for n, (path, _text) in numbered if (path in change.devices) == devices]


def _boot(change: Change, new: bool) -> List[Step]:
    found: List[Step] = []
    for number, one in enumerate(change.boot):
        content, name = (one.after, "new") if new else (one.before, "old")
        found.append(Step("drop", one.path) if content is None else Step("put", one.path, f"{name}-{number}", one.mode))
    return found


def _end_trial(change: Change) -> List[Step]:
    return [Step("drop", path) for path, _text in change.trial] + ([Step("reload")] if change.reloads else [])


def leave() -> List[Step]:
    """Nothing is under way any more."""
    return [Step("disarm"), Step("drop", RECOVER_LINK), Step("drop", RECOVER_UNIT), Step("drop", OPEN)]


def switch(change: Change) -> List[Step]:
    """Make the change for the trial. A step that fails ends it, and ``restore`` follows."""
    steps = _trial(change, devices=True)
    if change.made:
        steps += [Step("reload"), *(Step("link", name) for name in change.made)]
    steps += _batch(change, "prepare")
    steps += [Step("carrier", name) for name in change.operations.carriers]
    steps += _batch(change, "switch")
    steps += _trial(change, devices=False)
    steps += [Step("reload")] if change.reloads else []
    return [*steps, *_batch(change, "cleanup"), Step("mark", APPLIED)]


def adopt(change: Change) -> List[Step]:
    """Make it the boot configuration. It still can be taken back, by ``restore`` and by ``recover`` at a boot."""
    recover = [Step("put", RECOVER_UNIT, "recover.service"), Step("enable", RECOVER_LINK, f"../{RECOVER}")]
    return [Step("mark", ADOPTING), *recover, *_boot(change, new=True), *_end_trial(change)]


def finish(change: Change) -> List[Step]:
    """From here on it is the network of this host."""
    return [Step("mark", CONFIRMED), *_batch(change, "retire", "undo"), *leave()]


def restore(change: Change, adopting: bool) -> List[Step]:
    """Take it back on the running system. ``adopting``: the boot configuration may have been touched.

    The kernel comes first, so that nobody waits for the service; and once more after it, for what the service dropped.
    """
    undo = _batch(change, "undo", "undo")
    steps = undo + (_boot(change, new=False) if adopting else []) + _end_trial(change)
    steps += [Step("pause"), *undo] if change.reloads else []
    return [*steps, Step("mark", RESTORED), *leave()]


def recover(change: Change, adopting: bool) -> List[Step]:
    """Take it back at a boot: the kernel and /run know nothing of it any more."""
    return [*(_boot(change, new=False) if adopting else []), Step("mark", RESTORED), *leave()]


def recover_unit(change: Change) -> str:
    """The unit that is enabled while the boot configuration is between old and new."""
    return (
        "[Unit]\n"
        "Description=Take back a change of the network that nobody confirmed\n"
        "DefaultDependencies=no\n"
        f"RequiresMountsFor={ROOT} /etc\n"
        "After=local-fs.target\n"
        "Before=network-pre.target systemd-networkd.service networking.service NetworkManager.service\n"
        "Wants=network-pre.target\n\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"ExecStart=/bin/sh {change.folder}/restore.sh 'the power failed before it was confirmed'\n"
    )
