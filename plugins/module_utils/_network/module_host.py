# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parts of a confirmed change have in common, whichever module is asked for them."""

from __future__ import annotations

from typing import Any, Collection, Dict, Mapping, Optional

from .._system.command import SystemRunner
from .backends.registry import AUTO, CHOICES
from .checks_client import Checks
from .network_host import HostNetwork
from .rollback.rollback_host import Guard, Record, Refused

CHECKS: Dict[str, Dict[str, Any]] = {
    "gateway": {"type": "bool", "default": True},
    "hosts": {"type": "dict", "default": {}},
    "afterwards": {"type": "dict", "default": {}},
    "names": {"type": "list", "elements": "str", "default": []},
}
OPTIONS: Dict[str, Dict[str, Any]] = {
    "desired": {"type": "dict", "default": {}},
    "backend": {"type": "str", "choices": list(CHOICES), "default": AUTO},
    "rollback_timeout": {"type": "int", "default": 90},
    "management": {"type": "list", "elements": "str", "default": []},
    "allow_disconnect": {"type": "bool", "default": False},
    "checks": {"type": "dict", "default": {}, "options": CHECKS, "apply_defaults": True},
    "holder": {"type": "str", "default": "somebody"},
    "token": {"type": "str", "no_log": True},
    "delay": {"type": "float", "default": 1.0},
}
"""Of the modules that begin a change."""


def plain(record: Optional[Record]) -> Optional[Dict[str, Any]]:
    """A record for the result."""
    if record is None:
        return None
    found = {"id": record.id, "holder": record.holder, "phase": record.phase, "reason": record.reason}
    return {**found, "seconds_left": round(record.seconds_left, 1), "differs": None if record.differs is None else list(record.differs)}


def state_of(guard: Guard) -> Dict[str, Any]:
    """What is pending and what was last."""
    return {"under_way": plain(guard.under_way()), "last": plain(guard.last())}


def demanded(token: Optional[str], state: str) -> str:
    """The token. Raises Refused when there is none."""
    if not token or len(token) < 16:
        raise Refused("token", f"state={state} needs a token of at least 16 characters. Give one that nobody else has")
    return token


def vacant(guard: Guard, timeout: int, check_mode: bool) -> None:
    """Make room for a change, and roll back what somebody left behind. Raises Refused."""
    if timeout < 5:
        raise Refused("timeout", "rollback_timeout is too short for anybody to confirm. Give at least 5 seconds")
    if check_mode:
        return
    guard.refuse_second()
    guard.clear()


def run_checks(network: HostNetwork, asked: Mapping[str, Any], afterwards: bool, going: Collection[str] = ()) -> Dict[str, str]:
    """Each check that is asked for, and what is wrong. ``afterwards``: the change has been made; the interfaces ``going``
    are there until it is confirmed.
    """
    hosts = {**asked["hosts"], **(asked["afterwards"] if afterwards else {})}
    return Checks(SystemRunner(20.0)).run(asked["gateway"], hosts, asked["names"], network.observe(), going)
