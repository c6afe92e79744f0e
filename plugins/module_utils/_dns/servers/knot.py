# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the configuration of Knot DNS 3.2 and later in Debian's layout.

Source: knot.conf(5) and the chapters "Operation" and "Modules" of the Knot DNS documentation. Only what both 3.2 and
3.4 know is used.

A zone lives in the server's journal, which is synced to disk before an update is acknowledged. The zone file is what
the zone was born with: the server reads it once, when it has no such zone (see ``_dns/servers/knot_host.py``), and neither
reads nor writes it later. So neither a file that was cut short by a power cut nor one that was made again after it had
been deleted can take an update back.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..._shared.quoting import plain
from ..keys.key_file import TsigKey
from ..names import configuration_word
from ..zones.external_secondaries import ANYWHERE, DNS_PORT, External
from ..zones.signing_policy import SigningPolicy
from .base import CONSUME, Catalog, Grant, Peer, SecretsFile, ServedZone, ServerConfig, render_zone
from .foreign import NOTICE, knot_conf

USER = "knot"
MAIN_FILE = "/etc/knot/knot.conf"
KEYS_FILE = "/etc/knot/smallfleet.keys"
UNIT_FILE = "/etc/systemd/system/knot.service.d/smallfleet.conf"
ZONE_FOLDER = "/var/lib/knot"
DATABASE = f"{ZONE_FOLDER}/confdb"
DAY = 86400
REFRESH_DAYS = 7
LONGEST_SIGNED_TTL = 365 * DAY
# A secondary remembers when it wants to look at its primary again, and what it was told while it was down went to nobody.
_UNIT = f"""# {NOTICE}
[Service]
ExecStartPost=-/usr/sbin/knotc zone-refresh
"""
_KEPT = (
    "    module: mod-rrl/smallfleet",
    f'    storage: "{ZONE_FOLDER}"',
    "    journal-content: all",
    "    journal-max-depth: 1000",
    "    zonefile-load: none",
    "    zonefile-sync: -1",
)
_KEY = re.compile(r'^  - id: "([^"\n]+)"\n    algorithm: ([a-z0-9-]+)\n    secret: "([^"\n]+)"$', re.MULTILINE)
_SIGNING = ("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY")
_AT_ONCE = 200  # deletions in one message of at most 64 KiB, each of a name of at most 255 bytes
_MATCHES: Mapping[str, str] = {"name": "equal", "subdomain": "sub-or-equal"}


class Knot:
    """The Provider."""

    name = "knot"
    unit = "knot.service"
    group = USER

    def files(self, config: ServerConfig) -> Dict[str, str]:
        return {MAIN_FILE: render_main(config), UNIT_FILE: _UNIT}

    def secrets(self, config: ServerConfig) -> SecretsFile:
        return SecretsFile(KEYS_FILE, render_keys(config))

    def between(self, config: ServerConfig) -> Dict[str, str]:
        return {}

    def keys_in(self, secrets: str) -> Tuple[TsigKey, ...]:
        return tuple(TsigKey(*found) for found in _KEY.findall(secrets))

    def foreign(self, path: str, content: str) -> Tuple[str, ...]:
        return knot_conf(content) if path == MAIN_FILE else ()

    def allowed_ttls(self, files: Mapping[str, str]) -> Dict[str, int]:
        zones = re.split(r'^  - domain: "', files.get(MAIN_FILE, ""), flags=re.MULTILINE)[1:]
        found = {zone.partition('"')[0]: re.search(r"^    dnssec-policy: smallfleet[^ ]*-([0-9]{1,3})d$", zone, re.MULTILINE) for zone in zones}
        return {name: min((int(policy[1]) - 1) * DAY, LONGEST_SIGNED_TTL) for name, policy in found.items() if policy}

    def upstreams(self, files: Mapping[str, str], name: str) -> Tuple[str, ...]:
        text = files.get(MAIN_FILE, "")
        masters = re.search(rf'^  - domain: "{re.escape(name)}"\n    master: \[(.*)\]$', text, re.MULTILINE)
        ids = re.findall(r'"([^"]+)"', masters[1]) if masters else []
        places = (re.search(rf'^  - id: "{re.escape(one)}"\n    address: \[(.*)\]$', text, re.MULTILINE) for one in ids)
        return tuple(address for place in places if place for address in re.findall(r'"([^"]+)"', place[1]))

    def zone_file(self, name: str) -> str:
        return zone_file(name)

    def zone_text(self, zone: ServedZone, serial: int) -> str:
        return render_zone(zone, serial)

    def problems(self, config: ServerConfig) -> List[str]:
        return [
            f"dns_zones.{zone.name} is signed, and has a TTL of {zone.longest_ttl} seconds. On Knot, write at most {LONGEST_SIGNED_TTL} (a year)."
            for zone in config.primaries
            if zone.dnssec and zone.longest_ttl > LONGEST_SIGNED_TTL
        ]


