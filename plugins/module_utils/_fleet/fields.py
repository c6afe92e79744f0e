# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed fields: what a variable may be, declared once.

A ``Field`` turns what a person wrote into a typed value and notes what is wrong with it. The same declaration is an option of a role
and a schema for editors (``specs.py``). Fields nest: ``list_of``, ``table_of``, ``mapping_of``, ``either``.

    ZONE = table_of({"primary": required(host()), "ttl": optional(whole(0, 86400, "seconds"), 300)}, "a zone", "{primary: app1}")
    zones = read(mapping_of(text("example.net"), ZONE, "{example.net: {primary: app1}}"), value, Place("", "dns_zones", notes, fleet.hosts))
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Set, Tuple, Type

from .places import REFUSED, Place, Values, items
from .values import INTEGER, NUMBER, integer, kind, number, shown, truth

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9][a-z0-9-]*)?(=[A-Za-z0-9.+:~-]+)?")
_PATH = re.compile(r"(/[^\0-\x1f\x7f]+)+|/")
_TEMPLATE = {"$ref": "#/$defs/template"}


Parse = Callable[[Any, Place], Any]
"""From a value that is not None to a typed one, or REFUSED."""


@dataclass(frozen=True)
class Option:
    """A key of a table. Without a value it is ``default``; a ``required`` one is refused then. ``aliases`` are other spellings of it."""

    field: Field
    required: bool = False
    default: Any = None
    remedy: str = ""
    aliases: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """``type``, ``elements``, ``choices`` and ``options`` are those of an option of Ansible, ``schema`` is a JSON Schema.

    ``fits`` says whether a value has the form of this field and not that of another one: a text, a list, a dictionary.
    """

    type: str
    parse: Parse
    schema: Mapping[str, Any]
    fits: Callable[[Any], bool] = lambda value: True
    elements: Optional[str] = None
    choices: Tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)


def read(declared: Field, value: Any, place: Place) -> Any:
    """The typed value, or REFUSED after noting why. A null is noted, wherever it is."""
    return place.blank() if value is None else declared.parse(value, place)


def read_variable(declared: Field, variables: Mapping[str, Any], place: Place, default: Any = None) -> Any:
    """The typed value of the variable that ``place`` names; ``default`` for one that is not there, or cannot be used."""
    if place.path not in variables:
        return default
    value = read(declared, variables[place.path], place)
    return default if value is REFUSED else value


def required(declared: Field, remedy: str = "") -> Option:
    """A key that must be there; ``remedy`` says what to write."""
    return Option(declared, True, remedy=remedy)


def optional(declared: Field, default: Any = None) -> Option:
    """A key that may be missing, and is ``default`` then. The default is of the type that the field gives."""
    return Option(declared, default=default)


def whole(low: int, high: int, unit: str, example: Optional[int] = None) -> Field:
    """A whole number of a unit, such as seconds, or of none. Gives an int; digits in a text count (see ``values.integer``)."""
    what = f"a whole number of {unit}" if unit else "a whole number"
    advice = f"Write a number of {unit}" if unit else f"Write {what}"
    remedy = advice if example is None else f"Write for example {example}"

    def parse(value: Any, place: Place) -> Any:
        given = integer(value)
        if given is None or not low <= given <= high:
            return place.refuse(f"expected {what} from {low} to {high}, got {shown(value)}", remedy)
        return given

    return Field("int", parse, _numeric("integer", low, high, INTEGER), lambda value: integer(value) is not None)


def fraction(low: float, high: float, unit: str) -> Field:
    """A number of a unit, with a fraction or without. Gives a float."""

    def parse(value: Any, place: Place) -> Any:
        given = number(value)
        if given is None or not low <= given <= high:
            return place.refuse(f"expected a number of {unit} from {low:g} to {high:g}, got {shown(value)}", f"Write a number of {unit}")
        return given

    return Field("float", parse, _numeric("number", low, high, NUMBER), lambda value: number(value) is not None)


