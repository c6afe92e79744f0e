# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A caching resolver (unbound) for the probes of a node, which keeps every answer exactly as long as its TTL allows.

It is an instance of its own: with its own unit, configuration and loopback address. The node's own resolver, its
``/etc/resolv.conf`` and an unbound that it has already are neither read nor changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from .._shared.addresses import read_address
from .._shared.diff import kind_of
from .._shared.masking import masked

UNIT = "smallfleet-resolver.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
# In /etc/unbound, where Debian's AppArmor profile lets unbound read, and not in unbound.conf.d, which the host's own reads.
CONFIG = "/etc/unbound/smallfleet-resolver.conf"
RESOLV_CONF = "/etc/smallfleet/probe/resolv.conf"
NSSWITCH = "/etc/smallfleet/probe/nsswitch.conf"
# resolv.conf(5) knows no ports, so it is an address of its own. systemd-resolved has .53 and .54, NetworkManager's dnsmasq .1.1.
ADDRESS = "127.0.0.73"
HEADER = "# Written by smallfleet.infra.caching_resolver; changes are lost."

UNIT_TEXT = f"""{HEADER}
[Unit]
Description=Caching resolver of the smallfleet probes
Documentation=man:unbound(8)
After=network.target

[Service]
Type=notify
ExecStart=/usr/sbin/unbound -d -p -c {CONFIG}
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
# nsswitch.conf(5). Without "resolve" and "mdns", which ask a daemon of the host and not what resolv.conf names.
NSSWITCH_TEXT = f"{HEADER}\nhosts: files dns\n"


_ZONE = re.compile(r"[A-Za-z0-9_.*/-]+", re.ASCII)
_SEARCH = re.compile(r"[A-Za-z0-9_. -]*", re.ASCII)


def bad_values(zones: Sequence[Mapping[str, Any]], search: str) -> str:
    """What is wrong with values that become words of unbound.conf(5) and resolv.conf(5); empty when nothing is."""
    for index, zone in enumerate(zones):
        if not _ZONE.fullmatch(zone["name"]):
            return f"zones[{index}].name: {zone['name']!r} is not the name of a zone"
        for address in zone["addresses"]:
            try:
                read_address(address)
            except ValueError:
                return f"zones[{index}].addresses: {address!r} is not an IP address"
    return "" if _SEARCH.fullmatch(search) else f"search: {search!r} is not a list of domains"


def render_config(zones: Sequence[Mapping[str, Any]]) -> str:
    """unbound.conf(5): the fleet's zones are asked from its own servers, everything else from the root downwards.

    The limits on TTLs and the ways to serve an expired answer are spelled out, for the probe measures with them. The
    fleet's zones are not signed, so no chain of trust is looked for.
    """
    lines = [
        HEADER,
        "server:",
        f"    interface: {ADDRESS}",
        '    chroot: ""',
        '    pidfile: ""',
        "    use-syslog: no",
        '    trust-anchor-file: "/usr/share/dns/root.key"',
        "    cache-min-ttl: 0",
        "    cache-max-ttl: 86400",
        "    cache-max-negative-ttl: 5",
        "    serve-expired: no",
        "    prefetch: no",
    ]
    for zone in zones:
        lines.append(f'    domain-insecure: "{zone["name"]}."')
        lines.append(f'    local-zone: "{zone["name"]}." nodefault')
    lines.extend(["remote-control:", "    control-enable: no"])
    for zone in zones:
        lines.extend(["stub-zone:", f'    name: "{zone["name"]}."'])
        lines.extend(f"    stub-addr: {address}" for address in zone["addresses"])
    return "\n".join(lines) + "\n"


def render_resolv_conf(search: str) -> str:
    """resolv.conf(5). The short timeout makes a lookup that was lost show as its own error and not as a slow one."""
    lines = [HEADER, f"nameserver {ADDRESS}"]
    if search:
        lines.append(f"search {search}")
    lines.append("options timeout:1 attempts:2")
    return "\n".join(lines) + "\n"


def render_files(zones: Sequence[Mapping[str, Any]], search: str) -> Dict[str, str]:
    """All files by their path, in the order in which they are written."""
    return {
        CONFIG: render_config(zones),
        UNIT_FILE: UNIT_TEXT,
        NSSWITCH: NSSWITCH_TEXT,
        RESOLV_CONF: render_resolv_conf(search),
    }


@dataclass(frozen=True)
class Resolver:
    """What was observed: the content of the files (None for one that is not there), and the state of the unit."""

    files: Mapping[str, Optional[str]]
    running: bool
    enabled: bool


@dataclass(frozen=True)
class ResolverStep:
    """``kind`` is what to do: write (``path``), reload, enable, restart, or await."""

    kind: str
    title: str
    path: str = ""


def plan_resolver(files: Mapping[str, str], observed: Resolver) -> Tuple[ResolverStep, ...]:
    """The steps to a resolver that runs with these files.

    Invariant: the probes' files are written last, after the resolver has answered, so a probe that starts after an
    interrupted run either uses a resolver that worked or is refused.
    """
    changed = [path for path, text in files.items() if observed.files.get(path) != text]
    steps = [ResolverStep("write", f"write {path}", path) for path in (CONFIG, UNIT_FILE) if path in changed]
    if UNIT_FILE in changed:
        steps.append(ResolverStep("reload", "reload systemd"))
    if not observed.enabled:
        steps.append(ResolverStep("enable", f"enable {UNIT}"))
    if CONFIG in changed or UNIT_FILE in changed or not observed.running:
        steps.append(ResolverStep("restart", f"restart {UNIT}"))
    if steps or changed:
        steps.append(ResolverStep("await", f"wait until the resolver answers on {ADDRESS}"))
    steps.extend(ResolverStep("write", f"write {path}", path) for path in (NSSWITCH, RESOLV_CONF) if path in changed)
    return tuple(steps)


def describe(files: Mapping[str, Optional[str]], running: bool) -> str:
    """The state as the text of a diff, without secrets."""
    parts = [f"{UNIT}: {'running' if running else 'stopped'}\n"]
    for path, text in files.items():
        if text is not None:
            parts.append(f"--- {path}\n{masked(text, kind_of(path))}")
    return "".join(parts)
