# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job from the installed tarball, on real hosts. The tests go on from one another, in the order of the file."""

from __future__ import annotations

import json
import re

import pytest
from conftest import HOSTS, ROOT

MOST_TASKS = 12
MOST_CALLS = 3


@pytest.mark.once
def test_every_plugin_and_role_is_documented(site):
    for kind in ("module", "role"):
        listed = json.loads(site.call(["ansible-doc", "--json", "--list", "-t", kind, "smallfleet.infra"]).text)
        assert len(listed) >= 4
        shown = site.call(["ansible-doc", "-t", kind, *listed])
        assert shown.rc == 0, shown.text
        pages = re.split(r"(?m)^> (?:MODULE|ROLE):? ", shown.text)[1:]
        assert sorted(page.split()[0].strip("*") for page in pages) == sorted(listed)
        assert all(len(page) > 300 for page in pages)


@pytest.mark.once
def test_the_doctor_says_what_this_machine_can_run(site):
    done = site.run("doctor")
    assert done.rc == 0, done.text[-4000:]
    assert "ok  root " in done.text and "\\nok  overlayfs " in done.text, done.text


def test_a_blank_fleet_is_previewed_to_the_end_and_left_as_it_was(site):
    before = site.fingerprint()
    preview = site.run("site", "--check", "--diff")
    assert preview.rc == 0, preview.text[-4000:]
    assert preview.noise() == []
    assert preview.changed() == sorted(HOSTS)
    assert site.fingerprint() == before


def test_a_broken_inventory_is_refused_before_the_first_change(site):
    before = site.fingerprint()
    refused = site.run("site", "-e", '{"dns_zones": {"demo.example.net": {"primary": "nowhere"}}, "fleet_domain": 7}')
    assert refused.rc != 0
    assert "dns_zones.demo.example.net.primary" in refused.text and "fleet_domain" in refused.text
    assert "Traceback" not in refused.text
    assert site.fingerprint() == before


def test_the_fleet_is_provisioned_and_verified(site):
    done = site.run("site")
    assert done.rc == 0, done.text[-4000:]
    assert done.noise() == []
    assert done.changed() == sorted(HOSTS)
    ask = "import urllib.request as u; print(u.urlopen('http://www.demo.example.net:8080/').read().decode())"
    as_the_probe = "mount --bind /etc/smallfleet/probe/resolv.conf /etc/resolv.conf && python3 -c"
    assert site.on("watch1", f"""unshare --mount sh -c '{as_the_probe} "$0"' "{ask}" """).strip() == "app1"


def test_the_second_run_changes_nothing_within_the_budget_of_tasks_and_remote_calls(site, capsys):
    before = site.fingerprint()
    again = site.run("site", "-vvv")
    assert again.rc == 0, again.text[-4000:]
    assert again.noise() == []
    assert again.changed() == []
    assert site.fingerprint() == before
    tasks, calls = again.counts()
    with capsys.disabled():
        print(f"\n{'a run that changes nothing':<45}{'role':<12}{'host':<9}{'tasks':>5}{'remote calls':>14}")
        for key in sorted({*tasks, *calls}):
            print(f"{key[0]:<45}{key[1]:<12}{key[2]:<9}{tasks[key]:>5}{calls[key]:>14}")
        print(f"{'all':<66}{sum(tasks.values()):>5}{sum(calls.values()):>14}")
    roles = [key for key in {*tasks, *calls} if key[1]]
    assert {key[1] for key in roles} >= {"node", "dns_server", "standby", "probe"}
    for key in roles:
        assert tasks[key] <= MOST_TASKS, key
        assert calls[key] <= MOST_CALLS, key


def test_a_preview_of_a_provisioned_fleet_says_that_nothing_changes(site):
    before = site.fingerprint()
    preview = site.run("site", "--check", "--diff")
    assert preview.rc == 0, preview.text[-4000:]
    assert preview.changed() == []
    assert site.fingerprint() == before


@pytest.mark.once
def test_the_root_of_a_clone_runs_the_same_playbook(site):
    again = site.call(["ansible-playbook", "-i", str(site.folder / "fleet"), "site.yml", "--check"], folder=ROOT)
    assert again.rc == 0, again.text[-4000:]
    assert sorted(again.recap) == sorted(HOSTS) and again.changed() == []


