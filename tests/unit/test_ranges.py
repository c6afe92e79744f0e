# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module refuses numbers that cannot be, before it does anything, by the name of the option."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

import pytest
from test_text import module_arguments

from ansible_collections.smallfleet.infra.plugins.module_utils._shared.ranges import out_of_range
from ansible_collections.smallfleet.infra.plugins.modules import dns_ds_info, dns_wait, dns_zone_compare, dns_zone_import, dns_zone_move, probe

INFINITE, NO_NUMBER = float("inf"), float("nan")
SIDES: Dict[str, Any] = {"zone_name": "example.net", "old": {"servers": ["192.0.2.1"]}, "new": {"servers": ["192.0.2.2"]}}
IMPORT: Dict[str, Any] = {"zone_name": "example.net", "content": "www 300 A 192.0.2.1\n"}
PARENT: Dict[str, Any] = {"zone_name": "example.net", "servers": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("main", "options", "place"),
    [
        *((dns_zone_move.main, {**SIDES, "timeout": number}, "timeout") for number in (-1, 0, INFINITE, NO_NUMBER, 1e9)),
        *((dns_zone_move.main, {**SIDES, "wait": number}, "wait") for number in (-1, INFINITE, NO_NUMBER)),
        *((dns_zone_move.main, {**SIDES, "ttl": number}, "ttl") for number in (-1, 2**31)),
        (dns_zone_move.main, {**SIDES, "old": {"servers": ["192.0.2.1"], "port": 65536}}, "old.port"),
        (dns_zone_compare.main, {**SIDES, "timeout": -1}, "timeout"),
        (dns_zone_compare.main, {**SIDES, "decisions": [{"record": "a", "type": "A", "publish": "answer", "ttl": -1}]}, "decisions[0].ttl"),
        (dns_zone_import.main, {**IMPORT, "default_ttl": -1}, "default_ttl"),
        (dns_zone_import.main, {**IMPORT, "port": 0}, "port"),
        (dns_wait.main, {**PARENT, "record": "a", "type": "A", "value": ["192.0.2.1"], "delay": NO_NUMBER}, "delay"),
        (dns_wait.main, {**PARENT, "serial": 2**32}, "serial"),
        (dns_ds_info.main, {"zone_name": "example.net", "query_timeout": 0}, "query_timeout"),
        (probe.main, {"name": "web", "interval": 0}, "interval"),
    ],
)
def test_a_number_that_cannot_be_is_refused_by_its_place(
    main: Callable[[], None], options: Dict[str, Any], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with module_arguments(options), pytest.raises(SystemExit):
        main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] and result["msg"].startswith(f"{place}: expected a number from "), result


def test_what_can_be_is_not_refused() -> None:
    spec = {"timeout": {"type": "float"}, "port": {"type": "int"}, "wait": {"type": "float"}, "sides": {"type": "list", "options": {"ttl": {"type": "int"}}}}
    assert not list(out_of_range(spec, {"timeout": 0.01, "port": 65535, "wait": 0.0, "sides": [{"ttl": 0}, None]}))
    assert not list(out_of_range(spec, {"timeout": None, "port": None}))
    assert not list(out_of_range({"timeout": {"type": "float"}, "query_timeout": {"type": "float"}}, {"timeout": 0.0})), "asks once"


@pytest.mark.parametrize("ttl", [INFINITE, NO_NUMBER, 1.5, True, -1, 2**31])
def test_a_ttl_in_what_was_imported_is_a_whole_number(ttl: object, capsys: pytest.CaptureFixture[str]) -> None:
    record = {"record": "www", "type": "A", "ttl": ttl, "value": ["192.0.2.1"]}
    with module_arguments({**SIDES, "record_sets": [record]}), pytest.raises(SystemExit):
        dns_zone_move.main()
    message = json.loads(capsys.readouterr().out)["msg"]
    assert message.startswith("record_sets: holds what dns_zone_import does not return: ttl: expected a whole number from 0 to"), message
