# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a lab: what goes into a node before it boots, and how the controller reaches it."""

from __future__ import annotations

from hashlib import sha256
from typing import Dict, Sequence

from .backends.registry import BACKENDS
from .spec import LabNic, LabNode, LabSpec

PROXY_PORT = 3142


def networkd(nic: LabNic) -> str:
    """A systemd.network(5) file. Duplicate address detection is off: the plan has already refused duplicates."""
    addresses = [f"[Address]\nAddress={nic.ipv4}\n"] if nic.ipv4 else []
    addresses += [f"[Address]\nAddress={nic.ipv6}\nDuplicateAddressDetection=none\n"] if nic.ipv6 else []
    head = f"[Match]\nName={nic.interface}\n\n[Link]\nMTUBytes={nic.mtu}\n\n"
    routes = [f"[Route]\nGateway={gateway}\nGatewayOnLink=yes\n" for gateway in (nic.ipv4_gateway, nic.ipv6_gateway) if gateway]
    return head + "[Network]\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n\n" + "\n".join(addresses + routes)


def machine_id(lab: str, node: str) -> str:
    """A machine-id(5) that is the same each time the lab is built; the form is that of a version 4 UUID."""
    digits = sha256(f"{lab}/{node}".encode()).hexdigest()[:32]
    return f"{digits[:12]}4{digits[13:16]}a{digits[17:]}"


def node_files(spec: LabSpec, node: LabNode) -> Dict[str, str]:
    """Path -> content of what a node needs to be reachable. Keys are not among them: they are made where they live."""
    files = {
        "/etc/hostname": f"{node.name}\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
        "/etc/machine-id": f"{machine_id(spec.name, node.name)}\n",
        "/etc/resolv.conf": "# A lab has no name server until a role sets one.\n",
    }
    for nic in node.nics:
        if not (nic.ipv4 or nic.ipv6):
            continue
        files[f"/etc/systemd/network/10-{nic.interface}.network"] = networkd(nic)
    files.update(BACKENDS[node.backend].node_files(node))
    address = spec.proxy_address(node)
    if address:
        proxy = f"[{address}]" if ":" in address else address
        files["/etc/apt/apt.conf.d/00lab-proxy"] = f'Acquire::http::Proxy "http://{proxy}:{PROXY_PORT}";\n'
    return files


def ssh_config(spec: LabSpec) -> str:
    """An ssh_config(5) that reaches every node through the lab's namespace, and nothing else when the lab is down."""
    blocks = []
    for node in spec.nodes:
        addresses = [address.split("/")[0] for nic in node.nics for address in (nic.ipv4, nic.ipv6) if address]
        # Ansible connects to the node's name, or to the ansible_host that the inventory plugin derived.
        blocks.append(f"Host {' '.join([node.name, *addresses])}\n  HostName {addresses[0]}\n  HostKeyAlias {node.name}\n")
    blocks.append(
        "Host *\n"
        "  User root\n"
        f"  IdentityFile {spec.folder}/id_ed25519\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {spec.folder}/known_hosts\n"
        "  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
        "  BatchMode yes\n"
        "  LogLevel ERROR\n"
        f"  ControlPath {spec.folder}/cp/%n\n"
        "  ServerAliveInterval 5\n"
        "  ServerAliveCountMax 3\n"
        f"  ProxyCommand nsenter --net=/run/netns/{spec.namespace} nc -N %h %p\n"
    )
    return "\n".join(blocks)


def tinyproxy_conf(port: int, hosts_file: str, upstream: str) -> str:
    """A tinyproxy.conf(5) that lets nodes reach the package mirrors named in ``hosts_file`` and nothing else."""
    lines = [
        f"Port {port}",
        "Listen 127.0.0.1",
        "Allow 127.0.0.1",
        "Timeout 600",
        "MaxClients 64",
        "DisableViaHeader Yes",
        f'Filter "{hosts_file}"',
        "FilterDefaultDeny Yes",
        "FilterExtended On",
        "LogLevel Warning",
    ]
    return "\n".join([*lines, *([f"Upstream http {upstream}"] if upstream else [])]) + "\n"


def tinyproxy_filter(hosts: Sequence[str]) -> str:
    """One anchored extended regular expression for each mirror host."""
    return "".join("^" + host.replace(".", r"\.") + "$\n" for host in sorted(set(hosts)))
