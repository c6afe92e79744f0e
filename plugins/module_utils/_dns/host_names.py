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
_ADDRESSES = {
    "in-addr.arpa.": (re.compile(r"0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]", re.ASCII), 4, "a number from 0 to 255 without leading zeros"),
    "ip6.arpa.": (re.compile(r"[0-9a-f]"), 32, "one hexadecimal digit"),
}
_PART = re.compile(r"[0-9]{1,3}[/-][0-9]{1,3}", re.ASCII)  # RFC 2317
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


def pointer_trouble(owner: str, kind: str, zone: str) -> str:
    """Why nobody asks for a PTR record at that canonical name of a reverse zone; empty where somebody may.

    Of the zone's own name only the octets count, since RFC 2317 leaves to who delegates what a part of them is called.
    """
    family = next((tree for tree in _REVERSE if names.within(owner, tree)), "")
    labels = names.split(names.relative(owner, zone)) if owner != zone else []
    if kind != "PTR" or not family or any(label == "*" or label.startswith("_") for label in labels):
        return ""
    form, most, what = _ADDRESSES[family]
    wrong = [label for label in labels if not form.fullmatch(label) and not (most == 4 and _PART.fullmatch(label))]
    if wrong:
        return f"is not the name of an address: '{wrong[0]}' is not {what}"
    digits = sum(bool(form.fullmatch(label)) for label in names.split(owner[: -len(family)]))
    if digits > most or (most == 32 and digits < most):
        return f"is not the name of an address: it has {digits} of {most} parts, each {what}"
    return ""


def value_trouble(owner: str, kind: str, presented: str) -> str:
    """Why BIND loads no zone with this value, whose names are absolute, at that canonical name; empty when it does."""
    fields = presented.split()
    if fields[:1] == ["\\#"]:
        return ""
    if kind in _MAILBOXES:
        wrong = not is_mailbox(names.from_presentation(fields[0]))
        return f"has {fields[0]}, which is not the name of a mailbox: BIND does not load the zone" if wrong else ""
    if kind in (*_TARGETS, "CNAME", "DNAME") and re.fullmatch(r"([0-9]+\.)+", fields[_TARGETS.get(kind, 0)]):
        return f"has {fields[_TARGETS.get(kind, 0)]}, which is an address, and {kind} records lead to names"
    if kind not in _TARGETS or not _names_a_host(owner, kind, fields):
        return ""
    target = fields[_TARGETS[kind]]
    if kind == "PTR" and any(names.within(names.from_presentation(target), tree) for tree in _REVERSE):
        return f"has {target}, which is the name of an address, and not that of a host"
    if target == "." or is_host(names.from_presentation(target)):
        return ""
    return f"has {target}, and {kind} records lead to names of hosts: BIND does not load the zone"


def _names_a_host(owner: str, kind: str, fields: Sequence[str]) -> bool:
    if kind in ("SVCB", "HTTPS"):
        return int(fields[0]) != 0
    if kind == "PTR":
        return any(names.within(owner, zone) for zone in _REVERSE) and not _BROWSING.match(owner)
    return True
