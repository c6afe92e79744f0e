# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netplan's files in every form of YAML: our interfaces are taken out of them, or the file is refused by name."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot import boot_host as boot_io

from .booting import HOME, MAC, OBSERVED, ON_CARD, OTHER_MAC, said

CLOUD = "/etc/netplan/50-cloud-init.yaml"
ENTRY = {"addresses": [f"{HOME}/24"], "routes": [{"to": "default", "via": "192.0.2.1"}]}
OTHER = {"dhcp4": True}


def tree(**ethernets: Any) -> Dict[str, Any]:
    return {"network": {"version": 2, "ethernets": ethernets}}


def rest_of(after: Dict[str, str]) -> Any:
    return yaml.load(after[CLOUD], Loader=yaml.BaseLoader)["network"].get("ethernets", {})


FORMS: List[str] = [
    yaml.safe_dump(tree(eth0=ENTRY, eth1=OTHER)),
    yaml.safe_dump(tree(eth0=ENTRY, eth1=OTHER), default_flow_style=True),
    json.dumps(tree(eth0=ENTRY, eth1=OTHER)),
    json.dumps(tree(eth0=ENTRY, eth1=OTHER), indent=2),
    f"network:\n  version: 2\n  ethernets: {{eth0: {{addresses: [{HOME}/24]}}, eth1: {{dhcp4: true}}}}\n",
    f'network:\n  "ethernets":\n    "eth0":\n      addresses: ["{HOME}/24"]\n    \'eth1\': {{dhcp4: true}}\n',
    f"network:\n  ethernets:\n    eth0: &a {{addresses: [{HOME}/24]}}\n    eth1: {{dhcp4: true}}\n",
    f"---\nnetwork:\n  ethernets:\n    ? eth0\n    : addresses: [{HOME}/24]\n    eth1:\n      dhcp4: true\n...\n",
    f"network:\n    ethernets:\n      eth0:\n        addresses:\n        - {HOME}/24\n      eth1:\n        dhcp4: &t true\n",
    "x: &eth\n  dhcp4: true\nnetwork:\n  ethernets:\n    eth0: *eth\n    eth1: *eth\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_an_entry_leaves_a_file_in_any_form_of_yaml_and_the_rest_stays(text: str) -> None:
    found, _files, after = said("netplan", {CLOUD: text})
    assert found.problems == [] and rest_of(after) == {"eth1": {"dhcp4": "true"}}
    again, files, _after = said("netplan", after)
    assert (again.problems, again.warnings, files.changes) == ([], [], ())


def test_where_lines_can_be_taken_out_the_comments_stay() -> None:
    text = f"# mine\nnetwork:\n  ethernets:\n    eth0:\n      addresses: [{HOME}/24]\n    eth1:\n      dhcp4: true\n"
    _found, _files, after = said("netplan", {CLOUD: text})
    assert after[CLOUD] == "# mine\nnetwork:\n  ethernets:\n    eth1:\n      dhcp4: true\n"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(tree(eth1=OTHER)),
        "network: {ethernets: {eth1: {dhcp4: true}}}\n",
        "network:\n  ethernets:\n    wan: {match: {name: 'wl*'}, dhcp4: true}\n",
        f"network:\n  ethernets:\n    wan: {{match: {{macaddress: '{OTHER_MAC}'}}, dhcp4: true}}\n",
        "# nothing\n",
        "network: {}\n",
        "network:\n  version: 2\n  renderer: networkd\n",
    ],
)
def test_a_file_about_other_interfaces_is_not_touched(text: str) -> None:
    found, _files, after = said("netplan", {CLOUD: text})
    assert found.problems == [] and after[CLOUD] == text


@pytest.mark.parametrize(
    "match",
    [{"name": "eth0*"}, {"name": "et?0"}, {"macaddress": MAC}, {"macaddress": MAC.upper()}, {"name": ["wl*", "eth0"]}, {"name": "eth*", "macaddress": MAC}],
)
def test_an_entry_that_fits_by_match_is_one_of_the_interface(match: Dict[str, Any]) -> None:
    found, _files, after = said("netplan", {CLOUD: yaml.safe_dump(tree(all={"match": match, **ENTRY}, eth1=OTHER))})
    assert found.problems == [] and rest_of(after) == {"eth1": {"dhcp4": "true"}}


