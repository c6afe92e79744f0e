# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign text reaches a terminal as text, and a secret in the wrong option reaches nothing."""

from __future__ import annotations

import importlib
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator
from unittest import mock

import pytest
from ansible.module_utils import basic
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import TRANSPORT, make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet, render_plan
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import Problem, report
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import shown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.commit_controller import Unreachable
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.masking import looks_like_secret
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.quoting import visible, visible_lines
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule, misplaced_secrets
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

MODULES = sorted((Path(__file__).resolve().parents[2] / "plugins" / "modules").glob("*.py"))
ESCAPES = ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\x7f", "\u202e", "\u2066", "\u2028", "\r", "\x00", "\ufeff"]
SECRET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_control_character_is_left(escape: str) -> None:
    for text in (visible(f"web{escape}1"), visible_lines(f"web{escape}1\n\tmore"), str(Unreachable(f"a{escape}b"))):
        assert escape not in text
        assert all(one.isprintable() or one in "\n\t" for one in text)


@given(st.text())
def test_text_that_a_person_can_read_is_left_alone(text: str) -> None:
    assert (visible(text) == text) == text.isprintable()
    assert visible("grün naïve 東京") == "grün naïve 東京"


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_problem_quotes_a_name_without_its_control_characters(escape: str) -> None:
    problem = Problem(f"web{escape}1", f"a{escape}b", f"{escape} is wrong", f"Remove {escape}")
    assert escape not in str(problem) and escape not in report([problem])
    plan = plan_fleet({f"web{escape}1": {"fleet_name": "demo", "fleet_domain": "demo.example.net", f"dns_{escape}": 1}}, {"all": [f"web{escape}1"]})
    assert plan.problems and escape not in report(plan.problems)


def inventory(interface: str) -> Dict[str, Any]:
    networks = {"main": {"ipv4": "192.0.2.0/24"}}
    common = {"fleet_name": "demo", "fleet_domain": "demo.example.net", "fleet_networks": networks, "fleet_host_number": 1}
    return {"web": {**common, "fleet_host_networks": {"main": {"interface": interface}}}}


def test_an_interface_has_no_control_character_in_its_name() -> None:
    assert not plan_fleet(inventory("eth0"), {"all": ["web"]}).problems
    assert "is not a name for an interface" in report(plan_fleet(inventory("eth\x1b[2J"), {"all": ["web"]}).problems)


@pytest.mark.parametrize("escape", ESCAPES)
def test_the_plan_for_people_has_none_either(escape: str) -> None:
    plan = plan_fleet(inventory("eth0"), {"all": ["web"]})
    host = plan.hosts["web"]
    host["host"]["networks"]["main"]["interface"] = f"eth{escape}"
    host["capabilities"] = [f"a{escape}"]
    assert escape not in render_plan(plan.fleet, plan.hosts)


@contextmanager
def module_arguments(options: Dict[str, Any]) -> Iterator[None]:
    """What a module finds as its arguments. ansible-core has a function for it from 2.19 on."""
    try:
        testing = importlib.import_module("ansible.module_utils.testing")
    except ImportError:
        with mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()):
            yield
    else:
        with testing.patch_module_args(options):
            yield


def result_of(capsys: pytest.CaptureFixture[str], how: str, **result: Any) -> Dict[str, Any]:
    with module_arguments({}):
        module = AnsibleModule(argument_spec={})
        module.warn("a\x1b[2Jb")
        with pytest.raises(SystemExit):
            getattr(module, how)(**result)
    return dict(json.loads(capsys.readouterr().out))


