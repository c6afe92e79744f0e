# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power of both primaries is cut while they take updates. They are virtual machines, and lose what was not synced."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import testinfra

SCENARIO = Path(__file__).resolve().parents[1]
LAB = "molecule-power-cut"
KEY = "/etc/smallfleet/dns/writer.key"
PRIMARIES = {"ns1": "198.18.0.11", "ns2": "198.18.0.12"}
SECONDARIES = ("198.18.0.13", "198.18.0.14")
STREAMS = {"bind.example.net": "ns1", "bind-signed.example.net": "ns1", "knot.example.net": "ns2"}
ENOUGH = 20  # acknowledged updates of each zone before the power is cut
PATIENCE = 300  # seconds; where there is no KVM the nodes are emulated

testinfra_hosts = ["ansible://ns3"]
pytestmark = pytest.mark.alone


def node(name: str, state: str) -> None:
    command = ["ansible", "-i", str(SCENARIO / "inventory"), "localhost", "-m", "smallfleet.infra.lab_node"]
    arguments = ["-a", f"name={LAB} node={name} state={state}"]
    done = subprocess.run([*command, *arguments], cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def both(state: str) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: node(name, state), PRIMARIES))
    for kept in Path(f"/var/lib/smallfleet/labs/{LAB}/cp").glob("*ns[12]*"):
        kept.unlink()  # a connection to a node that has lost its power would be waited for


def log(zone: str) -> str:
    return f"/run/{zone}.log"


def acknowledged(host, zone: str) -> list:
    return host.run(f"cat {log(zone)}").stdout.split()


def served(host, zone: str, server: str) -> dict:
    """Name -> text of all that was written, by transfer."""
    key = f"/etc/smallfleet/dns/{LAB}-transfer-{STREAMS[zone]}.key"
    said = host.run(f"dig -k {key} +tries=1 +time=5 +noall +answer +onesoa @{server} {zone} AXFR").stdout
    fields = [line.split(None, 4) for line in said.splitlines()]
    return {one[0].split(".")[0]: one[4].strip('"') for one in fields if len(one) == 5 and one[3] == "TXT"}


def await_that(what, why: str):
    end = time.monotonic() + PATIENCE
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, why
        time.sleep(0.5)


def serial(host, zone: str, server: str) -> int:
    said = host.run(f"dig +short +tries=1 +time=2 @{server} {zone} SOA").stdout.split()
    return int(said[2]) if len(said) == 7 else 0


@pytest.fixture(scope="module")
def cut(request):
    """Both primaries have lost their power in the middle of it, and are back."""
    host = testinfra.get_host("ansible://ns3", ansible_inventory=request.config.option.ansible_inventory)
    script = (SCENARIO / "tests/stream.py").read_text(encoding="utf-8")
    host.run_expect([0], f"cat > /run/stream.py <<'END'\n{script}\nEND")
    for zone, primary in STREAMS.items():
        arguments = f"{PRIMARIES[primary]} {zone} {KEY} {log(zone)}"
        host.run(f"systemctl stop stream-{zone}; rm -f {log(zone)}")
        host.check_output(f"systemd-run --collect --unit=stream-{zone} python3 /run/stream.py {arguments}")
    for zone in STREAMS:
        await_that(lambda zone=zone: len(acknowledged(host, zone)) >= ENOUGH, f"no stream to {zone}")
    both("powered_off")
    for zone in STREAMS:
        ended = f"systemctl is-active stream-{zone}"
        await_that(lambda ended=ended: host.run(ended).stdout.strip() != "active", "the stream goes on")
    both("powered_on")
    for zone, primary in STREAMS.items():
        await_that(lambda zone=zone, at=PRIMARIES[primary]: serial(host, zone, at), f"{primary} does not serve {zone}")
    return host


@pytest.mark.parametrize("zone", STREAMS)
def test_the_power_was_cut_in_the_middle(cut, zone):
    assert ENOUGH <= len(acknowledged(cut, zone)) < 2000


@pytest.mark.parametrize("zone", STREAMS)
def test_every_acknowledged_update_is_there_after_a_power_cut(cut, zone):
    found = served(cut, zone, PRIMARIES[STREAMS[zone]])
    told = acknowledged(cut, zone)
    lost = [name for name in told if found.get(name) != name.split("-")[1]]
    assert lost == [], f"{len(lost)} of {len(told)}"
    run = told[0].split("-")[0]
    assert len([name for name in found if name.startswith(run)]) <= len(told) + 1, "more than the one under way"


@pytest.mark.parametrize("server", SECONDARIES)
@pytest.mark.parametrize("zone", STREAMS)
def test_no_secondary_had_an_update_that_the_primary_has_lost(cut, zone, server):
    primary = PRIMARIES[STREAMS[zone]]
    await_that(lambda: serial(cut, zone, server) == serial(cut, zone, primary), f"{server} does not follow {primary}")
    last = acknowledged(cut, zone)[-1]
    assert dig(cut, f"{last}.log.{zone} TXT", server) == f'"{last.split("-")[1]}"'


@pytest.mark.parametrize("zone", STREAMS)
def test_updates_go_on_after_it_and_reach_the_secondaries(cut, zone):
    name = f"after{int(time.time())}.log.{zone}"
    lines = f"server {PRIMARIES[STREAMS[zone]]}\\nzone {zone}\\nupdate add {name} 60 TXT x\\nsend\\n"
    assert cut.run(f"printf '{lines}' | nsupdate -k {KEY}").stderr == ""
    for server in SECONDARIES:
        await_that(lambda server=server: dig(cut, f"{name} TXT", server) == '"x"', f"{server} has it not")


def dig(host, question: str, server: str) -> str:
    return host.run(f"dig +short +tries=1 +time=2 @{server} {question}").stdout.strip()
