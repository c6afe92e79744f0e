# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key files in the syntax of BIND, as tsig-keygen(8) prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Match

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


def render(key: TsigKey) -> str:
    """The key as named.conf(5) includes it."""
    return f'key "{key.name}" {{\n    algorithm {key.algorithm};\n    secret "{key.secret}";\n}};\n'
