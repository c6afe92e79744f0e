# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done to a running kernel, in an order that never interrupts what serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Tuple

from ..model import Desired, Interface, Observed, Operation, Plan
from .addresses import plan_addresses, plan_removals
from .cards import identified
from .draft import Draft
from .kept import with_kept
from .link_settings import lost_by_moving, plan_settings
from .links import in_order, plan_absent, plan_joining, plan_leaving, plan_leaving_bonds, plan_link_local, plan_mac, plan_mtu, plan_new
from .mtu import grown, plan_followers, restore_followers
from .routes import note_losses, plan_routes, plan_rules


def pinned(desired: Desired, observed: Observed) -> Desired:
    """The same with the names of cards that are named by their MAC, with what bridges and bonds have that nobody asks for (see
    ``with_kept``), and with the MAC of every bridge and bond above a card: the one it has, else its first port's.

    So leases stay, and so does the address when other ports join (without it a bridge takes the lowest of its ports').
    Everything else here, and the files of the backends, want it so. A bond with fail_over_mac=active has that of its active port.
    """
    desired = identified(desired, observed)
    found: Dict[str, Interface] = {}
    for interface in in_order(desired.interfaces):
        interface = with_kept(interface, observed)
        follows = interface.options.get("fail_over_mac") == "active"
        if interface.ports and not interface.mac and not interface.absent and not follows:
            link = observed.links.get(interface.name)
            mac = next((mac for mac in (_mac(port, found, observed) for port in interface.ports) if mac), "")
            interface = replace(interface, mac=link.mac if mac and link is not None and link.kind == interface.type else mac)
        found[interface.name] = interface
    return replace(desired, interfaces=tuple(found[one.name] for one in desired.interfaces))


def _mac(name: str, found: Dict[str, Interface], observed: Observed) -> str:
    """Empty for what is made anew, by chance, each time it is made: a dummy, and what stands on nothing else."""
    given = found.get(name)
    if given is not None and given.mac:
        return given.mac
    link = observed.links.get(name)
    own = (link.permanent_mac or link.mac) if link is not None else ""
    if given is None or given.type == "ethernet":
        return own
    below = [one for one in (given.base, *given.ports) if one]
    lower = next((mac for mac in (_mac(one, found, observed) for one in below) if mac), "")
    return own if lower and own else lower


def plan(desired: Desired, observed: Observed) -> Plan:
    """The operations that make the kernel what is desired (``pinned``). Meant for what ``obstacles`` found good.

    Deterministic. Invariants: no operation changes an interface that is not asked for; an address or a route that has
    a successor is there until the successor is; the default route is replaced in one request; what stays is never
    taken away in between (but an IPv6 address whose prefix length changes, and what is on a card that joins or leaves a
    bond, since it must be down for that); ``rollback`` gives back what was observed after any number of operations
    before ``retire``; planning again from the end gives nothing.
    """
    desired = grown(desired, in_order(desired.interfaces), observed.links)
    draft = Draft(desired, observed)
    plan_new(draft)
    plan_leaving_bonds(draft)
    plan_mac(draft)
    plan_mtu(draft)
    by_hand = plan_link_local(draft)
    plan_addresses(draft, by_hand)
    plan_joining(draft)
    plan_routes(draft)
    plan_leaving(draft)
    plan_rules(draft)
    plan_removals(draft)
    plan_settings(draft)
    plan_absent(draft)
    note_losses(draft)
    draft.cleanup += draft.last
    plan_followers(draft, in_order(desired.interfaces))
    _restore_routes_at_last(draft)
    return Plan(
        tuple(draft.prepare),
        tuple(draft.switch),
        tuple(draft.cleanup),
        tuple(draft.retire),
        tuple(draft.carriers),
        tuple(draft.notes),
    )


def _restore_routes_at_last(draft: Draft) -> None:
    """A rollback ends with the undo of the first operation: by then all else is in its place again. But VLANs of ports are a batch
    of their own, which comes last.
    """
    for part in (draft.prepare, draft.switch, draft.cleanup):
        for index, operation in enumerate(part):
            if operation.link:
                lines = (*lost_by_moving(draft), *restore_followers(draft))
                part[index] = replace(operation, undo=operation.undo + lines)
                return


def rollback(steps: Plan) -> List[Operation]:
    """What restores the observed state, wherever the plan was interrupted before ``retire``: backwards, every undo.

    For ``ip -force -batch``: lines that find nothing to do fail, and that is as it should be. Those of ``family`` 6
    belong into a batch of their own, for ``ip -6``.
    """
    done = steps.prepare + steps.switch + steps.cleanup
    return [Operation("undo", _link(words), words, family=one.family) for one in reversed(done) for words in one.undo]


def _link(words: Tuple[str, ...]) -> str:
    return words[words.index("dev") + 1] if "dev" in words else ""
