# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ifupdown itself, in a network namespace: what it makes of our files at boot needs no further change."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan

from .namespace import Namespace
from .test_network_plan import RULES, move


@pytest.mark.skipif(shutil.which("ifup") is None, reason="ifupdown is not installed here")
def test_a_boot_with_ifupdown_gives_the_bridge_as_it_was_asked_for(namespace: Namespace, tmp_path: Path) -> None:
    namespace.clear(False)
    namespace.run("ip", "link", "set", "dev", "eth0", "down")  # as a card is when a host boots
    desired, _unused = move()
    bridge = replace(desired.interfaces[1], mac="")
    more = Route("203.0.113.128/25", "br0", "192.0.2.99", metric=50)
    desired = replace(
        desired,
        interfaces=(desired.interfaces[0], bridge),
        routes=(*desired.routes, more),
        rules=tuple(RULES),
    )
    desired = pinned(desired, namespace.observed())
    files = Ifupdown().files(desired)
    main = tmp_path / "interfaces"
    main.write_text("\n".join(files[path] for path in sorted(files)), encoding="utf-8")
    ifup = ["ifup", "--all", "--no-scripts", "--interfaces", str(main), "--state-dir", str(tmp_path)]
    namespace.run(*ifup)
    observed = namespace.observed()
    assert plan(desired, observed).operations == ()
    assert {link.name for link in observed.links.values() if link.master == "br0"} == {"eth0"}
