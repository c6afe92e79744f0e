# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the old servers of a zone are asked beyond what a source names: a file may lack what the provider adds by itself."""

from __future__ import annotations

from typing import Dict, Iterable, Mapping, Set, Tuple

from .. import names
from ..model import Key, RRset
from ..record_types import COMMON, SIGNING
from ..update.prune import is_server_set

ANY = "ANY"
USUAL = (*COMMON, "SPF")
"""Asked at the zone's own name and at every name that a source mentions. A question for any of them shows a CNAME too."""
WILDCARD = ("A", "AAAA", "MX", "TXT")
_HOST = ("A", "AAAA", "HTTPS")
_COMMON_NAMES: Mapping[Tuple[str, ...], str] = {
    _HOST: """
        www mail smtp imap pop pop3 webmail mx mx1 mx2 ftp sftp ssh vpn remote api app apps blog shop cdn static assets img m dev
        test staging status docs git cloud portal login admin support autoconfig autodiscover mta-sts lyncdiscover sip
        enterpriseregistration enterpriseenrollment msoid
    """,
    ("TXT",): """
        _dmarc _mta-sts _smtp._tls _acme-challenge _acme-challenge.www _domainkey _adsp._domainkey default._bimi _atproto _domainconnect
        default._domainkey dkim._domainkey mail._domainkey google._domainkey selector1._domainkey selector2._domainkey
        s1._domainkey s2._domainkey k1._domainkey k2._domainkey k3._domainkey mandrill._domainkey fm1._domainkey fm2._domainkey
        fm3._domainkey protonmail._domainkey protonmail2._domainkey protonmail3._domainkey sig1._domainkey zoho._domainkey
    """,
    ("SRV",): """
        _imap._tcp _imaps._tcp _pop3._tcp _pop3s._tcp _submission._tcp _submissions._tcp _sieve._tcp _jmap._tcp _autodiscover._tcp
        _caldav._tcp _caldavs._tcp _carddav._tcp _carddavs._tcp _sip._tcp _sip._udp _sip._tls _sips._tcp _sipfederationtls._tcp
        _xmpp-client._tcp _xmpp-server._tcp _matrix._tcp _matrix-fed._tcp _ldap._tcp _kerberos._tcp _kerberos._udp
    """,
    ("TLSA",): "_25._tcp _443._tcp _25._tcp.mail _443._tcp.www",
}
COMMON_NAMES: Mapping[str, Tuple[str, ...]] = {name: kinds for kinds, text in _COMMON_NAMES.items() for name in text.split()}
"""Names that zones often have, relative to the zone, with the types that stand there."""

Questions = Dict[str, Tuple[str, ...]]  # name -> types


def questions(zone: str, keys: Iterable[Key], mentioned: Iterable[str], complete: bool, label: str) -> Questions:
    """What is asked of the old servers.

    ``keys`` are the sets that the source has, ``mentioned`` further names, such as those of what was left out. ``complete`` says
    that the source was a transfer: then only types that servers make up on being asked, at the zone's own name, are in doubt.
    ``label`` is one that no zone has, for what answers every name.
    """
    wanted: Dict[str, Set[str]] = {zone: {*USUAL, ANY}}
    for name in mentioned:
        if names.within(name, zone):
            wanted.setdefault(name, set()).update((*USUAL, ANY))
    for name, kind in keys:
        kinds = wanted.setdefault(name, set())
        # A question for the CNAME alone would not show what a provider answers in its place.
        kinds.update(("A",) if kind == "CNAME" else (kind,))
        kinds.update(() if complete else (*USUAL, ANY))
    parents = {zone}
    for name in wanted:
        parents.update(names.parents(name, zone))
    for parent in parents:
        wanted.setdefault(f"*.{parent}", set()).update(WILDCARD)
        wanted.setdefault(f"{label}.{parent}", set()).update(WILDCARD)
    for name, usual in COMMON_NAMES.items():
        wanted.setdefault(f"{name}.{zone}", set()).update(usual)
    return {name: tuple(sorted(kinds)) for name, kinds in sorted(wanted.items()) if len(name) <= 254}


def as_wildcard(name: str, label: str) -> str:
    """The wildcard by which a name was answered that nobody has; other names as they are."""
    return f"*.{name[len(label) + 1 :]}" if name.startswith(f"{label}.") else name


def is_data(zone: str, one: RRset) -> bool:
    """Whether an answer shows data of the zone: not what a server makes, and not what it says in place of ANY (RFC 8482)."""
    refusal = one.type == "HINFO" and any("RFC8482" in value for value in one.values)
    return not (refusal or one.type in SIGNING or one.key == (zone, "NS") or is_server_set(zone, one.key, True))