@pytest.mark.once
def test_a_preview_tells_what_drifted_and_the_next_run_mends_just_that(site):
    site.on("app2", "sed -i /ns1/d /etc/hosts")
    preview = site.run("site", "--check", "--diff")
    assert preview.rc == 0 and preview.changed() == ["app2"]
    assert re.search(r"^\+.*ns1", preview.text, re.MULTILINE), preview.text[-4000:]
    assert "ns1" not in site.on("app2", "cat /etc/hosts")
    mended = site.run("site")
    assert mended.rc == 0 and mended.changed() == ["app2"]
    assert "ns1" in site.on("app2", "cat /etc/hosts")


@pytest.mark.once
@pytest.mark.parametrize("limit", ["app2", "ns1", "watch1"])
def test_a_limit_removes_nobody(site, limit):
    before = site.fingerprint()
    limited = site.run("site", "--limit", limit)
    assert limited.rc == 0, limited.text[-4000:]
    assert limited.changed() == []
    assert site.fingerprint() == before


@pytest.mark.once
def test_a_tag_runs_the_plays_of_one_capability(site):
    tagged = site.run("site", "--tags", "standby")
    assert tagged.rc == 0, tagged.text[-4000:]
    assert tagged.noise() == [] and tagged.changed() == []
    acted = set(re.findall(r"TASK \[smallfleet\.infra\.(\w+) : (?!Validating)", tagged.text))
    assert acted == {"standby"}, tagged.text[-4000:]


@pytest.mark.once
def test_when_the_first_name_server_fails_the_second_one_stays_as_it_is(site):
    state = "sha256sum /etc/bind/* 2>&1; ls -A /var/lib/bind /var/cache/bind 2>&1; systemctl is-active named 2>&1 || :; systemctl show named -p MainPID"
    before = site.on("watch1", state)
    zones = {"demo.example.net": {"primary": "ns1", "secondaries": ["watch1"]}}
    site.on("ns1", "mount --bind /etc/bind/named.conf.local /etc/bind/named.conf.local")
    try:
        broken = site.run("site", "--tags", "dns_server", "-e", json.dumps({"dns_zones": zones}))
    finally:
        site.on("ns1", "umount /etc/bind/named.conf.local")
    assert broken.rc != 0 and "Something is mounted in the place of this file" in " ".join(broken.text.split()), broken.text[-4000:]
    assert broken.recap["ns1"]["failed"] == 1 and broken.recap["watch1"]["failed"] == 0, broken.text[-4000:]
    assert site.on("watch1", state) == before
    assert "PLAY [Verify" not in broken.text
    repaired = site.run("site")
    assert repaired.rc == 0, repaired.text[-4000:]


def test_the_service_moves_and_stays_where_it_was_moved_to(site):
    moved = site.run("switch_over", "-e", "standby_switch_service=web")
    assert moved.rc == 0, moved.text[-4000:]
    assert site.on("app1", "systemctl is-active web.service || true").strip() != "active"
    assert site.on("app2", "systemctl is-active web.service").strip() == "active"
    ask = "import dns.message as m, dns.query as q; print(q.tcp(m.make_query('www.demo.example.net', 'CNAME'), '127.0.0.1').answer[0][0])"
    assert site.on("ns1", f'python3 -c "{ask}"') == "app2.demo.example.net.\n"
    again = site.run("site")
    assert again.rc == 0, again.text[-4000:]
    assert again.changed() == []
    assert site.on("app2", "systemctl is-active web.service").strip() == "active"


def test_no_secret_is_shown_at_any_verbosity(site):
    secret = re.search(r'secret "([^"]+)"', site.on("ns1", "cat /etc/smallfleet/dns/*.key"))
    assert secret
    loud = site.run("switch_over", "-e", "standby_switch_service=web", "-vvvvv", "--diff")
    assert loud.rc == 0, loud.text[-4000:]
    assert secret[1] not in loud.text
    assert secret[1] not in site.run("site", "-vvvvv", "--diff").text
