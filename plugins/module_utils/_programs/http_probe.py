# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A probe that asks for a URL as new clients do, and writes one JSON line for each request.

The module ``probe`` copies this file to a node and runs it there, so it uses the standard library only and imports
nothing of the collection. Each request resolves the name anew, opens a new TCP connection and sends one GET. Requests
begin at fixed times, whether or not the ones before have ended. One that has not ended after the timeout is written as
an error at that time, also when the name server or the system keeps its thread waiting for longer.

A line is ``{"at", "took", "status", "address", "body", "error"}``: the seconds since the epoch when the request began,
its seconds, the HTTP status or null, the address that answered or was last tried, the first line of the answer (at most
64 characters), and null or what went wrong. Only an answer with status 200 to 399 has no error.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections import deque
from http.client import HTTPConnection, HTTPException
from typing import Deque, Dict, Optional, TextIO
from urllib.parse import urlsplit

# Threads that wait for a name server may outlive their request; more of them than this would only harm the node.
MOST_AT_ONCE = 200


class Request:
    """One request. Whoever comes first, its answer or its timeout, writes the line."""

    def __init__(self, url: str, timeout: float, out: TextIO, lock: threading.Lock) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout
        self._out = out
        self._lock = lock
        self._written = False
        self._address: Optional[str] = None
        self._at = time.time()
        self._begun = time.monotonic()
        self.deadline = self._begun + timeout

    def run(self) -> None:
        try:
            self._ask()
        except (OSError, HTTPException, ValueError) as error:
            self.write(error=f"{type(error).__name__}: {error}")

    def _ask(self) -> None:
        host, port = self._url.hostname or "", self._url.port or 80
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: Optional[OSError] = None
        for _family, _type, _protocol, _canonical, place in found:
            self._address = str(place[0])
            connection = HTTPConnection(str(place[0]), port, timeout=max(0.001, self.deadline - time.monotonic()))
            try:
                connection.connect()
            except OSError as error:
                failure = error
                continue
            try:
                self._get(connection)
            finally:
                connection.close()
            return
        raise failure or OSError("the name has no address")

    def _get(self, connection: HTTPConnection) -> None:
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        headers = {"Host": self._url.netloc, "Connection": "close", "User-Agent": "smallfleet-probe"}
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        first = answer.read(512).decode("utf-8", "replace").lstrip().split("\n", 1)[0].strip()[:64]
        good = 200 <= answer.status < 400
        self.write(status=answer.status, body=first, error=None if good else f"status {answer.status}")

    def write(self, *, status: Optional[int] = None, body: Optional[str] = None, error: Optional[str]) -> None:
        """Write the line of this request, unless it is written."""
        with self._lock:
            if self._written:
                return
            self._written = True
            line: Dict[str, object] = {"at": round(self._at, 6), "took": round(time.monotonic() - self._begun, 6)}
            line.update(status=status, address=self._address, body=body, error=error)
            self._out.write(json.dumps(line) + "\n")
            self._out.flush()

    def expire(self) -> None:
        self.write(error=f"no answer within {self._timeout:g} s")


def probe(url: str, interval: float, timeout: float, duration: float, out: TextIO) -> int:
    """Ask for the URL at every ``interval`` for ``duration`` seconds; give the number of requests."""
    lock = threading.Lock()
    waiting: Deque[Request] = deque()
    begun = time.monotonic()
    count = 0
    while True:
        now = time.monotonic()
        while waiting and waiting[0].deadline <= now:
            waiting.popleft().expire()
        due = begun + count * interval
        if due >= begun + duration:
            if not waiting:
                return count
            due = waiting[0].deadline
        elif now >= due:
            request = Request(url, timeout, out, lock)
            waiting.append(request)
            count += 1
            if threading.active_count() > MOST_AT_ONCE:
                request.write(error=f"more than {MOST_AT_ONCE} requests wait at once")
            else:
                threading.Thread(target=request.run, daemon=True).start()
            continue
        time.sleep(max(0.0, min(due, waiting[0].deadline if waiting else due) - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask for a URL at fixed times and write a JSON line for each request.")
    parser.add_argument("--url", required=True)
    for option in ("--interval", "--timeout", "--duration"):
        parser.add_argument(option, type=float, required=True, help="seconds")
    options = parser.parse_args()
    probe(options.url, options.interval, options.timeout, options.duration, sys.stdout)


if __name__ == "__main__":
    main()
