# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions that others made are read in linear time, or refused by one error that names the place."""

from __future__ import annotations

from typing import Callable

import pytest
from fakes import FakeFiles
from timing import Growth

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt import definition, domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import BadDefinition
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves import interfaces, macvtap
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.guests_host import Journal

GUEST = domain.Domain("web", "", "kvm", 1024, 1, interfaces=(domain.Interface("bridge", "52:54:00:ff:ff:ff", "br0", model="virtio"),))
BOMB = "<!DOCTYPE domain [<!ENTITY a 'x'>" + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)) + "]>"


def guest(devices: str = "", head: str = "<memory>1024</memory>") -> str:
    return f"<domain type='kvm'><name>web</name>{head}<devices>{devices}</devices></domain>"


def nic(number: int, more: str = "") -> str:
    return f"<interface type='bridge'><mac address='52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}'/>{more}</interface>"


def many(size: int) -> str:
    return guest("".join(nic(number) for number in range(size)))


READERS = [domain.read_domain, interfaces.read_domain, lambda text: definition.revised(text, GUEST)]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (guest(head="<memory>much</memory>"), "memory: expected a whole number from 0 to 9007199254740992, got 'much'"),
        (guest(head="<memory>²</memory>"), "memory: expected a whole number"),
        (guest(head="<memory unit='KiB'>" + "9" * 5000 + "</memory>"), "memory: expected a whole number"),
        (guest(nic(1, "<address type='pci' bus='first'/>")), "address bus: expected a whole number"),
        (guest(nic(1, "<address type='pci' bus='-1'/>")), "address bus: expected a whole number"),
    ],
)
def test_text_where_a_number_belongs_is_refused_by_its_name(read: Callable[[str], object], text: str, words: str) -> None:
    with pytest.raises(BadDefinition) as error:
        read(text)
    assert words in str(error.value)


def test_numbers_that_only_one_reader_takes_are_refused_too() -> None:
    with pytest.raises(BadDefinition, match="vcpu: expected a whole number"):
        domain.read_domain(guest(head="<vcpu>two</vcpu>"))
    with pytest.raises(BadDefinition, match="controller index: expected a whole number"):
        interfaces.read_domain(guest("<controller type='pci' index='²' model='pcie-root-port'/>"))


@pytest.mark.parametrize("read", [*READERS, definition.shown, domain.offers_kvm, interfaces.read_nic, interfaces.settled])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB + "<domain>&j;</domain>", "has a document type (<!DOCTYPE domain>), which is not read. Remove it"),
        ("<!DOCTYPE domain SYSTEM 'file:///etc/shadow'><domain/>", "has a document type"),
        ("<domain>" * 1200, "is nested deeper than 64 levels, at <domain>"),
        ("<domain>" + " " * (9 << 20), "is larger than 8388608 bytes"),
        ("<domain", "is not XML"),
        ("<domain><qemu:arg/></domain>", "is not XML: unbound prefix"),
        ("<domain>\ud800</domain>", "has characters that are not Unicode"),
        ("<other/>", "is not the XML of libvirt's"),
    ],
)
def test_xml_that_is_not_a_definition_is_refused_by_its_name(read: Callable[[str], object], text: str, words: str) -> None:
    with pytest.raises(BadDefinition) as error:
        read(text)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("read", "make"),
    [
        (interfaces.read_domain, many),
        (lambda text: interfaces.shown(interfaces.read_domain(text), [f"52:54:00:00:{number:02x}:00" for number in range(256)]), many),
        (lambda text: interfaces.spliced(text, {"52:54:00:00:00:00": nic(7)}), many),
        (domain.read_domain, many),
        (lambda text: definition.revised(text, GUEST), many),
        (lambda text: definition.moved_interface(text, domain.Interface("bridge", "52:54:00:00:00:01", "br0")), many),
    ],
)
def test_a_guest_with_many_interfaces_is_read_and_changed_in_linear_time(growth: Growth, read: Callable[[str], object], make: Callable[[int], str]) -> None:
    assert growth(read, make, 1500) < 9


def test_a_definition_of_too_many_elements_is_refused() -> None:
    with pytest.raises(BadDefinition, match="has more than 250000 elements"):
        domain.read_domain("<domain>" + "<a/>" * 250_000)


def test_interfaces_that_never_end_are_refused_in_linear_time(growth: Growth) -> None:
    def read(text: str) -> None:
        with pytest.raises(BadDefinition):
            interfaces.read_domain(text)

    assert growth(read, lambda size: guest("<!--" + "<interface>" * size), 20_000) < 9


def test_twenty_thousand_interfaces_are_read() -> None:
    found = interfaces.read_domain(many(20_000))
    assert len(found.nics) == 20_000 and found.nic("52:54:00:00:4E:1F") == found.nics[-1]


@pytest.mark.parametrize(
    "devices",
    [
        f"<!-- {nic(1)} -->{nic(2)}",
        f"<x><interface type='bridge'/></x>{nic(2)}",
        f"{nic(2)}<y z='&lt;interface&gt;'/><![CDATA[<interface>]]>",
        f"<x a='/interface>'/>{nic(2, '<u><interface/></u>')}\u2028é",
    ],
)
def test_only_the_interfaces_among_the_devices_are_read_and_replaced(devices: str) -> None:
    text = guest(devices)
    (found,) = interfaces.read_domain(text).nics
    assert found.mac == "52:54:00:00:00:02" and found.text.startswith("<interface") and found.text.endswith("</interface>")
    assert interfaces.spliced(text, {found.mac: found.text}) == text
    assert interfaces.spliced(text, {found.mac: "<x/>"}) == text.replace(found.text, "<x/>")


@pytest.mark.parametrize(
    "text",
    [
        "[[",
        '[{"ifname": 1}]',
        '[{"ifname":"a","ifindex":"²","flags":[],"mtu":1}]',
        '[{"ifname":"a","ifindex":1,"flags":7}]',
        "[" * 1200,
        '{"a":1}',
    ],
)
def test_links_of_an_unknown_form_are_refused_by_one_error(text: str) -> None:
    with pytest.raises(macvtap.Unreadable, match="ip -json printed what this version does not know"):
        macvtap.read_links(text)


@pytest.mark.parametrize("content", ["7", "[" * 1200, '{"uuid": "1"}', "{"])
def test_a_note_of_a_move_that_is_damaged_is_refused_with_its_path(content: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{tmp_path}/moves/1.json"
    monkeypatch.setattr("glob.glob", lambda pattern: [path])
    with pytest.raises(BadDefinition, match="moves/1.json: is not a note of a move"):
        Journal(FakeFiles({path: (content, 0o600)}), str(tmp_path)).read()
