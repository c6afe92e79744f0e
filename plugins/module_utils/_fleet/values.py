# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading single values that a person wrote: each function says what is wrong instead of raising."""

from __future__ import annotations

import math
import re
from typing import Any, List, Mapping, Optional

from .._shared.masking import looks_like_secret
from .problems import Problem

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
INTEGER = r"-?[0-9]{1,18}"
NUMBER = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
_INTEGER, _NUMBER = re.compile(INTEGER), re.compile(NUMBER)


class Notes:
    """Collects problems while a reader goes on with the rest."""

    def __init__(self) -> None:
        self.problems: List[Problem] = []

    def add(self, host: str, variable: str, message: str, remedy: str, *, blank: bool = False, meant: str = "") -> None:
        self.problems.append(Problem(host, variable, message, remedy, blank, meant))


def shown(value: Any) -> str:
    """The value as it may be quoted in a message: short, on one line, and not at all when it looks like a secret."""
    if isinstance(value, str) and looks_like_secret(value):
        return f"a text of {len(value)} characters that looks like a secret"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def kind(value: Any) -> str:
    """The value's type in the words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a dictionary"
    return "a list" if isinstance(value, (list, tuple)) else "something else"


def integer(value: Any) -> Optional[int]:
    """The value as a whole number, or None. Digits in a string count: templates of ansible-core 2.18 give strings."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def number(value: Any) -> Optional[float]:
    """The value as a finite number, or None. Digits in a string count, with a fraction or without."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def truth(value: Any) -> Optional[bool]:
    """The value as a boolean, or None; the words of YAML 1.1 count, since an INI inventory gives strings."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "yes", "on"):
        return True
    if isinstance(value, str) and value.lower() in ("false", "no", "off"):
        return False
    return None


def is_domain(value: Any) -> bool:
    """Whether the value is a domain name in small letters, without the final dot (RFC 1123, 2.1; RFC 1035, 2.3.4).

    The last of several labels has a letter, by which names differ from IPv4 addresses.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= 253:
        return False
    labels = value.split(".")
    return all(_LABEL.fullmatch(label) for label in labels) and (len(labels) == 1 or not labels[-1].isdigit())
