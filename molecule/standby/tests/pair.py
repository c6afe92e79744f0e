# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenarios with a standby pair have in common: running playbooks, and looking at both sides."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, List, Tuple

MARKER = "/var/lib/smallfleet/standby/web.service.active"
SWITCH = ("playbooks/switch_over.yml", "-e", "standby_switch_service=web")


class Pair:
    """The fleet of one scenario, whose service ``web`` runs on app1 or app2."""

    def __init__(self, scenario: Path, lab: str, domain: str) -> None:
        self._inventory = str(scenario / "inventory")
        self._project = scenario.parents[1]
        self._lab = lab
        self._domain = domain

    def ansible(self, *command: str) -> Tuple[int, str]:
        """The exit status, and all that was said, on one line: results are shown with lines broken anywhere."""
        return self.together(command)[0]

    def together(self, *commands: Tuple[str, ...]) -> List[Tuple[int, str]]:
        """The same of several commands that run at the same time."""
        running = [self._start(*command) for command in commands]
        said = [one.communicate()[0] for one in running]
        return [(one.returncode, " ".join(text.split())) for one, text in zip(running, said)]

    def _start(self, *command: str) -> subprocess.Popen[str]:
        program = "ansible-playbook" if command[0].endswith(".yml") else "ansible"
        full = [program, "-i", self._inventory, *command]
        settings = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "3"}
        return subprocess.Popen(
            full,
            cwd=self._project,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_controller_at(self, title: str, *command: str) -> None:
        """Run a playbook, and kill it as soon as it has begun the task of that title."""
        full = ["ansible-playbook", "-i", self._inventory, *command]
        with subprocess.Popen(full, cwd=self._project, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            reached = any(title in line for line in running.stdout)
            running.kill()
        assert reached, f"the task '{title}' was never reached"

    def run_well(self, *command: str) -> str:
        status, said = self.ansible(*command)
        assert status == 0, said
        return said

    def service(self, node: str, arguments: str) -> None:
        self.run_well(node, "-m", "smallfleet.infra.standby_service", "-a", f"unit=web.service {arguments}")

    def node(self, node: str, state: str) -> None:
        arguments = f"name={self._lab} node={node} state={state}"
        self.run_well("localhost", "-m", "smallfleet.infra.lab_node", "-a", arguments)
        # A connection that is kept open to a node without power would be waited for.
        for kept in Path(f"/var/lib/smallfleet/labs/{self._lab}/cp").glob("*"):
            kept.unlink()

    def named(self, ns1) -> str:
        asking = (
            f"import dns.resolver as r; x = r.Resolver(configure=False); x.nameservers = ['198.18.0.11'];print(x.resolve('www.{self._domain}', 'CNAME')[0])"
        )
        return ns1.check_output(f'python3 -c "{asking}"').strip()

    def assert_on(self, ns1, active, other, name: str) -> None:
        assert self.named(ns1) == f"{name}.{self._domain}."
        assert (runs(active), runs(other)) == (True, False)
        assert active.run("systemctl is-enabled web.service").stdout.strip() == "enabled"
        assert other.run("systemctl is-enabled web.service").stdout.strip() == "disabled"
        assert active.file(MARKER).exists
        assert not other.file(MARKER).exists
        assert answer(active).startswith(name)


def until(condition: Callable[[], Any], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.2)


def runs(node) -> bool:
    return node.run("systemctl is-active web.service").stdout.strip() == "active"


def answer(node) -> str:
    asking = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/', timeout=5).read().decode())"
    return node.run(f'python3 -c "{asking}"').stdout.strip()
