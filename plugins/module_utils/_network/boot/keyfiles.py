# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Profiles of others of NetworkManager, nm-settings-keyfile(5): which are used for our interfaces at boot, and what they say.

At boot the profile that fits an interface and has the highest autoconnect-priority is used; ours have one of 100.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Dict, FrozenSet, List, Mapping, Tuple

from ..._shared.limits import BadText, integer
from ..backends.base import present
from ..backends.networkmanager import FOLDER, OLD, PREFIX, PRIORITY, SHIPPED, ignored
from ..kernel.macs import mac_of
from .findings import Boot, Findings, ip_of, kind_of, of_card, setting, word
from .options import kept, kernel_name
from .routes import Written, compare
from .sections import pairs

Profile = Dict[Tuple[str, str], str]
LONGEST = 200
_KINDS = {"802-3-ethernet": "ethernet", "ethernet": "ethernet", "bridge": "bridge", "bond": "bond", "vlan": "vlan"}
_NEUTRAL: Mapping[str, FrozenSet[str]] = {
    "connection": frozenset(
        "id uuid type interface-name timestamp autoconnect autoconnect-priority autoconnect-slaves autoconnect-ports master controller "
        "slave-type port-type permissions read-only".split()
    ),
    "match": frozenset(("*",)),
    "ethernet": frozenset(("mac-address", "cloned-mac-address")),
    "vlan": frozenset(("id", "parent", "flags", "interface-name")),
    "bond": frozenset(("mode",)),
    "ipv4": frozenset(("dhcp-client-id",)),
    "ipv6": frozenset(("addr-gen-mode",)),
    "bridge": frozenset(("interface-name",)),
}
_METHODS = {"ipv4": ("auto", "manual", "disabled"), "ipv6": ("auto", "dhcp", "manual", "disabled", "ignore", "link-local")}
_MEANING = frozenset(("may-fail", "dhcp-send-hostname", "wake-on-lan", "autoconnect-retries"))
"""Keys of which 0 or false is not the default (nm-settings-keyfile(5)); so it is with all of [ethtool]."""
_SECTIONS = {"802-3-ethernet": "ethernet"}
_NOTHING = ("", "0", "-1", "false", "default", "no")
_REFERENCES = {("vlan", "parent"): "parent", ("connection", "master"): "master", ("connection", "controller"): "controller"}
"""Where a profile may name another by its UUID."""
_ROUTE = {"src": "source"}
"""The options of a route that ``routes.Written`` has by another name."""
_NUMBERED = re.compile(r"(address|addresses|route|routes|routing-rule)[0-9]*(_options)?")


def read(text: str) -> Profile:
    """Section and key -> value. The last of a key counts."""
    return {(_SECTIONS.get(section, section), key): value for section, key, value in pairs(text) if value}


def is_ours(path: str) -> bool:
    return path.startswith(f"{FOLDER}/{PREFIX}")


def bound_to(profile: Profile, boot: Boot) -> str:
    """The interface of the inventory that a profile is for alone, by name or MAC; empty when there is none."""
    name = profile.get(("connection", "interface-name"), "") or profile.get(("vlan", "interface-name"), "")
    if name:
        return name if name in boot.managed else ""
    if _KINDS.get(profile.get(("connection", "type"), "")) != "ethernet":
        return ""  # a VLAN may name its parent by MAC
    mac = profile.get(("ethernet", "mac-address"), "")
    cards = [one.name for one in boot.desired.interfaces if kind_of(one.name, boot) == "ethernet"]
    return next((one for one in cards if mac and of_card(one, boot, mac)), "")


def may_fit(profile: Profile, name: str, boot: Boot) -> bool:
    """Whether NetworkManager may use a profile for an interface."""
    kind = _KINDS.get(profile.get(("connection", "type"), ""), "other")
    own = profile.get(("connection", "interface-name"), "")
    if own:
        return own == name
    if kind != kind_of(name, boot) or kind != "ethernet":
        return False  # the other types have a name, always
    mac = profile.get(("ethernet", "mac-address"), "")
    if mac and not of_card(name, boot, mac):
        return False
    for key in ("mac-address-blacklist", "mac-address-denylist"):
        if any(of_card(name, boot, one.strip()) for one in re.split(r"[;,]", profile.get(("ethernet", key), "")) if one.strip()):
            return False
    patterns = [one for one in re.split(r"[;,\s]+", profile.get(("match", "interface-name"), "")) if one]
    return not patterns or _matched(name, patterns)


