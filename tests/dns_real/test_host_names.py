# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan accepts the names that a real BIND loads, and refuses those that it does not: one zone for each record of a table."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Iterator, List, Tuple

import dns.message
import dns.query
import dns.rcode
import pytest
from conftest import free_port, program, wait_for
from rendered import rendered

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host

CASES = r"""
yes a--b A 192.0.2.1
no  a_b A 192.0.2.1
no  _x A 192.0.2.1
no  _x AAAA ::1
no  _x MX 0 mail.example.org.
yes _x TXT x
yes _x CNAME a.example.org.
yes _x HTTPS 1 a.example.org.
no  a/b A 192.0.2.1
yes a/b TXT x
no  a\.b A 192.0.2.1
no  a\.b MX 0 mail.example.org.
yes a\.b TXT x
yes * A 192.0.2.1
yes *.a MX 0 mail.example.org.
no  *.a_b A 192.0.2.1
yes gc._msdcs A 192.0.2.1
yes gc._msdcs AAAA ::1
no  gc._msdcs MX 0 mail.example.org.
no  x.gc._msdcs A 192.0.2.1
no  gc._msdcs.a_b A 192.0.2.1
no  a_b WKS 192.0.2.1 6 25
no  * NS ns1.example.org.
no  *.a NS ns1.example.org.
yes a_b NS ns1.example.org.
yes * DNAME a.example.org.
no  a NS a_b.example.org.
no  a NS a/b.example.org.
yes a CNAME a_b.example.org.
yes a DNAME a_b.example.org.
yes a PTR a_b.example.org.
yes a MX 0 .
no  a MX 0 a_b.example.org.
no  _a._tcp SRV 0 0 1 a_b.example.org.
yes _a._tcp SRV 0 0 1 .
yes a RP a\.b.example.org. x_y.example.org.
yes a RP a_b.example.org. .
no  a RP a.b_c.example.org. .
no  a RP a\032b.example.org. .
yes a RP . .
no  a AFSDB 1 a_b.example.org.
no  a RT 1 a_b.example.org.
yes a KX 1 a_b.example.org.
yes a NAPTR 1 1 "" "" "" a_b.example.org.
no  a SVCB 1 a_b.example.org.
no  a HTTPS 1 a_b.example.org.
yes a HTTPS 0 a_b.example.org.
yes a HTTPS 1 .
no  1.IN-ADDR PTR a_b.example.org.
yes 1.IN-ADDR PTR a.example.org.
no  _http._tcp.IN-ADDR PTR My\032Printer._http._tcp.example.org.
yes b._dns-sd._udp.IN-ADDR PTR a_b.example.org.
yes 1.IN-ADDR A 192.0.2.1
"""
BIND = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; recursion no; notify no;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
}};
controls {{ }};
"""
HEAD = "$TTL 300\n@ SOA ns1.example.org. hostmaster.example.org. 1 3600 600 1209600 60\n@ NS ns1.example.org.\n"


def cases() -> List[Tuple[str, bool, str, str, str]]:
    """Zone, whether it loads, and the record's name, type and value."""
    found = []
    for number, line in enumerate(CASES.strip().splitlines()):
        loads, owner, kind, value = line.split(maxsplit=3)
        zone = f"{number}.0.192.in-addr.arpa" if owner.endswith(".IN-ADDR") else f"c{number}.example.net"
        found.append((zone, loads == "yes", owner.replace(".IN-ADDR", ""), kind, value))
    return found


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A named with all these zones, as if nobody had looked at them."""
    folder = tmp_path_factory.mktemp("names")
    free = free_port()
    text = BIND.format(folder=folder, port=free)
    for place, (zone, _loads, owner, kind, value) in enumerate(cases()):
        (folder / f"{place}.zone").write_text(f"{HEAD}{owner} {kind} {value}\n")
        text += f'zone "{zone}" {{ type primary; file "{place}.zone"; }};\n'
    (folder / "named.conf").write_text(text)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([program("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")], stdout=log, stderr=log)
    try:
        wait_for(free, process, folder / "log", b" running\n")
        yield free
    finally:
        process.terminate()
        process.wait(timeout=20)


def is_planned(zone: str, owner: str, kind: str, value: str) -> bool:
    place = Attachment("main", "eth0", IPv4Interface("198.18.0.2/24"), None, 1500)
    primary = Host("ns1", "ns1.example.org", (), (place,), {"management": "main", "public": "main"})
    record = {"record": owner, "type": kind, "value": [value]}
    zones = {zone: {"primary": "ns1", "hosts": False, "records": [record]}}
    problems = resolve(Fleet("demo", "example.org", {}, {"ns1": primary}, {}, {"dns_zones": zones})).problems
    assert all("BIND does not load the zone" in one.message and one.remedy for one in problems), problems
    return not problems


@pytest.mark.parametrize(("zone", "loads", "owner", "kind", "value"), cases())
def test_the_plan_accepts_what_bind_loads(port: int, zone: str, loads: bool, owner: str, kind: str, value: str) -> None:
    answer = dns.query.tcp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=port, timeout=10)
    served = answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)
    assert (served, is_planned(zone, owner, kind, value)) == (loads, loads)


@pytest.mark.parametrize("name", ["0/26.2.0.192.in-addr.arpa", "_tcp.example.net"])
def test_a_zone_whose_name_is_that_of_no_host_is_served(name: str, tmp_path: Path) -> None:
    with rendered("bind", tmp_path, {name: {"primary": "ns1", "hosts": False}}) as made:
        answer = dns.query.tcp(dns.message.make_query(name, "SOA"), "127.0.0.1", port=made.port, timeout=10)
    (soa,) = answer.answer[0]
    assert soa.rname.to_text() == "hostmaster.example.net."
