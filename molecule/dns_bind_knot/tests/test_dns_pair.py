# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A primary and a secondary of different make. The scenario dns_knot_bind has these tests too, the other way round."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

SCENARIO = Path(__file__).absolute().parents[1]  # not resolved: this file is in two scenarios
VARIABLES = yaml.safe_load((SCENARIO / "inventory/group_vars/all.yml").read_text(encoding="utf-8"))
HOSTS = yaml.safe_load((SCENARIO / "inventory/hosts.yml").read_text(encoding="utf-8"))["all"]["hosts"]
FLEET = VARIABLES["fleet_name"]
NS1, NS2 = "198.18.0.11", "198.18.0.12"
NS1_IPV6, NS2_IPV6 = "2001:db8:0:1::b", "2001:db8:0:1::c"
KEYS = "/etc/smallfleet/dns"
UPDATE_KEY, TRANSFER_KEY = f"{FLEET}-update", f"{FLEET}-transfer-ns1"
UNITS = {"bind": "named", "knot": "knot"}
OWN, BELOW, TEXT = "app1-own", "app1-below", "app1-text"
ZONE = "dyn.example.net"
REFUSED = ("REFUSED", "NOTAUTH")  # Knot answers as if it did not know the key
PATIENCE = 30  # seconds; BIND waits five between two NOTIFYs for a zone

testinfra_hosts = ["ansible://ns1"]


@pytest.fixture
def app1(host):
    return host.get_host("ansible://app1", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def ns2(host):
    return host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)


def unit(name: str) -> str:
    return UNITS[HOSTS[name]["dns_server_provider"]]


def dig(asker, question: str, server: str = NS1) -> list:
    return sorted(asker.check_output(f"dig +short +tries=2 +time=3 @{server} {question}").splitlines())


def nsupdate(writer, zone: str, lines: str, key: str, server: str = NS1) -> str:
    """Send an update with a key of the writer's store; what nsupdate says, which is nothing when it was done."""
    text = f"server {server}\\nzone {zone}\\n{lines}\\nsend\\n"
    said = writer.run(f"printf '{text}' | nsupdate -k {KEYS}/{key}.key")
    return (said.stdout + said.stderr).strip()


def await_answer(asker, question: str, server: str, wanted: list) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        found = dig(asker, question, server)
        if found == wanted:
            return
        assert time.monotonic() < end, f"{server} answers {question} with {found}, not {wanted}"
        time.sleep(0.3)


def transfer(asker, zone: str, server: str, key: str = "") -> str:
    option = f"-k {KEYS}/{key}.key" if key else ""
    return asker.run(f"dig {option} +tries=1 +time=3 +noall +answer +onesoa @{server} {zone} AXFR").stdout


def converge(*options: str, inventory: Path = SCENARIO / "inventory") -> str:
    """Run the scenario's playbook again, but for the tools, which are there."""
    return succeeded(play(*options, inventory=inventory))


def configure(*options: str, inventory: Path = SCENARIO / "inventory") -> str:
    """Have the role configure the server of ns1 and do nothing else."""
    return succeeded(play("--limit", "ns1", *options, inventory=inventory, playbook="tests/configure.yml"))


def succeeded(said: str) -> str:
    assert re.search(r"failed=[1-9]|unreachable=[1-9]", said) is None and "failed=0" in said, said
    return said


