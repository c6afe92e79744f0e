# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and changing the XML of guests, among them what libvirt and people have added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.definition import differences, rendered, revised
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import Disk, Domain, Interface, offers_kvm, read_domain

LIVE = (Path(__file__).parent / "golden" / "live.xml").read_text(encoding="utf-8")
RBD = Disk("vdb", "network", "vms/web", "raw", "rbd", ("mon1.example.net", "[2001:db8::1]:6789"), "vms", "6b3f0b9e-0000-4000-8000-000000000001")


def test_a_guest_is_read_as_libvirt_tells_it():
    found = read_domain(LIVE)
    assert (found.name, found.type, found.memory, found.vcpus) == ("web", "qemu", 131072, 1)
    assert found.kernel == "/var/lib/trial-guest/vmlinuz" and found.cmdline.startswith("console=ttyS0")
    assert found.disks == (Disk("vda", "file", "/var/lib/libvirt/images/web.qcow2", "qcow2"),)
    nics = found.interfaces
    assert [(one.type, one.source, one.mode, one.target, one.address) for one in nics] == [
        ("bridge", "br0", "", "vnet1", "0000:01:00.0"),
        ("direct", "eth0", "bridge", "macvtap0", "0000:06:00.0"),
    ]


@pytest.mark.parametrize("text", ["", "<domain", "<network/>"])
def test_what_is_no_guest_is_said_to_be_none(text):
    with pytest.raises(ValueError, match="is not"):
        read_domain(text)


@pytest.mark.parametrize(
    "change",
    [
        {"memory": 524288},
        {"vcpus": 4},
        {"type": "kvm"},
        {"kernel": "", "initrd": "", "cmdline": ""},
        {"disks": ()},
        {"disks": (Disk("vda", "file", "/srv/other.raw", "raw"), RBD)},
        {"interfaces": ()},
        {"interfaces": (Interface("direct", "52:54:00:da:9e:1f", "eth1", "vepa", "virtio"),)},
        {"interfaces": (Interface("bridge", "52:54:00:00:00:09", "br7", model="e1000e"),)},
    ],
)
def test_a_definition_is_changed_to_what_was_asked_and_all_else_in_it_stays(change):
    wanted = replace(read_domain(LIVE), **change)
    text = revised(LIVE, wanted)
    assert differences(read_domain(text), wanted) == ()
    assert differences(read_domain(LIVE), wanted) != ()
    for kept in ("a note of the owner", "-fw_cfg", "cdrom", 'passwd="sesame"', 'model="itco"'):
        assert kept in text, kept


def test_a_nic_that_goes_to_a_bridge_keeps_its_place_in_the_guest_and_loses_what_only_macvtap_has():
    there = read_domain(LIVE)
    nic = replace(there.interfaces[1], type="bridge", source="br0", mode="")
    text = revised(LIVE, replace(there, interfaces=(there.interfaces[0], nic)))
    assert read_domain(text).interfaces[1].address == "0000:06:00.0"
    assert "trustGuestRxFilters" not in text and "macvtap0" not in text


def test_a_new_guest_is_rendered_as_it_was_asked_for():
    wanted = Domain(
        "new",
        "01fb9351-ec66-569c-a128-99c3dc7be852",
        "kvm",
        1 << 20,
        2,
        disks=(RBD,),
        interfaces=(Interface("direct", "52:54:00:00:00:09", "eth0", "bridge", "virtio"),),
    )
    text = rendered(wanted)
    assert read_domain(text) == wanted
    assert 'trustGuestRxFilters="yes"' in text
    golden = Path(__file__).parent / "golden" / "new.xml"
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("kinds", "offered"), [(("qemu",), False), (("qemu", "kvm"), True)])
def test_kvm_is_offered_when_libvirt_says_so(kinds, offered):
    domains = "".join(f"<domain type='{kind}'/>" for kind in kinds)
    assert offers_kvm(f"<capabilities><guest><arch name='x86_64'>{domains}</arch></guest></capabilities>") == offered
