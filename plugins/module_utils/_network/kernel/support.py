# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change needs of the kernel: types of interfaces, and the filtering of VLANs. A kernel may lack each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Tuple

from ..backends.base import present
from ..model import Desired, Observed

MODULES: Mapping[str, str] = {"bridge": "bridge", "bond": "bonding", "vlan": "8021q", "dummy": "dummy"}
"""Type of interface -> the kernel's module."""
FILTERING = "vlan_filtering"
REFUSALS: Mapping[str, Tuple[str, ...]] = {FILTERING: ("not supported",)}
_UNKNOWN = ("Unknown device type",)


@dataclass(frozen=True)
class Need:
    """``kind`` is a type of interface or ``FILTERING``; ``where`` the key that asks for it."""

    kind: str
    where: str

    @property
    def probe(self) -> Tuple[str, ...]:
        """What ``ip link add`` is given in a namespace without anything in it."""
        if self.kind == FILTERING:
            return ("name", "probe", "type", "bridge", FILTERING, "1")
        if self.kind == "vlan":
            return ("link", "lo", "name", "probe", "type", "vlan", "id", "1")
        return ("name", "probe", "type", self.kind)

    def refused(self, status: int, stderr: str) -> bool:
        """Whether the answer says that the kernel lacks it. Any other failure says nothing."""
        return status != 0 and any(one in stderr for one in REFUSALS.get(self.kind, _UNKNOWN))

    def __str__(self) -> str:
        if self.kind == FILTERING:
            return f"{self.where}: the kernel of this host cannot filter VLANs of a bridge. Boot one with CONFIG_BRIDGE_VLAN_FILTERING, or remove vlan"
        return (
            f"{self.where}: the kernel of this host knows no interface of type {self.kind} (module {MODULES[self.kind]}). "
            "Install the modules of this kernel, boot another one, or remove the interface"
        )


def needs(desired: Desired, observed: Observed) -> List[Need]:
    """What is not there already, each once. ``desired`` is ``pinned``."""
    kinds = {link.kind for link in observed.links.values()}
    filtering = any(link.options.get(FILTERING) == "1" for link in observed.links.values())
    found: Dict[str, Need] = {}
    for one in present(desired):
        if one.virtual and one.type not in kinds:
            found.setdefault(one.type, Need(one.type, f"interfaces.{one.name}"))
        if one.type == "bridge" and one.options.get(FILTERING) == "1" and not filtering:
            found.setdefault(FILTERING, Need(FILTERING, f"interfaces.{one.name}.bridge.port.vlan"))
    return list(found.values())
