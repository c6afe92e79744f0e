# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What providers and other tools write about a zone: zone files, files of octoDNS and dnscontrol, key files."""

from __future__ import annotations

from typing import Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys import key_file as keyfile
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration import imported
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from fuzz.target import Target, file

ZONE = "example.net."
CANONICAL = WireClient(Server("192.0.2.53")).canonical


def _import(data: bytes, form: str) -> None:
    sets, left = read_source(file(data), {"format": form, "default_ttl": 3600}, ZONE, CANONICAL)
    assert all(rrset.name == ZONE or rrset.name.endswith("." + ZONE) for rrset in sets)
    assert all(entry.record.isprintable() and entry.type.isprintable() for entry in left)
    imported.take(ZONE, sets, CANONICAL)


def _zone(data: bytes) -> None:
    _import(data, "zone")


def _octodns(data: bytes) -> None:
    _import(data, "octodns")


def _tsv(data: bytes) -> None:
    _import(data, "tsv")


def _key(data: bytes) -> None:
    key = keyfile.parse(file(data))
    assert keyfile.parse(keyfile.render(key)) == key


TARGETS: Dict[str, Target] = {
    "dns_zone": Target(
        _zone,
        (Refused,),
        (
            b"$ORIGIN .\n$TTL 1h30m\nexample.net IN SOA ns1 host ( 1 2 3 ; c\n 4 5 )\n\tNS ns1\n@ IN 600 A 192.0.2.1\n$ORIGIN example.net.\n",
            b'www 300 IN CAA 0 ISSUE "ca;example"\n TXT ( "a\\"b" "c\\200"\n d\\;e )\n svc HTTPS 1 . alpn="h2,h3" port=8443 ; cf-proxied:true\r\n',
            b'$GENERATE 1-9/2 h${1,3,x} 60 MX "10 ns$"\n$GENERATE 10-12 ${0,7,n} PTR h$$.\n$GENERATE 1-9999999 a$ A 192.0.2.$\n',
            b"pc7 [AGE:3612300] 300 A 192.0.2.107\nw ALIAS x.\na\\.b 60 TYPE65280 \\# 3 abcdef\nd 60 DS 1 13 2 abab abab\nx 4294967295 CH TXT y\n",
            b"a 60 LOC 31 58 52.1 S 115 49 11.7 E 20m 10m 10m 2m\nb NAPTR 100 10 U SIP+D2U !^.*$!sip:x! .\nc TLSA 3 1 0 abab\n_d SRV 0 5 5 e\nf RRSIG x\n",
            b"a " + b"1" * 27 + b"x A 192.0.2.1\n" + b"(" * 2000 + b'"' + b"\\\\" * 2000,
        ),
    ),
    "dns_octodns": Target(
        _octodns,
        (Refused,),
        (
            b"? ''\n: - {ttl: 300, type: A, values: [192.0.2.1]}\n  - type: CAA\n    values: [{flags: 0, tag: issue, value: ca.example.com}]\n",
            b"on: {octodns: {ignored: yes}, type: TXT, value: 'v=DKIM1\\; k=rsa'}\n12:30: {type: MX, value: {exchange: mx., preference: 1}}\n",
            b"a: &a {ttl: 2024-99-99, type: HTTPS, value: {svcpriority: 1, targetname: ., svcparams: {alpn: [h2], no-default-alpn: null}}}\nb: *a\n<<: *a\n",
            b"a: " + b"[" * 1200,
            b"a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: !!binary aGk=\n",
        ),
    ),
    "dns_tsv": Target(
        _tsv,
        (Refused,),
        (
            b'example.net\t@\t300\tIN\tA\t192.0.2.1\tcloudflare_proxy=true\r\nwww.example.net\twww\t60\tIN\tTXT\tsay "hi"\tthere\n',
            b'a.example.net\ta\t\xc2\xb2\tIN\tTXT\t"in " "two \\"parts\\""\n',
            b'b.example.net\tb\t60\tIN\tTXT\t"\xaf"\n',
            b"www.example.org\twww\t60\tIN\tCLOUDFLAREAPI_SINGLE_REDIRECT\tx\n_x.example.net\t_x\t60\tIN\tSRV\t0 5 443 www.example.net.\n",
        ),
    ),
    "dns_key": Target(
        _key,
        (keyfile.BadKeyFile,),
        (
            b'// c\nkey "app1-own" {\n    algorithm hmac-sha256;\n    secret "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=";\n};\n',
            b"/* c */ key a. {secret ab/cd==;algorithm hmac-sha512;}; # end\n" + b"key a{" * 500,
            b"/*" * 2000,
        ),
    ),
}
