# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd-networkd is shown of ports before they leave their bridge."""

from __future__ import annotations

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Link, Observed, Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import sources, switch

from .guarded import prepare


def test_networkd_leaves_ports_alone_before_they_leave_their_bridge_and_learns_their_files_after() -> None:
    """eth0 leaves, eth1 leaves and is to be absent, eth2 joins."""
    observed = Observed({name: Link(name, master=master) for name, master in (("eth0", "br0"), ("eth1", "br0"), ("eth2", ""))})
    words = {"eth0": ("nomaster",), "eth1": ("nomaster",), "eth2": ("master", "br0")}
    moves = tuple(Operation("set_link", name, ("link", "set", "dev", name, *more)) for name, more in words.items())
    shown = {f"/etc/systemd/network/05-smallfleet-{name}.network": f"[Match]\nName={name}\n" for name in ("eth0", "eth2")}
    change = prepare("/change", Plan(switch=moves), (), shown, observed, ["eth1"])
    steps, texts = switch(change), sources(change)
    moved = next(index for index, step in enumerate(steps) if step.kind == "batch")
    before = [texts[step.source].text for step in steps[:moved] if step.kind == "put"]
    assert sorted(before) == [f"[Match]\nName={name}\n\n[Link]\nUnmanaged=yes\n" for name in ("eth0", "eth1")]
    assert [step.kind for step in steps[moved - 3 : moved]] == ["save-foreign", "reload", "restore-foreign"]
    after = [texts[step.source].text for step in steps[moved:] if step.kind == "put"]
    assert sorted(after) == sorted(shown.values())
