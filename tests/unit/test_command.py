# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that the system does not start is a command that failed, and is named with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.commands_host import LabRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, CommandResult, SystemRunner

PROGRAMS = {
    "a file without the right": ("#!/bin/sh\n", 0o644, "Permission denied. Make it executable"),
    "a text without an interpreter": ("no program\n", 0o755, "Exec format error. It is not a program for this machine"),
    "an empty file": ("", 0o755, "Exec format error. It is not a program for this machine"),
    "a script whose interpreter is missing": ("#!/nowhere/python\n", 0o755, "Its interpreter, or what it is a link to, does not exist"),
}


def program(folder: Path, kind: str) -> str:
    text, mode, _says = PROGRAMS[kind]
    path = folder / "program"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def watched(path: str) -> CommandResult:
    return LabRunner().watch([path], lambda _line: False)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_that_cannot_be_run_is_named_with_the_remedy(kind: str, tmp_path: Path) -> None:
    path = program(tmp_path, kind)
    for result in (SystemRunner().run([path], check=False), watched(path)):
        assert result.rc == 126
        assert result.message.startswith(f"{path} cannot be run: ") and PROGRAMS[kind][2] in result.message
    with pytest.raises(CommandFailed, match="cannot be run"):
        SystemRunner().run([path])


def test_a_folder_a_broken_link_and_arguments_that_no_program_can_have_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for argv in ([str(tmp_path)], [str(tmp_path / "link")], ["true", "a\0b"], ["true", "x" * 10_000_000]):
        result = SystemRunner().run(argv, check=False)
        assert result.rc == 126 and result.message.startswith(f"{argv[0]} cannot be run: ")


def test_a_program_that_is_not_there_is_not_installed() -> None:
    for name in ("no-such-program", "/nowhere/program"):
        result = SystemRunner().run([name], check=False)
        assert (result.rc, result.message) == (127, f"{name} is not installed")
