# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in for udev in a container: which nodes get it, and what it makes of the kernel's events."""

from __future__ import annotations

import os
import stat
from types import SimpleNamespace

import pytest
from test_lab_resolve import fleet, spec_of

from ansible_collections.smallfleet.infra.plugins.module_utils._lab import devices, render

ADDED = b"add@/devices/virtual/net/macvtap0/tap5\0ACTION=add\0SUBSYSTEM=macvtap\0MAJOR=246\0MINOR=1\0DEVNAME=tap5\0SEQNUM=9\0"


class Devices:
    """The folder /dev as the program sees it: path -> (mode, number)."""

    def __init__(self, there):
        self.there = dict(there)
        self.path = os.path
        self.makedev = os.makedev

    def mknod(self, path, mode, number):
        if path in self.there:
            raise FileExistsError(path)
        self.there[path] = (mode, number)

    def stat(self, path):
        return SimpleNamespace(st_rdev=self.there[path][1])

    def unlink(self, path):
        del self.there[path]


def follow(event, there=()):
    folder = Devices(there)
    folder.path = SimpleNamespace(basename=os.path.basename, exists=lambda path: path in folder.there)
    program = {"__name__": "program"}
    exec(compile(devices.PROGRAM, devices.PROGRAM_FILE, "exec"), program)
    program["os"] = folder
    program["follow"](event)
    return folder.there


NODE = {"/dev/tap5": (stat.S_IFCHR | 0o600, os.makedev(246, 1))}


@pytest.mark.parametrize(
    ("event", "there", "expected"),
    [
        (ADDED, {}, NODE),
        (ADDED, NODE, NODE),
        (ADDED, {"/dev/tap5": (stat.S_IFCHR, os.makedev(246, 7))}, NODE),
        (ADDED.replace(b"=add", b"=remove"), NODE, {}),
        (ADDED.replace(b"=add", b"=remove"), {}, {}),
        (ADDED.replace(b"SUBSYSTEM=macvtap", b"SUBSYSTEM=net"), {}, {}),
    ],
)
def test_a_node_comes_and_goes_with_its_link(event, there, expected):
    assert follow(event, there) == expected


def test_a_name_in_an_event_cannot_lead_out_of_the_folder():
    assert follow(ADDED.replace(b"DEVNAME=tap5", b"DEVNAME=../etc/tap5")) == NODE


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [({}, False), ({"lab_macvtap": True}, True), ({"lab_macvtap": True, "lab_backend": "qemu"}, False)],
)
def test_only_a_container_that_is_to_have_macvtap_guests_gets_the_program(variables, wanted):
    spec = spec_of(fleet(host_variables=variables))
    files = render.node_files(spec, spec.nodes[0])
    assert (devices.PROGRAM_FILE in files) == wanted
    assert any(devices.UNIT in path for path in files) == wanted
