# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that can serve the fleet's zones. A new one is a Provider, a Daemon, and one line in PROVIDERS."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple

from ..._system.clock import SystemClock
from ..._system.command import CommandRunner, SystemRunner
from ..._system.files import FileStore, SystemFiles
from .base import Provider
from .bind import Bind
from .bind_host import BindDaemon
from .knot import Knot
from .knot_host import KnotDaemon
from .program_host import Daemon
from .self_check_client import WireAsker
from .server_host import ServerHost
from .succession_client import WireSuccession


class Program(NamedTuple):
    """How it is configured, how it is dealt with, and the Debian packages it comes in."""

    provider: Provider
    daemon: Callable[[CommandRunner, FileStore], Daemon]
    package: str


PROVIDERS: Mapping[str, Program] = {
    "bind": Program(Bind(), BindDaemon, "bind9"),
    "knot": Program(Knot(), KnotDaemon, "knot"),
}


def server_host(name: str) -> ServerHost:
    """This host's server of that provider, with the real effects."""
    program = PROVIDERS[name]
    runner, store = SystemRunner(), SystemFiles()
    daemon = program.daemon(runner, store)
    return ServerHost(program.provider, daemon, runner, store, SystemClock(), WireAsker(), WireSuccession())
