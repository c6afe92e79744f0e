# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports point down only. docs/architecture.md describes the folders and rules that these tests check.

Playbooks have names by which they can be called from an installed collection, and texts name only those that exist."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

import pytest
from testing.imports import COLLECTION, imports

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = "module_utils"
SHARED, SYSTEM, PROGRAMS, FLEET = "_shared", "_system", "_programs", "_fleet"
DEPENDS: Mapping[str, FrozenSet[str]] = {
    "_certificates": frozenset({"_dns"}),
    "_failover": frozenset({"_dns"}),
    "_libvirt": frozenset({"_network"}),
}
"""Which subjects a subject may import from. It is planned after them."""
PLANNING = PurePosixPath(UTILS, FLEET, "planning.py")
"""The one file of the fleet that imports subjects: it calls the planner of each."""
IMPURE = ("_host", "_client", "_controller")
"""How the name of a file with effects ends: on the machine that it runs on, over the network, or from the controller."""
EFFECTS = frozenset(
    "asyncio builtins ctypes fcntl ftplib getpass glob http io logging mmap multiprocessing os pathlib pty random "
    "secrets "
    "select selectors shutil signal socket socketserver sqlite3 ssl subprocess sys tempfile threading time".split()
)
EFFECT_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})


def is_pure(path: PurePosixPath) -> bool:
    """Whether a file of module_utils may have no effect: neither its folder nor its name says that it has."""
    return path.parts[1] not in (SYSTEM, PROGRAMS) and not path.stem.endswith(IMPURE)


def violations(path: PurePosixPath, source: str) -> List[str]:
    """What the file at ``path`` (relative to plugins/) may not do, one sentence each."""
    tree = ast.parse(source)
    found = [f"{path}:{line}: imports {name}" for line, name in imports(path, tree) if not _allowed(path, name)]
    if path.parts[0] == UTILS and is_pure(path):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EFFECT_CALLS:
                found.append(f"{path}:{node.lineno}: calls {node.func.id}()")
    return found


def _allowed(path: PurePosixPath, name: str) -> bool:
    parts = tuple(name.strip(".").split("."))
    if not name.startswith("."):
        return path.parts[0] != UTILS or _allowed_from_outside(path, parts)
    if path.parts[0] == UTILS:
        return parts[0] == UTILS and _allowed_in_utils(path, parts)
    if path.parts[0] == "action" and parts[0] == "plugin_utils":
        return True
    return parts[0] in (UTILS, "doc_fragments")


def _allowed_from_outside(path: PurePosixPath, parts: Tuple[str, ...]) -> bool:
    if path.parts[1] == PROGRAMS:
        return parts[0] in sys.stdlib_module_names
    if not is_pure(path):
        return True
    return parts[0] in sys.stdlib_module_names and parts[0] not in EFFECTS and parts[:2] != ("urllib", "request")


def _allowed_in_utils(path: PurePosixPath, parts: Tuple[str, ...]) -> bool:
    here, there = path.parts[1], parts[1]
    if here == PROGRAMS:
        return False
    if is_pure(path) and _file(parts) is not None and not is_pure(_file(parts) or path):
        return False
    if path == PLANNING:
        return there not in (SYSTEM, PROGRAMS)
    allowed: Set[str] = {here, SHARED, *(() if here in (SHARED, SYSTEM) else (FLEET, *DEPENDS.get(here, ())))}
    return there in (allowed if is_pure(path) else {*allowed, SYSTEM})


def _file(parts: Tuple[str, ...]) -> Optional[PurePosixPath]:
    """The file that an imported name is, or is in; None when there is no such file."""
    for length in (len(parts), len(parts) - 1):
        path = PurePosixPath(*parts[:length]).with_suffix(".py")
        if length > 2 and (PLUGINS / path).is_file():
            return path
    return None


def all_sources() -> List[PurePosixPath]:
    return [PurePosixPath(path.relative_to(PLUGINS)) for path in sorted(PLUGINS.rglob("*.py"))]


def test_every_import_of_the_collection_points_down() -> None:
    sources = all_sources()
    assert PLANNING in sources
    found = [line for path in sources for line in violations(path, (PLUGINS / path).read_text(encoding="utf-8"))]
    assert found == []