def play(*options: str, inventory: Path, playbook: str = "converge.yml") -> str:
    """What a playbook says, whether it succeeds or not."""
    command = ["ansible-playbook", "-i", str(inventory), "--skip-tags", "tools", *options, str(SCENARIO / playbook)]
    done = subprocess.run(command, cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("server", [NS1, NS1_IPV6, NS2, NS2_IPV6])
def test_both_serve_what_the_inventory_says_over_both_families(app1, server):
    assert dig(app1, "app1.pair.example.net A", server) == ["198.18.0.21"]
    assert dig(app1, "www2.pair.example.net A", server) == ["198.18.0.80", "198.18.0.81"]
    assert dig(app1, "some.any.pair.example.net A", server) == ["198.18.0.99"]
    assert dig(app1, "pair.example.net TXT", server) == [r'"says \"hi\" to everybody"']
    assert dig(app1, "pair.example.net NS", server) == ["ns1.pair.example.net.", "ns2.pair.example.net."]
    assert dig(app1, "stays.dyn.example.net TXT", server) == ['"written by the inventory"']


def test_the_providers_are_those_of_the_inventory(host, ns2):
    for server, name in ((host, "ns1"), (ns2, "ns2")):
        assert server.service(unit(name)).is_running and server.service(unit(name)).is_enabled


def test_a_hidden_primary_is_in_no_answer(app1):
    for server in (NS1, NS2):
        assert dig(app1, "hidden.example.net NS", server) == ["ns2.pair.example.net."]
        assert dig(app1, "www.hidden.example.net AAAA", server) == ["2001:db8:0:1::80"]


@pytest.mark.parametrize("server", [NS1, NS2])
def test_strangers_get_short_answers_and_nothing_else(app1, server):
    assert "status: REFUSED" in app1.check_output(f"dig +tries=1 @{server} www.example.org A")
    assert dig(app1, "version.bind CH TXT", server) == dig(app1, "id.server CH TXT", server) == []
    asked = f"dig +notcp +ignore +tries=1 +dnssec +bufsize=4096 +noall +answer @{server} pair.example.net ANY"
    many = app1.check_output(asked)
    kinds = {line.split()[3] for line in many.splitlines()}
    assert len(kinds - {"RRSIG"}) <= 1, f"an amplifier: {kinds}"


def test_an_update_reaches_the_secondary_by_notify_and_ixfr_with_the_key(host, ns2, app1):
    name = f"fast{int(time.time())}.{ZONE}"
    assert nsupdate(host, ZONE, f"update add {name} 60 A 198.18.0.70", UPDATE_KEY) == ""
    await_answer(app1, f"{name} A", NS2, ["198.18.0.70"])
    knot = host if unit("ns1") == "knot" else ns2
    log = knot.check_output("journalctl --no-pager -u knot --since -2min")
    assert re.search(rf"\[dyn.example.net.\] IXFR, (incoming|outgoing), .*key {TRANSFER_KEY}., finished", log), log
    assert re.search(r"\[dyn.example.net.\] notify, (incoming|outgoing)", log), log


def test_the_whole_zone_is_for_who_has_the_transfer_key_only(host, ns2, app1):
    assert "www2.pair.example.net." in transfer(ns2, "pair.example.net", NS1, TRANSFER_KEY)
    assert "www2.pair.example.net." in transfer(ns2, "pair.example.net", NS1_IPV6, TRANSFER_KEY)
    for server in (NS1, NS2):
        for key in ("", "app1-own", "app1-below"):
            assert transfer(app1, "pair.example.net", server, key).count(" IN ") == 0, (server, key)
            assert transfer(app1, "dyn.example.net", server, key).count("\tIN\t") == 0, (server, key)


RIGHTS = [
    (OWN, f"update add app1.{ZONE} 60 A 198.18.0.21", True),
    (OWN, f"update add app1.{ZONE} 60 AAAA 2001:db8:0:1::15", True),
    (OWN, f"update delete app1.{ZONE} A", True),
    (OWN, f"update add app1.{ZONE} 60 TXT mine", False),
    (OWN, f"update add app1.{ZONE} 60 CNAME www.example.org.", False),
    (OWN, f"update add app2.{ZONE} 60 A 198.18.0.66", False),
    (OWN, f"update add x.app1.{ZONE} 60 A 198.18.0.66", False),
    (OWN, f"update add {ZONE} 60 A 198.18.0.66", False),
    (OWN, f"update add *.{ZONE} 60 A 198.18.0.66", False),
    (OWN, f"update delete stays.{ZONE} TXT", False),
    (OWN, f"update delete stays.{ZONE}", False),
    (OWN, f"update add app1.{ZONE} 60 A 198.18.0.21\\nupdate add app2.{ZONE} 60 A 198.18.0.66", False),
    (BELOW, f"update add below.{ZONE} 60 TXT mine", True),
    (BELOW, f"update add a.b.below.{ZONE} 60 MX 10 mail.example.org.", True),
    (BELOW, f"update delete a.b.below.{ZONE}", True),
    (BELOW, f"update add xbelow.{ZONE} 60 TXT mine", False),
    (BELOW, f"update delete {ZONE} NS ns2.pair.example.net.", False),
    (BELOW, f"update add {ZONE} 60 SOA ns1.{ZONE}. mine.{ZONE}. 4000000000 1 1 1 1", False),
    (TEXT, f"update add _acme-challenge.{ZONE} 60 TXT one\\nupdate add _acme-challenge.www.{ZONE} 60 TXT two", True),
    (TEXT, f"update delete _acme-challenge.{ZONE} TXT", True),
    (TEXT, f"update add _acme-challenge.{ZONE} 60 CNAME www.example.org.", False),
    (TEXT, f"update add _acme-challenge.mail.{ZONE} 60 TXT one", False),
    (TEXT, f"update add www.{ZONE} 60 TXT one", False),
    (TEXT, f"update add _acme-challenge.{ZONE} 60 NS ns.example.org.", False),
]


@pytest.mark.parametrize(("key", "lines", "allowed"), RIGHTS)
def test_a_key_may_do_what_it_was_given_and_nothing_else(app1, key, lines, allowed):
    if allowed:
        assert nsupdate(app1, ZONE, lines, key) == ""
        return
    before = dig(app1, f"{ZONE} SOA")
    said = nsupdate(app1, ZONE, lines, key)
    assert any(word in said for word in REFUSED), f"{key} may {lines}: {said!r}"
    assert dig(app1, f"{ZONE} SOA") == before


def test_no_key_of_a_client_is_good_for_another_zone_or_at_the_secondary(app1):
    lines = "update add app1.hidden.example.net 60 A 198.18.0.66"
    assert any(word in nsupdate(app1, "hidden.example.net", lines, OWN) for word in REFUSED)
    for key in (OWN, BELOW, TEXT):
        said = nsupdate(app1, ZONE, f"update add app1.{ZONE} 60 A 198.18.0.67", key, NS2)
        assert said != "" and "198.18.0.67" not in dig(app1, f"app1.{ZONE} A")


def test_a_new_zone_appears_at_the_secondary_without_touching_it_and_goes_again(app1, ns2, tmp_path):
    shutil.copytree(SCENARIO / "inventory", tmp_path / "inventory")
    variables = tmp_path / "inventory/group_vars/all.yml"
    text = variables.read_text(encoding="utf-8")
    added = "  new.example.net: {primary: ns1, secondaries: [ns2], hosts: false}\ndns_keys:\n"
    variables.write_text(text.replace("dns_keys:\n", added), encoding="utf-8")
    log = "journalctl --no-pager --since -5min | grep -c sudo; ls -l --time-style=full-iso /etc/knot /etc/bind"
    before = ns2.run(log).stdout
    converge("--limit", "ns1", inventory=tmp_path / "inventory")
    await_answer(app1, "new.example.net NS", NS2, ["ns1.pair.example.net.", "ns2.pair.example.net."])
    assert ns2.run(log).stdout == before
    converge("--limit", "ns1")
    await_answer(app1, "new.example.net NS", NS2, [])


LINKING = """
import os, time
end = time.monotonic() + 120
while time.monotonic() < end and not os.path.exists("/run/enough"):
    for path in (PATH, PATH + ".new"):
        if os.path.lexists(path) and not os.path.islink(path):
            os.symlink("/root/own", path + ".link")
            os.replace(path + ".link", path)
            print(path, flush=True)
"""


def test_a_server_that_puts_links_into_its_folder_gets_no_file_of_root(host, tmp_path):
    """The daemon's user puts a link in the place of a new zone's file as soon as that is there."""
    shutil.copytree(SCENARIO / "inventory", tmp_path / "inventory")
    variables = tmp_path / "inventory/group_vars/all.yml"
    added = "  linked.example.net: {primary: ns1, hosts: false}\ndns_keys:\n"
    variables.write_text(variables.read_text(encoding="utf-8").replace("dns_keys:\n", added), encoding="utf-8")
    user = HOSTS["ns1"]["dns_server_provider"]
    path = f"/var/lib/{user}/linked.example.net.zone"
    host.check_output("rm -f /run/enough; install -m 600 /dev/null /root/own; echo secret > /root/own")
    program = LINKING.replace("PATH", repr(path))
    host.check_output("nohup runuser -u %s -- python3 -c %s > /tmp/linked 2>&1 &", user, program)
    try:
        for _attempt in range(3):
            said = play("--limit", "ns1", inventory=tmp_path / "inventory", playbook="tests/configure.yml")
            assert "secret" not in said
            assert host.check_output("stat -c '%U %G %a' /root/own; cat /root/own") == "root root 600\nsecret"
            host.check_output("rm -f %s", path)
        assert path in host.check_output("cat /tmp/linked"), "no link was put there"
    finally:
        host.check_output("touch /run/enough; rm -f %s /root/own", path)
    configure()


def test_both_serve_the_signatures_and_the_zone_validates(ns2, app1):
    key = " ".join(app1.check_output(f"dig +short @{NS1} pair.example.net DNSKEY").split(" ")[0:3])
    assert key == "257 3 13", "one key for all, ECDSAP256SHA256"
    material = app1.check_output(f"dig +short @{NS1} pair.example.net DNSKEY").split(" ", 3)[3].replace(" ", "")
    anchor = f'trust-anchors {{ "pair.example.net" static-key 257 3 13 "{material}"; }};'
    app1.check_output(f"printf '%s' '{anchor}' > /run/anchor")
    for server in (NS1, NS2):
        asked = f"delv @{server} -a /run/anchor +root=pair.example.net"
        assert "fully validated" in app1.check_output(f"{asked} www2.pair.example.net A"), server
        nobody = app1.run(f"{asked} nobody.pair.example.net A 2>&1").stdout
        assert "negative response, fully validated" in nobody, server
    zone = transfer(ns2, "pair.example.net", NS1, TRANSFER_KEY)
    app1.check_output(f"cat > /run/zone <<'END'\n{zone}\nEND")
    assert "Zone fully signed" in app1.check_output("dnssec-verify -z -o pair.example.net /run/zone 2>&1")


def test_the_parent_can_learn_the_key_by_cds(host, app1):
    if unit("ns1") == "named":  # BIND waits until the signatures are sure to be in every cache
        keys = host.check_output("cat /var/lib/bind/Kpair.example.net.*.state")
        published = [line.split()[1] for line in keys.splitlines() if line.startswith("PublishCDS: ")]
        assert len(published) == 1 and published[0] < time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 172800))
        return
    for server in (NS1, NS2):
        assert len(dig(app1, "pair.example.net CDS", server)) == len(dig(app1, "pair.example.net CDNSKEY", server)) == 1


