# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot configuration of others, what ip(8) prints, and frames from the wire."""

from __future__ import annotations

from typing import Callable, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._network import duplicate_addresses as conflicts
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import detect, ifupdown, netplan, networkd, networkmanager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.backend import Backend
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.facts import HostFacts, ProgramFacts
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd_change import device_name, stacked
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.resolv_conf import read_resolv_conf
from ansible_collections.smallfleet.infra.plugins.module_utils._network.foreign import manages, mentioned
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel import observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Files, Interface, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.record import read_desired, read_known, read_known_addresses, read_late
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText
from fuzz.target import Target, file, text

DESIRED = Desired((Interface("eth0"), Interface("eth1", mac="02:00:00:00:00:01")))
OBSERVED = Observed({}, {}, (), (), True)
SEPARATOR = b"\n====\n"


def changes(backend: Backend, *paths: str) -> Callable[[bytes], Files]:
    """The file at each of the paths, one after the other."""

    def read(data: bytes) -> Files:
        return backend.changes(DESIRED, {path: file(data) for path in paths})

    return read


def _netplan(data: bytes) -> None:
    changes(netplan.Netplan(), f"{netplan.FOLDER}/50-cloud-init.yaml")(data)
    for name in detect.BACKENDS:
        facts = {"netplan": ProgramFacts(True, texts=(file(data),)), "networkd": ProgramFacts(True)}
        detect.choose(name, DESIRED, HostFacts(facts))


def _ifupdown(data: bytes) -> None:
    changes(ifupdown.Ifupdown(), ifupdown.MAIN, f"{ifupdown.FOLDER}/x")(data)
    ifupdown.named([file(data)])


def _networkd(data: bytes) -> None:
    changes(networkd.Networkd(), f"{networkd.FOLDER}/00-a.network", f"{networkd.FOLDER}/00-a.netdev")(data)
    device_name(file(data))
    stacked(file(data))
    read_resolv_conf(file(data))
    mentioned([file(data)])
    manages({"/etc/systemd/networkd.conf": file(data)})


def _ip(data: bytes) -> None:
    """What each command printed, in the order of COMMANDS."""
    parts = text(data).split(SEPARATOR.decode())
    observe.observe(dict(zip(observe.COMMANDS, [*parts, *[""] * len(observe.COMMANDS)])))


def _neighbours(data: bytes) -> None:
    for entry in observe.read_entries(text(data), "neighbours"):
        entry.texts("state")
    conflicts.same_macs(DESIRED, OBSERVED, text(data))


def _guard(data: bytes) -> None:
    """The files of the guard, one of which is read until all are."""
    refused = []
    readers = (read_known, read_late, read_desired, read_known_addresses)
    for reader in readers:
        try:
            reader(text(data), "the file")
        except BadText as error:
            refused.append(error)
    if len(refused) == len(readers):
        raise refused[0]


