# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of a node: interrupted after every step, it always gets there and never harms what others wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._node.block import BEGIN, END, DamagedBlock, has_block, with_block
from ansible_collections.smallfleet.infra.plugins.module_utils._node.plan import (
    HOSTNAME_FILE,
    HOSTS_FILE,
    SYSCTL_FILE,
    TIME_FILE,
    TIMEZONE_FILE,
    Account,
    Desired,
    Observed,
    Setting,
    Step,
    TimeService,
    hosts_lines,
    keeper_of_time,
    lacks,
    leftovers,
    obstacles,
    plan,
    render_diff,
    same_value,
    sysctl_path,
)

foreign_line = st.sampled_from(["127.0.0.1 localhost", "ssh-ed25519 AAAA other", "", "# a note", "x\x0by", "\u2028"])
our_line = st.sampled_from(["192.0.2.1 a.example.net a", "192.0.2.2 b.example.net b", "2001:db8::1 c", "ssh-rsa AAAA"])
lines_of_ours = st.lists(our_line, max_size=3, unique=True).map(tuple)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file as others and we may have left it, with or without a final line feed."""
    text = "\n".join(draw(st.lists(foreign_line, max_size=4)))
    text += draw(st.sampled_from(["", "\n"])) if text else ""
    return with_block(text, draw(lines_of_ours)) + draw(st.sampled_from(["", "# after\n"]))


keys = st.sampled_from(["net.ipv4.ip_forward", "net.core.somaxconn", "vm.swappiness"])
values = st.sampled_from(["0", "1", "4096 87380 6291456"])
users = st.sampled_from(["root", "alice", "bob"])
servers = st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2"]), max_size=2, unique=True).map(tuple)
desired_nodes = st.builds(
    Desired,
    hostname=st.none() | st.sampled_from(["one", "two"]),
    hosts=st.none() | lines_of_ours,
    administrators=st.none() | st.dictionaries(users, lines_of_ours),
    sysctl=st.none() | st.dictionaries(keys, values),
    timezone=st.none() | st.sampled_from(["Etc/UTC", "Europe/Vienna"]),
    time_servers=st.none() | servers,
)
sysctl_files = st.none() | st.just("# Written from the inventory by smallfleet.infra.\nvm.swappiness = 1\n")
time_files = st.none() | servers.map(lambda found: f"[Time]\nNTP={' '.join(found)}\n")
observed_nodes = st.builds(
    Observed,
    hostname=st.sampled_from(["one", "two", "localhost"]),
    files=st.fixed_dictionaries(
        {
            HOSTS_FILE: st.none() | texts(),
            HOSTNAME_FILE: st.sampled_from([None, "one\n", "two"]),
            SYSCTL_FILE: sysctl_files,
            TIMEZONE_FILE: st.sampled_from([None, "Etc/UTC\n"]),
            TIME_FILE: time_files,
        }
    ),
    accounts=st.fixed_dictionaries({user: st.builds(Account, st.just(f"/home/{user}"), st.none() | texts()) for user in ("root", "alice", "bob")}),
    sysctl=st.fixed_dictionaries({key: st.builds(Setting, values, st.just(True)) for key in ("net.ipv4.ip_forward", "net.core.somaxconn", "vm.swappiness")}),
    timezone=st.sampled_from(["Etc/UTC", "Europe/Vienna", ""]),
    time=st.builds(
        TimeService,
        container=st.sampled_from(["", "systemd-nspawn"]),
        installed=st.booleans(),
        enabled=st.booleans(),
        active=st.booleans(),
    ),
)


def after(step: Step, node: Observed) -> Observed:
    """The node once the step was made: a model of what applying does."""
    files: Dict[str, Optional[str]] = dict(node.files)
    if step.kind in ("write", "remove"):
        files[step.target] = step.value if step.kind == "write" else None
        return replace(node, files=files)
    if step.kind == "keys":
        account = replace(node.accounts[step.target], keys=step.value)
        return replace(node, accounts={**node.accounts, step.target: account})
    if step.kind == "sysctl":
        return replace(node, sysctl={**node.sysctl, step.target: Setting(step.value.replace(" ", "\t"), True)})
    if step.kind == "hostname":
        return replace(node, hostname=step.value)
    if step.kind == "timezone":
        return replace(node, timezone=step.value)
    if step.kind == "enable":
        return replace(node, time=replace(node.time, enabled=True))
    assert step.kind == "restart"
    return replace(node, time=replace(node.time, active=True))


def servers_known(steps: List[Step], node: Observed) -> Optional[List[str]]:
    """The servers that the running daemon read from our file at its last start; None when it was not started."""
    known: Optional[List[str]] = None
    content = node.files[TIME_FILE] or ""
    for step in steps:
        if step.target == TIME_FILE:
            content = step.value
        elif step.kind == "restart":
            lines = [line for line in content.splitlines() if line.startswith("NTP=")]
            known = lines[0][len("NTP=") :].split() if lines else []
    return known


def walk(steps: List[Step], node: Observed) -> List[Observed]:
    """The node before the first step, and after each."""
    nodes = [node]
    for step in steps:
        nodes.append(after(step, nodes[-1]))
    return nodes


def foreign(text: Optional[str]) -> str:
    """What is not ours in a file; whether its last line ends does not matter."""
    return with_block(text or "", []).rstrip("\n")


@settings(max_examples=150, deadline=None)
@given(desired_nodes, observed_nodes)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(desired: Desired, node: Observed) -> None:
    assert plan(desired, walk(plan(desired, node), node)[-1]) == []


@settings(max_examples=150, deadline=None)
@given(desired_nodes, observed_nodes)
def test_a_plan_interrupted_after_any_step_is_finished_by_the_next(desired: Desired, node: Observed) -> None:
    steps = plan(desired, node)
    goal = walk(steps, node)[-1]
    for made, between in enumerate(walk(steps, node)):
        rest = plan(desired, between)
        assert walk(rest, between)[-1] == goal
        if any(step.target == TIME_FILE for step in steps):
            assert servers_known(steps[:made] + rest, node) == list(desired.time_servers or ())


@settings(max_examples=150, deadline=None)
@given(desired_nodes, observed_nodes)
def test_no_step_touches_what_others_wrote(desired: Desired, node: Observed) -> None:
    for between in walk(plan(desired, node), node):
        assert foreign(between.files[HOSTS_FILE]) == foreign(node.files[HOSTS_FILE])
        for user, account in between.accounts.items():
            assert foreign(account.keys) == foreign(node.accounts[user].keys)


@settings(max_examples=100, deadline=None)
@given(desired_nodes, observed_nodes)
def test_the_kernel_has_taken_a_setting_before_it_is_written_for_the_next_boot(desired: Desired, node: Observed) -> None:
    for between in walk(plan(desired, node), node):
        content = between.files[SYSCTL_FILE]
        if content != node.files[SYSCTL_FILE] and content is not None:
            for line in content.splitlines()[1:]:
                key, value = line.split(" = ")
                assert same_value(between.sysctl[key].value or "", value)


@settings(max_examples=100, deadline=None)
@given(desired_nodes, observed_nodes)
def test_a_host_takes_a_name_only_once_it_can_be_looked_up(desired: Desired, node: Observed) -> None:
    steps = plan(desired, node)
    kinds = [(step.kind, step.target) for step in steps]
    if ("hostname", "the host name") in kinds and ("write", HOSTS_FILE) in kinds:
        assert kinds.index(("write", HOSTS_FILE)) < kinds.index(("hostname", "the host name"))


@settings(max_examples=100, deadline=None)
@given(desired_nodes, observed_nodes)
def test_a_part_that_nobody_asks_about_is_left_alone(desired: Desired, node: Observed) -> None:
    end = walk(plan(desired, node), node)[-1]
    if desired.hostname is None:
        assert end.hostname == node.hostname
    if desired.hosts is None:
        assert end.files[HOSTS_FILE] == node.files[HOSTS_FILE]
    if desired.administrators is None:
        assert end.accounts == node.accounts
    if desired.sysctl is None:
        assert (end.sysctl, end.files[SYSCTL_FILE]) == (node.sysctl, node.files[SYSCTL_FILE])
    if desired.time_servers is None or node.time.container:
        assert (end.time, end.files[TIME_FILE]) == (node.time, node.files[TIME_FILE])


@settings(max_examples=100, deadline=None)
@given(desired_nodes, observed_nodes)
def test_the_diff_shows_every_step_that_changes_a_text(desired: Desired, node: Observed) -> None:
    changed = {(step.kind == "keys", step.target) for step in plan(desired, node) if step.kind not in ("enable", "restart")}
    shown = render_diff(plan(desired, node), node)
    assert len(shown) == len(changed)
    assert all(entry["before"] != entry["after"] for entry in shown)


def test_a_user_who_is_no_longer_named_loses_the_keys_that_came_from_here_and_no_other() -> None:
    content = with_block("ssh-ed25519 AAAA theirs\n", ["ssh-ed25519 AAAA ours"])
    node = Observed(accounts={"alice": Account("/home/alice", content)})
    (step,) = plan(Desired(administrators={}), node)
    assert (step.kind, step.target, step.value) == ("keys", "alice", "ssh-ed25519 AAAA theirs\n")


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [((), ["write", "restart", "remove"]), (("192.0.2.1",), ["write", "restart", "write"])],
)
def test_a_time_server_that_is_taken_away_is_forgotten_even_when_the_restart_was_missed(wanted: Tuple[str, ...], kinds: List[str]) -> None:
    time = TimeService(installed=True, enabled=True, active=True)
    node = Observed(files={TIME_FILE: "[Time]\nNTP=192.0.2.1 192.0.2.2\n"}, time=time)
    steps = plan(Desired(time_servers=wanted), node)
    assert [step.kind for step in steps] == kinds
    missed = after(steps[0], node)
    assert [step.kind for step in plan(Desired(time_servers=wanted), missed)] == kinds[1:]
    (shown,) = render_diff(steps, node)
    assert (shown["before"], shown["after"]) == (node.files[TIME_FILE], steps[-1].value)


OBSTACLES: List[Tuple[str, Desired, Observed, str]] = [
    (
        "a setting that belongs to the container's host",
        Desired(sysctl={"vm.swappiness": "1"}),
        Observed(sysctl={"vm.swappiness": Setting("60", False)}, time=TimeService(container="lxc")),
        "sysctl.vm.swappiness: is 60 and cannot be changed here: it is its host's",
    ),
    (
        "a setting that is read-only",
        Desired(sysctl={"vm.swappiness": "1"}),
        Observed(sysctl={"vm.swappiness": Setting("60", False)}),
        "read-only",
    ),
    (
        "a setting that the kernel lacks",
        Desired(sysctl={"net.foo": "1"}),
        Observed(sysctl={"net.foo": Setting(None, False)}),
        "sysctl.net.foo: this kernel has no such setting",
    ),
    (
        "a user who does not exist",
        Desired(administrators={"carol": ()}),
        Observed(),
        "administrators.carol: there is no",
    ),
    (
        "keys behind a link",
        Desired(administrators={"bob": ()}),
        Observed(accounts={"bob": Account("/home/bob", None, "/home/bob/.ssh is a symbolic link")}),
        "administrators.bob: /home/bob/.ssh is a symbolic link",
    ),
    (
        "a damaged part in hosts",
        Desired(hosts=()),
        Observed(files={HOSTS_FILE: f"{BEGIN}\n192.0.2.1 a\n"}),
        "/etc/hosts: its part of smallfleet.infra is damaged",
    ),
    (
        "a damaged part in keys",
        Desired(administrators={}),
        Observed(accounts={"bob": Account("/home/bob", f"{END}\n{BEGIN}\n")}),
        "/home/bob/.ssh/authorized_keys: its part",
    ),
    (
        "a zone that is not installed",
        Desired(timezone="Mars/Base"),
        Observed(timezone_exists=False),
        "no zone Mars/Base",
    ),
]


@pytest.mark.parametrize(("name", "desired", "node", "said"), OBSTACLES, ids=[case[0] for case in OBSTACLES])
def test_what_cannot_be_done_is_said_before_the_first_change(name: str, desired: Desired, node: Observed, said: str) -> None:
    (message,) = obstacles(desired, node)
    assert said in message, name


def test_a_read_only_setting_that_has_the_value_already_is_no_obstacle() -> None:
    node = Observed(sysctl={"net.ipv4.tcp_rmem": Setting("4096\t87380\t6291456", False)})
    desired = Desired(sysctl={"net.ipv4.tcp_rmem": "4096 87380 6291456"})
    assert obstacles(desired, node) == []
    assert [step.kind for step in plan(desired, node)] == ["write"]


@settings(max_examples=100, deadline=None)
@given(desired_nodes, observed_nodes)
def test_a_node_whose_users_and_settings_exist_has_no_obstacle(desired: Desired, node: Observed) -> None:
    assert obstacles(desired, node) == []


@pytest.mark.parametrize(
    ("time", "keeper", "missing"),
    [
        (TimeService(container="systemd-nspawn"), "the host of this container (systemd-nspawn)", False),
        (TimeService(), "unknown: systemd-timesyncd is not installed", True),
        (TimeService(installed=True, active=True), "systemd-timesyncd", False),
        (TimeService(installed=True), "nobody: systemd-timesyncd does not run", False),
    ],
)
def test_the_truth_is_told_about_who_keeps_the_time(time: TimeService, keeper: str, missing: bool) -> None:
    assert keeper_of_time(Observed(time=time)) == keeper
    assert bool(lacks(Desired(time_servers=("192.0.2.1",)), Observed(time=time))) is missing


def test_a_setting_that_is_no_longer_named_is_said_to_stay_until_the_next_boot() -> None:
    node = Observed(files={SYSCTL_FILE: "# x\nvm.swappiness = 1\nnet.a = 1\n"})
    assert leftovers(Desired(sysctl={"net.a": "1"}), node) == ["vm.swappiness is not in the inventory any more, and keeps its value until the next boot"]
    assert leftovers(Desired(), node) == []


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/forwarding", "/proc/sys/net/ipv4/conf/eth0.100/forwarding"),
        ("net.ipv4.conf.eth0/100.forwarding", "/proc/sys/net/ipv4/conf/eth0.100/forwarding"),
    ],
)
def test_a_key_of_sysctl_d_names_the_right_file(key: str, path: str) -> None:
    assert sysctl_path(key) == path


@settings(max_examples=150, deadline=None)
@given(texts(), lines_of_ours, lines_of_ours)
def test_writing_our_part_again_replaces_it_in_its_place(text: str, first: Tuple[str, ...], second: Tuple[str, ...]) -> None:
    once = with_block(text, second)
    assert with_block(once, second) == once
    if first and second:
        assert with_block(with_block(text, first), second) == once
    assert has_block(once) is bool(second)


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_a_damaged_part_is_never_guessed_at(text: str) -> None:
    with pytest.raises(DamagedBlock):
        with_block(text, ["x"])


def test_the_lines_of_etc_hosts_hold_an_address_and_its_names() -> None:
    entries: List[Mapping[str, object]] = [{"address": "192.0.2.1", "names": ["a.example.net", "a"]}]
    assert hosts_lines(entries) == ("192.0.2.1 a.example.net a",)
