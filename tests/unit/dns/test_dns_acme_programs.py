# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two programs of the role acme_certificates, as far as they need no ACME server; certificates are real ones.

What name servers answer is made up here; molecule/acme_certificates has real ones.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.certificates_host import installed_program
from ansible_collections.smallfleet.infra.plugins.module_utils._system import files

FILES = Path(__file__).resolve().parents[3] / "roles" / "acme_certificates" / "files"
DAY = 86400.0
CONFIG: Dict[str, Any] = {
    "name": "web",
    "names": ["example.net", "*.example.net"],
    "key_type": "ecdsa",
    "directory": "https://acme.example.com/dir",
    "contact": "",
    "ca_file": "",
    "key": {"file": "/nowhere"},
    "check": None,
    "deploy": {"units": ["a.service"], "action": "reload", "owner": "root", "group": "root", "files": []},
}


def load(name: str) -> Any:
    """The program as a module; the one it imports is on hosts in the same text."""
    sys.modules["smallfleet_files"] = files
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(FILES / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def certificate(days: float, left: float, **changes: Any) -> Dict[str, Any]:
    """What read_certificate() says of one that lives for so many days and has so many left, at the moment 0."""
    found = {
        "names": ["*.example.net", "example.net"],
        "key_type": "ecdsa",
        "begins": (left - days) * DAY,
        "ends": left * DAY,
        "fingerprint": "f",
        "key_matches": True,
    }
    return {**found, **changes}


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (None, "acme.example.com has not issued it to this host yet"),
        (certificate(90, 89), ""),
        (certificate(90, 30.1), ""),
        (certificate(90, 29.9), "it ends in 29 days"),
        (certificate(90, -2), "it ends in 0 days"),
        (certificate(6, 3.1), ""),
        (certificate(6, 2.9), "it ends in 2 days"),
        (certificate(45, 15.1), ""),
        (certificate(45, 14.9), "it ends in 14 days"),
        (certificate(90, 89, names=["example.net"]), "it lacks *.example.net"),
        (certificate(90, 89, names=["*.example.net", "a.net", "example.net"]), "it has a.net too much"),
        (certificate(90, 89, key_type="rsa"), "its key is rsa and not ecdsa"),
        (certificate(90, 89, key_matches=False), "its private key is not the one it was issued for"),
    ],
)
def test_a_certificate_is_issued_when_it_is_due_or_not_as_asked_for(there: Any, why: str) -> None:
    assert load("smallfleet-acme").why_issue(CONFIG, there, 0.0) == why


