# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that the outcome of a phase depends on, found by reading what it runs.

A file refers to another by an import, by a collection name (``smallfleet.infra.X``: a role, playbook, module or action) or by a path.
Documentation in a plugin refers to nothing. The inputs of a phase are its own files and whatever can be reached from them.

One file is special: the registry, which imports the planner of every subject, because each role takes the plan of the whole fleet. A
planner that is reached only through the registry counts where the phase's own files set a variable of its subject.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections import Counter
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Set, Tuple

from .imports import imports

REGISTRY = "plugins/module_utils/_fleet/planning.py"
VARIABLES = "plugins/module_utils/_fleet/variables.py"
SUBJECTS = "plugins/module_utils/"
NO_SUBJECTS = ("_fleet", "_programs", "_shared", "_system")
"""Folders beside those of the subjects, whose files count whoever uses them."""
DOCUMENTED = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})
TARGETS = "tests/integration/targets/"
FOLDERS = ("inventories/", "molecule/", "roles/", "tests/")
"""Where a path to a folder stands for all files in it, except the folder of integration targets, whose plays name those they run."""
SUPPORT = "molecule/support/"
"""What scenarios share. A file in a folder of it brings the others along, which are parts of the same thing."""
TESTS = ("tests/", "molecule/", "inventories/", ".config/", "tools/mutants.py")
"""Where paths are read. What plugins and roles say of a path or of each other is for people, apart from the name of a plugin or role."""
_NAME = re.compile(r"smallfleet\.infra\.([a-z0-9_]+)")
_WORD = re.compile(r"[\w./-]+")
_PLAYBOOK = re.compile(r"import_playbook:\s*(\S+)")
_ITEM = re.compile(r"(?m)^\s*(?:- |name: |loop: \[)\s*(\w+(?:, *\w+)*)\]?\s*$")
_FILE = re.compile(r"[\w-]+\.(?:cfg|in|ini|j2|py|sh|txt|yaml|yml|zone)")


class Tree:
    """The files of a checkout, by their paths relative to its root. ``read`` returns a file's text.

    ``text(path)`` is that text, empty for what is not text; ``references(path)`` are the files that a file refers to;
    ``below(folder)`` are the files in a folder, however deep.
    """

    def __init__(self, paths: Iterable[str], read: Callable[[str], str]) -> None:
        self.paths: FrozenSet[str] = frozenset(paths)
        self._read = read
        self.text = lru_cache(maxsize=None)(self._text)
        self.references = lru_cache(maxsize=None)(self._references)
        self.below = lru_cache(maxsize=None)(self._below)
        self._python = lru_cache(maxsize=None)(self._parsed)

    def _text(self, path: str) -> str:
        try:
            return self._read(path)
        except (OSError, UnicodeDecodeError):
            return ""

    def _parsed(self, path: str) -> Tuple[List[str], List[str]]:
        return _python(path, self.text(path))

    def _below(self, folder: str) -> FrozenSet[str]:
        prefix = folder.rstrip("/") + "/"
        return frozenset(path for path in self.paths if path.startswith(prefix))

    def _references(self, path: str) -> FrozenSet[str]:
        references: Set[str] = set()
        words, modules = self._python(path) if path.endswith(".py") else ([_code(path, self.text(path))], [])
        for module in modules:
            references |= self._module(path, module)
        for word in words:
            for name in _NAME.findall(word):
                references |= self._named(name)
            if path.startswith(TESTS):
                references |= self._playbook(word)
                for name in {name.strip() for items in _ITEM.findall(word) for name in items.split(",")}:
                    references |= self.below(TARGETS + name)
                for text in {text for text in _WORD.findall(word) if ("/" in text and text.strip("/")) or _FILE.fullmatch(text)}:
                    references |= self._at(path, text)
            elif path.startswith("playbooks/"):
                for text in _PLAYBOOK.findall(word):
                    references |= self._at(path, text)
        return frozenset(references - {path})

    def _module(self, path: str, name: str) -> Set[str]:
        """The file of an imported name; a name that is no module is one in the module above it."""
        if name.startswith("."):
            stem = "plugins/" + name.strip(".").replace(".", "/")
            stems = [stem, posixpath.dirname(stem)]
        else:
            first = name.split(".")[0]
            stems = [posixpath.join(posixpath.dirname(path), first), f"molecule/support/{first}", f"tests/{first}"]
        for stem in stems:
            for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                if candidate in self.paths:
                    return {candidate}
        return set()

    def _playbook(self, name: str) -> Set[str]:
        return {f"playbooks/{name}.yml"} & self.paths

    def _named(self, name: str) -> Set[str]:
        """What a collection name stands for. The page about a role is not part of what it does."""
        plugins = {f"plugins/{kind}/{name}.py" for kind in ("modules", "action", "filter", "inventory", "lookup")} & self.paths
        role = {path for path in self.below(f"roles/{name}") if not path.endswith(".md")}
        return plugins | role | self._playbook(name)

    def _at(self, path: str, text: str) -> Set[str]:
        """The files at a path, which is relative to the file that names it or, when it has a folder, to the checkout."""
        files: Set[str] = set()
        for base in (posixpath.dirname(path), *([""] if "/" in text else [])):
            place = posixpath.normpath(posixpath.join(base, text.lstrip("/")))
            if place in self.paths and place.startswith(SUPPORT) and posixpath.dirname(place) != SUPPORT.rstrip("/"):
                files |= self.below(posixpath.dirname(place))
            elif place in self.paths:
                files.add(place)
            elif place.count("/") and place.startswith(FOLDERS) and not TARGETS.startswith(f"{place}/"):
                files |= self.below(place)
        return files

    @cached_property
    def prefixes(self) -> Dict[str, str]:
        """Prefix of a variable -> the subject that it belongs to: the one whose code has most variables of that prefix."""
        known = [prefix for prefix in _constants(self.text(VARIABLES), "PREFIXES") if prefix != "fleet_"]
        counts: Dict[str, Counter[str]] = {prefix: Counter() for prefix in known}
        for path in self.below(SUBJECTS):
            inner = path[len(SUBJECTS) :].split("/")
            if inner[0] not in NO_SUBJECTS and path.endswith(".py"):
                for word in self._python(path)[0]:
                    for prefix in known:
                        counts[prefix][inner[0]] += word.startswith(prefix) and word != prefix and word.isidentifier()
        return {prefix: min(uses, key=lambda subject: (-uses[subject], subject)) for prefix, uses in counts.items() if +uses}


