# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values: one value is one or more strings of at most 255 bytes (RFC 1035 section 3.3.14).

What is in zones is compared string by string: ``"a" "b"`` and ``"ab"`` are two values. To some readers they are the
same (SPF, RFC 7208 section 3.3; DKIM, RFC 6376 section 3.6.2.2), to others not (DNS-SD, RFC 6763 section 6.1), and what
is only copied must not change.

What people write is either *plain text*, which means the text however it is split, or a list of strings, which means
exactly these. So plain text is compared with the joined strings of what a zone holds: fitted() answers which value of
the zone it stands for. A string that is longer than 255 bytes is written as strings of 255 bytes and the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple, Union

from .model import RRset
from .record_types import BadValue

STRING_BYTES = 255
MAX_BYTES = 60000  # of all strings; a DNS message has at most 65535 (RFC 1035 section 4.2.2)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_QUOTED_TWICE = re.compile(r'\s*"\s*[A-Za-z0-9_.-]{1,63}=.*"\s*', re.DOTALL)
_CHARACTER = re.compile(r"\\([0-9]{3})|\\(.)|([^\\])", re.DOTALL)


def write(value: Any) -> str:
    """The presentation form of a value as people write it: plain text, or a list of strings. Raises BadValue."""
    if isinstance(value, str) and is_quoted_twice(value):
        raise BadValue("is in quotes inside of quotes, so the record's text would have them; leave the inner ones out, or write [...] around it to keep them")
    texts = value if isinstance(value, list) else [value]
    if not texts:
        raise BadValue("is an empty list; write at least one string")
    if not all(isinstance(text, str) for text in texts):
        raise BadValue("is not a text; put it in quotes")
    try:
        data = [text.encode("utf-8", "surrogateescape") for text in texts]
    except UnicodeError:
        raise BadValue("has characters that are half of a surrogate pair") from None
    if sum(len(part) for part in data) > MAX_BYTES:
        raise BadValue("is longer than a DNS message can carry")
    return " ".join(quoted(part) for text in data for part in _pieces(text))


def read(presentation: str) -> Union[str, List[str]]:
    """The value of a presentation form as people write it; bytes that are not UTF-8 as ``\\xNN``.

    It is plain text, unless it has several strings that write() would not make of one, or quotes that write() takes for a mistake.
    """
    texts: List[bytearray] = []
    full = False
    for part in strings(presentation):
        if full and part:
            texts[-1] += part
        else:
            texts.append(bytearray(part))
        full = len(part) == STRING_BYTES
    decoded = [text.decode("utf-8", "backslashreplace") for text in texts]
    return decoded[0] if len(decoded) == 1 and not is_quoted_twice(decoded[0]) else decoded


def is_quoted_twice(text: str) -> bool:
    """Whether a text such as ``"v=spf1 -all"`` has the quotes of a zone file that its reader would take for a part of it."""
    return bool(_QUOTED_TWICE.fullmatch(text))


def read_all(values: Iterable[str], exact: bool = False) -> List[Union[str, List[str]]]:
    """The values of a set in a stable order. With ``exact``, one that has the text of another one is a list."""
    ordered = sorted(values)
    texts = [joined(value) for value in ordered]
    count = Counter(texts)
    return [[value] if exact and isinstance(value, str) and count[text] > 1 else value for value, text in zip([read(value) for value in ordered], texts)]


def strings(presentation: str) -> Tuple[bytes, ...]:
    """The strings of a presentation form."""
    return tuple(_unescape(part) for part in _STRING.findall(presentation))


def joined(presentation: str) -> bytes:
    """The text of a presentation form, however it is split."""
    return b"".join(strings(presentation))


def is_same(left: Tuple[str, bool], right: Tuple[str, bool]) -> bool:
    """Whether two values are the same, each in presentation form, and whether it is plain text.

    For what zones hold, which is not plain text, this is an equivalence relation; and it never matters to it in which of
    several splits a zone holds a text that is written as plain text.
    """
    return left[0] == right[0] or ((left[1] or right[1]) and joined(left[0]) == joined(right[0]))


def repeated(written: Sequence[Tuple[str, bool]]) -> Dict[int, int]:
    """Of the values of one set, the places of those that are the same as an earlier one, with the place of that one."""
    by_text: Dict[bytes, List[int]] = {}
    places = {}
    for place, value in enumerate(written):
        alike = by_text.setdefault(joined(value[0]), [])
        earlier = next((other for other in alike if is_same(written[other], value)), None)
        if earlier is not None:
            places[place] = earlier
        alike.append(place)
    return places


def fitted(written: RRset, held: Optional[RRset]) -> RRset:
    """A set as written, with each plain text in the strings in which ``held`` has it.

    So two sets have the same values when ``fitted(written, held).values == held.values``, for any type. A text that is
    held in several ways stands for the one that is written alike, or else for the first in order.
    """
    if not written.texts or held is None:
        return written
    by_text: Dict[bytes, List[str]] = {}
    for value in sorted(held.values):
        by_text.setdefault(joined(value), []).append(value)
    fitting = {}
    for value in written.texts:
        candidates = by_text.get(joined(value), [value])
        fitting[value] = value if value in candidates else candidates[0]
    values = frozenset(fitting.get(value, value) for value in written.values)
    return replace(written, values=values, texts=frozenset(fitting.values()))


def held_as(value: str, held: FrozenSet[str], plain: bool) -> FrozenSet[str]:
    """Which of the held values one that is written is; several when it is ``plain`` text that is held in several ways."""
    return frozenset(candidate for candidate in held if is_same((value, plain), (candidate, False)))


def _pieces(data: bytes) -> List[bytes]:
    return [data[start : start + STRING_BYTES] for start in range(0, len(data), STRING_BYTES)] or [b""]


def quoted(part: bytes) -> str:
    """Octets as a character string in quotes (RFC 1035 section 5.1)."""
    return '"' + "".join(_escape(byte) for byte in part) + '"'


def _escape(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"


def _unescape(text: str) -> bytes:
    data = bytearray()
    for digits, escaped, plain in _CHARACTER.findall(text):
        data.extend(bytes([int(digits) & 255]) if digits else (escaped or plain).encode("utf-8", "surrogateescape"))
    return bytes(data)
