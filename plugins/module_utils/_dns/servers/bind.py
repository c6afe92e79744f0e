# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the configuration of BIND 9.18 and later in Debian's layout.

Sources: named.conf(5), the BIND 9 Administrator Reference Manual (chapters "Configuration Reference", "Dynamic Update",
"DNSSEC" and "Catalog Zones"). Only what both 9.18 and 9.20 know is used, and where their defaults differ it is said.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..keys.key_file import TsigKey, render
from ..names import configuration_word
from ..values import TTL_MAX
from ..zones.external_secondaries import ANYWHERE, DNS_PORT, External
from ..zones.signing_policy import SigningPolicy
from .base import CONSUME, PRIMARY, Catalog, Peer, SecretsFile, ServedZone, ServerConfig, render_zone
from .foreign import NOTICE, named_conf

USER = "bind"
MAIN_FILE = "/etc/bind/named.conf"
OPTIONS_FILE = "/etc/bind/named.conf.options"
ZONES_FILE = "/etc/bind/named.conf.local"
UNIT_FILE = "/etc/systemd/system/named.service.d/smallfleet.conf"
KEYS_FILE = "/etc/bind/smallfleet.keys"
ZONE_FOLDER = "/var/lib/bind"
LONGEST_TTL = 86400
_KEY = re.compile(r'^key "([^"\n]+)" \{\n    algorithm ([a-z0-9-]+);\n    secret "([^"\n]+)";\n\};$', re.MULTILINE)


class Bind:
    """The Provider."""

    name = "bind"
    unit = "named.service"
    group = USER

    def files(self, config: ServerConfig) -> Dict[str, str]:
        return {
            OPTIONS_FILE: render_options(config),
            ZONES_FILE: render_zones(config),
            UNIT_FILE: render_unit(config),
        }

    def secrets(self, config: ServerConfig) -> SecretsFile:
        keys = [key for known in config.keys for key in known.generations]
        return SecretsFile(KEYS_FILE, f"// {NOTICE}\n" + "".join(render(key) for key in sorted(keys, key=lambda one: one.name)))

    def between(self, config: ServerConfig) -> Dict[str, str]:
        """named does not start with a catalog that is not among its zones."""
        return {OPTIONS_FILE: render_options(replace(config, catalogs=()))}

    def keys_in(self, secrets: str) -> Tuple[TsigKey, ...]:
        return tuple(TsigKey(*found) for found in _KEY.findall(secrets))

    def foreign(self, path: str, content: str) -> Tuple[str, ...]:
        return named_conf(content) if path in (OPTIONS_FILE, ZONES_FILE) else ()

    def allowed_ttls(self, files: Mapping[str, str]) -> Dict[str, int]:
        zones = re.split(r'^zone "', files.get(ZONES_FILE, ""), flags=re.MULTILINE)[1:]
        found = {zone.partition('"')[0]: re.search(r'^    dnssec-policy "smallfleet[^"]*-([0-9]{1,10})";$', zone, re.MULTILINE) for zone in zones}
        return {name: min(int(policy[1]), TTL_MAX) for name, policy in found.items() if policy}

    def upstreams(self, files: Mapping[str, str], name: str) -> Tuple[str, ...]:
        zone = re.search(rf'^zone "{re.escape(name)}" {{$(.*?)^}};$', files.get(ZONES_FILE, ""), re.MULTILINE | re.DOTALL)
        taken = re.search(r"^    primaries {([^}]*)}", zone[1], re.MULTILINE) if zone else None
        return tuple(line.split()[0].rstrip(";") for line in taken[1].splitlines() if line.strip()) if taken else ()

    def zone_file(self, name: str) -> str:
        return zone_file(name)

    def zone_text(self, zone: ServedZone, serial: int) -> str:
        return render_zone(zone, serial)

    def problems(self, config: ServerConfig) -> List[str]:
        if config.primaries and not config.update_key:
            return ["BIND needs an update_key for the zones that it is the primary of."]
        return []


def zone_file(name: str) -> str:
    """The path of a zone's file. The only slash a zone can have in its name is that of RFC 2317."""
    return f"{ZONE_FOLDER}/{name.replace('/', '-')}.zone"


def render_unit(config: ServerConfig) -> str:
    """What named's systemd unit has besides (systemd.unit(5)): at boot, it waits for the server's addresses.

    named tells the secondaries of its zones once when it starts. Without a network that fails and is not repeated, and
    what it took just before a power cut would reach them only when they refresh by themselves, up to an hour later.
    """
    return f"""# {NOTICE}
[Unit]
Wants=network-online.target
After=network-online.target

[Service]
ExecStartPre=-/usr/bin/timeout 30 /bin/sh -c 'for address in {" ".join(config.listen)}; do \\
    until ip -o address show to $$address -tentative | grep -q .; do sleep 0.2; done; done'
{_refresh(config)}"""


