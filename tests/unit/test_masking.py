# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a diff or an error shows of a host's files: what changes, and never a secret."""

from __future__ import annotations

import json
from typing import Dict, List

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import Problem
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.diff import CONTEXT, file_diff, hunks, kind_of
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.masking import KINDS, is_secret, lines_of, masked, masked_message, masked_xml

ENI = "/etc/network/interfaces"
NETPLAN = "/etc/netplan/50-cloud-init.yaml"
PROFILE = "/etc/NetworkManager/system-connections/office.nmconnection"
NETDEV = "/etc/systemd/network/30-wg0.netdev"
UNIT = "/etc/systemd/system/web.service"
NAMED = "/etc/bind/named.conf.local"
SECRET = "hunter2"

SECRETS = {
    "wpa-psk": (ENI, "iface wlan0 inet dhcp\n    wpa-psk {}\n"),
    "passphrase": (ENI, "iface wlan0 inet dhcp\n\twpa-passphrase {}\n"),
    "with blanks": (ENI, "    wpa-psk  hello {} world\n"),
    "password of 802.1x": (ENI, "    wpa-password {}\n    wpa-private-key-passwd {}\n"),
    "keys of WEP": (ENI, "    wireless-key1 s:{}\n    wpa-wep-key0 {}\n    wireless-enc s:{}\n"),
    "commented out": (ENI, "#    wpa-psk {}\n# the password is {}\n"),
    "continued": (ENI, "    wpa-psk \\\n  {} \\\n  {}\n"),
    "command that names it": (ENI, "    pre-up wpa_passphrase office {} > /run/x\n"),
    "command of another program": (ENI, "    up iwconfig wlan0 key s:{}\n    post-up echo {} | vpnc\n    up TOKEN={} notify\n"),
    "command of ip": (ENI, "    up ip xfrm state add src 192.0.2.1 dst 192.0.2.2 enc aes {}\n    up ip link show $(cat {})\n"),
    "URL": (ENI, "    dns-search http://me:{}@192.0.2.1/\n"),
    "command after a harmless one": (ENI, "    up ip link set eth0 up; login {}\n    up true && login {} || true\n"),
    "continued command": (ENI, "    up ip link set eth0 up \\\n    ; curl --pass {}\n"),
    "wifi of netplan": (NETPLAN, "network:\n  wifis:\n    wlan0:\n      access-points:\n        office:\n          password: {}\n"),
    "quoted": (NETPLAN, 'x:\n  "password": "{} # and {}"\n'),
    "flow style": (NETPLAN, "x: {{a: {{mode: ap, password: {}}}, psk: {}}}\n"),
    "flow style on lines": (NETPLAN, "x: {{office: {{password:\n{},\nmode: ap}}}}\n"),
    "block scalar": (NETPLAN, "x:\n  password: |\n    {}\n\n    {}\n  mode: ap\n"),
    "folded": (NETPLAN, "x:\n  password: >-\n    one\n    {}\n"),
    "quoted on two lines": (NETPLAN, 'x:\n  password: "one\n    {}"\n'),
    "plain on two lines": (NETPLAN, "x:\n  password: one\n    {}\n"),
    "on the next line": (NETPLAN, "x:\n  password:\n    {}\n"),
    "JSON": (NETPLAN, '{{\n  "psk":\n  "{}",\n  "password": "{}"\n}}\n'),
    "802.1x of netplan": (NETPLAN, "x:\n  auth:\n    key-management: 802.1x\n    password: {}\n    client-key-password: {}\n"),
    "keys of a tunnel": (NETPLAN, "x:\n  key: {}\n  keys:\n    private: {}\n    shared: {}\n"),
    "keys of peers": (NETPLAN, "x:\n  peers:\n  - keys: {{public: a, shared: {}}}\n  - keys:\n      shared: {}\n"),
    "modem": (NETPLAN, "x:\n  modems:\n    w0: {{apn: a, pin: {}, password: {}}}\n"),
    "anchor": (NETPLAN, "x-pw: &pw {}\ny:\n  password: *pw\n"),
    "complex key": (NETPLAN, "x:\n  ? password\n  : {}\n"),
    "escaped key": (NETPLAN, 'x:\n  "p\\x61ssword": {}\n'),
    "passed to NetworkManager": (NETPLAN, 'x:\n  networkmanager:\n    passthrough:\n      wifi-security.psk: "{}"\n'),
    "profile": (PROFILE, "[wifi-security]\nkey-mgmt=wpa-psk\npsk={}\nwep-key0={}\nleap-password={}\n"),
    "802.1x of a profile": (
        PROFILE,
        (
            "[802-1x]\nidentity=me\npassword={}\nprivate-key=data:;base64,{}\nprivate-key-password={}\nphase2-private-key-password={}\n"
            "ca-cert-password={}\nclient-cert-password={}\npin={}\npassword-raw={}\n"
        ),
    ),
    "VPN": (PROFILE, "[vpn]\nservice-type=org.example\nxauth={}\n[vpn-secrets]\nIPSec thing={}\n"),
    "WireGuard of a profile": (PROFILE, "[wireguard]\nprivate-key={}\n[wireguard-peer.abc]\npreshared-key={}\n"),
    "PPP": (PROFILE, "[pppoe]\nusername=me\npassword={}\n[gsm]\npin={}\npassword={}\n"),
    "MACsec": (PROFILE, "[macsec]\nmka-cak={}\n"),
    "commented out in a profile": (PROFILE, "[wifi-security]\n#psk={}\n; password {}\n"),
    "WireGuard of networkd": (NETDEV, "[WireGuard]\nPrivateKey={}\n[WireGuardPeer]\nPresharedKey = {}\n"),
    "continued in networkd": (NETDEV, "[WireGuard]\nPrivateKey=\\\n  {}\n"),
    "MACsec of networkd": (NETDEV, "[MACsecTransmitAssociation]\nKeyId=1\nKey={}\n"),
    "unit": (UNIT, "[Service]\nEnvironment=DB={}\nSetCredential=db:{}\nExecStart=/usr/bin/web --token {} --verbose {}\n"),
    "drop-in": (f"{UNIT}.d/50-x.conf", "[Service]\nEnvironment=DB={}\n"),
    "key of BIND": (NAMED, 'key "a" {{\n  algorithm hmac-sha256;\n  secret "{}";\n}};\nkey b {{ secret {}; }};\n'),
    "key of BIND on two lines": (NAMED, 'key "a" {{ secret\n    "{}"; }};\n'),
    "key of Knot": ("/etc/knot/knot.conf", "key:\n  - id: a\n    secret: {}\n"),
    "options of keys": ("/root/.ssh/authorized_keys", 'environment="TOKEN={}",command="run {}" ssh-ed25519 AAAAC3 me\n'),
    "any file": ("/etc/other.conf", 'password = "{}"\napi_key: {}\n'),
    "PEM": (NETPLAN, "x: |\n  -----BEGIN PRIVATE KEY-----\n  {}\n  -----END PRIVATE KEY-----\n"),
}


