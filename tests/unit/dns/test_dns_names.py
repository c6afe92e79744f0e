# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Internationalised names: encoded where old and new rules agree, refused with both forms where they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns import names

ZONE = "example.net."
DEVIATIONS = "ß\u1e9eς\u200c\u200d"


@pytest.mark.parametrize(
    ("name", "encoded", "old"),
    [
        ("faß", "xn--fa-hia", "fass"),
        ("FAẞ", "xn--fa-hia", "fass"),
        ("straße", "xn--strae-oqa", "strasse"),
        ("βόλος", "xn--nxasmm1c", "xn--nxasmq6b"),
        ("نامه\u200cای", "xn--mgba3gch31f060k", "xn--mgba3gch31f"),
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3", "xn--10cl1a0b660p", "xn--10cl1a0b"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "{}.example", "www.{}.example.net", "{}.example.net."])
def test_the_four_characters_that_rules_disagree_about_are_refused_with_both_forms(
    name: str, encoded: str, old: str, form: str
) -> None:
    for read in (names.canonical, lambda text: names.qualify(text, ZONE), lambda text: names.target(text, ZONE)):
        with pytest.raises(names.BadName) as caught:
            read(form.format(name))
        assert f"'{encoded}'" in str(caught.value) and f"'{old}'" in str(caught.value)
    assert encoded in names.canonical(form.format(encoded)).split(".")


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("münchen", "xn--mnchen-3ya"),
        ("BÜCHER", "xn--bcher-kva"),
        ("例え", "xn--r8jz45g"),
        ("ΣΑΣ", "xn--mxa9ab"),
        ("e\u0301", "xn--9ca"),
    ],
)
def test_a_name_that_rules_agree_about_is_encoded(name: str, encoded: str) -> None:
    assert names.canonical(f"{name}.example") == f"{encoded}.example."


@given(st.text(st.characters(categories=["L", "Mn", "Nd"]), min_size=1, max_size=12))
def test_no_label_loses_one_of_the_four_characters(text: str) -> None:
    try:
        names.canonical(text)
    except names.BadName:
        return
    assert not any(one in DEVIATIONS for one in text)


def test_a_character_that_unfolds_to_a_separator_is_refused() -> None:
    with pytest.raises(names.BadName):
        names.canonical("\u2100.example")
