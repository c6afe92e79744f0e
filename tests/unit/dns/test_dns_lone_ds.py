# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DS is refused where there is no delegation, before anything is sent."""

from __future__ import annotations

from typing import Any, Dict, Optional

import pytest
from fakes import FakeDns

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_zone_client import converge_all
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import Desired
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values import Values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values_client import converge_values

ZONE, SUB = "example.net.", "sub.example.net."
DS = RRset(SUB, "DS", 300, frozenset({"1 13 2 aa"}))
NS = RRset(SUB, "NS", 300, frozenset({"ns.example.com."}))
OWN = RRset(ZONE, "NS", 300, frozenset({"ns.example.com."}))
Sets = Dict[Key, Optional[RRset]]


def server(*sets: RRset) -> FakeDns:
    return FakeDns(ZONE, {one.key: one for one in (OWN, *sets)})


def by_set(at: FakeDns, wanted: Sets) -> Any:
    return converge(at, Request(ZONE, wanted))


def by_prune(at: FakeDns, wanted: Sets) -> Any:
    everything = {**at.sets, **wanted}
    return converge_all(at, {ZONE: Desired(everything, {}, prune=True)}, "replace")[ZONE]


@pytest.mark.parametrize("write", [by_set, by_prune])
@pytest.mark.parametrize(
    ("there", "wanted", "said"),
    [
        ((), {DS.key: DS}, "DS cannot be without NS at the same name"),
        ((NS, DS), {NS.key: None}, "NS cannot go while"),
        ((NS,), {NS.key: None, DS.key: DS}, "NS cannot go while"),
        ((), {(ZONE, "DS"): RRset(ZONE, "DS", 300, DS.values)}, "belongs in the zone above"),
    ],
)
def test_a_ds_without_a_delegation_is_refused(write: Any, there: Any, wanted: Sets, said: str) -> None:
    at = server(*there)
    with pytest.raises(Refused, match=said):
        write(at, wanted)
    assert at.sent == []


@pytest.mark.parametrize("write", [by_set, by_prune])
@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ((), {NS.key: NS, DS.key: DS}),
        ((NS,), {DS.key: DS}),
        ((NS, DS), {NS.key: None, DS.key: None}),
        ((NS, DS), {DS.key: None}),
        ((DS,), {DS.key: None}),
        ((DS,), {DS.key: DS, (SUB, "TXT"): RRset(SUB, "TXT", 300, frozenset({'"x"'}))}),
    ],
)
def test_a_delegation_with_its_ds_comes_and_goes(write: Any, there: Any, wanted: Sets) -> None:
    at = server(*there)
    assert write(at, wanted).changed
    assert {key: at.sets.get(key) for key in wanted} == wanted


def test_single_values_of_a_ds_are_refused_too() -> None:
    at = server()
    with pytest.raises(Refused, match="cannot be without NS"):
        converge_values(at, ZONE, Values(DS.key, DS.values))
    assert at.sent == [] and converge_values(server(NS), ZONE, Values(DS.key, DS.values)).changed
    with pytest.raises(Refused, match="cannot go while"):
        converge_values(server(NS, DS), ZONE, Values(NS.key, NS.values, present=False))
