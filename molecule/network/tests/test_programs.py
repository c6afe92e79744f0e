# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs have added to a host whose network systemd-networkd configures, with its defaults, while the host is changed.

The programs are not in the lab: ip(8) adds what they would. The tests run in the order in which they stand here; each leaves the
addresses of the host on its bridge.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import Mover, ansible
from programs import Programs

MOVER = Mover(SCENARIO, "molecule-network", "mover", 1)
ON_BRIDGE, ON_CARD = MOVER.on_bridge(), MOVER.on_card()
pytestmark = pytest.mark.drill


def larger(desired: Dict[str, Any]) -> Dict[str, Any]:
    """The same with one address more on the bridge, which systemd-networkd then configures anew."""
    card, bridge = desired["interfaces"]
    more = {"ip": "198.18.0.77", "prefix_length": 24}
    return {**desired, "interfaces": [card, {**bridge, "ipv4": {**bridge["ipv4"], "address": [*bridge["ipv4"]["address"], more]}}]}


@pytest.fixture(name="programs", scope="module")
def fixture_programs() -> Iterator[Programs]:
    programs = Programs(MOVER)
    programs.add("br0")
    yield programs
    programs.remove("br0")
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0, said


def test_a_reload_of_networkd_with_its_defaults_deletes_what_programs_like_flannel_and_tailscale_have_added(programs):
    """Else the other tests would show nothing."""
    before = programs.seen("br0")
    MOVER.on("touch /etc/systemd/network/05-smallfleet-br0.network; networkctl reload; networkctl reconfigure br0; networkctl is-online || sleep 1")
    after = programs.seen("br0")
    assert len(after) < len(before)
    programs.remove("br0")
    programs.add("br0")
    assert programs.seen("br0") == before


def test_check_mode_names_what_is_a_program_s_and_what_networkd_would_delete(programs):
    before = programs.seen("br0")
    status, said = ansible(*MOVER.change(larger(ON_BRIDGE)), "--check")
    assert status == 0, said
    for address in programs.virtual:
        assert f"br0 has {address}/" in said
    assert f"{programs.virtual[0]}/32, which was added by keepalived" in said
    assert "systemd-networkd deletes what other programs have added" in said and "ManageForeignRoutes=no" in said
    assert "priority 5270" in said and programs.seen("br0") == before


def test_all_of_it_is_there_after_a_change_and_the_second_run_changes_nothing(programs):
    before = programs.seen("br0")
    for desired in (larger(ON_BRIDGE), ON_BRIDGE):
        status, said = ansible(*MOVER.change(desired))
        assert status == 0, said
        assert programs.seen("br0") == before
        assert ("198.18.0.77" in MOVER.addresses()["br0"]) is (desired is not ON_BRIDGE)
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said
    assert programs.seen("br0") == before


def test_all_of_it_is_there_after_a_rollback(programs):
    before = programs.seen("br0")
    status, said = ansible(*MOVER.change(larger(MOVER.on_bridge("198.18.0.99")), rollback_timeout=10))
    assert status != 0 and "the gateway 198.18.0.99 does not answer" in said
    assert programs.seen("br0") == before


def test_it_goes_along_from_the_bridge_to_the_card_and_back(programs):
    before = programs.seen("br0")
    for desired, card in ((ON_CARD, "eth0"), (ON_BRIDGE, "br0")):
        status, said = ansible(*MOVER.change(desired))
        assert status == 0, said
        assert programs.seen(card) == before


def test_what_is_ignored_is_not_named_and_what_is_to_be_absent_goes(programs):
    first, second, third = programs.virtual
    lists = {"ignored": [f"{first}/32"], "absent": [second]}
    status, said = ansible(*MOVER.change({**ON_BRIDGE, "addresses": lists}))
    assert status == 0, said
    assert f"br0 has {first}/" not in said and f"br0 has {third}/" in said
    assert MOVER.addresses()["br0"] >= {first, third} and second not in MOVER.addresses()["br0"]
