# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects and their fakes keep the same promises."""

from __future__ import annotations

import stat
import time

import pytest
from ansible_collections.smallfleet.infra.plugins.module_utils._io.command import CommandFailed, FakeRunner, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import FakeFiles, SystemFiles


@pytest.mark.parametrize("store", [SystemFiles(), FakeFiles()])
def test_a_written_file_reads_back_and_a_removed_one_is_gone(store, tmp_path):
    path = str(tmp_path / "below" / "file")
    assert store.read(path) is None
    store.write(path, "one", 0o600)
    store.write(path, "two", 0o640)
    assert store.read(path) == "two"
    store.remove(path)
    store.remove(path)
    assert store.read(path) is None


def test_a_written_file_has_the_mode_asked_for_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    SystemFiles().write(str(path), "text", 0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_failed_command_says_what_ran_and_what_it_said():
    with pytest.raises(CommandFailed, match="'ls /nowhere' exited with 2: .*nowhere"):
        SystemRunner().run(["ls", "/nowhere"])


def test_a_missing_command_is_named():
    assert SystemRunner().run(["no-such-command"], check=False).stderr == "no-such-command is not installed"


def test_a_command_that_never_ends_is_ended():
    assert SystemRunner(timeout=0.1).run(["sleep", "5"], check=False).rc == 124


def test_input_reaches_the_command_without_the_argument_vector():
    assert SystemRunner().run(["cat"], stdin="secret").stdout == "secret"


def test_the_fake_runner_fails_what_it_was_not_told():
    runner = FakeRunner()
    runner.answer(["true"])
    assert runner.run(["true"]).rc == 0
    with pytest.raises(CommandFailed):
        runner.run(["false"])
    assert runner.calls == [("true",), ("false",)]


def test_lines_are_seen_while_a_command_runs_and_it_is_killed_when_enough_was_seen():
    seen = []

    def enough(line):
        seen.append(line)
        return line == "two\n"

    began = time.monotonic()
    result = SystemRunner().watch(["sh", "-c", "echo one; echo two; exec sleep 20"], enough)
    assert seen == ["one\n", "two\n"] and result.rc == -9 and time.monotonic() - began < 10
    assert SystemRunner().watch(["sh", "-c", "echo end >&2; exit 3"], lambda _line: False).rc == 3
    assert SystemRunner().watch(["no-such-command"], lambda _line: False).rc == 127
    assert "no end after 0.1 s" in SystemRunner().watch(["sleep", "5"], lambda _line: False, timeout=0.1).stderr


def test_commands_are_repeated_side_by_side_until_each_succeeds(tmp_path):
    tries = []
    commands = {name: ["sh", "-c", f"test -e {tmp_path}/{name} || {{ touch {tmp_path}/{name}; exit 1; }}"] for name in "ab"}
    SystemRunner().repeat(commands, lambda name, result: tries.append((name, result.rc)), pause=0.01)
    assert sorted(tries) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_what_is_raised_between_tries_ends_all_of_them():
    def give_up(name, result):
        raise ValueError(name)

    with pytest.raises(ValueError, match="bad"):
        SystemRunner().repeat({"bad": ["false"], "slow": ["sleep", "0.1"]}, give_up, pause=0.01)
