# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of bridges, their ports and bonds: nmstate's word for each, the kernel's, its range and the kernel's default."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Mapping, Tuple

from ..._fleet.fields import Field, boolean, choice, optional, whole
from ..._fleet.fields import Option as Key
from ..._fleet.places import REFUSED, Place


@dataclass(frozen=True)
class Option:
    """``word`` is nmstate's, ``key`` that of ip-link(8), and ``default`` what the kernel has when nobody sets it.

    It is a whole number from ``low`` to ``high``, which the kernel has times ``scale`` (100 where it counts hundredths of a second);
    or one of ``words``; or, with ``switch``, a boolean: the kernel's words for false and true.
    """

    word: str
    key: str
    default: str
    low: int = 0
    high: int = 0
    scale: int = 1
    words: Tuple[str, ...] = ()
    switch: Tuple[str, ...] = ()

    @property
    def field(self) -> Field:
        """Gives the kernel's value of what a person wrote."""
        if self.switch:
            return replace(boolean(), parse=self._parse_switch)
        if self.words:
            return Field("str", self._parse_word, {"type": "string", "minLength": 1})  # in letters of any case, so without choices
        return replace(self._number, parse=self._parse_number)

    @property
    def _number(self) -> Field:
        return whole(self.low, self.high, "", int(self.default) // self.scale if self.default else self.low)

    def _parse_switch(self, value: Any, place: Place) -> Any:
        given = boolean().parse(value, place)
        return given if given is REFUSED else self.switch[given]

    def _parse_word(self, value: Any, place: Place) -> Any:
        known = {word.lower(): word for word in self.words}
        return choice(*self.words).parse(known.get(value.lower(), value) if isinstance(value, str) else value, place)

    def _parse_number(self, value: Any, place: Place) -> Any:
        given = self._number.parse(value, place)
        return given if given is REFUSED else str(given * self.scale)

    def value(self, text: str) -> Any:
        """The inverse of ``field``."""
        if self.switch:
            return text == self.switch[1]
        return text if self.words else int(text) // self.scale


_BITS, _ON_OFF = ("0", "1"), ("off", "on")
STP = (
    Option("forward-delay", "forward_delay", "1500", 0, 30, 100),
    Option("hello-time", "hello_time", "200", 1, 10, 100),
    Option("max-age", "max_age", "2000", 6, 40, 100),
    Option("priority", "priority", "32768", 0, 65535),
)
"""Those of ``bridge.options.stp``: IEEE 802.1D-2004, 17.14; the kernel's bounds (br_private_stp.h) are the same."""
VLAN = (
    Option("vlan-default-pvid", "vlan_default_pvid", "1", 0, 4094),
    Option("vlan-protocol", "vlan_protocol", "802.1Q", words=("802.1Q", "802.1ad")),
)
VLAN_PROTOCOL = Option("protocol", "protocol", "802.1q", words=("802.1q", "802.1ad"))
"""That of an interface of type vlan: whose tag its frames have."""
BRIDGE = (
    Option("group-forward-mask", "group_fwd_mask", "0", 0, 65535),
    Option("mac-ageing-time", "ageing_time", "30000", 0, 1000000, 100),
    Option("multicast-querier", "mcast_querier", "0", switch=_BITS),
    Option("multicast-snooping", "mcast_snooping", "1", switch=_BITS),
    *VLAN,
)
"""Those of ``bridge.options`` itself. Whether a bridge filters VLANs follows from its ports."""
FILTERING = Option("vlan", "vlan_filtering", "0", switch=_BITS)
PORT = (
    Option("stp-hairpin-mode", "hairpin", "off", switch=_ON_OFF),
    Option("stp-path-cost", "cost", "", 1, 65535),
    Option("stp-priority", "priority", "32", 0, 63),
)
"""Those of a bridge's port. The default cost depends on the speed of the port."""
_MILLISECONDS = 2147483647
BOND = (
    Option("ad_select", "ad_select", "stable", words=("stable", "bandwidth", "count")),
    Option("all_slaves_active", "all_slaves_active", "0", 0, 1),
    Option("arp_all_targets", "arp_all_targets", "any", words=("any", "all")),
    Option("arp_interval", "arp_interval", "0", 0, _MILLISECONDS),
    Option("arp_validate", "arp_validate", "none", words=("none", "active", "backup", "all", "filter", "filter_active", "filter_backup")),
    Option("downdelay", "downdelay", "0", 0, _MILLISECONDS),
    Option("fail_over_mac", "fail_over_mac", "none", words=("none", "active", "follow")),
    Option("lacp_rate", "lacp_rate", "slow", words=("slow", "fast")),
    Option("miimon", "miimon", "0", 0, _MILLISECONDS),
    Option("min_links", "min_links", "0", 0, _MILLISECONDS),
    Option("primary_reselect", "primary_reselect", "always", words=("always", "better", "failure")),
    Option("resend_igmp", "resend_igmp", "1", 0, 255),
    Option("updelay", "updelay", "0", 0, _MILLISECONDS),
    Option(
        "xmit_hash_policy", "xmit_hash_policy", "layer2",
        words=("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"),
    ),
)  # fmt: skip
"""Those of ``link-aggregation.options`` but ``primary`` and ``arp_ip_target``, which name ports and addresses."""
ARP = ("arp_interval", "arp_ip_target", "arp_validate", "arp_all_targets")
MII = ("miimon", "updelay", "downdelay")
"""A bond notices by one of the two ways that a port is gone; the kernel ends the other when one is set."""


def keys_of(options: Iterable[Option]) -> Dict[str, Key]:
    """The keys of a table in which these options may stand."""
    return {option.word: optional(option.field) for option in options}


def by_kernel(given: Mapping[str, Any], options: Iterable[Option]) -> Dict[str, str]:
    """Of these options, what the table gives, by the kernel's keys."""
    return {option.key: given[option.word] for option in options if given[option.word] is not None}


def by_key(options: Iterable[Option]) -> Dict[str, Option]:
    return {option.key: option for option in options}


OF_A_BRIDGE = by_key((*STP, *BRIDGE, FILTERING))
"""All that a bridge itself has."""
