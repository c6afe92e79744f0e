# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MACs as the files of programs have them."""

from __future__ import annotations

import re

_OCTETS = re.compile(r"[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}")
_DOTTED = re.compile(r"[0-9a-f]{4}(\.[0-9a-f]{4}){2}")
_DECIMAL = re.compile(r"[0-9]{1,3}(;[0-9]{1,3}){5};?")


def mac_of(text: str) -> str:
    """The MAC with colons and in small letters; empty for what is none.

    NetworkManager takes octets of one digit, hyphens, and decimal octets with semicolons (its old keyfiles); systemd also groups
    with dots (systemd.network(5)).
    """
    short = text.strip().lower() if len(text) <= 64 else ""
    if _OCTETS.fullmatch(short):
        return ":".join(part.zfill(2) for part in re.split("[:-]", short))
    if _DOTTED.fullmatch(short):
        digits = short.replace(".", "")
        return ":".join(digits[index : index + 2] for index in range(0, 12, 2))
    octets = [int(part) for part in short.rstrip(";").split(";")] if _DECIMAL.fullmatch(short) else [256]
    return ":".join(f"{octet:02x}" for octet in octets) if max(octets) < 256 else ""