def test_subjects_depend_on_each_other_in_an_order() -> None:
    """No subject is planned before one that it depends on, however far that is."""
    reached: Dict[str, Set[str]] = {}

    def below(subject: str, chain: Tuple[str, ...]) -> Set[str]:
        assert subject not in chain, f"{' -> '.join((*chain, subject))} is a circle"
        reached[subject] = {found for other in DEPENDS.get(subject, ()) for found in (other, *below(other, (*chain, subject)))}
        return reached[subject]

    for subject in DEPENDS:
        below(subject, ())
    folders = {path.name for path in (PLUGINS / UTILS).iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(reached) | set().union(*DEPENDS.values()) | {SHARED, SYSTEM, PROGRAMS, FLEET} <= folders


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("module_utils/_dns/bad.py", "import os"),
        ("module_utils/_dns/bad.py", "import os.path"),
        ("module_utils/_dns/update/bad.py", "from subprocess import run"),
        ("module_utils/_dns/bad.py", "import urllib.request"),
        ("module_utils/_dns/bad.py", "import ansible.module_utils.basic"),
        ("module_utils/_dns/bad.py", "import yaml"),
        ("module_utils/_dns/bad.py", "def later():\n    import socket"),
        ("module_utils/_dns/bad.py", "def read(path):\n    return open(path).read()"),
        ("module_utils/_dns/bad.py", "from .._failover import capability"),
        ("module_utils/_dns/bad.py", "from .._fleet import inventory_host"),
        ("module_utils/_dns/bad.py", "from .._system.files import SystemFiles"),
        ("module_utils/_dns/bad.py", "from .wire_client import WireClient"),
        ("module_utils/_dns/bad.py", "from . import wire_client"),
        ("module_utils/_dns/bad_host.py", "from .._network.network_host import HostNetwork"),
        ("module_utils/_dns/bad.py", "from .._certificates.capability import challenge_keys"),
        ("module_utils/_fleet/bad.py", "from .._node.variables import read_settings"),
        ("module_utils/_dns/bad.py", f"from {COLLECTION}module_utils._lab.spec import LabSpec"),
        ("module_utils/_fleet/planning.py", "from .._system import files"),
        ("module_utils/_shared/bad.py", "from .._fleet.model import Fleet"),
        ("module_utils/_system/bad.py", "from .._failover.unit import Node"),
        ("module_utils/_programs/bad.py", "from .._shared import limits"),
        ("module_utils/_programs/bad.py", "import yaml"),
        ("module_utils/_dns/bad_host.py", f"from {COLLECTION}modules import fleet_plan"),
        ("module_utils/_dns/bad_host.py", f"from {COLLECTION}action.fleet_plan import ActionModule"),
        ("module_utils/_dns/bad_host.py", "from ...modules import fleet_plan"),
        ("modules/bad.py", f"from {COLLECTION}modules.fleet_plan import DOCUMENTATION"),
        ("modules/bad.py", f"from {COLLECTION}action.fleet_plan import ActionModule"),
        ("action/bad.py", f"from {COLLECTION}modules.fleet_plan import DOCUMENTATION"),
        ("modules/bad.py", f"from {COLLECTION}plugin_utils.network_change import NetworkChange"),
        ("plugin_utils/bad.py", f"from {COLLECTION}action.fleet_plan import ActionModule"),
    ],
)
def test_an_import_that_points_up_or_aside_is_caught(path: str, source: str) -> None:
    assert violations(PurePosixPath(path), source) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("module_utils/_dns/good.py", "from .._fleet.model import Fleet\nfrom .txt import fitted\nimport json"),
        ("module_utils/_dns/good.py", "from urllib.parse import urlsplit"),
        ("module_utils/_dns/good.py", "from .._shared.limits import BadText"),
        ("module_utils/_certificates/good.py", "from .._dns.names import canonical"),
        ("module_utils/_fleet/planning.py", "from .._dns import capability"),
        ("module_utils/_dns/good_host.py", "import os\nimport yaml\nfrom .._system.files import FileStore\nfrom .txt import fitted"),
        ("module_utils/_libvirt/good_host.py", "from .._network.network_host import HostNetwork"),
        ("module_utils/_programs/good.py", "import http.client"),
        ("modules/good.py", f"from {COLLECTION}module_utils._system.files import SystemFiles"),
        ("action/good.py", f"from {COLLECTION}module_utils._fleet.planning import plan_fleet"),
    ],
)
def test_an_import_that_points_down_is_allowed(path: str, source: str) -> None:
    assert violations(PurePosixPath(path), source) == []


def test_the_page_about_the_architecture_names_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(_[\w/]+)`", page, re.MULTILINE))
    folders = {path.parent.relative_to(PLUGINS / UTILS).as_posix() for path in (PLUGINS / UTILS).rglob("*.py")} - {"."}
    assert named == folders
    files = re.findall(r"`(_\w+/[\w/]+\.py)`", page)
    assert files and [path for path in files if not (PLUGINS / UTILS / path).is_file()] == []


def test_the_line_that_says_who_wrote_a_file_stands_once_for_each_writer() -> None:
    """What recognises a file of ours must not differ from what writes it."""
    writers: Counter[str] = Counter()
    for path in (PLUGINS / "module_utils").rglob("*.py"):
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        for text in texts:
            writers.update(re.findall(r"[Ww]ritten by (?:the role )?(smallfleet\.infra\.\w+)", str(text)))
    assert writers and {writer: count for writer, count in writers.items() if count > 1} == {}


def test_the_name_of_a_playbook_is_one_that_a_collection_allows() -> None:
    """ansible-core takes the last part of ``smallfleet.infra.NAME`` for a playbook only when it is an identifier."""
    names = sorted(path.name for path in (ROOT / "playbooks").iterdir())
    assert "site.yml" in names
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*\.yml", name)] == []


def test_texts_name_only_playbooks_that_exist() -> None:
    folders = ("docs", "inventories", "molecule", "playbooks", "plugins", "roles", "tools")
    inside = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".md", ".py", ".sh", ".yml")]
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", ROOT / "Makefile", *inside)}
    named = {(path, name) for path, text in texts.items() for name in re.findall(r"\bplaybooks/([\w-]+)\.yml", text)}
    assert (ROOT / "README.md", "switch_over") in named
    assert {(path, name) for path, name in named if not (ROOT / "playbooks" / f"{name}.yml").is_file()} == set()
