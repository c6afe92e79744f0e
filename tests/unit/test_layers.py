# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports point down only: modules and actions -> _io -> _core, actions -> plugin_utils -> _io; a subject of _core knows only
itself, fleet, the subjects that it depends on, and what stands beside the subjects in _core.

Playbooks have names by which they can be called from an installed collection, and texts name only those that exist."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import List, Tuple

import pytest
from testing.imports import COLLECTION, imports

SHARED = ("addresses", "diff", "limits", "masking", "quoting")
DEPENDS = {"failover": ("dns",)}
"""Subjects that read the facts of others: a standby service is a name in a zone."""
ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
EFFECTS = frozenset(
    "asyncio builtins ctypes fcntl ftplib getpass glob http io logging mmap multiprocessing os pathlib pty random "
    "secrets "
    "select selectors shutil signal socket socketserver sqlite3 ssl subprocess sys tempfile threading time".split()
)
EFFECT_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})


def violations(path: PurePosixPath, source: str) -> List[str]:
    """What the file at ``path`` (relative to plugins/) may not do, one sentence each."""
    tree = ast.parse(source)
    found = [f"{path}:{line}: imports {name}" for line, name in imports(path, tree) if not _allowed(path, name)]
    if path.parts[:2] == ("module_utils", "_core"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EFFECT_CALLS:
                found.append(f"{path}:{node.lineno}: calls {node.func.id}()")
    return found


def _allowed(path: PurePosixPath, name: str) -> bool:
    parts = tuple(name.strip(".").split("."))
    if path.parts[:2] == ("module_utils", "_core"):
        return _allowed_in_core(path, name, parts)
    if not name.startswith("."):
        return True
    if path.parts[:2] == ("module_utils", "_io"):
        return parts[0] == "module_utils" and parts[1] in ("_core", "_io")
    if path.parts[0] == "action" and parts[0] == "plugin_utils":
        return True
    return parts[0] in ("module_utils", "doc_fragments")


def _allowed_in_core(path: PurePosixPath, name: str, parts: Tuple[str, ...]) -> bool:
    if not name.startswith("."):
        return parts[0] in sys.stdlib_module_names and parts[0] not in EFFECTS and parts[:2] != ("urllib", "request")
    if parts[:2] != ("module_utils", "_core"):
        return False
    if path.name == "planning.py" and len(path.parts) == 3:
        return True
    return parts[2] in ("fleet", *SHARED, path.parts[2], *DEPENDS.get(path.parts[2], ()))


def all_sources() -> List[PurePosixPath]:
    return [PurePosixPath(path.relative_to(PLUGINS)) for path in sorted(PLUGINS.rglob("*.py"))]


def test_every_import_of_the_collection_points_down() -> None:
    sources = all_sources()
    assert PurePosixPath("module_utils/_core/planning.py") in sources
    found = [line for path in sources for line in violations(path, (PLUGINS / path).read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("module_utils/_core/dns/bad.py", "import os"),
        ("module_utils/_core/dns/bad.py", "import os.path"),
        ("module_utils/_core/dns/bad.py", "from subprocess import run"),
        ("module_utils/_core/dns/bad.py", "import urllib.request"),
        ("module_utils/_core/dns/bad.py", "import ansible.module_utils.basic"),
        ("module_utils/_core/dns/bad.py", "import yaml"),
        ("module_utils/_core/dns/bad.py", "def later():\n    import socket"),
        ("module_utils/_core/dns/bad.py", "def read(path):\n    return open(path).read()"),
        ("module_utils/_core/dns/bad.py", "from ..failover import resolve"),
        ("module_utils/_core/dns/bad.py", "from .. import planning"),
        ("module_utils/_core/dns/bad.py", "from ..._io.files import SystemFiles"),
        ("module_utils/_core/fleet/bad.py", "from ..node.settings import read_settings"),
        ("module_utils/_core/dns/bad.py", f"from {COLLECTION}module_utils._core.lab.spec import LabSpec"),
        ("module_utils/_core/planning.py", "from .._io import files"),
        ("module_utils/_core/limits.py", "from .dns.names import canonical"),
        ("module_utils/_io/bad.py", f"from {COLLECTION}modules import fleet_plan"),
        ("module_utils/_io/bad.py", f"from {COLLECTION}action.fleet_plan import ActionModule"),
        ("module_utils/_io/bad.py", "from ...modules import fleet_plan"),
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
        (
            "module_utils/_core/dns/good.py",
            "from ..fleet.model import Fleet\nfrom .names import canonical\nimport json",
        ),
        ("module_utils/_core/dns/good.py", "from urllib.parse import urlsplit"),
        ("module_utils/_core/dns/good.py", "from ..limits import BadText"),
        ("module_utils/_core/failover/good.py", "from ..dns.facts import read_facts"),
        ("module_utils/_core/planning.py", "from .dns import resolve"),
        (
            "module_utils/_io/good.py",
            "import os\nfrom .._core.dns.names import canonical\nfrom .files import FileStore",
        ),
        ("modules/good.py", f"from {COLLECTION}module_utils._io.files import SystemFiles"),
        ("action/good.py", f"from {COLLECTION}module_utils._core.planning import plan_fleet"),
    ],
)
def test_an_import_that_points_down_is_allowed(path: str, source: str) -> None:
    assert violations(PurePosixPath(path), source) == []


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


def test_no_two_subjects_depend_on_each_other() -> None:
    def beneath(subject: str, seen: Tuple[str, ...] = ()) -> List[str]:
        assert subject not in seen, seen
        return [deeper for other in DEPENDS.get(subject, ()) for deeper in (other, *beneath(other, (*seen, subject)))]

    assert {subject: beneath(subject) for subject in DEPENDS} == {"failover": ["dns"]}