def zone_file(name: str) -> str:
    """The path of a zone's file. The only slash a zone can have in its name is that of RFC 2317."""
    return f"{ZONE_FOLDER}/{name.replace('/', '-')}.zone"


def addresses(config: ServerConfig) -> Tuple[str, ...]:
    """Where the server listens, as it says it itself."""
    return tuple(dict.fromkeys(f"{address}@53" for address in ("127.0.0.1", "::1", *config.listen)))


def render_keys(config: ServerConfig) -> str:
    """All generations of all keys."""
    keys = sorted((key for known in config.keys for key in known.generations), key=lambda one: one.name)
    lines = [f"# {NOTICE}"]
    if keys:
        lines.append("key:")
    for key in keys:
        lines.append(f"  - id: {_text(key.name)}")
        lines.append(f"    algorithm: {key.algorithm}")
        lines.append(f"    secret: {_text(key.secret)}")
    return _lines(lines)


def render_main(config: ServerConfig) -> str:
    """A server for the open internet: authoritative only, short answers, no amplifier."""
    policies = {_policy_name(zone): (zone.signing, _refresh(zone)) for zone in config.primaries if zone.dnssec}
    parts = [
        f"""# {NOTICE}
server:
    rundir: "/run/knot"
    user: knot:knot
    identity: ""
    version: ""
    nsid: ""
    automatic-acl: off
    tcp-io-timeout: 2000
    listen: {_list(addresses(config))}

log:
  - target: syslog
    any: info

database:
    storage: "{ZONE_FOLDER}"
    journal-db-mode: robust

include: "{KEYS_FILE}"

mod-rrl:
  - id: smallfleet
    rate-limit: {config.responses_per_second}
    slip: 2
    whitelist: [127.0.0.1, "::1"]
""",
        _section("policy", _policies(policies)),
        _section("remote", _remotes(config)),
        _section("acl", _acls(config)),
        _section("template", _templates(config)),
        _section("zone", _zones(config)),
    ]
    return "".join(parts)


