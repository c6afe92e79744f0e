# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the configuration of BIND 9.18 and later in Debian's layout, and the first content of a zone.

Sources: named.conf(5), the BIND 9 Administrator Reference Manual (chapters "Configuration Reference" and "Dynamic
Update"), RFC 1035 section 5 for the zone file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Sequence

from . import names, values

MAIN_FILE = "/etc/bind/named.conf"
OPTIONS_FILE = "/etc/bind/named.conf.options"
ZONES_FILE = "/etc/bind/named.conf.local"
ZONE_FOLDER = "/var/lib/bind"
_NOTICE = "Written by smallfleet.infra.dns_server_config. Changes made here are lost at its next run."


@dataclass(frozen=True)
class ServerConfig:
    """What one server is asked to be. ``zones`` are those of the ``dns_server`` slice of the fleet plan."""

    listen: Sequence[str]
    key_name: str
    key_algorithm: str
    key_file: str
    zones: Sequence[Mapping[str, Any]]
    responses_per_second: int = 50


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
    """The key, and each zone as a dynamic one that the key may change."""
    parts = [f'// {_NOTICE}\ninclude "{config.key_file}";\n']
    for zone in sorted(config.zones, key=lambda one: str(one["name"])):
        parts.append(f"""
zone "{zone["name"]}" {{
    type primary;
    file "{zone_file(zone["name"])}";
    update-policy {{ grant "{config.key_name}" zonesub ANY; }};
}};
""")
    return "".join(parts)


def render_zone(zone: Mapping[str, Any]) -> str:
    """The zone as it is born, with all its records. Afterwards the file is the server's own."""
    origin = names.canonical(zone["name"])
    soa = zone["soa"]
    timers = " ".join(str(soa[timer]) for timer in ("refresh", "retry", "expire", "minimum"))
    lines = [
        f"$ORIGIN {origin}",
        f"$TTL {zone['ttl']}",
        f"@ {zone['ttl']} SOA {soa['mname']} {soa['rname']} 1 {timers}",
        *(f"@ {zone['ttl']} NS {server}" for server in zone["nameservers"]),
        *_records(zone["record_sets"], origin),
    ]
    return "".join(f"{line}\n" for line in lines)


def problems(config: ServerConfig) -> List[str]:
    """What would make a configuration that names something else than it seems to, or nothing at all."""
    found = []
    for index, zone in enumerate(config.zones):
        try:
            render_zone(zone)
        except (names.BadName, values.BadValue) as error:
            found.append(f"zones[{index}]: {zone.get('name')}: a name or value {error}.")
        except KeyError as error:
            found.append(f"zones[{index}]: lacks {error.args[0]}. Give the zone as the fleet plan has it.")
        except (TypeError, AttributeError) as error:
            found.append(f"zones[{index}]: is not a zone of the fleet plan ({error!r}).")
    for text in (config.key_name, config.key_file, *config.listen, *(str(zone.get("name")) for zone in config.zones)):
        if any(character in text for character in '";{}\\\n '):
            found.append(f"'{text}' has a character that cannot be in a configuration.")
    return found


def _records(record_sets: Iterable[Mapping[str, Any]], origin: str) -> Iterable[str]:
    for one in record_sets:
        kind = values.type_name(one["type"])
        owner = names.relative(names.qualify(one["record"], origin), origin)
        for value in one["value"]:
            yield f"{owner} {int(one['ttl'])} {kind} {values.present(kind, value, origin)}"


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


def files(config: ServerConfig) -> Dict[str, str]:
    """Path -> content of the files that are replaced whenever they differ."""
    return {OPTIONS_FILE: render_options(config), ZONES_FILE: render_zones(config)}
