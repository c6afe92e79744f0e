# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run does to the guests of a host, from whatever is there and interrupted wherever it may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import Disk, Domain, Interface
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.image import Image
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.model import Ceph, Guest, guest_uuid
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.obstacles import lacks, obstacles, warnings
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.plan import Desired, Observed, changes, named, plan, restart_needed

from .hypervisor import Hypervisor, guest_found, on_bridge, settle

FOLDER = "/var/lib/libvirt/images"
CEPH = Ceph(("mon1.example.net",), "vms", "/etc/ceph/ceph.client.vms.keyring")
MAC = "52:54:00:00:00:01"


def domain(name="web", **more):
    return Domain(name, guest_uuid("demo", name), "qemu", 128 * 1024, 1, **more)


def file_disk(name="web", target="vda"):
    return Disk(target, "file", f"{FOLDER}/{name}.qcow2", "qcow2")


def _any_disk(target, file):
    if not file:
        return Disk(target, "network", "vms/web", "raw", "rbd", CEPH.monitors, CEPH.user, CEPH.secret)
    return Disk(target, "file", f"{FOLDER}/{file}", "qcow2")


DISKS = st.lists(st.sampled_from([("vda", "a.qcow2"), ("vdb", "b.qcow2"), ("vdc", "")]), unique=True, max_size=3).map(
    lambda chosen: tuple(_any_disk(*one) for one in chosen)
)


INTERFACES = st.lists(
    st.builds(
        Interface,
        st.just("bridge"),
        st.sampled_from([MAC, "52:54:00:00:00:02"]),
        st.sampled_from(["br0", "br1"]),
        model=st.just("virtio"),
    )
    | st.just(Interface("direct", "52:54:00:00:00:03", "eth0", "bridge", "virtio")),
    unique_by=lambda one: one.mac,
    max_size=3,
).map(tuple)


def domains(name):
    """A guest's definition, with disks of its own only."""

    def own(disks):
        return tuple(replace(one, source=one.source.replace(f"{FOLDER}/", f"{FOLDER}/{name}-")) for one in disks)

    return st.builds(
        Domain,
        st.just(name),
        st.just(guest_uuid("demo", name)),
        st.just("qemu"),
        st.sampled_from([131072, 262144]),
        st.integers(1, 3),
        kernel=st.sampled_from(["", "/boot/k"]),
        disks=DISKS.map(own),
        interfaces=INTERFACES,
    )


@st.composite
def hosts(draw):
    found = {}
    images = {}
    for name in ("a", "b", "other"):
        if not draw(st.booleans()):
            continue
        defined = draw(domains(name))
        live = draw(domains(name))
        state = draw(st.sampled_from(["running", "shut off", "paused", "crashed"]))
        found[name] = guest_found(defined, state, draw(st.booleans()), live if state in ("running", "paused") else None)
        for disk in (*defined.disks, *live.disks):
            if disk.type == "file":
                images[disk.source] = Image("qcow2", 64)
    return Observed(found, images, secret=draw(st.booleans()))


@st.composite
def wishes(draw):
    guests = []
    for name in ("a", "b"):
        wanted = draw(domains(name))
        state = draw(st.sampled_from(["running", "running", "stopped", "absent"]))
        if state == "absent":
            guests.append(Guest(Domain(name, "", "", 0, 0), state, False, {}, draw(st.booleans())))
        else:
            sizes = {disk.source: 64 for disk in wanted.disks if disk.type == "file"}
            guests.append(Guest(replace(wanted, type=""), state, draw(st.booleans()), sizes))
    return Desired(tuple(guests), FOLDER, "auto", CEPH)


@settings(deadline=None, max_examples=60)
@given(wishes(), hosts(), st.data())
def test_a_run_that_is_interrupted_anywhere_is_finished_by_the_next_and_stops_nobody_who_is_to_run(desired, observed, data):
    whole = Hypervisor(observed)
    settle(desired, whole)
    assert plan(desired, whole.observed()) == [], "a second run changes nothing"
    steps = plan(desired, observed)
    cut = data.draw(st.integers(0, len(steps)))
    host = Hypervisor(observed)
    for step in steps[:cut]:
        host.apply(step)
    settle(desired, host)
    assert plan(desired, host.observed()) == []
    assert {name: (one.state, one.autostart) for name, one in host.guests.items()} == {name: (one.state, one.autostart) for name, one in whole.guests.items()}
    assert host.images == whole.images
    assert host.guests.get("other") == observed.guests.get("other")
    assert host.stopped <= {guest.name for guest in desired.guests if guest.state != "running"}


