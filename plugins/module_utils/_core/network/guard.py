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
from typing import Dict, List, Mapping, Sequence, Tuple

from ._links import CARRIER
from .advertisements import Heeding
from .foreign_script import RESTORE, SAVE, Foreign
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
RUN_NETWORKD = "/run/systemd/network/"
IFUPDOWN, NETWORKMANAGER = "ifupdown", "networkmanager"
# Sorts before what people call their files: networkd takes the first file that matches, in the order of the names.
FIRST = "00-0-smallfleet-trial-"
VLANS = "-vlan"
"""What the names of the files end with that are for bridge(8)."""


@dataclass(frozen=True)
class Step:
    """One step of a script.

    ``kind``: ``batch`` (the lines of ``file`` to ip(8), or to bridge(8), all must succeed), ``undo`` and ``remind`` (likewise, each may
    fail), ``carrier`` and ``link`` (wait for an interface to be up, to be there), ``put`` (``source`` becomes ``file``,
    whole and synced, with its owner and mode), ``drop`` (``file`` goes), ``enable`` (``file`` is a link to ``source``), ``mark`` (an empty file
    of that name beside the scripts, synced), ``generate`` (netplan makes networkd's files), ``reload`` (networkd reads
    its files), ``disarm`` (the timer is stopped), ``pause`` (a moment for a service to act).
    ``release`` and ``acquire``: NetworkManager ends, and leaves the network as it is, and begins again with what its
    files and the claims say; ``claim-networkmanager`` and ``claim-ifupdown`` (what the program believes of the interface
    ``file`` becomes ``source``, or nothing); ``freeze``, ``thaw`` and ``end`` (the DHCP clients of the interface ``file``);
    ``heed`` (``source`` is what the kernel does with router advertisements on the interface ``file``).
    ``remember``, ``meanwhile``, ``again`` and ``compare``: the kernel's network in its own words is written down before the change
    and before the rollback, given back where something is missing (by the lines of ``file`` where that cannot be), and compared
    with what is there.
    ``save-foreign`` and ``restore-foreign``: what programs have added is remembered, and what is missing of it put back.
    """

    kind: str
    file: str = ""
    source: str = ""
    family: int = 0


@dataclass(frozen=True)
class Claim:
    """What a program writes down below /run of an interface that it has configured: "" when it has not."""

    interface: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Change:
    """What is changed: requests to the kernel, the boot configuration, and what a service is shown for the trial.

    ``trial`` are files below /run, gone at the next boot; those of ``early`` among them are shown to the service first,
    and it makes the interfaces ``made``: systemd-networkd 257 does not take over a bridge that it did not make. A VLAN it
    takes over if it knows its file when the VLAN appears; it would not make it before the interface below is configured.
    ``held`` are trial files in whose place the service is shown first that the interface is none of its business: it
    configures a port anew, by the file that it knows so far, as soon as that leaves its bridge.
    ``generates``: netplan(8) makes networkd's files, whenever its own have changed.
    ``program``: NETWORKMANAGER, which does not run during the trial, or IFUPDOWN; its ``claims`` change with the files.
    ``clients``: interfaces with DHCP clients that ifupdown started and that nobody wants any more. ``heedings``: what the
    kernel does with router advertisements. ``touched``: the interfaces whose state may change with it.
    ``foreign``: what tells apart what programs have added.
    """

    folder: str
    operations: Plan
    boot: Tuple[FileChange, ...] = ()
    trial: Tuple[Tuple[str, str], ...] = ()
    early: Tuple[str, ...] = ()
    made: Tuple[str, ...] = ()
    held: Tuple[Tuple[str, str], ...] = ()
    reloads: bool = False
    generates: bool = False
    program: str = ""
    claims: Tuple[Claim, ...] = ()
    clients: Tuple[str, ...] = ()
    heedings: Tuple[Heeding, ...] = ()
    touched: Tuple[str, ...] = ()
    foreign: Foreign = Foreign()

    @property
    def made_addresses(self) -> Tuple[str, ...]:
        """The addresses that the change adds, without their prefix lengths."""
        words = [one.words for one in self.operations.operations if one.kind == "add_address"]
        return tuple(sorted({one[2].partition("/")[0] for one in words}))


