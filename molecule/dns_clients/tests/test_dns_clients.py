# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that know nothing of this collection work with the servers that it makes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
NS1 = "198.18.0.11"
ZONE = "clients.example.net"
KEY_FILE = "/etc/smallfleet/dns/client1-own.key"
UPDATE_KEY_FILE = "/etc/smallfleet/dns/molecule-clients-update.key"
DIRECTORY = f"https://ca1.{ZONE}:14000/dir"
TRUST = "/etc/ssl/certs/lab-ca.pem"
NAMES = f"DNS:{ZONE}, DNS:*.{ZONE}"

testinfra_hosts = ["ansible://client1"]


@pytest.fixture
def primary(host):
    return host.get_host("ansible://ns1", ansible_inventory=host.backend.ansible_inventory)


def dig(host, question: str) -> list:
    return sorted(host.check_output(f"dig +short +tries=1 +time=3 @{NS1} {question}").splitlines())


def converge(*options: str) -> str:
    """Run the role for the primary again; what it prints."""
    command = ["ansible-playbook", "-i", str(SCENARIO / "inventory"), "--limit", "ns1", *options]
    command.append(str(SCENARIO / "converge.yml"))
    done = subprocess.run(command, cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- nsupdate ---


def nsupdate(host, lines: str, key: str = KEY_FILE) -> str:
    """What nsupdate says, which is nothing when it was done. It finds the zone and its primary by itself."""
    said = host.run(f"printf '{lines}\\nsend\\n' | nsupdate -k {key}")
    return (said.stdout + said.stderr).strip()


def test_nsupdate_finds_the_primary_by_itself_and_changes_what_its_key_may(host):
    assert nsupdate(host, f"update add client1.{ZONE} 60 TXT hello") == ""
    assert dig(host, f"client1.{ZONE} TXT") == ['"hello"']
    absent = f"prereq nxrrset client1.{ZONE} TXT\\nupdate add client1.{ZONE} 60 TXT again"
    assert nsupdate(host, absent) == "update failed: YXRRSET"
    assert nsupdate(host, f"update delete client1.{ZONE} TXT") == ""
    assert dig(host, f"client1.{ZONE} TXT") == []


def test_nsupdate_is_refused_what_its_key_may_not(host):
    for change in (f"update add client2.{ZONE} 60 A 198.18.0.66", f"update delete www2.{ZONE}", f"update add client1.{ZONE} 60 MX 10 x."):
        assert nsupdate(host, change) == "update failed: REFUSED"
    assert dig(host, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]


# --- ACME clients with their own RFC 2136 ---


def names_in(host, path: str) -> str:
    return host.check_output(f"openssl x509 -in {path} -noout -ext subjectAltName")


def test_lego_gets_a_certificate_for_the_name_and_its_wildcard(host):
    """Its provider deletes the whole record set before each value, so it proves one name after the other."""
    field = "sed -n 's/.*%s \"*\\([^\";{ ]*\\).*/\\1/p'"
    script = [
        "set -eu; umask 077",
        *(f"{name}=$({field % word} {KEY_FILE})" for name, word in (("key", "key"), ("secret", "secret"))),
        f"export RFC2136_NAMESERVER={NS1}:53 RFC2136_TSIG_ALGORITHM=hmac-sha256. RFC2136_SEQUENCE_INTERVAL=1",
        f"export RFC2136_TSIG_KEY=$key RFC2136_TSIG_SECRET=$secret RFC2136_TTL=1 LEGO_CA_CERTIFICATES={TRUST}",
        "export RFC2136_POLLING_INTERVAL=1",
        (
            f"lego --accept-tos --email hostmaster@example.net --server {DIRECTORY} --path /root/lego"
            f" --dns rfc2136 --dns.resolvers 198.18.0.31:53 --domains {ZONE} --domains '*.{ZONE}' run"
        ),
    ]
    host.check_output("\n".join(script).replace("%", "%%"))
    assert NAMES in names_in(host, f"/root/lego/certificates/{ZONE}.crt")
    assert dig(host, f"_acme-challenge.{ZONE} TXT") == []


def test_certbots_own_plugin_gets_a_certificate_for_the_name_and_its_wildcard(host):
    field = "sed -n 's/.*%s \"*\\([^\";{ ]*\\).*/\\1/p'"
    script = [
        "set -eu; umask 077",
        f"key=$({field % 'key'} {KEY_FILE}) secret=$({field % 'secret'} {KEY_FILE})",
        f"echo dns_rfc2136_server = {NS1} > /root/rfc2136.ini",
        "echo dns_rfc2136_name = $key >> /root/rfc2136.ini",
        "echo dns_rfc2136_secret = $secret >> /root/rfc2136.ini",
        "echo dns_rfc2136_algorithm = HMAC-SHA256 >> /root/rfc2136.ini",
        (
            f"REQUESTS_CA_BUNDLE={TRUST} certbot certonly --non-interactive --agree-tos --email hostmaster@example.net"
            f" --server {DIRECTORY} --dns-rfc2136 --dns-rfc2136-credentials /root/rfc2136.ini"
            f" --dns-rfc2136-propagation-seconds 1 --cert-name plain -d {ZONE} -d '*.{ZONE}'"
        ),
    ]
    host.check_output("\n".join(script).replace("%", "%%"))
    assert NAMES in names_in(host, "/etc/letsencrypt/live/plain/cert.pem")
    assert dig(host, f"_acme-challenge.{ZONE} TXT") == []


# --- octoDNS, on the controller, in the network of the lab ---


@pytest.fixture
def octodns(primary, tmp_path):
    """A function that runs octodns-sync on a copy of the zone, changed as given; what it prints."""
    folder = tmp_path / "octodns"
    shutil.copytree(SCENARIO / "octodns", folder)
    key = primary.file(UPDATE_KEY_FILE).content_string
    name, secret = (re.search(rf'{word} "([^"]+)"', key)[1] for word in ("key", "secret"))
    program = shutil.which("octodns-sync")
    assert program, "octodns-sync is not there: octodns and octodns-bind belong to the locked tools"

    def run(old: str, new: str, *options: str) -> str:
        path = folder / "zones" / f"{ZONE}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        inside = ["nsenter", "--net=/run/netns/smallfleet-molecule-clients"]
        command = [*inside, program, "--config-file=config.yaml", *options]
        environment = {**os.environ, "OCTODNS_KEY_NAME": name, "OCTODNS_KEY_SECRET": secret}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_octodns_finds_nothing_to_change_in_the_zone_as_the_role_made_it(octodns):
    assert "No changes were planned" in octodns("", "")


def test_what_octodns_changes_is_shown_by_check_mode_and_put_back_by_a_run(host, octodns):
    said = octodns("198.18.0.80, 198.18.0.81", "198.18.0.82", "--doit", "--force")
    assert "www2" in said and "No changes were planned" not in said
    assert dig(host, f"www2.{ZONE} A") == ["198.18.0.82"]
    said = converge("--check", "--diff")
    assert f"-www2.{ZONE}. 60 A 198.18.0.82" in said and f"+www2.{ZONE}. 60 A 198.18.0.80" in said
    assert dig(host, f"www2.{ZONE} A") == ["198.18.0.82"]
    assert "changed=1" in converge()
    assert dig(host, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]
    assert "No changes were planned" in octodns("198.18.0.82", "198.18.0.80, 198.18.0.81")
