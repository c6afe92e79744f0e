# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From ``vm_host_*`` variables to each host's plan, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import Notes
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt import capability as resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.model import mac_address
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.options import read_desired, spec

FLEET = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24"}},
}
CEPH = {"monitors": ["mon1.example.net", "[2001:db8::1]:6789"], "user": "vms"}
WEB = {"memory": 2048, "disks": [{"file": "web.qcow2", "size": "20G"}], "interfaces": [{"bridge": "br0"}]}


def planned(*hosts):
    """The plan of a fleet of hosts with these variables."""
    variables = {f"h{n}": {**FLEET, "fleet_host_number": n, **mine} for n, mine in enumerate(hosts, start=1)}
    return plan_fleet(variables, {}, {"vm_host": resolve.resolve})


def guests(value, **more):
    return planned({"vm_host_guests": value, **more})


def test_everything_that_can_be_derived_is():
    part = guests({"web": WEB}).hosts["h1"]["vm_host"]
    assert part["packages"] == ["libvirt-clients", "libvirt-daemon-system", "qemu-system-x86", "qemu-utils"]
    web = part["guests"][0]
    assert web["disks"] == [{"target": "vda", "file": "/var/lib/libvirt/images/web.qcow2", "format": "qcow2", "size": str(20 << 30)}]
    assert web["interfaces"] == [{"mac": mac_address("demo", "web", 0), "bridge": "br0", "model": "virtio"}]
    assert (web["state"], web["autostart"], web["vcpus"], web["boot"]) == ("running", True, 1, {})


def test_a_host_that_names_no_guests_takes_no_part_and_one_with_an_empty_dictionary_does():
    made = planned({"vm_host_ceph": CEPH}, {"vm_host_guests": {}})
    assert made.problems == ()
    assert [name for name, part in made.hosts.items() if "vm_host" in part] == ["h2"]


def options_of(part):
    """The host plan as the module gets it, with None for every option that is not given, as Ansible has it."""

    def filled(value, options):
        if value is None:
            return None
        return {key: nested(value.get(key, one.get("default")), one) for key, one in options.items()}

    def nested(value, option):
        if "options" not in option or value is None:
            return value
        inner = option["options"]
        return [filled(one, inner) for one in value] if option["type"] == "list" else filled(value, inner)

    given_ = {key: value for key, value in part.items() if key != "packages"}
    return filled(json.loads(json.dumps(given_)), spec())


def test_the_module_understands_the_host_plan_as_it_was_meant():
    more = {"boot": {"kernel": "/k", "initrd": "/i", "cmdline": "a  b"}, "autostart": False, "state": "stopped"}
    written = {
        "web": WEB,
        "lab": {**WEB, **more, "disks": [{"rbd": "vms/lab"}], "interfaces": [{"direct": "eth0", "mode": "vepa"}, {"bridge": "br1"}]},
        "old": {"state": "absent", "remove_disks": True},
    }
    part = guests(written, vm_host_ceph=CEPH, vm_host_image_directory="/srv/vm").hosts["h1"]["vm_host"]
    assert "qemu-block-extra" in part["packages"]
    notes = Notes()
    desired = read_desired(options_of(part), notes)
    assert notes.problems == []
    by_name = {guest.name: guest for guest in desired.guests}
    assert by_name["web"].sizes == {"/srv/vm/web.qcow2": 20 << 30}
    assert by_name["lab"].domain.cmdline == "a b" and by_name["lab"].domain.disks[0].hosts == tuple(CEPH["monitors"])
    assert [one.source for one in by_name["lab"].domain.interfaces] == ["eth0", "br1"]
    assert by_name["old"].remove_disks and by_name["old"].state == "absent"
    assert desired.ceph is not None and desired.ceph.keyring == "/etc/ceph/ceph.client.vms.keyring"


