# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the configuration of BIND 9.18 and later in Debian's layout.

Sources: named.conf(5), the BIND 9 Administrator Reference Manual (chapters "Configuration Reference" and "Dynamic
Update").
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Tuple

from .keyfile import render
from .serving import ServedZone, ServerConfig, render_zone

MAIN_FILE = "/etc/bind/named.conf"
OPTIONS_FILE = "/etc/bind/named.conf.options"
ZONES_FILE = "/etc/bind/named.conf.local"
KEYS_FILE = "/etc/bind/smallfleet.keys"
ZONE_FOLDER = "/var/lib/bind"
_NOTICE = "Written by smallfleet.infra.dns_server_config. Changes made here are lost at its next run."


class Bind:
    """The Provider."""

    name = "bind"
    unit = "named.service"
    group = "bind"

    def files(self, config: ServerConfig) -> Dict[str, str]:
        return {OPTIONS_FILE: render_options(config), ZONES_FILE: render_zones(config)}

    def secrets(self, config: ServerConfig) -> Tuple[str, str]:
        keys = [key for known in config.keys for key in known.generations]
        return KEYS_FILE, f"// {_NOTICE}\n" + "".join(render(key) for key in sorted(keys, key=lambda one: one.name))

    def zone_file(self, name: str) -> str:
        return zone_file(name)

    def zone_text(self, zone: ServedZone, serial: int) -> str:
        return render_zone(zone, serial)

    def problems(self, config: ServerConfig) -> List[str]:
        return []


def zone_file(name: str) -> str:
    """The path of a zone's file. The only slash a zone can have in its name is that of RFC 2317."""
    return f"{ZONE_FOLDER}/{name.replace('/', '-')}.zone"


def render_options(config: ServerConfig) -> str:
    """A server for the open internet: authoritative only, short answers, no amplifier."""
    ipv4 = [address for address in config.listen if ":" not in address]
    ipv6 = [address for address in config.listen if ":" in address]
    return f"""// {_NOTICE}
options {{
    directory "/var/cache/bind";
    listen-on {{ {_addresses(["127.0.0.1", *ipv4])} }};
    listen-on-v6 {{ {_addresses(["::1", *ipv6])} }};
    recursion no;
    allow-query-cache {{ none; }};
    allow-transfer {{ none; }};
    notify no;
    dnssec-validation no;
    minimal-any yes;
    minimal-responses yes;
    version none;
    hostname none;
    server-id none;
    rate-limit {{
        responses-per-second {config.responses_per_second};
        exempt-clients {{ localhost; }};
    }};
}};
"""


def render_zones(config: ServerConfig) -> str:
    """The keys, and each zone as a dynamic one that its key may change."""
    parts = [f'// {_NOTICE}\ninclude "{KEYS_FILE}";\n']
    for zone in sorted(config.zones, key=lambda one: one.name):
        grants = " ".join(f'grant "{key}" zonesub ANY;' for key in config.key_names(config.update_key))
        parts.append(f"""
zone "{zone.name}" {{
    type primary;
    file "{zone_file(zone.name)}";
    update-policy {{ {grants} }};
}};
""")
    return "".join(parts)


def _addresses(addresses: Iterable[str]) -> str:
    return " ".join(f"{address};" for address in dict.fromkeys(addresses))


def beside(text: str, moved: Mapping[str, str]) -> str:
    """A configuration that includes other files in the place of some, to check them before they are in place."""
    for path, candidate in moved.items():
        text = text.replace(f'"{path}"', f'"{candidate}"')
    return text


def missing_includes(main: str) -> List[str]:
    """Which of our files the main configuration does not include."""
    active = "\n".join(line.split("//")[0].split("#")[0] for line in main.splitlines())
    return [path for path in (OPTIONS_FILE, ZONES_FILE) if f'"{path}"' not in active]
