# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is confirmed is what boots: what others have written for the same interfaces is named, and does not come back."""

from __future__ import annotations

import json
import shlex

import pytest
from test_backends import MOVERS, ansible, as_before, at_once, connected, until

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone
MAIN = "/etc/network/interfaces"
ALIAS = "\nauto eth0:7\niface eth0:7 inet static\n    address 198.18.0.77/32\n    post-up logger nobody keeps this\n"
ENTRY = {"match": {"name": "eth0*"}, "addresses": ["198.18.0.77/32"], "dhcp4-overrides": {"use-dns": False}}
PROFILE = """[connection]
id=extra
uuid=0b2c1ed1-94a5-4c67-8f59-3f2f2f0a9f12
type=ethernet
autoconnect-priority=200

[ethernet]
mac-address={mac}

[ipv4]
method=manual
address1=198.18.0.77/32
dns-priority=7
"""
# Of each backend: a file of others, what is put at its end, and what a warning says is lost.
FILES = {
    "ifupdown": (MAIN, ALIAS, ("address 198.18.0.77/32", "post-up logger nobody keeps this")),
    "ifupdown2": (MAIN, ALIAS, ("address 198.18.0.77/32", "post-up logger nobody keeps this")),
    "netplan": (
        "/etc/netplan/20-extra.yaml",
        json.dumps({"network": {"version": 2, "ethernets": {"all": ENTRY}}}),
        ("addresses: 198.18.0.77/32", "dhcp4-overrides.use-dns"),
    ),
    "networkmanager": (
        "/etc/NetworkManager/system-connections/extra.nmconnection",
        PROFILE,
        ("[ipv4] address1=198.18.0.77/32", "[ipv4] dns-priority=7"),
    ),
}


def put(backend, mover):
    path, text, _lost = FILES[backend]
    text = text.replace("{mac}", mover.on("cat /sys/class/net/eth0/address").strip())
    mover.on(f"umask 077; printf %s {shlex.quote(text)} >> {path}")


def test_netplan_is_asked_what_it_makes_of_the_files_before_the_change():
    mover = MOVERS["netplan"]
    path = "/etc/netplan/99-extra.yaml"
    mover.on(f"umask 077; echo 'network: {{ethernets: {{eth7: {{addresses: [nonsense]}}}}}}' > {path}")
    status, said = ansible(*mover.change(mover.on_card()), "--check")
    mover.on(f"rm {path}")
    assert status != 0 and "netplan does not take the files as they would be" in said, said
    as_before("netplan", mover)


def test_what_others_have_written_is_named_and_does_not_come_back_at_the_next_boot():
    def boot(backend, mover):
        if backend in FILES:
            put(backend, mover)
        status, said = ansible(*mover.change(mover.on_card()))
        assert status == 0, said
        plain = " ".join(said.split())
        path, _text, lost = FILES.get(backend, ("", "", ()))
        assert path in plain and all(one in plain for one in lost), said
        mover.power("powered_off", "powered_on")
        until(lambda: connected(backend, bridge=False), cut_off=True)
        found = mover.addresses()
        assert found["eth0"] == {mover.v4, mover.v6} and "br0" not in found
        status, said = ansible(*mover.change(mover.on_card()))
        assert status == 0 and '"changed": false' in said and "WARNING" not in said, said
        status, said = ansible(*mover.change(mover.on_bridge()))
        assert status == 0, said
        as_before(backend, mover)

    at_once(boot)
