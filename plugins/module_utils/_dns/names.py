# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain names as text: canonical form, and what is inside which zone.

A canonical name is absolute, in lower case, and ends in a dot. Accepted are letters, digits, hyphen, underscore, slash
(RFC 2317) and a leading wildcard label; other characters of an internationalised name are encoded with IDNA (RFC 3490).
The four characters that IDNA 2008 (RFC 5891) keeps and IDNA 2003 changes or drops (UTS 46 section 6) are refused with the
encoded forms, since a wrong guess is another domain.

Every other octet has to be escaped (RFC 1035 section 5.1): ``\\.`` is a dot inside a label, ``\\032`` a blank. A canonical name
escapes nothing that could do without, and everything that could not, so that reading it gives the same name again.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Iterable, List, Tuple

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_/-]{0,61}[a-z0-9_])?")
_CHARACTER = re.compile(r"\\[0-9]{3}|\\[^0-9]|[^\\]", re.DOTALL | re.ASCII)
LABEL_OCTETS, NAME_OCTETS = 63, 255  # RFC 1035 section 2.3.4

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
    if not text:
        raise BadName("has an empty part between two dots")
    if "\\" in text:
        return _presented(unescaped(text), first)
    text = text.lower() if text.isascii() else _encoded(text)
    if len(text) > LABEL_OCTETS:
        raise BadName("has a part of more than 63 characters")
    if not _LABEL.fullmatch(text):
        raise BadName(f"has a part, '{text}', with characters that a name cannot have unless they are escaped, a blank as \\032")
    return text


def unescaped(text: str) -> bytes:
    """The octets of a label with escapes in it."""
    octets = bytearray()
    for one in _CHARACTER.findall(text):
        if one.startswith("\\") and len(one) == 4:
            if int(one[1:]) > 255:
                raise BadName(f"has a part, '{text}', with {one}; an escape is at most \\255")
            octets.append(int(one[1:]))
        elif "!" <= one[-1] <= "~" or one == "\\ ":
            octets.append(ord(one[-1]))
        else:
            raise BadName(f"has a part, '{text}', with escapes and {one!r}; escape every octet, a blank as \\032")
    if len(octets) > LABEL_OCTETS:
        raise BadName("has a part of more than 63 characters")
    return bytes(octets)


def _presented(label: bytes, first: bool) -> str:
    """The canonical text of a label: escaped where reading it would refuse or change the octet."""
    text = label.lower().decode("latin-1")
    if _LABEL.fullmatch(text) or (first and text == "*"):
        return text
    return "".join(_octet(one, 0 < place < len(text) - 1) for place, one in enumerate(text))


def _octet(one: str, inside: bool) -> str:
    if re.fullmatch("[a-z0-9_]", one) or (inside and one in "-/"):
        return one
    return f"\\{one}" if "!" <= one <= "~" else f"\\{ord(one):03d}"


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


def split(text: str) -> List[str]:
    """The labels of a name, each as it is written there; the last one is empty when a dot is at the end. Raises BadName."""
    if "\\" not in text:
        return text.split(".")
    if _CHARACTER.sub("", text):
        raise BadName("has a backslash that escapes nothing; write \\. for a dot and three digits, such as \\032, for an octet")
    labels: List[List[str]] = [[]]
    for one in _CHARACTER.findall(text):
        if one == ".":
            labels.append([])
        else:
            labels[-1].append(one)
    return ["".join(label) for label in labels]


def from_wire(labels: Iterable[bytes]) -> str:
    """The canonical name of the labels of a message, the root's left out."""
    return "".join(f"{_presented(label, place == 0)}." for place, label in enumerate(labels)) or "."


def from_presentation(text: str) -> str:
    """The canonical name of one that a server or a library presents, with or without the escapes that it could do without."""
    return from_wire(unescaped(label) for label in split(text) if label)


def configuration_word(name: str) -> str:
    """A canonical name for double quotes in the configuration of BIND or Knot, which both leave ``\\DDD`` to their readers of names."""
    return _CHARACTER.sub(lambda one: one[0] if len(one[0]) != 2 else f"\\{ord(one[0][1]):03d}", name)


def canonical(text: Any) -> str:
    """The absolute form of a whole name, with or without its final dot. The root is not accepted. Raises BadName."""
    if not isinstance(text, str):
        raise BadName("is not a text; put it in quotes")
    labels = split(text)
    if len(labels) > 1 and not labels[-1]:
        labels.pop()
    if labels == [""]:
        raise BadName("is empty")
    name = ".".join(_label(label, place == 0) for place, label in enumerate(labels)) + "."
    if len(_CHARACTER.sub("x", name)) >= NAME_OCTETS:
        raise BadName("is longer than 253 characters")
    return name


def plain(text: Any) -> str:
    """Like canonical(), for a name that is a word, a path or a host elsewhere too: without escapes. Raises BadName."""
    name = canonical(text)
    if "\\" in name:
        raise BadName("has escaped characters, which the names of zones, hosts and keys cannot have")
    return name


def is_absolute(text: str) -> bool:
    """Whether a name ends in a dot that is not escaped."""
    return text.endswith(".") and not _escapes(text[:-1])


def _escapes(text: str) -> bool:
    """Whether what follows the text is escaped by its last backslash."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def within(name: str, zone: str) -> bool:
    """Whether a canonical name is the zone's own or below it."""
    above = "\\" + zone if zone.startswith("*.") else zone  # a star is a wildcard in the first label only
    return name == zone or (name.endswith("." + above) and not _escapes(name[: -len(above) - 1]))


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
    if is_absolute(text):
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
    if is_absolute(text) or within(whole, zone):
        return whole
    if len(split(whole)) > 2:
        raise BadName(f"could be meant as '{whole}' or as '{whole}{zone}'; write the one you mean, with its final dot")
    return canonical(f"{text}.{zone}")


def relative(name: str, zone: str) -> str:
    """The part of a canonical name before its zone; ``@`` for the zone itself."""
    return "@" if name == zone else name[: -len(zone) - 1]


def parents(name: str, zone: str) -> Tuple[str, ...]:
    """The names above a canonical name up to and including its zone, nearest first."""
    found = []
    while name != zone and name:
        name = ".".join(split(name)[1:])
        name = name[1:] if name.startswith("\\*.") else name
        found.extend([name] if name else [])
    return tuple(found)