def _refresh(zone: ServedZone) -> int:
    """How many days before its end a signature is replaced: a week, or a day more than the longest TTL.

    Knot does not sign a zone unless that is more than its longest TTL and the policy's propagation-delay, an hour.
    """
    return max(REFRESH_DAYS, -(-zone.longest_ttl // DAY) + 1)


def _policy_name(zone: ServedZone) -> str:
    return zone.signing.name + (f"-{_refresh(zone)}d" if _refresh(zone) > REFRESH_DAYS else "")


def _policies(policies: Mapping[str, Tuple[SigningPolicy, int]]) -> Iterable[str]:
    """A KSK or CSK is never rolled over, so that the parent's DS stays right; a primary may be down for a week."""
    for name in sorted(policies):
        policy, refresh = policies[name]
        yield f"  - id: {name}"
        yield f"    algorithm: {policy.algorithm}"
        if policy.bits:
            yield f"    ksk-size: {policy.bits}"
            yield f"    zsk-size: {policy.bits}"
        yield f"    single-type-signing: {'off' if policy.zsk_lifetime else 'on'}"
        yield "    ksk-lifetime: 0"
        yield f"    zsk-lifetime: {policy.zsk_lifetime}"
        yield f"    rrsig-lifetime: {refresh + REFRESH_DAYS}d"
        yield f"    rrsig-refresh: {refresh}d"
        yield "    cds-cdnskey-publish: always"
        if policy.denial == "nsec3":
            yield "    nsec3: on"
            yield "    nsec3-iterations: 0"
            yield "    nsec3-salt-length: 0"


def _templates(config: ServerConfig) -> Iterable[str]:
    """How zones are kept and answered, and whence the members of a catalog are taken.

    Answers are limited zone by zone: as a global module, mod-rrl of 3.4 drops connections over TCP too, also those of
    clients with a key, as soon as one address has used five milliseconds of the server's time at once.
    """
    yield "  - id: default"
    yield "    global-module: mod-cookies"
    yield from _KEPT
    for catalog in _consumed(config):
        yield f"  - id: {_text(_members(catalog))}"
        yield from _KEPT
        yield f"    master: {_list(_remote_ids(catalog.peers, catalog.key))}"
        yield f"    acl: {_list([_notify_id(catalog.key)])}"


def _remotes(config: ServerConfig) -> Iterable[str]:
    """Every server that is asked or told something: those of the fleet with a key, external ones by address."""
    found: Dict[str, Tuple[Sequence[str], str]] = {}
    for peers, key in [
        *((zone.transfer.peers, zone.transfer.key) for zone in config.zones),
        *((catalog.peers, catalog.key) for catalog in _consumed(config)),
    ]:
        signing = config.key_names(key)[0] if key else ""
        for peer, known in zip(peers, _remote_ids(peers, key)):
            found[known] = (peer.addresses, signing)
    for zone in config.primaries:
        for one in zone.transfer.external:
            signing = config.key_names(one.key)[0] if one.key else ""
            places = (address if one.port == DNS_PORT else f"{address}@{one.port}" for address in one.notify)
            found.update({known: ((place,), signing) for known, place in zip(_external_ids(one), places)})
    for known in sorted(found):
        where, signing = found[known]
        yield f"  - id: {_text(known)}"
        yield f"    address: {_list(where)}"
        if signing:
            yield f"    key: {_text(signing)}"


def _acls(config: ServerConfig) -> Iterable[str]:
    """Who may do what. A message of updates is let through when one rule allows all of it."""
    if config.update_key:
        yield from _acl("update", config.key_names(config.update_key), ("update", "transfer"))
    given = {zone.transfer.key for zone in config.primaries if zone.transfer.key}
    given.update(catalog.key for catalog in _consumed(config))
    taken = {zone.transfer.key for zone in config.zones if zone not in config.primaries}
    taken.update(catalog.key for catalog in _consumed(config))
    for key in sorted(given):
        yield from _acl(_transfer_id(key), config.key_names(key), ("transfer",))
    for key in sorted(taken):
        yield from _acl(_notify_id(key), config.key_names(key) if key else (), ("notify",))
    for zone in _sorted(config.primaries):
        for one, external in _transfer_rules(zone):
            yield from _acl(one, config.key_names(external.key) if external.key else (), ("transfer",))
            if ANYWHERE not in external.transfer:
                yield f"    address: {_list(external.transfer)}"
        for one, grants in _rules(zone):
            yield from _acl(one, config.key_names(grants[0].key), ("update",))
            if "ANY" not in grants[0].types:
                yield f"    update-type: {_list(grants[0].types)}"
            yield "    update-owner: name"
            yield f"    update-owner-match: {_MATCHES[grants[0].match]}"
            owners = [f'"{configuration_word(grant.name)}"' for grant in grants]
            yield f"    update-owner-name: [{', '.join(dict.fromkeys(owners))}]"


def _acl(one: str, keys: Sequence[str], actions: Sequence[str]) -> Iterable[str]:
    yield f"  - id: {_text(one)}"
    if keys:
        yield f"    key: {_list(keys)}"
    yield f"    action: {_list(actions)}"


def _transfer_rules(zone: ServedZone) -> Iterable[Tuple[str, External]]:
    """Which servers of others may transfer. In Knot a rule without a key is for questions without one."""
    allowed = [one for one in zone.transfer.external if one.transfer]
    plain_ones = [address for one in allowed if not one.key for address in one.transfer]
    if plain_ones:
        yield f"external {zone.name}", External(transfer=tuple(plain_ones))
    for number, one in enumerate((one for one in allowed if one.key), start=1):
        yield f"external {number} {zone.name}", one


def _rules(zone: ServedZone) -> Iterable[Tuple[str, List[Grant]]]:
    """Grants that differ in the name only are one rule, so that one message may change several of the names."""
    together: Dict[Tuple[str, str, Tuple[str, ...]], List[Grant]] = {}
    for grant in zone.grants:
        together.setdefault((grant.key, grant.match, tuple(sorted(grant.types))), []).append(grant)
    for number, grants in enumerate(together.values(), start=1):
        yield f"grant {number} {zone.name}", grants


def _zones(config: ServerConfig) -> Iterable[str]:
    catalogs = {catalog.name: catalog for catalog in _consumed(config)}
    for zone in _sorted(config.zones):
        yield f"  - domain: {_text(zone.name)}"
        if zone not in config.primaries:
            yield f"    master: {_list(_remote_ids(zone.transfer.peers, zone.transfer.key))}"
            asking = [_transfer_id(zone.transfer.key)] if zone.name in catalogs else []
            yield f"    acl: {_list([_notify_id(zone.transfer.key), *asking])}"
            if zone.name in catalogs:  # which Knot answers to nobody who may not have the whole of it
                yield "    catalog-role: interpret"
                yield f"    catalog-template: {_list([_members(catalogs[zone.name])])}"
            continue
        yield f"    file: {_text(zone_file(zone.name))}"
        rules = ["update"] if config.update_key else []
        rules.extend([_transfer_id(zone.transfer.key)] if zone.transfer.key else [])
        rules.extend(one for one, external in _transfer_rules(zone))
        rules.extend(one for one, grants in _rules(zone))
        if rules:
            yield f"    acl: {_list(rules)}"
        told = [*_remote_ids(zone.transfer.peers, zone.transfer.key)]
        told.extend(known for one in zone.transfer.external for known in _external_ids(one))
        if told:
            yield f"    notify: {_list(told)}"
        if zone.dnssec:
            yield "    dnssec-signing: on"
            yield f"    dnssec-policy: {_policy_name(zone)}"


def _consumed(config: ServerConfig) -> List[Catalog]:
    return sorted((one for one in config.catalogs if one.role == CONSUME), key=lambda one: one.name)


def _sorted(zones: Iterable[ServedZone]) -> List[ServedZone]:
    return sorted(zones, key=lambda one: one.name)


def _remote_ids(peers: Iterable[Peer], key: str) -> List[str]:
    return [f"{peer.host} {key}" if key else peer.host for peer in peers]


def _external_ids(one: External) -> List[str]:
    more = f" {one.port} {one.key}".rstrip() if one.key or one.port != DNS_PORT else ""
    return [f"{address}{more}" for address in one.notify]


def _transfer_id(key: str) -> str:
    return f"transfer {key}"


def _notify_id(key: str) -> str:
    return f"notify {key}" if key else "notify"


def _members(catalog: Catalog) -> str:
    return f"members {catalog.name}"


def _text(text: str) -> str:
    return f'"{" ".join(plain(word) for word in text.split(" "))}"'


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(_text(text) for text in dict.fromkeys(texts))}]"


