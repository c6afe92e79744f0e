# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a disk whose content its guest, or whoever uploaded it, decides. molecule/vm_host has images of qemu-img."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from fakes import FakeClock, FakeFiles, FakeRunner
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt import libvirt_host as hosts
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.definition import rendered
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import Disk, Domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.image import HEAD, Image, read_image
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.model import Guest
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.plan import Desired, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import read_head

from .hypervisor import guest_found


def qcow2(size: int = 64 << 20, version: int = 3, backing: str = "", features: int = 0) -> bytes:
    """The beginning of an image as QEMU's docs/interop/qcow2 describes it."""
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, HEAD if backing else 0, len(backing), 16, size)
    return head.ljust(72, b"\0") + struct.pack(">QQQII", features, 0, 0, 4, HEAD) + backing.encode()


@pytest.mark.parametrize(
    ("head", "image"),
    [
        (qcow2(), Image("qcow2", 64 << 20)),
        (qcow2(version=2), Image("qcow2", 64 << 20)),
        (b"", Image("raw", 9)),
        (b"\0" * HEAD, Image("raw", 9)),
        (b"KDMV" + bytes(100), Image("vmdk", 9)),
    ],
)
def test_format_and_size_are_in_the_head(head: bytes, image: Image) -> None:
    assert read_image(head, 9) == image


@pytest.mark.parametrize(
    ("head", "wrong"),
    [
        (qcow2(backing="/etc/shadow"), "names a backing file"),
        (qcow2(version=2, backing="json:{}"), "names a backing file"),
        (qcow2(features=4), "names an external data file"),
        (qcow2(version=7), "is of version 7 of its format"),
        (qcow2()[:50], "is cut short"),
    ],
)
def test_an_image_that_names_other_files_is_refused(head: bytes, wrong: str) -> None:
    disk = Disk("vda", "file", "/images/web.qcow2", "qcow2")
    observed = Observed(images={disk.source: read_image(head, 9)})
    (reason,) = obstacles(Desired((Guest(Domain("web", "", "", 1, 1, disks=(disk,))),)), observed)
    assert reason.startswith(f"web: /images/web.qcow2 {wrong}") and "/etc/shadow" not in reason


@given(st.binary(max_size=HEAD) | st.binary(max_size=HEAD).map(lambda rest: b"QFI\xfb" + rest), st.integers(0, 1 << 63))
def test_every_head_is_read(head: bytes, size: int) -> None:
    assert read_image(head, size).size >= 0


@pytest.mark.parametrize("format_", ["qcow2", "raw"])
def test_no_program_reads_an_image_and_what_the_guest_of_a_raw_disk_wrote_is_not_believed(format_: str, tmp_path: Path) -> None:
    path = tmp_path / "web.img"
    path.write_bytes(qcow2(backing="/etc/shadow").ljust(4096, b"\0"))
    domain = Domain("web", "", "qemu", 1, 1, disks=(Disk("vda", "file", str(path), format_),))
    runner = FakeRunner()
    host = hosts.Hypervisor(runner, FakeFiles(), FakeClock())
    host._virsh.names = lambda: ["web"]  # type: ignore[method-assign]
    host._guest = lambda name: guest_found(domain)  # type: ignore[method-assign]
    host._kvm = lambda: False  # type: ignore[method-assign]
    desired = Desired((Guest(domain),))
    observed = host.observe(desired)
    assert runner.calls == [] and rendered(domain)
    if format_ == "raw":
        assert observed.images == {str(path): Image("raw", 4096)} and obstacles(desired, observed) == []
    else:
        assert "names a backing file" in obstacles(desired, observed)[0]


def test_only_the_head_is_read_and_never_a_pipe(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.write(b"head")
        stream.truncate(1 << 40)
    assert read_head(str(big), 4) == (b"head", 1 << 40)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="neither a regular file nor a block device"):
        read_head(str(tmp_path / "pipe"), 4)
