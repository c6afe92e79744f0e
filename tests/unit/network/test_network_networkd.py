# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-networkd itself, in a network namespace: what it makes of our files at boot needs no further change."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import FOLDER, Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import from_data

from .namespace import Namespace
from .test_network_hosters import EXAMPLES
from .test_network_resolve import planned
from .test_network_routes import PLAIN, SIX, TUNED, routed
from .test_network_rules import RULES, VPN, ruled
from .test_network_rules import SIX as RULES_SIX

PROGRAM = Path("/usr/lib/systemd/systemd-networkd")
PATIENCE = 60.0
# It looks for udev where /sys can be written, gives up its privileges, and wants its own user to own its folder.
BOOT = f"""
mount -t tmpfs none /run
mkdir -p /run/systemd/netif /run/systemd/network
chown systemd-network:systemd-network /run/systemd/netif
mount --bind "$0" {FOLDER}
mount -t sysfs -o ro none /sys
exec {PROGRAM}
"""
ATTRIBUTES = {key: value for key, value in TUNED.items() if key != "cwnd"}
EVERY_ROUTE = routed(
    {**PLAIN, **ATTRIBUTES, "source": "192.0.2.11"},
    {"destination": "198.18.9.0/24", "route-type": "blackhole"},
    {"destination": "2001:db8:7::/64", "route-type": "unreachable"},
    {**SIX, "weight": 1},
    {**SIX, "next-hop-address": "fe80::2", "weight": 3},
)
EVERY_RULE = ruled(*({**rule, "priority": 100 + number} for number, rule in enumerate([*RULES, VPN, *RULES_SIX])))
HOSTS: Dict[str, Dict[str, Any]] = {
    **{name: example for name, example in EXAMPLES.items() if name != "vlan"},
    "every route": EVERY_ROUTE,
    "every rule": EVERY_RULE,
}


def desired_of(variables: Dict[str, Any]) -> Desired:
    made = planned(variables)
    assert made.problems == ()
    return from_data(made.hosts["app1"]["network"]["desired"])


def left(desired: Desired, namespace: Namespace) -> List[str]:
    observed = namespace.observed()
    return [str(one) for one in plan(pinned(desired, observed), observed).operations]


@pytest.mark.skipif(not PROGRAM.exists() or os.geteuid() != 0, reason="needs systemd-networkd and root")
@pytest.mark.parametrize("name", HOSTS)
def test_a_boot_with_networkd_gives_the_network_as_it_was_asked_for(name: str, tmp_path: Path) -> None:
    namespace = Namespace()
    try:
        namespace.clear(False)
        desired = pinned(desired_of(HOSTS[name]), namespace.observed())
        for path, text in Networkd().files(desired).items():
            (tmp_path / Path(path).name).write_text(text, encoding="utf-8")
        tmp_path.chmod(0o755)
        enter = ["nsenter", "--target", str(namespace.holder.pid), "--net"]
        inside = ["unshare", "--mount", "sh", "-ec", BOOT, str(tmp_path)]  # each becomes the next, so that one process is killed
        with subprocess.Popen([*enter, *inside], stderr=subprocess.PIPE, text=True) as program:
            try:
                ends = time.monotonic() + PATIENCE
                while left(desired, namespace) and program.poll() is None and time.monotonic() < ends:
                    time.sleep(0.2)
                assert program.poll() is None, program.communicate()[1]
                assert left(desired, namespace) == []
            finally:
                program.kill()
    finally:
        namespace.close()
