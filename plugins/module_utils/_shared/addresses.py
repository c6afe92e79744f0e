# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and networks from text, without the zone of RFC 4007 (``fe80::1%eth0``).

The standard library takes any characters for the name of a zone, line breaks too, and gives them back as part of the address.
"""

from __future__ import annotations

import ipaddress
from typing import Union


def read_address(text: str) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address]:
    """The address. Raises ValueError."""
    return ipaddress.ip_address(_without_zone(text))


def read_network(text: str, strict: bool = True) -> Union[ipaddress.IPv4Network, ipaddress.IPv6Network]:
    """The network; with ``strict`` no bit of the host may be set. Raises ValueError."""
    return ipaddress.ip_network(_without_zone(text), strict)


def _without_zone(text: str) -> str:
    if not isinstance(text, str) or "%" in text:
        raise ValueError(f"{text!r} is not an address")
    return text
