# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's key store: what is made, taken, kept and removed, also when it is interrupted after any step."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.bundle import BadBundle, read_bundle, write_bundle
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import (
    SLOTS,
    TsigKey,
    fingerprint,
    generation,
    is_marked,
    parse,
    render_marked,
    usable,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.plan import (
    MOVES,
    AskedKey,
    KeyStep,
    Move,
    Store,
    StoredFile,
    arrangement,
    diff_texts,
    phase,
    plan_store,
    problems,
)

OWN = AskedKey("app1-own", "hmac-sha256", "ns1")
SHA512 = replace(OWN, algorithm="hmac-sha512")


def key(number: int = 1, name: str = "app1-own", algorithm: str = "hmac-sha256", salt: str = "") -> TsigKey:
    secret = base64.b64encode(f"{salt}{number}".encode().ljust(32, b"x")).decode()
    return TsigKey(name if number == 1 else f"{name}-{number}", algorithm, secret)


def store(**slots: TsigKey) -> Store:
    return Store({"app1-own" + SLOTS[slot]: StoredFile(held) for slot, held in slots.items()}, pair=True)


def after(before: Store, step: KeyStep, salt: str = "new") -> Store:
    """The store when one step is done."""
    files: Dict[str, StoredFile] = dict(before.files)
    if step.action in ("make", "write"):
        assert step.key is not None
        made = step.key if step.key.secret else key(salt=salt + step.key.name)
        files[step.file] = StoredFile(replace(step.key, secret=made.secret))
    elif step.action == "remove":
        del files[step.file]
    elif step.action == "protect":
        files[step.file] = replace(files[step.file], private=True)
    elif step.action == "sweep":
        return replace(before, leftovers=tuple(name for name in before.leftovers if name != step.file))
    return replace(before, files=files, pair=before.pair or step.action == "pair", private=before.private or step.action == "guard")


def settle(before: Store, host: str, **more: Any) -> Store:
    for step in plan_store(host, [OWN], before, **more).steps:
        before = after(before, step)
    return before


def actions(host: str, before: Store, asked: Optional[List[AskedKey]] = None, **more: Any) -> List[str]:
    return [str(step) for step in plan_store(host, asked or [OWN], before, **more).steps]


def test_a_key_is_made_at_home_and_nowhere_else() -> None:
    assert actions("ns1", Store()) == ["make the key app1-own in app1-own.key"]
    elsewhere = plan_store("app1", [OWN], Store(pair=True))
    assert elsewhere.steps == () and elsewhere.missing == {"ns1": ("app1-own",)}


def test_a_holder_makes_its_key_pair_as_soon_as_openssl_is_there() -> None:
    assert actions("app1", Store()) == ["make the key pair exchange.pem"]
    assert actions("app1", Store(can_seal=False)) == []
    assert actions("app1", replace(store(current=key()), pair=False)) == ["make the key pair exchange.pem"]


def test_a_holder_takes_what_home_has_and_is_content() -> None:
    home = {"current": key(), "next": key(2)}
    holder = settle(Store(pair=True), "app1", given={"app1-own": home})
    assert arrangement(holder, "app1-own") == home
    assert plan_store("app1", [OWN], holder).steps == ()
    assert plan_store("app1", [OWN], holder, {"app1-own": home}).steps == ()


def test_a_key_of_an_earlier_version_is_adopted_instead_of_a_new_secret() -> None:
    former = Store(former={"app1-own": key(salt="former")})
    assert arrangement(settle(former, "ns1"), "app1-own") == {"current": key(salt="former")}
    weak = TsigKey("app1-own", "hmac-sha256", "c2hvcnQ=")
    assert actions("ns1", Store(former={"app1-own": weak})) == ["make the key app1-own in app1-own.key"]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        TsigKey("other", "hmac-sha256", key().secret),
        TsigKey("app1-own", "hmac-md5", key().secret),
        TsigKey("app1-own", "hmac-sha256", "c2hvcnQ="),
        TsigKey("app1-own", "hmac-sha256", "*" * 60),
    ],
)
def test_what_is_no_usable_key_counts_as_none(bad: Optional[TsigKey]) -> None:
    torn = Store({"app1-own.key": StoredFile(bad)}, pair=True)
    assert actions("ns1", torn) == ["make the key app1-own in app1-own.key"]
    assert plan_store("app1", [OWN], torn).missing == {"ns1": ("app1-own",)}


