# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What our configuration lets external secondaries do, on the real servers: a provider's key, its addresses, its NOTIFY."""

from __future__ import annotations

import select
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List

import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.tsig
import pytest
from conftest import free_port, program, random_secret, wait_for

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind, knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServerConfig, read_config

PROVIDER, OTHER = random_secret(), random_secret()
ZONES = {
    "keyed.example.net": [{"notify": ["127.0.0.1"], "port": 0, "transfer": ["any"], "key": "provider"}],
    "both.example.net": [
        {"notify": [], "port": 53, "transfer": ["127.0.0.2"], "key": "provider"},
        {"notify": [], "port": 53, "transfer": ["127.0.0.8/30"], "key": ""},
    ],
    "closed.example.net": [],
}


def config(notified: int) -> ServerConfig:
    def key(name: str) -> Dict[str, Any]:
        return {"name": name, "algorithm": "hmac-sha256", "file": f"/{name}.key"}

    soa = {"mname": "ns.example.org.", "rname": "a.example.org.", "refresh": 3600, "retry": 600, "expire": 86400, "minimum": 60}
    zones: List[Dict[str, Any]] = [
        {
            "name": name,
            "ttl": 60,
            "soa": soa,
            "nameservers": ["ns.example.org."],
            "record_sets": [],
            "transfer": {"external": [{**one, "port": one["port"] or notified} for one in external]},
        }
        for name, external in ZONES.items()
    ]
    names = ("update", "provider", "other")
    read = read_config({"listen": ["127.0.0.1"], "keys": [key(name) for name in names], "update_key": key("update"), "zones": zones})
    secrets = {"provider": PROVIDER, "other": OTHER, "update": random_secret()}
    made = {name: (TsigKey(name, "hmac-sha256", secrets[name]),) for name in names}
    # provider-2 is the next generation, of a key that is handed over.
    made["provider"] = (*made["provider"], TsigKey("provider-2", "hmac-sha256", PROVIDER))
    return replace(read, keys=tuple(replace(one, generations=made[one.name]) for one in read.keys))


def start_named(folder: Path, port: int, asked: ServerConfig) -> List[str]:
    local = bind.render_zones(asked).replace(bind.KEYS_FILE, f"{folder}/keys").replace(bind.ZONE_FOLDER, str(folder))
    (folder / "keys").write_text(bind.Bind().secrets(asked)[1])
    options = f'directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key"; recursion no; dnssec-validation no'
    closed = "allow-transfer { none; }; notify no"
    listen = f"listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}"
    (folder / "named.conf").write_text(f"options {{ {options}; {closed}; {listen}; }};\ncontrols {{ }};\n{local}")
    return [program("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")]


def start_knotd(folder: Path, port: int, asked: ServerConfig) -> List[str]:
    text = knot.render_main(asked).replace(knot.KEYS_FILE, f"{folder}/keys").replace(knot.ZONE_FOLDER, str(folder))
    text = text.replace("/run/knot", str(folder)).replace("    user: knot:knot\n", "").replace("zonefile-load: none", "zonefile-load: whole")
    lines = [f'    listen: "127.0.0.1@{port}"' if line.startswith("    listen: ") else line for line in text.splitlines()]
    (folder / "keys").write_text(knot.render_keys(asked))
    (folder / "knot.conf").write_text("\n".join(lines).replace("target: syslog", "target: stderr") + "\n")
    return [program("knotd"), "-c", str(folder / "knot.conf")]


@pytest.fixture(scope="module", params=["named", "knotd"])
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Port of a server that runs our configuration, and two sockets for its NOTIFY: BIND sends it over UDP, Knot over TCP."""
    folder, port, provider = tmp_path_factory.mktemp(request.param), free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.create_server(("127.0.0.1", provider)) as connections:
        datagrams.bind(("127.0.0.1", provider))
        asked = config(provider)
        for zone in asked.zones:
            (folder / f"{zone.name}.zone").write_text(bind.Bind().zone_text(zone, 1))
        command = {"named": start_named, "knotd": start_knotd}[request.param](folder, port, asked)
        ready = {"named": b" running\n", "knotd": b"server started"}[request.param]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(port, process, folder / "log", ready)
            yield port, (datagrams, connections)
        finally:
            process.terminate()
            process.wait(timeout=20)


def transferred(port: int, zone: str, source: str, name: str = "", secret: str = PROVIDER) -> bool:
    """Whether a client at an address is given the zone."""
    key = dns.tsig.Key(name, secret, "hmac-sha256") if name else None
    try:
        messages = list(dns.query.xfr("127.0.0.1", zone, port=port, keyring=key, keyname=key.name if key else None, source=source, timeout=10))
    except (dns.query.TransferError, dns.tsig.PeerError):
        return False
    return any(message.answer for message in messages)


@pytest.mark.parametrize(
    ("zone", "source", "name", "secret", "given"),
    [
        ("keyed.example.net", "127.0.0.2", "provider", PROVIDER, True),
        ("keyed.example.net", "127.0.0.9", "provider-2", PROVIDER, True),
        ("keyed.example.net", "127.0.0.1", "", "", False),
        ("keyed.example.net", "127.0.0.2", "", "", False),
        ("keyed.example.net", "127.0.0.2", "other", OTHER, False),
        ("keyed.example.net", "127.0.0.2", "provider", OTHER, False),
        ("both.example.net", "127.0.0.2", "provider", PROVIDER, True),
        ("both.example.net", "127.0.0.3", "provider", PROVIDER, False),
        ("both.example.net", "127.0.0.2", "", "", False),
        ("both.example.net", "127.0.0.2", "other", OTHER, False),
        ("both.example.net", "127.0.0.9", "", "", True),
        ("closed.example.net", "127.0.0.2", "provider", PROVIDER, False),
        ("closed.example.net", "127.0.0.9", "", "", False),
    ],
)
def test_a_zone_goes_to_the_servers_that_are_named_and_with_their_key_only(primary: Any, zone: str, source: str, name: str, secret: str, given: bool) -> None:
    assert transferred(primary[0], zone, source, name, secret) is given


def test_the_provider_is_notified_at_its_port_with_a_signature_of_its_key(primary: Any) -> None:
    datagrams, connections = primary[1]
    ready, _write, _errors = select.select([datagrams, connections], [], [], 20)
    assert ready, "nobody was notified"
    if ready[0] is datagrams:
        wire = datagrams.recv(65535)
    else:
        with connections.accept()[0] as connection, connection.makefile("rb") as stream:
            wire = stream.read(int.from_bytes(stream.read(2), "big"))
    message = dns.message.from_wire(wire, keyring={dns.name.from_text("provider"): dns.tsig.Key("provider", PROVIDER, "hmac-sha256")})
    assert message.opcode() == dns.opcode.NOTIFY and message.had_tsig and str(message.keyname) == "provider."
    assert str(message.question[0].name) == "keyed.example.net."
