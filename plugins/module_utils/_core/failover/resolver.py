# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A caching resolver (unbound) on the node itself, which keeps every answer exactly as long as its TTL allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Tuple

from ..diff import kind_of
from ..masking import masked

CONFIG = "/etc/unbound/unbound.conf.d/smallfleet.conf"
RESOLV_CONF = "/etc/resolv.conf"
LOOPBACK = "127.0.0.1"
HEADER = "# Written by smallfleet.infra.caching_resolver; changes are lost."


def render_config(zones: Sequence[Mapping[str, Any]]) -> str:
    """unbound.conf(5): the fleet's zones are asked from its own servers, everything else from the root downwards.

    The limits on TTLs and the ways to serve an expired answer are spelled out, for another file may set them and the
    probe measures with them. The fleet's zones are not signed, so no chain of trust is looked for.
    """
    lines = [
        HEADER,
        "server:",
        f"    interface: {LOOPBACK}",
        "    cache-min-ttl: 0",
        "    cache-max-ttl: 86400",
        "    cache-max-negative-ttl: 5",
        "    serve-expired: no",
        "    prefetch: no",
    ]
    for zone in zones:
        lines.append(f'    domain-insecure: "{zone["name"]}."')
        lines.append(f'    local-zone: "{zone["name"]}." nodefault')
    for zone in zones:
        lines.extend(["stub-zone:", f'    name: "{zone["name"]}."'])
        lines.extend(f"    stub-addr: {address}" for address in zone["addresses"])
    return "\n".join(lines) + "\n"


def render_resolv_conf(search: str) -> str:
    """resolv.conf(5). The short timeout makes a lookup that was lost show as its own error and not as a slow one."""
    lines = [HEADER, f"nameserver {LOOPBACK}"]
    if search:
        lines.append(f"search {search}")
    lines.append("options timeout:1 attempts:2")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Resolver:
    """What was observed: both files (None when one is not there, or is a link), and the state of the unit."""

    config: Optional[str]
    resolv_conf: Optional[str]
    running: bool
    enabled: bool


@dataclass(frozen=True)
class ResolverStep:
    """``kind`` is what to do: write_config, enable, restart, await, or write_resolv_conf."""

    kind: str
    title: str


def plan_resolver(config: str, resolv_conf: str, seen: Resolver) -> Tuple[ResolverStep, ...]:
    """The steps to a node that asks its own resolver.

    Invariant: resolv.conf is changed last, after the resolver has answered, so an interrupted run leaves the node
    with the name servers it had, or with a resolver that works.
    """
    steps = []
    if seen.config != config:
        steps.append(ResolverStep("write_config", f"write {CONFIG}"))
    if not seen.enabled:
        steps.append(ResolverStep("enable", "enable unbound.service"))
    if seen.config != config or not seen.running:
        steps.append(ResolverStep("restart", "restart unbound.service"))
    if steps or seen.resolv_conf != resolv_conf:
        steps.append(ResolverStep("await", f"wait until the resolver answers on {LOOPBACK}"))
    if seen.resolv_conf != resolv_conf:
        steps.append(ResolverStep("write_resolv_conf", f"point {RESOLV_CONF} at {LOOPBACK}"))
    return tuple(steps)


def describe(config: Optional[str], resolv_conf: Optional[str], running: bool) -> str:
    """The state as the text of a diff, without secrets."""
    parts = [f"unbound.service: {'running' if running else 'stopped'}\n"]
    for path, text in ((CONFIG, config), (RESOLV_CONF, resolv_conf)):
        if text is not None:
            parts.append(f"--- {path}\n{masked(text, kind_of(path))}")
    return "".join(parts)