def test_the_program_is_one_text_that_any_python_runs() -> None:
    text = installed_program((FILES / "smallfleet-acme").read_text())
    done = subprocess.run(["python3", "-I", "-", "status", "[]"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize(("kind", "owner", "group"), [("user", "nobody-here", "root"), ("group", "root", "nobody-here")])
def test_an_owner_whom_the_host_lacks_is_named_before_anything_is_written(kind: str, owner: str, group: str, tmp_path: Path) -> None:
    program = load("smallfleet-acme")
    assert (program.user_number, program.group_number) == (files.user_number, files.group_number)
    with pytest.raises(program.Failure, match=f"^There is no {kind} 'nobody-here' on this host; install the program"):
        program.write(tmp_path / "file", "text", 0o600, owner, group)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_prints_without_end_or_never_ends_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = load("smallfleet-acme")
    monkeypatch.setattr(program, "MOST_OUTPUT", 1 << 20)
    with pytest.raises(program.Failure, match="^yes printed more than 1048576 bytes"):
        program.execute(["yes"])
    assert program.execute(["sleep", "30"], 0.1) == (-9, "")
    assert program.execute(["sh", "-c", "echo one; echo two >&2; exit 3"]) == (3, "one\ntwo\n")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """smallfleet-acme with folders of its own, a user who is everybody, and a list of the units it told."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    module = load("smallfleet-acme")
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(module, "CONFIGURATION", tmp_path / "etc")
    monkeypatch.setattr(module, "STATE", tmp_path / "state" / "acme")
    monkeypatch.setattr(module, "user_number", lambda name: os.getuid())
    monkeypatch.setattr(module, "group_number", lambda name: os.getgid())
    module.told = []
    monkeypatch.setattr(module, "tell", lambda unit, action: module.told.append(f"{action} {unit}"))
    return module


def issue(program: Any) -> Dict[str, Any]:
    """A new certificate where certbot puts it."""
    folder = program.lineage(CONFIG)
    folder.mkdir(parents=True, exist_ok=True)
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=example.net"]
    names = ["-addext", "subjectAltName=DNS:example.net,DNS:*.example.net"]
    paths = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", *made, *names, *paths], check=True, capture_output=True)
    for other in ("chain", "fullchain"):
        shutil.copy(folder / "cert.pem", folder / f"{other}.pem")
    found: Dict[str, Any] = program.read_certificate(folder)
    return found


def test_a_certificate_is_read_with_its_names_its_life_and_its_key(program: Any) -> None:
    found = issue(program)
    assert found["names"] == ["*.example.net", "example.net"] and found["key_type"] == "ecdsa"
    assert found["key_matches"] and abs(found["ends"] - found["begins"] - 90 * DAY) < 5
    first = program.lineage(CONFIG) / "privkey.pem"
    kept = first.read_text()
    issue(program)
    first.write_text(kept)
    assert not program.read_certificate(program.lineage(CONFIG))["key_matches"]


def test_a_new_certificate_is_put_in_place_whole_and_its_unit_is_told_once(program: Any) -> None:
    there = issue(program)
    live = program.CONFIGURATION / "web"
    program.CONFIGURATION.mkdir()
    assert program.pending(CONFIG, there) == [f"put the new files into {live}", "reload a.service"]
    program.deploy_certificate(CONFIG, there)
    assert program.pending(CONFIG, there) == []
    program.deploy_certificate(CONFIG, there)
    assert program.told == ["reload a.service"]
    assert oct((live / "privkey.pem").stat().st_mode & 0o777) == "0o600"
    assert (live / "cert.pem").read_text() == (program.lineage(CONFIG) / "cert.pem").read_text()


def test_only_the_newest_versions_are_kept_and_a_touched_file_is_put_right_without_telling(program: Any) -> None:
    program.CONFIGURATION.mkdir()
    for _count in range(4):
        there = issue(program)
        program.deploy_certificate(CONFIG, there)
    assert len(list((program.CONFIGURATION / "versions").iterdir())) == 2
    assert len(program.told) == 4
    (program.CONFIGURATION / "web" / "privkey.pem").chmod(0o644)
    assert len(program.pending(CONFIG, there)) == 1
    program.deploy_certificate(CONFIG, there)
    assert program.pending(CONFIG, there) == [] and len(program.told) == 4


def test_a_unit_that_could_not_be_told_is_told_the_next_time(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program.CONFIGURATION.mkdir()
    there = issue(program)

    def refuse(unit: str, action: str) -> None:
        raise program.Failure(f"{unit} could not {action}")

    with monkeypatch.context() as patch:
        patch.setattr(program, "tell", refuse)
        with pytest.raises(program.Failure):
            program.deploy_certificate(CONFIG, there)
    assert program.pending(CONFIG, there) == ["reload a.service"]
    program.deploy_certificate(CONFIG, there)
    assert program.told == ["reload a.service"]


# --- The hook ---

CHALLENGE = {
    "name": "example.net",
    "record": "_acme-challenge.example.net",
    "zone": "example.net",
    "servers": ["192.0.2.1"],
    "nameservers": {},
}


class Clock:
    """A clock that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waiting(monkeypatch: pytest.MonkeyPatch, late: Dict[str, float], silent: List[str]) -> Any:
    """The hook with name servers that get the value after so many seconds, and others that do not answer."""
    hook, clock = load("smallfleet-acme-dns"), Clock()
    monkeypatch.setattr(hook, "time", clock)
    monkeypatch.setattr(hook, "nameservers", lambda challenge: {*late, *silent})

    def look(places: Any) -> Any:
        quiet = [place for place in places if place[0] in silent]
        return quiet, [place for place in places if place[0] in late and late[place[0]] > clock.now]

    monkeypatch.setattr(hook, "look", look)
    hook.clock = clock
    return hook


def test_the_hook_waits_for_the_slowest_server(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = waiting(monkeypatch, {"192.0.2.1": 0, "192.0.2.2": 40}, [])
    hook.wait_for([(CHALLENGE, "value")])
    assert 40 <= hook.clock.now < 43


def test_a_server_that_stays_behind_is_named_before_any_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = waiting(monkeypatch, {"192.0.2.1": 0, "192.0.2.2": 1e9}, [])
    with pytest.raises(hook.Failure, match=r"still have no value: 192\.0\.2\.2 \(_acme-challenge\.example\.net\)"):
        hook.wait_for([(CHALLENGE, "value")])


def test_a_server_that_is_down_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = waiting(monkeypatch, {"192.0.2.1": 0}, ["192.0.2.2"])
    hook.wait_for([(CHALLENGE, "value")])
    assert hook.GRACE <= hook.clock.now < hook.GRACE + 3


def test_when_all_servers_are_down_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = waiting(monkeypatch, {}, ["192.0.2.1", "192.0.2.2"])
    with pytest.raises(hook.Failure, match="still have no value"):
        hook.wait_for([(CHALLENGE, "value")])


@pytest.mark.parametrize("text", ["", "key x {};", 'key "x" { algorithm hmac-sha256; secret "not base64!"; };'])
def test_a_key_file_that_is_no_good_is_named_and_never_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.key"
    path.write_text(text)
    hook = load("smallfleet-acme-dns")
    with pytest.raises(hook.Failure) as caught:
        hook.read_key(str(path))
    assert str(path) in str(caught.value) and "not base64" not in str(caught.value)
    with pytest.raises(hook.Failure, match="is missing"):
        hook.read_key(str(tmp_path / "y.key"))


@pytest.mark.parametrize("content", ["", "7", "[]", "[" * 100_000, "\x00"])
def test_a_damaged_note_of_the_last_try_is_none(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = load("smallfleet-acme")
    monkeypatch.setattr(program, "STATE", tmp_path)
    (tmp_path / "web.json").write_text(content, encoding="utf-8")
    assert program.read_state("web") == {}
