# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes build/inventory.schema.json, with which editors and programs check files of variables: ``make schema``."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Dict

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "build" / "inventory.schema.json"
_MARKUP = re.compile(r"\b[A-Z]+\(([^),]*)(?:,[^)]*)?\)")


def descriptions(root: Path) -> Dict[str, str]:
    """By variable, what the roles below ``root`` say about their options, without Ansible's markup."""
    texts: Dict[str, str] = {}
    for path in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            for name, option in entry.get("options", {}).items():
                lines = option["description"] if isinstance(option["description"], list) else [option["description"]]
                texts.setdefault(name, _MARKUP.sub(r"\1", " ".join(lines)))
    return texts


def main() -> None:
    sys.path.insert(0, str(ROOT / "collections"))
    planning = importlib.import_module("ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(planning.inventory_schema(descriptions(ROOT)), indent=2) + "\n", encoding="utf-8")
    print(TARGET.relative_to(ROOT))


if __name__ == "__main__":
    main()
