# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key store on a real file system, and the exchange with the real OpenSSL: home and holder in two folders."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import pytest
from test_text import module_arguments

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.jobs_host import Job, run_job
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey, parse
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_store_host import KeyFailure, KeyHost, SystemRights
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles
from ansible_collections.smallfleet.infra.plugins.modules import dns_key_store

KEYS = [{"name": "app1-own", "algorithm": "hmac-sha256", "home": "ns1", "file": None}]


class Recording(SystemRunner):
    """The real thing, which remembers what anybody could see in the list of processes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: List[str] = []

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        self.seen.extend(argv)
        return super().run(argv, stdin=stdin, check=check)


def key_host(folder: Path) -> KeyHost:
    former = str(folder.parent / "former")
    return KeyHost(str(folder), Recording(), SystemFiles(), SystemRights(os.getuid()), former)


def job(host: str, check: bool = False, **options: Any) -> Job:
    given: Dict[str, Any] = {
        "host": host,
        "keys": KEYS,
        "state": "present",
        "sealed": None,
        "recipient": "",
        "move_to": None,
        "move": [],
        "questions": [],
        "folder": "/etc/smallfleet/dns",
    }
    return Job.read({**given, **options}, check)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A holder's key pair, made once: it takes a second."""
    holder = key_host(tmp_path_factory.mktemp("pair") / "store")
    run_job(holder, job("app1"))
    return holder.files.read(f"{holder.folder}/exchange.pem") or ""


@pytest.fixture
def home(tmp_path: Path) -> KeyHost:
    return key_host(tmp_path / "home" / "store")


@pytest.fixture
def holder(tmp_path: Path, pair: str) -> KeyHost:
    made = key_host(tmp_path / "holder" / "store")
    made.rights.protect(made.folder)
    made.files.write(f"{made.folder}/exchange.pem", pair, 0o600)
    return made


def content(host: KeyHost, name: str = "app1-own.key") -> str:
    return host.files.read(f"{host.folder}/{name}") or ""


def exchange(home: KeyHost, holder: KeyHost) -> Dict[str, Any]:
    here = run_job(holder, job("app1"))
    sent = run_job(home, job("ns1", state="sealed", recipient=here["state"]["certificate"]))
    assert "BEGIN CMS" in sent["sealed"]
    return run_job(holder, job("app1", sealed=[sent["sealed"]]))


def test_a_key_that_gets_another_home_keeps_all_its_generations(home: KeyHost, holder: KeyHost) -> None:
    """ns1 was the home, and app1 is it now."""
    now = [{**KEYS[0], "home": "app1"}]
    run_job(home, job("ns1"))
    run_job(home, job("ns1", move_to="prepared", move=["app1-own"]))
    first = run_job(holder, job("app1", keys=now, defer=True))
    assert first["state"]["deferred"] == {"generate": ["app1-own"], "remove": {}} and first["state"]["offers"] == {"app1-own": ""}
    gives = run_job(home, job("ns1", keys=[], defer=True))
    assert list(gives["state"]["deferred"]["remove"]) == ["app1-own"] and not gives["changed"]
    taking = {"keys": now, "defer": True, "adopt": {"app1-own": "ns1"}}
    pair = run_job(holder, job("app1", **taking))["state"]["certificate"]
    checked = run_job(holder, job("app1", check=True, sealed=[""], **taking))
    assert checked["steps"] == ["take the key app1-own from ns1"]
    sent = run_job(home, job("ns1", keys=[KEYS[0]], state="sealed", recipient=pair))["sealed"]
    with pytest.raises(KeyFailure, match="which this host did not ask ns1 for"):
        run_job(holder, job("app1", sealed=[sent], keys=now))
    run_job(holder, job("app1", sealed=[sent], **taking))
    for name in ("app1-own.key", "app1-own.next.key"):
        assert content(holder, name) == content(home, name) != ""
    assert run_job(holder, job("app1", keys=now))["steps"] == []
    assert run_job(home, job("ns1", keys=[], keep=["app1-own"]))["steps"] == []
    assert run_job(home, job("ns1", keys=[]))["steps"] == ["remove app1-own.key", "remove app1-own.next.key"]


def test_a_key_of_which_each_host_has_its_own_is_generated_at_once(home: KeyHost) -> None:
    local = [{**KEYS[0], "local": True}]
    assert "make the key app1-own in app1-own.key" in run_job(home, job("ns1", keys=local, defer=True))["steps"]


