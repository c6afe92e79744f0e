# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scripts make of requests that a real kernel, in a network namespace of this machine, refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Observed, Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import APPLIED
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.scripts import scripts

from .guarded import prepare
from .guarded_node import bridge_plan
from .namespace import Namespace

GONE = (
    "address del 198.18.0.77/24 dev eth0",
    "address del 2001:db8::77/64 dev eth0",
    "route del 198.18.77.0/24 dev eth0 proto static",
    "rule del priority 77 table 77",
)
FIRST, LAST = "address add 198.18.0.1/24 dev eth0", "address add 198.18.0.2/24 dev eth0"


def switched(namespace: Namespace, folder: Path, lines: Sequence[str], family: int = 0) -> Tuple[str, str]:
    """What the script said, and the addresses of the card afterwards."""
    namespace.clear(True)
    operations = tuple(Operation("", "eth0", tuple(line.split()), family=family) for line in lines)
    change = Change(str(folder), Plan(switch=operations))
    texts = {**batches(change), **scripts(change, "boot", 90), "restore.sh": 'echo "restored: $1"\n'}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    said = namespace.run("sh", str(folder / "switch.sh"))
    return said, namespace.run("ip", "-o", "address", "show", "dev", "eth0")


@pytest.mark.parametrize("lines", [(FIRST, gone, LAST) for gone in GONE] + [(FIRST, *GONE, LAST, *GONE)])
def test_what_was_to_be_deleted_may_be_gone_and_all_else_is_done(namespace: Namespace, tmp_path: Path, lines: Sequence[str]) -> None:
    said, found = switched(namespace, tmp_path, lines)
    assert said == "" and (tmp_path / APPLIED).exists()
    assert "198.18.0.1/24" in found and "198.18.0.2/24" in found


@pytest.mark.parametrize("wrong", ["address add 198.18.0.1/24 dev eth0", "link set dev nix up", "address del 198.18.0.1/24 dev nix", "nonsense"])
def test_any_other_request_that_is_refused_ends_the_change_and_is_named(namespace: Namespace, tmp_path: Path, wrong: str) -> None:
    said, found = switched(namespace, tmp_path, [FIRST, GONE[0], wrong, LAST])
    assert f"the kernel refused a request of switch: {wrong}: " in said and not (tmp_path / APPLIED).exists()
    assert "198.18.0.1/24" in found and "198.18.0.2/24" not in found


def test_rules_of_ipv6_may_be_gone_too(namespace: Namespace, tmp_path: Path) -> None:
    switched(namespace, tmp_path, ["rule del priority 77 table 77", "rule add priority 78 table 78"], family=6)
    assert "lookup 78" in namespace.run("ip", "-6", "rule") and "lookup 78" not in namespace.run("ip", "rule")
    namespace.run("ip", "-6", "rule", "del", "priority", "78")


def test_rules_of_ipv6_go_by_a_batch_of_their_own() -> None:
    change = prepare("/x", bridge_plan(), (), {}, Observed())
    assert batches(change)["switch6"] == "rule add priority 9 table 7\n"
    assert batches(change)["switch"] == "link set dev eth1 nomaster\n"
    assert "batch switch6 'ip -6'" in scripts(change, "boot", 90)["switch.sh"]


def test_an_advertised_address_without_an_end_is_announced_again_as_it_is() -> None:
    """With a metric it would get a route of its own, and be taken for one given by hand."""
    add = Operation("", "br0", tuple("address add 2001:db8::7/64 dev br0 nodad noprefixroute".split()))
    change = prepare("/x", Plan(switch=(add,)), (), {"/etc/systemd/network/br0.network": "[Match]\nName=br0\n"}, Observed())
    assert batches(change)["remind-switch"] == "address change 2001:db8::7/64 dev br0 nodad noprefixroute\n"


def test_the_address_of_a_program_is_not_announced_again_for_it_would_lose_what_it_has_besides() -> None:
    add = Operation("", "br0", tuple("address add 192.0.2.100/32 dev br0 label br0:vip proto 18".split()))
    change = prepare("/x", Plan(switch=(add,)), (), {"/etc/systemd/network/br0.network": "[Match]\nName=br0\n"}, Observed())
    assert "remind-switch" not in batches(change)
