# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device nodes for macvtap links in a container, where no udev makes them.

The kernel sends an event about each new link into its network namespace, with the name and number of its device. libvirt
waits 0.4 s for the node to appear, so the program listens, as udev does, and looks for nothing.
"""

from __future__ import annotations

from typing import Dict

PROGRAM_FILE = "/usr/local/lib/smallfleet/macvtap-devices"
UNIT = "smallfleet-macvtap-devices.service"

PROGRAM = '''\
"""Makes /dev/tapN for each macvtap link of this network namespace, and removes it with the link."""

import glob
import os
import socket
import stat

UEVENTS, FROM_KERNEL = 15, 1  # netlink(7): NETLINK_KOBJECT_UEVENT, and its group of the kernel's own events


def fields(event):
    """The variables of one event: KEY=VALUE strings, each ended by a zero byte, after a first that is not one."""
    words = event.decode(errors="replace").split("\\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def make(name, major, minor):
    number = os.makedev(int(major), int(minor))
    try:
        os.mknod("/dev/" + name, stat.S_IFCHR | 0o600, number)
    except FileExistsError:
        if os.stat("/dev/" + name).st_rdev != number:
            os.unlink("/dev/" + name)
            make(name, major, minor)


def follow(event):
    said = fields(event)
    if said.get("SUBSYSTEM") != "macvtap":
        return
    name = os.path.basename(said["DEVNAME"])
    if said["ACTION"] == "add":
        make(name, said["MAJOR"], said["MINOR"])
    elif said["ACTION"] == "remove" and os.path.exists("/dev/" + name):
        os.unlink("/dev/" + name)


def main():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, UEVENTS) as events:
        events.bind((0, FROM_KERNEL))
        for path in glob.glob("/sys/class/macvtap/tap*/dev"):
            with open(path, encoding="ascii") as stream:
                make(path.split("/")[-2], *stream.read().strip().split(":"))
        while True:
            follow(events.recv(65536))


if __name__ == "__main__":
    main()
'''

UNIT_FILE = f"""\
[Unit]
Description=Device nodes for macvtap links
DefaultDependencies=no
Before=basic.target

[Service]
ExecStart=/usr/bin/python3 {PROGRAM_FILE}
Nice=-20
Restart=always
"""


def macvtap_files() -> Dict[str, str]:
    """Path -> content of what makes the nodes from the container's start on; the last file has the unit started."""
    return {
        PROGRAM_FILE: PROGRAM,
        f"/etc/systemd/system/{UNIT}": UNIT_FILE,
        "/etc/systemd/system/sysinit.target.d/smallfleet-macvtap.conf": f"[Unit]\nWants={UNIT}\n",
    }