@pytest.mark.parametrize("match", [{"name": "eth*"}, {"name": "*"}, {"driver": "virtio*"}, {"name": "eth0", "driver": "e1000"}, {"driver": ["a", "b"]}])
def test_an_entry_that_may_be_of_other_interfaces_too_is_refused(match: Dict[str, Any]) -> None:
    found, _files, after = said("netplan", {CLOUD: yaml.safe_dump(tree(all={"match": match, **ENTRY}))})
    assert len(found.problems) == 1 and found.problems[0].startswith(f"{CLOUD}: all ") and "all" in rest_of(after)


def test_the_name_that_netplan_gives_a_card_stays() -> None:
    """Without it the card has another name after the next boot, and the inventory's configuration finds none."""
    match = {"macaddress": MAC}
    found, _files, after = said("netplan", {CLOUD: yaml.safe_dump(tree(eth0={"match": match, "set-name": "eth0", **ENTRY}))})
    assert found.problems == [] and rest_of(after) == {"eth0": {"match": match, "set-name": "eth0"}}
    again, files, _after = said("netplan", after)
    assert (again.problems, again.warnings, files.changes) == ([], [], ())
    found, _files, _after = said("netplan", {CLOUD: yaml.safe_dump(tree(card={"match": match, "set-name": "eth0", **ENTRY}))})
    assert found.problems == [f"{CLOUD}: card is eth0 by another name. Name it eth0 there"]


@pytest.mark.parametrize(
    "text",
    [
        "network: [\n",
        "network:\n  ethernets: {eth0: {dhcp4: true}\n",
        "\tnetwork: {}\n",
        "a: &a [*a]\n",
        "network:\n  ethernets:\n    eth0: *missing\n",
        "network: {}\n---\nnetwork: {ethernets: {eth0: {dhcp4: true}}}\n",
        "? [a, b]\n: c\n? {a: b}\n: c\n",
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(text: str) -> None:
    found, _files, _after = said("netplan", {CLOUD: text})
    assert len(found.problems) == 1 and found.problems[0].startswith(CLOUD), found


def test_without_a_yaml_parser_files_of_others_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_io, "YAML_ERROR", "no yaml")
    found, _files, _after = said("netplan", {CLOUD: FORMS[0]})
    assert len(found.problems) == 1 and CLOUD in found.problems[0] and "Install python3-yaml" in found.problems[0]


def test_text_of_others_becomes_no_yaml_of_its_own() -> None:
    evil = {"eth1: {}\n  x": {"dhcp4": True}, "no": {"a": "y: z"}, "[": {}, "12": {"#": "# x"}}
    found, _files, after = said("netplan", {CLOUD: json.dumps(tree(eth0=ENTRY, **evil))})
    assert found.problems == []
    assert set(rest_of(after)) == set(evil) and rest_of(after)["no"] == {"a": "y: z"} and rest_of(after)["12"] == {"#": "# x"}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"nameservers": {"addresses": ["192.0.2.54"], "search": ["a.example.net"]}}, ["192.0.2.54", "a.example.net"]),
        ({"dhcp4-overrides": {"use-dns": False}}, ["dhcp4-overrides.use-dns"]),
        ({"optional": True}, ["optional"]),
        ({"wakeonlan": True}, ["wakeonlan"]),
        ({"addresses": ["192.0.2.99/24"]}, ["192.0.2.99/24"]),
        ({"addresses": [{f"{HOME}/24": {"label": "eth0:1"}}]}, ["label"]),
        ({"routes": [{"to": "198.51.100.0/24", "via": "192.0.2.1"}]}, ["198.51.100.0/24"]),
        ({"gateway4": "192.0.2.77"}, ["gateway4: 192.0.2.77"]),
        ({"mtu": 9000}, ["mtu: 9000"]),
        ({"ipv6-privacy": True}, ["ipv6-privacy"]),
        ({"ra-overrides": {"use-dns": False}}, ["ra-overrides.use-dns"]),
        ({"receive-checksum-offload": True}, ["receive-checksum-offload"]),
    ],
)
def test_each_setting_that_is_lost_is_named_with_its_file(entry: Dict[str, Any], named: List[str]) -> None:
    found, _files, _after = said("netplan", {CLOUD: yaml.safe_dump(tree(eth0={**ENTRY, **entry}))})
    assert found.problems == [] and len(found.warnings) == 1, found
    assert CLOUD in found.warnings[0] and all(one in found.warnings[0] for one in named)


