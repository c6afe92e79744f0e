# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration that others wrote is replaced with consent only, and kept."""

from __future__ import annotations

from typing import Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import config
from served import zone as served_zone
from test_dns_server_host import apply, bind_host

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind, knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.foreign import Foreign, knot_conf, named_conf
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import obstacles, plan_server
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import Access

DEBIAN_OPTIONS = """
options {
    directory "/var/cache/bind";
    // forwarders {
    //     0.0.0.0;
    // };
    dnssec-validation auto;
    listen-on-v6 { any; };
};
"""
DEBIAN_LOCAL = """//
// Do any local configuration here
//
//include "/etc/bind/zones.rfc1918";
"""
DEBIAN_KNOT = """
server:
    rundir: "/run/knot"
    user: knot:knot
#    listen: [ 127.0.0.1@53, ::1@53 ]
log:
  - target: syslog
    any: info
database:
    storage: "/var/lib/knot"
remote:
#  - id: secondary
template:
  - id: default
    storage: "/var/lib/knot"
zone:
#  - domain: example.com
"""
FORWARDING = DEBIAN_OPTIONS.replace("auto;", "auto; forwarders { 192.0.2.1; };")
OURS = 'zone "office.example" { type primary; file "/etc/bind/office"; allow-update { key "k"; }; };\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        (DEBIAN_OPTIONS, ()),
        (DEBIAN_LOCAL, ()),
        (DEBIAN_LOCAL + OURS, ("zone office.example",)),
        (OURS * 2 + "zone a.example IN { type primary; };", ("zone office.example", "zone a.example")),
        ('/* zone "x" { }; */ # zone y { };\nacl friends { 192.0.2.0/24; };', ("acl friends",)),
        ('include "/etc/bind/zones.rfc1918";', ("include /etc/bind/zones.rfc1918",)),
        (FORWARDING, ("forwarders",)),
        ('view "in" { zone "x" { type primary; }; };', ("view in",)),
        ('zone "a\\"b" { type primary', ('zone a\\"b',)),
        ("} } zone x { };", ("zone x",)),
    ],
)
def test_what_others_have_in_named_conf_is_named(text: str, parts: Tuple[str, ...]) -> None:
    assert named_conf(text) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (DEBIAN_KNOT, ()),
        (DEBIAN_KNOT.replace("#  - domain", "  - domain"), ("zone example.com",)),
        ('zone:\n  - domain: "a.example"\nacl:\n  - id: x\n', ("zone a.example", "acl")),
        ("zone :\n- domain : a.example\nremote :\n  - id : x\nkey :\n  - id : x\n", ("zone a.example", "key")),
    ],
)
def test_what_others_have_in_knot_conf_is_named(text: str, parts: Tuple[str, ...]) -> None:
    assert knot_conf(text) == parts


def test_our_own_files_are_not_foreign() -> None:
    for provider in (bind.Bind(), knot.Knot()):
        assert [provider.foreign(path, text) for path, text in provider.files(config()).items() if provider.foreign(path, text)] == []


@given(st.text(alphabet="zone {};\"\\/*#\n'x", max_size=60))
def test_every_text_is_read(text: str) -> None:
    assert all(named_conf(text)) and all(knot_conf(text))


def test_a_zone_of_others_stops_the_run_and_is_kept_when_it_goes() -> None:
    host = bind_host()
    host.store.write(bind.ZONES_FILE, OURS, 0o640, "root", "bind")
    host.store.write(bind.OPTIONS_FILE, DEBIAN_OPTIONS, 0o644)
    state = host.observe(host.complete(config()))
    (reason,) = obstacles(config(), state)
    assert reason.startswith(f"{bind.ZONES_FILE} was not written from the inventory and has zone office.example")
    assert "dns_server_replace_configuration" in reason
    consenting = config(replace_configuration=True)
    assert obstacles(consenting, state) == []
    assert "keep" in apply(host, consenting)
    kept = f"{bind.ZONES_FILE}.before-smallfleet"
    assert host.store.read(kept) == OURS and host.store.access(kept) == Access(0o640, "root", "bind")
    assert host.observe(host.complete(config())).foreign == ()
    assert plan_server(bind.Bind(), host.complete(config()), host.observe(host.complete(config()))) == []


def test_no_backup_replaces_another() -> None:
    host, consenting = bind_host(), config(replace_configuration=True)
    first = f"{bind.ZONES_FILE}.before-smallfleet"
    for theirs in (OURS, OURS.replace("office", "shop"), OURS.replace("office", "shop"), OURS):
        host.store.write(bind.ZONES_FILE, theirs, 0o640, "root", "bind")
        apply(host, consenting)
    assert host.store.read(first) == OURS
    assert host.store.read(f"{first}-2") == OURS.replace("office", "shop")
    assert host.store.read(f"{first}-3") is None


def test_many_parts_are_counted() -> None:
    assert "and 3 more" in str(Foreign("/etc/bind/named.conf.local", tuple(f"zone {number}.example" for number in range(23))))


@pytest.mark.parametrize("added", [OURS, 'include "/etc/bind/office.conf";\n'])
def test_what_somebody_adds_to_a_file_of_the_inventory_is_kept_beside_it(added: str) -> None:
    host, wanted = bind_host(), config()
    apply(host, wanted)
    changed = (host.store.read(bind.ZONES_FILE) or "") + added
    host.store.write(bind.ZONES_FILE, changed, 0o640, "root", "bind")
    assert "keep" in apply(host, wanted)
    assert host.store.read(f"{bind.ZONES_FILE}.before-smallfleet") == changed
    assert host.store.access(f"{bind.ZONES_FILE}.before-smallfleet") == Access(0o640, "root", "bind")
    assert apply(host, wanted) == [] and added not in (host.store.read(bind.ZONES_FILE) or "")


def test_a_comment_and_a_zone_that_leaves_the_inventory_are_not_kept() -> None:
    host, wanted = bind_host(), config(served_zone("a.example"), served_zone("b.example"))
    apply(host, wanted)
    host.store.write(bind.ZONES_FILE, f"{host.store.read(bind.ZONES_FILE)}// mine\n", 0o644)
    assert "keep" not in apply(host, wanted)
    assert "keep" not in apply(host, config(served_zone("a.example")))
