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

What the planner knows of the kernel's network is less than the kernel does. So ``switch`` first writes that down in the kernel's
own words (see ``kernel_scripts``), ``restore`` gives back what its requests have left out, and says in the end what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List

from ..backends.control import END, FREEZE, GENERATE, RECORD, RELOAD, START, STOP, THAW
from ..backends.registry import BACKENDS
from ..model import FileChange
from .batches import REMAKE, VLANS, batches
from .change import Change
from .foreign_script import RESTORE, SAVE

ROOT = "/var/lib/smallfleet/network"
OPEN = f"{ROOT}/open"
LOCK = f"{ROOT}/lock"
ROLLBACK = "smallfleet-network-rollback"
SWITCH = "smallfleet-network-switch"
RECOVER = "smallfleet-network-recover.service"
RECOVER_UNIT = f"/etc/systemd/system/{RECOVER}"
RECOVER_LINK = f"/etc/systemd/system/sysinit.target.wants/{RECOVER}"
APPLIED, ADOPTING, CONFIRMED, RESTORED = "applied", "adopting", "confirmed", "restored"


@dataclass(frozen=True)
class Step:
    """One step of a script.

    ``kind``: ``batch`` (the lines of ``file`` to ip(8), or to bridge(8), all must succeed), ``undo`` and ``remind`` (likewise, each may
    fail), ``carrier`` and ``link`` (wait for an interface to be up, to be there), ``put`` (``source`` becomes ``file``,
    whole and synced, with its owner and mode), ``drop`` (``file`` goes), ``enable`` (``file`` is a link to ``source``), ``mark`` (an empty file
    of that name beside the scripts, synced), ``disarm`` (the timer is stopped), ``unwatch`` (what watches over the timer ends, unless it is
    what runs the script), ``pause`` (a moment for a service to act).
    Those of the program that configures the network are in ``backends.control``.
    ``heed`` (``source`` is what the kernel does with router advertisements on the interface ``file``).
    ``remember``, ``meanwhile``, ``again`` and ``compare``: the kernel's network in its own words is written down before the change
    and before the rollback, given back where something is missing (by the lines of ``file`` where that cannot be), and compared
    with what is there.
    ``remake``: the interface ``source``, where it is missing, is made again by the lines of ``file``.
    ``save-foreign`` and ``restore-foreign``: what programs have added is remembered, and what is missing of it put back.
    """

    kind: str
    file: str = ""
    source: str = ""
    family: int = 0


def _batch(change: Change, name: str, kind: str = "batch") -> List[Step]:
    """VLANs of ports come first, before their bridge filters by them."""
    there = batches(change)
    return [Step(kind, f"{name}{end}", family=6 if end == "6" else 0) for end in (VLANS, "", "6") if f"{name}{end}" in there]


@dataclass(frozen=True)
class Source:
    """A file that the scripts copy to its place with its owner and mode: those of the file ``like``, if there is one."""

    text: str
    mode: int = 0o644
    like: str = ""


def sources(change: Change) -> Dict[str, Source]:
    """File name -> what the scripts put in place."""
    found: Dict[str, Source] = {}
    for number, one in enumerate(change.boot):
        found.update({f"old-{number}": Source(one.before, one.mode, one.path)} if one.before is not None else {})
        found.update({f"new-{number}": Source(one.after, one.mode, one.path)} if one.after is not None else {})
    found.update({f"trial-{number}": Source(text) for number, (_path, text) in enumerate(change.trial)})
    found.update({f"held-{number}": Source(text) for number, (_path, text) in enumerate(change.held)})
    for number, claim in enumerate(change.claims):
        found.update({f"claim-{kind}-{number}": Source(getattr(claim, kind)) for kind in ("before", "after")})
    found["recover.service"] = Source(recover_unit(change))
    return found


def _trial(change: Change, early: bool) -> List[Step]:
    numbered = list(enumerate(change.trial))
    return [Step("put", path, f"trial-{n}") for n, (path, _text) in numbered if (path in change.early) == early]


def _boot(change: Change, new: bool) -> List[Step]:
    found: List[Step] = []
    for number, one in enumerate(change.boot):
        if new and _late(one, change):
            continue
        content, name = (one.after, "new") if new else (one.before, "old")
        found.append(Step("drop", one.path) if content is None else Step("put", one.path, f"{name}-{number}"))
    return found


def _late(one: FileChange, change: Change) -> bool:
    return one.after is None and one.path.endswith(change.control.removed_last)


def _end_trial(change: Change) -> List[Step]:
    steps = [Step("drop", path) for path, _text in change.trial]
    return steps + ([Step(GENERATE)] if change.generates else []) + ([Step(RELOAD)] if change.reloads else [])


def _claims(change: Change, kind: str) -> List[Step]:
    found: List[Step] = []
    for number, claim in enumerate(change.claims):
        source = f"claim-{kind}-{number}" if getattr(claim, kind) else ""
        found.append(Step(RECORD, claim.interface, source))
    return found


def _clients(change: Change, kind: str) -> List[Step]:
    return [Step(kind, name) for name in change.clients]


def _heed(change: Change, kind: str) -> List[Step]:
    """An interface that was not there before has no value to be given back."""
    values = [(one.interface, getattr(one, kind)) for one in change.heedings]
    return [Step("heed", name, value) for name, value in values if value]


