# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same change on hosts whose network is configured at boot by ifupdown, ifupdown2, netplan, NetworkManager and
systemd-networkd.

The tests run in the order in which they stand here; each leaves the addresses of the hosts on their bridges. What takes
its time is done on all hosts at once. SMALLFLEET_MOVES says how often each move is measured; where it is set, so is what the
usual tools cost for the same change.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import Loss, Mover, Stream, ansible, until

MOVES = int(os.environ.get("SMALLFLEET_MOVES", "1"))
BESIDE = "SMALLFLEET_MOVES" in os.environ
NODES = {
    "ifupdown": ("debian", 1),
    "ifupdown2": ("hypervisor", 5),
    "netplan": ("cloud", 2),
    "networkmanager": ("desktop", 3),
    "networkd": ("plain", 4),
}
MOVERS = {backend: Mover(SCENARIO, "molecule-network-backends", node, number, peer_number=9) for backend, (node, number) in NODES.items()}
FOLDERS = {
    "ifupdown": "/etc/network",
    "ifupdown2": "/etc/network",
    "netplan": "/etc/netplan",
    "networkmanager": "/etc/NetworkManager/system-connections",
    "networkd": "/etc/systemd/network",
}
OURS = {
    "ifupdown": {"smallfleet-0-eth0", "smallfleet-1-br0"},
    "ifupdown2": {"smallfleet-0-eth0", "smallfleet-1-br0"},
    "netplan": {"90-smallfleet-0-eth0.yaml", "90-smallfleet-1-br0.yaml"},
    "networkmanager": {"smallfleet-eth0.nmconnection", "smallfleet-br0.nmconnection"},
    "networkd": {"05-smallfleet-eth0.network", "05-smallfleet-br0.network", "05-smallfleet-br0.netdev"},
}
NETWORKD = "networkctl list --no-legend | awk '$2 != \"lo\" {print $2, $4, $5}'"
CONNECTED = {
    "ifupdown": ("ifquery --state", "br0=br0 eth0=eth0 lo=lo", "eth0=eth0 lo=lo"),
    "ifupdown2": (
        "ifquery --check --all | awk '/^iface (eth0|br0) / {print $2, $3, $NF}'",
        "br0 inet [pass] br0 inet6 [pass] eth0 inet [pass]",
        "eth0 inet [pass] eth0 inet6 [pass]",
    ),
    "netplan": (NETWORKD, "br0 routable configured eth0 enslaved configured", "eth0 routable configured"),
    "networkmanager": (
        "nmcli --terse --fields DEVICE,STATE,CONNECTION device | sed /^lo/d",
        "br0:connected:smallfleet-br0 eth0:connected:smallfleet-eth0",
        "eth0:connected:smallfleet-eth0",
    ),
    "networkd": (NETWORKD, "br0 routable configured eth0 enslaved configured", "eth0 routable configured"),
}
"""A command to ask the program, and what it says on the bridge and on the card."""
UP = "for turn in 1 2 3 4 5; do ip -4 -o address show dev br0 | grep -q inet && break; sleep 1; done"
# What is usually done once the files are those of the bridge. Each begins on the card.
USUAL = {
    "ifupdown": {"ifdown; ifup": ("ifdown eth0", "ifup eth0 br0")},
    "ifupdown2": {"ifreload": ("", "mkdir -p /etc/iproute2/rt_tables.d; ifreload --all")},  # Debian 13 lacks the folder
    # A container has no udev, which netplan(8) wants to tell of new names of cards before it goes on.
    "netplan": {"netplan apply, without udev": ("", "mkdir -p /root/none; ln -sf /bin/true /root/none/udevadm; PATH=/root/none:$PATH netplan apply")},
    "networkmanager": {"nmcli connection up": ("", "nmcli connection reload; nmcli connection up smallfleet-br0; nmcli connection up smallfleet-eth0")},
    "networkd": {
        "networkctl reload": ("", "networkctl reload"),
        "systemctl restart": ("", "systemctl restart systemd-networkd"),
    },
}

