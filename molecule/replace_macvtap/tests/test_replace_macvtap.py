# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two running guests and their host, from macvtap to a bridge, under real libvirt and QEMU.

The tests run in the order in which they stand here; all but the last leave host and guests on macvtap.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import CLIENT, PROJECT, Mover, ansible, kill, start, until

HOST = Mover(SCENARIO, "molecule-replace-macvtap", "vmhost", 1)
GUESTS = {"still": ("198.18.0.101", "2001:db8:0:1::101"), "nimble": ("198.18.0.102", "2001:db8:0:1::102")}
INVENTORY = str(SCENARIO / "inventory")
ASK = "import socket, sys; print(*[socket.create_connection((to, 79), timeout=3).makefile().read() for to in sys.argv[1:]])"
LEFT = "find /var/lib/smallfleet/libvirt/moves /var/lib/libvirt/qemu/save /run/smallfleet -type f 2>/dev/null || :"
BOTH = {name: {"method": method, "addresses": list(GUESTS[name])} for name, method in (("still", "suspend"), ("nimble", "replug"))}
AWAY = {"method": "suspend", "addresses": [GUESTS["still"][0], "2001:db8:0:1::99"]}

testinfra_hosts = ["ansible://vmhost"]
pytestmark = pytest.mark.alone


def replace(*options: str, guests: Any = None, **variables: Any) -> Tuple[int, str]:
    """The playbook, with guests other than the inventory's, and what it says."""
    given = {**variables, **({"replace_macvtap_guests": guests} if guests is not None else {})}
    return ansible(*command(*options, **given))


def command(*options: str, **variables: Any) -> Tuple[str, ...]:
    return ("ansible-playbook", "-i", INVENTORY, "playbooks/replace_macvtap.yml", "-e", json.dumps(variables), *options)


def reached(node: str, addresses: List[str]) -> List[str]:
    """Those that answer a ping: an echo goes both ways."""
    said = HOST.on("; ".join(f"ping -n -q -c 1 -W 1 {ip} >/dev/null && echo {ip}" for ip in addresses) + "; :", node=node)
    return said.split()


def boots() -> Dict[str, str]:
    """The boot of each guest by its own account, which it gives to the peer as soon as it answers."""
    found: Dict[str, str] = {}

    def asked() -> bool:
        said = HOST.on(f"python3 -c '{ASK}' {' '.join(addresses[0] for addresses in GUESTS.values())} 2>&1 || :", node="peer")
        found.update(zip(GUESTS, re.findall(r"boot_id=(\S+)", said)))
        return len(found) == len(GUESTS)

    until(asked, 90)
    return found


def qemu(name: str) -> str:
    """The process that runs a guest."""
    return HOST.on(f"cat /run/libvirt/qemu/{name}.pid").strip()


def plain(xml: str) -> str:
    """A definition without what libvirt numbers anew."""
    return re.sub(r" id='\d+'|macvtap\d+|<seclabel.*?</seclabel>", "", xml, flags=re.DOTALL)


def world() -> List[str]:
    """All that must be as it was: definitions, links, addresses, the network's files, and what is noted."""
    dumps = [f"virsh dumpxml {option} {name}" for name in GUESTS for option in ("--security-info", "--inactive")]
    asked = [*dumps, "ip -json -details link show", "ip -json address show", "ls /etc/systemd/network /run/systemd/network", LEFT]
    *definitions, links, addresses, files, left = HOST.on("; echo ====; ".join(asked)).split("====\n")
    shown = [f"{one['ifname'].rstrip('0123456789')} {one.get('link')} {one.get('master')}" for one in json.loads(links)]
    there = [f"{one['ifname']} {where['local']}" for one in json.loads(addresses) for where in one["addr_info"] if where["scope"] == "global"]
    return [*(plain(one) for one in definitions), *sorted(shown), *there, files, left, HOST.left()]


def ports() -> List[str]:
    """Of the bridge: names without numbers; none where there is no bridge."""
    links = json.loads(HOST.on("ip -json -details link show"))
    return sorted(link["ifname"].rstrip("0123456789") for link in links if link and link.get("master") == "br0")


def watched(act: Callable[[], Any]) -> Tuple[Any, Dict[str, float]]:
    """What ``act`` gives, and for how many milliseconds in one piece the peer had no answer from each address, asked every 20 ms."""
    targets = {f"{name} {'IPv6' if ':' in ip else 'IPv4'}": ip for name, addresses in GUESTS.items() for ip in addresses}
    targets["host IPv4"], targets["host IPv6"] = HOST.v4, HOST.v6
    pings = {name: start(*HOST.ssh(f"echo $$; exec ping -n -D -i 0.02 -w 120 {ip}", node="peer")) for name, ip in targets.items()}
    numbers = [(ping.stdout.readline() if ping.stdout else "").strip() for ping in pings.values()]
    time.sleep(1)
    try:
        given = act()
        time.sleep(1)
    finally:
        HOST.on(f"kill -INT {' '.join(numbers)}", node="peer")
        said = {name: ping.communicate(timeout=30)[0] for name, ping in pings.items()}
    return given, {name: longest(text) for name, text in said.items()}


def longest(text: str) -> float:
    """Of ping(8) with the time of each answer in brackets; milliseconds."""
    times = [float(found) for found in re.findall(r"^\[(\d+\.\d+)\] \d+ bytes from", text, re.MULTILINE)]
    assert len(times) > 100, text[-500:]
    return 1000 * max(after - before for before, after in zip(times, times[1:]))


