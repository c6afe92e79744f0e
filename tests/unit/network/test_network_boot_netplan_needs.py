# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netplan knows in a file only what that file or an earlier one has: what else stands on an interface of the inventory keeps it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from .booting import HOME, ON_CARD, said

FIRST, SECOND = "/etc/netplan/50-cloud-init.yaml", "/etc/netplan/60-more.yaml"
CARD = {"ethernets": {"eth0": {"addresses": [f"{HOME}/24"]}}}
VLAN = {"vlans": {"v5": {"id": "5", "link": "eth0", "addresses": ["198.51.100.1/24"]}}}
STUB = {"ethernets": {"eth0": {}}}


def file(*parts: Any) -> str:
    return yaml.safe_dump({"network": {key: value for part in parts for key, value in part.items()}})


def read(text: str) -> Any:
    return yaml.load(text, Loader=yaml.BaseLoader)["network"]


def test_an_entry_on_which_a_vlan_of_others_stands_stays_without_anything_in_it() -> None:
    found, _files, after = said("netplan", {FIRST: file(CARD, VLAN)}, ON_CARD)
    assert (found.problems, found.warnings) == ([], [])
    assert read(after[FIRST]) == {**STUB, **VLAN}
    again, files, _after = said("netplan", after, ON_CARD)
    assert (again.problems, again.warnings, files.changes) == ([], [], ())


def test_it_goes_with_what_stood_on_it() -> None:
    _found, _files, after = said("netplan", {FIRST: file(CARD, {"bridges": {"br7": {"addresses": ["198.51.100.1/24"]}}})}, ON_CARD)
    assert list(read(after[FIRST])) == ["bridges"]


def test_a_vlan_in_a_later_file_than_its_card_is_refused_with_the_remedy() -> None:
    found, _files, _after = said("netplan", {FIRST: file(CARD), SECOND: file(VLAN)}, ON_CARD)
    (problem,) = found.problems
    assert problem.startswith(f"{SECOND}: v5 needs eth0, which netplan would know only from a later file. ") and "Name v5 in the inventory" in problem
    found, _files, _after = said("netplan", {FIRST: file(CARD), SECOND: file(STUB, VLAN)}, ON_CARD)
    assert found.problems == []


@pytest.mark.skipif(shutil.which("netplan") is None, reason="netplan is not installed here")
def test_netplan_takes_what_is_left(tmp_path: Path) -> None:
    after: Dict[str, str] = said("netplan", {FIRST: file(CARD, VLAN)}, ON_CARD)[2]
    for path, text in after.items():
        target = tmp_path / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o600)
    subprocess.run(["netplan", "generate", "--root-dir", str(tmp_path)], check=True)
    assert "VLAN=v5" in (tmp_path / "run/systemd/network/10-netplan-eth0.network").read_text(encoding="utf-8")
