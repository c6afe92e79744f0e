# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that somebody outside the fleet makes or holds: where their secrets come from, and how they are rotated."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping

import pytest
from servers import ZONE, host_plans, zone
from test_dns_key_host import content, job, key_host

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.jobs_host import run_job
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey, parse, render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_store_host import KeyFailure, KeyHost
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.rotation import decide

SECRET = base64.b64encode(b"the provider made this secret...").decode()
THEIRS = TsigKey("theirs", "hmac-sha256", SECRET)
KEYS = [{"name": "theirs", "algorithm": "hmac-sha256", "home": "ns1", "file": None, "external": True}]


@pytest.fixture
def home(tmp_path: Path) -> KeyHost:
    return key_host(tmp_path / "home" / "store")


def take(host: KeyHost, secret: Any = SECRET, **more: Any) -> Dict[str, Any]:
    return run_job(host, job("ns1", keys=KEYS, secrets={"theirs": secret}, **more))


@pytest.mark.parametrize("text", [SECRET, f" {SECRET[:20]}\n {SECRET[20:]}\n", render(THEIRS), render(THEIRS).replace('"theirs"', "Theirs.")])
def test_a_secret_is_taken_as_the_provider_sends_it_and_shown_nowhere(home: KeyHost, text: str) -> None:
    done = take(home, text)
    assert done["steps"] == ["write the key theirs to theirs.key"] and parse(content(home, "theirs.key")) == THEIRS
    assert SECRET not in repr(done) + repr(job("ns1", keys=KEYS, secrets={"theirs": text})) + " ".join(home.runner.seen)  # type: ignore[attr-defined]
    assert take(home, text)["changed"] is False
    assert os.stat(f"{home.folder}/theirs.key").st_mode & 0o777 == 0o600


def test_a_new_secret_replaces_the_one_before_and_without_one_it_stays(home: KeyHost) -> None:
    take(home)
    newer = base64.b64encode(b"n" * 32).decode()
    assert take(home, newer, check=True)["changed"] and parse(content(home, "theirs.key")) == THEIRS
    assert take(home, newer)["steps"] == ["write the key theirs to theirs.key"]
    assert parse(content(home, "theirs.key")).secret == newer
    assert run_job(home, job("ns1", keys=KEYS))["changed"] is False


def test_a_key_of_others_is_never_made_here(home: KeyHost, tmp_path: Path) -> None:
    recipient = run_job(key_host(tmp_path / "holder"), job("app1", keys=KEYS))["state"]["certificate"]
    for options in ({}, {"check": True}, {"state": "sealed", "recipient": recipient}):
        with pytest.raises(KeyFailure, match="dns_keys_secrets: {theirs: ...}") as failed:
            run_job(home, job("ns1", keys=KEYS, **options))
        assert failed.value.reason == "missing"
    assert content(home, "theirs.key") == ""


def test_a_key_of_others_comes_sealed_to_its_other_holders(home: KeyHost, tmp_path: Path) -> None:
    holder = key_host(tmp_path / "holder")
    here = run_job(holder, job("app1", keys=KEYS))
    take(home)
    sent = run_job(home, job("ns1", keys=KEYS, state="sealed", recipient=here["state"]["certificate"]))
    run_job(holder, job("app1", keys=KEYS, sealed=[sent["sealed"]]))
    assert parse(content(holder, "theirs.key")) == THEIRS


def test_a_key_of_others_is_not_moved(home: KeyHost) -> None:
    take(home)
    assert take(home, move_to="prepared", move=["theirs"])["changed"] is False


