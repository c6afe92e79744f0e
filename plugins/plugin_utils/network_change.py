# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What actions have in common that change a host's network and confirm it by a new connection."""

from __future__ import annotations

import getpass
import secrets
import socket
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.commit_controller import Commit, Unreachable
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock

# The first value counts (ssh_config(5)): no connection is shared, and one that hangs ends soon.
FRESH = (
    "-o ControlMaster=no -o ControlPath=none -o ControlPersist=no -o ConnectTimeout=8 -o ConnectionAttempts=1 -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
)
HOST_NETWORK = "smallfleet.infra.host_network"


class NetworkChange(ActionBase):
    """With state=present all of it; any other state goes to the module as it is."""

    TRANSFERS_FILES = False
    MODULE = HOST_NETWORK
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        given = dict(self._task.args)
        self._moved_to = given.pop("connect_to", None)
        given.setdefault("holder", f"{getpass.getuser()} on {socket.gethostname()}")
        if given.get("state", "present") != "present" or self._task.check_mode:
            result.update(self.execute(self.MODULE, given, fresh=False))
            return result
        try:
            timeout = float(given.get("rollback_timeout", 90))
        except ValueError:
            timeout = 90.0  # the module refuses it with a better text
        result.update(self.change(given, timeout))
        return result

    def change(self, given: Dict[str, Any], timeout: float) -> Dict[str, Any]:
        """Begin it, and confirm it or see it undone."""
        return Commit(self, SystemClock(), secrets.token_hex(16), timeout).run(given, given.get("checks") or {})

    def call(self, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
        """One call of the module, as Commit wants it."""
        return self.execute(HOST_NETWORK, arguments, fresh, moved)

    def execute(self, module: str, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
        """The answer of a module. Raises Unreachable when a new connection gives none."""
        if not fresh:
            return dict(self._execute_module(module_name=module, module_args=arguments, task_vars=self._variables))
        try:
            with self._new_connection(self._moved_to if moved else None):
                answer: Dict[str, Any] = self._execute_module(module_name=module, module_args=arguments, task_vars=self._variables)
        except AnsibleConnectionFailure as error:
            raise Unreachable(str(error).strip()[-300:]) from error
        except AnsibleError as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[-300:]) from error
        if answer.get("unreachable") or "state" not in answer and "reason" not in answer:
            raise Unreachable(str(answer.get("msg", "the module did not run"))[-300:])
        return answer

    @contextmanager
    def _new_connection(self, address: Optional[str]) -> Iterator[None]:
        """ssh(1) shares nothing with a connection that may outlive what it came by; other plugins begin anew."""
        if self._connection.transport != "ssh":
            self._connection.reset()
            yield
            return
        before = self._connection.get_option("ssh_args")
        where = f"-o HostName={address} -o HostKeyAlias={self._key_alias()} " if address else ""
        self._connection.set_option("ssh_args", f"{FRESH} {where}{before or ''}")
        try:
            yield
        finally:
            self._connection.set_option("ssh_args", before)

    def _key_alias(self) -> str:
        """Under which name ssh(1) knows the host's key: it stays the same host at another address."""
        return str(self._connection.get_option("host"))
