# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the text of an import comes from, and what is said of a file that is no text or has nothing of the zone."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any, Dict

import pytest
from test_dns_types import CANONICAL

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source, refuse_nothing, text_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ZONE = "example.net."
LINE = "www 300 A 192.0.2.1\n"


def options(**given: Any) -> Dict[str, Any]:
    return {"content": None, "content_base64": None, "src": None, **given}


def test_the_same_bytes_are_the_same_text_by_each_way(tmp_path: Path) -> None:
    (tmp_path / "zone").write_bytes("büro TXT x\n".encode())
    encoded = b64encode("büro TXT x\n".encode()).decode()
    ways = ({"content": "büro TXT x\n"}, {"content_base64": encoded}, {"src": str(tmp_path / "zone")})
    assert {text_of(options(**way), SystemFiles()) for way in ways} == {"büro TXT x\n"}


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (LINE.encode("utf-16"), "iconv -f utf-16 -t utf-8"),
        ("büro TXT x\n".encode("latin1"), "iconv -f latin1 -t utf-8"),
        (b"\x00\x00\x00\x02\x00\x00\x00\x01\xff", "named-compilezone -f raw"),
        (b";BIND LOG V9.2\n\x00\xff", "rndc sync"),
    ],
)
def test_a_file_that_is_no_text_is_refused_with_what_would_convert_it(data: bytes, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "zone").write_bytes(data)
    for given in ({"src": str(tmp_path / "zone")}, {"content_base64": b64encode(data).decode()}):
        with pytest.raises(Refused) as refused:
            text_of(options(**given), SystemFiles())
        assert remedy in str(refused.value)


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(Refused, match="content_base64: is not valid base64"):
        text_of(options(content_base64="no!"), SystemFiles())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no record of example.net. Compare"),
        ("; nothing\n", "has no record of example.net. Compare"),
        ("$ORIGIN example.com.\n@ 60 IN SOA ns h 1 2 3 4 5\nwww 60 A 192.0.2.1\n", "has no record of example.net; left out is"),
    ],
)
def test_a_source_that_has_nothing_of_the_zone_is_refused(text: str, says: str) -> None:
    sets, left = read_source(text, {"format": "zone", "default_ttl": 60}, ZONE, CANONICAL)
    with pytest.raises(Refused) as refused:
        refuse_nothing(sets, left, ZONE)
    assert says in str(refused.value)
    sets, left = read_source(LINE, {"format": "zone", "default_ttl": 60}, ZONE, CANONICAL)
    refuse_nothing(sets, left, ZONE)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("---\nkind: dns#resourceRecordSet\nname: example.net.\nrrdatas:\n- 192.0.2.1\nttl: 300\ntype: A\n---\n", "--zone-file-format"),
        ('{\n  "ResourceRecordSets": [{"Name": "example.net."}]}', "as a zone file"),
        (".example.net:192.0.2.1:a:259200\n+www.example.net:192.0.2.1:300\n", "axfrdns"),
        ("# zone\n\n=www.example.net:192.0.2.1:300\n", "axfrdns"),
        ("Name,Type,TTL,Data\nwww,A,300,192.0.2.1\n", "a table (CSV)"),
        ('"Host";"Type";"Data"\n', "a table (CSV)"),
        ('resource "aws_route53_record" "www" {\n  ttl = 300\n}\n', "Terraform"),
    ],
)
@pytest.mark.parametrize("form", ["zone", "octodns"])
def test_what_other_programs_write_is_named_with_what_writes_a_zone_file(text: str, remedy: str, form: str) -> None:
    with pytest.raises(Refused) as refused:
        read_source(text, {"format": form, "default_ttl": 60}, ZONE, CANONICAL)
    assert str(refused.value).startswith("The source is ") and remedy in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "name 300 A 192.0.2.1\n",
        "host.example.net. 300 IN A 192.0.2.1\n",
        "@ 300 IN TXT a:b:c\n",
        "+a:b:c 300 IN A 192.0.2.1\n",
        'data 300 TXT "x"\n',
    ],
)
def test_a_zone_file_is_not_taken_for_what_another_program_writes(text: str) -> None:
    assert read_source(text, {"format": "zone", "default_ttl": 60}, ZONE, CANONICAL)
