# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/replace-macvtap.md does what it says: its inventory is planned, and the steps are those it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.network_host import bridges_of
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import METHODS, RATE
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement import SWITCH_SECONDS, read_wishes
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement_host import Asked
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Observed

from . import domains
from .host import Host
from .world import World

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "replace-macvtap.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (?P<what>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
BLOCKS: Dict[str, str] = {found["what"]: found["text"] for found in BLOCK.finditer(GUIDE)}


def variables() -> Dict[str, Any]:
    common = yaml.safe_load(BLOCKS["file: group_vars/all.yml"])
    own: Dict[str, Any] = yaml.safe_load(BLOCKS["file: hosts.yml"])["all"]["hosts"]["vm1"]
    return {**common, **own}


def test_the_inventory_is_accepted_and_the_steps_are_those_that_the_guide_shows() -> None:
    made = plan_fleet({"vm1": variables()}, {})
    assert made.problems == ()
    wishes, problems = read_wishes(variables()["replace_macvtap_guests"])
    assert problems == [] and {wish.method for wish in wishes.values()} == set(METHODS)
    worlds = {}
    for number, name in enumerate(("web", "database"), 1):
        text = domains.domain(name, [domains.nic(f"52:54:00:aa:00:0{number}")], number)
        worlds[name] = World(text, text)
    preview = Host(worlds).replacement(Asked(bridges_of(made.hosts["vm1"]["network"]["desired"], Observed()), wishes)).preview()
    assert preview.problems == []
    assert [step for step in preview.steps() if step != "the card joins"] == BLOCKS["steps"].splitlines()


def test_the_variables_and_numbers_are_those_of_the_code() -> None:
    for word in re.findall(r"^#   (\w+)", (ROOT / "playbooks" / "replace_macvtap.yml").read_text(encoding="utf-8"), re.MULTILINE):
        assert word in GUIDE or word == "replace_macvtap_timeout", word
    assert f"{RATE:.0f} MiB/s" in GUIDE
    assert f"about {({3.0: 'three'})[SWITCH_SECONDS]} seconds" in GUIDE