def test_a_key_comes_from_home_to_holder_and_no_process_and_no_result_shows_it(home: KeyHost, holder: KeyHost) -> None:
    done = exchange(home, holder)
    assert done["changed"] and done["steps"] == ["write the key app1-own to app1-own.key"]
    key = parse(content(holder))
    assert key == parse(content(home)) and key.name == "app1-own"
    visible = repr(done) + " ".join(home.runner.seen + holder.runner.seen)  # type: ignore[attr-defined]
    assert key.secret not in visible and "PRIVATE" not in visible
    assert run_job(holder, job("app1"))["changed"] is False
    assert exchange(home, holder)["changed"] is False


def test_only_root_can_look_into_the_store_and_its_files(home: KeyHost, holder: KeyHost) -> None:
    exchange(home, holder)
    for store in (home.folder, holder.folder):
        assert stat.S_IMODE(os.stat(store).st_mode) == 0o700
        assert {stat.S_IMODE(os.stat(os.path.join(store, name)).st_mode) for name in os.listdir(store)} == {0o600}
    os.chmod(f"{holder.folder}/app1-own.key", 0o644)
    assert run_job(holder, job("app1"))["steps"] == ["let only root read app1-own.key"]
    assert stat.S_IMODE(os.stat(f"{holder.folder}/app1-own.key").st_mode) == 0o600


def test_a_key_pair_that_others_could_read_is_made_anew(holder: KeyHost, pair: str) -> None:
    os.chmod(f"{holder.folder}/exchange.pem", 0o644)
    assert run_job(holder, job("app1"))["steps"] == ["make the key pair exchange.pem"]
    assert content(holder, "exchange.pem") != pair


def test_what_was_sealed_for_another_cannot_be_opened(home: KeyHost, holder: KeyHost, tmp_path: Path) -> None:
    other = key_host(tmp_path / "other" / "store")
    here = run_job(other, job("app1"))
    sent = run_job(home, job("ns1", state="sealed", recipient=here["state"]["certificate"]))
    with pytest.raises(KeyFailure, match="cannot be opened with its private key"):
        run_job(holder, job("app1", sealed=[sent["sealed"]]))
    assert content(holder) == ""


def test_what_was_changed_on_its_way_is_refused(home: KeyHost, holder: KeyHost) -> None:
    here = run_job(holder, job("app1"))
    lines = run_job(home, job("ns1", state="sealed", recipient=here["state"]["certificate"]))["sealed"].splitlines()
    last = lines[-3]
    lines[-3] = ("A" if last[0] != "A" else "B") + last[1:]
    with pytest.raises(KeyFailure):
        run_job(holder, job("app1", sealed=["\n".join(lines) + "\n"]))
    assert content(holder) == ""


def test_a_key_from_the_wrong_home_is_refused(home: KeyHost, holder: KeyHost) -> None:
    here = run_job(holder, job("app1"))
    theirs = [{**KEYS[0], "home": "ns2"}]
    sent = run_job(home, job("ns2", keys=theirs, state="sealed", recipient=here["state"]["certificate"]))
    with pytest.raises(KeyFailure, match="did not ask ns2 for"):
        run_job(holder, job("app1", sealed=[sent["sealed"]]))


def test_check_mode_writes_nothing_and_says_the_same(home: KeyHost, holder: KeyHost) -> None:
    told = run_job(home, job("ns1", check=True))
    assert told["changed"] and not os.path.exists(home.folder)
    sent = run_job(home, job("ns1", check=True, state="sealed"))
    assert sent["sealed"] == "" and not os.path.exists(home.folder)
    would = run_job(holder, job("app1", check=True, sealed=[""]))
    assert would["steps"] == ["take the key app1-own from ns1"] and content(holder) == ""
    assert run_job(home, job("ns1"))["steps"] == told["steps"]


def test_a_key_that_home_did_not_send_is_an_error(holder: KeyHost) -> None:
    with pytest.raises(KeyFailure, match="ns1 has not given app1-own"):
        run_job(holder, job("app1", sealed=[]))


def test_a_holder_takes_keys_from_one_home_after_the_other(home: KeyHost, holder: KeyHost, tmp_path: Path) -> None:
    other = key_host(tmp_path / "other" / "store")
    keys = [*KEYS, {**KEYS[0], "name": "app1-too", "home": "ns2"}]
    recipient = run_job(holder, job("app1", keys=keys))["state"]["certificate"]
    for giving, name, own in ((home, "ns1", keys[:1]), (other, "ns2", keys[1:])):
        sent = run_job(giving, job(name, keys=own, state="sealed", recipient=recipient))
        run_job(holder, job("app1", keys=keys, sealed=[sent["sealed"]]))
    assert content(holder) and content(holder, "app1-too.key")


