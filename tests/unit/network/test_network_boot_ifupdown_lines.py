# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of interfaces(5) that go on in the next one, and comments that seem to: taken apart as ifupdown reads them."""

from __future__ import annotations

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import MAIN, SOURCE, named

from .booting import HOME, said

LO = "auto lo\niface lo inet loopback\n"
ETH1 = "iface eth1 inet dhcp\n"
BODY = f"    address {HOME}/24\n    gateway 192.0.2.1\n"


@pytest.mark.parametrize(
    "text, rest",
    [
        (f"auto lo \\\n  eth0 \\\n  eth1\niface lo inet loopback\niface eth0 inet static\n{BODY}{ETH1}", f"auto lo eth1\niface lo inet loopback\n{ETH1}"),
        (f"{LO}auto \\\n  eth0\niface \\\n  eth0 inet static\n{BODY}{ETH1}", f"{LO}{ETH1}"),
        (f"{LO}auto et\\\nh0\niface et\\\nh0 inet static\n{BODY}{ETH1}", f"{LO}{ETH1}"),
        (f"{LO}# C:\\\niface eth0 inet static\n{BODY}{ETH1}", f"{LO}# C:\\\n{ETH1}"),
        (f"{LO}iface eth0 inet static\n    # C:\\\n{BODY}{ETH1}", f"{LO}    # C:\\\n{ETH1}"),
        (f"{LO}iface eth0 inet static\n{BODY}# C:\\\n{ETH1}", f"{LO}# C:\\\n{ETH1}"),
    ],
)
def test_lines_that_go_on_and_comments_that_do_not_are_taken_apart_as_ifupdown_reads_them(text: str, rest: str) -> None:
    found, _files, after = said("ifupdown", {MAIN: text})
    assert (found.problems, found.warnings) == ([], [])
    assert after[MAIN] == f"{rest}\n{SOURCE}\n"
    assert "eth0" in named([text]) and "eth0" not in named([after[MAIN]])


def test_a_setting_behind_a_comment_that_seems_to_go_on_is_still_named_when_it_is_lost() -> None:
    text = f"{LO}iface eth0 inet static\n{BODY}    # C:\\\n    up /usr/local/sbin/prepare\n{ETH1}"
    found, _files, _after = said("ifupdown", {MAIN: text})
    assert found.problems == [] and len(found.warnings) == 1
    assert "'up /usr/local/sbin/prepare'" in found.warnings[0]
