# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses from text: none brings a line of its own along."""

from __future__ import annotations

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.caching_resolver import bad_values
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.request import is_address
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, from_data
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.addresses import read_address, read_network

LINE = "fe80::1%a\n    verbosity: 5"


def test_an_address_is_read_and_one_with_a_zone_is_none() -> None:
    assert str(read_address("2001:DB8::1")) == "2001:db8::1" and str(read_network("192.0.2.0/24")) == "192.0.2.0/24"
    for text in ("fe80::1%eth0", LINE, "", "x", 7):
        with pytest.raises(ValueError, match="."):
            read_address(text)  # type: ignore[arg-type]
    for text in ("fe80::%eth0/64", "192.0.2.1/24", "fe80::%\n/64"):
        with pytest.raises(ValueError, match="."):
            read_network(text)


@pytest.mark.parametrize(
    ("zones", "search", "says"),
    [
        ([{"name": "example.net", "addresses": [LINE]}], "", "zones[0].addresses: "),
        ([{"name": "a\nverbosity: 5", "addresses": []}], "", "zones[0].name: "),
        ([{"name": "a\x85b", "addresses": []}], "", "zones[0].name: "),
        ([], "a\nnameserver 203.0.113.66", "search: "),
        ([{"name": "0/26.2.0.192.in-addr.arpa", "addresses": ["192.0.2.1", "2001:db8::1"]}], "example.net example.org", ""),
    ],
)
def test_no_value_becomes_a_line_of_the_resolvers_files(zones, search, says) -> None:
    said = bad_values(zones, search)
    assert said.startswith(says) and bool(said) == bool(says) and "\n" not in said


def test_no_address_becomes_a_request_to_the_kernel() -> None:
    assert not is_address(LINE)
    for data in (
        {"interfaces": [{"name": "eth0", "ipv6": {"enabled": True, "address": [{"ip": LINE, "prefix_length": 64}]}}]},
        {"routes": [{"destination": "fe80::%\naddress del/64", "next_hop_interface": "eth0"}]},
    ):
        with pytest.raises(BadDesired):
            from_data(data)