def test_what_the_inventory_says_too_gives_no_word() -> None:
    entry = {**ENTRY, "mtu": 1500, "optional": False, "dhcp4": False, "nameservers": {"addresses": ["192.0.2.53"], "search": ["example.net"]}}
    found, _files, _after = said("netplan", {CLOUD: yaml.safe_dump(tree(eth0={**entry, "gateway4": "192.0.2.1"}))})
    assert (found.problems, found.warnings) == ([], [])


def test_options_of_a_bridge_are_compared_with_what_the_next_boot_gives() -> None:
    parameters = {"stp": False, "ageing-time": 60, "priority": 32768, "forward-delay": 15, "path-cost": {"eth0": 5}}
    text = yaml.safe_dump({"network": {"bridges": {"br0": {"interfaces": ["eth0"], "parameters": parameters}}}})
    (warning,) = said("netplan", {CLOUD: text})[0].warnings
    assert "ageing-time" in warning and "path-cost" in warning and not any(one in warning for one in ("stp", "priority", "forward"))


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"bridges": {"br9": {"interfaces": ["eth0"]}}}, "br9 takes eth0"),
        ({"bonds": {"bond9": {"interfaces": ["eth0"]}}}, "bond9 takes eth0"),
        ({"ethernets": {"all": {"match": {"name": "eth0*"}}}, "vlans": {"v": {"id": 5, "link": "all"}}}, "v needs all"),
        ({"ethernets": {"all": {"match": {"name": "eth0*"}}}, "bridges": {"br9": {"interfaces": ["all"]}}}, "br9 needs all"),
        ({"ethernets": {"eth1": {"addresses": [f"{HOME}/32"]}}}, f"eth1 has {HOME} too"),
        ({"ethernets": {"eth1": {"renderer": "NetworkManager"}}}, "renderer"),
        ({"renderer": "NetworkManager"}, "renderer"),
        ({"ethernets": {"renderer": "NetworkManager"}}, "renderer"),
    ],
)
@pytest.mark.parametrize("flow", [True, False])
def test_what_stays_and_would_count_at_the_next_boot_is_refused(more: Dict[str, Any], named: str, flow: bool) -> None:
    text = yaml.safe_dump({"network": {"version": 2, **more}}, default_flow_style=flow)
    found, _files, _after = said("netplan", {"/etc/netplan/60-more.yaml": text})
    assert [one for one in found.problems if named in one and "/etc/netplan/60-more.yaml" in one], found


@pytest.mark.parametrize("path", ["/run/netplan/10-x.yaml", "/lib/netplan/00-all.yaml"])
def test_files_of_other_folders_that_netplan_reads_are_refused_when_they_have_our_interfaces(path: str) -> None:
    found, _files, _after = said("netplan", {path: yaml.safe_dump(tree(eth0=OTHER))})
    assert [one for one in found.problems if one.startswith(path) and "eth0" in one]


@pytest.mark.skipif(shutil.which("netplan") is None, reason="netplan.io is not installed here")
@pytest.mark.parametrize("text", [FORMS[2], yaml.safe_dump(tree(eth0={"match": {"macaddress": MAC}, "set-name": "eth0", **ENTRY}))])
def test_netplan_itself_accepts_what_is_left(text: str, tmp_path: Path) -> None:
    _found, _files, after = said("netplan", {CLOUD: text}, ON_CARD)
    for path, content in after.items():
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        target.chmod(0o600)
    done = subprocess.run(["netplan", "generate", "--root-dir", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keys_that_yaml_would_take_for_something_else_are_quoted() -> None:
    value = {"no": {"Y": 1, "a b": 2, "x: y": {"*": [{"on": 3}]}, "1": 4, "": 5}}
    assert yaml.safe_load(netplan.yaml(value)) == value


def test_a_card_of_a_container_is_a_card_too() -> None:
    links = {name: replace(link, kind="veth" if name.startswith("eth") else link.kind) for name, link in OBSERVED.links.items()}
    found, _files, _after = said("netplan", {CLOUD: yaml.safe_dump(tree(all={"match": {"name": "eth*"}}))}, observed=replace(OBSERVED, links=links))
    assert len(found.problems) == 1 and "and about eth1" in found.problems[0]