def _refresh(config: ServerConfig) -> str:
    """A secondary asks its primaries as soon as it has started: what it was told while it was down went to nobody.

    named itself begins to ask after a quarter of ``retry`` at the earliest. The zones that it has from a catalog are
    read from that catalog's copy, as named reads them. A zone that is not loaded in ten seconds has no copy, and named
    fetches it without being asked.
    """
    taken = sorted(zone.name for zone in config.zones if zone.role != PRIMARY)
    if not taken:
        return ""
    consumed = sorted(one.name for one in config.catalogs if one.role == CONSUME)
    members = "".join(
        f"""    zones="$$zones $$(named-checkzone -jqD -k ignore -n ignore -i none -o - {name} {zone_file(name)} | \\
        while read -r owner ttl class type target; do [ "$$type" = PTR ] && echo "$$target"; done)"; \\
"""
        for name in consumed
    )
    return f"""ExecStartPost=-/usr/bin/timeout 30 /bin/sh -c 'set -f; zones="{" ".join(taken)}"; \\
{members}    for attempt in $$(seq 20); do \\
        waiting=; \\
        for zone in $$zones; do \\
            if rndc zonestatus "$$zone" 2>&1 | grep -q ^serial; then rndc refresh "$$zone"; else waiting="$$waiting $$zone"; fi; \\
        done; \\
        zones=$$waiting; \\
        [ -n "$$zones" ] || exit 0; \\
        sleep 0.5; \\
    done'
"""


def render_options(config: ServerConfig) -> str:
    """A server for the open internet: authoritative only, short answers, no amplifier.

    A zone's own ``retry`` counts on a secondary, which by default waits 500 seconds at least. Of a small zone, too, the changes are sent
    and not the whole: they prove to an old primary that the new one has its last version.
    """
    ipv4 = [address for address in config.listen if ":" not in address]
    ipv6 = [address for address in config.listen if ":" in address]
    return f"""// {NOTICE}
options {{
    directory "/var/cache/bind";
    listen-on {{ {_addresses(["127.0.0.1", *ipv4])} }};
    listen-on-v6 {{ {_addresses(["::1", *ipv6])} }};
    recursion no;
    allow-query-cache {{ none; }};
    allow-transfer {{ none; }};
    notify no;
    min-retry-time 1;
    max-ixfr-ratio unlimited;
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
{_catalogs(config)}}};
"""


def render_zones(config: ServerConfig) -> str:
    """The keys, how zones are signed, and the zones: primaries that keys may change, and secondaries."""
    zones = sorted(config.zones, key=lambda one: one.name)
    policies = {_policy_name(zone): (zone.signing, _longest(zone)) for zone in zones if zone.dnssec and zone.role == PRIMARY}
    return "".join(
        [
            f'// {NOTICE}\ninclude "{KEYS_FILE}";\n',
            *(_policy(name, *policies[name]) for name in sorted(policies, key=lambda one: (policies[one][1], one))),
            *(_primary(zone, config) if zone.role == PRIMARY else _secondary(zone, config) for zone in zones),
        ]
    )


def _primary(zone: ServedZone, config: ServerConfig) -> str:
    """A zone that is changed by update only.

    With ``dnssec-policy insecure`` a zone that was signed once is unsigned in the order that resolvers need, and one
    that never was is left as it is. With inline signing, 9.20's default, the server would answer with another SOA than the
    one that prerequisites of updates are compared with.
    """
    signing = config.key_names(zone.transfer.key) if zone.transfer.key else ()
    told = [*_remotes(zone.transfer.peers, signing), *_notified(zone.transfer.external, config)]
    given = [
        *(f'key "{name}";' for name in config.key_names(config.update_key)),
        *(f'key "{name}";' for name in signing),
        *_allowed(zone.transfer.external, config),
    ]
    return f"""
zone "{zone.name}" {{
    type primary;
    file "{zone_file(zone.name)}";
    update-policy {{{_block(_rules(zone, config))}}};
    allow-transfer {{{_block(given)}}};
{_notify(told)}    dnssec-policy {_policy_name(zone) if zone.dnssec else "insecure"};
    inline-signing no;
    key-directory "{ZONE_FOLDER}";
}};
"""