ROUTER = """
port=0
interface=eth0
bind-interfaces
dhcp-range=2001:db8:0:1::,ra-only,64,1h
enable-ra
ra-param=eth0,5
"""

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone
every_backend = pytest.mark.parametrize("backend", list(MOVERS))


def at_once(do: Callable[[str, Mover], Any]) -> Dict[str, Any]:
    """Backend -> what came of it. The first that fails fails it all."""
    with ThreadPoolExecutor(len(MOVERS)) as pool:
        running = {backend: pool.submit(do, backend, mover) for backend, mover in MOVERS.items()}
        return {backend: one.result() for backend, one in running.items()}


def connected(backend: str, bridge: bool = True) -> bool:
    """Whether the program itself says that it has configured all as it is."""
    command, on_bridge, on_card = CONNECTED[backend]
    wanted = on_bridge if bridge else on_card
    return sorted(MOVERS[backend].on(command).split()) == sorted(wanted.split())


def files(backend: str) -> Dict[str, str]:
    """Path -> checksum of the boot configuration."""
    said = MOVERS[backend].on(f"find {FOLDERS[backend]} -type f -exec sha256sum {{}} +")
    return {path: checksum for checksum, path in (line.split() for line in said.splitlines())}


def as_before(backend: str, mover: Mover) -> None:
    """On the bridge, now and at the next boot, with nothing left of an attempt."""
    found = mover.addresses()
    assert (found["br0"], found["eth0"]) == ({mover.v4, mover.v6}, set())
    assert not any(name.startswith("sf-") for name in found)
    assert mover.on("ip -json route show default").count('"gateway":"198.18.0.254","dev":"br0"') == 1
    assert not mover.under_way()
    assert OURS[backend] <= {Path(path).name for path in files(backend)}
    assert "00-0-smallfleet" not in mover.on("ls /run/systemd/network 2>&1 || :")
    assert mover.left() == ""
    until(lambda: connected(backend), 10)


@pytest.fixture(name="router", scope="module")
def advertising() -> Iterator[Callable[[], int]]:
    """A real dnsmasq on the peer advertises itself and a prefix every few seconds; how often it has."""
    mover = MOVERS["networkd"]
    serve = "systemd-run --quiet --collect --unit=router dnsmasq -k --log-facility=- -C /run/router.conf"
    mover.on(f"cat > /run/router.conf <<'E'\n{ROUTER}\nE\n{serve}", node="peer")
    yield lambda: int(mover.on("journalctl -u router | grep -c 'RTR-ADVERT(eth0)' || :", node="peer"))
    mover.on("systemctl stop router", node="peer")


@every_backend
def test_the_role_has_moved_the_addresses_to_the_bridge_and_the_program_knows_it(backend):
    as_before(backend, MOVERS[backend])


@every_backend
def test_the_boot_configuration_is_only_that_of_the_program_the_host_uses(backend):
    mover = MOVERS[backend]
    for other, names in OURS.items():
        there = mover.on(f"ls {FOLDERS[other]} {FOLDERS[other]}/interfaces.d 2>&1 || :")
        assert all((name in there) is (FOLDERS[other] == FOLDERS[backend]) for name in names), there


def test_what_others_have_written_for_the_same_interfaces_is_gone_where_it_would_count():
    assert "eth0" not in MOVERS["ifupdown"].on("cat /etc/network/interfaces")
    assert "eth0" not in MOVERS["netplan"].on("cat /etc/netplan/50-cloud-init.yaml")
    assert "lan.nmconnection" not in MOVERS["networkmanager"].on("ls /etc/NetworkManager/system-connections")
    assert "eth0" in MOVERS["networkd"].on("cat /etc/systemd/network/10-eth0.network")


def test_check_mode_tells_the_requests_to_the_kernel_and_the_files_and_does_nothing():
    def check(backend: str, mover: Mover) -> None:
        look = f"ip -o address; ip route; find {FOLDERS[backend]} /var/lib/smallfleet -type f | xargs sha256sum"
        before = mover.on(look)
        status, said = ansible(*mover.change(mover.on_card()), "--check", "--diff")
        assert status == 0, said
        assert f"ip address add {mover.v4}/24" in said and f'"backend": "{backend.rstrip("2")}"' in said
        gone = f"remove {FOLDERS[backend]}{'/interfaces.d' if FOLDERS[backend] == '/etc/network' else ''}/"
        assert any(f"{gone}{name}" in said for name in OURS[backend]), said
        assert mover.on(look) == before

    at_once(check)


