# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a zone holds where its server answers something else, with a real BIND and a real Knot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asking import BARE, entry, failure_of, prune, write
from asking import held as transferred

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.contents_client import held
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values import Values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values_client import converge_values

PARENT, CHILD = "family.example.", "child.family.example."
DIGEST = "12345 13 2 abababababababababababababababababababababababababababababababab"


@pytest.fixture(autouse=True)
def bare(server: Any) -> None:
    """Each test begins with a parent and a child that know nothing of each other."""
    prune(server.client(), *BARE, entry("keep", "A", "192.0.2.1"), zone=PARENT)
    prune(server.client(), *BARE, zone=CHILD)


def parent(server: Any, name: str, kind: str) -> Any:
    """What is in the parent, by transfer: the truth."""
    return transferred(server, PARENT).get((f"{name}.{PARENT}" if name else PARENT, kind))


@pytest.mark.parametrize("key", ["all", "update-only"])
@pytest.mark.parametrize("child", ["child", "signed"])
def test_a_delegation_to_a_zone_on_the_same_server_is_written_once(server: Any, child: str, key: str) -> None:
    client = server.client(key)
    servers = entry(child, "NS", f"ns1.child.{PARENT}", "ns.elsewhere.example.com.")
    delegation = [servers, entry("ns1.child", "A", "192.0.2.53")]
    done = write(client, *delegation, zone=PARENT)
    assert len(done.steps) == 2 and not done.notes
    assert parent(server, child, "NS").values == {"ns1.child.family.example.", "ns.elsewhere.example.com."}
    assert not write(client, *delegation, zone=PARENT).changed
    other = entry(child, "NS", f"ns1.child.{PARENT}", "ns.other.example.com.")
    if key == "all":
        assert write(client, other, zone=PARENT).steps == (f"replace {child}.{PARENT} NS",)
    else:
        assert failure_of(lambda: write(client, other, zone=PARENT)).reason == "not_readable"


def test_a_delegation_like_the_childs_own_nameservers_is_not_taken_to_be_there(server: Any) -> None:
    client = server.client()
    same = entry("child", "NS", f"ns1.child.{PARENT}")
    assert client.read(PARENT, [(CHILD, "NS")])[CHILD, "NS"].values == {"ns1.child.family.example."}
    assert write(client, same, zone=PARENT).steps == ("create child.family.example. NS",)
    assert parent(server, "child", "NS") is not None
    assert not write(client, same, zone=PARENT).changed
    assert write(client, entry("child", "NS", state="absent"), zone=PARENT).changed
    assert parent(server, "child", "NS") is None


def test_single_values_are_added_to_a_delegation_on_the_same_server(server: Any) -> None:
    client = server.client()
    write(client, entry("child", "NS", f"ns1.child.{PARENT}"), zone=PARENT)
    more = Values((CHILD, "NS"), frozenset({"ns9.example.com."}))
    assert converge_values(client, PARENT, more).changed
    assert parent(server, "child", "NS").values == {"ns1.child.family.example.", "ns9.example.com."}
    assert not converge_values(client, PARENT, more).changed


@pytest.mark.parametrize("name", ["away", "child"])
def test_glue_is_found_whether_a_nameserver_refers_to_it_or_not(server: Any, name: str) -> None:
    client = server.client()
    write(client, entry(name, "NS", f"ns.{name}.{PARENT}"), entry(f"ns.{name}", "A", "192.0.2.1"), zone=PARENT)
    lost = entry(f"lost.deep.{name}", "A", "192.0.2.2")
    assert write(client, lost, zone=PARENT).changed
    assert not write(client, lost, zone=PARENT).changed
    assert not write(client, entry(f"ns.{name}", "A", "192.0.2.1"), zone=PARENT).changed
    assert write(client, entry(f"lost.deep.{name}", "A", state="absent"), zone=PARENT).changed


