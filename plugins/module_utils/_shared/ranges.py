# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What numbers the options of modules may be. Ansible checks their types only, and takes -1 and ``.inf`` for a timeout."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Tuple, Union

Number = Union[int, float]

DAYS_31 = 31 * 86400
SHORTEST = 0.01  # seconds, of what is waited for one answer
_TTL = (0, 2**31 - 1)  # RFC 2181 section 8
_RANGES: Mapping[str, Tuple[Number, Number]] = {
    "port": (1, 65535),
    "resolver_port": (1, 65535),
    "ttl": _TTL,
    "default_ttl": _TTL,
    "serial": (0, 2**32 - 1),  # RFC 1982
    "query_timeout": (SHORTEST, DAYS_31),
    "interval": (SHORTEST, DAYS_31),
}
_OTHERS: Mapping[str, Tuple[Number, Number]] = {"float": (0, DAYS_31), "int": (0, 2**63 - 1)}


def out_of_range(spec: Mapping[str, Any], options: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """A sentence for each number in options, at any depth, that cannot be. ``spec`` is their argument_spec."""
    for name, described in spec.items():
        value, where = options.get(name), f"{place}{name}"
        if described.get("options"):
            several = isinstance(value, list)
            for index, inner in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(inner, Mapping):
                    yield from out_of_range(described["options"], inner, f"{where}[{index}]." if several else f"{where}.")
            continue
        limits = _limits(name, described.get("type", "str"), spec)
        if limits and isinstance(value, (int, float)) and not limits[0] <= value <= limits[1]:
            yield f"{where}: expected a number from {limits[0]} to {limits[1]}, got {value}. Correct it, or leave it out."


def _limits(name: str, kind: str, spec: Mapping[str, Any]) -> Optional[Tuple[Number, Number]]:
    if name == "timeout" and "query_timeout" not in spec:  # it is that of each question; otherwise 0 asks once
        return _RANGES["query_timeout"]
    return (_RANGES.get(name) or _OTHERS[kind]) if kind in _OTHERS else None