def test_another_program_than_the_host_uses_is_refused_and_the_host_s_own_is_named():
    mover = MOVERS["networkmanager"]
    status, said = ansible(*mover.change(mover.on_bridge(), backend="networkd"))
    assert status != 0 and '"reason": "backend"' in said
    assert "systemd-networkd does not configure the network of this host" in said and "networkmanager" in said


def test_what_networkd_was_told_and_has_not_done_yet_is_found_before_the_change():
    """Else networkd would do it as soon as it is told of the change."""
    mover = MOVERS["networkd"]
    path = "/etc/systemd/network/20-br7.netdev"
    seven = {"name": "br7", "type": "bridge", "bridge": {"port": []}}
    desired = {**mover.on_bridge(), "interfaces": [*mover.on_bridge()["interfaces"], seven]}
    mover.on(f"printf '[NetDev]\\nName=br7\\nKind=bridge\\n' > {path}")
    status, said = ansible(*mover.change(desired))
    mover.on(f"rm {path}")
    assert status != 0 and "Nothing was changed" in said and f"interfaces.br7: {path} is for this interface" in said, said
    as_before("networkd", mover)


def measured(losses: List[Dict[str, Loss]], family: str) -> Tuple[float, float, int, float]:
    packets = [one[family].packets for one in losses]
    took = [one[family].milliseconds for one in losses]
    return median(packets), median(took), max(packets), max(took)


def row(backend: str, way: str, losses: List[Dict[str, Loss]]) -> str:
    cells = []
    for family in ("IPv4", "IPv6"):
        middle, took, worst, longest = measured(losses, family)
        cells.append(f"{middle:>7g} {took:>8.1f} {worst:>7d} {longest:>8.1f}")
    return f"{backend:15}{way:28}{cells[0]}  {cells[1]}"


def ours(mover: Mover, desired: Dict[str, Any]) -> Dict[str, Loss]:
    (status, said), losses = mover.watched(lambda: ansible(*mover.change(desired)))
    assert status == 0, said
    return losses


def by_hand(backend: str, mover: Mover, before: str, after: str) -> Dict[str, Loss]:
    """The usual tool, from the card to the bridge, with the files that the role has written for it. It runs on the host
    itself, for whoever runs it from elsewhere may be cut off.
    """
    script = f"{before}\nrm -rf {FOLDERS[backend]} && mv /root/bridge {FOLDERS[backend]}\n{after}\n{UP}\ntouch /root/done\n"
    mover.on(f"rm -f /root/done; echo {shlex.quote(script)} > /root/by-hand.sh")

    def act() -> None:
        mover.on("systemd-run --quiet --collect --unit=by-hand sh /root/by-hand.sh")
        until(lambda: mover.on("test -e /root/done && echo done"), 60, cut_off=True)

    _nothing, losses = mover.watched(act, 3)
    assert mover.addresses()["br0"] == {mover.v4, mover.v6}
    return losses


