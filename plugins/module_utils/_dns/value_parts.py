# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of values with a grammar of their own: places of LOC (RFC 1876), and parameters of SVCB and HTTPS (RFC 9460)."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import List, Sequence

from .record_types import BadValue

PARAMETERS = ("mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp")
_KEY = re.compile(r"key(0|[1-9][0-9]{0,4})", re.ASCII)
_RESERVED = 65535  # RFC 9460 section 14.3.2
_ANGLE = r"([0-9]{1,3})(?: ([0-9]{1,2})(?: ([0-9]{1,2}(?:\.[0-9]{1,3})?))?)?"
_POSITION = re.compile(rf"{_ANGLE} ([NS]) {_ANGLE} ([EW])(?: (.+))?", re.ASCII | re.IGNORECASE)
_METERS = re.compile(r"(-?[0-9]{1,8}(?:\.[0-9]{1,2})?)m?", re.ASCII | re.IGNORECASE)
_LOC = "'d1 [m1 [s1]] N|S d2 [m2 [s2]] E|W altitude [size [horizontal precision [vertical precision]]]' (RFC 1876)"
_EXAMPLE = "Write for example 52 22 23.000 N 4 53 32.000 E -2.00m"


def position(tokens: Sequence[str], field: str, zone: str) -> str:
    """The place of a LOC as it is written, checked. The altitude has to be there (RFC 1876 section 3). Raises BadValue."""
    found = _POSITION.fullmatch(" ".join(tokens))
    if not found:
        raise BadValue(f"is not of the form {_LOC}. {_EXAMPLE}")
    for first, most, what in ((1, 90, "latitude"), (5, 180, "longitude")):
        degrees, minutes, seconds = (float(found[first + place] or 0) for place in range(3))
        if minutes >= 60 or seconds >= 60 or degrees + minutes / 60 + seconds / 3600 > most:
            raise BadValue(f"has a {what} that is not from 0 to {most} degrees, with minutes and seconds below 60. {_EXAMPLE}")
    lengths = (found[9] or "").split()
    if not lengths:
        raise BadValue(f"has no altitude, which a LOC needs (RFC 1876 section 3). {_EXAMPLE}")
    for index, text in enumerate(lengths):
        least, highest = (-100000.0, 42849672.95) if index == 0 else (0.0, 90000000.0)
        meters = _METERS.fullmatch(text)
        if not meters or not least <= float(meters[1]) <= highest or index > 3:
            raise BadValue(f"has '{text}' where a length from {least:.0f} to {highest:.0f} meters is expected. {_EXAMPLE}")
    return " ".join(token.upper() if len(token) == 1 and token.isalpha() else token for token in tokens)


def parameters(tokens: Sequence[str]) -> List[str]:
    """The parameters as they are written, with the keys in lower case. Raises BadValue for a key that nobody knows, or that is there twice."""
    seen = set()
    done = []
    for token in tokens:
        written, equals, value = token.partition("=")
        key = written.lower()
        number = _KEY.fullmatch(key)
        if (not number or int(number[1]) >= _RESERVED) and key not in PARAMETERS:
            close = get_close_matches(key, PARAMETERS, 1)
            hint = f"did you mean {close[0]}? Known are" if close else "known are"
            raise BadValue(f"has the parameter '{written}', which is not registered (RFC 9460); {hint} {', '.join(PARAMETERS)} and key<number>")
        if key in seen:
            raise BadValue(f"has the parameter '{key}' twice")
        seen.add(key)
        done.append(f"{key}{equals}{value}")
    return done