def prepare(
    folder: str,
    operations: Plan,
    boot: Sequence[FileChange],
    shown: Mapping[str, str],
    observed: Observed,
    leaving: Sequence[str] = (),
) -> Change:
    """The change in ``folder``. ``shown`` are the files (path and content) of systemd-networkd that say the same as the
    boot configuration, whoever reads that; none where networkd does not run. It is to forget the interfaces ``leaving``.
    """
    added = {one.link for one in operations.prepare if one.kind == "add_link" and one.link not in observed.links}
    trial: Dict[str, str] = {}
    made: Dict[str, str] = {}
    early: List[str] = []
    for path, text in sorted(shown.items()):
        place = f"{RUN_NETWORKD}{FIRST}{path.rsplit('/', 1)[1]}"
        device = device_name(text) if path.endswith(".netdev") else ""
        if device in added:
            early.append(place)
        if device in added and not stacked(text):
            made[place] = device
        if not device or device in added:  # what exists stays whose it is
            trial[place] = text
    for name in leaving if shown else ():
        trial[f"{RUN_NETWORKD}{FIRST}{name}.network"] = _unmanaged(name)
    held: Dict[str, str] = {}
    for name in _moved(operations, observed) if shown else ():
        place = f"{RUN_NETWORKD}{FIRST}{name}.network"
        early += [place] if place in trial else []
        # a file for a card that is found by its MAC does not name it
        own = [path for path, text in trial.items() if path.endswith(f"-{name}.network") and device_name(text) in (name, "")]
        held.update({path: _unmanaged(name) for path in own if path != place})
    netplan = any(one.path.startswith("/etc/netplan/") for one in boot)
    return Change(
        folder,
        operations,
        tuple(boot),
        tuple(trial.items()),
        tuple(early),
        tuple(made.values()),
        tuple(held.items()),
        bool(shown),
        bool(shown) and netplan,
        touched=touched(operations, observed),
    )


def touched(operations: Plan, observed: Observed) -> Tuple[str, ...]:
    """The interfaces that the operations change, those that these are ports of, and those that stand on them."""
    found = {one.link for one in operations.operations if one.link}
    found |= {observed.links[name].master for name in found if name in observed.links} - {""}
    while True:
        above = {one.name for one in observed.links.values() if one.lower in found} - found
        if not above:
            return tuple(sorted(name for name in found if not CARRIER.fullmatch(name)))
        found |= above


def unrestorable(operations: Plan, observed: Observed) -> List[str]:
    """What the operations could lose and no rollback give back."""
    names = touched(operations, observed)
    return [
        f"{name} has a route to {destination} with an encapsulation that a rollback could not give back. Delete the route, "
        "let its program enter it again after the change"
        for name, destination in observed.opaque
        if name in names
    ]


def _unmanaged(name: str) -> str:
    """What tells systemd-networkd to leave an interface alone (systemd.network(5)); it takes away what addresses it gave it."""
    return f"[Match]\nName={name}\n\n[Link]\nUnmanaged=yes\n"


def _moved(operations: Plan, observed: Observed) -> List[str]:
    """The ports that leave their bridge or bond, for another or for none."""
    moves = [one.link for one in operations.switch if {"master", "nomaster"} & set(one.words)]
    return list(dict.fromkeys(name for name in moves if name in observed.links and observed.links[name].master))


def device_name(netdev: str) -> str:
    """The interface that a systemd.netdev(5) file makes, or that one of our systemd.network(5) files is for."""
    for line in netdev.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "Name":
            return value.strip()
    return ""


def stacked(netdev: str) -> bool:
    """Whether the file is of a VLAN, which is made when the interface below it is configured."""
    return any(line.replace(" ", "").lower() == "kind=vlan" for line in netdev.splitlines())


def _asked(change: Change) -> List[Operation]:
    """The preparing operations, less those that make what the service makes."""
    return [one for one in change.operations.prepare if not (one.kind == "add_link" and one.link in change.made)]