def _numeric(name: str, low: float, high: float, pattern: str) -> Mapping[str, Any]:
    return {"anyOf": [{"type": name, "minimum": low, "maximum": high}, {"type": "string", "pattern": f"^{pattern}$"}, _TEMPLATE]}


def duration(low: float, high: float) -> Field:
    """A time in seconds, with a fraction or without. Gives a float."""
    return fraction(low, high, "seconds")


def port() -> Field:
    """The number of a port of TCP or UDP. Gives an int."""

    def parse(value: Any, place: Place) -> Any:
        given = integer(value)
        if given is None or not 0 < given < 65536:
            return place.refuse(f"{shown(value)} is not a port", "Write a number from 1 to 65535")
        return given

    return Field("int", parse, _numeric("integer", 1, 65535, INTEGER), lambda value: integer(value) is not None)


def boolean() -> Field:
    """Gives a bool; the words of YAML 1.1 count (see ``values.truth``)."""

    def parse(value: Any, place: Place) -> Any:
        given = truth(value)
        return place.refuse(f"{shown(value)} is neither true nor false", "Write true or false") if given is None else given

    words = {"type": "string", "pattern": "^([Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$"}
    return Field("bool", parse, {"anyOf": [{"type": "boolean"}, words, _TEMPLATE]}, lambda value: truth(value) is not None)


def choice(*among: str) -> Field:
    """One of some words. Gives a str."""
    words = " or ".join([", ".join(among[:-1]), among[-1]] if among[1:] else among)

    def parse(value: Any, place: Place) -> Any:
        if isinstance(value, str) and value in among:
            return value
        near = meant(value, among)
        return place.refuse(f"expected {words}, got {shown(value)}", f"Write {near or f'for example {among[0]}'}")

    return Field("str", parse, {"anyOf": [{"enum": list(among)}, _TEMPLATE]}, _is_text, choices=among)


def text(example: str, fits: Callable[[str], bool] = str.isprintable, empty: bool = False, pattern: str = "") -> Field:
    """One line of text that ``fits``; ``empty`` text may stand for none. Gives a str. ``pattern`` is for the schema only."""

    def parse(value: Any, place: Place) -> Any:
        if isinstance(value, str) and (fits(value) if value else empty):
            return value
        return place.refuse(f"{shown(value)} cannot be used here", f"Write for example {example}")

    return Field("str", parse, _textual(pattern, empty), _is_text)


def parsed(parse_text: Callable[[Any], Any], error: Type[Exception], remedy: str, pattern: str = "") -> Field:
    """A text that a function turns into a value; the text of the ``error`` that it raises says what the value is or does."""

    def parse(value: Any, place: Place) -> Any:
        try:
            return parse_text(value)
        except error as why:
            return place.refuse(f"{shown(value)} {why}", remedy)

    return Field("str", parse, _textual(pattern, False), _is_text)


def _textual(pattern: str, empty: bool) -> Mapping[str, Any]:
    own: Dict[str, Any] = {"type": "string"} if empty or pattern else {"type": "string", "minLength": 1}
    return {"anyOf": [{**own, "pattern": pattern}, _TEMPLATE]} if pattern else own


def name(pattern: str, what: str, remedy: str) -> Field:
    """A text that all of ``pattern`` matches, such as the name of a key. Gives a str."""
    form = re.compile(pattern, re.ASCII)

    def parse(value: Any, place: Place) -> Any:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        return place.refuse(f"{shown(value)} is not {what}", remedy)

    return Field("str", parse, _textual(f"^({pattern})$", False), _is_text)


def host(remedy: str = "Name a host of the inventory") -> Field:
    """The inventory name of a host of the fleet, one of ``Place.hosts``. Gives a str."""

    def parse(value: Any, place: Place) -> Any:
        if isinstance(value, str) and value in place.hosts:
            return value
        return place.refuse(f"{shown(value)} is not a host of the fleet", remedy)

    return Field("str", parse, _textual("", False), _is_text)


