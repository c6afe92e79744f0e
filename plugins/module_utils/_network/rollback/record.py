# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard of a change writes down for those who ask later, and reads back.

Going back needs none of it: the scripts beside it do that alone. So whatever a power cut or another version left in these
files, what cannot be read means only that the change cannot be confirmed.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, FrozenSet, Iterable, Mapping, Sequence, Tuple

from ..._shared.limits import BadText, Entry, excerpt, load_json
from ..model import Desired
from ..serialization import BadDesired, from_data

_ID = re.compile(r"[0-9a-f]{12}")
_LONGEST = 1e10  # seconds, more than 300 years


@dataclass(frozen=True)
class Known:
    """What is known of a change. ``token`` is the digest of its token, ``ends`` the uptime in seconds at which its time is up."""

    holder: str = "somebody"
    token: str = ""
    boot_id: str = ""
    ends: float = 0.0
    steps: Tuple[str, ...] = ()


def is_id(name: str) -> bool:
    """Whether it is the name of a change, and so of its folder."""
    return _ID.fullmatch(name) is not None


def write_known(known: Known) -> str:
    return json.dumps(asdict(known), indent=1)


def read_known(text: str, what: str) -> Known:
    """The inverse of ``write_known``; what another version wrote besides is ignored. Raises BadText."""
    entry = Entry(load_json(text, what), what)
    ends = entry.number("ends", 0, _LONGEST)
    return Known(entry.text("holder", "somebody"), entry.text("token"), entry.text("boot_id"), ends, tuple(entry.texts("steps")))


def write_late(late: Sequence[Tuple[str, str]]) -> str:
    return json.dumps(list(late))


def read_late(text: str, what: str) -> Tuple[Tuple[str, str], ...]:
    """Addresses, each with its interface. Raises BadText."""
    value = load_json(text, what)
    if not isinstance(value, list):
        raise BadText(f"{what}: expected a list, got {excerpt(value)}")
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise BadText(f"{what}: expected an address and its interface, got {excerpt(pair)}")
    return tuple((address, interface) for address, interface in value)


def write_known_addresses(known: Iterable[str]) -> str:
    return json.dumps(sorted(known))


def read_known_addresses(text: str, what: str) -> FrozenSet[str]:
    """Raises BadText."""
    value = load_json(text, what)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadText(f"{what}: expected a list of addresses, got {excerpt(value)}")
    return frozenset(value)


def write_desired(data: Mapping[str, Any]) -> str:
    return json.dumps(data)


def read_desired(text: str, what: str) -> Desired:
    """The network that the change is to lead to. Raises BadText."""
    try:
        return from_data(load_json(text, what))
    except BadDesired as error:
        raise BadText(f"{what}: {error}") from None