def test_a_key_that_is_no_longer_asked_for_is_removed_and_a_file_of_somebody_else_is_not() -> None:
    files = {
        "gone.key": StoredFile(key(name="gone")),
        "gone.next.key": StoredFile(key(2, "gone")),
        "mine.key": StoredFile(key(name="mine"), marked=False),
        "app1-own.key": StoredFile(key()),
    }
    steps = plan_store("app1", [OWN], Store(files, pair=True)).steps
    assert [str(step) for step in steps] == ["remove gone.key", "remove gone.next.key"]
    assert 'key "gone" hmac-sha256' in diff_texts("/d", steps)["before"]
    assert [str(step) for step in plan_store("app1", [], Store(files)).steps][0] == "remove app1-own.key"


def test_files_that_others_can_read_are_protected_and_the_rest_of_a_dead_run_is_swept() -> None:
    loose = Store({"app1-own.key": StoredFile(key(), private=False)}, leftovers=(".smallfleet-x",), private=False)
    assert actions("ns1", loose) == [
        "let only root look into .",
        "remove .smallfleet-x, left by a run that was cut off",
        "let only root read app1-own.key",
    ]


def test_an_algorithm_changes_with_the_next_generation_only() -> None:
    held = store(current=key())
    plan = plan_store("ns1", [SHA512], held)
    assert plan.steps == () and "stays hmac-sha256 until" in plan.notes[0]
    (step,) = plan_store("ns1", [SHA512], held, move=Move("prepared", ("app1-own",))).steps
    assert step.key == TsigKey("app1-own-2", "hmac-sha512", "")


def test_home_moves_from_phase_to_phase_and_only_when_told() -> None:
    held = store(current=key())
    for move, wanted in zip(MOVES, ("prepared", "promoted", "idle")):
        assert settle(held, "ns1", move=Move(move, ("other",))) == held
        held = settle(held, "ns1", move=Move(move, ("app1-own",)))
        assert phase(arrangement(held, "app1-own")) == wanted
        assert settle(held, "ns1", move=Move(move, ("app1-own",))) == held or move == "settled"
    assert arrangement(held, "app1-own")["current"].name == "app1-own-2"


def test_a_move_out_of_order_does_nothing() -> None:
    idle, prepared = store(current=key()), store(current=key(), next=key(2))
    assert settle(idle, "ns1", move=Move("promoted", ("app1-own",))) == idle
    assert settle(prepared, "ns1", move=Move("settled", ("app1-own",))) == prepared
    promoted = store(current=key(2), previous=key())
    assert settle(promoted, "ns1", move=Move("prepared", ("app1-own",))) == promoted


@st.composite
def stores(draw: st.DrawFn) -> Store:
    """What rotations, also those that were cut off, and carelessness can leave."""
    held = draw(
        st.sampled_from(
            [
                {},
                {"current": 1},
                {"current": 1, "next": 2},
                {"current": 1, "next": 2, "previous": 1},
                {"current": 2, "next": 2, "previous": 1},
                {"current": 2, "previous": 1},
                {"next": 2, "previous": 1},
                {"previous": 1},
                {"current": 3, "previous": 2},
                {"current": 9},
            ]
        )
    )
    files = {"app1-own" + SLOTS[slot]: StoredFile(key(number)) for slot, number in held.items()}
    loose = draw(st.booleans())
    files = {name: replace(one, private=not loose) for name, one in files.items()}
    if draw(st.booleans()):
        files["gone.key"] = StoredFile(key(name="gone"), marked=draw(st.booleans()))
    if draw(st.booleans()):
        files["app1-own.next.key"] = StoredFile(None)
    former = {"app1-own": key(salt="former")} if draw(st.booleans()) else {}
    return Store(files, former, (".smallfleet-a",) * draw(st.integers(0, 1)), draw(st.booleans()), draw(st.booleans()))


HOMES = [
    {"current": key()},
    {"current": key(), "next": key(2)},
    {"current": key(2), "previous": key()},
    {"current": key(2)},
    {"current": key(2), "next": key(3)},
]


