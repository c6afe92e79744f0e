# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone's SOA record (RFC 1035 section 3.3.13): what the inventory says about it, and what is left as the zone has it.

Times are whole seconds. What the inventory says is enforced; what it does not say has a default when the zone is created, and is
left alone from then on, since somebody may have changed it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .._fleet.fields import optional, parsed, read, table_of, whole
from .._fleet.places import Place, Values
from .._fleet.values import Notes
from . import names
from .host_names import is_host
from .values import TTL_MAX

FIELDS = ("mname", "rname", "refresh", "retry", "expire", "minimum", "ttl")
TIMERS = {"refresh": 3600, "retry": 120, "expire": 1209600}
"""A secondary that missed its primary's NOTIFY because that was down retries after ``retry``; few secondaries ask, so it may be short."""
LONGEST_NEGATIVE = 86400  # RFC 2308 section 5: longer ones have been found to be problematic
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)  # RFC 5322 dot-atom


@dataclass(frozen=True)
class Soa:
    """The fields that the inventory says something about, by their names in FIELDS."""

    written: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self, zone: str, ttl: int, mname: str) -> Dict[str, Any]:
        """The SOA of a zone that is created, and as ``keep`` the fields that a zone which exists keeps."""
        defaults = {"rname": default_contact(zone, mname), **TIMERS, "minimum": min(ttl, 300), "ttl": ttl}
        return {
            "mname": mname,
            **defaults,
            **self.written,
            "keep": [one for one in defaults if one not in self.written],
        }


def default_contact(zone: str, mname: str) -> str:
    """The RNAME of a zone without a contact.

    Where the zone's name cannot be that of a host (RFC 2317), and so not follow an @, it is in the domain of ``mname``.
    """
    return f"hostmaster.{zone if is_host(zone) else '.'.join(names.split(mname)[1:])}"


def check_contact(soa: Soa, zone: str, mname: str, place: Place) -> None:
    """Notes a default contact that is longer than a name can be (RFC 1035 section 2.3.4)."""
    try:
        names.canonical(soa.written.get("rname") or default_contact(zone, mname))
    except names.BadName as error:
        message = f"is not given, and the default, {default_contact(zone, mname)[:-1]}, {error}"
        place.key("contact").refuse(message, "Write a shorter mail address, such as hostmaster@example.net")


def mailbox(address: Any) -> str:
    """The RNAME of a mail address: the part before the @ is one label, its dots escaped (RFC 1035 section 8). Raises BadName."""
    local, _at, domain = address.rpartition("@") if isinstance(address, str) else ("", "", "")
    if not local or not domain:
        raise names.BadName("is not a mail address")
    if not _LOCAL.fullmatch(local):
        raise names.BadName("has characters before the @ that need quotes, or a dot that is not between two of them")
    if len(local) > names.LABEL_OCTETS:
        raise names.BadName(f"has more than {names.LABEL_OCTETS} characters before the @, which is one label of a name")
    labels = names.split(names.plain(domain))[:-1]
    if not is_host(names.plain(domain)):
        raise names.BadName("has a part after the @ with other characters than letters, digits and hyphens")
    return names.canonical(names.from_wire([local.encode(), *(label.encode() for label in labels)]))


def address(rname: str) -> str:
    """The mail address that an RNAME stands for; empty where ``mailbox`` would not give the RNAME back."""
    first, *rest = names.split(rname)
    found = f"{names.unescaped(first).decode('latin-1')}@{'.'.join(rest[:-1])}"
    try:
        return found if mailbox(found) == rname else ""
    except names.BadName:
        return ""


def as_written(presented: str, ttl: int, zone_ttl: int) -> Tuple[Dict[str, Any], List[str]]:
    """The option ``soa`` of a zone with this SOA record, without what the option cannot say, and why it cannot.

    ``presented`` is the record's value and ``ttl`` its own; ``zone_ttl`` is the zone's option ``ttl``.
    """
    _mname, rname, _serial, *timers = presented.split()
    options: Dict[str, Any] = {**dict(zip((*TIMERS, "negative_ttl"), map(int, timers))), "contact": address(rname), "ttl": ttl}
    kept: Dict[str, Any] = {}
    reasons: List[str] = []
    for group in (("contact",), tuple(TIMERS), ("ttl",), ("negative_ttl",)):
        chosen = {option: options[option] for option in group}
        wrong = _troubles({**kept, **chosen}, zone_ttl)
        if wrong:
            reason = f"{rname} is not the name of a mail address" if "contact" in group else wrong[0]
            reasons.append(f"{', '.join(group)}: {reason}")
        else:
            kept.update(chosen)
    return kept, reasons


OPTIONS = {
    "contact": optional(parsed(mailbox, names.BadName, "Write the address of who looks after the zone, such as hostmaster@example.net")),
    **{timer: optional(whole(1, TTL_MAX, "seconds", seconds)) for timer, seconds in TIMERS.items()},
    "negative_ttl": optional(whole(0, LONGEST_NEGATIVE, "seconds (RFC 2308)", 300)),
    "ttl": optional(whole(0, TTL_MAX, "seconds", 300)),
}
SOA = table_of(OPTIONS, "an SOA record", "{contact: hostmaster@example.net, negative_ttl: 300}")


def _troubles(options: Mapping[str, Any], zone_ttl: int) -> List[str]:
    """What is noted about these options."""
    notes = Notes()
    read_soa(read(SOA, options, Place("", "soa", notes)), zone_ttl, True)
    return [problem.message for problem in notes.problems]


def read_soa(given: Optional[Values], ttl: int, ttl_written: bool) -> Soa:
    """What ``dns_zones.ZONE.soa`` says, in a zone with this ``ttl``; notes what does not fit together.

    A ``ttl`` of the zone that is written is the SOA's too, and limits its negative TTL to the shorter of it and five minutes.
    """
    written: Dict[str, Any] = {"ttl": ttl, "minimum": min(ttl, 300)} if ttl_written else {}
    if given is None:
        return Soa(written)
    written.update({_FIELDS.get(option, option): value for option, value in given.items() if value is not None})
    _check_negative(given, written, ttl)
    for option, message, remedy in timer_problems({**TIMERS, **written}):
        if written.keys() & set(TIMERS):
            given.at(option).refuse(message, remedy)
    return Soa(written)


_FIELDS = {"contact": "rname", "negative_ttl": "minimum"}


def _check_negative(given: Values, written: Dict[str, Any], ttl: int) -> None:
    """Resolvers take the shorter of the SOA's TTL and its last field (RFC 2308 section 5), so the TTL must not be the shorter one."""
    if "negative_ttl" not in given.written or "minimum" not in written:
        return
    negative = written["minimum"]
    if "ttl" not in given.written:
        written["ttl"] = max(ttl, negative)
    elif written.get("ttl", negative) < negative:
        message = f"expected at least negative_ttl, {negative}, got {written['ttl']}: resolvers take the shorter of the two"
        given.at("ttl").refuse(message, "Leave it out, or write both alike")


def timer_problems(soa: Mapping[str, Any]) -> List[Tuple[str, str, str]]:
    """What is wrong with timers that are numbers, as option, message and remedy."""
    refresh, retry, expire = (int(soa[one]) for one in TIMERS)
    found = []
    if retry >= refresh:
        found.append(("retry", f"expected less than refresh, {refresh}, got {retry}", "Write for example refresh: 3600 and retry: 120"))
    if expire <= refresh + retry:
        message = f"expected more than refresh and retry together, {refresh + retry}, got {expire}: secondaries would give up a zone before they ask"
        found.append(("expire", message, f"Write for example {TIMERS['expire']}"))
    return found
