# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host gets which certificate, which names its key may touch, and what is refused; then the host's own steps."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.capability import DIRECTORY, challenge_keys, resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.plan import (
    HOOK,
    PROGRAM,
    UNITS,
    Content,
    Observed,
    Step,
    config_path,
    plan,
    render_diff,
    wanted_host,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

ZONES = {
    "example.net": {"primary": "ns1", "secondaries": ["ns2"]},
    "sub.example.net": {"primary": "ns2"},
    "example.org": {
        "primary": "ns2",
        "records": [
            {"record": "_acme-challenge.shop", "type": "CNAME", "value": ["shop.proofs.example.net."]},
            {"record": "_acme-challenge.loop", "type": "CNAME", "value": "_acme-challenge.loop"},
            {"record": "_acme-challenge.text", "type": "TXT", "value": ["mine"]},
            {"record": "cut", "type": "NS", "value": ["ns.example.com."]},
            {"record": "_acme-challenge.out", "type": "CNAME", "value": ["out.example.com."]},
        ],
    },
}


def fleet(certificates: Any, **variables: Any) -> Fleet:
    hosts = {}
    for number, name in enumerate(("ns1", "ns2", "app1", "app2"), 1):
        place = Attachment("main", "eth0", IPv4Interface(f"192.0.2.{number}/24"), None, 1500)
        hosts[name] = Host(name, f"{name}.example.net", (), (place,), {"management": "main", "public": "main"})
    given_ = {"dns_zones": ZONES, "acme_certificates": certificates, **variables}
    return Fleet("demo", "example.net", {}, hosts, {}, given_)


def web(**options: Any) -> Dict[str, Any]:
    return {"web": {"hosts": ["app1"], "names": ["example.net", "*.example.net"], **options}}


def challenges(certificates: Any) -> List[Tuple[str, str, str]]:
    found = resolve(fleet(certificates))
    assert found.problems == ()
    one = found.host_plans["app1"]["certificates"][0]
    return [(challenge["name"], challenge["record"], challenge["zone"]) for challenge in one["challenges"]]


def test_a_fleet_that_never_had_certificates_has_no_part_in_it() -> None:
    found = resolve(fleet(None))
    assert (dict(found.host_plans), found.problems, challenge_keys(fleet(None))) == ({}, (), {})


def test_a_name_and_its_wildcard_are_proved_at_one_place() -> None:
    assert challenges(web()) == [("example.net", "_acme-challenge.example.net", "example.net")]


def test_a_name_is_proved_in_the_closest_zone() -> None:
    assert challenges(web(names=["www.sub.example.net"])) == [("www.sub.example.net", "_acme-challenge.www.sub.example.net", "sub.example.net")]


def test_the_place_follows_an_alias_of_the_inventory_into_another_zone() -> None:
    place = ("shop.example.org", "shop.proofs.example.net", "example.net")
    assert challenges(web(names=["shop.example.org"])) == [place]


def test_a_name_of_others_is_proved_where_they_have_pointed_it_to() -> None:
    place = ("shop.example.com", "shop.example.net", "example.net")
    for alias in ("shop.example.net.", {"shop.example.com": "Shop.example.net"}):
        assert challenges(web(names=["*.shop.example.com"], challenge_alias=alias)) == [place]


def test_the_host_learns_the_addresses_of_all_our_servers_of_the_zone() -> None:
    one = resolve(fleet(web())).host_plans["app1"]["certificates"][0]["challenges"][0]
    assert one["servers"] == ["192.0.2.1"]
    assert one["nameservers"] == {"ns1.example.net": ["192.0.2.1"], "ns2.example.net": ["192.0.2.2"]}


def test_the_key_may_change_texts_at_the_places_of_its_host_only() -> None:
    asked = {
        **web(names=["example.net", "*.example.net", "shop.example.org"]),
        "mail": {"hosts": ["app2"], "names": ["mail.example.net"]},
    }
    grant = {"zone": "example.net", "match": "name", "types": ["TXT"]}
    assert challenge_keys(fleet(asked)) == {
        "acme-app1": {
            "algorithm": "hmac-sha256",
            "hosts": ["app1"],
            "grants": [
                {**grant, "name": "_acme-challenge.example.net."},
                {**grant, "name": "shop.proofs.example.net."},
            ],
        },
        "acme-app2": {
            "algorithm": "hmac-sha256",
            "hosts": ["app2"],
            "grants": [{**grant, "name": "_acme-challenge.mail.example.net."}],
        },
    }


