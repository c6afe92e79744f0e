# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs add, made by ip(8) with their protocols, priorities and tables in a namespace of this machine, taken away as a
network service does and put back by the script. The programs themselves are not on this machine.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.foreign_script import (
    LEFT,
    RESTORE,
    SAVE,
    Foreign,
    busy_function,
    foreign_script,
)

from .namespace import Namespace

OURS = ("address add 192.0.2.10/24 dev eth0", "route add 198.51.100.128/25 via 192.0.2.1 dev eth0 proto static")
OURS6 = ("address add 2001:db8::10/64 dev eth0 nodad",)
LIKE = {
    "flannel": ("link add flannel.1 type bridge", "link set flannel.1 up", "route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink"),
    "flannel's host-gw": ("route add 10.245.1.0/24 via 192.0.2.12 dev eth0",),
    "Calico's bird": (
        "route add 10.1.0.0/26 via 192.0.2.13 dev eth0 proto bird mtu lock 1400 initcwnd 10 src 192.0.2.10",
        "route add blackhole 10.1.0.64/26 proto 80",
        "route add 10.2.0.0/24 proto 12 nexthop via 192.0.2.1 dev eth0 weight 2 nexthop via 192.0.2.2 dev eth0 weight 1",
    ),
    "FRR": (
        "nexthop add id 7 via 192.0.2.1 dev eth0 proto zebra",
        "nexthop add id 8 encap ip dst 10.0.0.1 via 192.0.2.1 dev eth0 proto zebra",
        "route add 10.8.0.0/16 nhid 7 proto bgp metric 20",
        "route add 10.18.0.0/16 nhid 8 proto bgp metric 20",
    ),
    "Tailscale": (
        "rule add priority 5210 fwmark 0x80000/0xff0000 lookup 254",
        "rule add priority 5250 fwmark 0x80000/0xff0000 type unreachable",
        "rule add priority 5270 lookup 52",
        "route add 100.64.0.7/32 dev eth0 table 52",
        "route add throw 127.0.0.0/8 table 52",
    ),
    "wg-quick": (
        "rule add not fwmark 51820 table 51820 priority 32764",
        "rule add table main suppress_prefixlength 0 priority 32765",
        "route add 0.0.0.0/0 dev eth0 table 51820",
    ),
    "keepalived": (
        "address add 192.0.2.100/32 dev eth0",
        "address add 192.0.2.101/24 dev eth0 label eth0:vip",
        "address add 192.0.2.102/32 dev eth0 preferred_lft 0",
        "route add 198.51.100.0/25 via 192.0.2.9 dev eth0 proto keepalived src 192.0.2.100",
    ),
    "strongSwan": ("rule add priority 220 lookup 220", "route add 10.9.0.0/16 via 192.0.2.1 dev eth0 proto static table 220 src 192.0.2.10"),
    "a policy": ("rule add priority 77 iif eth0 oif eth0 ipproto tcp dport 22-24 tos 0x10 goto 32766",),
}
LIKE6 = {
    "kube-vip": ("address add 2001:db8::100/128 dev eth0 nodad preferred_lft 0", "address add fe80::100/128 dev eth0 nodad"),
    "Calico's bird": (
        "route add 2001:db8:1::/64 via fe80::13 dev eth0 proto bird mtu 1400",
        "route add 2001:db8:2::/64 proto 12 nexthop via fe80::1 dev eth0 nexthop via fe80::2 dev eth0",
        "route add unreachable 2001:db8:3::/64 proto 12",
    ),
    "FRR": (
        "route add 2001:db8:4::/64 encap seg6 mode encap segs fc00::1,fc00::2 dev eth0 proto bgp",
        "route add 2001:db8:5::/64 encap seg6 mode inline segs fc00::1,fc00::2 dev eth0 proto bgp",
    ),
    "Tailscale": ("rule add priority 5270 lookup 52", "route add fd7a:115c:a1e0::/48 dev eth0 table 52"),
    "wg-quick": ("rule add not fwmark 51820 table 51820 priority 32764", "route add ::/0 dev eth0 table 51820"),
}
LOOKS = ("-d address show dev eth0", "nexthop", *(f"-{family} {what}" for family in (4, 6) for what in ("-N -d route show table all", "-d rule")))


def lines(*groups: object) -> str:
    return "".join(f"{line}\n" for group in groups for line in group)  # type: ignore[attr-defined]


def seen(namespace: Namespace) -> List[str]:
    """All but the routes and rules of the kernel itself."""
    text = "".join(namespace.run("ip", *look.split()) for look in LOOKS)
    return sorted(line.strip() for line in text.splitlines() if not re.search(r" proto (2|kernel)\b", line))


def run(namespace: Namespace, folder: Path, verb: str, foreign: Foreign = Foreign()) -> None:
    (folder / "foreign.sh").write_text(foreign_script(str(folder), foreign), encoding="utf-8")
    namespace.run("sh", str(folder / "foreign.sh"), verb)


@pytest.fixture(name="plain_host")
def fixture_plain_host() -> Iterator[Namespace]:
    """A host to whose network no program has added anything."""
    namespace = Namespace()
    if namespace.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    namespace.clear(True)
    yield namespace
    namespace.close()


