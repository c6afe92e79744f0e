# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two running guests and their host, from macvtap to a bridge, under real libvirt and QEMU.

The tests run in the order in which they stand here; all but the last leave host and guests on macvtap.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import CLIENT, Mover, ansible, kill, start, until  # noqa: E402

HOST = Mover(SCENARIO, "molecule-replace-macvtap", "vmhost", 1)
GUESTS = {"still": ("198.18.0.101", "2001:db8:0:1::101"), "nimble": ("198.18.0.102", "2001:db8:0:1::102")}
INVENTORY = str(SCENARIO / "inventory")
ASK = "import socket, sys; print(socket.create_connection((sys.argv[1], 79), timeout=3).makefile().read())"
LEFT = "find /var/lib/smallfleet/libvirt/moves /var/lib/libvirt/qemu/save /run/smallfleet -type f 2>/dev/null || :"
BOTH = {name: {"method": method, "addresses": list(GUESTS[name])} for name, method in (("still", "suspend"), ("nimble", "replug"))}
AWAY = {"method": "suspend", "addresses": [GUESTS["still"][0], "2001:db8:0:1::99"]}

testinfra_hosts = ["ansible://vmhost"]


def replace(*options: str, guests: Any = None, **variables: Any) -> Tuple[int, str]:
    """The playbook, with guests other than the inventory's, and what it says."""
    given = {**variables, **({"replace_macvtap_guests": guests} if guests is not None else {})}
    return ansible(*command(*options, **given))


def command(*options: str, **variables: Any) -> Tuple[str, ...]:
    return ("ansible-playbook", "-i", INVENTORY, "playbooks/replace-macvtap.yml", "-e", json.dumps(variables), *options)


def reaches(node: str, address: str) -> bool:
    try:
        return bool(HOST.on(f"ping -n -c 1 -W 1 {address}", node=node))
    except subprocess.CalledProcessError:
        return False


