# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changes while the servers serve: records, zones, times to live, configurations, and what a disaster leaves."""

from __future__ import annotations

import pytest
from servers import (
    HIDDEN,
    NS1,
    NS2,
    OWN_KEY,
    UPDATE_KEY,
    ZONE,
    converge,
    dig,
    nsupdate,
    other_inventory,
    serial,
    soon,
    transfer,
)

testinfra_hosts = ["ansible://ns1"]
FILE = f"/var/lib/bind/{ZONE}.zone"


def peer(host, name):
    return host.get_host(f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def client(host):
    return peer(host, "client1")


def test_a_secondary_has_a_change_seconds_later_because_it_was_told(host, client):
    for value in ("198.18.0.61", "198.18.0.62", "198.18.0.63"):
        lines = f"update delete told.{ZONE} A\\nupdate add told.{ZONE} 60 A {value}"
        assert nsupdate(host, "127.0.0.1", lines, UPDATE_KEY) == ""
        assert soon(lambda: dig(client, f"told.{ZONE} A", NS2), [value]) < 5


def test_a_secondary_asks_its_primary_for_each_zone_as_soon_as_it_has_started(host):
    """By itself, named would not before a quarter of the zone's retry, which is 30 s."""
    since = host.check_output("rndc querylog on; date +%s")
    log = f"journalctl -u named -o cat --since @{since} | grep -o ' query: [^ ]* IN SOA ' | sort -u | awk '{{print $2}}'"
    try:
        peer(host, "ns2").check_output("systemctl restart named")
        soon(lambda: {ZONE, HIDDEN} - set(host.check_output(log).splitlines()), set())
    finally:
        host.check_output("rndc querylog off")


def test_a_hidden_primary_is_in_no_answer_of_its_secondary(client):
    assert dig(client, f"www.{HIDDEN} A", NS2) == ["198.18.0.90"]
    assert dig(client, f"{HIDDEN} NS", NS2) == [f"ns2.{ZONE}."]
    for question in ("SOA", "NS", "A"):
        answer = client.check_output(f"dig +noall +answer +authority +additional @{NS2} {HIDDEN} {question}")
        assert "ns1" not in answer and NS1 not in answer


def test_a_signed_zone_is_signed_on_the_secondary_too_and_takes_updates(host, client):
    assert dig(client, f"{HIDDEN} DNSKEY", NS1) == dig(client, f"{HIDDEN} DNSKEY", NS2) != []
    assert nsupdate(host, "127.0.0.1", f"update add new.{HIDDEN} 60 A 198.18.0.91", UPDATE_KEY, HIDDEN) == ""
    soon(lambda: len(dig(client, f"+dnssec new.{HIDDEN} A", NS2)), 2)
    flags, protocol, algorithm, *key = dig(client, f"{HIDDEN} DNSKEY", NS2)[0].split()
    anchor = f'trust-anchors {{ {HIDDEN}. static-key {flags} {protocol} {algorithm} "{"".join(key)}"; }};'
    client.check_output("echo %s > /tmp/anchor", anchor)
    checked = client.run(f"delv -a /tmp/anchor +root={HIDDEN} @{NS2} new.{HIDDEN} A")
    assert "fully validated" in checked.stdout, checked.stdout + checked.stderr
    assert nsupdate(host, "127.0.0.1", f"update delete new.{HIDDEN}", UPDATE_KEY, HIDDEN) == ""


LOOP = """
i=0; while [ ! -e /tmp/stop ]; do i=$((i+1));
printf 'server {server}\\nupdate add u'$i'.dyn.{zone} 60 TXT x\\nsend\\n' | nsupdate -k {key} && echo $i || echo failed $i;
done > /tmp/acknowledged 2>&1; echo end >> /tmp/acknowledged
"""


def change_everything(variables):
    """A zone more, one less, another grant, another time to live, and no external secondary."""
    zones = variables["dns_zones"]
    zones[ZONE]["ttl"] = 120
    del zones["18.198.in-addr.arpa"], zones[ZONE]["external_secondaries"]
    zones["more.example.net"] = {"primary": "ns1", "secondaries": ["ns2"], "hosts": False}
    variables["dns_keys"]["client1-own"]["grants"].append({"zone": "more.example.net", "name": "@", "types": ["TXT"]})


@pytest.mark.drill
def test_a_run_that_changes_the_configuration_refuses_and_loses_no_update(host, client, tmp_path):
    assert nsupdate(host, "127.0.0.1", "update add 9.0.18.198.in-addr.arpa 60 PTR a.", UPDATE_KEY, "18.198.in-addr.arpa") == ""
    client.check_output("rm -f /tmp/stop /tmp/acknowledged")
    loop = LOOP.format(server=NS1, zone=ZONE, key=OWN_KEY)
    client.check_output("echo %s > /tmp/loop", loop)
    client.check_output("nohup sh /tmp/loop > /dev/null 2>&1 &")
    with other_inventory(tmp_path, change_everything) as inventory:
        more = ("-e", "dns_server_responses_per_second=60")
        converge(*more, inventory=inventory, limit="ns1,ns2")
        assert dig(client, "more.example.net NS", NS1) == dig(client, "more.example.net NS", NS2) != []
        assert dig(client, "9.0.18.198.in-addr.arpa PTR", NS1) == [], "the zone is not served any more"
        assert host.file("/var/lib/bind/18.198.in-addr.arpa.zone").exists
        soa = client.check_output(f"dig +noall +answer @{NS1} {ZONE} SOA").split()
        assert (soa[1], soa[-1]) == ("120", "120"), "the time to live reaches the SOA of a zone that exists"
        assert nsupdate(client, NS1, "update add more.example.net 60 TXT x", OWN_KEY, "more.example.net") == ""
    converge(limit="ns1,ns2")
    client.check_output("touch /tmp/stop")
    soon(lambda: client.check_output("tail -1 /tmp/acknowledged"), "end")
    *done, _end = client.check_output("cat /tmp/acknowledged").splitlines()
    assert len(done) > 20 and all(line.isdigit() for line in done), done[-20:]
    held = transfer(host, ZONE, UPDATE_KEY)
    assert [number for number in done if f"\nu{number}.dyn.{ZONE}." not in held] == []
    soon(lambda: serial(client, ZONE, NS2), serial(client, ZONE, NS1))
    assert dig(client, f"u{done[-1]}.dyn.{ZONE} TXT", NS2) == ['"x"']
    assert dig(client, "9.0.18.198.in-addr.arpa PTR", NS1) == ["a."], "a zone that comes back has what it had"
    assert dig(client, "more.example.net NS", NS1) == []


@pytest.mark.drill
def test_a_catalog_gives_a_secondary_its_zones_and_takes_them_back(host, client, tmp_path):
    def with_catalog(variables):
        variables["dns_catalog"] = True

    with other_inventory(tmp_path, with_catalog) as inventory:
        converge(inventory=inventory, limit="ns1,ns2")
        soon(lambda: dig(client, f"www2.{ZONE} A", NS2), ["198.18.0.80", "198.18.0.81"], 20)
        assert "type secondary" in peer(host, "ns2").check_output("cat /etc/bind/named.conf.local")
        assert ZONE not in peer(host, "ns2").check_output("cat /etc/bind/named.conf.local")
        values = inventory / "group_vars" / "all.yml"
        added = "dns_zones:\n  cat.example.net: {primary: ns1, secondaries: [ns2], hosts: false}\n"
        values.write_text(values.read_text().replace("dns_zones:\n", added))
        converge(inventory=inventory)  # on the primary only
        soon(lambda: dig(client, "cat.example.net NS", NS2), [f"ns1.{ZONE}.", f"ns2.{ZONE}."], 20)
    converge(limit="ns1,ns2")
    soon(lambda: dig(client, "cat.example.net NS", NS2), [], 20)
    soon(lambda: dig(client, f"www2.{ZONE} A", NS2), ["198.18.0.80", "198.18.0.81"], 20)


@pytest.mark.drill
def test_another_program_on_the_servers_port_is_noticed(host):
    """A server that knows neither zone nor key stands in for the other program."""
    conf = "options { listen-on { 198.18.0.11; }; listen-on-v6 { none; }; pid-file none; recursion no; }; controls { };"
    host.check_output("systemctl stop named && echo %s > /etc/bind/other.conf", conf)
    host.check_output("systemd-run --unit=other /usr/sbin/named -g -c /etc/bind/other.conf")
    try:
        soon(lambda: host.run(f"dig +tries=1 +time=1 @{NS1} {ZONE} SOA").rc, 0)
        said = converge(fails=True)
        assert "is not what answers at its address" in said and "does not know the key" in said, said
    finally:
        host.check_output("systemctl stop other; rm /etc/bind/other.conf; systemctl restart named")


@pytest.mark.drill
def test_a_journal_that_does_not_fit_its_zone_is_discarded_with_consent_only_and_kept(host, client):
    """A zone file that was put back from a backup is older than the journal."""
    copied = f"timeout 20 sh -c 'until cp {FILE} /tmp/backup; do sleep 0.2; done'"  # named may be at replacing the file
    host.check_output(f"rndc sync {ZONE} && {copied} && rndc sync -clean {ZONE}")
    for name in ("first", "second"):
        assert nsupdate(host, "127.0.0.1", f"update add {name}.{ZONE} 60 A 198.18.0.64", UPDATE_KEY) == ""
        host.check_output(f"rndc sync -clean {ZONE}" if name == "first" else "true")
    soon(lambda: dig(client, f"second.{ZONE} A", NS2), ["198.18.0.64"])
    acknowledged = serial(client, ZONE, NS2)
    host.check_output(f"systemctl stop named && cp /tmp/backup {FILE} && systemctl start named")
    sums = host.check_output(f"sha256sum {FILE} {FILE}.jnl")
    said = converge(fails=True)
    assert f"The zone {ZONE} does not load" in said and f"add second.{ZONE}." in said
    assert "dns_server_discard_journals" in said
    assert host.check_output(f"sha256sum {FILE} {FILE}.jnl") == sums, "nothing was touched"
    converge("-e", "dns_server_discard_journals=true")
    assert dig(client, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]
    assert dig(client, f"second.{ZONE} A") == []
    assert f"add second.{ZONE}." in host.check_output(f"named-journalprint $(ls -t {FILE}.jnl.set-aside-* | head -1)")
    assert serial(client, ZONE, NS1) > acknowledged
    soon(lambda: dig(client, f"second.{ZONE} A", NS2), [])
    assert "changed=0" in converge()
