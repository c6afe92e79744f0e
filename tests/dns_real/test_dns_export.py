# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone read from a real server and exported: other programs, and our own import, find nothing to change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import yaml
from asking import WHOLE, entry, held, prune
from conftest import Running, program
from reading_fixtures import MIXED, Serving, serving

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import as_sets
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.export_client import export_zone
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.exported import Exported

ZONE = "example.net."
OCTODNS = """
manager: {max_workers: 1}
providers:
  exported: {class: octodns_bind.ZoneFileSource, directory: ., file_extension: .zone}
  server: {class: octodns_bind.Rfc2136Provider, host: 127.0.0.1, port: PORT, timeout: 10}
zones:
  example.net.: {sources: [exported], targets: [server]}
"""


def read(client: WireClient, zone: str = ZONE, **more: Any) -> Exported:
    return export_zone(client, transfer(client.server, client.key, zone), **more)


def records(made: Exported) -> List[Dict[str, Any]]:
    (options,) = yaml.safe_load(made.variables).values()
    return [{**one, "state": "present"} for one in options["records"]]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A BIND whose zone has records of many types, which anybody may transfer and this machine may change."""
    with serving(tmp_path_factory.mktemp("mixed"), {ZONE[:-1]: MIXED}) as made:
        yield made


def test_what_was_exported_and_written_back_is_the_same_zone(server: Running) -> None:
    """The zone is emptied in between."""
    client = server.client()
    extra = [
        entry("backup._ssh._tcp", "TXT", ["txtvers=1", "u=root", "p="], ttl=60),  # type: ignore[arg-type]
        entry("@", "MX", "10 mail.example.com.", ttl=7200),
        entry("sub", "NS", "ns.sub.example.org."),
        entry("ns.sub", "A", "192.0.2.60"),
        entry("h", "HTTPS", '1 . alpn="h2,h3"'),
    ]
    own = [entry("@", "NS", "ns1"), entry("ns1", "A", "127.0.0.1")]
    prune(client, *own, *extra)
    before = held(server)
    made = read(client, WHOLE, nameservers=True)
    prune(client, *own)
    assert held(server) != before
    prune(client, *records(made))
    assert held(server) == before and not prune(client, *records(made)).changed


def test_a_signed_zone_is_exported_without_what_its_server_made(server: Running) -> None:
    made = read(server.client(), "example.com.")
    assert [(one["record"], one["type"]) for one in made.found.record_sets] == [("ns1", "A")]
    assert not {"RRSIG", "DNSKEY", "NSEC", "CDS", "TYPE65534"} & set(made.zone_file.split())


def test_named_checkzone_accepts_the_file_and_compiles_it_to_what_the_server_has(mixed: Serving, tmp_path: Path) -> None:
    (tmp_path / "exported").write_text(read(mixed.client()).zone_file)
    (tmp_path / "served").write_text(MIXED)
    checked = subprocess.run([program("named-checkzone"), ZONE, str(tmp_path / "exported")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and "loaded serial 1" in checked.stdout, checked.stdout
    compiled = []
    for name in ("exported", "served"):
        argv = [program("named-compilezone"), "-q", "-s", "full", "-o", str(tmp_path / "out"), ZONE, str(tmp_path / name)]
        subprocess.run(argv, check=True, timeout=20)
        compiled.append((tmp_path / "out").read_text())
    assert compiled[0] == compiled[1] and len(compiled[0].splitlines()) > 25


def test_the_entry_says_what_the_server_answers(mixed: Serving) -> None:
    client = mixed.client()
    made = read(client, nameservers=True)
    assert {one.key: one for one in as_sets(ZONE, list(made.found.record_sets), client.canonical)} == transfer(client.server, None, ZONE).sets


def test_octodns_plans_no_change_from_the_file_to_the_server(mixed: Serving, tmp_path: Path) -> None:
    """And one, when the file has another address."""
    program_ = shutil.which("octodns-sync")
    assert program_, "octodns-sync is not there: octodns and octodns-bind belong to the locked tools"
    (tmp_path / "config.yaml").write_text(OCTODNS.replace("PORT", str(mixed.port)))
    made = read(mixed.client())

    def plan(text: str) -> str:
        (tmp_path / "example.net.zone").write_text(text)
        argv = [program_, "--config-file=config.yaml"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "No changes were planned" in plan(made.zone_file)
    said = plan(made.zone_file.replace("192.0.2.80", "192.0.2.82"))
    assert "No changes were planned" not in said and "192.0.2.82" in said


def test_nsupdate_adds_a_record_that_the_next_export_has(server: Running) -> None:
    client = server.client()
    prune(client, entry("@", "NS", "ns1"), entry("ns1", "A", "127.0.0.1"))
    (server.folder / "nsupdate.key").write_text(f'key "all" {{ algorithm hmac-sha256; secret "{server.secret}"; }};\n')
    lines = f'server 127.0.0.1 {server.port}\nzone {WHOLE}\nupdate add foreign.{WHOLE} 77 TXT "a b" "c"\nsend\n'
    argv = [program("nsupdate"), "-k", str(server.folder / "nsupdate.key")]
    done = subprocess.run(argv, input=lines, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    made = read(client, WHOLE)
    assert 'foreign 77 IN TXT "a b" "c"\n' in made.zone_file
    assert {"record": "foreign", "type": "TXT", "ttl": 77, "value": [["a b", "c"]]} in list(made.found.record_sets)
