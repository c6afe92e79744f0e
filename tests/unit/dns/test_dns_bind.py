# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""BIND's configuration: as it was reviewed, and as BIND's own tools accept it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest
import served

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServerConfig, read_config
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.knot import Knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import ServerState, with_kept_ttls

GOLDEN = Path(__file__).parent / "golden"
BIND = bind.Bind()
SOA = {"mname": "ns1.example.net.", "rname": "hostmaster.example.net.", "refresh": 3600, "retry": 600, "expire": 86400}
NS2 = {"host": "ns2", "addresses": ["192.0.2.3", "2001:db8::3"]}
NS3 = {"host": "ns3", "addresses": ["192.0.2.4"]}
EXTERNAL = {"notify": ["198.51.100.53"], "port": 53, "transfer": ["198.51.100.53"], "key": ""}


def key(name: str) -> Dict[str, str]:
    return {"name": name, "algorithm": "hmac-sha256", "file": f"/etc/smallfleet/dns/{name}.key"}


def zone(name: str, **more: Any) -> Dict[str, Any]:
    sets = [{"record": "ns1", "type": "A", "ttl": 300, "value": ["192.0.2.2"]}]
    served = {"name": name, "role": "primary", "ttl": 300, "nameservers": ["ns1.example.net."], "record_sets": sets}
    return {**served, "soa": {**SOA, "minimum": 300}, **more}


def grant(owner: str, name: str, match: str = "name", *types: str) -> Dict[str, Any]:
    return {"key": owner, "match": match, "name": name, "types": list(types) or ["ANY"]}


OPTIONS: Dict[str, Any] = {
    "listen": ["192.0.2.2", "2001:db8::2"],
    "keys": [key(name) for name in ("app1-own", "dyn", "demo-transfer-ns1", "demo-transfer-ns2")],
    "update_key": key("demo-update"),
    "zones": [
        zone(
            "example.net",
            dnssec=True,
            transfer={"key": "demo-transfer-ns1", "peers": [NS2, NS3], "external": [EXTERNAL]},
            grants=[
                grant("app1-own", "app1.example.net.", "name", "A", "SSHFP"),
                grant("dyn", "dyn.example.net.", "subdomain"),
            ],
        ),
        zone("alone.example.net"),
        zone("slow.example.net", dnssec=True, ttl=172800),
        {"name": "example.org", "role": "secondary", "transfer": {"key": "demo-transfer-ns2", "peers": [NS2]}},
        {"name": "c.invalid", "role": "secondary", "transfer": {"key": "demo-transfer-ns2", "peers": [NS2]}},
    ],
    "catalogs": [{"name": "c.invalid", "role": "consume", "key": "demo-transfer-ns2", "peers": [NS2], "members": ["a.example"]}],
}


def config() -> ServerConfig:
    """Everything at once, with one key in the middle of a rotation."""
    read = read_config(OPTIONS)
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0="
    made = [replace(one, generations=(TsigKey(one.name, one.algorithm, secret),)) for one in read.keys]
    made[0] = replace(made[0], generations=(*made[0].generations, TsigKey("app1-own-2", "hmac-sha256", secret)))
    return replace(read, keys=tuple(made))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bind-all.options", bind.render_options(config())),
        ("bind-all.local", bind.render_zones(config())),
        ("bind-all.keys", BIND.secrets(config())[1]),
    ],
)
def test_what_is_written_is_what_was_reviewed(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_both_generations_of_a_key_may_do_the_same() -> None:
    rules = re.findall(r'grant "(app1-own[^"]*)" (.*);', bind.render_zones(config()))
    rights = 'name "app1.example.net." A SSHFP'
    assert rules == [("app1-own", rights), ("app1-own-2", rights)]


def test_no_file_but_that_of_the_keys_has_a_secret() -> None:
    path, secrets = BIND.secrets(config())
    assert path not in BIND.files(config()) and "secret" in secrets
    assert "c2VjcmV0" not in str(BIND.files(config()))


def test_a_record_that_lives_longer_than_a_day_is_not_cut_by_the_signing_policy() -> None:
    local = bind.render_zones(config())
    assert 'dnssec-policy "smallfleet-172800" {' in local and "max-zone-ttl 172800;" in local


@pytest.mark.parametrize("keep", [[], ["ttl"]])
def test_the_soa_counts_for_the_longest_ttl_as_it_is_written_or_kept(keep: List[str]) -> None:
    written = served.zone(dnssec=True)
    wanted = served.config({**written, "soa": {**written["soa"], "ttl": 300 if keep else 172800, "keep": keep}})
    state = ServerState(installed=True, soas={"demo.example.net": served.soa(ttl=172800)})
    assert "max-zone-ttl 172800;" in bind.render_zones(with_kept_ttls(BIND, wanted, state))


@pytest.mark.parametrize("provider", [BIND, Knot()])
def test_a_zone_is_allowed_what_it_was_allowed_since_it_may_hold_it(provider: Any) -> None:
    before = served.config(served.zone(ttl=20 * 86400, dnssec=True), served.zone("other.example.net", dnssec=True))
    after = served.config(served.zone(dnssec=True), served.zone("other.example.net", dnssec=True))
    state = ServerState(installed=True, config=provider.files(before))
    assert provider.files(with_kept_ttls(provider, after, state)) == provider.files(before) != provider.files(after)
    assert with_kept_ttls(provider, after, ServerState(installed=True)) == after


@pytest.mark.skipif(not shutil.which("named-checkconf"), reason="BIND is not on this machine")
def test_bind_itself_accepts_all_of_it(tmp_path: Path) -> None:
    moved = {path: str(tmp_path / Path(path).name) for path in (*BIND.files(config()), bind.KEYS_FILE)}
    for path, content in {**BIND.files(config()), bind.KEYS_FILE: BIND.secrets(config())[1]}.items():
        Path(moved[path]).write_text(bind.beside(content, moved).replace('"/var/', f'"{tmp_path}/var/'))
    (tmp_path / "var/lib/bind").mkdir(parents=True)
    (tmp_path / "var/cache/bind").mkdir(parents=True)
    main = "".join(f'include "{moved[path]}";\n' for path in (bind.OPTIONS_FILE, bind.ZONES_FILE))
    (tmp_path / "named.conf").write_text(main)
    command = ["named-checkconf", str(tmp_path / "named.conf")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_a_primary_does_not_start_before_the_host_has_its_addresses() -> None:
    unit = BIND.files(config())[bind.UNIT_FILE]
    assert "After=network-online.target" in unit and "ExecStartPre=-/usr/bin/timeout 30 " in unit
    assert all(address in unit for address in config().listen)


def test_a_secondary_asks_for_the_zones_of_its_configuration_and_of_its_catalogs_once_it_has_started() -> None:
    unit = BIND.files(config())[bind.UNIT_FILE]
    assert """ExecStartPost=-/usr/bin/timeout 30 /bin/sh -c 'set -f; zones="c.invalid example.org"; \\\n""" in unit
    assert " - c.invalid /var/lib/bind/c.invalid.zone |" in unit
    alone = replace(config(), zones=tuple(zone for zone in config().zones if zone.role == "primary"), catalogs=())
    assert "ExecStartPost" not in BIND.files(alone)[bind.UNIT_FILE]