def _section(name: str, lines: Iterable[str]) -> str:
    held = list(lines)
    return f"\n{name}:\n{_lines(held)}" if held else ""


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def unsigning(zone: ServedZone, read: str, key: TsigKey) -> Iterable[str]:
    """What to tell knsupdate so that a zone loses its signatures. ``read`` is what ``knotc zone-read`` says of it.

    The secret is in it. The apex comes last: as long as it has signatures, the rest is not done.
    """
    lines = [line.split() for line in read.splitlines()]
    apex = f"{zone.name}."
    found = {(one[1], one[3]) for one in lines if len(one) > 4 and one[3] in _SIGNING}
    ordered = sorted(found, key=lambda one: (one[0] == apex, one))
    for start in range(0, len(ordered), _AT_ONCE):
        yield _lines(
            [
                "server 127.0.0.1",
                f"zone {apex}",
                f"key {key.algorithm}:{key.name} {key.secret}",
                *(f"update delete {owner} {kind}" for owner, kind in ordered[start : start + _AT_ONCE]),
                "send",
            ]
        )


def beside(text: str, moved: Mapping[str, str]) -> str:
    """A configuration that includes other files in the place of some, to check them before they are in place."""
    for path, candidate in moved.items():
        text = text.replace(f'"{path}"', f'"{candidate}"')
    return text