def test_every_host_that_gets_a_certificate_has_a_key_of_its_own() -> None:
    keys = challenge_keys(fleet(web(hosts=["app1", "app2"])))
    assert [(name, key["hosts"]) for name, key in keys.items()] == [("acme-app1", ["app1"]), ("acme-app2", ["app2"])]
    assert keys["acme-app1"]["grants"] == keys["acme-app2"]["grants"]


def test_a_host_that_has_no_certificate_left_still_takes_part_so_that_its_timers_stop() -> None:
    host_plans = resolve(fleet({})).host_plans
    assert sorted(host_plans) == ["app1", "app2", "ns1", "ns2"]
    assert all(one["certificates"] == [] for one in host_plans.values())


def test_everything_that_is_not_given_has_a_value() -> None:
    found = resolve(fleet(web()))
    part = found.host_plans["app1"]
    assert part["directory"] == DIRECTORY and part["contact"] == ""
    assert part["key"] == {
        "name": "acme-app1",
        "algorithm": "hmac-sha256",
        "file": "/etc/smallfleet/dns/acme-app1.key",
    }
    one = part["certificates"][0]
    assert one["key_type"] == "ecdsa" and one["check"] is None
    assert one["deploy"] == {"units": [], "action": "reload", "owner": "root", "group": "root", "files": []}


def test_a_file_with_a_private_key_is_readable_by_its_owner_only_unless_the_group_is_named() -> None:
    files = [{"path": "/etc/a.pem", "content": ["fullchain", "privkey"]}, {"path": "/etc/b.pem", "content": "cert"}]
    made = resolve(fleet(web(deploy={"files": files}))).host_plans["app1"]["certificates"][0]["deploy"]["files"]
    assert [(one["content"], one["mode"]) for one in made] == [(["fullchain", "privkey"], "0600"), (["cert"], "0644")]


def pem(**options: Any) -> Dict[str, Any]:
    return web(deploy={"files": [{"path": "/etc/a.pem", "content": ["privkey"], **options}]})


