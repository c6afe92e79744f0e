# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's interfaces are moved, and whatever happens in between, the next run ends what was begun."""

from __future__ import annotations

import re
from typing import Dict, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import Attachment, bridge, direct, read_domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import Guest, Move, back, expected, longest_first, plan, space_needed

from . import domains
from .world import World

MACS = (domains.MAC, domains.OTHER)
BR0 = bridge("br0")


def world(nics: int = 1, running: bool = True, image: bool = False) -> World:
    elements = [domains.nic(mac, bus) for mac, bus in zip(MACS[:nics], (1, 2))]
    text = domains.domain(nics=elements)
    return World(text, text if running and not image else None, text if image else None)


def onto(to: Attachment = BR0, method: str = "suspend", nics: int = 1, define: bool = True) -> Move:
    return Move("web", method, {mac: to for mac in MACS[:nics]}, define)


def kinds(found: World, move: Move) -> Tuple[str, ...]:
    return tuple(step.kind for step in found.plan(move).steps)


def test_suspending_saves_rewrites_and_goes_on_and_the_definition_follows() -> None:
    assert kinds(world(), onto()) == ("note", "save", "rewrite", "start", "define", "forget")


def test_replugging_takes_each_interface_out_and_puts_it_in() -> None:
    assert kinds(world(2), onto(method="replug", nics=2)) == (
        "note", "detach", "attach", "detach", "attach", "define", "forget",
    )  # fmt: skip


def test_two_interfaces_of_a_guest_cost_one_suspension() -> None:
    found = world(2)
    found.run(onto(nics=2))
    assert found.done.count("save") == 1
    assert found.at(MACS[1]) == ["bridge br0", "bridge br0"]


def test_a_guest_that_is_off_only_has_its_definition_changed() -> None:
    assert kinds(world(running=False), onto()) == ("define",)


def test_a_guest_that_somebody_saved_stays_saved() -> None:
    found = world(image=True)
    assert kinds(found, onto()) == ("note", "rewrite", "define", "forget")
    for stop in range(5):
        again = world(image=True)
        again.run(onto(), stop)
        again.run(onto())
        assert again.live is None and again.image is not None


def test_without_define_the_definition_stays_and_the_note_too() -> None:
    found = world()
    found.run(onto(define=False))
    assert found.at(MACS[0]) == ["bridge br0", "macvtap on eth0 (bridge)"] and found.entry is not None
    assert kinds(found, onto(define=False)) == ()
    assert kinds(found, onto()) == ("define", "forget")


def test_the_way_back_gives_what_was_there_to_the_letter_but_for_what_libvirt_makes_up() -> None:
    found = world()
    before = found.definition
    found.run(onto(define=False))
    assert found.entry is not None
    found.run(back(found.entry))
    assert found.definition == before and found.entry is None
    assert read_domain(found.live or "").nics[0].at == direct("eth0")


def test_a_definition_that_differed_from_the_running_guest_differs_again_on_the_way_back() -> None:
    found = world()
    found.definition = domains.domain(nics=[domains.on(direct("eth1"))])
    found.run(onto(), 5)
    assert found.entry is not None
    found.run(back(found.entry))
    assert found.at(MACS[0]) == ["macvtap on eth0 (bridge)", "macvtap on eth1 (bridge)"]


@given(
    method=st.sampled_from(("suspend", "replug")),
    nics=st.integers(1, 2),
    running=st.booleans(),
    image=st.booleans(),
    stops=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=4),
    home=st.booleans(),
)
def test_cut_off_after_any_step_it_is_finished_or_taken_back_and_never_boots(method, nics, running, image, stops, home) -> None:
    """Runs that are cut off, forth and back in any order, and then one that is not."""
    found = world(nics, running, image)
    ran = found.live is not None
    there, here = onto(BR0, method, nics), onto(direct("eth0"), method, nics)
    for stop, forth in stops:
        found.run(there if forth else here, stop)
    found.run(here if home else there)
    wanted = "macvtap on eth0 (bridge)" if home else "bridge br0"
    assert all(set(found.at(mac)) == {wanted} for mac in MACS[:nics])
    assert (found.live is not None) == ran and found.boots == 0
    assert found.entry is None
    assert kinds(found, here if home else there) == ()


