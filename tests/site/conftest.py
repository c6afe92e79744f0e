# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as a user has it: built, installed from the tarball, run from an empty folder on a lab of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLEET = f"test-site-{'-'.join(version('ansible-core').split('.')[:2])}"  # those of two cores may be there at once
LAB = Path("/var/lib/smallfleet/labs") / FLEET
HOSTS = ("app1", "app2", "ns1", "watch1")
LIMIT = 900
FILTERED = ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_INVENTORY")


@dataclass
class Run:
    """A finished ansible-playbook: its status, all it said, and the recap, host -> counters."""

    rc: int
    text: str

    @property
    def recap(self):
        rows = re.findall(r"^(\S+)\s+: (ok=.*)$", self.text, re.MULTILINE)
        return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in rows}

    def noise(self):
        """Lines that a run without trouble does not have: warnings, deprecations, errors, and failures that were ignored."""
        return re.findall(r"(?m)^.*(?:WARNING\]|\[ERROR\]|^fatal: |^failed: |\.\.\.ignoring).*$", self.text)

    def changed(self):
        """Hosts on which something changed or would change."""
        return sorted(host for host, counts in self.recap.items() if counts["changed"])

    def counts(self):
        """(tasks, remote calls): (play, role, host) -> how often, from a run with -vvv. A call counts for the host it went to."""
        tasks, calls, play, role = Counter(), Counter(), "", ""
        for line in self.text.splitlines():
            begin = re.match(r"PLAY \[(.*?)\]", line)
            header = re.match(r"(?:TASK|RUNNING HANDLER) \[(?:smallfleet\.infra\.(\w+) : )?", line)
            result = re.match(r"(?:ok|changed|skipping|included): \[(\w+)", line)
            call = re.match(r"<(\w+)> SSH: EXEC", line)
            if begin:
                play = begin[1]
            elif header:
                role = header[1] or ""
            elif result:
                tasks[play, role, result[1]] += 1
            elif call:
                calls[play, role, call[1]] += 1
        return tasks, calls


@dataclass
class Site:
    """A user's folder: an inventory of their own, and nothing else."""

    folder: Path
    collections: Path

    def run(self, playbook, *arguments, inventory="fleet"):
        argv = ["ansible-playbook", "-i", inventory, f"smallfleet.infra.{playbook}", *arguments]
        return self.call(argv)

    def call(self, argv, folder=None):
        env = {name: value for name, value in os.environ.items() if name not in FILTERED}
        env.update(ANSIBLE_COLLECTIONS_PATH=str(self.collections), ANSIBLE_NOCOLOR="1", ANSIBLE_FORCE_COLOR="0", ANSIBLE_PIPELINING="1")
        done = subprocess.run(
            argv,
            cwd=folder or self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def on(self, host, command):
        """What a command prints on a node, reached past Ansible."""
        argv = ["ssh", "-F", str(LAB / "ssh_config"), host, command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True).stdout

    def fingerprint(self):
        """Host -> all that a run could have changed: files of the system, packages, units and their state."""
        command = (
            "find /etc /root /usr/local /var/lib/bind /var/lib/smallfleet -xdev -type f ! -name '*.jnl' 2>/dev/null | sort"
            " | xargs sha256sum; dpkg-query -W; systemctl list-unit-files --no-legend; hostname"
            "; systemctl list-units --type=service --state=active --no-legend --plain | cut -d' ' -f1 | grep -v 'ssh@\\|user'"
        )
        return {host: self.on(host, command) for host in HOSTS}


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Builds and installs the collection, raises the lab, and takes it away at the end."""
    folder = tmp_path_factory.mktemp("user")
    collections = tmp_path_factory.mktemp("collections")
    built = tmp_path_factory.mktemp("built")
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(built)]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = built.glob("smallfleet-infra-*.tar.gz")
    install = ["ansible-galaxy", "collection", "install", "--offline", "-p", str(collections), str(tarball)]
    subprocess.run(install, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(ROOT / "inventories" / "lab", folder / "fleet")
    variables = folder / "fleet" / "group_vars" / "all.yml"
    variables.write_text(re.sub(r"(?m)^fleet_name: .*$", f"fleet_name: {FLEET}", variables.read_text()))
    user = Site(folder, collections)
    up = user.run("lab_up")
    try:
        assert up.rc == 0, up.text
        yield user
    finally:
        down = user.run("lab_down")
        assert down.rc == 0, down.text
        assert not LAB.exists()
