# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backend is known to its own files and to the registry; whatever lists the backends lists those of the registry."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path, PurePath
from typing import List, Mapping, Sequence

import pytest
import yaml
from testing.imports import imports

from ansible_collections.smallfleet.infra.plugins.doc_fragments.network_change import ModuleDocFragment
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import detect, ifupdown_host, netplan_host, networkd_host, networkmanager_host
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import programs_host as programs
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.control import FREEZE, GENERATE, RECORD, RELOAD, START, STOP
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS, CHOICES
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry_host import HOST_BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot import netplan_host as dry_run
from ansible_collections.smallfleet.infra.plugins.module_utils._network.module_host import OPTIONS
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"
NETWORK = PLUGINS / "module_utils" / "_network"
RUNS_THE_PROGRAM = {Path(dry_run.__file__).resolve(): "netplan"}
"""The name of a backend is here the command netplan(8), in the argv of what only that backend calls."""


def own(path: Path) -> List[str]:
    """The backends whose own file it is."""
    return [name for name in BACKENDS if path.stem == name or path.stem.startswith(f"{name}_")]


def quoted(path: Path) -> List[str]:
    """The names of backends in quotes in a file, less its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = [*own(path), RUNS_THE_PROGRAM.get(path.resolve(), "")]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [text for text in texts if text in BACKENDS and text not in allowed]


def test_the_name_of_a_backend_is_in_quotes_in_its_own_files_only() -> None:
    sources = sorted(PLUGINS.rglob("*.py"))
    assert sum(1 for path in sources if own(path)) >= 2 * len(BACKENDS)
    assert {str(path): quoted(path) for path in sources if quoted(path)} == {}


def test_a_name_in_quotes_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    for text in ('if name == "{}":\n    pass\n', 'TABLE = {{"{}": 1}}\n', "def f(name='{}'):\n    pass\n"):
        for name in BACKENDS:
            (tmp_path / "guard.py").write_text(text.format(name), encoding="utf-8")
            assert quoted(tmp_path / "guard.py") == [name]


def test_what_is_not_a_backend_imports_the_registry_and_no_backend() -> None:
    paths = [path for path in sorted(NETWORK.rglob("*.py")) if not own(path) and not path.stem.startswith("registry") and path.parent.name != "boot"]
    assert len(paths) > 50
    for path in paths:
        relative = path.relative_to(PLUGINS)
        modules = {name for _line, name in imports(relative, ast.parse(path.read_text(encoding="utf-8"))) if ".backends." in name}
        assert [name for name in modules if set(name.split(".")) & set(BACKENDS)] == [], path


def test_whatever_lists_the_backends_lists_those_of_the_registry() -> None:
    assert list(HOST_BACKENDS) == list(BACKENDS)
    assert [backend.name for backend in BACKENDS.values()] == list(BACKENDS)
    assert list(OPTIONS["backend"]["choices"]) == list(CHOICES)
    assert set(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["backend"]["choices"]) == set(CHOICES)
    specs = yaml.safe_load((ROOT / "roles/network/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    assert options["network_backend"]["choices"] == list(CHOICES)
    (row,) = [line for line in (ROOT / "docs/network.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `network_backend` |")]
    assert re.findall(r"`([a-z]+)`", row.split("|")[2]) == list(CHOICES)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_says_what_messages_and_the_guard_need(name: str) -> None:
    backend = BACKENDS[name]
    assert backend.title and backend.reads and bool(backend.service) != bool(backend.boot_unit)
    assert backend.writes_for in ("", *BACKENDS) and backend.writes_for != name
    commands = backend.control.commands
    assert (STOP in commands) == (START in commands) and (GENERATE not in commands or RELOAD in commands)
    for kind, command in commands.items():
        word = command.shell.split()[0]
        assert re.search(rf"^{re.escape(word)}\(\) {{", backend.control.library, re.MULTILINE), f"{kind}: {word} is not in the library"
        assert kind in (FREEZE, "thaw", "end") or command.failure
    assert RECORD not in commands or "{source} {file}" in commands[RECORD].shell


class Host:
    """Answers commands by their first words; every other one fails. ``texts`` are files by path."""

    def __init__(self, answers: Mapping[str, str], texts: Mapping[str, str]) -> None:
        self.answers = answers
        self.texts = texts

    def run(self, argv: Sequence[str], *, stdin: str = "", check: bool = True) -> CommandResult:
        text = next((answer for words, answer in self.answers.items() if " ".join(argv).startswith(words)), None)
        assert not check and not stdin
        return CommandResult(tuple(argv), 1 if text is None else 0, text or "", "")


RUNS = "systemctl is-active --quiet -- {}"
LINK = "NETWORK_FILE=/run/systemd/network/10-netplan-eth0.network\nADMIN_STATE=configured\n"


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """One with systemd-networkd, netplan and NetworkManager, and all programs installed."""
    active = {RUNS.format("systemd-networkd.service"): "", RUNS.format("NetworkManager.service"): "", "env LC_ALL=C nmcli": "eth1:wifi:connected:x\n"}
    host = Host(active, {"/run/systemd/netif/links/7": LINK, "/etc/netplan/a.yaml": "network: {}\n", "/run/network/ifstate": "lo=lo\neth0=lan\n"})
    for module in (networkd_host, networkmanager_host, ifupdown_host):
        monkeypatch.setattr(module, "read_text", lambda path: host.texts.get(path, ""))
    for module in (networkd_host, netplan_host, ifupdown_host):
        monkeypatch.setattr(
            module, "read_files", lambda patterns: {path: text for path, text in host.texts.items() if any(map(PurePath(path).match, patterns))}
        )
    for module in (networkd_host, networkmanager_host):
        monkeypatch.setattr(module, "interface_number", lambda name: {"eth0": "7"}.get(name, "0"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/sbin/{name}")
    return host


def test_what_each_program_has_is_gathered_where_it_is_active_only(host: Host) -> None:
    facts = programs.look(host, ["eth0", "eth1"])
    assert facts.ready == {"networkd", "netplan", "networkmanager"}
    assert facts.of("netplan").interfaces == facts.of("networkd").interfaces == {"eth0": "/run/systemd/network/10-netplan-eth0.network"}
    assert facts.of("networkmanager").interfaces == {"eth1": "wifi"} and facts.interfaces == {"eth0", "eth1"}
    assert detect.owners(["eth0", "eth1"], facts) == {"eth0": ["netplan"], "eth1": ["networkmanager"]}
    host.answers = {"systemctl is-enabled --quiet -- networking.service": ""}
    facts = programs.look(host, ["eth0", "eth1"])
    assert facts.ready == {"ifupdown"} and detect.owners(["eth0", "eth1"], facts) == {}
    assert facts.of("netplan").texts == ("network: {}\n",), "who configures interfaces by netplan is looked at in any case"


def test_what_a_program_has_written_down_is_read(host: Host) -> None:
    host.texts = {**host.texts, "/run/NetworkManager/devices/7": "[device]\n"}
    found = {name: backend.records(["eth0", "eth1"]) for name, backend in HOST_BACKENDS.items()}
    assert found == {"networkd": {}, "netplan": {}, "networkmanager": {"eth0": "[device]\n"}, "ifupdown": {"lo": "lo\n", "eth0": "lan\n"}}
