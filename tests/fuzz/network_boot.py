# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found in the boot configuration of others, and what the kernel prints of its bridges and bonds."""

from __future__ import annotations

from typing import Callable, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import ifupdown, netplan, networkd, networkmanager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot import rewriters
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.boot_host import backends, load
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.findings import Boot, Findings
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.options import from_kernel, made
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.review import after_changes, review
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import Unreadable
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText
from fuzz.target import Target, file, text

MAC = "02:00:00:00:00:01"
OBSERVED = Observed({"eth0": Link("eth0", "", MAC, MAC), "eth1": Link("eth1", "", "02:00:00:00:00:02", "02:00:00:00:00:02"), "br0": Link("br0", "bridge", MAC)})
BRIDGE = Interface("br0", "bridge", ports=("eth0",), ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)))
DESIRED = pinned(Desired((Interface("eth0"), BRIDGE), (Route("0.0.0.0/0", "br0", "192.0.2.1"),)), OBSERVED)
MADE = made(DESIRED, OBSERVED)


def _review(backend: str, *paths: str) -> Callable[[bytes], Findings]:
    """The file at each of the paths."""

    def read(data: bytes) -> Findings:
        existing = {path: file(data) for path in paths}
        files = backends(OBSERVED)[backend].changes(DESIRED, existing)
        boot = Boot(DESIRED, OBSERVED, existing, after_changes(existing, files), ("192.0.2.10",), ("203.0.113.5",), MADE)
        for path in paths:
            ifupdown.sources(path, existing[path])
        return review(backends(OBSERVED)[backend], boot, files, rewriters.Writers(True), {}, load)

    return read


def _cloud(data: bytes) -> bool:
    loaded = load(file(data), "cloud.cfg")
    return rewriters.cloud_writes(rewriters.Writers(True, False, file(data), {rewriters.CLOUD_CONFIG[0]: loaded, "x": file(data)}))


TARGETS: Dict[str, Target] = {
    "boot-ifupdown": Target(
        _review("ifupdown", ifupdown.MAIN, f"{ifupdown.FOLDER}/x"),
        (),
        (
            (
                b"auto eth0 eth0:0\niface eth0 inet static inherits common\n  address 192.0.2.10/24\n  post-up ip route add 203.0.113.0/24 via 192.0.2.2\n"
                b"  wpa-psk secret\niface common inet manual\n  up x \\\n  y\niface br0 inet manual\n  bridge_ports eth0\n  bridge_fd 4\n  bridge-ageing 5s\n"
            ),
            b"mapping eth*\n  script x\nrename eth0=a\niface br9 inet manual\n  bridge_ports regex eth.*\nsource /x/* y\nsource-directory z\n",
            b"iface eth0 inet manual inherits common\niface common inet manual\n" + b"  up true\n" * 20_000 + b"iface eth0 inherits common\n" * 4_000,
            b"iface br9 inet manual\n" + b"  address 192.0.2.10\n" * 8_000,
        ),
    ),
    "boot-networkd": Target(
        _review("networkd", f"{networkd.FOLDER}/10-a.network", f"{networkd.FOLDER}/10-a.netdev", f"{networkd.FOLDER}/10-a.network.d/b.conf"),
        (),
        (
            (
                b"[Match]\nName=eth0\nMACAddress=02-00-00-00-00-01\nType=ether\n[Network]\nVLAN=eth0.5\nDNS=\nDNS=192.0.2.53\n[Address]\n"
                b"Address=192.0.2.10/24\n[NetDev]\nName=br0\nKind=bridge\n[Bridge]\nAgeingTimeSec=5min\nForwardDelaySec=4\n[802.1X]\nEAP=tls\n"
            ),
            b"[Match]\nName=eth0\n[Network]\n" + b"DNS=\nDNS=1\n" * 10_000,
            b"[Match]\nName=eth0\n[Network]\nX=" + b"a\\\n" * 40_000,
        ),
    ),
    "boot-keyfiles": Target(
        _review("networkmanager", f"{networkmanager.FOLDER}/x", f"{networkmanager.SHIPPED}/y", f"{networkmanager.OLD}/ifcfg-lan"),
        (),
        (
            (
                b"[connection]\nid=x\nuuid=u\ntype=ethernet\nautoconnect-priority=200\nmaster=br0\n[match]\ninterface-name=&eth*;!eth1;|a\n[ethernet]\n"
                b"mac-address=02:00:00:00:00:01\n[ipv4]\naddress1=192.0.2.10/24,192.0.2.1\ndns=192.0.2.53;\nroute1=198.51.100.0/24\n[802-1x]\npassword=x\n"
            ),
            b"[connection]\ntype=bridge\ninterface-name=br0\n[bridge]\nageing-time=5\nstp=false\n[vlan]\nparent=u\n",
            b"[connection]\ntype=ethernet\n[match]\ninterface-name=" + b"eth*;" * 100_000 + b"\n",
        ),
    ),
    "boot-netplan": Target(
        _review("netplan", f"{netplan.FOLDER}/50-cloud-init.yaml", f"{netplan.FOLDER}/60-x.yaml"),
        (),
        (
            (
                b"network:\n  version: 2\n  ethernets:\n    all: {match: {name: 'eth0*', macaddress: '02:00:00:00:00:01'}, set-name: eth0, "
                b"addresses: [{192.0.2.10/24: {label: x}}], routes: [{to: default, via: 192.0.2.1}], nameservers: {addresses: [192.0.2.53]}}\n"
                b"    eth0: &a {dhcp4: true, auth: {password: x}}\n"
                b"    eth1: *a\n  bridges:\n    br0: {interfaces: [eth0], parameters: {stp: false, ageing-time: 5, path-cost: {eth0: 1}}}\n"
            ),
            b'{"network": {"ethernets": {"eth0": {"mtu": 9000}}, "vlans": {"v": {"link": "eth0", "id": 5}}, "renderer": "NetworkManager"}}',
            b"network:\n  bridges:\n" + b"".join(b"    b%d: {interfaces: [eth0]}\n" % number for number in range(1_500)),
        ),
    ),
    "boot-cloud": Target(
        _cloud,
        (BadText,),
        (b"network: {config: disabled}\n", b"users: []\nnetwork:\n  config: 'disabled'\n", b"network-config=disabled", b"a: &a [b]\nnetwork: *a\n"),
    ),
    "boot-links": Target(
        lambda data: from_kernel(text(data)),
        (Unreadable,),
        (
            (
                b'[{"ifname":"br0","linkinfo":{"info_kind":"bridge","info_data":{"ageing_time":30000,"group_fwd_mask":"0x8","vlan_protocol":"802.1Q"}}},{},'
                b'{"ifname":"bond0","linkinfo":{"info_kind":"bond","info_data":{"arp_ip_target":["192.0.2.1"],"arp_validate":null,"updelay":1}}}]'
            ),
        ),
    ),
}
