# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of bridges and bonds by the kernel's names: what the next boot gives, what the kernel has, what old files say.

What the next boot gives is what the planner would do if the bridges and bonds did not exist, and the kernel's defaults for the
rest. The kernel keeps an option of an existing interface that nobody sets, so it may have more than the next boot gives.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Mapping

from ..._shared.limits import BadText, Entry
from ..backends.base import present
from ..kernel.observe import Unreadable, read_entries
from ..kernel.vlans import PROTOCOLS
from ..model import Desired, Observed
from ..plan.plan import plan
from .findings import Boot

# net/bridge/br_device.c, br_multicast.c, br_vlan.c and drivers/net/bonding/bond_main.c of Linux 5.10 and later
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "bridge": {
        "stp_state": "0",
        "forward_delay": "1500",
        "hello_time": "200",
        "max_age": "2000",
        "ageing_time": "30000",
        "priority": "32768",
        "vlan_filtering": "0",
        "vlan_default_pvid": "1",
        "vlan_protocol": "802.1q",
        "group_fwd_mask": "0",
        "no_linklocal_learn": "0",
        "mcast_snooping": "1",
        "mcast_router": "1",
        "mcast_querier": "0",
        "mcast_query_use_ifaddr": "0",
        "mcast_igmp_version": "2",
        "mcast_mld_version": "1",
        "mcast_vlan_snooping": "0",
        "nf_call_iptables": "0",
        "nf_call_ip6tables": "0",
        "nf_call_arptables": "0",
    },
    "bond": {
        "miimon": "0",
        "updelay": "0",
        "downdelay": "0",
        "peer_notify_delay": "0",
        "use_carrier": "1",
        "arp_interval": "0",
        "arp_ip_target": "none",
        "arp_validate": "none",
        "arp_all_targets": "any",
        "primary": "none",
        "primary_reselect": "always",
        "fail_over_mac": "none",
        "xmit_hash_policy": "layer2",
        "resend_igmp": "1",
        "num_peer_notif": "1",
        "all_slaves_active": "0",
        "min_links": "0",
        "lp_interval": "1",
        "packets_per_slave": "1",
        "ad_lacp_rate": "slow",
        "ad_select": "stable",
    },
}
# The words of ip(8), interfaces(5), systemd.netdev(5), netplan-yaml(5) and nm-settings(5), less "bridge", "bond" and signs.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "bridge": {
        "stp": "stp_state",
        "fd": "forward_delay",
        "hello": "hello_time",
        "maxage": "max_age",
        "ageing": "ageing_time",
        "agingtime": "ageing_time",
        "prio": "priority",
        "vlanaware": "vlan_filtering",
        "defaultpvid": "vlan_default_pvid",
        "pvid": "vlan_default_pvid",
        "groupforwardmask": "group_fwd_mask",
        "mcsnoop": "mcast_snooping",
        "mcquerier": "mcast_querier",
        "mcrouter": "mcast_router",
        "multicastsnooping": "mcast_snooping",
        "multicastquerier": "mcast_querier",
        "multicastrouter": "mcast_router",
        "multicastqueryuseifaddr": "mcast_query_use_ifaddr",
        "multicastigmpversion": "mcast_igmp_version",
    },
    "bond": {
        "lacprate": "ad_lacp_rate",
        "lacptransmitrate": "ad_lacp_rate",
        "miimonitor": "miimon",
        "miimonitorinterval": "miimon",
        "transmithashpolicy": "xmit_hash_policy",
        "arpiptargets": "arp_ip_target",
        "gratuitousarp": "num_peer_notif",
        "numgratarp": "num_peer_notif",
        "numunsolna": "num_peer_notif",
        "failovermacpolicy": "fail_over_mac",
        "primaryreselectpolicy": "primary_reselect",
        "allmembersactive": "all_slaves_active",
        "packetspermember": "packets_per_slave",
        "learnpacketinterval": "lp_interval",
        "slaves": "",
        "ports": "",
    },
}
_WORDS = {"yes": "1", "true": "1", "on": "1", "no": "0", "false": "0", "off": "0", "": "none"}
_NUMBERED = {"ad_lacp_rate": {"0": "slow", "1": "fast"}, "xmit_hash_policy": {"0": "layer2", "1": "layer3+4", "2": "layer2+3"}}
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|sec|ms|min|m)?")
_FACTORS = {"s": 1000.0, "sec": 1000.0, "ms": 1.0, "m": 60_000.0, "min": 60_000.0}
_HUNDREDTHS = ("forward_delay", "hello_time", "max_age", "ageing_time")
_MILLISECONDS = ("miimon", "updelay", "downdelay", "arp_interval", "peer_notify_delay")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,8}")


