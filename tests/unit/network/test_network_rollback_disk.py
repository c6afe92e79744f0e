# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollback says that the network is as it was only when it has compared all of it, whatever the disk takes."""

from __future__ import annotations

from typing import List

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.kernel_scripts import BEFORE, DIFFERS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import APPLIED, RESTORED

from .guarded import prepare
from .rollback_host import Host, another_address

FULL = """
mount -t sysfs sysfs /sys && mount -t tmpfs -o size=256k small "$1.small" && cp -a "$1/." "$1.small" || exit 1
dd if=/dev/zero of="$1.small/fill" bs=4096 2>&1
truncate --size="-$3" "$1.small/fill" && mount --bind "$1.small" "$1" && sh "$1/$2"
ls "$1"
"""
"""Runs a script of a change on a disk on which so many bytes are free, and prints the files that are there then."""


def on_a_full_disk(host: Host, script: str, free: int) -> List[str]:
    (host.folder.parent / f"{host.folder.name}.small").mkdir()
    return host.namespace.run("unshare", "--mount", "sh", "-c", FULL, "sh", str(host.folder), script, str(free)).splitlines()


def test_nothing_is_changed_when_the_disk_has_no_room_for_all_that_is_there(host: Host) -> None:
    host.enter([f"route add 10.1.{number}.0/24 via 192.0.2.1 dev eth0" for number in range(100)])
    host.change(another_address())
    before = host.everything()
    (host.folder / "restore.sh").write_text('echo "restored: $1"\n', encoding="utf-8")
    said = on_a_full_disk(host, "switch.sh", 8192)
    assert any("restored: the network that is there could not be written down" in line for line in said), said
    assert APPLIED not in said and host.everything() == before


def test_what_differs_is_not_said_to_be_the_same_when_the_disk_has_no_room_for_it(host: Host) -> None:
    host.enter(["link add name vx0 type veth peer name vx1", "link set dev vx0 up", "address add 198.51.100.1/24 dev vx0"])
    gone = [Operation("delete_link", "vx0", ("link", "delete", "dev", "vx0"))]
    host.write(prepare(str(host.folder), Plan(switch=tuple(gone)), (), {}, host.namespace.observed()))
    host.script("switch.sh")
    left = on_a_full_disk(host, "restore.sh", 0)
    assert RESTORED in left and DIFFERS not in left


def test_a_network_of_which_only_a_part_was_written_down_is_not_said_to_be_as_it_was(host: Host) -> None:
    host.enter(["route add 10.5.0.0/16 via 192.0.2.1 dev eth0"])
    host.change(another_address())
    host.script("switch.sh")
    text = (host.folder / BEFORE).read_text(encoding="utf-8")
    (host.folder / BEFORE).write_text(text[: text.index("route 4 unicast 10.5")], encoding="utf-8")
    host.script("restore.sh")
    assert (host.folder / RESTORED).exists() and not (host.folder / DIFFERS).exists()
    assert "192.0.2.10/24" in host.namespace.run("ip", "address", "show", "dev", "eth0")