def _notified(external: Iterable[External], config: ServerConfig) -> Iterable[str]:
    """Servers of others, with the port and the key that they want."""
    for one in external:
        port = "" if one.port == DNS_PORT else f" port {one.port}"
        signed = f' key "{config.key_names(one.key)[0]}"' if one.key else ""
        yield from (f"{address}{port}{signed};" for address in one.notify)


def _allowed(external: Iterable[External], config: ServerConfig) -> Iterable[str]:
    """Who may transfer. An inner list that says no counts as no match, so the first one here demands address and key both
    and leaves others to the rules that follow ("Address Match Lists" in the manual).
    """
    for one in external:
        keys = [f'key "{name}";' for name in config.key_names(one.key)] if one.key else []
        if keys and one.transfer and ANYWHERE not in one.transfer:
            others = " ".join(f"!{address};" for address in one.transfer)
            yield f"{{ !{{ {others} any; }}; {' '.join(keys)} }};"
        elif one.transfer:
            yield from keys or (f"{address};" for address in one.transfer)


def _rules(zone: ServedZone, config: ServerConfig) -> Iterable[str]:
    """What each key may change; all generations of a key may change the same."""
    for name in config.key_names(config.update_key):
        yield f'grant "{name}" zonesub ANY;'
    for grant in zone.grants:
        for name in config.key_names(grant.key):
            yield f'grant "{name}" {grant.match} "{configuration_word(grant.name)}" {" ".join(grant.types)};'


def _notify(told: Sequence[str]) -> str:
    return f"    notify explicit;\n    notify-delay 1;\n    also-notify {{{_block(told)}}};\n" if told else ""


def _secondary(zone: ServedZone, config: ServerConfig) -> str:
    """A copy of a primary's zone. Its file is text, so that a secondary can become the primary of what it has."""
    known = config.key_names(zone.transfer.key) if zone.transfer.key else ()
    keys = [f'key "{name}";' for name in known]
    notify = f"    allow-notify {{{_block(keys)}}};\n" if keys else ""
    return f"""
zone "{zone.name}" {{
    type secondary;
    file "{zone_file(zone.name)}";
    masterfile-format text;
    primaries {{{_block(_remotes(zone.transfer.peers, known))}}};
{notify}}};
"""


def _catalogs(config: ServerConfig) -> str:
    """Whence the zones that a catalog lists are taken (RFC 9432)."""
    consumed = sorted((one for one in config.catalogs if one.role == CONSUME), key=lambda one: one.name)
    return f"    catalog-zones {{\n{''.join(_catalog(one, config) for one in consumed)}    }};\n" if consumed else ""


def _catalog(catalog: Catalog, config: ServerConfig) -> str:
    remotes = " ".join(_remotes(catalog.peers, config.key_names(catalog.key)))
    return f"""        zone "{catalog.name}"
            default-primaries {{ {remotes} }}
            zone-directory "{ZONE_FOLDER}"
            in-memory no;
"""


def _remotes(peers: Iterable[Peer], keys: Sequence[str]) -> List[str]:
    """Servers of the fleet, with the key to sign with."""
    signed = f' key "{keys[0]}"' if keys else ""
    return [f"{address}{signed};" for peer in peers for address in peer.addresses]


def _longest(zone: ServedZone) -> int:
    """The longest TTL that a record of a signed zone may have; a record that lives longer would be cut or refused."""
    return max(LONGEST_TTL, zone.longest_ttl)


def _policy_name(zone: ServedZone) -> str:
    return f'"{zone.signing.name}-{_longest(zone)}"'


def _policy(name: str, signing: SigningPolicy, ttl: int) -> str:
    """A KSK or CSK is never rolled over on a schedule, so that the parent's DS stays right.

    CDS and CDNSKEY come when the zone's signatures are sure to be in every cache: after the longest TTL, and an hour.
    """
    algorithm = f"algorithm {signing.algorithm}" + (f" {signing.bits}" if signing.bits else "")
    kind = "ksk" if signing.zsk_lifetime else "csk"
    keys = f"{kind} key-directory lifetime unlimited {algorithm};"
    if signing.zsk_lifetime:
        keys += f" zsk key-directory lifetime {signing.zsk_lifetime} {algorithm};"
    nsec3 = "    nsec3param iterations 0 optout no salt-length 0;\n" if signing.denial == "nsec3" else ""
    return f"""
dnssec-policy {name} {{
    keys {{ {keys} }};
    max-zone-ttl {ttl};
{nsec3}}};
"""


def _block(lines: Iterable[str]) -> str:
    """Lines in braces: none of them, or each on its own."""
    text = "".join(f"\n        {line}" for line in lines)
    return f"{text}\n    " if text else " "


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
