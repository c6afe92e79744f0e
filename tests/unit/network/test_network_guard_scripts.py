# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts of a guarded change on the files of this machine."""

from __future__ import annotations

from pathlib import Path
from subprocess import run
from typing import Any, List, Sequence, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import FileChange, Observed, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change, Claim
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import (
    OPEN,
    RECOVER_LINK,
    RECOVER_UNIT,
    RESTORED,
    ROLLBACK,
    SWITCH,
    sources,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.scripts import scripts
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

from .guarded import prepare
from .guarded_node import BOOT, SHOWN, bridge_plan


@pytest.mark.parametrize("name", ["switch.sh", "watch.sh", "adopt.sh", "finish.sh", "restore.sh"])
def test_the_shell_understands_every_script(name: str) -> None:
    text = scripts(prepare("/x y", bridge_plan(), BOOT, SHOWN, Observed()), "boot", 90)[name]
    assert run(["sh", "-n"], input=text, text=True, capture_output=True, check=False).stderr == ""


def laid_out(folder: Path, boot: Sequence[FileChange], undo: str = "", **more: Any) -> Change:
    """A change on the disk of this machine whose requests to the kernel do nothing."""
    here = folder / "change"
    here.mkdir()
    change = Change(str(here), Plan(), tuple(boot), **more)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    for name, text in scripts(change, undo or boot_id, 90).items():
        for path in (OPEN, RECOVER_LINK, RECOVER_UNIT):
            text = text.replace(path, f"{folder}/aside{path}")
        text = text.replace("systemctl", "true").replace("/run/", f"{folder}/run/")
        (here / name).write_text(text, encoding="utf-8")
    files = SystemFiles()
    for name, source in sources(change).items():
        files.write(f"{here}/{name}", source.text, *((files.access(source.like) if source.like else None) or (source.mode,)))
    return change


def script(change: Change, name: str, *words: str) -> tuple[int, str]:
    done = run(["sh", f"{change.folder}/{name}", *words], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(name="boot")
def boot_files(tmp_path: Path) -> Tuple[FileChange, ...]:
    (tmp_path / "kept").write_text("old", encoding="utf-8")
    (tmp_path / "gone").write_text("old", encoding="utf-8")
    (tmp_path / "kept").chmod(0o600)
    (tmp_path / "gone").chmod(0o640)
    return (
        FileChange(str(tmp_path / "kept"), "old", "new"),
        FileChange(str(tmp_path / "gone"), "old", None),
        FileChange(str(tmp_path / "deep" / "born"), None, "new", 0o604),
    )


def modes(boot: Sequence[FileChange]) -> List[object]:
    return [Path(one.path).stat().st_mode & 0o777 if Path(one.path).exists() else None for one in boot]


def contents(boot: Sequence[FileChange]) -> List[object]:
    return [Path(one.path).read_text(encoding="utf-8") if Path(one.path).exists() else None for one in boot]


def test_the_scripts_change_and_confirm_the_files_of_this_machine(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    change = laid_out(tmp_path, boot)
    assert script(change, "switch.sh") == (0, "")
    assert contents(boot) == ["old", "old", None]
    assert script(change, "adopt.sh") == (0, "")
    assert contents(boot) == ["new", None, "new"]
    assert modes(boot) == [0o600, None, 0o604], "the mode of a file that is there stays"
    assert Path(f"{tmp_path}/aside{RECOVER_LINK}").is_symlink()
    assert script(change, "finish.sh") == (0, "")
    assert not Path(f"{tmp_path}/aside{RECOVER_LINK}").is_symlink()
    assert script(change, "restore.sh") == (0, "")
    assert contents(boot) == ["new", None, "new"]


@pytest.mark.parametrize("ending", [("adopt.sh", "finish.sh"), ("restore.sh",)], ids=["confirmed", "rolled back"])
@pytest.mark.parametrize("unit", [ROLLBACK, SWITCH])
def test_what_ends_a_change_ends_what_watches_over_its_timer_unless_that_is_what_runs_it(tmp_path: Path, ending: Tuple[str, ...], unit: str) -> None:
    """systemd would kill what it stops."""
    change = laid_out(tmp_path, ())
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\n[ -e {tmp_path}/aside{OPEN} ] && echo "$*" >> {tmp_path}/asked\n')
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "cgroup").write_text(f"12:pids:/user.host_plan\n0::/system.host_plan/{unit}.service\n")
    for path in Path(change.folder).glob("*.sh"):
        text = path.read_text().replace("/proc/self/cgroup", f"{tmp_path}/cgroup")
        path.write_text(text.replace("true stop", f"{tmp_path}/systemctl stop"))
    Path(f"{tmp_path}/aside{OPEN}").parent.mkdir(parents=True)
    Path(f"{tmp_path}/aside{OPEN}").touch()
    assert [script(change, name) for name in ("switch.sh", *ending)] == [(0, "")] * (len(ending) + 1)
    stopped = [f"stop {ROLLBACK}.timer"] + ([] if unit == SWITCH else [f"stop {SWITCH}.timer {SWITCH}.service"])
    assert (tmp_path / "asked").read_text().splitlines() == stopped


@pytest.mark.parametrize("boot_id", ["", "another boot"])
def test_what_was_adopted_and_not_finished_is_put_back_with_the_reason(tmp_path: Path, boot: Tuple[FileChange, ...], boot_id: str) -> None:
    change = laid_out(tmp_path, boot, boot_id)
    script(change, "switch.sh")
    script(change, "adopt.sh")
    assert script(change, "restore.sh", "we said so") == (0, "")
    assert contents(boot) == ["old", "old", None]
    assert modes(boot) == [0o600, 0o640, None]
    assert (Path(change.folder) / "reason").read_text(encoding="utf-8") == "we said so\n"
    assert script(change, "finish.sh")[0] == 3
    assert script(change, "adopt.sh")[0] == 3
    assert contents(boot) == ["old", "old", None]


def test_what_cannot_be_put_back_is_not_called_restored(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    change = laid_out(tmp_path, boot)
    script(change, "switch.sh")
    script(change, "adopt.sh")
    (Path(change.folder) / "old-0").unlink()
    assert script(change, "restore.sh")[0] == 1
    assert not (Path(change.folder) / RESTORED).exists()


def test_a_file_that_cannot_be_written_takes_all_back(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    (tmp_path / "deep").write_text("a file where a folder is needed", encoding="utf-8")
    change = laid_out(tmp_path, boot)
    script(change, "switch.sh")
    said = script(change, "adopt.sh")[1]
    assert "could not be written" in said
    assert contents(boot)[:2] == ["old", "old"]
    assert (Path(change.folder) / RESTORED).exists()


def test_a_file_of_which_only_a_part_could_be_written_leaves_no_part(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    """As where /run is full."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cp").write_text('#!/bin/sh\nfor last; do :; done\nprintf part > "$last"\necho "No space left on device" >&2\nexit 1\n')
    (programs / "cp").chmod(0o755)
    change = laid_out(tmp_path, boot)
    script(change, "switch.sh")
    adopting = Path(change.folder) / "adopt.sh"
    adopting.write_text(adopting.read_text().replace("PATH=", f"PATH={programs}:", 1))
    assert "could not be written: No space left on device" in script(change, "adopt.sh")[1]
    assert contents(boot) == ["old", "old", None] and list(tmp_path.rglob("*.smallfleet-new")) == []


def test_nothing_is_adopted_that_was_not_carried_out(tmp_path: Path, boot: Tuple[FileChange, ...]) -> None:
    change = laid_out(tmp_path, boot)
    assert script(change, "adopt.sh")[0] == 1
    assert script(change, "finish.sh")[0] == 1
    assert contents(boot) == ["old", "old", None]


def test_ifupdown_is_told_what_is_up_and_told_again_when_it_is_taken_back(tmp_path: Path) -> None:
    state = tmp_path / "run/network/ifstate"
    state.parent.mkdir(parents=True)
    state.write_text("lo=lo\neth0=lan\n", encoding="utf-8")
    claims = (Claim("eth0", "lan\n", "eth0\n"), Claim("br0", "", "br0\n"))
    change = laid_out(tmp_path, (), control=BACKENDS["ifupdown"].control, claims=claims)
    script(change, "switch.sh")
    assert script(change, "adopt.sh") == (0, "")
    assert sorted(state.read_text(encoding="utf-8").split()) == ["br0=br0", "eth0=eth0", "lo=lo"]
    assert (state.parent / "ifstate.br0").read_text(encoding="utf-8") == "br0\n"
    assert script(change, "restore.sh") == (0, "")
    assert sorted(state.read_text(encoding="utf-8").split()) == ["eth0=lan", "lo=lo"]


def test_networkmanager_finds_whose_profile_is_active_under_the_number_of_the_interface(tmp_path: Path) -> None:
    number = Path("/sys/class/net/lo/ifindex").read_text(encoding="utf-8").strip()
    kept = tmp_path / f"run/NetworkManager/devices/{number}"
    claims = (Claim("lo", "", "[device]\nmanaged=true\n"), Claim("there-is-none", "", "[device]\n"))
    change = laid_out(tmp_path, (), control=BACKENDS["networkmanager"].control, claims=claims)
    script(change, "switch.sh")
    assert script(change, "adopt.sh") == (0, "")
    assert [path.name for path in kept.parent.iterdir()] == [number]
    assert kept.read_text(encoding="utf-8") == "[device]\nmanaged=true\n"
    assert script(change, "restore.sh") == (0, "")
    assert list(kept.parent.iterdir()) == []