BROKEN: Dict[str, Tuple[Any, str]] = {
    "a list": (["web"], "acme_certificates"),
    "a text": ("web", "acme_certificates"),
    "no options": ({"web": None}, "acme_certificates.web"),
    "a name with a slash": ({"a/b": {}}, "acme_certificates.a/b"),
    "a name that is a number": ({5: {}}, "acme_certificates.5"),
    "a name in capitals": ({"Web": {}}, "acme_certificates.Web"),
    "an unknown option": (web(domains=[]), "acme_certificates.web.domains"),
    "hosts missing": ({"web": {"names": ["example.net"]}}, "acme_certificates.web.hosts"),
    "hosts a text": (web(hosts="app1"), "acme_certificates.web.hosts"),
    "hosts empty": (web(hosts=[]), "acme_certificates.web.hosts"),
    "an unknown host": (web(hosts=["app9"]), "acme_certificates.web.hosts[0]"),
    "a host that is a list": (web(hosts=[["app1"]]), "acme_certificates.web.hosts[0]"),
    "a host twice": (web(hosts=["app1", "app1"]), "acme_certificates.web.hosts[1]"),
    "names missing": ({"web": {"hosts": ["app1"]}}, "acme_certificates.web.names"),
    "names a text": (web(names="example.net"), "acme_certificates.web.names"),
    "a name that is a number in the list": (web(names=[7]), "acme_certificates.web.names[0]"),
    "a name with an underscore": (web(names=["_x.example.net"]), "acme_certificates.web.names[0]"),
    "a name without a dot": (web(names=["localhost"]), "acme_certificates.web.names[0]"),
    "a wildcard in the middle": (web(names=["a.*.example.net"]), "acme_certificates.web.names[0]"),
    "a name twice": (web(names=["example.net", "EXAMPLE.net."]), "acme_certificates.web.names[1]"),
    "a name under its wildcard": (web(names=["*.example.net", "a.example.net"]), "acme_certificates.web.names[1]"),
    "a hundred and one names": (
        web(names=[f"n{number}.example.net" for number in range(101)]),
        "acme_certificates.web.names",
    ),
    "a name in no zone": (web(names=["www.example.com"]), "acme_certificates.web.names"),
    "a name below a delegation": (web(names=["a.cut.example.org"]), "acme_certificates.web.names"),
    "a name that the inventory points to others": (web(names=["out.example.org"]), "acme_certificates.web.names"),
    "a place with texts of its own": (web(names=["text.example.org"]), "acme_certificates.web.names"),
    "an alias that is a number": (web(challenge_alias=5), "acme_certificates.web.challenge_alias"),
    "an alias that is no name": (web(challenge_alias="a..b"), "acme_certificates.web.challenge_alias"),
    "an alias for another name": (
        web(challenge_alias={"www.example.net": "a.example.net"}),
        "acme_certificates.web.challenge_alias.www.example.net",
    ),
    "an alias in no zone": (web(challenge_alias="a.example.com"), "acme_certificates.web.challenge_alias"),
    "an alias that is a wildcard": (web(challenge_alias="*.example.net"), "acme_certificates.web.challenge_alias"),
    "an alias that the inventory contradicts": (
        web(names=["shop.example.org"], challenge_alias="other.example.net"),
        "acme_certificates.web.challenge_alias",
    ),
    "an unknown key type": (web(key_type="dsa"), "acme_certificates.web.key_type"),
    "a key type that is a list": (web(key_type=["rsa"]), "acme_certificates.web.key_type"),
    "deploy a list": (web(deploy=["nginx"]), "acme_certificates.web.deploy"),
    "deploy with an unknown option": (web(deploy={"unit": "nginx"}), "acme_certificates.web.deploy.unit"),
    "units a text": (web(deploy={"units": "nginx.service"}), "acme_certificates.web.deploy.units"),
    "a unit without its kind": (web(deploy={"units": ["nginx"]}), "acme_certificates.web.deploy.units[0]"),
    "a unit twice": (web(deploy={"units": ["a.service", "a.service"]}), "acme_certificates.web.deploy.units[1]"),
    "an unknown action": (web(deploy={"action": "kick"}), "acme_certificates.web.deploy.action"),
    "an owner with a colon": (web(deploy={"owner": "a:b"}), "acme_certificates.web.deploy.owner"),
    "a group that is a number": (web(deploy={"group": 0}), "acme_certificates.web.deploy.group"),
    "files a dictionary": (web(deploy={"files": {"path": "/a"}}), "acme_certificates.web.deploy.files"),
    "a file that is a text": (web(deploy={"files": ["/etc/a.pem"]}), "acme_certificates.web.deploy.files[0]"),
    "a file that is nothing": (web(deploy={"files": [None]}), "acme_certificates.web.deploy.files[0]"),
    "a file with an unknown option": (pem(src="x"), "acme_certificates.web.deploy.files[0].src"),
    "a file without content": (pem(content=[]), "acme_certificates.web.deploy.files[0].content"),
    "a file with an unknown part": (pem(content=["key"]), "acme_certificates.web.deploy.files[0].content[0]"),
    "a relative path": (pem(path="a.pem"), "acme_certificates.web.deploy.files[0].path"),
    "a path with dots": (pem(path="/etc/../a.pem"), "acme_certificates.web.deploy.files[0].path"),
    "a path that is a folder": (pem(path="/etc/"), "acme_certificates.web.deploy.files[0].path"),
    "a path that is ours": (pem(path="/etc/smallfleet/acme/x"), "acme_certificates.web.deploy.files[0].path"),
    "a path twice": (
        web(deploy={"files": [{"path": "/a/b", "content": "cert"}, {"path": "/a/b", "content": "chain"}]}),
        "acme_certificates.web.deploy.files[1].path",
    ),
    "a mode that is a number": (pem(mode=640), "acme_certificates.web.deploy.files[0].mode"),
    "a mode that lets all read the key": (pem(mode="0644"), "acme_certificates.web.deploy.files[0].mode"),
    "a mode that lets the group write": (pem(mode="0660"), "acme_certificates.web.deploy.files[0].mode"),
    "check a number": (web(check=443), "acme_certificates.web.check"),
    "check without a port": (web(check={}), "acme_certificates.web.check.port"),
    "check with a port that is true": (web(check={"port": True}), "acme_certificates.web.check.port"),
    "check with a big port": (web(check={"port": 65536}), "acme_certificates.web.check.port"),
    "check with a bad address": (web(check={"port": 443, "address": "a b"}), "acme_certificates.web.check.address"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_certificate_is_refused_at_its_place_with_a_remedy(what: str) -> None:
    certificates, place = BROKEN[what]
    problems = resolve(fleet(certificates)).problems
    assert {problem.variable for problem in problems} == {place}, problems
    assert all(problem.message and problem.remedy for problem in problems)
    challenge_keys(fleet(certificates))


@pytest.mark.parametrize(
    ("variable", "value"),
    [("acme_directory", value) for value in (5, "", "acme.example.com", "http://a.example", "https://", "https://a:x/")]
    + [("acme_contact", value) for value in (5, "me", "a@b", "a b@example.net", ["a@example.net"])],
)
def test_a_bad_server_or_contact_is_refused(variable: str, value: Any) -> None:
    assert {problem.variable for problem in resolve(fleet(web(), **{variable: value})).problems} == {variable}


def test_a_key_of_the_user_cannot_have_the_name_of_a_derived_one() -> None:
    problems = resolve(fleet(web(), dns_keys={"acme-app1": {}})).problems
    assert [problem.variable for problem in problems] == ["dns_keys.acme-app1"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["app1", "example.net"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
option = st.sampled_from(["hosts", "names", "key_type", "challenge_alias", "deploy", "check"])
certificate = st.dictionaries(option, anything | st.just(["app1"]) | st.just(["example.net"]), max_size=6)


@settings(max_examples=300, deadline=None)
@given(anything | st.dictionaries(st.sampled_from(["web", "b"]), certificate | anything, max_size=2), anything)
def test_nothing_that_a_user_writes_makes_it_raise_and_no_host_plan_holds_what_json_cannot(asked: Any, zones: Any) -> None:
    for given_zones in (ZONES, zones):
        found = resolve(fleet(asked, dns_zones=given_zones))
        json.dumps([dict(found.host_plans), challenge_keys(fleet(asked, dns_zones=given_zones))])


# --- The host ---

PROGRAMS = {PROGRAM: "program\n", HOOK: "hook\n"}
COMMON = {"directory": DIRECTORY, "contact": "", "key": {}, "ca_file": ""}


def described(*names: str) -> Dict[str, Dict[str, Any]]:
    return {name: {"name": name, "names": [f"{name}.example.net"], **COMMON} for name in names}


def fine(name: str) -> Dict[str, Any]:
    return {"name": name, "issue": "", "deploy": [], "names": [f"{name}.example.net"], "not_after": "later"}


def due(name: str) -> Dict[str, Any]:
    return {**fine(name), "issue": "it ends in 3 days"}


def apply(observed: Observed, steps: List[Step]) -> Observed:
    """What the steps make of a host, as _certificates/certificates_host.py and the service do it."""
    for step in steps:
        if step.kind == "write":
            files = {**observed.files, step.subject: Content(step.after, step.mode)}
            configured = {path.split("/")[-1][:-5] for path in files if path.endswith(".json")}
            outdated = observed.outdated or step.subject.startswith(UNITS)
            names = tuple(sorted({*observed.configured, *configured}))
            observed = replace(observed, files=files, configured=names, outdated=outdated)
        elif step.kind == "reload":
            observed = replace(observed, outdated=False)
        elif step.kind == "forget":
            files = {path: text for path, text in observed.files.items() if path != config_path(step.subject)}
            gone = tuple(name for name in observed.configured if name != step.subject)
            timers = tuple(name for name in observed.timers if name != step.subject)
            observed = replace(observed, files=files, configured=gone, timers=timers)
        elif step.kind == "enable":
            observed = replace(observed, timers=(*observed.timers, step.subject))
        else:
            observed = replace(observed, status={**observed.status, step.subject: fine(step.subject)})
    return observed


some = st.sets(st.sampled_from(["a", "b", "c"]))


@given(some, some, some, some, st.booleans(), st.booleans(), st.integers(0, 12))
def test_a_run_that_is_cut_off_after_any_step_leaves_only_the_rest_to_the_next(
    asked: Any, there: Any, timers: Any, bad: Any, outdated: bool, installed: bool, cut: int
) -> None:
    wanted = wanted_host(described(*asked), PROGRAMS)
    before = wanted_host(described(*there), PROGRAMS).files if installed else {}
    status = {name: due(name) if name in bad else fine(name) for name in asked}
    observed = Observed(before, tuple(sorted(there)), tuple(sorted(timers & there)), status, outdated)
    steps = plan(wanted, observed)
    halfway = apply(observed, steps[:cut])
    rest = plan(wanted, halfway)
    assert len(rest) <= len(steps)
    done = apply(halfway, rest)
    assert plan(wanted, done) == []
    assert set(done.timers) == set(asked) == set(done.configured)
    assert {step.subject for step in steps if step.kind == "run"} == {name for name in asked if name in bad}


def test_a_certificate_that_is_asked_for_no_more_is_stopped_and_nothing_of_it_is_deleted() -> None:
    wanted = wanted_host({}, PROGRAMS)
    steps = plan(wanted, Observed(configured=("web",), timers=("web",)))
    assert [str(step) for step in steps] == ["stop renewing web; its files stay in /etc/smallfleet/acme/web"]


def test_the_diff_of_a_new_name_shows_both_lists_of_names() -> None:
    wanted = wanted_host(described("web"), PROGRAMS)
    old = {**due("web"), "names": ["old.example.net"]}
    steps = plan(wanted, Observed(wanted.files, ("web",), ("web",), {"web": old}))
    (shown,) = render_diff(steps)
    assert (shown["before"], shown["after"]) == (
        "names: old.example.net\nends: later\n",
        "names: web.example.net\nends: later\n",
    )


# --- The guide ---

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "certificates.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- file: (?P<name>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


def planned(certificates: Any) -> Any:
    blocks = {found["name"]: found["text"] for found in BLOCK.finditer(GUIDE)}
    common = yaml.safe_load(blocks["group_vars/all.yml"])
    hosts = yaml.safe_load(blocks["hosts.yml"])["all"]["hosts"]
    common["acme_certificates"] = certificates or common["acme_certificates"]
    plan_ = plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {})
    assert not plan_.problems
    return plan_.hosts["app1"]["acme_certificates"]


def test_the_inventory_of_the_guide_is_accepted_and_begins_with_the_staging_server() -> None:
    part = planned(None)
    assert part["directory"] == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert part["certificates"][0]["names"] == ["demo.example.net", "*.demo.example.net"]


def test_every_other_example_of_the_guide_is_accepted() -> None:
    found = re.findall(r"^```yaml\n(acme_certificates:.*?)```", GUIDE, re.DOTALL | re.MULTILINE)
    assert len(found) == 2
    for text in found:
        planned(yaml.safe_load(text)["acme_certificates"])


def test_every_failure_that_the_guide_explains_is_one_that_the_programs_tell() -> None:
    folder = ROOT / "roles" / "acme_certificates" / "files"
    texts = "".join((folder / name).read_text(encoding="utf-8") for name in ("smallfleet-acme", "smallfleet-acme-dns"))
    texts = texts.replace("{action}", "reload")
    table = GUIDE.split("| what it says |")[1].split("\n\n")[0]
    quoted = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    assert len(quoted) >= 10
    for sentence in quoted:
        ours = sentence.split(" 1: ...")[0] if sentence.startswith("Certbot") else sentence
        for part in re.split(r"\s*\.\.\.:?\s*|the update", ours):
            assert part.strip() in texts or part == "No TXT record found", (sentence, part)