def test_a_delegation_and_its_glue_are_read_without_the_right_to_transfer(server: Any) -> None:
    write(server.client(), entry("away", "NS", f"ns.away.{PARENT}"), entry("ns.away", "A", "192.0.2.1"), zone=PARENT)
    keys = [(f"away.{PARENT}", "NS"), (f"ns.away.{PARENT}", "A")]
    assert [one.ttl for one in held(server.client("txt-only"), PARENT, keys).values()] == [300, 300]


@pytest.mark.parametrize("name", ["child", "signed"])
def test_a_ttl_that_cannot_be_seen_is_left_alone_with_a_note_and_never_taken_from_the_child(server: Any, name: str) -> None:
    """The child holds the same NS set as the parent, with a TTL of its own, and the key may not transfer the parent."""
    host = f"ns1.{name}.{PARENT}"
    write(server.client(), {**entry("@", "NS", host), "ttl": 77}, zone=f"{name}.{PARENT}")
    write(server.client(), {**entry(name, "NS", host), "ttl": 3600}, zone=PARENT)
    client = server.client("update-only")
    for check in (True, False):
        done = write(client, {**entry(name, "NS", host), "ttl": 60}, zone=PARENT, check=check)
        (note,) = done.notes
        assert not done.changed and note.startswith(f"The TTL of {name}.{PARENT} NS cannot be seen with this key")
    assert parent(server, name, "NS").ttl == 3600
    other = {**entry(name, "NS", "ns.example.com."), "ttl": 60}
    done = write(client, other, zone=PARENT)
    assert done.steps == (f"replace {name}.{PARENT} NS",) and not done.notes
    assert (parent(server, name, "NS").ttl, parent(server, name, "NS").values) == (60, {"ns.example.com."})
    assert not write(client, other, zone=PARENT).changed


def test_a_value_is_added_to_a_set_whose_ttl_cannot_be_seen_with_a_named_ttl_only(server: Any) -> None:
    write(server.client(), {**entry("@", "NS", f"ns1.{CHILD}"), "ttl": 77}, zone=CHILD)
    write(server.client(), {**entry("child", "NS", f"ns1.{CHILD}"), "ttl": 3600}, zone=PARENT)
    client, more = server.client("update-only"), Values((CHILD, "NS"), frozenset({"ns9.example.com."}))
    failure = failure_of(lambda: converge_values(client, PARENT, more))
    assert failure.reason == "not_readable" and "Name the ttl" in str(failure)
    assert parent(server, "child", "NS").ttl == 3600
    here = Values((CHILD, "NS"), frozenset({f"ns1.{CHILD}"}), ttl=60)
    done = converge_values(client, PARENT, here)
    assert not done.changed and "cannot be seen" in done.notes[0]
    assert converge_values(client, PARENT, replace(more, ttl=60)).changed
    assert parent(server, "child", "NS").values == {f"ns1.{CHILD}", "ns9.example.com."}


def test_what_cannot_be_read_is_said_with_the_reason_and_the_remedy(server: Any) -> None:
    write(server.client(), entry("child", "NS", f"ns1.child.{PARENT}", "ns2.example.com."), zone=PARENT)
    failure = failure_of(lambda: held(server.client("update-only"), PARENT, [(CHILD, "NS")]))
    assert failure.reason == "not_readable"
    text = str(failure)
    assert text.startswith("What the zone family.example holds cannot be read for child.family.example NS.")
    assert "also serves the zone child.family.example" in text and "allow-transfer" in text


@pytest.mark.parametrize("key", ["update-only", "txt-only"])
def test_asking_by_prerequisites_alone_needs_no_right_to_the_set_and_changes_nothing(server: Any, key: str) -> None:
    before = server.client().transfer(PARENT)
    wanted = RRset(CHILD, "NS", 300, frozenset({"ns1.child.family.example."}))
    assert held(server.client(key), PARENT, [wanted.key], [wanted]) == {}
    assert server.client().transfer(PARENT) == before


