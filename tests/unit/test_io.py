# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects and their fakes keep the same promises."""

from __future__ import annotations

import gc
import stat
import time
import tracemalloc

import pytest
from fakes import FakeFiles, FakeRunner

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.commands_host import LabRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


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


@pytest.mark.parametrize("to", ["", " >&2"])
def test_a_command_that_prints_too_much_is_killed_and_named_with_the_limit(to):
    tracemalloc.start()
    try:
        result = SystemRunner(timeout=30, most_output=1 << 20).run(["sh", "-c", f"exec head -c 256M /dev/zero{to}"], check=False)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert (result.rc, result.stdout) == (125, "")
    assert result.message == "sh printed more than 1048576 bytes, and no more are read; it was killed"
    with pytest.raises(CommandFailed, match="'head -c 2M /dev/zero' exited with 125: head printed more than 1048576 bytes"):
        SystemRunner(timeout=30, most_output=1 << 20).run(["head", "-c", "2M", "/dev/zero"])


def test_a_command_may_print_up_to_the_limit_to_both_outputs_at_once_and_leave_its_input_unread():
    text = "x" * 300_000
    both = ["sh", "-c", "head -c 300000 /dev/zero >&2 | head -c 0; head -c 300000 /dev/zero"]
    result = SystemRunner(timeout=30, most_output=300_000).run(both, stdin=text)
    assert (len(result.stdout), len(result.stderr)) == (300_000, 300_000)
    assert SystemRunner(timeout=30).run(["cat"], stdin=text).stdout == text
    assert SystemRunner(timeout=30, most_output=300_000).run(["head", "-c", "300001", "/dev/zero"], check=False).rc == 125


def test_a_command_in_the_background_that_keeps_printing_holds_nobody_up():
    printer = "head -c 2M /dev/zero; while echo more; do sleep 0.1; done"
    command = ["sh", "-c", f"timeout 60 sh -c '{printer}' & exit 0"]
    assert SystemRunner(timeout=30, most_output=1 << 20).run(command, check=False).rc == 125


def test_a_line_without_end_is_seen_in_parts():
    lengths = []

    def enough(line):
        lengths.append(len(line))
        return len(lengths) == 20

    assert LabRunner().watch(["sh", "-c", "exec tr '\\0' x < /dev/zero"], enough, timeout=30).rc == -9
    assert len(lengths) == 20 and max(lengths) <= 1 << 17
    lines = []
    LabRunner().watch(["printf", r"one\rstill one\n\nlast"], lines.append, timeout=30)
    assert lines == ["one\rstill one\n", "\n", "last"]


@pytest.mark.parametrize(
    ("command", "limits"),
    [
        (["sh", "-c", "sleep 0.1"], {}),
        (["head", "-c", "1"], {}),
        (["head", "-c", "300001", "/dev/zero"], {"most_output": 300_000}),
        (["sleep", "20"], {"timeout": 0.3}),
    ],
)
def test_input_that_a_command_leaves_unread_is_not_reported_later(command, limits, caplog):
    SystemRunner(**limits).run(command, stdin="x" * 2_000_000, check=False)
    gc.collect()
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == []


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
    result = LabRunner().watch(["sh", "-c", "echo one; echo two; exec sleep 20"], enough)
    assert seen == ["one\n", "two\n"] and result.rc == -9 and time.monotonic() - began < 10
    assert LabRunner().watch(["sh", "-c", "echo end >&2; exit 3"], lambda _line: False).rc == 3
    assert LabRunner().watch(["no-such-command"], lambda _line: False).rc == 127
    assert "no end after 0.1 s" in LabRunner().watch(["sleep", "5"], lambda _line: False, timeout=0.1).stderr


def test_commands_are_repeated_side_by_side_until_each_succeeds(tmp_path):
    tries = []
    commands = {name: ["sh", "-c", f"test -e {tmp_path}/{name} || {{ touch {tmp_path}/{name}; exit 1; }}"] for name in "ab"}
    LabRunner().repeat(commands, lambda name, result: tries.append((name, result.rc)), pause=0.01)
    assert sorted(tries) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_what_is_raised_between_tries_ends_all_of_them():
    def give_up(name, result):
        raise ValueError(name)

    with pytest.raises(ValueError, match="bad"):
        LabRunner().repeat({"bad": ["false"], "slow": ["sleep", "0.1"]}, give_up, pause=0.01)
