# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs have added to hosts whose network is configured by each of the backends, while they are changed.

The programs are not in the lab: ip(8) adds what they would. Each test leaves the addresses of the hosts on their bridges.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from moving import ansible
from programs import Programs
from test_backends import as_before, at_once

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone


def test_what_programs_like_flannel_calico_tailscale_and_keepalived_have_added_goes_along_and_survives_a_rollback():
    def drill(backend, mover):
        programs = Programs(mover)
        programs.add("br0")
        before = programs.seen("br0")
        for desired, card in ((mover.on_card(), "eth0"), (mover.on_bridge(), "br0")):
            status, said = ansible(*mover.change(desired))
            assert status == 0, said
            assert f"has {programs.virtual[0]}/32" in said
            assert programs.seen(card) == before
        status, said = ansible(*mover.change(mover.on_bridge()))
        assert status == 0 and '"changed": false' in said, said
        status, said = ansible(*mover.change(mover.on_card("198.18.0.99"), rollback_timeout=16))
        assert status != 0 and "the gateway 198.18.0.99 does not answer" in said, said
        assert programs.seen("br0") == before
        programs.remove("br0")
        as_before(backend, mover)

    at_once(drill)