@pytest.mark.parametrize(
    ("value", "variable", "said"),
    [
        ([], "vm_host_guests", "expected a dictionary"),
        ({"../x": WEB}, "vm_host_guests.../x", "not a guest's name"),
        ({"web": 5}, "vm_host_guests.web", "expected a dictionary"),
        ({"web": {**WEB, "memory": "2G"}}, "vm_host_guests.web.memory", "expected a whole number of MiB from 16 to 16777216"),
        ({"web": {**WEB, "memory": 0}}, "vm_host_guests.web.memory", "expected a whole number of MiB from 16 to 16777216"),
        ({"web": {**WEB, "vcpus": 0}}, "vm_host_guests.web.vcpus", "expected a whole number of processors from 1 to 255"),
        ({"web": {**WEB, "state": "paused"}}, "vm_host_guests.web.state", "got 'paused'"),
        ({"web": {"state": "abesnt"}}, "vm_host_guests.web.state", "got 'abesnt'"),
        ({"web": {**WEB, "autostrat": True}}, "vm_host_guests.web.autostrat", "did you mean autostart"),
        ({"web": {**WEB, "disks": [{"fiel": "web.qcow2"}]}}, "vm_host_guests.web.disks[0].fiel", "did you mean file"),
        ({"web": {**WEB, "ram": 5}}, "vm_host_guests.web.ram", "is not an option of a guest"),
        ({"web": {**WEB, "remove_disks": True}}, "vm_host_guests.web.remove_disks", "absent only"),
        ({"web": {"state": "absent", "memory": 64}}, "vm_host_guests.web.memory", "no guest that is absent"),
        ({"web": {**WEB, "disks": []}}, "vm_host_guests.web", "nothing to boot from"),
        ({"web": {**WEB, "disks": [{"size": "20G"}]}}, "vm_host_guests.web.disks[0]", "either a file or an RBD"),
        ({"web": {**WEB, "disks": [{"file": "a", "rbd": "b/c"}]}}, "vm_host_guests.web.disks[0]", "either a file or an RBD"),
        ({"web": {**WEB, "disks": [{"rbd": "vms/web"}]}}, "vm_host_guests.web.disks[0].rbd", "nothing is known of the Ceph"),
        ({"web": {**WEB, "disks": [{"file": "../a"}]}}, "vm_host_guests.web.disks[0].file", "not an absolute path"),
        ({"web": {**WEB, "disks": [{"file": "/srv/../etc/a"}]}}, "vm_host_guests.web.disks[0].file", "leads back"),
        ({"web": {**WEB, "disks": [{"file": "a,b"}]}}, "vm_host_guests.web.disks[0].file", "not an absolute path"),
        ({"web": {**WEB, "disks": [{"file": "a", "size": "20 GB"}]}}, "vm_host_guests.web.disks[0].size", "not a size"),
        ({"web": {**WEB, "disks": [{"file": "a", "format": "vmdk"}]}}, "vm_host_guests.web.disks[0].format", "got 'vmdk'"),
        ({"web": {**WEB, "disks": [{"file": "a"}, {"file": "b", "target": "vda"}]}}, "vm_host_guests.web.disks", "vda is there twice"),
        ({"web": {**WEB, "interfaces": [{}]}}, "vm_host_guests.web.interfaces[0]", "either on a bridge or directly"),
        ({"web": {**WEB, "interfaces": [{"bridge": "a-name-too-long-for-it"}]}}, "vm_host_guests.web.interfaces[0].bridge", "not the name"),
        ({"web": {**WEB, "interfaces": [{"bridge": "br0", "mode": "vepa"}]}}, "vm_host_guests.web.interfaces[0].mode", "directly on a card"),
        ({"web": {**WEB, "interfaces": [{"bridge": "br0", "mac": "01:00:5e:00:00:01"}]}}, "vm_host_guests.web.interfaces[0].mac", "not a unicast"),
        ({"web": {**WEB, "boot": {"initrd": "/i"}}}, "vm_host_guests.web.boot", "no kernel"),
        ({"web": {**WEB, "boot": {"kernel": "k"}}}, "vm_host_guests.web.boot.kernel", "not an absolute path"),
        ({"web": {**WEB, "boot": {"kernel": "/k", "cmdline": "a\nb"}}}, "vm_host_guests.web.boot.cmdline", "not a line of text"),
    ],
)
def test_bad_input_is_refused_with_its_place(value, variable, said):
    problems = guests(value).problems
    assert [(one.host, one.variable) for one in problems] == [("h1", variable)], problems
    assert said in problems[0].message and problems[0].remedy


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({"vm_host_guest": {}}, "vm_host_guest"),
        ({"vm_host_virtualization": "xen"}, "vm_host_virtualization"),
        ({"vm_host_image_directory": "images"}, "vm_host_image_directory"),
        ({"vm_host_ceph": {"user": "vms"}}, "vm_host_ceph.monitors"),
        ({"vm_host_ceph": {"monitors": [], "user": "vms"}}, "vm_host_ceph.monitors"),
        ({"vm_host_ceph": {"monitors": ["m"], "user": "vms", "keyring": "k"}}, "vm_host_ceph.keyring"),
    ],
)
def test_a_bad_setting_of_the_host_is_refused_with_its_place(variables, variable):
    assert [one.variable for one in guests({}, **variables).problems] == [variable]


def test_what_is_wrong_with_the_cluster_is_not_said_of_its_disks_too():
    web = {**WEB, "disks": [{"rbd": "vms/web"}]}
    assert [one.variable for one in guests({"web": web}, vm_host_ceph={"monitors": ["m"], "usr": "vms"}).problems] == ["vm_host_ceph.usr"]


def test_a_bad_setting_is_refused_on_a_host_without_guests_too():
    problems = planned({"vm_host_virtualization": "xen", "vm_host_image_directory": "images", "vm_host_ceph": {"user": "vms"}}).problems
    assert [one.variable for one in problems] == ["vm_host_ceph.monitors", "vm_host_image_directory", "vm_host_virtualization"]


def test_a_guest_runs_on_one_host_only():
    problems = planned({"vm_host_guests": {"web": WEB}}, {"vm_host_guests": {"web": WEB}}).problems
    assert [(one.host, one.variable) for one in problems] == [("h2", "vm_host_guests.web.state")]
    assert planned({"vm_host_guests": {"web": WEB}}, {"vm_host_guests": {"web": {**WEB, "state": "stopped"}}}).problems == ()


def test_no_two_guests_have_the_same_mac_or_disk():
    nic = {"bridge": "br0", "mac": "52:54:00:00:00:01"}
    one, other = {**WEB, "interfaces": [nic]}, {**WEB, "disks": [{"file": "b.raw"}], "interfaces": [nic]}
    problems = planned({"vm_host_guests": {"a": one}}, {"vm_host_guests": {"b": other}}).problems
    assert [(one.host, one.variable) for one in problems] == [("h2", "vm_host_guests.b.interfaces[0].mac")]
    problems = guests({"a": WEB, "b": WEB}).problems
    assert "web.qcow2 is a disk of a, b" in problems[0].message and len(problems) == 1


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
KEYS = ("state", "memory", "vcpus", "boot", "disks", "interfaces", "uuid", "autostart", "remove_disks")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), GARBAGE, max_size=4), GARBAGE)
def test_no_garbage_makes_a_traceback(guest, anything):
    guests({"web": guest}, vm_host_ceph=anything, vm_host_virtualization=anything)
    guests(anything)