def test_an_update_of_a_signed_zone_is_signed_at_the_secondary_too(host, app1):
    assert nsupdate(host, "pair.example.net", "update add late.pair.example.net 60 A 198.18.0.71", UPDATE_KEY) == ""
    await_answer(app1, "late.pair.example.net A", NS2, ["198.18.0.71"])
    assert "fully validated" in app1.check_output(f"delv @{NS2} -a /run/anchor +root=pair.example.net late.pair.example.net A")


def test_a_run_prunes_where_it_was_asked_to_and_nothing_that_was_excepted(host, app1):
    lines = "update add foreign.pruned.example.net 60 TXT x\\nupdate add _acme-challenge.pruned.example.net 60 TXT y"
    assert nsupdate(host, "pruned.example.net", lines, UPDATE_KEY) == ""
    assert nsupdate(host, "dyn.example.net", "update add foreign.dyn.example.net 60 TXT x", UPDATE_KEY) == ""
    assert "changed=1" in converge("--limit", "ns1")
    assert dig(app1, "foreign.pruned.example.net TXT") == []
    assert dig(app1, "_acme-challenge.pruned.example.net TXT") == ['"y"']
    assert dig(app1, "foreign.dyn.example.net TXT") == ['"x"']
    await_answer(app1, "foreign.pruned.example.net TXT", NS2, [])
    assert "changed=0" in converge("--limit", "ns1")


