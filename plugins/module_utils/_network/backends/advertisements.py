# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Router advertisements (RFC 4861, section 6.3.4) where the kernel itself heeds them.

That is with ifupdown, and with the others on an interface that they do not know yet, or not while they do not run. Else
systemd-networkd and NetworkManager do so in its stead, and tell it not to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Sequence, Tuple

from ..model import Desired, Link, Plan
from ..plan.links import in_order
from ..plan.mtu import grown
from ..variables.interfaces import MTU_IPV6
from .base import present

IGNORED, HEEDED = "0", "2"
"""Values of accept_ra in the kernel's ip-sysctl.rst; 2 is also for hosts that forward, as interfaces(5) has it by default."""
NEW = "default"
"""The name by which the kernel has the value for interfaces to come."""


@dataclass(frozen=True)
class Heeding:
    """``accept_ra`` of an interface: ``before`` is "" where the interface is not there yet, or has no IPv6 for its MTU."""

    interface: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"sysctl net/ipv6/conf/{self.interface}/accept_ra={self.after}"


def heedings(desired: Desired, accept_ra: Mapping[str, str], by_kernel: bool, links: Mapping[str, Link]) -> Tuple[Heeding, ...]:
    """What changes. ``accept_ra``: interface -> value now, with that of ``NEW``; nothing where the kernel has no IPv6.
    ``by_kernel``: whether it is the kernel that gives an interface the addresses of advertisements. ``links``: what is there; one
    with an MTU below that of IPv6 has no value, and gets none.

    Without it, an interface whose addresses are all written down would get another, and a default route, from the next
    router that says it is there, and each run would take them away again.
    """
    if NEW not in accept_ra:
        return ()
    found: List[Heeding] = []
    for one in present(grown(desired, in_order(desired.interfaces), links)):
        mtu = one.mtu or (links[one.name].mtu if one.name in links else MTU_IPV6)
        if mtu < MTU_IPV6 and one.name not in accept_ra:
            continue
        value = accept_ra.get(one.name, accept_ra[NEW])
        wanted = IGNORED
        if one.ipv6.dynamic:
            wanted = HEEDED if by_kernel and value == IGNORED else value
        if value != wanted:
            found.append(Heeding(one.name, accept_ra.get(one.name, ""), wanted))
    return tuple(found)


def requests(operations: Plan, told: Sequence[Heeding]) -> List[str]:
    """All that is asked of the kernel, in its order, for people: new interfaces are told before they have a port."""
    later = (*operations.switch, *operations.cleanup, *operations.retire)
    return [str(one) for one in (*operations.prepare, *told, *later)]
