# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a source that were not taken over, or not as the source has them, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ..._shared.quoting import visible

EXPECTED = "expected"  # each server has its own: the SOA, the apex NS, what is made for DNSSEC
LOST = "lost"
PROXIED = "proxied"  # taken over, but the old servers answer by a proxy of the provider
VARIES = "varies"  # taken over, but the old servers answer clients differently
NOTE = "note"  # taken over, and worth a line
KINDS = (EXPECTED, LOST, PROXIED, VARIES, NOTE)

LONGEST = 2000
"""Characters of a reason. The longest name has 1,016 of them, each octet escaped."""

BY_PROXY = "is answered by the provider's proxy; the value here is the one behind it"
BY_ADDRESSES = "is answered as the addresses that it leads to; the value here is the name"
BY_ROUTING = "is one of several that the provider chooses from for each client; all of them are taken over as one set"
BY_ROUTING_ONE = "is one of several that the provider chooses from for each client, and there can be one; the first is taken over"
_NO_TYPE = "is no type of DNS but one of the provider's own; write what it stands for"
_OBSOLETE = {"SPF": "is of a type that is not used any more; write it as TXT (RFC 7208)"}


@dataclass(frozen=True)
class LeftOut:
    """A record set that was not taken over. ``record`` is relative to the zone, or absolute outside of it.

    It is for people: whatever was in the file, it prints on one line, and of a long text only the beginning and the end.
    """

    record: str
    type: str
    reason: str
    kind: str = LOST

    def __post_init__(self) -> None:
        for name in ("record", "type", "reason"):
            object.__setattr__(self, name, _shortened(visible(getattr(self, name))))


def _shortened(text: str) -> str:
    """A value may have 65,535 octets. The end says what is wrong with it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def not_written(kind: str) -> str:
    """Why a set of this type cannot be taken over."""
    return _OBSOLETE.get(kind, _NO_TYPE)


def is_obsolete(kind: str) -> bool:
    """Whether DNS has the type, and no server should be given it."""
    return kind in _OBSOLETE