def test_below_a_dname_what_is_held_is_seen(server: Any) -> None:
    client = server.client()
    if server.kind == "bind":  # Knot takes no names below a DNAME
        write(client, entry("a.old", "A", "192.0.2.1"), zone=PARENT)
    write(client, entry("old", "DNAME", "child"), zone=PARENT)
    stands = parent(server, "a.old", "A")
    assert (stands is not None) == (server.kind == "bind")
    assert held(client, PARENT, [(f"a.old.{PARENT}", "A")]).get((f"a.old.{PARENT}", "A")) == stands
    assert held(client, PARENT, [(f"old.{PARENT}", "DNAME")])
    assert not write(client, entry("old", "DNAME", "child"), zone=PARENT).changed
    assert not write(client, entry("ns1.old", "A", state="absent"), zone=PARENT).changed


def test_a_ds_at_the_cut_is_the_parents(server: Any) -> None:
    client = server.client()
    ds = [entry("signed", "NS", f"ns1.signed.{PARENT}"), entry("signed", "DS", DIGEST)]
    assert len(write(client, *ds, zone=PARENT).steps) == 2
    assert not write(server.client("update-only"), ds[1], zone=PARENT).changed
    assert held(server.client("txt-only"), PARENT, [(f"signed.{PARENT}", "DS")])
    assert write(client, entry("signed", "DS", state="absent"), zone=PARENT).changed


@pytest.mark.parametrize("key", ["all", "update-only"])
def test_a_ds_without_a_delegation_is_refused_beforehand(server: Any, key: str) -> None:
    client = server.client(key)
    for name in ("away", "child"):
        ds = entry(name, "DS", DIGEST)
        with pytest.raises(Refused, match="without NS at the same name"):
            write(client, ds, zone=PARENT)
        assert len(write(client, ds, entry(name, "NS", "ns.example.com."), zone=PARENT).steps) == 2
        assert not write(client, ds, zone=PARENT).changed
        with pytest.raises(Refused, match="NS cannot go while there is a DS"):
            write(server.client(), entry(name, "NS", state="absent"), zone=PARENT)


def test_above_cuts_answers_are_proof_and_no_transfer_is_needed(server: Any) -> None:
    write(
        server.client(),
        entry("www.deep", "A", "192.0.2.1"),
        entry("alias", "CNAME", f"www.deep.{PARENT}"),
        entry("gone", "CNAME", f"nothing.child.{PARENT}"),
        entry("below.alias", "TXT", "x"),
        entry("*.star", "TXT", "x"),
        zone=PARENT,
    )
    client = server.client("txt-only")
    client.transfer = None
    client.send = None
    kinds = ("A", "TXT", "CNAME", "NS", "DS", "MX")
    names = ("www.deep", "deep", "alias", "gone", "below.alias", "*.star", "x.star", "nothing.at.all", "keep", "ns1")
    keys = [(f"{name}.{PARENT}", kind) for name in names for kind in kinds] + [(PARENT, "SOA"), (PARENT, "NS")]
    found = held(client, PARENT, keys)
    soa = server.client().transfer(PARENT).soa
    assert found == {**transferred(server, PARENT), soa.key: soa}
    assert f"nothing.at.all.{PARENT}" in found.unused and f"deep.{PARENT}" not in found.unused


def test_a_record_between_two_wildcards_with_the_same_data_is_seen(server: Any) -> None:
    client = server.client()
    address = "192.0.2.1"
    between = [entry("*.w", "A", address), entry("mid.w", "A", address), entry("*.mid.w", "A", address)]
    assert len(write(client, *between, zone=PARENT).steps) == 3
    assert not write(client, *between, zone=PARENT).changed
    assert write(client, entry("mid.w", "A", state="absent"), zone=PARENT).changed
    assert parent(server, "mid.w", "A") is None
    assert not held(client, PARENT, [(f"other.w.{PARENT}", "A")])
