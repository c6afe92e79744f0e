# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text from elsewhere in files of ours: one function for each place that it can have. A word of the shell is shlex.quote().

A line ends in other places than at a line feed: YAML 1.1 (section 4.2) knows CR, U+0085, U+2028 and U+2029 too, terminals act on
control characters, and editors on those that turn the direction of writing. None of them is left in what comes from here.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_NO_TEXT = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")  # YAML 1.1 types bool and null
_PLAIN = re.compile(r"[A-Za-z0-9_*.:/+=@-]+")


def visible(text: str) -> str:
    """The text on one line, with everything that does not print as an escape of Python: for comments, messages and names of files."""
    return "".join(_visible(one) for one in text)


def visible_lines(text: str) -> str:
    """The same for several lines, which end in line feeds and may be indented by tabs: for messages, warnings and diffs."""
    return "".join(one if one in "\n\t" else _visible(one) for one in text)


def _visible(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii")


def yaml_text(text: str) -> str:
    """A text in double quotes (YAML 1.1 section 5.7), marked where Ansible would take it for a template."""
    mark = "!unsafe " if _TEMPLATE.search(text) else ""
    return f'{mark}"{"".join(_yaml_character(one) for one in text)}"'


def yaml_word(text: str) -> str:
    """A text without quotes where YAML takes it for the same text, else as ``yaml_text``."""
    return text if _WORD.fullmatch(text) and text.lower() not in _NO_TEXT else yaml_text(text)


def yaml_flow(value: Any) -> str:
    """Dictionaries, lists, texts, numbers and truth values on one line (YAML 1.1 section 7.4)."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_word(str(key))}: {yaml_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(yaml_flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, int) else yaml_word(str(value))


def _yaml_character(one: str) -> str:
    if one in '"\\':
        return "\\" + one
    if one.isprintable():
        return one
    number = ord(one)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def plain(text: str) -> str:
    """A name, address, path or key in the configuration of a program, which needs no quotes in any of their languages.

    Raises ValueError for every other text: what is put there is never changed.
    """
    if not _PLAIN.fullmatch(text):
        reason = "has a character that cannot be in a configuration" if text else "is empty, and cannot be in a configuration"
        raise ValueError(f"{text!r} {reason}")
    return text
