# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server is asked to be, for the tests of the planner and of what acts on a host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServerConfig, read_config

KEY_FILE = "/etc/smallfleet/dns/demo-update.key"
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0="
KEY = TsigKey("demo-update", "hmac-sha256", SECRET)
BIND = bind.Bind()
BORN = 1790000000


def zone(name: str = "demo.example.net", **more: Any) -> Dict[str, Any]:
    server = f"ns1.{name}."
    soa = {"mname": server, "rname": f"hostmaster.{name}.", "refresh": 3600, "retry": 600, "expire": 1209600}
    return {
        "name": name,
        "ttl": 300,
        "nameservers": [server],
        "soa": {**soa, "minimum": 300},
        "record_sets": [
            {"record": "@", "type": "TXT", "ttl": 60, "value": ['say "hi"', "k" * 300]},
            {"record": "ns1", "type": "A", "ttl": 300, "value": ["192.0.2.2"]},
            {"record": "ns1", "type": "AAAA", "ttl": 300, "value": ["2001:db8::2"]},
            {"record": "www2", "type": "CNAME", "ttl": 5, "value": ["ns1.demo.example.net."]},
        ],
        **more,
    }


def options(*zones: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    key = {"name": "demo-update", "algorithm": "hmac-sha256", "file": KEY_FILE}
    return {"listen": ["192.0.2.2", "2001:db8::2"], "update_key": key, "zones": list(zones) or [zone()], **more}


def config(*zones: Dict[str, Any], **more: Any) -> ServerConfig:
    return read_config(options(*zones, **more))


def keyed(wanted: ServerConfig, secret: str = SECRET) -> ServerConfig:
    """As the host sees it when its key store has every key."""
    keys = [replace(key, generations=(TsigKey(key.name, key.algorithm, secret),)) for key in wanted.keys]
    return replace(wanted, keys=tuple(keys))


def soa(name: str = "demo.example.net", ttl: int = 300, minimum: int = 300, serial: int = BORN) -> RRset:
    value = f"ns1.{name}. hostmaster.{name}. {serial} 3600 600 1209600 {minimum}"
    return RRset(f"{name}.", "SOA", ttl, frozenset([value]))