def address() -> Field:
    """An IPv4 or IPv6 address without zone. Gives a str, as it is written."""
    return text("192.0.2.20", is_address)


def path(empty: bool = False) -> Field:
    """An absolute path. Gives a str."""
    return text("/etc/ssl/certs/local.pem", lambda value: _PATH.fullmatch(value) is not None, empty, "" if empty else "^/")


def list_of(element: Field, example: str, least: int = 0, unique: bool = False) -> Field:
    """Gives ``Items``, a tuple without the elements that cannot be used. With ``unique``, a second equal element is refused."""

    def parse(value: Any, place: Place) -> Any:
        if not isinstance(value, (list, tuple)):
            return place.refuse(f"expected a list, got {kind(value)}", f"Write it as a list, such as {example}")
        if len(value) < least:
            return place.refuse("is an empty list", f"Write for example {example}")
        usable: List[Tuple[Any, Place]] = []
        for index, inner in enumerate(value):
            here = place.index(index)
            given = read(element, inner, here)
            if unique and any(given == other for other, _place in usable):
                here.refuse(f"{shown(inner)} is there twice", "Write it once")
            elif given is not REFUSED:
                usable.append((given, here))
        return items(usable)

    schema = {"type": "array", "items": element.schema, **({"minItems": least} if least else {}), **({"uniqueItems": True} if unique else {})}
    return Field("list", parse, {"anyOf": [schema, _TEMPLATE]}, _is_list, element.type, element.choices, element.options)


def one_or_list(element: Field, example: str, least: int = 1) -> Field:
    """One element, or a list of them. Gives a tuple."""
    several = list_of(element, example, least)

    def parse(value: Any, place: Place) -> Any:
        if _is_list(value):
            return several.parse(value, place)
        given = element.parse(value, place)
        return REFUSED if given is REFUSED else items([(given, place)])

    return Field("raw", parse, {"anyOf": [element.schema, several.schema]}, lambda value: _is_list(value) or element.fits(value))


def packages() -> Field:
    return list_of(Field("str", _package, _textual(f"^({_PACKAGE.pattern})$", False), _is_text), "[chrony]")


def _package(value: Any, place: Place) -> Any:
    return value if is_package(value) else place.refuse(f"{shown(value)} is not the name of a package", "Correct or remove it")


def is_package(value: Any) -> bool:
    """Whether apt-get(8) takes it: a name (Debian Policy, 5.6.1), an architecture after ``:``, a version after ``=``."""
    return isinstance(value, str) and _PACKAGE.fullmatch(value) is not None


def is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def table_of(options: Mapping[str, Option], what: str, example: str, hyphens: bool = False, never: Optional[Mapping[str, str]] = None) -> Field:
    """A dictionary in which each of ``options`` may stand, and no other; ``what`` it describes, such as "a zone".

    Gives ``Values``, a dictionary with all options: one that is missing, or cannot be used, has its default there. With ``hyphens``,
    ``_`` and ``-`` in keys mean the same. ``never`` has remedies for keys that others use.
    """
    spelled = {key.replace("_", "-"): key for key in options} if hyphens else {}

    def parse(value: Any, place: Place) -> Any:
        if not isinstance(value, Mapping):
            return place.refuse(f"expected a dictionary, got {kind(value)}", f"Write for example {example}")
        usable = {key: option.default for key, option in options.items()}
        present: Set[str] = set()
        refused: Set[str] = set()
        misspelt: Set[str] = set()
        problems = place.notes.problems
        before = len(problems)
        for key, inner in value.items():
            here = place.key(key)
            own = spelled.get(key.replace("_", "-"), key) if isinstance(key, str) else key
            if never and key in never:
                here.refuse("cannot be set", never[key])
            elif own not in options:
                misspelt.add(_refuse_key(key, here, options, what))
            elif own in present:
                here.refuse(f"is there twice, as {own} and with {'-' if '_' in own else '_'}", "Write it once")
            else:
                present.add(own)
                earlier = len(problems)
                given = read(options[own].field, inner, here)
                if len(problems) > earlier:
                    refused.add(own)
                if given is not REFUSED:
                    usable[own] = given
        for key, option in options.items():
            if option.required and key not in present:
                refused.add(key)
            if option.required and key not in present | misspelt:
                place.key(key).refuse("is missing", option.remedy or f"Write for example {example}")
        return Values(usable, place, frozenset(present), frozenset(refused), len(problems) == before)

    if hyphens:
        options = {key: replace(option, aliases=tuple({key.replace("-", "_"), key.replace("_", "-")} - {key})) for key, option in options.items()}
    spellings = {spelling: option.field.schema for key, option in options.items() for spelling in (key, *option.aliases)}
    needed = [] if hyphens else [key for key, option in options.items() if option.required]
    schema = {"type": "object", "properties": spellings, "additionalProperties": False, **({"required": needed} if needed else {})}
    return Field("dict", parse, {"anyOf": [schema, _TEMPLATE]}, _is_table, options=options)


