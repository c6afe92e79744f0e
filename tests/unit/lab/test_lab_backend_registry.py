# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab backend is known to its own files and to the registry; whatever lists the backends lists those of the registry."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import FrozenSet, List

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._lab import doctor
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.backends.qemu_host import QemuHost
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.backends.registry import BACKENDS, DEFAULT
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.backends.registry_host import HOST_BACKENDS, recognised
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt import definition
from ansible_collections.smallfleet.infra.plugins.modules import lab_doctor

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"
OF_LIBVIRT = Path(definition.__file__).resolve().parent
"""To libvirt, the name of a backend is that of a driver."""


def facts(commands: FrozenSet[str]) -> doctor.Facts:
    """Of a machine that lacks nothing but the commands that are not named."""
    links, controllers = frozenset(doctor.LINKS), frozenset(doctor.USED_CONTROLLERS)
    return doctor.Facts(True, True, True, True, True, commands, links, controllers, True, True, 9999, 9999, 512, 20)


def own(path: Path) -> List[str]:
    """The backends whose own file it is."""
    return [name for name in BACKENDS if path.stem == name or path.stem.startswith(f"{name}_")]


def quoted(path: Path) -> List[str]:
    """The names of backends in quotes in a file, less its own."""
    texts = [node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)]
    return [text for text in texts if text in BACKENDS and text not in own(path)]


def test_the_name_of_a_backend_is_in_quotes_in_its_own_files_only() -> None:
    sources = [path for path in sorted(PLUGINS.rglob("*.py")) if OF_LIBVIRT not in path.parents]
    assert sum(1 for path in sources if own(path)) == 2 * len(BACKENDS)
    assert {str(path): quoted(path) for path in sources if quoted(path)} == {}


def test_a_name_in_quotes_is_seen(tmp_path: Path) -> None:
    for name in BACKENDS:
        (tmp_path / "node.py").write_text(f"def start(node):\n    return node.backend == '{name}'\n", encoding="utf-8")
        assert quoted(tmp_path / "node.py") == [name]


def test_whatever_lists_the_backends_lists_those_of_the_registry() -> None:
    assert list(HOST_BACKENDS) == list(BACKENDS)
    assert [backend.name for backend in BACKENDS.values()] == list(BACKENDS)
    assert yaml.safe_load(lab_doctor.DOCUMENTATION)["options"]["backends"]["choices"] == list(BACKENDS)
    specs = yaml.safe_load((ROOT / "roles/lab/meta/argument_specs.yml").read_text(encoding="utf-8"))
    assert specs["argument_specs"]["main"]["options"]["lab_backend"]["choices"] == list(BACKENDS)
    (row,) = [line for line in (ROOT / "docs/lab.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `lab_backend` |")]
    assert re.findall(r"`([a-z]+)`", row) == [*BACKENDS, DEFAULT]


def test_what_a_backend_needs_is_a_row_of_the_doctor_and_stops_it() -> None:
    every = frozenset({**doctor.TOOLS, **doctor.BACKEND_TOOLS})
    rows = {row.subject: row for row in doctor.examine(facts(every))}
    for name, backend in BACKENDS.items():
        assert backend.needs <= set(rows)
        for command in backend.commands:
            assert rows[command].stops == (name,)
            lacking = doctor.examine(facts(every - {command}))
            assert [row.subject for row in doctor.refusals(lacking, [name])] == [command]


def test_a_node_that_only_an_earlier_run_knew_is_recognised_by_its_folder(tmp_path: Path) -> None:
    assert recognised(str(tmp_path)) == DEFAULT
    (tmp_path / "guest.img").touch()
    assert isinstance(HOST_BACKENDS[recognised(str(tmp_path))], QemuHost)