@pytest.mark.parametrize("path, text", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_in_no_diff(path: str, text: str) -> None:
    """Whether its line goes, comes, changes, or stands beside one that does."""
    text = text.replace("{}", SECRET).replace("{{", "{").replace("}}", "}")
    beside = [(f"a\n{text}", f"b\n{text}"), (f"{text}a\n", f"{text}b\n")]
    for before, after in [(text, ""), ("", text), (text, text.replace(SECRET, SECRET + "x")), *beside]:
        diff = file_diff(path, before, after)
        assert SECRET not in json.dumps(diff)
        assert diff["before_header"] == diff["after_header"] == path


KEPT = {
    ENI: (
        "auto br0\niface br0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n    bridge_ports eth0\n    wpa-ssid office\n"
        "    up ip route replace 198.51.100.0/24 via 192.0.2.1 || true\n    post-up echo 0 > /proc/sys/net/ipv6/conf/br0/accept_ra\n# a note\n"
    ),
    NETPLAN: "# note\nnetwork:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [192.0.2.10/24]\n      macaddress: 52:54:00:12:34:56\n",
    PROFILE: "[connection]\nid=office\nuuid=6a1a9d2f-7d2f-4b8e-9d4e-0b6d3a0b9a11\n\n[ipv4]\naddress1=192.0.2.10/24\npsk-flags=1\n",
    NETDEV: "[NetDev]\nName=wg0\nKind=wireguard\n[WireGuardPeer]\nPersistentKeepalive=25\nEndpoint=[2001:db8::1]:51820\n",
    UNIT: "[Unit]\nAfter=network.target\n[Service]\nExecStart=/usr/bin/web --port 80\n",
    NAMED: 'zone "example.net" { type primary; file "/var/lib/bind/example.net.zone"; };\nkey "a" { algorithm hmac-sha256; };\n',
    "/root/.ssh/authorized_keys": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cdkKM0V2w7wGk6cRT0jJ0b1b5ZzKxY8bZz3T8a1b2 me@example.net\n",
    "/etc/hosts": "192.0.2.1 keys.example.net\n",
}


@pytest.mark.parametrize("path", KEPT)
def test_what_is_no_secret_is_shown(path: str) -> None:
    assert masked(KEPT[path], kind_of(path)) == KEPT[path]


def test_what_follows_a_secret_is_shown_again() -> None:
    text = "a:\n  password: |\n    x\n  mode: ap\nb: {password: x}\nc: 1\n"
    assert masked(text, "yaml") == "a:\n  password: ***\n    ***\n  mode: ap\nb: {password: ***\nc: 1\n"
    assert masked("    wpa-psk \\\n  x\n    address 192.0.2.1\n", "interfaces").endswith("    address 192.0.2.1\n")


MARKS = [" ", "\n", "\\\n", "\x0b", "\u2028", "\r\n", "- ", "{", '"', "#", "[a]\n", ";"]
words = st.sampled_from(["password: ", "psk=", "wpa-psk ", "up x", "x", "secret ", *MARKS])


@given(st.lists(words).map("".join), st.sampled_from(sorted(KINDS)))
@example("password: \\\n\r\n", "interfaces")
@example("wpa-psk \\\n\n", "interfaces")
def test_masking_keeps_the_lines(text: str, kind: str) -> None:
    assert len(lines_of(masked(text, kind))) == len(lines_of(text))


lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=30)


