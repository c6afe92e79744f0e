# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a move refuses before it asks anybody, in the words of who wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
import yaml
from test_dns_types import CANONICAL
from test_text import module_arguments

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation_client import Asker
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.resolver_client import Resolver
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.variable_names import renamed
from ansible_collections.smallfleet.infra.plugins.modules import dns_zone_import, dns_zone_move

MOVE: Dict[str, Any] = {"zone_name": "example.net", "old": {"servers": ["192.0.2.1"]}, "new": {"servers": ["192.0.2.2"]}, "variable_prefix": "move_"}
PLAYBOOK = Path(__file__).resolve().parents[3] / "playbooks" / "move_zone.yml"


def message(main: Callable[[], None], options: Dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    with module_arguments(options), pytest.raises(SystemExit):
        main()
    return str(json.loads(capsys.readouterr().out)["msg"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"servers": ["192.0.2.1"]}, {"servers": ["192.0.2.1"]}),
        ({"servers": ["192.0.2.1", "192.0.2.2"]}, {"servers": ["192.0.2.3", "192.0.2.2"]}),
        ({"servers": ["2001:DB8::1"]}, {"servers": ["2001:db8:0::1"]}),
        ({"servers": ["192.0.2.1"]}, {"servers": ["::ffff:192.0.2.1"]}),
        ({"servers": ["localhost"]}, {"servers": ["127.0.0.1"]}),
        ({"servers": ["ns1.invalid"]}, {"servers": ["NS1.invalid."]}),
    ],
)
def test_a_server_on_both_sides_is_refused_before_anybody_is_asked(old: Dict[str, Any], new: Dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    said = message(dns_zone_move.main, {**MOVE, "old": old, "new": new}, capsys)
    assert said.startswith("move_old: ") and "is on the other side too, as" in said and "name others on one side" in said


def test_two_servers_of_one_address_are_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = {"old": {"servers": ["127.0.0.1"], "port": 1}, "new": {"servers": ["127.0.0.1"], "port": 2}}
    said = message(dns_zone_move.main, {**MOVE, **sides, "state_file": str(tmp_path / "state"), "timeout": 0.2, "parent": {"servers": ["127.0.0.1"]}}, capsys)
    assert "on the other side" not in said


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ({"zone_name": "a..b"}, "move_zone: "),
        ({"names": ["a..b"]}, "move_names: "),
        ({"decisions": [{"record": "www", "type": "A", "publish": "source"}]}, "move_decisions[0]: "),
        ({"timeout": -1}, "move_timeout: "),
        ({"old": {"servers": ["192.0.2.1"], "port": 0}}, "move_old.port: "),
        ({"parent_zone": "a..b"}, "move_parent_zone: "),
    ],
)
def test_an_error_names_the_variable_and_not_the_modules_option(options: Dict[str, Any], begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message(dns_zone_move.main, {**MOVE, **options}, capsys).startswith(begins)


def test_an_error_of_ansible_names_the_variable_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert message(dns_zone_move.main, {**MOVE, "old": {"port": 53}}, capsys).endswith("found in move_old")
    source = {"zone_name": "example.net", "content_base64": "/w==", "variable_prefix": "move_"}
    assert message(dns_zone_import.main, source, capsys).startswith("move_source: is not UTF-8 text")
    assert message(dns_zone_import.main, {**source, "variable_prefix": ""}, capsys).startswith("content_base64: is not UTF-8 text")


def test_only_options_at_the_beginning_of_a_sentence_are_renamed() -> None:
    text = "old: the old servers, new: too. new.port: is old. Nothing found in decisions"
    assert renamed(text, ("old", "new", "decisions"), "move_") == "move_old: the old servers, new: too. move_new.port: is old. Nothing found in move_decisions"
    assert renamed(text, ("old", "new"), "") == text


def test_a_key_of_one_side_is_named_with_its_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = {"servers": ["127.0.0.1"], "port": 1, "transfer": True, "key_file": str(tmp_path / "missing.key")}
    options = {**MOVE, "old": missing, "state_file": str(tmp_path / "state"), "timeout": 0.2, "parent": {"servers": ["127.0.0.1"]}}
    said = message(dns_zone_move.main, options, capsys)
    assert said.startswith(f"move_old.key_file: {tmp_path}/missing.key does not exist"), said


@pytest.mark.parametrize(
    ("text", "form", "says"),
    [
        ("\n<!DOCTYPE html>\n<html><title>Log in</title>", "zone", "a web page"),
        ("\ufeff<HTML lang=en>", "tsv", "a web page"),
        ("<html>", "octodns", "a web page"),
        ('<?xml version="1.0"?><zone/>', "zone", "XML"),
        ('{"success": true, "result": []}', "zone", "JSON"),
        ('[\n {"name": "www"}]', "tsv", "JSON"),
    ],
)
def test_a_source_that_is_a_web_page_or_an_answer_of_an_api_is_named_as_such(text: str, form: str, says: str) -> None:
    with pytest.raises(Refused, match=f"The source is {says}.*xport the zone"):
        read_source(text, {"format": form, "default_ttl": 3600}, "example.net.", CANONICAL)


def test_a_resolver_that_fails_is_named_as_the_resolver_with_the_remedy() -> None:
    with pytest.raises(DnsFailure) as failed:
        Asker(53, resolver=Resolver("127.0.0.1", 1, timeout=0.2)).servers_of("example.net.")
    said = "The servers cannot be found: The resolver 127.0.0.1 port 1 did not answer the question for example.net. NS within 0.2 s. "
    assert str(failed.value).startswith(said) and failed.value.reason == "timeout"
    assert "Name another resolver in resolver, or the servers in servers and parent_servers." in str(failed.value)


def test_the_playbook_hands_its_prefix_on() -> None:
    _first, look, *_others = yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))
    assert look["module_defaults"]["smallfleet.infra.dns_zone_move"]["variable_prefix"] == "move_"
