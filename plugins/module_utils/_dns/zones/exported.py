# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone as its server holds it, as the text of a zone file (RFC 1035 section 5) and as an entry of ``dns_zones``.

Invariants, each with a property test over all types: the zone file, read again, is the same zone; the entry, read as an
inventory is read, gives the same record sets, and every other set is named with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ..._shared.quoting import visible, yaml_text
from .. import names
from ..migration.imported import Canonical, Imported, Written, render_variables, take, variable_name
from ..migration.zone_file import LeftOut
from ..model import RRset, ZoneContents
from ..record_types import SERVER_OWNED, TYPES
from ..soa import as_written

_HOSTS = "hosts: false  # their addresses are among the records"
MARK = "; Exported by smallfleet.infra.dns_zone_export"
_NEWER = frozenset(("DSYNC", "RESINFO", "WALLET"))  # than BIND 9.18, which is to read the file
_NAMESERVERS = "is made from primary, secondaries and external_secondaries; with nameservers: true it is taken over"
_DNSSEC = LeftOut("@", "DNSKEY", "is made by the server that signs the zone, as are all signatures")

Generic = Callable[[str, str], str]  # type and presentation form -> the form of RFC 3597


@dataclass(frozen=True)
class Exported:
    """``variables`` defines the variable ``name`` with the options of a zone; ``left_out`` is what it does not have."""

    zone_file: str
    variables: str
    name: str
    found: Imported
    left_out: Tuple[LeftOut, ...]


def export(contents: ZoneContents, canonical: Canonical, generic: Generic, nameservers: bool = False) -> Exported:
    """Both forms of a zone. ``nameservers`` takes the zone's own NS set into the entry too."""
    zone = contents.zone
    taken = take(zone, contents.sets.values(), canonical, nameservers)
    left = [replace(one, reason=_NAMESERVERS) if (one.record, one.type) == ("@", "NS") else one for one in taken.left_out]
    if contents.signed:
        left.insert(0, _DNSSEC)
    options, reasons = as_written(contents.soa.spelled[0], contents.soa.ttl, contents.soa.ttl)
    left += [LeftOut("@", "SOA", f"is not whole: {reason}") for reason in reasons]
    found = replace(taken, ttl=contents.soa.ttl, left_out=tuple(left))  # which the role gives the SOA
    written = Written("exported", "export", (_HOSTS, f"soa: {_soa(options)}"))
    variables = render_variables(zone, found, written=written)
    return Exported(render_zone_file(contents, generic), variables, variable_name(zone, written.prefix), found, tuple(left))


def _soa(options: Mapping[str, Any]) -> str:
    shown = (f"{option}: {value if isinstance(value, int) else yaml_text(value)}" for option, value in options.items())
    return f"{{{', '.join(shown)}}}"


def render_zone_file(contents: ZoneContents, generic: Generic) -> str:
    """All of a zone but what its server makes for DNSSEC, the zone's own name first, then by name from the right."""
    zone = contents.zone
    sets = sorted(contents.sets.values(), key=_order(zone))
    ttl = _usual_ttl([contents.soa, *sets])
    unsigned = " What the server makes for DNSSEC is left out." if contents.signed else ""
    lines = [
        f"{MARK}: {visible(zone[:-1])}, serial {contents.serial}.{unsigned}",
        f"$ORIGIN {zone}",
        f"$TTL {ttl}",
        *_lines(contents.soa, zone, ttl, generic),
    ]
    for one in sets:
        lines.extend(_lines(one, zone, ttl, generic))
    return "".join(f"{line}\n" for line in lines)


def is_exported(text: str) -> bool:
    """Whether a file is a zone file that was written here, and so holds nothing but public records."""
    return text.startswith(MARK)


def _usual_ttl(sets: Sequence[RRset]) -> int:
    """The TTL that most sets have; of several, the lowest."""
    counted: Dict[int, int] = {}
    for one in sets:
        counted[one.ttl] = counted.get(one.ttl, 0) + 1
    return max(counted, key=lambda ttl: (counted[ttl], -ttl))


def _order(zone: str) -> Callable[[RRset], Any]:
    """Names below each other stay together; the zone's own NS set comes first."""
    return lambda one: (one.name != zone, one.name.split(".")[::-1], one.type != "NS", one.type)


def _lines(one: RRset, zone: str, usual: int, generic: Generic) -> List[str]:
    owner = names.relative(one.name, zone)
    ttl = "" if one.ttl == usual else f"{one.ttl} "
    kind, values = one.type, list(one.spelled)
    if kind in TYPES and (kind in _NEWER or not TYPES[kind].fields and kind not in SERVER_OWNED):
        kind, values = f"TYPE{TYPES[kind].number}", [generic(one.type, value) for value in values]
    return [f"{owner} {ttl}IN {kind} {value}".rstrip() for value in values]