LINKS = (
    b'[{},{"ifname":"eth0","flags":["UP","LOWER_UP"],"mtu":1500,"max_mtu":9000,"address":"02:00:00:00:00:01","master":"br0",'
    b'"linkinfo":{"info_slave_data":{"perm_hwaddr":"02:00:00:00:00:02"}},"inet6_addr_gen_mode":"eui64"},{"ifname":"br0","flags":[],"mtu":1500,'
    b'"altnames":["x"],"linkinfo":{"info_kind":"bridge","info_data":{"stp_state":0,"group_fwd_mask":"0x4008","ageing_time":30000}}},'
    b'{"ifname":"bond0","flags":[],"mtu":1500,"linkinfo":{"info_kind":"bond",'
    b'"info_data":{"mode":"active-backup","miimon":100,"arp_ip_target":["192.0.2.1"],"arp_validate":null}}},{"ifname":"v","flags":[],'
    b'"mtu":1500,"link":"br0","linkinfo":{"info_kind":"vlan",'
    b'"info_data":{"id":5}}}]'
)
ADDRESSES = (
    b'[{"ifname":"eth0","addr_info":[{"family":"inet","local":"192.0.2.10","prefixlen":24,"scope":"0","valid_life_time":4294967295},'
    b'{"family":"inet6","local":"2001:db8::1","prefixlen":64,"scope":"0","noprefixroute":true,"dynamic":true},{"family":"inet",'
    b'"local":"192.0.2.100","prefixlen":32,"label":"eth0:v","metric":5,"protocol":"0x12","preferred_life_time":0}]}]'
)
ROUTES = (
    b'[{"dst":"default","gateway":"192.0.2.1","dev":"eth0","protocol":"16","metric":100,"prefsrc":"192.0.2.10","flags":["onlink"],"table":"77"}]',
    b'[{"dst":"2001:db8::/64","dev":"eth0","protocol":"9","expires":100,"flags":[]}]',
)
RULES = (b'[{"priority":100,"src":"192.0.2.0","srclen":24,"table":"77","fwmark":"0x1","iif":"eth0"},{"priority":0,"src":"all","table":"255"}]', b"[]")
VLANS = b'[{"ifname":"eth0","vlans":[{"vlan":1,"flags":["PVID","Egress Untagged"]},{"vlan":100,"vlanEnd":200}]},{"ifname":"br0","vlans":[{"vlan":5}]}]'
ARP = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x02" + b"\x02\0\0\0\0\x01" + b"\xc0\0\x02\x0a" + bytes(10)
ADVERTISEMENT = b"\x33\x33" + bytes(10) + b"\x86\xdd" + bytes(6) + b"\x3a\xff" + bytes(32) + b"\x88" + bytes(24)
TARGETS: Dict[str, Target] = {
    "ifupdown": Target(
        _ifupdown,
        (),
        (
            (
                b"auto lo eth0\niface lo inet loopback\n# text\niface eth0 inet static\n    address 192.0.2.10/24\n    up ip route add \\\n  default\n"
                b"source /etc/network/interfaces.d/*\nmapping eth*\n  script x\nallow-hotplug eth1\niface eth1 inet6 auto\n"
            ),
            b"auto /eth*\niface eth0:1 inet manual\nno-auto-down eth0 \\\n eth1\nrename a=b\n",
            b"iface eth0 inet manual\n" + b"  up true \\\n" * 100_000,
        ),
    ),
    "netplan": Target(
        _netplan,
        (),
        (
            (
                b"network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    eth0:\n      dhcp4: true\n      match: {macaddress: '02:00:00:00:00:01'}\n"
                b"      set-name: eth1\n    eth7:\n      addresses:\n      - 192.0.2.1/24\n  bridges:\n    br0: {interfaces: [eth0]}\n"
            ),
            b"network: {ethernets: {eth0: {dhcp4: true}}}\n",
            b"set-name: eth0\nnetwork:\n  set-name: eth0\n  ethernets: &a\n    <<: *b\n    eth0: *a\n",
            b"a: &a [x, x]\nb: &b [*a, *a]\nnetwork:\n  ethernets: *b\n",
            b"network:\n  ethernets:\n" * 20_000,
        ),
    ),
    "networkd": Target(
        _networkd,
        (),
        (
            b"[Match]\nName=eth* !eth1\nMACAddress=02:00:00:00:00:01\n[Network]\nDHCP=yes\n",
            b"[NetDev]\nName=eth0\nKind=vlan\n# x\n; y\n[Match]\nName=!eth[0-9] e?\n",
            b"[Match]\n" + b"Name=a\n" * 50_000,
        ),
    ),
    "networkmanager": Target(
        changes(networkmanager.NetworkManager(), f"{networkmanager.FOLDER}/x", f"{networkmanager.OLD}/ifcfg-eth0"),
        (),
        (b"[connection]\nid=x\ninterface-name=eth0\n[ipv4]\nmethod=auto\n# c\n", b"[connection]\n" + b"x\n" * 100_000),
    ),
    "ip": Target(_ip, (observe.Unreadable,), (SEPARATOR.join((LINKS, ADDRESSES, *ROUTES, *RULES, VLANS)), LINKS, SEPARATOR.join((LINKS, ADDRESSES)))),
    "neighbours": Target(
        _neighbours,
        (BadText,),
        (b'[{"dst":"192.0.2.1","lladdr":"02:00:00:00:00:01","state":["REACHABLE"]},{},{"dst":"192.0.2.2","state":["FAILED"]}]',),
    ),
    "guard": Target(
        _guard,
        (BadText,),
        (
            b'{"holder":"root on a","token":"00ff","boot_id":"5","ends":90.5,"steps":["link set eth0 up","write /etc/x"]}',
            b'[["192.0.2.1","eth0"],["2001:db8::1","br0"]]',
            (
                b'{"interfaces":[{"name":"br0","type":"bridge","state":"up","mtu":1500,"ipv4":{"enabled":true,"dhcp":false,"address":[{"ip":"192.0.2.1",'
                b'"prefix_length":24}]},"bridge":{"options":{"stp":{"enabled":false}},"port":[{"name":"eth0"}]}}],"routes":[{"destination":"default",'
                b'"next_hop_interface":"br0","next_hop_address":"192.0.2.254","table_id":254}],"rules":[],"dns":{"server":["192.0.2.53"],"search":[]}}'
            ),
        ),
    ),
    "frames": Target(conflicts.claim, (), (ARP, ADVERTISEMENT, b"")),
}
