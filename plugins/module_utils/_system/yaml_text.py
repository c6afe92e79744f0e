# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML that others wrote, read by PyYAML's safe loader within limits."""

from __future__ import annotations

import traceback
from typing import Any, Optional

from .._shared.limits import BadText, Counter, Limits, check_size, excerpt

YAML_ERROR: Optional[str] = None
try:
    import yaml  # type: ignore[import-untyped]
except ImportError:
    YAML_ERROR = traceback.format_exc()

DOCUMENT = Limits(size=4 * 2**20, entries=400_000)


def safe_loader() -> Any:
    """PyYAML's safe loader, in C where it has that."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def text_loader() -> Any:
    """PyYAML's loader that takes every scalar for a string, and knows no merge keys."""
    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def load_yaml(text: str, what: str, limits: Limits = DOCUMENT, loader: Any = None) -> Any:
    """The one document of a YAML text. ``what`` begins an error: a path, or what the text is. Raises BadText.

    Aliases and nesting are counted on the parser's events, before anything is built. ``loader`` is a class below safe_loader(), or text_loader().
    """
    check_size(text, what, limits)
    loader = loader or safe_loader()
    try:
        _count(text, Counter(what, limits), loader)
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise BadText(f"{what}{where}: is not YAML that can be read: {excerpt(reason, 200)[1:-1]}") from None
    except BadText:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # PyYAML's constructors check nothing: a date such as 2024-99-99, !!int "", !!timestamp x, a number of 5000 digits
        raise BadText(f"{what}: has a value that YAML does not know: {excerpt(str(error), 120)[1:-1]}. Put it in quotes") from None


def _count(text: str, counter: Counter, loader: Any) -> None:
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1
        anchor = getattr(event, "anchor", None) or ""
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            counter.begin(anchor, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            counter.end()
        elif isinstance(event, yaml.AliasEvent):
            counter.alias(anchor, line)
        elif isinstance(event, yaml.ScalarEvent):
            counter.scalar(anchor, line)