def made(desired: Desired, observed: Observed) -> Dict[str, Dict[str, str]]:
    """Interface -> the options that a boot gives it (see above), of each bridge and bond that is asked for (``pinned``)."""
    born = {one.name: one for one in present(desired) if one.type in DEFAULTS}
    links = {name: replace(link, master="") for name, link in observed.links.items() if name not in born}
    addresses = {name: observed.addresses.get(name, ()) for name in links}
    found: Dict[str, Dict[str, str]] = {name: dict(DEFAULTS[one.type]) for name, one in born.items()}
    for operation in plan(desired, Observed(links, addresses, (), (), observed.ipv6)).operations:
        words = operation.words
        kind = words[words.index("type") + 1] if "type" in words[:-1] else ""
        if words[0] == "link" and operation.link in born and kind == born[operation.link].type:
            rest = words[words.index("type") + 2 :]
            given = {kernel_name(kind, key): value for key, value in zip(rest[::2], rest[1::2])}
            found[operation.link].update({key: plain(value) for key, value in given.items() if key})
    return found


def kernel_name(kind: str, name: str) -> str:
    """The kernel's name of an option of a bridge or bond; empty for what is no option of the kernel's."""
    known = DEFAULTS.get(kind, {})
    if name in known:
        return name
    short = re.sub(r"[^a-z0-9]", "", name.lower())
    for removed in (kind, "bridge"):
        short = short[len(removed) :] if short.startswith(removed) and short != removed else short
    short = short.removesuffix("sec")
    if short in _NAMES.get(kind, {}):
        return _NAMES[kind][short]
    return next((option for option in known if option.replace("_", "") == short), "")


def plain(value: str) -> str:
    """A value in one notation: numbers in decimal, words of truth as digits, all in small letters."""
    text = value.strip().lower()
    if _HEX.fullmatch(text):
        return str(int(text, 16))
    return _WORDS.get(text, text)


def kernel_value(option: str, value: str, seconds: bool = True) -> str:
    """What an old file says as the kernel has it. Times are in seconds where ``seconds``, those of bonds in milliseconds."""
    match = _TIME.fullmatch(value.strip())
    if match is None or option not in (*_HUNDREDTHS, *_MILLISECONDS):
        return _NUMBERED.get(option, {}).get(plain(value), plain(value))
    unit = _FACTORS.get(match[2] or "", 1000.0 if option in _HUNDREDTHS and seconds else 1.0)
    milliseconds = float(match[1]) * unit
    return f"{milliseconds / 10 if option in _HUNDREDTHS else milliseconds:.0f}"


def kept(boot: Boot, name: str, kind: str, key: str, value: str) -> bool:
    """Whether the next boot gives a bridge or bond what an old file says by ``key``."""
    option = kernel_name(kind, key)
    return bool(option) and boot.made.get(name, {}).get(option) == kernel_value(option, value)


def from_kernel(text: str) -> Dict[str, Dict[str, str]]:
    """Interface -> the options that the kernel has, of each bridge and bond, from what ``COMMANDS['links']`` printed.

    Raises observe.Unreadable.
    """
    found: Dict[str, Dict[str, str]] = {}
    try:
        for entry in read_entries(text, "links"):
            info = entry.entry("linkinfo")
            kind = info.text("info_kind", "")
            if kind in DEFAULTS:
                data = info.entry("info_data")
                found[entry.text("ifname")] = {key: _kernel_text(data, key) for key in DEFAULTS[kind] if key in data}
    except BadText as error:
        raise Unreadable(f"ip -json printed what this version does not know: {error}") from None
    return found


def _kernel_text(data: Entry, key: str) -> str:
    try:
        text = data.scalar(key)
        return plain(PROTOCOLS.get(text, text))
    except BadText:
        try:
            return ",".join(data.texts(key)) or "none"  # arp_ip_target is a list
        except BadText:
            return "none"  # null, where no word is for 0
