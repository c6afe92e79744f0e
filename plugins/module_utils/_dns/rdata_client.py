# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values and names as text and as dnspython (2.3 or later) has them: what is written is what is read, whatever its octets are.

Up to 2.8 the library takes the escape of an octet above 127 in a character string for a character, and encodes that as
UTF-8, in every type but those that are like TXT. It writes the target of a URI without escapes, and escapes the ids of
``alpn`` twice.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Match

from . import txt
from .dnspython_client import DNSPYTHON_ERROR, dns
from .record_types import type_of
from .values import canonical_case

if not DNSPYTHON_ERROR:

    class _Token(dns.tokenizer.Token):
        """A token whose text is encoded into the octets that its escapes stand for."""

        def unescape(self) -> dns.tokenizer.Token:
            if not self.has_escape:
                return self
            octets: bytes = self.unescape_to_bytes().value
            return dns.tokenizer.Token(self.ttype, _OctetText(octets.decode("utf-8", "surrogateescape")))

    class _Tokenizer(dns.tokenizer.Tokenizer):
        """Gives such tokens."""

        def get(self, want_leading: bool = False, want_comment: bool = False) -> _Token:
            token = super().get(want_leading, want_comment)
            return _Token(token.ttype, token.value, token.has_escape, token.comment)


_SVCB, _HTTPS, _URI, _CAA = 64, 65, 256, 257
_SVC_KEYS = {"dohpath": 7, "ohttp": 8}  # RFC 9461, RFC 9540: newer than the SVCB record
_SVC_KEY = re.compile(r"(?<![^\s])(?:dohpath|ohttp)(?![^\s=])", re.IGNORECASE)
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")  # sharp s, final sigma, zero width non-joiner and joiner


class _OctetText(str):
    """Text of any octets: those that are not UTF-8 are surrogates in it."""

    def encode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> bytes:
        return super().encode(encoding, errors)


def _keeps_octets() -> bool:
    """Whether this is a version (2.9 or later) that reads character strings as octets and writes all of them escaped."""
    return hasattr(dns.tokenizer.Tokenizer, "get_bytes")


def kind_of(one: Any) -> str:
    """The type of a set by the name it has here, whatever other names this version of the library knows."""
    return type_of(int(one.rdtype))


def read_value(kind: str, text: str, origin: Any) -> Any:
    """A value in presentation form, its relative names below ``origin``. Raises DNSException or ValueError."""
    number = dns.rdatatype.from_text(kind)
    if int(number) in (_SVCB, _HTTPS):  # RFC 9460
        text = _SVC_KEY.sub(_numbered_key, text)
    if text.lstrip().startswith("\\#"):
        origin = None  # names in the generic form are whole, and up to 2.8 the library would cut the origin off them
    tokens = text if _keeps_octets() else _Tokenizer(text, idna_codec=_IDNA)
    return dns.rdata.from_text("IN", number, tokens, origin=origin, relativize=False, idna_codec=_IDNA)


def presentation(rdata: Any) -> str:
    """A value in a presentation form that read_value() reads as the same value.

    That is the generic one (RFC 3597) for SVCB and HTTPS with ids in ``alpn`` that an older library writes as others.
    """
    number = int(rdata.rdtype)
    if number == _URI:
        return f"{rdata.priority} {rdata.weight} {txt.quoted(rdata.target)}"
    text = str(rdata.to_text())
    if number in (_SVCB, _HTTPS) and not _keeps_octets():
        with suppress(dns.exception.DNSException):
            if read_value(type_of(number), text, dns.name.root) == rdata:
                return text
        return str(rdata.to_generic(dns.name.root).to_text())
    return text


def read_name(text: str, origin: Any) -> Any:
    """A name in presentation form, absolute. Raises DNSException or ValueError."""
    return dns.name.from_text(text, origin, _IDNA)


def _numbered_key(found: Match[str]) -> str:
    """A parameter that this version of the library does not know by name, as a number (RFC 9460 section 2.1)."""
    name = found[0].lower()
    if hasattr(dns.rdtypes.svcbbase.ParamKey, name.upper()):
        return found[0]
    return f"key{_SVC_KEYS[name]}"


class _Idna:
    """A codec of dnspython: IDNA 2003 but for the four characters that IDNA 2008 encodes in another way (UTS 46 section 2.3)."""

    def encode(self, label: str) -> bytes:
        """A label as it is on the wire. Raises DNSException or ValueError."""
        if not _DEVIATIONS.isdisjoint(label):
            raise ValueError(f"{label!a} differs between IDNA 2003 and 2008; write its xn-- form")
        try:
            return bytes(dns.name.IDNA_2003_Practical.encode(label))
        except dns.name.LabelTooLong:  # what the library says of every label that it cannot encode
            if label.isascii():
                raise
            raise ValueError(f"{label!a} is too long or has characters that no internationalised name can have") from None


_IDNA: Any = _Idna()


def canonical_text(rdata: Any) -> str:
    """The presentation of the canonical wire form (RFC 4034 section 6.2), which has names in lower case.

    The tag of a CAA is in lower case too, for its case means nothing (RFC 8659 section 4.1).
    """
    if int(rdata.rdtype) == _CAA and not rdata.tag.islower():
        rdata = rdata.replace(tag=rdata.tag.lower())
    wire = rdata.to_digestable(dns.name.root)
    again = dns.rdata.from_wire(rdata.rdclass, rdata.rdtype, wire, 0, len(wire))
    return canonical_case(kind_of(again), presentation(again))