def test_a_new_guest_gets_its_disk_its_definition_and_is_started():
    desired = Desired((Guest(domain(disks=(file_disk(),)), sizes={f"{FOLDER}/web.qcow2": 1 << 30}),))
    assert named(plan(desired, Observed())) == [
        f"create disk {FOLDER}/web.qcow2",
        "define web",
        "autostart web",
        "start web",
    ]
    assert plan(desired, Observed())[0].value == "qcow2 1073741824"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"memory": 262144}, "memory: 131072 KiB -> 262144 KiB"),
        ({"vcpus": 2}, "vcpus: 1 -> 2"),
        ({"kernel": "/boot/k"}, "kernel: none -> /boot/k"),
        ({"disks": (file_disk(),)}, f"disk vda: none -> qcow2 {FOLDER}/web.qcow2"),
        ({"interfaces": ()}, f"interface {MAC}: virtio bridge br0 -> none"),
        (
            {"interfaces": (Interface("direct", MAC, "eth0", "bridge", "virtio"),)},
            f"interface {MAC}: virtio bridge br0 -> virtio direct eth0 in mode bridge",
        ),
    ],
)
def test_what_needs_a_restart_is_defined_and_reported_in_each_run_until_the_guest_was_restarted(change, said):
    running = domain(interfaces=(on_bridge(MAC),))
    desired = Desired((Guest(replace(running, **change)),))
    host = Hypervisor(Observed({"web": guest_found(running)}, {f"{FOLDER}/web.qcow2": Image("qcow2", 1)}))
    assert named(plan(desired, host.observed())) == ["define web"]
    settle(desired, host)
    for _run in range(2):
        assert [str(one) for one in restart_needed(desired, host.observed())["web"]] == [said]
        assert plan(desired, host.observed()) == []
    host.guests["web"] = replace(host.guests["web"], live=host.guests["web"].definition)
    assert restart_needed(desired, host.observed()) == {}


def test_a_running_guest_is_moved_to_another_bridge_and_needs_no_restart():
    desired = Desired((Guest(domain(interfaces=(on_bridge(MAC, "br1"),))),))
    host = Hypervisor(Observed({"web": guest_found(domain(interfaces=(on_bridge(MAC),)))}))
    assert named(plan(desired, host.observed())) == ["define web", "move an interface of web"]
    assert restart_needed(desired, host.observed()) == {}
    settle(desired, host)
    assert restart_needed(desired, host.observed()) == {} and host.stopped == frozenset()


def test_a_guest_that_is_off_needs_no_restart_to_be_what_it_is_defined_as():
    desired = Desired((Guest(domain(), "stopped", False),))
    assert restart_needed(desired, Observed({"web": guest_found(replace(domain(), memory=7), "shut off")})) == {}


def test_a_guest_keeps_its_uuid_and_how_it_is_run():
    there = replace(domain(), uuid=guest_uuid("else", "web"), type="kvm")
    desired = Desired((Guest(replace(domain(), type="")),))
    assert plan(desired, Observed({"web": guest_found(there)})) == []


@pytest.mark.parametrize(("kvm", "type_"), [(True, "kvm"), (False, "qemu")])
def test_a_new_guest_is_run_by_kvm_where_libvirt_offers_it(kvm, type_):
    step = plan(Desired((Guest(replace(domain(), type="")),)), Observed(kvm=kvm))[0]
    assert f'<domain type="{type_}">' in step.value
    assert ("host-model" in step.value) == kvm


@pytest.mark.parametrize("remove", [True, False])
def test_disks_of_a_guest_that_goes_are_kept_unless_asked(remove):
    there = domain(disks=(file_disk(), Disk("vdb", "file", "/srv/big.raw", "raw")))
    images = {f"{FOLDER}/web.qcow2": Image("qcow2", 1), "/srv/big.raw": Image("raw", 1)}
    desired = Desired((Guest(Domain("web", "", "", 0, 0), "absent", False, {}, remove),))
    observed = Observed({"web": guest_found(there)}, images)
    deleted = [f"delete disk {FOLDER}/web.qcow2"] if remove else []
    assert named(plan(desired, observed)) == ["shut down web", *deleted, "undefine web"]
    assert warnings(desired, observed) == ([f"web: /srv/big.raw is kept, for it is not in {FOLDER}"] if remove else [])


def test_guests_that_go_make_room_before_others_come():
    desired = Desired((Guest(domain("a")), Guest(domain("b"), "stopped", False), Guest(Domain("c", "", "", 0, 0), "absent", False)))
    observed = Observed({"b": guest_found(domain("b")), "c": guest_found(domain("c"))})
    steps = named(plan(desired, observed))
    assert steps.index("shut down b") < steps.index("start a") and steps.index("undefine c") < steps.index("start a")


RBD = Disk("vda", "network", "vms/web", "raw", "rbd", CEPH.monitors, CEPH.user, CEPH.secret)


