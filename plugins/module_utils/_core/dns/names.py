# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain names as text: canonical form, and what is inside which zone.

A canonical name is absolute, in lower case, and ends in a dot. Accepted are letters, digits, hyphen, underscore, slash
(RFC 2317) and a leading wildcard label; other characters of an internationalised name are encoded with IDNA (RFC 3490).
The four characters that IDNA 2008 (RFC 5891) keeps and IDNA 2003 changes or drops (UTS 46 section 6) are refused with the
encoded forms, since a wrong guess is another domain.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Tuple

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_/-]{0,61}[a-z0-9_])?")


_DEVIATIONS = {
    "\u00df": "a sharp s (U+00DF)",
    "\u03c2": "a final sigma (U+03C2)",
    "\u200c": "a zero width non-joiner (U+200C)",
    "\u200d": "a zero width joiner (U+200D)",
}


class BadName(ValueError):
    """A text that is no usable domain name. The message completes the sentence "'x' ..."."""


def _label(text: str, first: bool) -> str:
    if first and text == "*":
        return text
    text = text.lower() if text.isascii() else _encoded(text)
    if not text:
        raise BadName("has an empty part between two dots")
    if len(text) > 63:
        raise BadName("has a part of more than 63 characters")
    if not _LABEL.fullmatch(text):
        raise BadName(f"has a part, '{text}', with characters that a name cannot have")
    return text


def _encoded(text: str) -> str:
    """The ASCII form of an internationalised label (RFC 3490 section 4.1). Raises BadName."""
    small = unicodedata.normalize("NFKC", "".join(one.lower() for one in text))
    deviating = [said for one, said in _DEVIATIONS.items() if one in small]
    try:
        encoded = text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadName(f"has a part, '{text}', that has no internationalised form") from None
    if deviating:
        new = "xn--" + small.encode("punycode").decode("ascii")
        raise BadName(
            f"has a part, '{text}', with {' and '.join(deviating)}, which old and new rules encode differently;"
            f" write '{new}' (IDNA 2008), or '{encoded}' (IDNA 2003) if that is the registered name"
        )
    if not re.fullmatch(r"[a-z0-9_-]+", encoded):
        raise BadName(f"has a part, '{text}', that has no internationalised form")
    return encoded


def canonical(text: Any) -> str:
    """The absolute form of a whole name, with or without its final dot. The root is not accepted. Raises BadName."""
    if not isinstance(text, str):
        raise BadName("is not a text; put it in quotes")
    body = text[:-1] if text.endswith(".") else text
    if not body:
        raise BadName("is empty")
    name = ".".join(_label(part, index == 0) for index, part in enumerate(body.split("."))) + "."
    if len(name) > 254:
        raise BadName("is longer than 253 characters")
    return name


def within(name: str, zone: str) -> bool:
    """Whether a canonical name is the zone's own or below it."""
    return name == zone or name.endswith("." + zone)


def qualify(text: Any, zone: str) -> str:
    """The canonical name of a record in a zone, given as people write it.

    An empty text or ``@`` is the zone itself; a final dot, or an ending in the zone's own name, marks a whole name;
    anything else is relative to the zone. Raises BadName, also for a whole name outside the zone.
    """
    if text in ("", "@"):
        return zone
    if not isinstance(text, str):
        raise BadName("is not a text; put it in quotes")
    whole = canonical(text)
    if within(whole, zone):
        return whole
    if text.endswith("."):
        raise BadName(f"is outside the zone {zone[:-1]}")
    return canonical(f"{text}.{zone}")


def target(text: Any, zone: str) -> str:
    """The canonical name that a value such as a CNAME's points to.

    Like qualify(), but may lie outside the zone, and then must end in a dot: 'www.example.com' could mean that name
    or 'www.example.com.<zone>', and a wrong guess is found by users, not by us. Raises BadName.
    """
    if text == "@":
        return zone
    whole = canonical(text)
    if str(text).endswith(".") or within(whole, zone):
        return whole
    if whole.count(".") > 1:
        raise BadName(f"could be meant as '{whole}' or as '{whole}{zone}'; write the one you mean, with its final dot")
    return canonical(f"{text}.{zone}")


def relative(name: str, zone: str) -> str:
    """The part of a canonical name before its zone; ``@`` for the zone itself."""
    return "@" if name == zone else name[: -len(zone) - 1]


def parents(name: str, zone: str) -> Tuple[str, ...]:
    """The names above a canonical name up to and including its zone, nearest first."""
    found = []
    while name != zone and "." in name[:-1]:
        name = name.split(".", 1)[1]
        found.append(name)
    return tuple(found)
