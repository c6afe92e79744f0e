# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a name in DNS, a line of a unit file, and the URL of a probe may be."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def is_dns_name(name: str) -> bool:
    """Whether a lower-case name without the final dot can be a name in DNS (RFC 1035 section 2.3.4)."""
    return len(name) <= 253 and all(LABEL.fullmatch(label) for label in name.split("."))


def is_line(value: object) -> bool:
    """Whether the value is text on one line, not empty, that can stand in a file of lines."""
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


class BadUrl(ValueError):
    """Why a probe cannot ask for a URL."""


def http_url(given: object) -> str:
    """The URL, if a probe can ask for it. Raises BadUrl."""
    if not isinstance(given, str) or not is_line(given):
        raise BadUrl("cannot be used here")
    error = _url_error(given)
    if error:
        raise BadUrl(f"cannot be probed: {error}")
    return given


def _url_error(url: str) -> str:
    """Why a probe cannot ask for this URL; empty when it can."""
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
    return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
