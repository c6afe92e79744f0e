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
from typing import Dict, Match, Optional

KEY_FOLDER = "/etc/smallfleet/dns"
SUFFIX = ".key"
SLOTS = {"current": SUFFIX, "next": ".next.key", "previous": ".previous.key"}
SECRET_BYTES = {"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}  # what is made for each algorithm
LEAST_BYTES = 32  # a fingerprint may be seen by anybody, so what it is of must be beyond guessing
MARK = "// Made by smallfleet.infra.dns_key_store, which removes it when the inventory asks for it no more."

_KEY = re.compile(r'\bkey\s+"?([^\s"{;]+)"?\s*\{([^}]*)\}\s*;')
_ALGORITHM = re.compile(r'\balgorithm\s+"?([A-Za-z0-9-]+)"?\s*;')
_SECRET = re.compile(r'\bsecret\s+"?([A-Za-z0-9+/=]+)"?\s*;')
_QUOTED_OR_COMMENT = re.compile(r'"[^"\n]*"|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)


@dataclass(frozen=True)
class TsigKey:
    """A shared secret. ``secret`` is base64 and never shown."""

    name: str
    algorithm: str
    secret: str = field(repr=False)


class BadKeyFile(ValueError):
    """A text that does not hold exactly one key. The message never quotes the text."""


def parse(text: str) -> TsigKey:
    """The one key in a file. Raises BadKeyFile."""
    found = _KEY.findall(_QUOTED_OR_COMMENT.sub(_without_comment, text))
    if len(found) != 1:
        raise BadKeyFile(f"it holds {len(found)} keys, where one is needed")
    name, body = found[0]
    algorithm, secret = _ALGORITHM.search(body), _SECRET.search(body)
    if algorithm is None or secret is None:
        raise BadKeyFile("its key has no algorithm or no secret")
    return TsigKey(name.rstrip(".").lower(), algorithm[1].lower(), secret[1])


def _without_comment(found: Match[str]) -> str:
    """What looks like a comment inside quotes is none: base64 may hold two slashes."""
    return found[0] if found[0].startswith('"') else " "


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
    base = file[: -len(SUFFIX)] if file.endswith(SUFFIX) else file
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
