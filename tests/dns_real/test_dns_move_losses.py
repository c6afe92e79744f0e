# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone moves from a real BIND that stands for a provider, and no record of it is lost without a line that names it."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import yaml
from fakes import FakeClock, FakeFiles
from reading_fixtures import Serving, has_ipv6, serving

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.move_client import MemoryFile, proceed
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.result_client import move_of, result_of, source_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare import counted, table
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare_client import Beyond, compare_sides, side_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import Asking

ZONE = "example.net."
HEAD = "$TTL 60\n@ SOA ns1.provider.example.com. hostmaster 1 3600 600 1209600 60\n@ NS ns1.provider.example.com.\n"
FILE = """$TTL 60
@ NS ns1.provider.example.com.
@ ALIAS lb.provider.example.
@ CAA 0 ISSUE "ca.example.com"
pc7 [AGE:3612300] 300 A 192.0.2.107
www A 192.0.2.80
"""
SERVED = HEAD + '@ A 192.0.2.1\n@ CAA 0 issue "ca.example.com"\npc7 A 192.0.2.107\nwww A 192.0.2.80\n'
PARENT = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 1209600 60\n@ NS ns\nns A 127.0.0.1\nexample NS ns1.provider.example.com.\n"
EMPTY = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\nns1 A 127.0.0.1\n"


