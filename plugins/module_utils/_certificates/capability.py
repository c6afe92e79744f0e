# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``acme_certificates`` capability: which host gets which certificate, and which names its key may touch for that.

A certificate for ``example.net`` and ``*.example.net`` is proved by TXT records at ``_acme-challenge.example.net``
(RFC 8555, section 8.4), or where a CNAME at that name points to. Zone, primary and key are derived from ``dns_zones``.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple
from urllib.parse import urlsplit

from .._dns.keys.key_file import KEY_FOLDER
from .._fleet.fields import Field, parsed, read_variable
from .._fleet.fields import name as a_name
from .._fleet.model import Fleet, Resolution
from .._fleet.places import Place
from .._fleet.values import Notes
from .variables import CERTIFICATES, Certificate, Challenge, read_certificates

DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory"
ALGORITHM = "hmac-sha256"
_ODD = re.compile(r"[^a-z0-9-]+")
_CONTACT = r"[A-Za-z0-9.!#$%&*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"


class BadDirectory(ValueError):
    """What no address of an ACME server is like."""


def _directory(given: Any) -> str:
    """The URL of a server's directory. Raises BadDirectory."""
    try:
        plain = isinstance(given, str) and given.isascii() and given.isprintable() and " " not in given
        parts = urlsplit(given if plain else "")
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadDirectory("is not the address of an ACME server")
    return str(given)


VARIABLES: Mapping[str, Field] = {
    "acme_certificates": CERTIFICATES,
    "acme_contact": a_name(_CONTACT, "a mail address", "Write for example hostmaster@example.net, or leave it out"),
    "acme_directory": parsed(_directory, BadDirectory, f"Write for example {DIRECTORY}", "^https://"),
}


def resolve(fleet: Fleet) -> Resolution:
    """A host plan for every host as soon as the fleet has ``acme_certificates``: a host that has none left stops renewing.

    A host plan is ``{directory, contact, key: {name, algorithm, file}, certificates: [{name, names, key_type, challenges:
    [{name, record, zone, servers, nameservers: {name: [address]}}], deploy: {units, action, owner, group, files:
    [{path, content, owner, group, mode}]}, check: {address, port} or None}]}``. Names are without final dot. Bad input of any type becomes problems.
    """
    notes = Notes()
    if fleet.variables.get("acme_certificates") is None:
        return Resolution()
    directory = read_variable(VARIABLES["acme_directory"], fleet.variables, Place("", "acme_directory", notes), DIRECTORY)
    contact = read_variable(VARIABLES["acme_contact"], fleet.variables, Place("", "acme_contact", notes), "")
    certificates = read_certificates(fleet, notes)
    _check_key_names(fleet, certificates, notes)
    _check_files(certificates, notes)
    host_plans: Dict[str, Dict[str, Any]] = {}
    for host in fleet.hosts:
        name = key_name(host)
        host_plans[host] = {
            "directory": directory,
            "contact": contact,
            "key": {"name": name, "algorithm": ALGORITHM, "file": f"{KEY_FOLDER}/{name}.key"},
            "certificates": [_host_plan(one) for one in certificates if host in one.hosts],
        }
    return Resolution(host_plans, tuple(notes.problems))


def challenge_keys(fleet: Fleet) -> Dict[str, Dict[str, Any]]:
    """The keys that hosts need to prove their names, in the form of ``dns_keys``. Never raises.

    Each is held by one host and may change TXT at the challenge names of that host's certificates only. What cannot be
    used is left out; resolve() reports it.
    """
    wanted: Dict[str, Dict[Tuple[str, str], None]] = {}
    for certificate in read_certificates(fleet, Notes()):
        for host in certificate.hosts:
            mine = wanted.setdefault(host, {})
            mine.update({(one.zone, one.record): None for one in certificate.challenges})
    return {
        key_name(host): {
            "algorithm": ALGORITHM,
            "hosts": [host],
            "grants": [{"zone": zone[:-1], "name": record, "match": "name", "types": ["TXT"]} for zone, record in sorted(places)],
        }
        for host, places in sorted(wanted.items())
        if places
    }


def key_name(host: str) -> str:
    """The name of the key with which a host proves its names."""
    return f"acme-{_ODD.sub('-', host.lower()).strip('-')}"


def _check_files(certificates: Sequence[Certificate], notes: Notes) -> None:
    """On one host, two certificates cannot have one file."""
    owners: Dict[Tuple[str, str], str] = {}
    for certificate in certificates:
        for index, entry in enumerate(certificate.deploy["files"]):
            others = {owners.setdefault((host, entry["path"]), certificate.name) for host in certificate.hosts} - {certificate.name}
            for other in sorted(others):
                where = f"acme_certificates.{certificate.name}.deploy.files[{index}].path"
                notes.add("", where, f"{entry['path']} is a file of the certificate {other} already", "Give each certificate files of its own")


def _host_plan(certificate: Certificate) -> Dict[str, Any]:
    return {
        "name": certificate.name,
        "names": list(certificate.names),
        "key_type": certificate.key_type,
        "challenges": [_challenge(one) for one in certificate.challenges],
        "deploy": dict(certificate.deploy),
        "check": None if certificate.check is None else dict(certificate.check),
    }


def _challenge(one: Challenge) -> Dict[str, Any]:
    return {
        "name": one.name[:-1],
        "record": one.record[:-1],
        "zone": one.zone[:-1],
        "servers": list(one.servers),
        "nameservers": {name: list(addresses) for name, addresses in one.nameservers.items()},
    }


def _check_key_names(fleet: Fleet, certificates: List[Certificate], notes: Notes) -> None:
    """A derived key must not be one that the user has written, nor that of another host."""
    configured = fleet.variables.get("dns_keys")
    taken: Mapping[Any, Any] = configured if isinstance(configured, Mapping) else {}
    owners: Dict[str, str] = {}
    for host in sorted({host for certificate in certificates for host in certificate.hosts}):
        name = key_name(host)
        if name in taken:
            said = f"is the name of the key with which {host} proves the names of its certificates"
            notes.add("", f"dns_keys.{name}", said, "Choose another name")
        if owners.setdefault(name, host) != host:
            said = f"{host} and {owners[name]} would have the same key, {name}"
            notes.add("", "acme_certificates", said, "Let the inventory names of the two differ in letters or digits")