def test_the_parent_of_a_zone_on_the_same_server_has_its_delegation_and_keeps_it(host):
    delegation = "child.pruned.example.net. NS"
    axfr = f"dig -k {KEYS}/{UPDATE_KEY}.key @{NS1} pruned.example.net AXFR +noall +answer"
    held = {(words[0], words[3]) for words in map(str.split, host.check_output(axfr).splitlines())}
    assert tuple(delegation.split()) in held


RIVALS = """
cd "$(mktemp -d)"
run=$(date +%s)
for round in $(seq 60); do
    for rival in $(seq 8); do
        name=r$run-$round.below.ZONE
        printf 'server SERVER\\nzone ZONE\\nprereq nxrrset %s TXT\\nupdate add %s 60 TXT "%s"\\nsend\\n' \\
            $name $name $rival | nsupdate -k KEY > $round.$rival 2>&1 &
    done
    wait
done
find . -type f -empty | cut -d/ -f2 | cut -d. -f1 | sort -n | uniq -c | awk '{print $1}' | sort | uniq -c
cat * | sort | uniq -c
"""


def test_of_eight_rivals_for_one_name_one_wins_every_round(app1):
    script = RIVALS.replace("SERVER", NS1).replace("ZONE", ZONE).replace("KEY", f"{KEYS}/{BELOW}.key")
    app1.check_output(f"cat > /run/rivals <<'END'\n{script}\nEND")
    said = [line.split() for line in app1.check_output("bash /run/rivals").splitlines()]
    assert said == [["60", "1"], ["420", "update", "failed:", "YXRRSET"]]


