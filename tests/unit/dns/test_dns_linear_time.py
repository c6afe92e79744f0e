# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is written in files and variables about DNS takes time in proportion to its length, also when it is refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Callable, Dict, Tuple

import pytest
from test_dns_types import CANONICAL
from timing import Growth
from written import read_written

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names, txt, values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import parse
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.foreign import knot_conf, named_conf
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.records import Table

ZONE = "example.net."


def read(form: str) -> Callable[[str], object]:
    return lambda text: read_source(text, {"format": form, "default_ttl": 3600}, ZONE, CANONICAL)


def records(size: str) -> object:
    entries = [{"record": f"a{number}", "type": "A", "value": ["192.0.2.1"]} for number in range(int(size))]
    return read_written(entries, Table(ZONE, 300))


def allowed_ttls(text: str) -> object:
    return bind.Bind().allowed_ttls({bind.ZONES_FILE: text})


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def tsv(size: int, ttl: Callable[[int], int], value: Callable[[int], str], kind: str) -> str:
    return "".join(f"a.example.net\ta\t{ttl(number)}\tIN\t{kind}\t{value(number)}\n" for number in range(size))


READERS: Dict[str, Tuple[Callable[[str], Any], Callable[[int], str], int]] = {
    "named.conf, escaped quotes": (named_conf, lambda size: '"' + '\\"' * size, 2000),
    "named.conf, backslashes": (named_conf, lambda size: '"a\\' * size, 2000),
    "named.conf, words": (named_conf, lambda size: "a " * size, 8000),
    "named.conf, comments": (named_conf, lambda size: "/*" * size, 8000),
    "named.conf, slashes": (named_conf, lambda size: "/a" * size, 8000),
    "knot.conf": (knot_conf, lambda size: "  - domain:\n" * size, 8000),
    "TTLs of BIND": (allowed_ttls, lambda size: 'zone "a"\n    dnssec-policy "smallfleet' * size, 2000),
    "a key file": (parse, lambda size: '"\n' * size, 8000),
    "a name with escapes": (names.canonical, lambda size: "\\a" * size, 10_000),
    "a name with many parts": (names.canonical, lambda size: "a." * size, 10_000),
    "a name in Unicode": (names.canonical, lambda size: "ü" * size, 1000),
    "a value of many quotes": (lambda text: values.present("HTTPS", text, ZONE), lambda size: "1 . " + '"a"' * size, 8000),
    "a value of many strings": (lambda text: values.present("HINFO", text, ZONE), lambda size: "a " * size, 8000),
    "the strings of a TXT": (txt.read, lambda size: f'"{"a" * 255}" ' * size, 500),
    "values of a TXT set": (lambda size: txt.read_all([f'"a{number}"' for number in range(int(size))], True), str, 1000),
    "records of an inventory": (records, str, 500),
    "a set in TSV": (read("tsv"), lambda size: tsv(size, lambda _number: 300, address, "A"), 1000),
    "a set with many TTLs in TSV": (read("tsv"), lambda size: tsv(size, lambda number: number, address, "A"), 1000),
    "a TXT set in TSV": (read("tsv"), lambda size: tsv(size, lambda _number: 300, lambda number: f"x{number}", "TXT"), 1000),
    "a comment of a zone file": (read("zone"), lambda size: "a 60 A 192.0.2.1 " + "; AWS routing CF_PROXY " * size + "\n", 4000),
    "a value in the generic form": (lambda text: values.present("A", text, ZONE), lambda size: "\\# 4" + " ab" * size, 4000),
    "a set of a zone file": (read("zone"), lambda size: "$TTL 300\n" + "".join(f"a A {address(number)}\n" for number in range(size)), 500),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_written_about_dns_is_read_in_linear_time(growth: Growth, reader: str) -> None:
    function, make, size = READERS[reader]

    def refused_or_read(text: str) -> None:
        with suppress(ValueError, Refused):
            function(text)

    assert growth(refused_or_read, make, size) < 9


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('zone "a" { type primary; }; include "no end', ("zone a",)),
        ('include "/a\\"b"; zone "c" {', ('include /a\\"b', "zone c")),
        ('zone "a\\', ()),
        ('"', ()),
    ],
)
def test_quotes_that_do_not_end_reach_to_the_end_of_the_file(text: str, parts: Tuple[str, ...]) -> None:
    assert named_conf(text) == parts
