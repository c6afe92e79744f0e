# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others do to a host while a change waits for its confirmation: it goes back, and the next run has nothing to do."""

from __future__ import annotations

import time
from typing import Tuple

import pytest
from test_backends import MOVERS, ansible, as_before, at_once, until

testinfra_hosts = ["ansible://peer"]
pytestmark = [pytest.mark.alone, pytest.mark.drill]
READ_ONLY = "mount --bind /etc /etc && mount -o remount,bind,ro /etc"
# As the whole of a host's memory would be too much: /run is made as small as what is in it, and then filled to the last byte.
FILL = (
    "size=$(findmnt -no OPTIONS /run | grep -o 'size=[0-9]*k'); echo $size; used=$(df --output=used -k /run | tail -n 1); "
    "mount -o remount,size=$((used + 64))k /run; dd if=/dev/zero of=/run/fill bs=4k 2>&1; dd if=/dev/zero of=/run/fill bs=1 oflag=append conv=notrunc 2>&1 || :"
)


def begun(mover, gateway="198.18.0.254", **more) -> str:
    """The token of a change onto the card; its controller is gone, unless somebody confirms it."""
    token = f"the-token-of-the-attacked-{time.time_ns()}"
    status, said = ansible(*mover.change(mover.on_card(gateway), state="applied", token=token, **{"rollback_timeout": 60, **more}))
    assert status == 0, said
    return token


def on_the_card(mover) -> None:
    until(lambda: mover.addresses()["eth0"] == {mover.v4, mover.v6})


def went_back(backend, mover) -> str:
    """Why."""
    until(lambda: not mover.under_way())
    as_before(backend, mover)
    status, said = ansible(*mover.change(mover.on_bridge()))
    assert status == 0 and '"changed": false' in said, said
    return mover.on("cat /var/lib/smallfleet/network/*/reason /var/lib/smallfleet/network/*/differs").strip()


def confirmed(mover, token) -> Tuple[int, str]:
    return ansible(*mover.change({}, state="confirmed", token=token))


def test_a_change_whose_timer_another_program_stops_goes_back_long_before_its_time_is_up():
    def stopped(backend, mover):
        begun(mover, "198.18.0.99")
        on_the_card(mover)
        mover.on("systemctl daemon-reload; systemctl daemon-reexec; systemctl daemon-reload")
        assert mover.under_way()
        mover.on("systemctl stop smallfleet-network-rollback.timer")
        assert went_back(backend, mover) == "its timer was stopped, by a program or by hand"

    at_once(stopped)


def test_a_bridge_that_somebody_deletes_during_the_trial_is_there_after_the_rollback():
    """The addresses return to it: without it nobody could reach the host."""

    def deleted(backend, mover):
        begun(mover, rollback_timeout=15)
        on_the_card(mover)
        mover.on("ip link delete dev br0")
        until(lambda: not mover.under_way(), 60, cut_off=True)
        assert went_back(backend, mover) == "nobody confirmed it within 15 s"

    at_once(deleted)


def test_a_boot_configuration_that_becomes_read_only_is_refused_before_the_change_and_never_confirmed_after_it():
    def read_only(backend, mover):
        token = begun(mover)
        on_the_card(mover)
        mover.on(READ_ONLY)
        try:
            status, said = confirmed(mover, token)
            refused, why = ansible(*mover.change(mover.on_card()))
        finally:
            mover.on("umount /etc")
        assert status != 0 and '"reason": "expired"' in said and "Read-only file system" in said, said
        assert refused != 0 and "Nothing was changed" in why and "is on a file system that is read-only" in why, why
        assert "Read-only file system" in went_back(backend, mover)

    at_once(read_only)


@pytest.mark.parametrize("backend", ["networkd", "netplan", "ifupdown"])
def test_a_trial_that_finds_no_room_below_run_goes_back_and_leaves_no_part_of_a_file(backend):
    mover = MOVERS[backend]
    token = begun(mover, delay=5)
    size = mover.on(FILL).split()[0]
    try:
        # ifupdown writes nothing there before the confirmation
        until(lambda: mover.on("cd /var/lib/smallfleet/network; find . -name applied -o -name restored"))
        status, said = confirmed(mover, token)
    finally:
        mover.on(f"rm /run/fill; mount -o remount,{size} /run")
    assert status != 0 and "No space left on device" in said, said
    assert mover.on("find /run/systemd/network /run/network -name '*new' 2>&1 || :").count("new\n") == 0
    assert "No space left on device" in went_back(backend, mover)
