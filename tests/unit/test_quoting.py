# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text from elsewhere stays text in every file that is written from it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import Imported, render_variables, variable_name
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.left_out import LeftOut
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.quoting import plain, visible, yaml_text

COLLECTION = Path(__file__).resolve().parents[2]
BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\0\x1b\x9b\u202e\ufeff\ud800"
ATTACK = "x{0}ansible_python_interpreter: \"{{{{ lookup('pipe', 'id') }}}}\"{0}#"
foreign = st.text(st.one_of(st.characters(exclude_categories=[]), st.sampled_from(BREAKS + "\"'\\#:{}[]%!&* -")))


class Loader(yaml.SafeLoader):
    """Reads the mark of Ansible for what is no template."""


Loader.add_constructor("!unsafe", lambda loader, node: str(node.value))


def read(text: str) -> Dict[str, Dict[str, object]]:
    """As Ansible reads a file of variables: from bytes."""
    found = yaml.load(text.encode("utf-8"), Loader)  # nosec
    assert isinstance(found, dict)
    return found


@given(zone=foreign, record=foreign, kind=foreign, reason=foreign, value=foreign)
def test_a_file_of_variables_has_one_key_and_the_texts_whatever_they_are(zone: str, record: str, kind: str, reason: str, value: str) -> None:
    entry = {"record": record, "type": kind, "ttl": 5, "value": [value]}
    found = Imported((entry,), 5, (LeftOut(record, kind, reason),))
    text = render_variables(zone, found, also_left_out=[LeftOut(value, reason, kind)])
    assert read(text) == {variable_name(zone): {"ttl": 5, "records": [entry]}}


@pytest.mark.parametrize("mark", BREAKS)
def test_what_was_left_out_stays_on_its_line(mark: str) -> None:
    attack = ATTACK.format(mark)
    text = render_variables("a.example.", Imported((), 5, (LeftOut(attack, attack, attack),)))
    assert list(read(text)) == ["imported_a_example"] and len(text.splitlines()) == 6


@given(foreign)
def test_what_is_made_visible_is_one_line_that_prints(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text) == text or not text.isprintable()


@given(foreign)
def test_a_text_of_yaml_reads_back(text: str) -> None:
    assert read(f"a: {yaml_text(text)}") == {"a": text}


@given(foreign)
def test_what_stands_plainly_in_a_configuration_breaks_out_of_none(text: str) -> None:
    try:
        assert not set(plain(text)) & set("\"'`$%\\;{}[]()<>|&#!?~^, \t" + BREAKS)
    except ValueError as error:
        assert "cannot be in a configuration" in str(error) and str(error).isprintable()


COMMENTS = ("#", "//")
QUOTING = frozenset(["visible", "quote", "int", "plain", "yaml_text"])


def unquoted(source: str) -> List[str]:
    """Where a program puts text into a comment, or into a command of a shell, other than by a function that quotes it."""
    found: List[str] = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found += [ast.unparse(value) for line, value in _lines(node) if line.lstrip().startswith(COMMENTS) and not _is_quoted(value)]
        if isinstance(node, (ast.List, ast.Tuple)):
            for shell, flag, script in zip(node.elts, node.elts[1:], node.elts[2:]):
                words = [str(word.value) for word in (shell, flag) if isinstance(word, ast.Constant)]
                if words[1:] == ["-c"] and words[0].endswith("sh") and isinstance(script, ast.JoinedStr):
                    found += [ast.unparse(value) for _line, value in _lines(script) if not _is_quoted(value)]
    return found


def _lines(node: ast.JoinedStr) -> Iterator[Tuple[str, ast.expr]]:
    """Each value that is put into a text, with what stands before it on its line."""
    before = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            before = (before + str(part.value)).rpartition("\n")[2]
        elif isinstance(part, ast.FormattedValue):
            yield before, part.value
            before += "x"


def _is_quoted(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in QUOTING
    return isinstance(value, ast.Name) and value.id.isupper()  # a constant


@pytest.mark.parametrize(
    "source",
    ["f'# of {zone}'", "f'a\\n  // {zone}'", "f'# {\"x\".join(names)} b'", "f'# {visible(a)} {b}'", "['sh', '-c', f'ls {path}']"],
)
def test_text_that_is_not_quoted_is_seen(source: str) -> None:
    assert unquoted(source)


@pytest.mark.parametrize("source", ["f'# of {visible(zone)}'", "f'{count} # {visible(zone)}'", "f'# {_NOTICE}\\n{zone}'", "['sh', '-c', f'ls {quote(path)}']"])
def test_text_that_is_quoted_is_not_meant(source: str) -> None:
    assert not unquoted(source)


def test_nothing_puts_text_into_a_comment_or_a_command_without_quoting_it() -> None:
    seen = {path: unquoted(path.read_text()) for path in COLLECTION.glob("plugins/**/*.py")}
    assert len(seen) > 100
    assert {str(path): found for path, found in seen.items() if found} == {}