def inputs(tree: Tree, roots: Iterable[str]) -> FrozenSet[str]:
    """The files that a phase depends on. ``roots`` are its own files; a folder ends with a slash."""
    own: Set[str] = set()
    for root in roots:
        own |= tree.below(root) if root.endswith("/") else {root} & tree.paths
    used = _used(tree, own)
    reached: Set[str] = set()
    waiting: List[str] = sorted(own)
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        waiting += [ref for ref in tree.references(path) if path != REGISTRY or _subject(ref) in used]
    return frozenset(reached)


def _used(tree: Tree, own: Iterable[str]) -> FrozenSet[str]:
    """The subjects whose variables the files set, or name, and the empty name for what belongs to no subject."""
    text = "\n".join(tree.text(path) for path in own)
    return frozenset({"", *(subject for prefix, subject in tree.prefixes.items() if re.search(rf"\b{prefix}\w", text))})


def _subject(path: str) -> str:
    folder = path[len(SUBJECTS) :].split("/")[0] if path.startswith(SUBJECTS) else ""
    return "" if folder in NO_SUBJECTS else folder


def _python(path: str, source: str) -> Tuple[List[str], List[str]]:
    """(texts, imported names) of a Python file, without docstrings and documentation; of a plugin without sentences too."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return [], []
    plugin = path.startswith("plugins/")
    inside = PurePosixPath(path).relative_to("plugins") if plugin else PurePosixPath(path)
    texts = [text for text in _texts(tree) if not plugin or _NAME.fullmatch(text) or text.isidentifier()]
    return texts, [name for _line, name in imports(inside, tree)]


def _code(path: str, text: str) -> str:
    """A file that is not Python without its comments; nothing of one that only documents a role."""
    return "" if path.endswith("/argument_specs.yml") else re.sub(r"(?m)^\s*#.*$", "", text)


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id in DOCUMENTED for target in node.targets):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    leaves = list(_operands(node))
    if len(leaves) > 1:
        yield "/".join(leaf.value for leaf in leaves if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str))
    for child in leaves if len(leaves) > 1 else ast.iter_child_nodes(node):
        yield from _texts(child)


def _operands(node: ast.AST) -> Iterator[ast.AST]:
    """The operands of ``place / "folder" / "file"``; any other node is its own only one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield from _operands(node.left)
        yield from _operands(node.right)
    else:
        yield node


def _constants(source: str, name: str) -> Tuple[str, ...]:
    """The texts of a tuple that a file assigns to ``name``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return tuple(ast.literal_eval(node.value))
    return ()