class Provider:
    """Servers of an old provider, of which ``text`` is the export, a new server and the parent; TTLs are low and waited out."""

    def __init__(self, folder: Path, old: List[Serving], new: Serving, parent: Serving) -> None:
        self.old, self.new, self.parent = old, new, parent
        self.clock = FakeClock(1000000.0)
        self.files = FakeFiles()

    def options(self, text: str, form: str = "zone", **more: Any) -> Dict[str, Any]:
        canonical = self.new.client().canonical
        sets, left = read_source(text, {"format": form, "default_ttl": 60}, ZONE, canonical)
        found = take(ZONE, sets, canonical)
        return {
            "zone_name": "example.net",
            "parent_zone": None,
            "record_sets": list(found.record_sets),
            "left_out": [vars(one) for one in (*left, *found.left_out)],
            "names": [],
            "decisions": [],
            "ttl": 60,
            "timeout": 3.0,
            "families": ["ipv4", "ipv6"],
            "old": self.side(self.old[0].port, *(one.address for one in self.old)),
            "new": self.side(self.new.port, "127.0.0.1"),
            "parent": self.side(self.parent.port, "127.0.0.1"),
            **more,
        }

    def side(self, port: int, *servers: str, transfer: bool = False) -> Dict[str, Any]:
        keys = {name: None for name in ("key_name", "key_secret", "key_file")}
        return {"servers": list(servers), "port": port, "transfer": transfer, "key_algorithm": "", **keys}

    def look(self, text: str, form: str = "zone", **more: Any) -> Dict[str, Any]:
        """What a run says once all waiting is over."""
        move = move_of(self.options(text, form, **more), self.files, self.new.client().canonical)
        memory = MemoryFile(self.files, None, ZONE, lambda path: nullcontext())
        return result_of(move, proceed(move, memory, self.clock, lambda: int(self.clock.now), 100000, False), memory.path)

    def publish(self, result: Dict[str, Any]) -> None:
        self.new.write(ZONE, *yaml.safe_load(result["variables"].replace("!unsafe ", ""))["imported_example_net"]["records"])

    def compared(self, text: str, **more: Any) -> str:
        """The differences that keep the playbook from switching."""
        options = self.options(text, **more)
        canonical, asking = self.new.client().canonical, Asking(timeout=3.0, families=("ipv4",))
        source = source_of(ZONE, options, canonical)
        sides = [side_of(name, options[name], asking, self.files) for name in ("old", "new")]
        beyond = Beyond(source.mentioned(ZONE), source.decisions)
        return table(counted(compare_sides(ZONE, sides[0], sides[1], list(source.listed.values()), beyond).differences))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts the three with these zones of the old servers."""
    with ExitStack() as stack:

        def begin(*served: str, transfer: str = "none;") -> Provider:
            old = []
            for number, text in enumerate(served or (SERVED,)):
                where = {"address": "::1" if number else "127.0.0.1", "port": old[0].port if old else None}
                old.append(stack.enter_context(serving(tmp_path / f"old{number}", {"example.net": text}, transfer=transfer, **where)))
            new = stack.enter_context(serving(tmp_path / "new", {"example.net": EMPTY}, transfer="none;"))
            parent = stack.enter_context(serving(tmp_path / "parent", {"net": PARENT}))
            return Provider(tmp_path, old, new, parent)

        yield begin


two_servers = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on its loopback interface")


def doubts(result: Dict[str, Any]) -> Dict[Any, str]:
    return {(one["record"], one["type"]): one["reason"] for one in result["unexplained"]}


def decide(record: str, kind: str, publish: str, **more: Any) -> Dict[str, Any]:
    return {"record": record, "type": kind, "publish": publish, **more}


D2 = [decide("@", "ALIAS", "nothing"), decide("@", "A", "value", value=["192.0.2.1"]), decide("pc7", "A", "answer")]


def test_records_that_the_file_lost_stop_the_move_and_are_all_named_in_the_last_message(start: Any) -> None:
    provider = start()
    result = provider.look(FILE)
    assert result["next"] == "explain"
    assert list(doubts(result)) == [("@", "ALIAS"), ("pc7", "A"), ("@", "A")]
    message = result["message"]
    assert "@ ALIAS is no type of DNS" in message and "(line 3)" in message
    assert "pc7 A has the mark [AGE:3612300]" in message and "the old servers answer 192.0.2.107" in message
    assert "@ A is not in the file, and the old servers answer 192.0.2.1" in message
    assert any(line.startswith("in doubt  @ ALIAS") for line in result["report"])
    assert not any(one.startswith("in doubt  @ CAA") for one in result["report"])  # its tag is read


def test_what_was_decided_is_published_and_nothing_else_is_asked(start: Any) -> None:
    provider = start()
    result = provider.look(FILE, decisions=D2)
    assert result["next"] == "switch" and not result["unexplained"]
    assert {(one["record"], one["publish"]) for one in result["decided"]} == {("@", "nothing"), ("@", "value"), ("pc7", "answer")}
    provider.publish(result)
    assert provider.compared(FILE, decisions=D2) == ""
    assert provider.new.read(ZONE, ("pc7.example.net.", "A")) is not None


def test_the_comparison_alone_finds_what_the_file_lost(start: Any) -> None:
    provider = start()
    provider.publish(provider.look(FILE))
    said = provider.compared(FILE)
    assert "example.net. A is missing at new" in said and "pc7.example.net. A is missing at new" in said
    assert "CAA" not in said and "www" not in said


def test_an_answer_to_be_published_that_has_a_high_ttl_is_lowered_and_waited_out_first(start: Any) -> None:
    provider = start(SERVED.replace("pc7 A", "pc7 7200 A"))
    assert provider.look(FILE, decisions=D2)["next"] == "lower"


def test_common_names_and_wildcards_that_the_file_lacks_are_found(start: Any) -> None:
    provider = start(SERVED + 'mail A 192.0.2.25\nselector1._domainkey CNAME s.example.com.\n_dmarc TXT "v=DMARC1"\n*.dyn A 192.0.2.9\na.dyn A 192.0.2.8\n')
    found = doubts(provider.look(FILE + "a.dyn A 192.0.2.8\n", decisions=D2))
    assert set(found) == {("mail", "A"), ("selector1._domainkey", "CNAME"), ("_dmarc", "TXT"), ("*.dyn", "A")}


def test_a_name_that_only_the_user_knows_is_asked(start: Any) -> None:
    provider = start(SERVED + "hidden A 192.0.2.66\n")
    assert provider.look(FILE, decisions=D2)["unexplained"] == []
    assert set(doubts(provider.look(FILE, decisions=D2, names=["hidden"]))) == {("hidden", "A")}


def test_a_type_at_a_known_name_that_the_file_lacks_is_found(start: Any) -> None:
    provider = start(SERVED + "www TYPE65280 \\# 1 aa\nwww SSHFP 4 2 " + "ab" * 32 + "\n")
    assert set(doubts(provider.look(FILE, decisions=D2))) == {("www", "SSHFP"), ("www", "TYPE65280")}


def test_a_record_of_the_file_that_no_old_server_answers_is_in_doubt(start: Any) -> None:
    provider = start()
    found = doubts(provider.look(FILE + "gone A 192.0.2.200\nwww2 CNAME gone\n", decisions=D2))
    assert set(found) == {("gone", "A"), ("www2", "CNAME")}
    assert "no old server answers it" in found["gone", "A"]


@two_servers
def test_what_only_one_old_server_has_is_in_doubt_and_so_is_what_they_answer_differently(start: Any) -> None:
    other = SERVED.replace("192.0.2.80", "192.0.2.81") + "extra A 192.0.2.4\nsecond A 192.0.2.5\n"
    provider = start(SERVED, other)
    found = doubts(provider.look(FILE + "second A 192.0.2.5\n", decisions=D2, names=["extra"]))
    assert set(found) == {("www", "A"), ("extra", "A"), ("second", "A")}
    assert "192.0.2.80 at first, then old ::1 192.0.2.81" in found["www", "A"]
    assert "only old ::1 answers it" in found["second", "A"]


@two_servers
def test_an_old_server_that_does_not_answer_keeps_the_move_where_it_is(start: Any) -> None:
    provider = start(SERVED, SERVED)
    provider.old[1].stop()
    found = doubts(provider.look(FILE, decisions=D2))
    assert list(found) == [("@", "SOA")] and "cannot be asked of old ::1" in found["@", "SOA"]


PROXIED = """$TTL 60
www A 198.51.100.80 ; cf_tags=cf-proxied:true
app CNAME origin.example.com. ; cf_tags=cf-proxied:true
"""
EDGE = HEAD + "".join(f"{name} A 192.0.2.{number}\n{name} AAAA 2001:db8::{number}\n" for name, number in (("www", 1), ("app", 2)))


def test_a_proxy_of_the_provider_is_never_published_in_silence(start: Any) -> None:
    provider = start(EDGE)
    found = doubts(provider.look(PROXIED))
    assert set(found) == {("www", "A"), ("www", "AAAA"), ("app", "CNAME"), ("app", "A"), ("app", "AAAA")}
    assert "proxy" in found["www", "A"] and "(line 2)" in found["www", "A"]
    behind = [decide("www", "A", "source"), decide("app", "CNAME", "value", value=["elsewhere.example.com."])]
    result = provider.look(PROXIED, decisions=behind)
    assert result["unexplained"] == []
    assert {tuple(one["value"]) for one in yaml.safe_load(result["variables"])["imported_example_net"]["records"]} == {
        ("198.51.100.80",),
        ("elsewhere.example.com.",),
    }
    provider.publish(result)
    assert provider.compared(PROXIED, decisions=behind) == ""
    edge = [*behind[1:], decide("www", "A", "answer")]
    assert set(doubts(provider.look(PROXIED, decisions=edge))) == {("www", "AAAA")}


def test_an_alias_of_the_provider_at_the_apex_shows_in_spite_of_a_transfer(start: Any) -> None:
    provider = start(SERVED + '@ TYPE65401 \\# 1 00\nodd TXT "\\255"\n', transfer="any;")
    old = provider.side(provider.old[0].port, "127.0.0.1", transfer=True)
    found = doubts(provider.look("", old=old))
    assert set(found) == {("@", "TYPE65401"), ("odd", "TXT")}
    left = [decide("@", "TYPE65401", "nothing"), decide("odd", "TXT", "answer")]
    assert set(doubts(provider.look("", old=old, decisions=left))) == {("odd", "TXT")}
    left[1] = decide("odd", "TXT", "nothing")
    result = provider.look("", old=old, decisions=left)
    assert result["next"] == "switch"


def test_of_a_whole_zone_by_transfer_only_what_nobody_sees_below_a_delegation_is_in_doubt(start: Any) -> None:
    text = SERVED + "sub NS ns.sub\nns.sub A 192.0.2.60\nbelow.sub A 192.0.2.61\nold DNAME www\nx.old A 192.0.2.3\n*.any A 192.0.2.9\n"
    provider = start(text.replace("x.old A 192.0.2.3\n", ""), transfer="any;")
    old = provider.side(provider.old[0].port, "127.0.0.1", transfer=True)
    assert set(doubts(provider.look("", old=old))) == {("below.sub", "A")}
    result = provider.look("", old=old, decisions=[decide("below.sub", "A", "nothing")])
    assert doubts(result) == {} and result["next"] == "switch"


@two_servers
def test_what_only_the_second_server_gives_in_its_transfer_is_in_doubt(start: Any) -> None:
    provider = start(SERVED, SERVED + "late A 192.0.2.77\n", transfer="any;")
    old = provider.side(provider.old[0].port, "127.0.0.1", "::1", transfer=True)
    assert set(doubts(provider.look("", old=old))) == {("late", "A")}