def test_the_secret_is_set_before_a_guest_needs_it_and_once():
    desired = Desired((Guest(domain(disks=(RBD,))),), ceph=CEPH)
    steps = plan(desired, Observed())
    assert named(steps)[0] == f"set the secret {CEPH.secret}" and steps[0].value == ""
    assert "set the secret" not in " ".join(named(plan(desired, Observed(secret=True))))
    assert "set the secret" not in " ".join(named(plan(Desired((Guest(domain()),), ceph=CEPH), Observed())))


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        (Guest(domain(disks=(replace(file_disk(), source=f"{FOLDER}/other.qcow2"),))), "other.qcow2 is a disk of other"),
        (Guest(domain(disks=(replace(file_disk(), format="raw"),))), "web.qcow2 is there as qcow2"),
        (Guest(domain(interfaces=(on_bridge("52:54:00:00:00:0f"),))), "52:54:00:00:00:0f is the MAC of other"),
        (Guest(domain("loose")), "loose: it runs without a definition"),
    ],
)
def test_what_would_go_wrong_is_found_before(guest, said):
    other = domain("other", disks=(file_disk("other"),), interfaces=(on_bridge("52:54:00:00:00:0f"),))
    loose = replace(guest_found(domain("loose")), persistent=False)
    images = {f"{FOLDER}/{name}.qcow2": Image("qcow2", 1) for name in ("web", "other")}
    observed = Observed({"other": guest_found(other), "loose": loose}, images)
    assert len(obstacles(Desired((guest,)), observed)) == 1
    assert said in obstacles(Desired((guest,)), observed)[0]
    assert obstacles(Desired((Guest(domain()),)), observed) == []


def test_two_guests_of_one_call_never_write_to_the_same_disk():
    web, mail = Guest(domain(disks=(file_disk(),))), Guest(domain("mail", disks=(file_disk(), file_disk("mail"))))
    said = obstacles(Desired((web, mail)), Observed())
    assert len(said) == 1 and f"{FOLDER}/web.qcow2 is a disk of web, mail. Give each" in said[0]
    assert obstacles(Desired((web, replace(mail, state="absent"))), Observed()) == []


def test_kvm_is_refused_where_libvirt_has_none():
    assert "offers no KVM" in obstacles(Desired((), virtualization="kvm"), Observed())[0]
    assert obstacles(Desired((), virtualization="kvm"), Observed(kvm=True)) == []


def test_what_another_role_may_bring_first_is_a_lack_and_no_obstacle():
    wanted = domain(
        kernel="/boot/k",
        initrd="/boot/i",
        disks=(file_disk(), RBD),
        interfaces=(on_bridge(MAC), Interface("direct", "52:54:00:00:00:02", "eth0", "bridge", "virtio")),
    )
    desired = Desired((Guest(wanted),), ceph=CEPH)
    observed = Observed(keyring="there is no keyring", libvirt="no connection")
    assert obstacles(desired, observed) == []
    assert len(lacks(desired, observed)) == 7
    images = {f"{FOLDER}/web.qcow2": Image("qcow2", 1)}
    ready = Observed({}, images, frozenset({"/boot/k", "/boot/i"}), frozenset({"br0"}), frozenset({"br0", "eth0"}))
    assert lacks(desired, ready) == []


def test_a_disk_that_is_there_keeps_its_size_and_a_paused_guest_its_pause_with_a_warning():
    desired = Desired((Guest(domain(disks=(file_disk(),)), sizes={f"{FOLDER}/web.qcow2": 5}),))
    observed = Observed({"web": guest_found(domain(disks=(file_disk(),)), "paused")}, {f"{FOLDER}/web.qcow2": Image("qcow2", 9)})
    assert plan(desired, observed) == []
    assert [one.split(" ")[0] for one in warnings(desired, observed)] == ["web", "web:"]


HIDDEN = """<q:commandline xmlns:q="http://libvirt.org/schemas/domain/qemu/1.0"><q:arg value="sesame"/><q:env name="A" value="sesame"/></q:commandline>
<launchSecurity type="sev"><session>sesame</session></launchSecurity><description>sesame</description>"""


def test_no_secret_of_a_definition_is_in_the_result():
    found = guest_found(domain(kernel="/boot/k", cmdline="token=sesame"), "running")
    texts = {side: getattr(found, side).replace("</domain>", f"{HIDDEN}</domain>") for side in ("definition", "live")}
    observed = Observed({"web": replace(found, **texts)})
    for guest in (Guest(replace(domain(), vcpus=4)), Guest(domain(), state="absent")):
        desired = Desired((guest,))
        waiting = {name: [str(one) for one in rows] for name, rows in restart_needed(desired, observed).items()}
        result = str([changes(desired, observed), named(plan(desired, observed)), waiting])
        assert "sesame" not in result
        assert "vcpus: 1" in result or "<vcpu>1</vcpu>" in result


def test_the_diff_shows_what_differs_and_no_password():
    found = guest_found(domain())
    graphics = '<graphics type="vnc" passwd="sesame" port="-1" />'
    found = replace(found, definition=found.definition.replace("</devices>", f"{graphics}</devices>"))
    desired = Desired((Guest(replace(domain(), vcpus=4)),))
    shown = changes(desired, Observed({"web": found}))
    assert "sesame" in plan(desired, Observed({"web": found}))[0].value, "the password stays in the definition"
    assert "sesame" not in str(shown)
    before, after = (set(shown[0][side].splitlines()) for side in ("before", "after"))
    assert (before - after, after - before) == ({"  <vcpu>1</vcpu>"}, {"  <vcpu>4</vcpu>"})