@given(lines, lines)
def test_hunks_differ_exactly_where_the_texts_do(old: List[str], new: List[str]) -> None:
    before, after = hunks("".join(old), "".join(new))
    assert (before == after) == (old == new)


def test_a_diff_has_the_changed_lines_and_a_few_around_them() -> None:
    old = [f"line {number}\n" for number in range(100)]
    new = [*old[:50], "another\n", *old[51:]]
    diff = file_diff("/etc/other", "".join(old), "".join(new))
    assert diff["before"] == "[48 lines]\n" + "".join(old[48:53]) + "[47 lines]\n"
    assert diff["after"] == "[48 lines]\n" + "".join([*old[48:50], "another\n", *old[51:53]]) + "[47 lines]\n"
    assert CONTEXT == 2


def test_a_big_file_takes_no_longer_than_its_lines() -> None:
    old = "".join(f"{number}\n" for number in range(100_000))
    before, after = hunks(old, old.replace("\n", "x\n"))
    assert len(before.splitlines()) == len(after.splitlines()) == 100_000


NAMES = ["wpa-psk", "PrivateKey", "password", "wireless-key1", "mka-cak", "pin", "VNC_PASSWD", "api_token", "sae-password"]
HARMLESS = ["address", "key-mgmt", "psk-flags", "PublicKey", "passwdValidTo", "keymap", "PersistentKeepalive", "ping", "spindle", "wpa-ssid"]


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_the_names_of_what_is_no_secret(name: str) -> None:
    assert not is_secret(name)


