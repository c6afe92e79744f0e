# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of the internet may transfer a zone without a key. Addresses alone are trusted where they are those of one provider.

The limit is 65,536 public addresses of IPv4 (a /16), or a /32 of IPv6, which is what a registry gives to one provider. Networks count together,
so that halves of the internet are not less than the whole. Networks that no router of the internet knows do not count.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Iterable, Union

Network = Union[IPv4Network, IPv6Network]

WIDEST = {4: 16, 6: 32}
LIMIT = f"at most a /{WIDEST[4]} of IPv4 and a /{WIDEST[6]} of IPv6 in all"
_INSIDE = tuple(  # RFC 1918, RFC 6598, RFC 1122, RFC 3927, RFC 2544, RFC 4193, RFC 4291
    ip_network(one)
    for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "198.18.0.0/15", "fc00::/7", "fe80::/10")
)
_MAPPED = IPv6Network("::ffff:0:0/96")


def is_too_wide(networks: Iterable[str]) -> bool:
    """Whether these addresses and networks are together more than one provider has."""
    public = [one for one in (_plain(ip_network(text)) for text in networks) if not any(_is_within(one, inside) for inside in _INSIDE)]
    old = collapse_addresses([one for one in public if isinstance(one, IPv4Network)])  # so that each address counts once
    new = collapse_addresses([one for one in public if isinstance(one, IPv6Network)])
    return _size(old) > 1 << (32 - WIDEST[4]) or _size(new) > 1 << (128 - WIDEST[6])


def _size(networks: Iterable[Network]) -> int:
    return sum(one.num_addresses for one in networks)


def _plain(network: Network) -> Network:
    """A network of IPv4 that is written as one of IPv6 (RFC 4291 section 2.5.5.2) is one of IPv4."""
    if _is_within(network, _MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def _is_within(network: Network, other: Network) -> bool:
    return network.version == other.version and bool(network.subnet_of(other))  # type: ignore[arg-type]