def test_holders_that_ask_at_the_same_moment_get_the_same_key(home: KeyHost, holder: KeyHost) -> None:
    recipient = run_job(holder, job("app1"))["state"]["certificate"]
    seen: List[Mapping[str, Any]] = []

    def ask() -> None:
        mine = key_host(Path(home.folder))
        seen.append(run_job(mine, job("ns1", state="sealed", recipient=recipient))["state"]["offers"])

    askers = [threading.Thread(target=ask) for _number in range(4)]
    for one in askers:
        one.start()
    for one in askers:
        one.join()
    assert len(seen) == 4 and all(one == seen[0] for one in seen)


def test_a_rotation_goes_through_both_stores(home: KeyHost, holder: KeyHost) -> None:
    exchange(home, holder)
    for move, files in (("prepared", [".key", ".next.key"]), ("promoted", [".key", ".previous.key"]), ("settled", [".key"])):
        run_job(home, job("ns1", move_to=move, move=["app1-own"]))
        exchange(home, holder)
        held = [name for name in sorted(os.listdir(holder.folder)) if name.startswith("app1-own")]
        assert held == [f"app1-own{suffix}" for suffix in files]
        assert all(content(holder, name) == content(home, name) for name in held)
    assert parse(content(holder)).name == "app1-own-2"


def test_questions_are_signed_with_the_newest_generation(home: KeyHost) -> None:
    run_job(home, job("ns1"))
    run_job(home, job("ns1", move_to="prepared", move=["app1-own"]))
    asked: List[TsigKey] = []
    question = {"key": "app1-own", "server": "192.0.2.1", "port": 53, "zone": "example.net"}
    run_job(home, job("ns1", state="observed", questions=[question]), lambda _question, key: asked.append(key))
    assert [key.name for key in asked] == ["app1-own-2"]
    with pytest.raises(KeyFailure, match="The key other is not on ns1"):
        run_job(home, job("ns1", state="observed", questions=[{**question, "key": "other"}]))


def test_a_key_of_an_earlier_version_is_taken_from_its_old_place(home: KeyHost) -> None:
    old = 'key "app1-own" { algorithm hmac-sha256; secret "' + "QUJD" * 11 + '"; };\n'
    home.files.write(f"{home.former}/app1-own.key", old, 0o640)
    run_job(home, job("ns1"))
    assert parse(content(home)) == parse(old)


def test_somebodys_file_that_is_no_text_is_left_alone(home: KeyHost) -> None:
    run_job(home, job("ns1"))
    path = Path(home.folder) / "theirs.key"
    path.write_bytes(b"\xff\xfe\x00")
    assert run_job(home, job("ns1"))["changed"] is False and path.exists()


@pytest.mark.parametrize(
    ("host", "options", "said"),
    [
        ("ns1", {"keys": [{**KEYS[0], "file": "/elsewhere/app1-own.key"}]}, "is not app1-own.key in"),
        ("app1", {"state": "sealed"}, "is made on ns1, not here"),
        ("ns1", {"keys": [*KEYS, {**KEYS[0], "name": "app1-own-2"}]}, "has the name of a generation of app1-own"),
    ],
)
def test_options_that_make_no_sense_are_refused(host: str, options: Dict[str, Any], said: str) -> None:
    with pytest.raises(KeyFailure, match=said):
        job(host, **options)


def test_a_host_without_openssl_is_told_so(home: KeyHost, holder: KeyHost) -> None:
    home.find = lambda name: None
    with pytest.raises(KeyFailure, match="Install the Debian package openssl"):
        exchange(home, holder)


def test_a_store_without_room_is_named_with_what_stays_and_what_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device", f"{tmp_path}/app1-own.key")

    monkeypatch.setattr(dns_key_store, "run_job", full)
    with module_arguments({"host": "ns1", "keys": [{"name": "app1-own", "home": "ns1"}], "folder": str(tmp_path)}), pytest.raises(SystemExit):
        dns_key_store.main()
    said = json.loads(capsys.readouterr().out)
    assert said["reason"] == "system" and said["msg"].startswith(f"{tmp_path}/app1-own.key: No space left on device. Every other key is whole")
    assert "See with df" in said["msg"]
