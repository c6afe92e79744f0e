# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key files in the syntax of BIND, as tsig-keygen(8) prints them, and how a key's generations are named and kept.

The generations of the key ``app1-own`` have the TSIG names ``app1-own``, ``app1-own-2``, ``app1-own-3`` and so on. A key
store has up to three files for a key: the generation to sign with, and during a rotation the one after or before it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Tuple

from ..._shared.limits import BadText, Limits, check_size

KEY_FOLDER = "/etc/smallfleet/dns"
SUFFIX = ".key"
SLOTS = {"current": SUFFIX, "next": ".next.key", "previous": ".previous.key"}
SECRET_BYTES = {"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}  # what is made for each algorithm
LEAST_BYTES = 32  # a fingerprint may be seen by anybody, so what it is of must be beyond guessing
MARK = "// Made by smallfleet.infra.dns_key_store, which removes it when the inventory asks for it no more."

LIMITS = Limits(size=64 * 1024)
_TOKEN = re.compile(r'"[^"\n]*"|/\*.*?(?:\*/|\Z)|//[^\n]*|#[^\n]*|[{};"]|[^\s"{};]+', re.DOTALL)
_VALUES = {"algorithm": re.compile(r"[A-Za-z0-9-]{1,255}"), "secret": re.compile(r"[A-Za-z0-9+/=]+")}
_NAME = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True)
class TsigKey:
    """A shared secret. ``secret`` is base64 and never shown."""

    name: str
    algorithm: str
    secret: str = field(repr=False)


class BadKeyFile(ValueError):
    """A text that does not hold exactly one key. The message never quotes the text."""


def parse(text: str) -> TsigKey:
    """The one key in a file. Raises BadKeyFile. Takes time in proportion to the text."""
    try:
        check_size(text, "the file", LIMITS)
    except BadText as error:
        raise BadKeyFile(f"{error}, for it is no key file") from None
    keys = list(_keys(iter(_tokens(text.lstrip("\ufeff")))))  # which editors of Windows write first
    if len(keys) != 1:
        raise BadKeyFile(f"it holds {len(keys)} keys, where one is needed")
    name, options = keys[0]
    if not _NAME.fullmatch(name):
        raise BadKeyFile("its key has a name with blanks or other characters that a name cannot have")
    if any(len(options.get(option, ())) != 1 or not form.fullmatch(options[option][0]) for option, form in _VALUES.items()):
        raise BadKeyFile("its key has no algorithm or no secret, or one of them twice")
    return TsigKey(name.rstrip(".").lower(), options["algorithm"][0].lower(), options["secret"][0])


def _tokens(text: str) -> Iterator[str]:
    """Without comments. What looks like one inside a word or quotes is none: base64 may hold two slashes."""
    return (token for token in _TOKEN.findall(text) if not token.startswith(("/*", "//", "#")))


def _keys(tokens: Iterator[str]) -> Iterator[Tuple[str, Dict[str, List[str]]]]:
    """The name and the options of each complete ``key name { option value; };`` statement."""
    for token in tokens:
        if token == "{":
            _block(tokens)
        elif token.lower() == "key":
            name = next(tokens, "")
            if name in (*"{};", "") or next(tokens, "") != "{":
                continue
            options = _block(tokens)
            if next(tokens, "") == ";":
                yield name.strip('"'), options


def _block(tokens: Iterator[str]) -> Dict[str, List[str]]:
    """The options up to the brace that closes, each with its values. Blocks within are left out."""
    options: Dict[str, List[str]] = {}
    words: List[str] = []
    depth = 1
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth == 0:
            break
        if token == ";":
            if depth == 1 and len(words) == 2:
                options.setdefault(words[0].lower(), []).append(words[1].strip('"'))
            words = []
        else:
            words.append(token)
    return options


def generation(name: str, key_name: str) -> Optional[int]:
    """Which generation of the key has this TSIG name: 1, 2, ...; None for a name that is none of its."""
    if name == key_name:
        return 1
    number = name[len(key_name) + 1 :]
    if not name.startswith(f"{key_name}-") or not re.fullmatch(r"[1-9][0-9]{0,8}", number) or number == "1":
        return None
    return int(number)


def usable(key: TsigKey, key_name: str) -> bool:
    """Whether it is a generation of that key, with an algorithm and a secret that are strong enough."""
    try:
        secret = base64.b64decode(key.secret, validate=True)
    except (binascii.Error, ValueError):
        return False
    known = generation(key.name, key_name) is not None and key.algorithm in SECRET_BYTES
    return known and len(secret) >= LEAST_BYTES


def fingerprint(key: TsigKey) -> str:
    """Tells secrets apart without telling them: 128 bits of SHA-256 over name, algorithm and secret.

    It may be shown: a usable secret has 256 bits or more, which nobody finds by trying.
    """
    return hashlib.sha256(f"{key.name} {key.algorithm} {key.secret}".encode()).hexdigest()[:32]


def generation_files(file: str) -> Dict[str, str]:
    """Where the generations of a key are, the one to sign with first; ``file`` is that one's."""
    base = file.removesuffix(SUFFIX)
    return {slot: base + suffix for slot, suffix in SLOTS.items()}


def render_marked(key: TsigKey) -> str:
    """A file of the key store, which says whose it is."""
    return f"{MARK}\n{render(key)}"


def is_marked(text: str) -> bool:
    """Whether the key store made this file."""
    return text.startswith(MARK)


def render(key: TsigKey) -> str:
    """The key as named.conf(5) includes it."""
    return f'key "{key.name}" {{\n    algorithm {key.algorithm};\n    secret "{key.secret}";\n}};\n'