MESSAGES: Dict[str, str] = {
    "netplan: x.yaml:5:9: Error in network definition\n  password: hunter2\n  ^": "netplan: x.yaml:5:9: Error in network definition\n  password: ***\n  ^",
    "line 3: <graphics passwd='hunter2' port='1'/>": "line 3: <graphics passwd=*** port='1'/>",
    "named.conf:3: bad secret 'hunter2'": "named.conf:3: bad secret ***",
    "see https://me:hunter2@example.net/": "see https://***@example.net/",
    "no key of this name: web. Write one": "no key of this name: web. Write one",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_what_a_program_printed_is_shown_without_passwords(text: str) -> None:
    assert masked_message(text) == MESSAGES[text]


XML_SECRETS = {
    "graphics": "<graphics type='vnc' passwd='{}' passwdValidTo='2030-01-01T00:00:00'/>",
    "cookies": "<disk><source><cookies><cookie name='a'>{}</cookie></cookies></source></disk>",
    "query": "<disk><source protocol='https' name='x?token={}' query='{}'/></disk>",
    "auth": "<disk><auth username='me'><secret type='ceph' usage='{}' uuid='{}'/></auth></disk>",
    "encryption": "<disk><source><encryption><secret type='passphrase' uuid='{}'/></encryption></source></disk>",
    "arguments": "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='{}'/><q:env name='X' value='{}'/></q:commandline>",
    "SEV": "<launchSecurity type='sev'><session>{}</session><dhCert>{}</dhCert></launchSecurity>",
    "SNP": "<launchSecurity type='sev-snp'><idAuth>{}</idAuth><hostData>{}</hostData></launchSecurity>",
    "cmdline": "<os><cmdline>root=/dev/vda token={}</cmdline><initarg>{}</initarg><initenv name='PW'>{}</initenv></os>",
    "firmware": "<sysinfo type='fwcfg'><entry name='opt/x'>{}</entry></sysinfo>",
    "credentials": "<sysinfo type='smbios'><oemStrings><entry>io.systemd.credential:a={}</entry></oemStrings></sysinfo>",
    "notes": "<domain><description>password {}</description><title>{}</title><metadata><x a='{}'>{}</x></metadata></domain>",
    "filter": "<interface><filterref filter='x'><parameter name='PASSWORD' value='{}'/></filterref></interface>",
    "URL": "<disk><source file='http://me:{}@192.0.2.1/x'/></disk>",
}


@pytest.mark.parametrize("text", XML_SECRETS.values(), ids=XML_SECRETS)
def test_a_secret_of_a_definition_is_not_shown(text: str) -> None:
    assert SECRET not in masked_xml(text.replace("{}", SECRET))


def test_an_interface_of_a_guest_is_shown_whole() -> None:
    text = (
        '<interface type="bridge"><mac address="52:54:00:12:34:56" /><source bridge="br0" /><model type="virtio" />'
        '<address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0" /></interface>'
    )
    assert masked_xml(text) == text


KEY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="


@pytest.mark.parametrize("secret", [KEY, "K2tf3TRjvQkVCmJF3/Z9vA==", "00112233445566778899aabbccddeeff", f"hmac-sha256:p:{KEY}"])
def test_a_key_that_was_written_where_something_else_belongs_is_in_no_problem(secret: str) -> None:
    for text in (secret, repr({"external": secret}), f'key "p" {{ secret "{secret}"; }};'):
        problem = Problem("ns1", f"dns_keys.{text}.algorithm", f"{text!r} is not known", f"Remove {text}")
        assert secret.rpartition(":")[2] not in f"{problem} {problem!r}"


@pytest.mark.parametrize(
    "text",
    [
        "/home/Ada/fleets/main1/inventory is missing",
        "app1.demo.example.net",
        "d.e.f.8.b.d.0.1.0.0.2.ip6.arpa",
        "02:00:00:00:00:01",
        "smallfleet.infra.dns_zone_import",
        "ANotherVeryLongNameWithoutDigits",
        "2001:db8:0:1::b/64 is in no network",
    ],
)
def test_what_is_no_key_stays_in_a_problem(text: str) -> None:
    assert Problem("ns1", "x", text, text).message == text
