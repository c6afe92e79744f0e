# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces in a guest's definition are read and changed, and nothing else is."""

from __future__ import annotations

import difflib

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import BadDefinition
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import (
    Attachment,
    attached,
    bridge,
    direct,
    read_domain,
    read_nic,
    settled,
    shown,
    spliced,
)

from . import domains


def test_an_interface_is_read_with_all_that_matters() -> None:
    found = read_domain(domains.domain())
    assert (found.name, found.memory_mib, found.machine) == ("web", 128, "pc-q35-10.0")
    nic = found.nic(domains.MAC.upper())
    assert nic is not None
    assert (nic.at, nic.pci, nic.model, nic.target) == (direct("eth0"), "0000:01:00.0", "virtio", "macvtap0")
    assert found.hotplug(nic)


def test_a_card_on_the_root_complex_of_q35_cannot_be_taken_out() -> None:
    found = read_domain(domains.domain(nics=[domains.nic(bus=0)]))
    assert not found.hotplug(found.nics[0])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<source dev='eth0'/>", Attachment("direct", "eth0", "vepa")),
        ("<source dev='eth0' mode='private'/>", direct("eth0", "private")),
    ],
)
def test_a_mode_that_is_not_written_is_vepa(source: str, expected: Attachment) -> None:
    assert read_nic(f"<interface type='direct'><mac address='{domains.MAC}'/>{source}</interface>").at == expected


def test_an_interface_of_a_libvirt_network_shows_what_it_really_hangs_on() -> None:
    text = "<interface type='network'><mac address='52:54:00:00:00:09'/><source network='lan' dev='eth0' mode='bridge'/></interface>"
    nic = read_nic(text)
    assert (nic.network, nic.at) == ("lan", direct("eth0"))
    text = "<interface type='network'><mac address='52:54:00:00:00:09'/><source network='default' bridge='virbr0'/></interface>"
    assert read_nic(text).at == bridge("virbr0")


def test_attaching_keeps_mac_model_and_address_and_drops_what_libvirt_made_up() -> None:
    moved = read_nic(attached(domains.nic(), bridge("br0")))
    before = read_nic(domains.nic())
    assert moved.at == bridge("br0")
    assert (moved.mac, moved.pci, moved.model) == (before.mac, before.pci, before.model)
    assert moved.target == "" and "alias" not in moved.text
    assert read_nic(attached(moved.text, direct("eth0"))).at == before.at


def test_names_that_a_person_gave_stay() -> None:
    text = domains.nic().replace("macvtap0", "web-net").replace("net0'", "ua-net'")
    kept = settled(text)
    assert 'dev="web-net"' in kept and 'name="ua-net"' in kept


def test_a_definition_changes_at_the_interface_and_nowhere_else() -> None:
    text = domains.domain(nics=[domains.nic(), domains.nic(domains.OTHER, 2)])
    changed = spliced(text, {domains.MAC: attached(domains.nic(), bridge("br0"))})
    lines = [line for line in difflib.ndiff(text.splitlines(), changed.splitlines()) if line[0] in "+-"]
    assert all(domains.OTHER not in line and "not-for-eyes" not in line and "app:note" not in line for line in lines)
    found = read_domain(changed)
    assert [nic.at for nic in found.nics] == [bridge("br0"), direct("eth0")]
    assert read_domain(spliced(changed, {domains.MAC: domains.nic()})).nics[0].at == direct("eth0")


def test_what_is_shown_of_a_definition_is_the_interface_alone() -> None:
    said = shown(read_domain(domains.domain()), [domains.MAC])
    assert "interface" in said and "passwd" not in said


@pytest.mark.parametrize("text", ["", "<network/>", "<domain/>", "<domain"])
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(BadDefinition):
        read_domain(text)


def test_interfaces_with_the_same_mac_are_refused() -> None:
    with pytest.raises(BadDefinition, match="told apart"):
        read_domain(domains.domain(nics=[domains.nic(), domains.nic()]))


def test_an_interface_that_is_not_there_cannot_be_replaced() -> None:
    with pytest.raises(BadDefinition, match=domains.OTHER):
        spliced(domains.domain(), {domains.OTHER: domains.nic()})
