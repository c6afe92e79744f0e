# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on macvtap on this host, as data and as text."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..._system.command import CommandRunner
from .guests_host import Guests, holders, installed, links
from .interfaces import Domain
from .macvtap import apart, describe, interface_data, members


def macvtap_report(runner: CommandRunner, guests: Guests) -> Dict[str, Any]:
    """The result of the module macvtap_info. Raises CommandFailed, Unreadable and BadDefinition."""
    there = links(runner)
    seen = list(guests.read().values()) if installed(runner) else []
    running = [guest.live for guest in seen if guest.live is not None]
    found = members(there, running, holders(there))
    separated = apart(found)
    return {
        "text": describe(found, running, separated),
        "links": [
            {
                "name": one.link.name,
                "kind": one.link.kind,
                "card": one.link.lower,
                "mode": one.link.mode,
                "mac": one.link.mac,
                "owner": {"type": one.owner.type, "name": one.owner.name},
            }
            for one in found
        ],
        "guests": [
            {
                "name": guest.name,
                "state": guest.state,
                "interfaces": _interfaces(guest.live),
                "defined": _interfaces(guest.definition),
            }
            for guest in sorted(seen, key=lambda one: one.name)
        ],
        "cannot_talk": [{"between": [one.first, one.second], "card": one.card, "because": one.because, "except_through": one.but} for one in separated],
    }


def _interfaces(domain: Optional[Domain]) -> List[Dict[str, Any]]:
    return [] if domain is None else [interface_data(nic) for nic in domain.nics]