def _matched(name: str, patterns: List[str]) -> bool:
    """nm-settings(5): ``&`` must match, ``!`` must not, and of the rest one must if there are any."""
    rest: List[bool] = []
    for pattern in patterns:
        plain = pattern.lstrip("|&!").lstrip("\\")
        fits = len(plain) > LONGEST or fnmatchcase(name, plain)
        if pattern.startswith(("!", "&!", "|!")):
            if fits and len(plain) <= LONGEST:
                return False
        elif pattern.startswith("&"):
            if not fits:
                return False
        else:
            rest.append(fits)
    return not rest or any(rest)


def review(boot: Boot) -> Findings:
    """What the change loses of the profiles that it removes, and which that stay would be used in place of ours."""
    found = Findings()
    removed: Dict[str, str] = {}
    for path, text in sorted(boot.existing.items()):
        if is_ours(path) or path.startswith(OLD) or ignored(path):
            continue
        profile = read(text)
        if path not in boot.after:
            name = bound_to(profile, boot)
            removed[profile.get(("connection", "uuid"), "")] = path
            if name and not _is_absent(name, boot):
                _losses(path, name, profile, boot, found)
        else:
            _stays(path, profile, boot, found)
    for path, text in sorted(boot.after.items()):
        profile = read(text) if not is_ours(path) and not ignored(path) else {}
        for key, what in _REFERENCES.items():
            if profile.get(key, "") in removed and profile.get(key):
                found.problems.append(
                    f"{path}: has the profile {removed[profile[key]]} as its {what}, which the change removes. Write the name of the interface there"
                )
    return found


def _is_absent(name: str, boot: Boot) -> bool:
    return boot.managed[name].absent


def _stays(path: str, profile: Profile, boot: Boot, found: Findings) -> None:
    if profile.get(("connection", "autoconnect"), "true") in ("false", "no", "0"):
        return
    priority = _priority(profile)
    for one in present(boot.desired):
        if priority >= PRIORITY and may_fit(profile, one.name, boot):
            found.problems.append(
                f"{path}: has the autoconnect-priority {priority} and would be used for {one.name} at boot in place of {PREFIX}{one.name}. "
                f"Give it less than {PRIORITY}, turn its autoconnect off, or bind it to another interface"
            )
        elif path.startswith(SHIPPED) and bound_to(profile, boot) == one.name:
            found.warnings.append(
                f"{path}: is a profile for {one.name} too, which a package brings. {PREFIX}{one.name} is used in its place as long as its "
                f"autoconnect-priority is below {PRIORITY}"
            )
    master = profile.get(("connection", "controller"), "") or profile.get(("connection", "master"), "")
    port = profile.get(("connection", "interface-name"), "")
    wish = boot.managed.get(master)
    if wish is not None and not wish.absent and port and port not in wish.ports:
        found.problems.append(f"{path}: {word(port)} joins {master} at boot. Add it to the ports of {master}, or remove the profile")
    if port in boot.managed:
        return
    for (section, key), value in sorted(profile.items()):
        match = _NUMBERED.fullmatch(key) if section in ("ipv4", "ipv6") else None
        ip = ip_of(value.partition(",")[0]) if match and match[1].startswith("address") else ""
        if ip and ip in boot.addresses and bound_to(profile, boot) == "":
            found.problems.append(f"{path}: has {ip} too, which would be on two interfaces after the next boot. Remove it there")


def _priority(profile: Profile) -> int:
    try:
        return integer(profile.get(("connection", "autoconnect-priority"), "0"), "priority", -999)
    except BadText:
        return PRIORITY