@every_backend
def test_a_move_under_load_costs_a_packet_and_no_connection(backend, capsys):
    """1 kHz pings of both families, an SSH session and a TCP stream from before, off the bridge and back onto it."""
    mover = MOVERS[backend]
    found: Dict[str, List[Dict[str, Loss]]] = {"ours, onto the bridge": [], "ours, off the bridge": []}
    for number in range(MOVES):
        stream = Stream(mover, 30) if number == 0 else None
        mover.on(f"rm -rf /root/bridge; cp -a {FOLDERS[backend]} /root/bridge")
        found["ours, off the bridge"].append(ours(mover, mover.on_card()))
        until(lambda: connected(backend, bridge=False), 10)
        found["ours, onto the bridge"].append(ours(mover, mover.on_bridge()))
        if stream is not None:
            turns, longest = stream.end()
        for tool, (before, after) in USUAL[backend].items() if BESIDE else ():
            assert ansible(*mover.change(mover.on_card()))[0] == 0
            found.setdefault(tool, []).append(by_hand(backend, mover, before, after))
            mover.on(f"cp -a {FOLDERS[backend]} /root/bridge")
    with capsys.disabled():
        print(f"\n{'':43}{'median IPv4':>16}{'worst IPv4':>16}  {'median IPv6':>16}{'worst IPv6':>16}")
        print(f"{MOVES:3d} of each, lost at 1 kHz".ljust(43) + "  ".join(["packets       ms packets       ms"] * 2))
        for way, losses in found.items():
            print(row(backend, way, losses))
        print(f"{backend:15}TCP {turns} turns, longest {longest} ms")
    assert turns > 100
    for family in ("IPv4", "IPv6"):
        assert measured(found["ours, onto the bridge"], family)[2] <= 3
        assert measured(found["ours, off the bridge"], family)[2] <= 5
    as_before(backend, mover)


def test_a_second_run_changes_nothing():
    def again(_backend: str, mover: Mover) -> None:
        status, said = ansible(*mover.change(mover.on_bridge()))
        assert status == 0 and '"changed": false' in said, said

    at_once(again)


@pytest.mark.usefixtures("router")
def test_a_wrong_change_is_taken_back_and_the_boot_configuration_has_not_been_touched():
    def wrong(backend: str, mover: Mover) -> None:
        before = files(backend)
        status, said = ansible(*mover.change(mover.on_card("198.18.0.99"), rollback_timeout=16))
        assert status != 0 and "is as it was before" in said, said
        assert "the gateway 198.18.0.99 does not answer on eth0" in said
        assert files(backend) == before
        as_before(backend, mover)

    at_once(wrong)


@pytest.mark.usefixtures("router")
def test_a_host_whose_controller_has_gone_goes_back_by_itself():
    def alone(backend: str, mover: Mover) -> None:
        token = f"the-token-of-the-forsaken-{time.time_ns()}"
        status, said = ansible(*mover.change(mover.on_card(), state="applied", token=token, rollback_timeout=10))
        assert status == 0, said
        until(lambda: mover.addresses()["eth0"] == {mover.v4, mover.v6})
        until(lambda: not mover.under_way())
        as_before(backend, mover)

    at_once(alone)


@pytest.mark.usefixtures("router")
def test_a_power_cut_before_the_confirmation_boots_what_was_confirmed_last():
    """Which is the bridge that the role has made: the lab itself has booted these hosts with their addresses on the card."""

    def cut(backend: str, mover: Mover) -> None:
        token = f"the-token-of-the-power-cut-{time.time_ns()}"
        status, said = ansible(*mover.change(mover.on_card(), state="applied", token=token, rollback_timeout=60))
        assert status == 0, said
        until(lambda: mover.addresses()["eth0"] == {mover.v4, mover.v6})
        mover.power("powered_off", "powered_on")
        until(lambda: connected(backend))
        gone, why = ansible(*mover.change({}, state="confirmed", token=token))
        assert gone != 0 and '"reason": "expired"' in why
        status, said = ansible(*mover.change(mover.on_bridge()))
        assert status == 0 and '"changed": false' in said, said
        as_before(backend, mover)

    at_once(cut)


def test_no_host_has_another_address_or_route_from_a_router_that_advertises_itself(router):
    """The hosts, whose addresses are all written down, have just booted; then once more after a change."""

    def move(_backend: str, mover: Mover) -> None:
        for desired in (mover.on_card(), mover.on_bridge()):
            status, said = ansible(*mover.change(desired))
            assert status == 0, said

    def untouched(backend: str, mover: Mover) -> None:
        as_before(backend, mover)
        assert mover.on("ip -6 route show default") == ""
        status, said = ansible(*mover.change(mover.on_bridge()))
        assert status == 0 and '"changed": false' in said, said

    for turn in range(2):
        if turn:
            at_once(move)
        enough = router() + 2
        until(lambda enough=enough: router() >= enough)
        at_once(untouched)
