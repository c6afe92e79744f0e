# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What host_network returns has none of the secrets in a host's own files."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import run
from typing import Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.control import NO_TRIAL
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Observed, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.network_host import Work
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import prepare
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.scripts import scripts

from .test_network_plan import move

PROFILES = "/etc/NetworkManager/system-connections"
SECRET = "correct horse"
FILES: Dict[str, Dict[str, str]] = {
    "ifupdown": {
        "/etc/network/interfaces": (
            "source /etc/network/interfaces.d/*\n\nauto eth0\niface eth0 inet dhcp\n    wpa-ssid office\n    wpa-psk correct horse\n\n"
            "iface wlan0 inet dhcp\n    wpa-psk correct horse\n    wireless-key1 s:correct horse\n"
        ),
    },
    "netplan": {
        "/etc/netplan/50-cloud-init.yaml": (
            "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      auth:\n        key-management: 802.1x\n"
            '        password: "correct horse"\n'
            "  wifis:\n    wlan0:\n      access-points:\n        office:\n          password: correct horse\n"
        ),
    },
    "networkmanager": {
        f"{PROFILES}/office.nmconnection": (
            "[connection]\nid=office\ninterface-name=eth0\n\n[802-1x]\nidentity=me\npassword=correct horse\n\n"
            "[wifi-security]\npsk=correct horse\n\n[vpn-secrets]\nanything=correct horse\n"
        ),
    },
}


def work(name: str) -> Work:
    desired, _unused = move()
    files = BACKENDS[name].changes(desired, FILES[name])
    return Work(name, Observed(), Plan(), files, NO_TRIAL, (), (), (), files.problems)


@pytest.mark.parametrize("name", FILES)
def test_no_secret_of_a_file_is_in_the_result(name: str) -> None:
    change = work(name)
    assert SECRET in str([(one.before, one.after) for one in change.files.changes]), "the files themselves keep it"
    result = json.dumps({"steps": change.steps(), "diff": change.diff(), "wrong": list(change.wrong)})
    assert SECRET not in result
    (path,) = FILES[name]
    assert path in result


def test_no_line_of_a_file_that_netplan_quotes_gets_into_the_reason_or_the_journal(tmp_path: Path) -> None:
    """netplan prints the place and the error first, then the line and a mark below the fault."""
    (tmp_path / "run").mkdir()
    head = scripts(prepare(str(tmp_path / "run"), Plan(), (), Observed(), BACKENDS["netplan"].control), "boot", 90)["switch.sh"].split("\nfail() {")[0]
    quoting = "netplan() { printf '/etc/netplan/x.yaml:5:9: Error in network definition\\n  password: correct horse\\n  ^\\n' >&2; return 78; }"
    done = run(["sh", "-c", f'{head}\ntimeout() {{ shift; "$@"; }}\n{quoting}\ngenerate'], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout + done.stderr == "/etc/netplan/x.yaml:5:9: Error in network definition\n"
    done = run(["sh", "-c", f'{head}\ntimeout() {{ shift; "$@"; }}\nnetplan() {{ :; }}\ngenerate'], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
