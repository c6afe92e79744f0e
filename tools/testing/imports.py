# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The imports of a Python file of the collection. What walks imports, the layers test and the choice of drills, walks these."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import Iterator, Tuple

COLLECTION = "ansible_collections.smallfleet.infra.plugins."


def imports(path: PurePosixPath, tree: ast.AST) -> Iterator[Tuple[int, str]]:
    """(line, dotted name) of everything that a file imports.

    ``path`` is relative to plugins/. A name inside the collection begins with a dot and is relative to plugins/ too.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, _inside(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield node.lineno, _inside(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1]
            base = ".".join((*folder.parts, *([node.module] if node.module else [])))
            for alias in node.names:
                yield node.lineno, f".{base}.{alias.name}"


def _inside(name: str) -> str:
    return "." + name[len(COLLECTION) :] if name.startswith(COLLECTION) else name
