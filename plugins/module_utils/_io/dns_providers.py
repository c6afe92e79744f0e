# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that can serve the fleet's zones. A new one is a Provider, a Daemon, and one line in PROVIDERS."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple

from .._core.dns.bind import Bind
from .._core.dns.knot import Knot
from .._core.dns.serving import Provider
from .bind_server import BindDaemon
from .clock import SystemClock
from .command import CommandRunner, SystemRunner
from .dns_asker import WireAsker
from .dns_program import Daemon
from .dns_server import ServerHost
from .dns_succession import WireSuccession
from .files import FileStore, SystemFiles
from .knot_server import KnotDaemon


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
