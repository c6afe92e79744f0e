# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A boot configuration that cannot be written is known before the change."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel import observe_host as observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe_host import unwritable


@pytest.fixture(name="paths")
def boot_files(tmp_path):
    (tmp_path / "there").write_text("old", encoding="utf-8")
    return [f"{tmp_path}/there", f"{tmp_path}/new/of/a/new/folder", f"{tmp_path}/new/too"]


def test_files_that_can_be_written_are_no_obstacle(paths):
    assert unwritable(paths) == []
    assert not os.path.exists(paths[2])


def test_a_file_system_that_is_read_only_is_named_once_with_its_folder(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(observe.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NODEV))
    assert unwritable(paths) == [f"{tmp_path} is on a file system that is read-only, so the boot configuration could not follow. Mount it writable"]


@pytest.mark.parametrize(("fixed", "named"), [("there", ["there"]), ("", ["there", ""])], ids=["a file", "its folder"])
def test_a_file_or_a_folder_that_nobody_may_write_is_named(paths, tmp_path, monkeypatch, fixed, named):
    """As with an immutable one (chattr(1)), which not even root may write."""
    place = str(tmp_path / fixed) if fixed else str(tmp_path)
    monkeypatch.setattr(observe.os, "access", lambda path, mode: path != place)
    found = unwritable(paths)
    assert [one.partition(" cannot be written")[0] for one in found] == [str(tmp_path / name) if name else str(tmp_path) for name in named]
    assert all("lsattr -d" in one for one in found)
