# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts tell of themselves: samples of a probe, files with a part of ours, events of the kernel, JSON and YAML as such."""

from __future__ import annotations

from typing import Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys import bundle as key_bundle
from ansible_collections.smallfleet.infra.plugins.module_utils._failover import probe
from ansible_collections.smallfleet.infra.plugins.module_utils._node import block
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText, load_json
from ansible_collections.smallfleet.infra.plugins.module_utils._system.yaml_text import load_yaml
from fuzz.target import Target, text


def _probe(data: bytes) -> None:
    samples, _unreadable = probe.parse(text(data))
    probe.line(probe.summarise(samples))


def _block(data: bytes) -> None:
    foreign = text(data)
    ours = block.with_block(foreign, ["one", "two"])
    assert block.with_block(ours, ["one", "two"]) == ours, "a second time changes nothing"
    block.has_block(foreign)


def _yaml(data: bytes) -> None:
    load_yaml(text(data), "text")


def _json(data: bytes) -> None:
    load_json(text(data), "text")


def _bundle(data: bytes) -> None:
    key_bundle.read_bundle(text(data), [])
    key_bundle.certificate(text(data))


TARGETS: Dict[str, Target] = {
    "probe": Target(
        _probe,
        (),
        (
            b'{"at": 1.5, "body": "app1", "address": "192.0.2.1"}\n{"at": 2, "error": "timeout"}\n{"at": 3, "body": "app2", "address": "x"}\n{"at":',
            b'{"at": 1, "error": ' + b"[" * 2000,
            b'{"at": 1e999}\n{"at": ' + b"9" * 5000 + b"}\n",
        ),
    ),
    "block": Target(_block, (block.DamagedBlock,), (f"a\n{block.BEGIN}\nx\n{block.END}\nb".encode(), f"{block.END}\n{block.BEGIN}".encode(), b"a\r\n")),
    "yaml": Target(
        _yaml,
        (BadText,),
        (
            b"a: &a [x, y]\nb: {<<: *c, d: 2024-01-01}\n? [1]\n: !!binary aGk=\n'': 0x1f\n1:30: 1e3\n--- |\n x\n",
            b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)),
            b"[" * 5000,
            b"a: !!timestamp x\nb: !!int ''\nc: 2024-99-99\n",
        ),
    ),
    "json": Target(_json, (BadText,), (b'{"a": [1, 2.5e3, "x\\u0041\\"", null, true]}', b"[" * 5000, b'["' + b"\\" * 5000, b"9" * 5000)),
    "key_bundle": Target(_bundle, (key_bundle.BadBundle,), (b'{"home": "ns1", "keys": {"a.": {"current": ["a.", "hmac-sha256", "c2VjcmV0"]}}}', b"[" * 5000)),
}