def batches(change: Change) -> Dict[str, str]:
    """File name -> lines for ``ip -batch``; those of rules for IPv6, which need an option of ip(8), and those for bridge(8) apart."""
    parts: Dict[str, Sequence[Operation]] = {
        "prepare": _asked(change),
        "switch": change.operations.switch,
        "cleanup": change.operations.cleanup,
        "retire": change.operations.retire,
        "undo": rollback(change.operations),
        "away": _away(change.operations),
    }
    found: Dict[str, str] = {}
    for name, operations in parts.items():
        for family, suffix in ((0, ""), (6, "6")):
            lines = [one.line for one in operations if one.family == family and not one.by_bridge]
            if lines:
                found[f"{name}{suffix}"] = "".join(f"{line}\n" for line in lines)
        lines = [one.line for one in operations if one.by_bridge]
        if lines:
            found[f"{name}{VLANS}"] = "".join(f"{line}\n" for line in lines)
    for name in ("switch", "undo") if change.reloads else ():
        lines = _remind(parts[name])
        if lines:
            found[f"remind-{name}"] = "".join(f"{line}\n" for line in lines)
    return found


def _away(operations: Plan) -> List[Operation]:
    """The part of the way back that takes away what the change has made. Addresses, routes and rules that were there before
    are given back in the kernel's words, which say more of them.
    """
    done = operations.prepare + operations.switch + operations.cleanup
    found: List[Operation] = []
    for one in reversed(done):
        lines = [("route", "del", *one.words[2:])] if one.kind == "replace_route" else []
        lines += [words for words in one.undo if words[0] == "link" or words[1] == "del"]
        found += [Operation("undo", one.link, words, family=one.family) for words in dict.fromkeys(lines)]
    return found


def _remind(operations: Sequence[Operation]) -> List[str]:
    """What makes the kernel announce new addresses and their routes again. Only addresses that are there in the end: the
    kernel makes an IPv4 address that is to be changed and does not exist.

    Of routes by a change of their metric, and back: where two interfaces have a network for a moment, systemd-networkd 257
    takes the end of one's route for that of the other's, and then waits forever before it sets a route by a gateway that it
    believes out of reach. Link-local addresses as they are: it forgets a port that leaves its bridge, with the addresses
    that this has by then, learns of it anew, and asks no router before it knows of a link-local address.
    """
    there: Dict[Tuple[str, str], Tuple[str, ...]] = {}
    for words in (one.words for one in operations if one.words[0] == "address"):
        there[(" ".join(words[2 : 5 if words[3] == "peer" else 3]), words[words.index("dev") + 1])] = words
    found: List[str] = []
    for (address, name), words in there.items():
        local, plain, nodad = ("scope" in words, "256", " nodad") if ":" in address else (False, "0", "")
        if words[1] not in ("add", "replace") or {"valid_lft", "preferred_lft", "label", "metric", "proto"} & set(words):
            continue  # it would lose these
        alone = "noprefixroute" in words
        metrics = (" noprefixroute",) if alone else ("",) if local else (" metric 1", f" metric {plain}")
        found += [f"address change {address}{' scope link' if local else ''} dev {name}{nodad}{metric}" for metric in metrics]
    return found


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
        if new and _late(one):
            continue
        content, name = (one.after, "new") if new else (one.before, "old")
        found.append(Step("drop", one.path) if content is None else Step("put", one.path, f"{name}-{number}"))
    return found


def _late(one: FileChange) -> bool:
    """An interface that networkd made goes last: given back, it would be a stranger to networkd that it cannot make."""
    return one.after is None and one.path.endswith(".netdev")


def _end_trial(change: Change) -> List[Step]:
    steps = [Step("drop", path) for path, _text in change.trial]
    return steps + ([Step("generate")] if change.generates else []) + ([Step("reload")] if change.reloads else [])


def _claims(change: Change, kind: str) -> List[Step]:
    found: List[Step] = []
    for number, claim in enumerate(change.claims):
        source = f"claim-{kind}-{number}" if getattr(claim, kind) else ""
        found.append(Step(f"claim-{change.program}", claim.interface, source))
    return found


def _clients(change: Change, kind: str) -> List[Step]:
    return [Step(kind, name) for name in change.clients]


