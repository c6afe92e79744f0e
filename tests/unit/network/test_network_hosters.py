# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of docs/network-hosters.md is planned, written for each backend, and applied to a real kernel and rolled back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.backend import Backend
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.netplan import Netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import from_data

from .kernel import Kernel, bare
from .namespace import Namespace
from .test_network_resolve import planned

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "network-hosters.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- hoster: (?P<name>[a-z0-9-]+) -->\n```yaml\n(?P<text>.*?)```", re.DOTALL)
EXAMPLES: Dict[str, Dict[str, Any]] = {found["name"]: yaml.safe_load(found["text"]) for found in BLOCK.finditer(GUIDE)}
BACKENDS: List[Backend] = [Ifupdown(), Netplan(), Networkd(), NetworkManager()]
REFUSED = {(name, backend) for name in ("peer", "two-uplinks") for backend in ("netplan", "networkmanager")}
GATEWAYS = {
    "peer": ["198.18.1.1", "fe80::1"],
    "on-link": ["198.18.1.1"],
    "link-local": ["169.254.0.1", "fe80::1"],
    "ipv6-outside": ["198.18.0.1", "2001:db8:0:ff::1"],
    "routed-bridge": ["198.18.1.1", "fe80::1"],
    "vlan": ["198.18.1.1"],
    "two-uplinks": ["198.18.0.1", "198.18.2.1"],
}


def desired_of(name: str, **more: Any) -> Tuple[Desired, List[str]]:
    made = planned({**EXAMPLES[name], **more})
    part = made.hosts.get("app1", {}).get("network", {})
    return from_data(part.get("desired", {})), [one.message for one in made.problems]


def test_the_guide_has_an_example_of_each_kind() -> None:
    assert set(EXAMPLES) == set(GATEWAYS)
    assert len(re.findall(r"^## ", GUIDE, re.MULTILINE)) == len(EXAMPLES)


@pytest.mark.parametrize("backend", BACKENDS, ids=[one.name for one in BACKENDS])
@pytest.mark.parametrize("name", GATEWAYS)
def test_each_example_is_planned_and_its_gateways_are_in_the_files_of_each_backend(name: str, backend: Backend) -> None:
    desired, problems = desired_of(name, network_backend=backend.name)
    if (name, backend.name) in REFUSED:
        assert problems and all("cannot express" in text for text in problems)
        return
    assert problems == []
    desired = pinned(desired, bare("eth0", "eth1"))
    written = backend.changes(desired, {})
    assert written.problems == ()
    text = "".join(change.after or "" for change in written.changes)
    assert [gateway for gateway in GATEWAYS[name] if gateway not in text] == []
    existing = {change.path: change.after for change in written.changes if change.after is not None}
    assert backend.changes(desired, existing).changes == ()


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_host_gets_there_and_the_second_run_changes_nothing(name: str) -> None:
    kernel = Kernel(bare("eth0", "eth1"))
    desired = pinned(desired_of(name)[0], kernel.observed())
    assert obstacles(desired, kernel.observed()) == []
    kernel.run(plan(desired, kernel.observed()).operations)
    assert plan(desired, kernel.observed()).operations == ()


@pytest.mark.parametrize("name", [name for name in GATEWAYS if name != "vlan"])  # the kernels of test machines often have no VLANs
def test_the_real_kernel_takes_it_and_gives_back_what_was_there(namespace: Namespace, name: str) -> None:
    namespace.clear(False)
    lines = ["address add 198.18.0.11/32 dev eth0", "route add default via 198.18.1.1 dev eth0 onlink"]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    before = namespace.observed()
    desired = pinned(desired_of(name)[0], before)
    assert obstacles(desired, before, ["198.18.0.11"]) == []
    steps = plan(desired, before)
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    after = namespace.observed()
    assert plan(desired, after).operations == ()
    assert [address for one in desired.interfaces for address in one.addresses if address not in after.addresses[one.name]] == []
    namespace.batch(rollback(steps), force=True)
    back = namespace.observed()
    assert back.routes == before.routes and back.rules == before.rules
    assert [str(one) for one in back.addresses["eth0"] if not one.link_local] == ["198.18.0.11/32"]