def test_a_secondary_that_was_down_catches_up(host, ns2, app1):
    ns2.check_output(f"systemctl stop {unit('ns2')}")
    try:
        update = f"server 127.0.0.1\\nzone {ZONE}\\nupdate add c%s.{ZONE} 60 TXT x\\nsend\\n"
        host.check_output(f"for number in $(seq 0 24); do printf '{update}' $number | nsupdate -k {KEYS}/{UPDATE_KEY}.key || exit; done")
        time.sleep(3)  # the primary has told nobody of the last one: both wait a second before they tell
    finally:
        ns2.check_output(f"systemctl start {unit('ns2')}")
    await_answer(app1, f"c24.{ZONE} TXT", NS2, ['"x"'])
    assert dig(app1, f"c0.{ZONE} TXT", NS2) == ['"x"']


def test_zones_are_transferred_over_ipv6_when_ipv4_is_dead(host, ns2, app1):
    ns2.check_output(f"ip route add unreachable {NS1}/32 metric 1")
    try:
        assert nsupdate(host, ZONE, f"update add six.{ZONE} 60 TXT x", UPDATE_KEY) == ""
        await_answer(app1, f"six.{ZONE} TXT", NS2, ['"x"'])
    finally:
        ns2.check_output(f"ip route del unreachable {NS1}/32 metric 1")


def test_no_secret_is_in_a_log_or_in_a_file_that_others_can_read(host, ns2):
    for server, name in ((host, "ns1"), (ns2, "ns2")):
        group = {"named": "bind", "knot": "knot"}[unit(name)]
        path = {"named": "/etc/bind", "knot": "/etc/knot"}[unit(name)] + "/smallfleet.keys"
        keys = server.file(path)
        assert (keys.user, keys.group, oct(keys.mode)) == ("root", group, "0o640")
        secrets = re.findall(r'secret:? "([^"]+)"', keys.content_string)
        assert secrets
        for secret in secrets:
            assert server.run(f"journalctl --no-pager | grep -F '{secret}'").stdout == ""
