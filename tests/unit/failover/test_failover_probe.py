# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Iterator, List, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.probe import Sample, line, parse, summarise
from ansible_collections.smallfleet.infra.plugins.module_utils._programs import http_probe as prober


def run_of(text: str, interval: float = 1.0) -> List[Sample]:
    """Samples from a picture: a letter is an answer of that node, a dot an error."""
    return [Sample(at * interval, letter != ".", letter.strip("."), "x") for at, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("picture", "gap", "errors", "nodes", "failing"),
    [
        ("aaaa", 0.0, 0, ["a"], False),
        ("aa..bb", 3.0, 2, ["a", "b"], False),
        ("a.a...b", 4.0, 4, ["a", "b"], False),
        ("..aa", 2.0, 2, ["a"], False),
        ("aa..", 2.0, 2, ["a"], True),
        ("aabb", 0.0, 0, ["a", "b"], False),
        ("....", 3.0, 4, [], True),
        ("", 0.0, 0, [], False),
    ],
)
def test_the_longest_gap_is_from_the_last_success_before_to_the_first_after(picture: str, gap: float, errors: int, nodes: List[str], failing: bool) -> None:
    found = summarise(run_of(picture))
    assert (found["longest_gap"], found["errors"], found["answered_by"]) == (gap, errors, nodes)
    assert found["still_failing"] == failing


def test_the_line_says_gap_errors_and_who_answered() -> None:
    assert line(summarise(run_of("aa..bb", 0.5))) == "outage: longest gap 1.50 s, 2 errors of 6 requests, a -> b"
    assert line(summarise(run_of("a."))) == "outage: longest gap 1.00 s, 1 error of 2 requests, a, and still failing"
    assert line(summarise([])) == "outage: not measured, for the probe has no samples"
    assert line(summarise(run_of(".."))) == "outage: nobody answered any of 2 requests"
    assert line(summarise(run_of("abababab"))).endswith("a -> b -> ... -> a -> b")


def test_a_change_of_node_has_its_time() -> None:
    found = summarise(run_of("aa.bba"))
    assert found["changes"] == [{"at": 3.0, "from": "a", "to": "b"}, {"at": 5.0, "from": "b", "to": "a"}]
    assert found["switched_at"] == 5.0


pictures = st.text("ab.", max_size=40)


@given(pictures)
def test_a_gap_is_at_least_as_long_as_every_row_of_errors_and_never_longer_than_the_run(picture: str) -> None:
    found = summarise(run_of(picture))
    rows = [len(row) for row in picture.replace("a", " ").replace("b", " ").split()]
    assert max(rows, default=0) - 1 <= found["longest_gap"] <= max(0, len(picture) - 1)
    assert found["errors"] == sum(rows)
    if "." not in picture:
        assert found["longest_gap"] == 0
    elif len(picture) > 1:
        assert found["longest_gap"] >= 1


@given(pictures, pictures)
def test_a_longer_run_never_has_a_shorter_longest_gap(one: str, more: str) -> None:
    assert summarise(run_of(one + more))["longest_gap"] >= summarise(run_of(one))["longest_gap"]


@given(pictures)
def test_the_changes_lead_from_the_first_node_that_answered_to_the_last(picture: str) -> None:
    found = summarise(run_of(picture))
    at = [letter for letter in picture if letter != "."][:1]
    for change in found["changes"]:
        assert [change["from"]] == at
        at = [change["to"]]
    assert at == [letter for letter in picture if letter != "."][-1:]


@given(st.lists(st.text(max_size=30) | st.sampled_from(['{"at": 1', "[]", "null", '{"at": true}', '{"at": "x"}'])))
def test_a_torn_or_foreign_line_is_counted_and_is_no_sample(lines: Sequence[str]) -> None:
    good = json.dumps({"at": 1.5, "body": "app1", "address": "192.0.2.1", "error": None})
    samples, unreadable = parse("\n".join([good, *lines]))
    assert Sample(1.5, True, "app1") in samples
    assert len(samples) == 1
    assert unreadable == len("\n".join([good, *lines]).splitlines()) - 1


def test_an_answer_that_is_no_name_counts_for_its_address() -> None:
    text = json.dumps({"at": 1, "body": "<!doctype html>", "address": "192.0.2.1", "error": None})
    assert parse(text)[0][0].answered_by == "192.0.2.1"


class Answer(BaseHTTPRequestHandler):
    """Answers /fast at once, /slow after a while, /bad with an error."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(1)
        self.send_response(500 if self.path == "/bad" else 200)
        self.end_headers()
        self.wfile.write(b"app1\nmore\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(name="server", scope="module")
def server_fixture() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def samples_of(url: str, timeout: float = 10.0, duration: float = 0.5) -> List[Sample]:
    out = io.StringIO()
    count = prober.probe(url, 0.05, timeout, duration, out)
    samples, unreadable = parse(out.getvalue())
    assert (count, unreadable) == (len(samples), 0)
    return list(samples)


def test_every_request_of_a_healthy_service_is_answered(server: str) -> None:
    samples = samples_of(f"{server}/fast")
    assert len(samples) == 10
    assert all(sample.good and sample.answered_by == "app1" for sample in samples)


def test_slow_answers_are_errors_and_do_not_delay_the_requests_behind_them(server: str) -> None:
    samples = samples_of(f"{server}/slow", timeout=0.3)
    assert len(samples) == 10
    assert {sample.error.split(":")[0] for sample in samples} <= {"no answer within 0.3 s", "TimeoutError", "timeout"}
    assert samples[-1].at - samples[0].at < 9 * 0.3


def test_a_bad_status_a_closed_port_and_an_unknown_name_are_errors(server: str) -> None:
    assert {sample.error for sample in samples_of(f"{server}/bad")} == {"status 500"}
    assert not any(sample.good for sample in samples_of("http://127.0.0.1:9/", duration=0.1))
    assert not any(sample.good for sample in samples_of("http://nobody.invalid/", timeout=0.3, duration=0.1))


def test_a_name_server_that_keeps_a_request_waiting_does_not_keep_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober.socket, "getaddrinfo", lambda *args, **options: time.sleep(1) or [])
    samples = samples_of("http://www.example.net/", timeout=0.1, duration=0.1)
    assert [sample.error for sample in samples] == ["no answer within 0.1 s"] * 2


def test_the_file_runs_on_its_own(server: str) -> None:
    argv = [sys.executable, "-I", str(prober.__file__), f"--url={server}/fast"]
    argv += ["--interval=0.05", "--timeout=1", "--duration=0.2"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/")
    assert summarise(parse(done.stdout)[0])["answered_by"] == ["app1"]