def facts(address: str) -> Dict[str, str]:
    """What a guest says of itself to the peer, as soon as it answers."""
    found: Dict[str, str] = {}

    def asked() -> bool:
        try:
            said = HOST.on(f"python3 -c '{ASK}' {address}", node="peer")
        except subprocess.CalledProcessError:
            return False
        found.update(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return "boot_id" in found

    until(asked, 90)
    return found


def boots() -> Dict[str, str]:
    return {name: facts(addresses[0])["boot_id"] for name, addresses in GUESTS.items()}


def qemu(name: str) -> str:
    """The process that runs a guest."""
    return HOST.on(f"cat /run/libvirt/qemu/{name}.pid").strip()


def plain(xml: str) -> str:
    """A definition without what libvirt numbers anew."""
    return re.sub(r" id='\d+'|macvtap\d+|<seclabel.*?</seclabel>", "", xml, flags=re.DOTALL)


def world() -> List[str]:
    """All that must be as it was: definitions, links, addresses, the network's files, and what is noted."""
    definitions = [HOST.on(f"virsh dumpxml {name} {option}") for name in GUESTS for option in ("", "--inactive")]
    found = [plain(one) for one in definitions]
    links = json.loads(HOST.on("ip -json -details link show"))
    found += sorted(f"{link['ifname'].rstrip('0123456789')} {link.get('link')} {link.get('master')}" for link in links)
    found.append(str({name: there for name, there in HOST.addresses().items() if there}))
    found.append(HOST.on("ls /etc/systemd/network /run/systemd/network"))
    return [*found, HOST.on(LEFT), HOST.left()]


def ports() -> List[str]:
    """Of the bridge: kind of each, or nothing where there is no bridge."""
    links = json.loads(HOST.on("ip -json -details link show"))
    return sorted(link["ifname"].rstrip("0123456789") for link in links if link and link.get("master") == "br0")


def watched(act: Callable[[], Any]) -> Tuple[Any, Dict[str, float]]:
    """What ``act`` gives, and for how many milliseconds in one piece the peer had no answer from each address, asked every 10 ms."""
    targets = {f"{name} {'IPv6' if ':' in ip else 'IPv4'}": ip for name, addresses in GUESTS.items() for ip in addresses}
    targets["host IPv4"], targets["host IPv6"] = HOST.v4, HOST.v6
    pings = {name: start(*HOST.ssh(f"echo $$; exec ping -n -D -i 0.01 -w 120 {ip}", node="peer")) for name, ip in targets.items()}
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
    for address in [ip for addresses in GUESTS.values() for ip in addresses]:
        until(lambda address=address: reaches("peer", address))
        assert not reaches("vmhost", address)
    said = ansible("ansible", "-i", INVENTORY, "vmhost", "-e", "ansible_python_interpreter=/usr/bin/python3", "-m", "smallfleet.infra.macvtap_info")[1]
    assert said.count('"this host"') == 2 and "guest still" in said and "guest nimble" in said


def test_what_cannot_be_is_refused_before_anything_is_changed():
    before = world()
    status, said = replace(guests={"still": {"method": "magic"}, "other": {"addresses": ["198.18.0.9"]}})
    assert status != 0 and "Nothing was changed" in said and "magic is no method. Write suspend or replug" in said
    status, said = replace(guests={"other": {"addresses": ["198.18.0.9"]}}, network_provider_mac_filter=True)
    assert status != 0 and '"reason": "refused"' in said
    for part in ("the provider lets only the card's own MAC through", "libvirt has no guest of that name", "at which addresses still must answer"):
        assert part in said, part
    assert world() == before


def test_check_mode_shows_each_step_and_how_long_each_guest_will_be_away_and_does_nothing():
    before = world()
    status, said = replace("--check", "--diff")
    assert status == 0, said
    for part in ("make the bridge br0 beside eth0", "save the memory of still (128 MiB)", "ip link set dev eth0 master br0",
                 "suspend: about", "replug: about"):
        assert part in said, part
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
    HOST.on(f"cat > /root/client.py <<'E'\n{CLIENT.replace('4444', '7')}\nE", node="peer")
    stream = start(*HOST.ssh(f"python3 /root/client.py {GUESTS['still'][0]} 30", node="peer"))
    (status, said), gaps = watched(replace)
    assert status == 0, said
    turns, longest_turn = (int(word) for word in stream.communicate(timeout=60)[0].split())
    with capsys.disabled():
        table = "; ".join(f"{name} {gap:.0f}" for name, gap in gaps.items())
        print(f"\nmilliseconds without an answer: {table}. TCP into still: {turns} turns, longest {longest_turn} ms")
        print("expected: " + "; ".join(re.findall(r'"expected": "([^"]*)', said)[:2]))
    assert turns > 20
    assert max(gaps.values()) < 30000 and max(gaps["host IPv4"], gaps["host IPv6"]) < 2000
    assert boots() == running
    assert qemu("nimble") == processes["nimble"]
    assert ports() == ["eth", "vnet", "vnet"] and HOST.addresses()["br0"] == {HOST.v4, HOST.v6} and not HOST.addresses()["eth0"]
    for address in [ip for addresses in GUESTS.values() for ip in addresses]:
        assert reaches("vmhost", address)
        for node, other in (("vmhost", HOST.v4), ("peer", address)):
            assert reaches(node, other)
    for name in GUESTS:
        defined = HOST.on(f"virsh dumpxml {name} --inactive")
        assert "<source bridge='br0'/>" in defined and "direct" not in defined
    assert HOST.on(LEFT) == "" and HOST.left() == "" and "ifalias" not in HOST.on("ip -json link show br0")


def test_a_second_run_changes_nothing():
    before = world()
    status, said = replace()
    assert status == 0 and said.count("changed=0") == 2, said
    status, said = ansible("ansible-playbook", "-i", INVENTORY, "playbooks/site.yml", "--check", "--tags", "network")
    assert status == 0, said
    assert world() == before