def test_messages_warnings_and_diffs_of_modules_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    failed = result_of(capsys, "fail_json", msg="no\x1b[2J\nyes", diff=[{"before": "\x1b", "after": "\tb\n"}])
    assert failed["msg"] == "no\\x1b[2J\nyes" and failed["diff"] == [{"before": "\\x1b", "after": "\tb\n"}]
    done = result_of(capsys, "exit_json", state="\x1b", diff={"before": "\x9b", "after": ""})
    assert done["diff"] == {"before": "\\x9b", "after": ""}
    assert done["state"] == "\x1b", "what other tasks read stays as it is"
    assert "\x1b" not in json.dumps(done["warnings"], ensure_ascii=False)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_is_the_collection_s_own_kind(path: Path) -> None:
    assert not re.search(r"ansible\.module_utils\.basic import .*\bAnsibleModule\b", path.read_text(encoding="utf-8"))


def test_a_secret_in_the_place_of_a_name_is_recognized() -> None:
    for text in (SECRET, SECRET.rstrip("=").ljust(44, "="), "MTIzNDU2Nzg5MDEyMzQ1Ng==", "0123456789abcdef" * 2):
        assert looks_like_secret(text)
        assert text not in shown(text)
    for text in ("demo-update", "app1-own-2", "acme.example.net", "exampleupdatekey", "Example-Update-Key-2030", "demo", ""):
        assert not looks_like_secret(text)


@pytest.mark.parametrize(
    "name",
    [
        SECRET,
        f"hmac-sha256:demo-update:{SECRET}",  # as nsupdate -y, dig -y and kdig -y take it
        f"demo-update:{SECRET}",
        f"demo-update {SECRET}",
        f'key "demo-update" {{ algorithm hmac-sha256; secret "{SECRET}"; }};',
        f"key:\n  - id: demo-update\n    secret: {SECRET}\n",
    ],
)
def test_a_secret_in_the_place_of_a_name_is_neither_logged_nor_returned(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    logged = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    side = {"type": "dict", "options": {"key_name": {"type": "str"}}}
    options = {"server": "192.0.2.53", "key_name": name, "key_secret": "demo-update", "old": {"key_name": SECRET[4:]}}
    with module_arguments(options):
        module = AnsibleModule(argument_spec={**TRANSPORT, "old": side})
        with pytest.raises(Refused) as refusal:
            make_client(module.params, SystemFiles())
        with pytest.raises(SystemExit):
            module.fail_json(msg=str(refusal.value))
    printed = capsys.readouterr().out
    assert "looks like the secret of a key" in printed
    assert logged and SECRET not in printed + str(logged) and SECRET[4:] not in printed + str(logged)


@pytest.mark.parametrize(
    "options",
    [{"secret": "hunter2"}, {"key_secert": "hunter2"}, {"tsig_password": "hunter2"}, {"old": {"secret": "hunter2"}}, {"sides": [{"token": "hunter2"}]}],
)
def test_a_secret_under_a_name_that_a_module_does_not_know_is_neither_logged_nor_returned(options: Dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    side = {"options": {"server": {"type": "str"}}}
    spec = {**TRANSPORT, "old": {"type": "dict", **side}, "sides": {"type": "list", "elements": "dict", **side}}
    with module_arguments({"server": "192.0.2.53", **options}), pytest.raises(SystemExit):
        AnsibleModule(argument_spec=spec)
    printed = capsys.readouterr().out
    assert "nsupported parameters" in printed and "hunter2" not in printed


def test_a_secret_in_a_command_is_neither_logged_nor_returned() -> None:
    guests = {"web": {"boot": {"cmdline": "console=ttyS0 inst.token=hunter2 quiet"}}}
    options = {"guests": guests, "exec_start": "/bin/web --password 'hunter3' --port 8080", "exec_start_pre": ["/bin/x", "/bin/y --key=hunter4"]}
    assert set(misplaced_secrets(options)) == {"hunter2", "hunter3", "hunter4"}
    assert not list(misplaced_secrets({"exec_start": "/bin/web --key-type rsa --port 80 pin=1", "exec_start_pre": None}))


def test_a_path_and_a_name_are_logged_as_ever() -> None:
    assert not list(misplaced_secrets({"key_file": "/etc/Keys1/abcdefghi", "key_name": "demo-update", "value": [SECRET]}))