def _refuse_key(key: Any, place: Place, options: Mapping[str, Option], what: str) -> str:
    """The option that was probably meant, or an empty text."""
    near = meant(key, options)
    place.refuse(f"is not an option of {what}{_did_you_mean(near)}", f"Write {near}" if near else f"Use {', '.join(options)}")
    return near


def mapping_of(key: Field, value: Field, example: str) -> Field:
    """A dictionary whose keys are free, such as names of zones. Gives a dictionary of typed keys and values, without what cannot be used."""

    def parse(given: Any, place: Place) -> Any:
        if not isinstance(given, Mapping):
            return place.refuse(f"expected a dictionary, got {kind(given)}", f"Write for example {example}")
        usable: Dict[Any, Any] = {}
        places: Dict[Any, Place] = {}
        for name_, inner in given.items():
            here = place.key(name_)
            typed = key.parse(name_, here)
            if typed is REFUSED:
                continue
            if places.setdefault(typed, here) is not here:
                here.refuse(f"is the same as {places[typed].path}", "Write each once")
            else:
                inner_value = read(value, inner, here)
                if inner_value is not REFUSED:
                    usable[typed] = inner_value
        return usable

    schema = {"type": "object", "additionalProperties": value.schema, "propertyNames": key.schema}
    return Field("dict", parse, {"anyOf": [schema, _TEMPLATE]}, _is_table)


def either(message: str, remedy: str, *fields: Field) -> Field:
    """The first of ``fields`` that ``fits`` the value; ``message`` says what a value is not that fits none. Gives what that field gives."""

    def parse(value: Any, place: Place) -> Any:
        for declared in fields:
            if declared.fits(value):
                return declared.parse(value, place)
        return place.refuse(f"{shown(value)} {message}", remedy)

    return Field("raw", parse, {"anyOf": [declared.schema for declared in fields]}, lambda value: any(declared.fits(value) for declared in fields))


def in_context(type_: str = "str", schema: Optional[Mapping[str, Any]] = None) -> Field:
    """What can be read only with other values, such as a name in a zone. Gives the value as it is, of any type."""
    return Field(type_, lambda value, place: value, {"type": "string", "minLength": 1} if schema is None else schema)


def unread() -> Field:
    """A dictionary that the plan does not look at, since it may hold secrets."""
    return Field("dict", lambda value, place: value, {})


def meant(word: Any, known: Collection[str]) -> str:
    """Of what is known, what the word is probably a misspelling of, or an empty text."""
    near = difflib.get_close_matches(word[:64].replace("_", "-") if isinstance(word, str) else "", [one.replace("_", "-") for one in known], n=1, cutoff=0.65)
    return next((one for one in known if one.replace("_", "-") in near), "")


def _did_you_mean(near: str) -> str:
    return f"; did you mean {near}" if near else ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)
