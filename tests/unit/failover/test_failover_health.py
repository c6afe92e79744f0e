# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health is asked of a real server on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar, Iterator, List

import pytest
from fakes import FakeClock

from ansible_collections.smallfleet.infra.plugins.module_utils._system.health import ask, wait_until_healthy


class Handler(BaseHTTPRequestHandler):
    answers: ClassVar[List[int]] = []

    def do_GET(self) -> None:
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # pylint: disable=redefined-builtin
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_good_answer_is_ok_and_a_bad_one_is_named(url: str) -> None:
    Handler.answers = [200, 503]
    assert ask(url) == "ok"
    assert ask(url) == f"{url} answered with status 503"


def test_a_server_that_is_not_there_is_named() -> None:
    assert "http://127.0.0.1:1/ does not answer: " in ask("http://127.0.0.1:1/")
    assert "does not answer" in ask("no address")


def test_waiting_ends_with_the_first_good_answer_or_with_the_time(url: str) -> None:
    clock = FakeClock()
    Handler.answers = [503, 503, 200]
    assert wait_until_healthy(url, 10.0, clock) == "ok"
    assert clock.now == 2.0
    Handler.answers = [503] * 99
    assert wait_until_healthy(url, 10.0, clock) == f"{url} answered with status 503"
    assert clock.now == 12.0
    Handler.answers = []