@given(method=st.sampled_from(("suspend", "replug")), nics=st.integers(1, 2), stop=st.integers(0, 9))
def test_cut_off_after_any_step_the_note_alone_leads_back(method, nics, stop) -> None:
    found = world(nics)
    before = found.definition
    found.run(onto(BR0, method, nics), stop)
    if found.entry is not None:
        found.run(back(found.entry))
        assert found.definition == before
        assert all(set(found.at(mac)) == {"macvtap on eth0 (bridge)"} for mac in MACS[:nics])
    assert found.boots == 0 and found.live is not None


def test_an_unplug_that_the_guest_grants_late_is_mended_by_the_next_run() -> None:
    found = world()
    found.run(onto(method="replug"), 2)
    assert found.at(MACS[0])[0] == "gone"
    assert kinds(found, onto(method="suspend")) == ("attach", "define", "forget")
    found.run(onto(method="suspend"))
    assert found.at(MACS[0]) == ["bridge br0", "bridge br0"]


def guest(text: str, **more: object) -> Guest:
    values: Dict[str, object] = {"state": "running", "live": read_domain(text), "definition": read_domain(text), **more}
    return Guest("web", "1", **values)  # type: ignore[arg-type]


TEXT = domains.domain()


@pytest.mark.parametrize(
    ("seen", "move", "said"),
    [
        (guest(TEXT, state="crashed"), onto(), r"is crashed\. Wait until it runs or is off"),
        (guest(TEXT), Move("web", "suspend", {domains.OTHER: BR0}), rf"no interface with the MAC {domains.OTHER}\. It has {domains.MAC}"),
        (guest(TEXT, definition=None), onto(), "no definition of its own.*method: replug"),
        (guest(TEXT.replace("<graphics", "<hostdev mode='subsystem'/><graphics")), onto(), "devices of this host.*method: replug"),
        (guest(TEXT, state="paused"), onto(method="replug"), "is paused.*method: suspend"),
        (guest(domains.domain(nics=[domains.nic(bus=0)])), onto(method="replug"), "on no port for that.*method: suspend"),
        (
            guest(TEXT.replace("<source dev='eth0' mode='bridge'/>", "<source network='lan' dev='eth0'/>").replace("'direct'", "'network'")),
            onto(),
            "attached by the libvirt network lan",
        ),
        (
            guest(TEXT.replace("<source dev='eth0' mode='bridge'/>", "").replace("'direct'", "'user'")),
            onto(),
            "of the type user, which this does not move",
        ),
        (guest(TEXT.replace("<model", "<virtualport type='802.1Qbh'/><model")), onto(), "virtual port"),
        (
            guest(domains.domain(nics=[domains.on(BR0).replace("<model", "<filterref filter='clean'/><model")])),
            onto(direct("eth0")),
            "network filter",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_remedy(seen: Guest, move: Move, said: str) -> None:
    work = plan(move, seen)
    assert work.steps == ()
    assert any(re.search(said, one) for one in work.problems), work.problems


def test_what_is_where_it_shall_be_is_not_asked_whether_it_could_be_moved() -> None:
    text = domains.domain(nics=[domains.on(BR0, bus=0)])
    assert plan(onto(method="replug"), guest(text, state="paused")).steps == ()


def test_the_outage_of_a_suspension_follows_the_memory_and_says_what_it_is_based_on() -> None:
    assert expected("suspend", 300).seconds == pytest.approx(4.5)
    assert "assumed" in str(expected("suspend", 300)) and "measured here" in str(expected("suspend", 300, 400.0))
    assert expected("suspend", 4096, 200.0).seconds > 8 * expected("suspend", 300, 200.0).seconds
    assert "configure" in str(expected("replug", 300))


def test_the_longest_goes_first_since_the_others_do_not_wait_for_it() -> None:
    def sized(name: str, memory: int) -> Guest:
        text = domains.domain(name).replace("131072", str(memory * 1024))
        return Guest(name, name, "running", read_domain(text), read_domain(text))

    guests = {name: sized(name, memory) for name, memory in (("a", 128), ("b", 4096), ("c", 512))}
    moves = [Move(name, "replug" if name == "c" else "suspend", {domains.MAC: BR0}) for name in guests]
    assert [move.guest for move in longest_first(moves, guests)] == ["b", "a", "c"]
    assert space_needed(list(guests.values())) == (4096 + 64) << 20
