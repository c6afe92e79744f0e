# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a variable may be: typed fields, from which the checks of the plan and the types of a role's arguments come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Callable, Iterator, Mapping, Optional, Tuple

from .values import Notes, integer, kind, number, shown, truth

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9][a-z0-9-]*)?(=[A-Za-z0-9.+:~-]+)?")
_PATH = re.compile(r"(/[^\0-\x1f\x7f]+)+|/")

Fault = Tuple[str, str, str]
"""Where below the value, such as ``[0]``; what is wrong; and what to write instead."""


@dataclass(frozen=True)
class Field:
    """``type`` and ``elements`` are those of an option of Ansible; ``faults`` yields what is wrong with a value."""

    type: str
    faults: Callable[[Any], Iterator[Fault]]
    elements: Optional[str] = None


def note_faults(host: str, variable: str, field: Field, value: Any, notes: Notes) -> None:
    """Note what is wrong with a variable of a host. A null is noted elsewhere, wherever it is."""
    for place, message, remedy in field.faults(value) if value is not None else ():
        notes.add(host, f"{variable}{place}", message, remedy)


def whole(low: int, high: int, unit: str) -> Field:
    """A whole number of a unit, such as seconds."""

    def faults(value: Any) -> Iterator[Fault]:
        found = integer(value)
        if found is None or not low <= found <= high:
            yield "", f"{shown(value)} is not a whole number from {low} to {high}", f"Give a number of {unit}"

    return Field("int", faults)


def fraction(low: float, high: float, unit: str) -> Field:
    """A number of a unit, with a fraction or without."""

    def faults(value: Any) -> Iterator[Fault]:
        found = number(value)
        if found is None or not low <= found <= high:
            yield "", f"{shown(value)} is not a number from {low:g} to {high:g}", f"Give a number of {unit}"

    return Field("float", faults)


def boolean() -> Field:
    def faults(value: Any) -> Iterator[Fault]:
        if truth(value) is None:
            yield "", f"{shown(value)} is neither true nor false", "Write true or false"

    return Field("bool", faults)


def choice(*among: str) -> Field:
    def faults(value: Any) -> Iterator[Fault]:
        if value not in among:
            yield "", f"{shown(value)} is unknown", f"Use one of {', '.join(among)}"

    return Field("str", faults)


def text(example: str, fits: Callable[[str], bool] = str.isprintable, empty: bool = False) -> Field:
    """One line of text that ``fits``; ``empty`` text may stand for none."""

    def faults(value: Any) -> Iterator[Fault]:
        if not isinstance(value, str) or not (fits(value) if value else empty):
            yield "", f"{shown(value)} cannot be used here", f"Write for example {example}"

    return Field("str", faults)


def address() -> Field:
    return text("192.0.2.20", is_address)


def path(empty: bool = False) -> Field:
    """An absolute path."""
    return text("/etc/ssl/certs/local.pem", lambda value: _PATH.fullmatch(value) is not None, empty)


def list_of(element: Field, example: str) -> Field:
    def faults(value: Any) -> Iterator[Fault]:
        if not isinstance(value, (list, tuple)):
            yield "", f"must be a list, found {kind(value)}", f"Write it as a list, such as {example}"
            return
        for index, inner in enumerate(value):
            for place, message, remedy in element.faults(inner) if inner is not None else ():
                yield f"[{index}]{place}", message, remedy

    return Field("list", faults, element.type)


def packages() -> Field:
    return list_of(Field("str", _package_faults), "[chrony]")


def _package_faults(value: Any) -> Iterator[Fault]:
    if not is_package(value):
        yield "", f"{shown(value)} is not the name of a package", "Correct or remove it"


def is_package(value: Any) -> bool:
    """Whether apt-get(8) takes it: a name (Debian Policy, 5.6.1), an architecture after ``:``, a version after ``=``."""
    return isinstance(value, str) and _PACKAGE.fullmatch(value) is not None


def is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def table_of(keys: Mapping[str, Field], example: str) -> Field:
    """A dictionary in which each of ``keys`` may stand, and no other."""

    def faults(value: Any) -> Iterator[Fault]:
        if not isinstance(value, Mapping):
            yield "", f"must be a dictionary, found {kind(value)}", f"Write for example {example}"
            return
        for key, inner in value.items():
            if key not in keys:
                yield f".{key}", "is not known here", f"Use only {', '.join(keys)}"
            elif inner is not None:
                for place, message, remedy in keys[key].faults(inner):
                    yield f".{key}{place}", message, remedy

    return Field("dict", faults)


def unread() -> Field:
    """A dictionary that the plan does not look at, since it may hold secrets."""
    return Field("dict", lambda value: iter(()))