def test_the_host_does_not_reach_its_guests_which_everybody_else_does():
    boots()
    everybody = [ip for addresses in GUESTS.values() for ip in addresses]
    until(lambda: reached("peer", everybody) == everybody)
    assert reached("vmhost", everybody) == []
    said = ansible("ansible", "-i", INVENTORY, "vmhost", "-e", "ansible_python_interpreter=/usr/bin/python3", "-m", "smallfleet.infra.macvtap_info")[1]
    assert said.count('"this host"') == 2 and "guest still" in said and "guest nimble" in said


def test_what_cannot_be_is_refused_before_anything_is_changed():
    before = world()
    status, said = replace(guests={"other": {"addresses": ["198.18.0.9"]}}, network_provider_mac_filter=True)
    assert status != 0 and '"reason": "refused"' in said
    for part in ("the provider lets only the card's own MAC through", "libvirt has no guest of that name", "at which addresses still must answer"):
        assert part in said, part
    assert world() == before


def test_check_mode_shows_each_step_and_how_long_each_guest_will_be_away_and_does_nothing():
    before = world()
    status, said = replace("--check", "--diff")
    assert status == 0, said
    for part in ("make the bridge br0 beside eth0", "save the memory of still (128 MiB)", "ip link set dev eth0 master br0", "suspend: about", "replug: about"):
        assert part in said, part
    assert world() == before


def test_the_modules_pass_their_integration_targets(monkeypatch):
    before = world()
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(PROJECT / "tests" / "integration" / "targets"))
    status, said = ansible("ansible-playbook", "-i", INVENTORY, str(SCENARIO / "module.yml"))
    assert status == 0, said
    assert said.count("Everything is as it should be") == 2
    assert world() == before


def test_a_guest_that_does_not_answer_on_the_bridge_goes_back_with_all_others_and_the_host_is_not_touched():
    before, running = world(), boots()
    status, said = replace(guests={**BOTH, "still": {"addresses": ["198.18.0.99"]}}, replace_macvtap_timeout=3)
    assert status != 0 and '"reason": "taken_back"' in said, said
    assert "guest still does not answer at 198.18.0.99 on br0" in said
    assert boots() == running
    assert world() == before


def test_a_guest_that_does_not_answer_the_host_has_the_whole_taken_back():
    before, running = world(), boots()
    status, said = replace(guests={**BOTH, "still": AWAY})
    assert status != 0 and '"reason": "rolled_back"' in said, said
    assert "2001:db8:0:1::99 does not answer" in said and "The guests are on their macvtaps again" in said
    assert boots() == running
    assert world() == before


def test_a_run_that_was_cut_off_is_taken_back_by_one_that_may_not_go_on():
    before, running = world(), boots()
    cut = start(*command(replace_macvtap_guests={**BOTH, "still": AWAY}))
    until(lambda: HOST.under_way() and "eth" in ports())
    kill(cut)
    until(lambda: not HOST.under_way())
    assert ports() == ["vnet", "vnet"] and HOST.on(LEFT).count(".json") == 2
    status, said = replace(network_provider_mac_filter=True)
    assert status != 0 and '"reason": "taken_back"' in said and "the card's own MAC" in said, said
    assert boots() == running
    assert world() == before


def test_host_and_guests_move_and_reach_each_other_and_no_guest_is_restarted(capsys):
    running, processes = boots(), {name: qemu(name) for name in GUESTS}
    HOST.on(f"rm -f /run/enough; cat > /root/stream.py <<'E'\n{CLIENT}\nE", node="peer")
    stream = start(*HOST.ssh(f"python3 /root/stream.py {GUESTS['still'][0]} 200 7", node="peer"))
    (status, said), gaps = watched(replace)
    assert status == 0, said
    HOST.on("touch /run/enough", node="peer")
    turns, longest_turn = (int(word) for word in stream.communicate(timeout=60)[0].split())
    with capsys.disabled():
        table = "; ".join(f"{name} {gap:.0f}" for name, gap in gaps.items())
        print(f"\nmilliseconds without an answer: {table}. TCP into still: {turns} turns, longest {longest_turn} ms")
        print("foretold: " + "; ".join(re.findall(r'"expected": "([^(]*?) without', said)[:2]))
    assert turns > 20
    assert max(gaps.values()) < 30000 and max(gaps["host IPv4"], gaps["host IPv6"]) < 2000
    assert boots() == running
    assert qemu("nimble") == processes["nimble"]
    assert ports() == ["eth", "vnet", "vnet"] and HOST.addresses()["br0"] == {HOST.v4, HOST.v6} and not HOST.addresses()["eth0"]
    everybody = [ip for addresses in GUESTS.values() for ip in addresses]
    assert reached("vmhost", everybody) == everybody == reached("peer", everybody)
    for name in GUESTS:
        defined = HOST.on(f"virsh dumpxml {name} --inactive")
        assert "<source bridge='br0'/>" in defined and "direct" not in defined
    assert HOST.on(LEFT) == "" and HOST.left() == ""


def test_a_second_run_changes_nothing():
    before = world()
    status, said = replace()
    assert status == 0 and said.count("changed=0") == 2, said
    assert world() == before
