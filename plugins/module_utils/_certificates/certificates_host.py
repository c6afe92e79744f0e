# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with certificates: looked at through its files, systemd and the program smallfleet-acme, and changed."""

from __future__ import annotations

import inspect
import json
import os
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .._shared.limits import BadText, entries_of, load_json
from .._system import files as files_module
from .._system.command import CommandRunner
from .._system.files import FileStore
from .._system.systemd import Systemd
from .plan import FOLDER, INTERPRETER, Content, Observed, Step, Wanted, config_path, service, timer, whole_program


class AcmeFailure(Exception):
    """What could not be done, with the reason that the host gave."""


def installed_program(program: str) -> str:
    """smallfleet-acme as hosts have it, with the module of the collection that it writes files by."""
    return whole_program(program, inspect.getsource(files_module))


class AcmeHost:
    """One host. ``program`` is the text of smallfleet-acme, so that it can be asked before it is installed."""

    def __init__(self, runner: CommandRunner, files: FileStore, program: str) -> None:
        self._runner = runner
        self._files = files
        self._systemd = Systemd(runner)
        self._program = installed_program(program)

    def observe(self, wanted: Wanted) -> Observed:
        """What there is. Changes nothing."""
        names = sorted(wanted.certificates)
        timers = [name for name in names if self._waits(name)]
        outdated = any(
            self._systemd.show(unit, ["NeedDaemonReload"]).get("NeedDaemonReload") == "yes" for name in names for unit in (timer(name), service(name))
        )
        return Observed(
            {path: self._content(path) for path in wanted.files},
            configured_names(),
            tuple(timers),
            {one["name"]: one for one in self.status(wanted.certificates)},
            outdated,
        )

    def status(self, certificates: Mapping[str, Mapping[str, Any]], look: bool = False, least_days: Any = None) -> List[Dict[str, Any]]:
        """What the program says of each certificate; with ``look`` it asks the servers that shall show them."""
        if not certificates:
            return []
        asked = [{**certificates[name], "look": look, "least_days": least_days} for name in sorted(certificates)]
        said = self._runner.run([INTERPRETER, "-", "status", json.dumps(asked)], stdin=self._program)
        found: List[Dict[str, Any]]
        try:
            found = load_json(said.stdout, "smallfleet-acme status")
            if not {entry.text("name") for entry in entries_of(found, "smallfleet-acme status")} <= set(certificates):
                raise BadText("smallfleet-acme status: expected one dictionary for each certificate")
        except BadText as error:
            raise AcmeFailure(f"{error}. See that nothing else writes to its output, such as a sitecustomize.py") from None
        return found

    def apply(self, steps: Sequence[Step]) -> None:
        """Do the steps. Every certificate is tried, whatever becomes of the others. Raises AcmeFailure."""
        failed: List[str] = []
        for step in steps:
            if step.kind == "write":
                self._files.write(step.subject, step.after, step.mode)
            elif step.kind == "reload":
                self._systemd.reload()
            elif step.kind == "forget":
                self._runner.run(["systemctl", "disable", "--now", "--", timer(step.subject)])
                self._systemd.reset_failed(service(step.subject))
                self._files.remove(config_path(step.subject))
            elif step.kind == "enable":
                self._runner.run(["systemctl", "enable", "--now", "--", timer(step.subject)])
            elif self._systemd.start(service(step.subject)).rc != 0:
                failed.append(step.subject)
        if failed:
            raise AcmeFailure("; ".join(failed))

    def _waits(self, name: str) -> bool:
        there = self._systemd.show(timer(name), ["UnitFileState", "ActiveState"])
        return (there.get("UnitFileState"), there.get("ActiveState")) == ("enabled", "active")

    def _content(self, path: str) -> Any:
        text, access = self._files.read(path), self._files.access(path)
        return None if text is None or access is None else Content(text, access.mode)

    def log(self, name: str) -> str:
        """The last lines of a certificate's service."""
        return self._systemd.log(service(name), 12)


def configured_names() -> Tuple[str, ...]:
    """The certificates that this host has a description of."""
    try:
        found = [name[:-5] for name in os.listdir(FOLDER) if name.endswith(".json") and not name.startswith(".")]
    except FileNotFoundError:
        return ()
    return tuple(sorted(found))