@pytest.fixture(name="host")
def fixture_host(plain_host: Namespace) -> Namespace:
    namespace = plain_host
    namespace.run("ip", "link", "set", "eth0", "addrgenmode", "none")
    namespace.run("ip", "-6", "address", "flush", "dev", "eth0")
    namespace.run("ip", "-4", "-batch", "-", text=lines(OURS, *LIKE.values()))
    namespace.run("ip", "-6", "-batch", "-", text=lines(OURS6, *LIKE6.values()))
    return namespace


FOREIGN = Foreign(("192.0.2.10", "2001:db8::10"), (("10.9.0.0/16", 220),))


def take_away(namespace: Namespace, ours: bool) -> None:
    """As systemd-networkd does when it configures an interface anew; ``ours``: it gives back what it knows of."""
    for family in "46":
        namespace.run("ip", f"-{family}", "rule", "flush")
        namespace.run("ip", f"-{family}", "rule", "add", "priority", "32766", "lookup", "main", "protocol", "kernel")
        for kind in ("blackhole", "unreachable", "throw"):
            namespace.run("ip", f"-{family}", "route", "flush", "table", "all", "type", kind, check=False)
        for table in ("main", "52", "220", "51820"):
            for card in ("eth0", "flannel.1"):
                namespace.run("ip", f"-{family}", "route", "flush", "table", table, "dev", card, check=False)
    namespace.run("ip", "nexthop", "flush")
    namespace.run("ip", "address", "flush", "dev", "eth0")
    namespace.run("sh", "-c", "ip link set flannel.1 down; ip link set flannel.1 up")
    if ours:
        namespace.run("ip", "-4", "-batch", "-", text=lines(OURS))
        namespace.run("ip", "-6", "-batch", "-", text=lines(OURS6))


def test_what_programs_like_flannel_calico_tailscale_keepalived_and_wg_quick_have_added_comes_back_word_for_word(host, tmp_path) -> None:
    before = seen(host)
    run(host, tmp_path, SAVE, FOREIGN)
    take_away(host, ours=True)
    assert seen(host) != before
    run(host, tmp_path, RESTORE, FOREIGN)
    assert set(seen(host)) ^ set(before) == set()
    assert (tmp_path / LEFT).read_text(encoding="utf-8") == ""


def test_where_programs_have_added_nothing_the_network_is_not_read_again(plain_host, tmp_path) -> None:
    """On a slow host that would take as long as everything else together."""
    run(plain_host, tmp_path, SAVE, Foreign(("203.0.113.9",)))
    (tmp_path / "foreign.now").unlink()
    run(plain_host, tmp_path, RESTORE)
    assert (tmp_path / "foreign.before").read_text(encoding="utf-8") == (tmp_path / LEFT).read_text(encoding="utf-8") == ""
    assert not (tmp_path / "foreign.now").exists()


def test_what_an_interrupted_change_has_not_put_back_is_put_back_after_the_next_reload(host, tmp_path) -> None:
    """The host was about to put it back when its script was killed, and the rollback remembers only what is still there."""
    before = seen(host)
    run(host, tmp_path, SAVE, FOREIGN)
    take_away(host, ours=True)
    run(host, tmp_path, SAVE, FOREIGN)
    run(host, tmp_path, RESTORE, FOREIGN)
    assert set(seen(host)) ^ set(before) == set()


def test_what_went_before_a_later_reload_is_a_program_s_own_doing_and_stays_away(host, tmp_path) -> None:
    for _reload in range(2):
        run(host, tmp_path, SAVE, FOREIGN)
        run(host, tmp_path, RESTORE, FOREIGN)
        host.run("ip", "address", "del", "192.0.2.101/24", "dev", "eth0", check=False)
    assert "192.0.2.101" not in host.run("ip", "address") and "192.0.2.100" in host.run("ip", "address")


def test_addresses_of_the_inventory_and_of_boot_configurations_are_not_put_back_and_neither_are_their_routes(host, tmp_path) -> None:
    run(host, tmp_path, SAVE, FOREIGN)
    take_away(host, ours=False)
    run(host, tmp_path, RESTORE, FOREIGN)
    there = host.run("ip", "address") + host.run("ip", "route", "show", "table", "all")
    assert "192.0.2.10/24" not in there and "198.51.100.128/25" not in there and "192.0.2.101/24" in there


def test_what_the_kernel_refuses_is_told_and_keeps_nothing_else_from_coming_back(host, tmp_path) -> None:
    run(host, tmp_path, SAVE, FOREIGN)
    take_away(host, ours=True)
    host.run("ip", "link", "delete", "flannel.1")
    run(host, tmp_path, RESTORE, FOREIGN)
    (left,) = (tmp_path / LEFT).read_text(encoding="utf-8").splitlines()
    assert "10.244.1.0/24 via 10.244.1.0 dev flannel.1" in left
    assert "10.1.0.0/26 via 192.0.2.13 dev eth0 proto bird" in host.run("ip", "route")


@pytest.mark.parametrize(
    ("bodies", "waits"), [((), False), (("return 1",), False), (("true",), True), (("return 1", "true"), True), (("true", "return 1"), True)]
)
def test_it_waits_while_any_program_still_acts(bodies: Tuple[str, ...], waits: bool) -> None:
    text = busy_function([f"    {body}\n" for body in bodies])
    assert (subprocess.run(["sh", "-c", f"{text}busy"], check=False).returncode == 0) == waits
