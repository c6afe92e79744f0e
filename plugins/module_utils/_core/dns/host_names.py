# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a zone has to have names of hosts (RFC 952, RFC 1123 section 2.1) for BIND to load it as its primary.

These are the rules of BIND's ``check-names``, whose default for a primary is to fail, and the one for wildcards of NS.
"""

from __future__ import annotations

import re
from typing import Sequence

from . import names

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_OWNERS = ("A", "AAAA", "MX", "WKS")
_DIRECTORY = ("gc", "_msdcs")  # of Active Directory: addresses may stand there
_DIRECTORY_TYPES = ("A", "AAAA")
_TARGETS = {"NS": 0, "MX": 1, "AFSDB": 1, "RT": 1, "SRV": 3, "SVCB": 1, "HTTPS": 1, "PTR": 0}
"""By type, which field of a value names a host. In SVCB and HTTPS with priority 0, an alias, it need not."""
_MAILBOXES = ("RP",)
_REVERSE = ("in-addr.arpa.", "ip6.arpa.")  # where PTR records name hosts
_BROWSING = re.compile(r"(b|db|r|dr|lb)\._dns-sd\._udp\.")  # RFC 6763 section 11: these name domains


def is_host(name: str, wildcard: bool = False) -> bool:
    """Whether a canonical name can be that of a host; with ``wildcard``, its first label may be a star."""
    labels = names.split(name)[:-1] if name != "." else []
    if wildcard and labels[:1] == ["*"]:
        labels = labels[1:]
    return all(_LABEL.fullmatch(label) for label in labels)


def is_mailbox(name: str) -> bool:
    """Whether a canonical name can be an RNAME: a first label of printable characters, and a host name."""
    if name == ".":
        return True
    first, *rest = names.split(name)
    return all(0x20 < octet < 0x7F for octet in names.unescaped(first)) and is_host(".".join(rest) or ".")


def owner_trouble(name: str, kind: str) -> str:
    """Why BIND loads no zone with a record set of this type at that canonical name; empty when it does."""
    if kind == "NS" and name.startswith("*."):
        return "is a wildcard, and no zone can be delegated from one: BIND does not load the zone"
    if kind not in _OWNERS:
        return ""
    labels = names.split(name)
    if kind in _DIRECTORY_TYPES and tuple(labels[:2]) == _DIRECTORY:
        name = ".".join(labels[2:])
    if is_host(name, wildcard=True):
        return ""
    return f"is not the name of a host, and {kind} records belong to hosts: BIND does not load the zone"


def value_trouble(owner: str, kind: str, presented: str) -> str:
    """Why BIND loads no zone with this value, whose names are absolute, at that canonical name; empty when it does."""
    fields = presented.split()
    if fields[:1] == ["\\#"]:
        return ""
    if kind in _MAILBOXES:
        wrong = not is_mailbox(names.from_presentation(fields[0]))
        return f"has {fields[0]}, which is not the name of a mailbox: BIND does not load the zone" if wrong else ""
    if kind not in _TARGETS or not _names_a_host(owner, kind, fields):
        return ""
    target = fields[_TARGETS[kind]]
    if target == "." or is_host(names.from_presentation(target)):
        return ""
    return f"has {target}, and {kind} records lead to names of hosts: BIND does not load the zone"


def _names_a_host(owner: str, kind: str, fields: Sequence[str]) -> bool:
    if kind in ("SVCB", "HTTPS"):
        return int(fields[0]) != 0
    if kind == "PTR":
        return any(names.within(owner, zone) for zone in _REVERSE) and not _BROWSING.match(owner)
    return True
