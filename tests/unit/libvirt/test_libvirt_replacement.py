# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host and guests from macvtap to a bridge: in order, all or nothing, and wherever it is cut off, nothing is lost."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import bridge, read_domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import Link, Member, Owner
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.mover_host import Outcome
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import OFF, RUNNING, Guest
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement import Beside, Scene, Wish, arrange, outages, read_wishes
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement_host import Asked, Failed

from . import domains
from .host import Cut, Host
from .world import World

NAMES = ("still", "nimble", "idle")
MACS = {name: f"52:54:00:aa:00:0{number}" for number, name in enumerate(NAMES, 1)}
WISHES = {"still": Wish("suspend", ("192.0.2.21",)), "nimble": Wish("replug", ("192.0.2.22", "2001:db8::22"))}
STILL = {"still": WISHES["still"]}
BRIDGES = {"br0": ["eth0"]}
ASKED = Asked(BRIDGES, WISHES)
REFUSED = Asked(BRIDGES, WISHES, mac_filter=True)
CARD = Link("eth0", 2, mac="02:00:00:00:00:01", up=True, mtu=9000)


def definition(name: str) -> str:
    return domains.domain(name, [domains.nic(MACS[name])], NAMES.index(name) + 1)


def host(networkd: bool = True) -> Host:
    """Two guests that run, and one that is off."""
    texts = {name: definition(name) for name in NAMES}
    return Host({name: World(texts[name], texts[name] if name in WISHES else None) for name in NAMES}, networkd)


def guest(name: str = "still", state: str = RUNNING) -> Guest:
    read = read_domain(definition(name))
    return Guest(name, read.uuid, state, None if state == OFF else read, read)


def scene(*guests: Guest, links: Optional[Dict[str, Link]] = None, members: Any = (), **more: Any) -> Scene:
    there = {"eth0": CARD, **(links or {})}
    return Scene(there, {one.name: one for one in guests}, members=members, bridges=more.pop("bridges", BRIDGES), **more)


def replace(world: Host, asked: Asked = ASKED, confirmed: bool = True) -> None:
    """As module, action and host do it together."""
    replacement = world.replacement(asked)
    preview = replacement.preview()
    if preview.problems:
        replacement.take_back(Outcome())
        return
    if preview.needed:
        replacement.begin(preview)
        if not confirmed:
            world.take_network_back()
            replacement.take_back(Outcome())
            return
        if world.under_way:
            world.confirm()
        preview = replacement.preview()
        assert replacement.silent(preview) == []
        assert replacement.finish(preview).failed == {}


def at(world: Host) -> List[str]:
    """What the interfaces hang on, in every definition that there is."""
    return sorted({place for name, one in world.worlds.items() for place in one.at(MACS[name])})


def done(world: Host) -> bool:
    return at(world) == ["bridge br0"] and world.joined and not world.under_way and world.bridge is not None and not world.files.files


def untouched(world: Host) -> bool:
    return at(world) == ["macvtap on eth0 (bridge)"] and world.bridge is None and not world.joined and not world.files.files


def nothing_lost(world: Host) -> None:
    """No guest was booted, memory is there once, and whatever is not as it was is noted until it is final."""
    for name, one in world.worlds.items():
        assert one.boots == 0
        if name in WISHES:
            assert (one.live is None) != (one.image is None), "the guest's memory is gone, or there twice"
            on = set(one.at(MACS[name]))
            assert on <= {"bridge br0", "macvtap on eth0 (bridge)", "gone"}
            assert one.entry is not None or len(on) == 1, f"{name} is on its way and nothing is noted: {on}"
            assert one.entry is not None or "gone" not in on


def settled(world: Host) -> None:
    nothing_lost(world)
    assert all(one.entry is None for one in world.worlds.values())
    assert {name: one.live is not None for name, one in world.worlds.items()} == {"still": True, "nimble": True, "idle": False}


@pytest.mark.parametrize("networkd", [True, False])
def test_all_of_it_in_one_go_and_a_second_run_does_nothing(networkd: bool) -> None:
    world = host(networkd)
    preview = world.replacement(ASKED).preview()
    assert preview.steps()[0] == "make the bridge br0 beside eth0, with its MAC 02:00:00:00:00:01"
    steps = preview.steps()
    assert steps.index("the card joins") < steps.index(f"attach {MACS['still']} to bridge br0 in the definition of still")
    replace(world)
    settled(world)
    assert done(world)
    effects = world.effects
    again = world.replacement(ASKED).preview()
    assert not again.needed and again.steps() == [] and again.problems == []
    replace(world)
    assert world.effects == effects


def test_what_the_host_does_not_confirm_is_taken_back_with_the_guests() -> None:
    world = host()
    replace(world, confirmed=False)
    settled(world)
    assert untouched(world)


@pytest.mark.parametrize("mute", ["192.0.2.21", "192.0.2.22"])
def test_a_guest_that_is_silent_on_the_bridge_takes_all_back_before_the_host_is_touched(mute: str) -> None:
    world = host()
    world.mute = [mute]
    replacement = world.replacement(ASKED)
    with pytest.raises(Failed, match=f"does not answer at {mute} on br0"):
        replacement.begin(replacement.preview())
    settled(world)
    assert untouched(world)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 45), min_size=1, max_size=3), st.booleans(), st.booleans(), st.booleans())
def test_wherever_it_is_cut_off_nothing_is_lost_and_the_next_run_ends_it(cuts: List[int], networkd: bool, back: bool, waits: bool) -> None:
    """``back``: something is in the way of the last run. ``waits``: the host has taken its own change back by then."""
    world = host(networkd)
    for left in cuts:
        world.left, world.effects = left, 0
        try:
            replace(world)
        except Cut:
            nothing_lost(world)
        if waits or world.under_way:
            world.take_network_back()
    world.left = None
    joined = world.joined
    replace(world, REFUSED if back else ASKED)
    if back and joined:
        nothing_lost(world)
        assert world.joined, "the card stays on the bridge, and so do the guests"
    else:
        settled(world)
        assert untouched(world) if back else done(world)