WRONG: Mapping[str, Any] = {
    "is not a text": 5,
    "is not base64 of 256 bits or more": "c2hvcnQ=",
    "256 bits or more": "\u00dcmlaut, but long enough to be a secret of this kind!!!!!",
    "is not the text of a key file": 'key "theirs" { algorithm hmac-sha256; };',
    "is a key of another name": render(TsigKey("other", "hmac-sha256", SECRET)),
    "is a key for another algorithm than hmac-sha256": render(TsigKey("theirs", "hmac-sha512", SECRET)),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_secret_that_cannot_be_used_is_refused_without_repeating_it(home: KeyHost, said: str) -> None:
    with pytest.raises(KeyFailure, match=said) as failed:
        take(home, WRONG[said])
    assert failed.value.reason == "bad_request" and "dns_keys_secrets.theirs: is " in str(failed.value)
    assert SECRET not in str(failed.value) and str(WRONG[said])[:9] not in str(failed.value).replace("theirs", "")
    assert not os.path.exists(home.folder)


def test_a_host_takes_only_secrets_of_keys_that_belong_there() -> None:
    for host, keys in (("ns2", KEYS), ("ns1", [{**KEYS[0], "external": False}]), ("ns1", [])):
        with pytest.raises(KeyFailure, match="this host is not where"):
            job(host, keys=keys, secrets={"theirs": SECRET})


def test_a_name_of_a_key_that_is_no_text_is_refused_by_what_it_is() -> None:
    for secrets in ({2024: SECRET, "theirs": SECRET}, {2024: SECRET}, {None: SECRET, 1.5: SECRET}):
        with pytest.raises(KeyFailure, match="dns_keys_secrets: expected the names of keys, got (2024|None|1.5). Put the name in quotes."):
            job("ns1", keys=KEYS, secrets=secrets)


# --- rotation ---


def plan() -> Dict[str, Any]:
    entries = [{"address": "198.51.100.53", "key": "ours"}, {"key": "theirs"}]
    asked = {"dns_zones": zone(external_secondaries=entries), "dns_keys": {"ours": {}, "theirs": {"external": True}}}
    server = host_plans(**asked)["ns1"]
    marks = {"ours": {"shared": True}, "theirs": {"external": True}}
    keys = [{**one, "home": "ns1", **marks.get(one["name"], {})} for one in server["keys"]]
    return {"ns1": {"dns_server": server, "dns_keys": {"keys": keys}}}


def seen(**slots: str) -> List[Dict[str, Any]]:
    """The store of the only host: fingerprints of the generations of the key ``ours``, and all other keys at rest."""

    def shown(name: str, fingerprint: str) -> Dict[str, str]:
        return {"name": name, "algorithm": "hmac-sha256", "fingerprint": fingerprint}

    generations = {name: {"current": shown(name, name)} for name in ("demo-update", "theirs")}
    generations["ours"] = {slot: shown("ours", fingerprint) for slot, fingerprint in slots.items()}
    return [{"state": {"host": "ns1", "generations": generations}}]


def test_all_keys_are_rotated_but_those_that_others_hold_or_make() -> None:
    turn = decide("prepared", plan(), seen(current="1"))
    assert turn["hosts"]["ns1"]["move"] == turn["hosts"]["ns1"]["keys"] == ["demo-update"] and not turn["refusals"]
    assert [note.split(",")[0] for note in turn["notes"]] == ["The key ours is held by others too", "The key theirs is made by others"]
    assert decide("promoted", plan(), seen(current="1"))["notes"] == []


def test_a_key_that_others_make_is_not_rotated_here() -> None:
    turn = decide("prepared", plan(), seen(current="1"), "theirs")
    assert turn["reason"] == "external" and turn["hosts"] == {}
    assert "Nothing was changed" in turn["refusals"][0] and "dns_keys_secrets.theirs" in turn["refusals"][0]


def test_a_key_that_others_hold_waits_until_they_have_its_next_generation() -> None:
    begun = decide("prepared", plan(), seen(current="1"), "ours")
    assert begun["hosts"]["ns1"]["move"] == ["ours"]
    stopped = decide("promoted", plan(), seen(current="1", next="2"), "ours")
    assert not stopped["hosts"]["ns1"]["move"]
    assert "/etc/smallfleet/dns/ours.next.key on ns1" in stopped["refusals"][0]
    assert "dns_rotate_handed_over=true" in stopped["refusals"][0]
    again = decide("prepared", plan(), seen(current="1", next="2"), "ours", handed_over=True)
    assert again["steps"] == ["finish the rotation of ours that is under way on ns1"] and not again["hosts"]["ns1"]["move"]
    gone_on = decide("promoted", plan(), seen(current="1", next="2"), "ours", handed_over=True)
    assert gone_on["hosts"]["ns1"]["move"] == ["ours"] and not gone_on["refusals"]
    ended = decide("settled", plan(), seen(current="2", previous="1"), "ours", handed_over=True)
    assert ended["hosts"]["ns1"]["move"] == ["ours"] and not ended["refusals"]


def test_what_was_not_begun_cannot_have_been_handed_over() -> None:
    turn = decide("prepared", plan(), seen(current="1"), "ours", handed_over=True)
    assert "Nothing was changed. No rotation of ours is under way" in turn["refusals"][0]


def test_the_plan_of_the_fleet_marks_these_keys() -> None:
    assert [one["name"] for one in plan()["ns1"]["dns_server"]["keys"]] == ["demo-update", "ours", "theirs"]
    assert plan()["ns1"]["dns_server"]["zones"][0]["name"] == ZONE