def _losses(path: str, name: str, profile: Profile, boot: Boot, found: Findings) -> None:
    settings: List[str] = []
    carried: List[str] = []
    ours = read(boot.after.get(f"{FOLDER}/{PREFIX}{name}.nmconnection", ""))
    routes = _lost_routes(profile, boot)
    for (section, key), value in sorted(profile.items()):
        if (section, key) in routes:
            value = routes[section, key]
            if not value:
                continue
        elif ours.get((section, key)) == value or _expressed(section, key, value, name, boot):
            continue
        text = setting(f"[{section}] {key}", value)
        settings.append(text)
        if section == "802-1x" and boot.carries_management(name):
            carried.append(text)
    if settings:
        found.lost(path, name, settings, "Add it to the inventory, or set it again by nmcli afterwards", carried)


def _expressed(section: str, key: str, value: str, name: str, boot: Boot) -> bool:
    neutral = _NEUTRAL.get(section, frozenset())
    if section in ("bridge", "bond") and kernel_name(section, key):
        return kept(boot, name, section, key, value)
    if key == "method" and section in _METHODS:
        return value in _METHODS[section]
    if section == "bridge" and key == "mac-address":
        return of_card(name, boot, value) or mac_of(value) == boot.managed[name].mac
    if "*" in neutral or key in neutral or value.strip().lower() in _NOTHING and key not in _MEANING and section != "ethtool":
        return True
    if section in ("ipv4", "ipv6"):
        return _in_family(key, value, 6 if section == "ipv6" else 4, boot)
    if key == "mtu":
        return value == str(boot.managed[name].mtu or 1500)
    return False


def _in_family(key: str, value: str, family: int, boot: Boot) -> bool:
    match = _NUMBERED.fullmatch(key)
    items = [one for one in re.split(r"[;,\s]+", value) if one]
    if key == "gateway":
        return boot.gateway(value)
    if key in ("dns", "dns-search"):
        return set(items) <= set(boot.desired.dns.servers if key == "dns" else boot.desired.dns.search)
    if match is None:
        return False
    if match[1].startswith("address") and not match[2]:
        gateways = [one for one in map(ip_of, items[1:]) if one not in ("", "0.0.0.0", "::")]
        return bool(items) and ip_of(items[0]) in boot.addresses and all(map(boot.gateway, gateways))
    if match[1].startswith("routing-rule") and not match[2]:
        return any(rule.family == family and f" priority {rule.priority} " in f" {' '.join(items)} " for rule in boot.rules)
    return bool(match[2])  # options of what is not a route


def _lost_routes(profile: Profile, boot: Boot) -> Dict[Tuple[str, str], str]:
    """Each key of a route, and of its value what the inventory does not have."""
    found: Dict[Tuple[str, str], str] = {}
    keys: List[Tuple[str, str]] = []
    routes: List[Written] = []
    for section, key in sorted(profile):
        match = _NUMBERED.fullmatch(key) if section in ("ipv4", "ipv6") else None
        if match is not None and match[1] in ("route", "routes") and not match[2]:
            keys.append((section, key))
            routes.append(_written(profile[section, key], profile.get((section, f"{key}_options"), "")))
    for (section, key), _route, lacking in zip(keys, routes, compare(routes, boot.desired.routes)):
        options = profile.get((section, f"{key}_options"), "")
        kept = [text for text in _options(options) if lacking is None or _ROUTE.get(text.partition("=")[0], text.partition("=")[0]) in lacking]
        found[section, key] = profile[section, key] if lacking is None or "metric" in lacking else ""
        found[section, f"{key}_options"] = ",".join(kept)
    return found


def _written(value: str, options: str) -> Written:
    """A route is ``destination,gateway,metric`` with options of its own, such as ``mtu=1400,table=7`` (nm-settings-keyfile(5))."""
    items = [one for one in re.split(r"[;,\s]+", value) if one]
    gateway = ip_of(items[1]) if len(items) > 1 else ""
    fields = {} if gateway in ("", "0.0.0.0", "::") else {"gateway": gateway}
    metric = items[2] if len(items) > 2 else "" if gateway or len(items) < 2 else items[1]
    fields.update({"metric": metric} if metric else {})
    for option in _options(options):
        key, _equals, text = option.partition("=")
        if not key.startswith("lock-"):
            fields[_ROUTE.get(key, key)] = text
    return Written(items[0] if items else "", fields)


def _options(text: str) -> List[str]:
    return [one.strip() for one in text.split(",") if one.strip()]