@pytest.mark.parametrize("left", range(20))
def test_a_way_back_that_is_cut_off_is_ended_by_the_next_run(left: int) -> None:
    world = host()
    replacement = world.replacement(ASKED)
    replacement.begin(replacement.preview())
    world.take_network_back()
    world.left, world.effects = left, 0
    try:
        world.replacement(ASKED).take_back(Outcome())
    except Cut:
        nothing_lost(world)
    world.left = None
    world.replacement(ASKED).take_back(Outcome())
    settled(world)
    assert untouched(world)


def test_no_guest_returns_to_a_card_that_is_a_port_of_the_bridge() -> None:
    world = host()
    replacement = world.replacement(ASKED)
    replacement.begin(replacement.preview())
    world.confirm()
    assert replacement.on_their_way() == []
    replacement.take_back(Outcome())
    assert world.bridge is not None and all(one.entry is not None for one in world.worlds.values() if one.live)


def test_a_guest_is_moved_when_its_card_becomes_a_port_and_others_stay_and_are_told() -> None:
    links = [Link(f"macvtap{number}", number, "macvtap", lower=f"eth{number}", mode="bridge") for number in (0, 1)]
    members = [Member(link, Owner("guest", name)) for link, name in zip(links, ("still", "other"))]
    order = arrange(scene(guest(), links={"eth1": Link("eth1", 4)}, members=members), STILL)
    assert [(move.guest, move.method, dict(move.to)) for move in order.moves] == [("still", "suspend", {MACS["still"]: bridge("br0")})]
    assert order.beside == (Beside("br0", CARD),)
    assert order.notes == ("eth1: what is on macvtap or macvlan there stays, for no bridge of network_interfaces has the port eth1",)


def test_a_card_that_no_bridge_is_described_for_is_told_and_nothing_is_done() -> None:
    macvtap = Member(Link("mt", 7, "macvtap", lower="eth0", mode="bridge"), Owner("guest", "still"))
    order = arrange(scene(guest(), members=[macvtap], bridges={}), STILL)
    assert order.moves == () and order.problems == () and order.notes[0].startswith("eth0: what is on macvtap")


def test_a_bridge_that_is_up_is_taken_and_one_that_is_down_and_empty_is_made_again() -> None:
    up, down = Link("br0", 5, "bridge", up=True), Link("br0", 5, "bridge")
    assert arrange(scene(guest(), links={"br0": up}), STILL).beside == ()
    assert arrange(scene(guest(), links={"br0": down}), STILL).beside == (Beside("br0", CARD, there=True),)


@pytest.mark.parametrize(
    ("found", "wishes", "said"),
    [
        (scene(guest(), mac_filter=True), WISHES, "network_provider_mac_filter: the provider lets only the card's own MAC through"),
        (scene(guest()), {}, "replace_macvtap_guests.still.addresses: at which addresses still must answer is not said"),
        (scene(guest()), {"still": Wish(addresses=("192.0.2.21",)), "x": Wish()}, "replace_macvtap_guests.x: libvirt has no guest"),
        (scene(guest(), links={"br0": Link("br0", 3, "bond")}), WISHES, "network_interfaces.br0: this host has a bond of that name"),
        (
            scene(guest(), members=[Member(Link("mv0", 7, "macvlan", lower="eth0", mode="bridge"), Owner("host"))]),
            WISHES,
            "mv0: this macvlan on eth0 belongs to this host, not to a guest of libvirt",
        ),
        (scene(guest(state="crashed")), WISHES, "guest still is crashed"),
    ],
)
def test_what_is_in_the_way_is_told_with_its_remedy(found: Scene, wishes: Dict[str, Wish], said: str) -> None:
    wishes = {name: wish for name, wish in wishes.items() if name in ("still", "x")}
    order = arrange(found, wishes)
    assert order.moves == () and order.beside == ()
    assert [problem for problem in order.problems if problem.startswith(said)], order.problems


def test_a_guest_that_is_off_needs_no_address_and_has_no_outage() -> None:
    found = scene(guest(state=OFF))
    order = arrange(found, {})
    assert order.problems == () and outages(order, found, {}) == {}


def test_the_first_to_leave_waits_for_all_that_follow() -> None:
    found = scene(guest("still"), guest("nimble"))
    order = arrange(found, WISHES)
    said = outages(order, found, WISHES)
    assert [move.guest for move in order.moves] == ["still", "nimble"]
    first, last = (float(said[name].split("about ")[1].split(" s")[0]) for name in ("still", "nimble"))
    assert first > last and "128 MiB" in said["still"]


def test_what_is_written_of_guests_is_read_or_refused() -> None:
    assert read_wishes({"web": {"addresses": ["192.0.2.21"]}, "db": {"method": "replug"}}) == (
        {"web": Wish("suspend", ("192.0.2.21",)), "db": Wish("replug")},
        [],
    )
    _wishes, problems = read_wishes({"a": [], "b": {"method": "x"}, "c": {"addresses": "192.0.2.1"}, "d": {"addresses": ["x"]}, "e": {"ip": 1}})
    assert [said.split(":")[0] for said in problems] == [
        "replace_macvtap_guests.a",
        "replace_macvtap_guests.b.method",
        "replace_macvtap_guests.c.addresses",
        "replace_macvtap_guests.d.addresses",
        "replace_macvtap_guests.e.ip",
    ]
