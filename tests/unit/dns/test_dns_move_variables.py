# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a move are checked one by one, so that an error names the wrong one, its value, and what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.variables import OPTIONS, Controller, variable_problems

ROOT = Path(__file__).resolve().parents[3]
FILES, FOLDERS = {"/srv/example.net.zone", "example.net.zone"}, {"/", "/srv"}
CONTROLLER = Controller(("ns1", "app1"), FILES.__contains__, FOLDERS.__contains__)
SECRET = "bW9sZWN1bGUga25vd3MgdGhpcywgc28gZG8geW91ISE="
GOOD: Dict[str, Any] = {
    "zone": "example.net",
    "host": "ns1",
    "old": {"servers": ["192.0.2.1"]},
    "new": {"servers": ["ns1.example.org", "2001:db8::1"]},
    "vars_file": "/srv/zone.yml",
}


def problems(**changed: Any) -> str:
    return " ".join(variable_problems({**GOOD, **changed}, CONTROLLER))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"zone": "0/25.2.0.192.in-addr.arpa"},
        {"zone": "example", "parent_zone": "example.org"},
        {"old": {"servers": ["192.0.2.1"], "port": "5353", "transfer": "yes", "key_name": "t", "key_secret": SECRET, "key_algorithm": "hmac-sha512"}},
        {"old_update": {"server": "192.0.2.1", "port": 53, "key_file": "/etc/bind/update.key"}, "parent_update": {"server": "ns.example.org"}},
        {"source": "example.net.zone", "source_format": "tsv"},
        {"ttl": 0, "wait": "0.5", "ignore_extra": "no", "families": "ipv4,ipv6", "parent": {"servers": []}},
        {"ttl": "300", "wait": 900, "ignore_extra": True, "families": ["ipv6"]},
    ],
)
def test_what_can_be_used_is_accepted(more: Dict[str, Any]) -> None:
    assert problems(**more) == ""


REFUSED = {
    "a relative path": ({"vars_file": "zone.yml"}, "move_vars_file: 'zone.yml' is not an absolute path. Write for example /"),
    "a folder": ({"vars_file": "/srv"}, "move_vars_file: '/srv' is a folder. Name a file"),
    "no folder": ({"vars_file": "/nowhere/zone.yml"}, "move_vars_file: the folder '/nowhere' is not there. Make it"),
    "no text": ({"vars_file": ["/srv/zone.yml"]}, "move_vars_file: ['/srv/zone.yml'] is not an absolute path."),
    "no file": ({"source": "/srv/other.zone"}, "move_source: '/srv/other.zone' is not a file on the controller. Give the path"),
    "another format": ({"source_format": "bind"}, "move_source_format: expected zone, octodns or tsv, got 'bind'. Write for example zone."),
    "an address for servers": ({"old": "192.0.2.1"}, "move_old: expected a dictionary, got a string. Write for example {servers: [192.0.2.1]}."),
    "no servers": ({"new": {"port": 53}}, "move_new: names no servers. Write for example {servers: [192.0.2.1]}."),
    "one server": ({"new": {"servers": "192.0.2.1"}}, "move_new.servers: expected a list, got a string. Write it as a list"),
    "a number as server": ({"old": {"servers": ["192.0.2.1", 5]}}, "move_old.servers[1]: 5 cannot be used here. Write for example 192.0.2.1."),
    "an unknown word": ({"old": {"server": "192.0.2.1"}}, "move_old.server: is not an option of the servers of a side; did you mean servers. Write servers."),
    "a port": ({"old": {"servers": ["192.0.2.1"], "port": 70000}}, "move_old.port: 70000 is not a port. Write a number from 1 to 65535."),
    "a parent": ({"parent": ["192.0.2.1"]}, "move_parent: expected a dictionary, got a list."),
    "an update without a server": ({"old_update": {"key_file": "/k"}}, "move_old_update: names no server. Write for example {server: 192.0.2.1"),
    "an update elsewhere": (
        {"parent_update": {"servers": ["192.0.2.1"]}},
        "move_parent_update.servers: is not an option of a server that takes updates; did you mean server. Write server.",
    ),
    "an algorithm": ({"old_update": {"server": "a", "key_algorithm": "md5"}}, "move_old_update.key_algorithm: expected hmac-sha224, hmac-sha256,"),
    "a unit": ({"ttl": "5m"}, "move_ttl: expected a whole number of seconds from 0 to 2147483647, got '5m'. Write for example 300."),
    "a fraction": ({"ttl": 2.5}, "move_ttl: expected a whole number of seconds from 0 to 2147483647, got 2.5."),
    "a negative wait": ({"wait": -5}, "move_wait: expected a number of seconds from 0 to 604800, got -5."),
    "perhaps": ({"ignore_extra": "perhaps"}, "move_ignore_extra: 'perhaps' is neither true nor false. Write true or false."),
    "a family": ({"families": ["ipv4", "ipv5"]}, "move_families[1]: expected ipv4 or ipv6, got 'ipv5'."),
    "a host": ({"host": "ns9"}, "move_host: 'ns9' is not a host of the inventory. Name the host that asks the servers"),
    "no zone": ({"zone": "a..b"}, "move_zone: 'a..b' has an empty part between two dots. Write the zone's name, such as example.net."),
    "one label": ({"zone": "example."}, "move_parent_zone is missing. 'example.' has one label only; name the zone that delegates it."),
    "null": ({"ttl": None}, "move_ttl: has no value."),
    "a null inside": ({"old": {"servers": ["192.0.2.1"], "port": None}}, "move_old.port: has no value."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_error_names_the_wrong_variable_and_no_other(name: str) -> None:
    changed, message = REFUSED[name]
    said = problems(**changed)
    assert said.startswith(message), said
    assert said.count("move_") == 1, said


def test_all_mistakes_are_named_at_once() -> None:
    said = variable_problems({"zone": "example.net", "ttl": "5m", "wait": "soon"}, CONTROLLER)
    assert [line.split()[0].rstrip(":") for line in said] == ["move_host", "move_old", "move_new", "move_vars_file", "move_ttl", "move_wait"]


def test_a_secret_is_in_no_error() -> None:
    said = problems(old={"servers": ["192.0.2.1"], "key_secret": [SECRET]}, old_update={"server": 1, "key_secret": {"secret": SECRET}})
    assert "move_old.key_secret: is not the secret of a key" in said and "move_old_update.server: 1 cannot be used here" in said
    assert SECRET not in said


def test_the_playbook_hands_over_each_variable_that_is_checked() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "move_zone.yml").read_text(encoding="utf-8"))
    (options,) = [task["smallfleet.infra.dns_move_variables"] for task in plays[0]["tasks"] if "smallfleet.infra.dns_move_variables" in task]
    assert options == {name: f"{{{{ move_{name} | default(omit) }}}}" for name in OPTIONS}
