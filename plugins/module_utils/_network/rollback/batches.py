# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that a guarded change (see ``guard``) gives to ip(8) and bridge(8), and those of its way back."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from ..model import Operation, Plan
from ..plan.plan import rollback
from .change import Change

REMAKE = "remake-"
"""What the names of the files begin with that make an interface again which somebody has deleted; its number in the change follows."""
VLANS = "-vlan"
"""What the names of the files end with that are for bridge(8)."""


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
    for number, (_name, made) in enumerate(change.remade):
        found[f"{REMAKE}{number}"] = "".join(f"{line}\n" for line in made)
    for name in ("switch", "undo") if change.reloads else ():
        lines = _remind(parts[name])
        if lines:
            found[f"remind-{name}"] = "".join(f"{line}\n" for line in lines)
    return found


def _asked(change: Change) -> List[Operation]:
    """The preparing operations, less those that make what the service makes."""
    return [one for one in change.operations.prepare if not (one.kind == "add_link" and one.link in change.made)]


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
