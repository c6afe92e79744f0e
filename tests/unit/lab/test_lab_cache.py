# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.commands_host import LabRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.image_host import UNUSED_AGE, Images
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.node_host import trees_in_use


def tree(path: Path, age: float) -> str:
    (path / "usr/bin").mkdir(parents=True)
    (path / "usr/bin/true").write_text("", encoding="utf-8")
    os.utime(path, times=(time.time() - age,) * 2)
    return str(path)


def package(path: Path, age: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    os.utime(path, times=(time.time() - age,) * 2)
    return path


def test_pruning_removes_what_no_node_uses_and_no_new_node_would(tmp_path: Path) -> None:
    cache, labs, old, young = tmp_path / "cache", tmp_path / "labs", UNUSED_AGE + 60, UNUSED_AGE - 60
    now = int(time.time())
    # Only the name of a base tree says when it was built.
    keep = [tree(cache / f"images/trixie-nspawn-1.{now - int(young)}", old), tree(cache / "layers/young", young), tree(cache / "archives/young", young)]
    base_in_use, layer_in_use = tree(cache / f"images/trixie-nspawn-1.{now - int(old)}", 0), tree(cache / "layers/used", old)
    gone = [tree(cache / "archives/old", old), tree(cache / f"images/trixie-qemu-1.{now - int(old)}.part", 0), tree(cache / "layers/old", old)]
    package(cache / "pool/young.deb", young)
    linked = package(cache / "pool/linked.deb", old)
    os.link(linked, cache / "archives/young/linked.deb")
    os.link(package(cache / "pool/old.deb", old), cache / "archives/old/old.deb")
    os.utime(cache / "archives/old", times=(time.time() - old,) * 2)
    package(labs / "web/nodes/app1/lower", 0).write_text(f"{layer_in_use}:{base_in_use}", encoding="utf-8")
    removed = Images(str(cache), "trixie", LabRunner(), print).prune(trees_in_use(str(labs)))
    assert removed == [*gone, str(cache / "pool/old.deb")]
    left = {str(path) for kind in ("images", "archives", "layers", "pool") for path in (cache / kind).iterdir()}
    assert left == {*keep, base_in_use, layer_in_use, str(cache / "pool/young.deb"), str(linked)}
