# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading one user-written dictionary: each value is either good or becomes a problem, never an exception."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, List, Mapping, Optional, Pattern, Sequence, Tuple
from urllib.parse import urlsplit

from ..fleet.problems import Problem
from ..fleet.values import integer, number

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


def shown(value: object) -> str:
    """A value as a problem quotes it: its representation, cut to 60 characters."""
    text = repr(value) if not isinstance(value, str) else repr(str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def is_dns_name(name: str) -> bool:
    """Whether a lower-case name without the final dot can be a name in DNS (RFC 1035 section 2.3.4)."""
    return len(name) <= 253 and all(LABEL.fullmatch(label) for label in name.split("."))


@dataclass
class Reader:
    """Takes values out of one dictionary and collects what is wrong with them.

    ``path`` is the variable path of the dictionary, such as ``standby_services.web``. Every taker returns None when
    the value is missing or bad, and has then reported why; except that a missing value with a default is the default.
    """

    path: str
    data: Mapping[Any, Any]
    problems: List[Problem] = field(default_factory=list)

    def refuse(self, key: str, message: str, remedy: str) -> None:
        self.problems.append(Problem("", f"{self.path}.{key}" if key else self.path, message, remedy))

    def only(self, known: Sequence[str]) -> None:
        """Refuse keys that mean nothing, for a misspelt optional key would silently not count."""
        for key in self.data:
            if key not in known:
                self.refuse(f"{key}", f"there is no key {shown(key)} here", f"Use only {', '.join(known)}")

    def text(self, key: str, remedy: str, pattern: Optional[Pattern[str]] = None) -> Optional[str]:
        """A required string on one line, which matches ``pattern`` as a whole."""
        if key not in self.data:
            self.refuse(key, "it is missing", remedy)
            return None
        value = self.data[key]
        if not is_line(value) or (pattern is not None and not pattern.fullmatch(value)):
            self.refuse(key, f"{shown(value)} cannot be used here", remedy)
            return None
        return str(value)

    def lines(self, key: str, remedy: str) -> Tuple[str, ...]:
        """One optional line or a list of them; nothing when the value is missing or bad."""
        value = self.data.get(key)
        items = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(items, (list, tuple)) or not all(is_line(item) for item in items):
            self.refuse(key, f"{shown(value)} is not a line of text, or a list of them", remedy)
            return ()
        return tuple(str(item) for item in items)

    def number(self, key: str, low: float, high: float, default: Optional[float], unit: str) -> Optional[float]:
        """A number from ``low`` to ``high``."""
        if key not in self.data and default is not None:
            return default
        value = self.data.get(key)
        found = number(value)
        if found is None or not low <= found <= high:
            said = f"{shown(value)} is not a number from {low:g} to {high:g}" if key in self.data else "it is missing"
            self.refuse(key, said, f"Give a number of {unit} from {low:g} to {high:g}")
            return None
        return found

    def whole(self, key: str, low: int, high: int, default: Optional[int], unit: str) -> Optional[int]:
        """A whole number from ``low`` to ``high``."""
        if key not in self.data and default is not None:
            return default
        value = self.data.get(key)
        found = integer(value)
        if found is None or not low <= found <= high:
            said = f"{shown(value)} is not a whole number from {low} to {high}" if key in self.data else "it is missing"
            self.refuse(key, said, f"Give a whole number of {unit} from {low} to {high}")
            return None
        return found

    def host(self, key: str, known: Mapping[str, object], what: str) -> Optional[str]:
        """The inventory name of a host of the fleet."""
        remedy = f"Name the host {what}, as the inventory spells it"
        value = self.text(key, remedy)
        if value is not None and value not in known:
            self.refuse(key, f"the fleet has no host {shown(value)}", remedy)
            return None
        return value


def readers(path: str, value: object, problems: List[Problem], what: str) -> List[Tuple[str, Reader]]:
    """One reader for each entry of a dictionary of dictionaries; what is neither is reported and left out."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        problems.append(Problem("", path, f"{shown(value)} is not a dictionary", f"Write a dictionary of {what}"))
        return []
    found: List[Tuple[str, Reader]] = []
    for name, entry in value.items():
        where = f"{path}.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            remedy = "Use a name of up to 31 lower-case letters, digits, '-' and '_' that begins with a letter"
            problems.append(Problem("", where, f"{shown(name)} cannot be the name of one of the {what}", remedy))
        elif not isinstance(entry, Mapping):
            problems.append(Problem("", where, f"{shown(entry)} is not a dictionary", "Write its keys and values"))
        else:
            found.append((str(name), Reader(where, entry, problems)))
    return found


def is_line(value: object) -> bool:
    """Whether the value is text on one line, not empty, that can stand in a file of lines."""
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


def http_url_error(url: str) -> Optional[str]:
    """Why a probe cannot ask for this URL, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
        name = parts.hostname or ""
    except ValueError as error:
        return str(error)
    if parts.scheme != "http":
        return "a probe speaks plain HTTP only"
    if parts.username is not None or parts.fragment or " " in url or not url.isascii():
        return "it has a part that a request cannot carry (user, fragment, space or a letter outside ASCII)"
    if port == 0 or not (_is_address(name) or is_dns_name(name.rstrip(".").lower())):
        return "it names no host and port that could be asked"
    return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