def _heed(change: Change, kind: str) -> List[Step]:
    """An interface that was not there before has no value to be given back."""
    values = [(one.interface, getattr(one, kind)) for one in change.heedings]
    return [Step("heed", name, value) for name, value in values if value]


def _service(change: Change, kind: str) -> List[Step]:
    return [Step(kind)] if change.program == NETWORKMANAGER else []


def _foreign(change: Change, verb: str) -> List[Step]:
    """Around whatever makes a service look at the network anew: it takes away what it does not know."""
    return [Step(f"{verb}-foreign")] if change.reloads or change.program == NETWORKMANAGER else []


def leave() -> List[Step]:
    """Nothing is under way any more."""
    return [Step("disarm"), Step("drop", RECOVER_LINK), Step("drop", RECOVER_UNIT), Step("drop", OPEN)]


def switch(change: Change) -> List[Step]:
    """Make the change for the trial. A step that fails ends it, and ``restore`` follows.

    New interfaces are told what to do with router advertisements before they get a port and hear of any.
    """
    steps = [Step("remember"), *_service(change, "release"), *_clients(change, "freeze"), *_trial(change, early=True)]
    steps += [Step("put", path, f"held-{number}") for number, (path, _text) in enumerate(change.held)]
    if change.early or change.held:
        steps += _foreign(change, SAVE) + [Step("reload"), *(Step("link", name) for name in change.made)] + _foreign(change, RESTORE)
    steps += _batch(change, "prepare") + _heed(change, "after")
    steps += [Step("carrier", name) for name in change.operations.carriers]
    steps += _batch(change, "switch")
    steps += _batch(change, "remind-switch", "remind")
    steps += _trial(change, early=False)
    steps += [*_foreign(change, SAVE), Step("reload"), *_foreign(change, RESTORE)] if change.reloads else []
    return [*steps, *_batch(change, "cleanup"), Step("mark", APPLIED)]


def adopt(change: Change) -> List[Step]:
    """Make it the boot configuration. It still can be taken back, by ``restore`` and by ``recover`` at a boot.

    The reminder comes once more: systemd-networkd gives a card that went down to join a bond its addresses again, and takes
    them away when it reads its files, and with their routes forgets those of the others.
    """
    recover = [Step("put", RECOVER_UNIT, "recover.service"), Step("enable", RECOVER_LINK, f"../{RECOVER}")]
    owned = [*_claims(change, "after"), *_service(change, "acquire")]
    told = [*_end_trial(change), *_batch(change, "remind-switch", "remind")]
    known = [*_foreign(change, SAVE), *told, *owned, *_foreign(change, RESTORE)]
    return [Step("mark", ADOPTING), *recover, *_boot(change, new=True), *known]


def finish(change: Change) -> List[Step]:
    """From here on it is the network of this host."""
    late = [Step("drop", one.path) for one in change.boot if _late(one)]
    late += [*_foreign(change, SAVE), Step("reload"), *_foreign(change, RESTORE)] if late and change.reloads else []
    return [Step("mark", CONFIRMED), *late, *_batch(change, "retire", "undo"), *_clients(change, "end"), *leave()]


def restore(change: Change, adopting: bool) -> List[Step]:
    """Take it back on the running system. ``adopting``: the boot configuration may have been touched.

    The kernel comes first, so that nobody waits for the service; and once more after it, for what the service dropped.
    """
    undo = [*_batch(change, "away", "undo"), *_heed(change, "before"), Step("again", "undo")]
    released = [*_service(change, "release"), *undo] if change.program == NETWORKMANAGER else []
    steps = [Step("meanwhile"), *undo, *released] + (_boot(change, new=False) if adopting else [])
    steps += [*_foreign(change, SAVE), *_end_trial(change)]
    steps += [Step("pause"), *undo, *_batch(change, "remind-undo", "remind")] if change.reloads else []
    steps += [*_claims(change, "before"), *_service(change, "acquire"), *_foreign(change, RESTORE), *_clients(change, "thaw")]
    return [*steps, Step("compare"), Step("mark", RESTORED), *leave()]


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
