# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said to virsh, and what must never be: keys in arguments, files that others can read, pulled cords."""

from __future__ import annotations

import os
import stat
from dataclasses import replace

import pytest
from fakes import FakeClock, FakeFiles

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.image_host import ImageFailed, _file
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt import libvirt_host as hosts
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import Disk, Domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.model import Ceph, Guest
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.plan import Action, Desired, Step
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.virsh_host import Info, Virsh
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, CommandResult

KEY = "QVFCb3NlbnRhbWU="
CEPH = Ceph(("mon1",), "vms", "/etc/ceph/ceph.client.vms.keyring")
RBD = Disk("vda", "network", "vms/web", "raw", "rbd", CEPH.monitors, CEPH.user, CEPH.secret)
DESIRED = Desired((Guest(Domain("web", "", "", 1, 1, disks=(RBD,))),), ceph=CEPH)
DOMINFO = "Id:             -\nName:           web\nState:          {}\nPersistent:     yes\nAutostart:      enable\nAutostart Once: disable\n"


class Recorder:
    """A runner that answers virsh by its first word, and keeps what the files held that it was shown."""

    def __init__(self, answers):
        self.answers = answers
        self.calls = []
        self.files = []

    def run(self, argv, *, stdin=None, check=True):
        self.calls.append(tuple(argv))
        for path in (word for word in argv if word.startswith("/") and os.path.isfile(word)):
            with open(path, encoding="utf-8") as stream:
                self.files.append((stream.read(), stat.S_IMODE(os.stat(path).st_mode)))
        answer = self.answers.get(argv[6] if argv[0] == "env" else argv[0], "")
        answer = answer.pop(0) if isinstance(answer, list) else answer
        result = CommandResult(tuple(argv), 1 if answer is None else 0, answer or "", "refused")
        if check and result.rc:
            raise CommandFailed(result)
        return result


def hypervisor(runner, tmp_path, files=None, clock=None):
    made = hosts.Hypervisor(runner, FakeFiles(files or {}), clock or FakeClock(), 20.0)
    made._virsh = Virsh(runner, folder=str(tmp_path))
    return made


def keyring(text):
    return {CEPH.keyring: (text, 0o600)}


def test_a_key_reaches_libvirt_by_a_file_that_only_root_can_read_and_is_in_no_argument(tmp_path):
    runner = Recorder({})
    files = keyring(f"[client.vms]\n\tkey = {KEY}\n")
    hypervisor(runner, tmp_path, files).apply(Step(Action.SET_SECRET, CEPH.secret), DESIRED)
    assert [call[6] for call in runner.calls] == ["secret-define", "secret-set-value"]
    assert not any(KEY in word for call in runner.calls for word in call)
    assert runner.files[1] == (KEY, 0o600)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "wrong", "stored", "set_"),
    [
        (None, "there is no keyring", None, False),
        ("[client.admin]\nkey = abc=\n", "holds no key of client.vms", None, False),
        (f"[client.admin]\nkey = abc=\n[client.vms]\nkey = {KEY}\n", "", None, False),
        (f"[client.vms]\nkey = {KEY}\n[client.admin]\nkey = abc=\n", "", KEY, True),
        (f"[client.vms]\nkey = {KEY}\n", "", "b3RoZXI=", False),
    ],
)
def test_the_secret_is_compared_with_the_keyring(tmp_path, content, wrong, stored, set_):
    files = keyring(content) if content else {}
    if stored:
        files[f"/etc/libvirt/secrets/{CEPH.secret}.base64"] = (stored, 0o600)
    runner = Recorder({"list": "", "capabilities": "<capabilities/>", "secret-dumpxml": "<secret/>"})
    observed = hypervisor(runner, tmp_path, files).observe(DESIRED)
    assert wrong in observed.keyring and bool(observed.keyring) == bool(wrong)
    assert observed.secret == set_


def test_a_libvirt_that_does_not_answer_is_observed_and_no_traceback(tmp_path):
    observed = hypervisor(Recorder({"list": None}), tmp_path).observe(replace(DESIRED, ceph=None))
    assert observed.libvirt == "refused" and observed.guests == {}


def test_a_guest_is_asked_to_shut_down_again_and_its_cord_is_never_pulled(tmp_path):
    runner = Recorder({"dominfo": DOMINFO.format("running")})
    with pytest.raises(hosts.GuestFailed, match="web did not shut down within 20 s and runs on"):
        hypervisor(runner, tmp_path).apply(Step(Action.SHUT_DOWN, "web"), DESIRED)
    words = [call[6] for call in runner.calls]
    assert words.count("shutdown") == 2 and "destroy" not in words
    runner = Recorder({"dominfo": [DOMINFO.format(state) for state in ("running", "in shutdown", "shut off")]})
    hypervisor(runner, tmp_path).apply(Step(Action.SHUT_DOWN, "web"), DESIRED)
    assert [call[6] for call in runner.calls].count("shutdown") == 1


def test_the_state_of_a_guest_is_read_in_any_language_as_one():
    runner = Recorder({"dominfo": DOMINFO.format("shut off")})
    assert Virsh(runner).info("web") == Info("shut off", True, True)
    assert runner.calls[0][:2] == ("env", "LC_ALL=C")


def test_a_package_without_a_checksum_is_not_left_out_of_the_archive_silently():
    line = "'http://deb.example.net/pool/x_1_amd64.deb' x_1_amd64.deb 12 SHA256:00ff"
    assert _file(line, "lab_packages") == ("http://deb.example.net/pool/x_1_amd64.deb", "x_1_amd64.deb", "SHA256:00ff")
    with pytest.raises(ImageFailed, match="lab_installed_packages: .*x_1_amd64.deb"):
        _file(line.replace("SHA256:00ff", ""), "lab_installed_packages")
