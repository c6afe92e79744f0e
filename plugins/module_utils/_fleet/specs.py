# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields as options of roles, and as JSON Schema."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Optional, Sequence

from .fields import Field

DEFINITIONS: Mapping[str, Any] = {"template": {"type": "string", "pattern": r"\{\{"}}
"""``$defs`` of every schema that json_schema() makes: where a number belongs, a file may have a template."""


def argument_spec(declared: Field, required_: bool = False, default: Any = None) -> Dict[str, Any]:
    """The field as an option of a role's or module's argument spec, with its suboptions.

    A table whose keys have two spellings has none: the argument spec of a role has no aliases (ansible-lint, role-arg-spec.json).
    """
    spec: Dict[str, Any] = {"type": declared.type}
    if declared.elements is not None:
        spec["elements"] = declared.elements
    if declared.choices:
        spec["choices"] = list(declared.choices)
    if required_:
        spec["required"] = True
    if default is not None:
        spec["default"] = list(default) if isinstance(default, tuple) else default
    if declared.options and not any(option.aliases for option in declared.options.values()):
        spec["options"] = {key: argument_spec(option.field, option.required, option.default) for key, option in declared.options.items()}
    return spec


def json_schema(
    variables: Mapping[str, Field], known: Iterable[str] = (), exclusive: Sequence[str] = (), descriptions: Optional[Mapping[str, str]] = None
) -> Dict[str, Any]:
    """A JSON Schema (draft 2020-12) of a file with these variables.

    Others that are ``known`` may have any value but null, and variables of others may be there too, except those whose names begin with
    one of ``exclusive``.
    """
    schemas = {**{name: {"not": {"type": "null"}} for name in known}, **{name: field.schema for name, field in variables.items()}}
    texts = descriptions or {}
    closed = {"propertyNames": {"anyOf": [{"enum": sorted(schemas)}, {"not": {"pattern": f"^({'|'.join(exclusive)})"}}]}} if exclusive else {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": dict(DEFINITIONS),
        "type": ["object", "null"],
        "properties": {name: {**({"description": texts[name]} if name in texts else {}), **schemas[name]} for name in sorted(schemas)},
        **closed,
    }
