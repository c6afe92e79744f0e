# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with boot configuration of others, and what is said of a change of it. eth0 becomes the port of br0; eth1 is not in
the inventory.
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.boot_host import backends, load
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.findings import Boot, Findings
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.options import made
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.review import after_changes, review
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.rewriters import Writers
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Dns, Family, Files, Interface, Link, Observed, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned

MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOME = "192.0.2.10"
CARDS = {"eth0": Link("eth0", "", MAC, MAC), "eth1": Link("eth1", "", OTHER_MAC, OTHER_MAC)}
BRIDGE = Interface("br0", "bridge", ports=("eth0",), ipv4=Family(True, addresses=(Address(HOME, 24),)))
DESIRED = Desired((Interface("eth0"), BRIDGE), (Route("0.0.0.0/0", "br0", "192.0.2.1"),), (), Dns(("192.0.2.53",), ("example.net",)))
ON_CARD = Desired((Interface("eth0", ipv4=BRIDGE.ipv4),), (Route("0.0.0.0/0", "eth0", "192.0.2.1"),))
OBSERVED = Observed(
    {"lo": Link("lo", loopback=True, mtu=65536), **CARDS},
    {"eth0": (Address(HOME, 24),)},
    (Route("0.0.0.0/0", "eth0", "192.0.2.1"),),
)


def said(
    backend: str,
    existing: Mapping[str, str],
    desired: Desired = DESIRED,
    observed: Observed = OBSERVED,
    management: Sequence[str] = (HOME,),
    peers: Sequence[str] = ("203.0.113.5",),
    writers: Writers = Writers(),
    kernel: Optional[Mapping[str, Mapping[str, str]]] = None,
    names: Optional[Mapping[str, str]] = None,
) -> Tuple[Findings, Files, Dict[str, str]]:
    """What is found, what the backend changes, and the files after it."""
    wanted = pinned(desired, observed)
    files = backends(observed)[backend].changes(wanted, existing)
    after = after_changes(existing, files)
    if files.problems:
        return Findings(list(files.problems)), files, after
    boot = Boot(wanted, observed, existing, after, tuple(management), tuple(peers), made(wanted, observed))
    return review(backends(observed)[backend], boot, files, writers, kernel or {}, load, names), files, after
