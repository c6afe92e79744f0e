# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking and writing as clients do, and running the role again."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping

import yaml

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = SCENARIO / "inventory"
NS1, NS2 = "198.18.0.11", "198.18.0.12"
NS1_IPV6, NS2_IPV6 = "2001:db8:0:1::b", "2001:db8:0:1::c"
STORE = "/etc/smallfleet/dns"
UPDATE_KEY = f"{STORE}/molecule-dns-update.key"
TRANSFER_KEY = f"{STORE}/molecule-dns-transfer-ns1.key"
OWN_KEY = f"{STORE}/client1-own.key"
ZONE = "dns.example.net"
HIDDEN = "hidden.example.net"


def dig(asker: Any, question: str, server: str = NS1) -> list:
    return sorted(asker.check_output(f"dig +short +tries=1 +time=3 @{server} {question}").splitlines())


def serial(asker: Any, zone: str, server: str) -> int:
    return int(asker.check_output(f"dig +short +tries=1 +time=3 @{server} {zone} SOA").split()[2])


def nsupdate(writer: Any, server: str, lines: str, key: str = "", zone: str = ZONE) -> str:
    """Send an update; what nsupdate says, which is nothing when it was done."""
    option = f"-k {key}" if key else ""
    said = writer.run(f"printf 'server {server}\\nzone {zone}\\n{lines}\\nsend\\n' | nsupdate {option}")
    return (said.stdout + said.stderr).strip()


def nsupdates(writer: Any, server: str, updates: Mapping[str, str], key: str) -> Dict[str, str]:
    """The same for many updates, each sent by itself: what each is about -> what nsupdate says."""
    parts = [f"printf 'server {server}\\nzone {ZONE}\\n{lines}\\nsend\\n' | nsupdate -k {key} 2>&1; echo --" for lines in updates.values()]
    said = writer.run("\n".join(parts)).stdout.split("--\n")
    assert len(said) == len(updates) + 1, said
    return {what: text.strip() for what, text in zip(updates, said)}


def transfer(asker: Any, zone: str, key: str = "", server: str = NS1, option: str = "") -> str:
    """What dig says of a whole zone."""
    signed = f"-k {key}" if key else ""
    return str(asker.check_output(f"dig +tries=1 +time=5 {option} {signed} @{server} {zone} AXFR; true"))


def soon(question: Callable[[], Any], wanted: Any, seconds: float = 10.0) -> float:
    """Wait until the answer is as wanted; how long it took."""
    start = time.monotonic()
    while (said := question()) != wanted:
        assert time.monotonic() < start + seconds, f"{said!r} instead of {wanted!r} after {seconds:g} s"
        time.sleep(0.1)
    return time.monotonic() - start


def play(playbook: Path, *options: str, inventory: Path = INVENTORY, fails: bool = False) -> str:
    """Run a playbook; what it prints."""
    command = ["ansible-playbook", "-i", str(inventory), *options, str(playbook)]
    done = subprocess.run(command, cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def converge(*options: str, inventory: Path = INVENTORY, limit: str = "ns1", fails: bool = False) -> str:
    """Run the role again, as molecule ran it."""
    return play(SCENARIO / "converge.yml", "--limit", limit, *options, inventory=inventory, fails=fails)


@contextlib.contextmanager
def other_inventory(folder: Path, change: Callable[[Dict[str, Any]], None]) -> Iterator[Path]:
    """The scenario's inventory with its variables changed."""
    copy = folder / "inventory"
    shutil.copytree(INVENTORY, copy)
    path = copy / "group_vars" / "all.yml"
    variables = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(variables)
    path.write_text(yaml.safe_dump(variables, sort_keys=False), encoding="utf-8")
    yield copy