@settings(max_examples=300, deadline=None)
@given(
    before=stores(),
    host=st.sampled_from(["ns1", "app1"]),
    home=st.sampled_from([None, *HOMES]),
    move=st.sampled_from(["", *MOVES]),
    stops=st.lists(st.integers(0, 5), max_size=3),
)
def test_however_often_it_is_interrupted_no_generation_is_lost_on_the_way(before: Store, host: str, home: Any, move: str, stops: List[int]) -> None:
    told = {"app1-own": home} if home and host == "app1" else {}
    how = {"given": told, "move": Move(move, ("app1-own",))}
    signing = "current" in arrangement(before, "app1-own")
    theirs = before.files.get("gone.key")
    for stop in [*stops, 99]:
        plan = plan_store(host, [OWN], before, **how)
        end = before
        for step in plan.steps:
            end = after(end, step)
        kept = [one for one in arrangement(before, "app1-own").values() if one in arrangement(end, "app1-own").values()]
        for step in plan.steps[:stop]:
            before = after(before, step)
            held = [one.key for one in before.files.values()]
            assert all(one in held for one in kept)
            assert not signing or before.files["app1-own.key"].key is not None
            assert theirs is None or theirs.marked or before.files["gone.key"] == theirs
            assert step.action != "make" or host == "ns1"
    assert plan_store(host, [OWN], before, told).steps == ()
    if "current" in arrangement(before, "app1-own"):
        assert all(one.private for name, one in before.files.items() if name.startswith("app1-own"))
    if told:
        assert arrangement(before, "app1-own") == home
    if host == "ns1":
        assert "current" in arrangement(before, "app1-own")


def test_names_that_would_be_taken_for_those_of_another_key_are_refused() -> None:
    assert problems([OWN, AskedKey("app1-own-2", "hmac-sha256", "ns1")])
    assert problems([AskedKey("a.next", "hmac-sha256", "ns1")])
    assert problems([AskedKey("../a", "hmac-sha256", "ns1")])
    assert problems([OWN, OWN])
    assert problems([OWN, AskedKey("app1-owner", "hmac-sha256", "ns1"), AskedKey("app1", "hmac-sha256", "ns1")]) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [("k", 1), ("k-2", 2), ("k-10", 10), ("k-1", None), ("k-02", None), ("k-", None), ("kk", None), ("k-x", None)],
)
def test_a_generation_is_known_by_its_name(name: str, number: Optional[int]) -> None:
    assert generation(name, "k") == number


def test_a_file_says_whose_it_is_and_is_still_a_key_file() -> None:
    assert is_marked(render_marked(key())) and parse(render_marked(key())) == key()


def test_nothing_that_is_shown_has_a_secret() -> None:
    plan = plan_store("app1", [OWN], store(next=key(5)), {"app1-own": {"current": key(), "next": key(2)}})
    shown = repr(plan) + "".join(map(str, plan.steps)) + str(diff_texts("/d", plan.steps))
    for number in (1, 2, 5):
        assert key(number).secret not in shown
        assert base64.b64decode(key(number).secret).decode() not in shown
    assert fingerprint(key()) in shown and fingerprint(key()) != fingerprint(key(salt="other"))


def test_a_bundle_is_read_as_it_was_written() -> None:
    told = {"app1-own": {"current": key(2), "previous": key()}}
    assert read_bundle(write_bundle("ns1", told), [OWN]) == told


@pytest.mark.parametrize(
    ("home", "keys", "said"),
    [
        ("ns2", {"app1-own": {"current": key()}}, "did not ask ns2 for"),
        ("ns1", {"other": {"current": key(name="other")}}, "did not ask ns1 for"),
        ("ns1", {"app1-own": {"current": key(name="other")}}, "generation of the key app1-own is none"),
        ("ns1", {"app1-own": {"current": key(algorithm="hmac-md5")}}, "is none"),
        ("ns1", {"app1-own": {"current": replace(key(), secret="c2hvcnQ=")}}, "is none"),
        ("ns1", {"app1-own": {"former": key()}}, "is none"),
        ("ns1", {"app1-own": {"next": key(2)}}, "no generation of the key app1-own to sign with"),
        ("ns1", {"app1-own": {"current": key(), "next": key()}}, "is none"),
    ],
)
def test_a_bundle_with_anything_that_was_not_asked_for_is_refused(home: str, keys: Any, said: str) -> None:
    with pytest.raises(BadBundle, match=said):
        read_bundle(write_bundle(home, keys), [OWN])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"home": "ns1", "keys": 3}', '{"home": "ns1", "keys": {"app1-own": 3}}'])
def test_a_bundle_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(BadBundle):
        read_bundle(text, [OWN])


def test_a_key_needs_a_strong_algorithm_and_256_bits() -> None:
    assert usable(key(), "app1-own") and usable(key(7), "app1-own")
    assert not usable(key(), "other")
    assert not usable(replace(key(), secret=base64.b64encode(b"x" * 31).decode()), "app1-own")