def _service(change: Change, kind: str) -> List[Step]:
    return [Step(kind)] if change.control.stops else []


def _foreign(change: Change, verb: str) -> List[Step]:
    """Around whatever makes a service look at the network anew: it takes away what it does not know."""
    return [Step(f"{verb}-foreign")] if change.reloads or change.control.stops else []


def leave() -> List[Step]:
    """No change is pending any more. Whoever is told so by OPEN finds neither the timer nor what watches over it."""
    return [Step("disarm"), Step("unwatch"), Step("drop", RECOVER_LINK), Step("drop", RECOVER_UNIT), Step("drop", OPEN)]


def switch(change: Change) -> List[Step]:
    """Make the change for the trial. A step that fails ends it, and ``restore`` follows.

    New interfaces are told what to do with router advertisements before they get a port and hear of any.
    """
    steps = [Step("remember"), *_service(change, STOP), *_clients(change, FREEZE), *_trial(change, early=True)]
    steps += [Step("put", path, f"held-{number}") for number, (path, _text) in enumerate(change.held)]
    if change.early or change.held:
        steps += [*_foreign(change, SAVE), Step(RELOAD), *(Step("link", name) for name in change.made), *_foreign(change, RESTORE)]
    steps += _batch(change, "prepare") + _heed(change, "after")
    steps += [Step("carrier", name) for name in change.operations.carriers]
    steps += _batch(change, "switch")
    steps += _batch(change, "remind-switch", "remind")
    steps += _trial(change, early=False)
    steps += [*_foreign(change, SAVE), Step(RELOAD), *_foreign(change, RESTORE)] if change.reloads else []
    return [*steps, *_batch(change, "cleanup"), Step("mark", APPLIED)]


def adopt(change: Change) -> List[Step]:
    """Make it the boot configuration. It still can be rolled back, by ``restore`` and by ``recover`` at a boot.

    The reminder comes once more: systemd-networkd gives a card that went down to join a bond its addresses again, and takes
    them away when it reads its files, and with their routes forgets those of the others.
    """
    recover = [Step("put", RECOVER_UNIT, "recover.service"), Step("enable", RECOVER_LINK, f"../{RECOVER}")]
    owned = [*_claims(change, "after"), *_service(change, START)]
    told = [*_end_trial(change), *_batch(change, "remind-switch", "remind")]
    known = [*_foreign(change, SAVE), *told, *owned, *_foreign(change, RESTORE)]
    return [Step("mark", ADOPTING), *recover, *_boot(change, new=True), *known]


def finish(change: Change) -> List[Step]:
    """From here on it is the network of this host."""
    late = [Step("drop", one.path) for one in change.boot if _late(one, change)]
    late += [*_foreign(change, SAVE), Step(RELOAD), *_foreign(change, RESTORE)] if late and change.reloads else []
    return [Step("mark", CONFIRMED), *late, *_batch(change, "retire", "undo"), *_clients(change, END), *leave()]


def restore(change: Change, adopting: bool) -> List[Step]:
    """Roll it back on the running system. ``adopting``: the boot configuration may have been touched.

    The kernel comes first, so that nobody waits for the service; and once more after it, for what the service dropped. Interfaces that
    somebody has deleted are left to a service that makes them itself, and takes over none that it did not make.
    """
    remake = [Step("remake", f"{REMAKE}{number}", name) for number, (name, _lines) in enumerate(change.remade)]
    heed = [*_heed(change, "before"), *(Step("heed", name, value) for name, value in change.accept_ra)]
    undo = [*_batch(change, "away", "undo"), *heed, Step("again", "undo")]
    stopped = [*_service(change, STOP), *undo] if change.control.stops else []
    steps = [Step("meanwhile"), *([] if change.reloads else remake), *undo, *stopped] + (_boot(change, new=False) if adopting else [])
    steps += [*_foreign(change, SAVE), *_end_trial(change)]
    steps += [Step("pause"), *(Step("link", one.source) for one in remake), *remake] if change.reloads else []
    steps += [*undo, *_batch(change, "remind-undo", "remind")] if change.reloads else []
    steps += [*_claims(change, "before"), *_service(change, START), *_foreign(change, RESTORE), *_clients(change, THAW)]
    return [*steps, Step("compare"), Step("mark", RESTORED), *leave()]


def recover(change: Change, adopting: bool) -> List[Step]:
    """Roll it back at a boot: the kernel and /run know nothing of it any more."""
    return [*(_boot(change, new=False) if adopting else []), Step("mark", RESTORED), *leave()]


def recover_unit(change: Change) -> str:
    """The unit that is enabled while the boot configuration is between old and new."""
    programs = dict.fromkeys(unit for one in BACKENDS.values() for unit in (one.service, one.boot_unit) if unit)
    return (
        "[Unit]\n"
        "Description=Roll back a change of the network that nobody confirmed\n"
        "DefaultDependencies=no\n"
        f"RequiresMountsFor={ROOT} /etc\n"
        "After=local-fs.target\n"
        f"Before=network-pre.target {' '.join(programs)}\n"
        "Wants=network-pre.target\n\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"ExecStart=/bin/sh {change.folder}/restore.sh 'the power failed before it was confirmed'\n"
    )
