# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at the programs that may configure this host's network, and at what they write down of it below /run."""

from __future__ import annotations

import glob
import os
import shutil
from typing import Collection, Dict, FrozenSet, Iterable, List, Tuple

from ..._core.network.backends import ifupdown, netplan
from ..._core.network.detect import Seen
from ..._core.network.guard_change import FIRST, device_name
from ..command import CommandRunner
from .observe import active, read_files, read_text

NETWORKD = "systemd-networkd.service"
NETWORKMANAGER = "NetworkManager.service"
NETDEVS = tuple(f"{folder}/systemd/network/*.netdev" for folder in ("/etc", "/run", "/usr/lib"))
CLIENTS = ("dhclient", "dhcpcd", "udhcpc")
ACCEPT_RA = "/proc/sys/net/ipv6/conf/*/accept_ra"
DISABLE_IPV6 = "/proc/sys/net/ipv6/conf/*/disable_ipv6"


def look(runner: CommandRunner, names: Collection[str]) -> Seen:
    """``names`` are the interfaces of the kernel."""
    networkd, manager = active(runner, NETWORKD), active(runner, NETWORKMANAGER)
    yaml = tuple(read_files([netplan.FILES]).values())
    boots = runner.run(["systemctl", "is-enabled", "--quiet", "--", "networking.service"], check=False).rc == 0
    classic = boots and shutil.which("ifup") is not None
    ready = {"networkd": networkd, "networkmanager": manager, "ifupdown": classic}
    ready["netplan"] = networkd and bool(yaml) and shutil.which("netplan") is not None
    stanzas = ifupdown.named(read_files(ifupdown.Ifupdown.reads).values())
    return Seen(
        frozenset(name for name, there in ready.items() if there),
        tuple(_networkd_files(names)) if networkd else (),
        tuple((name, kind) for name, kind, _profile in connections(runner)) if manager else (),
        frozenset(stanzas),
        yaml,
        _clients(names),
        tuple(_devices()) if networkd else (),
        frozenset(names),
        kernel_values(ACCEPT_RA),
        frozenset(name for name, value in kernel_values(DISABLE_IPV6).items() if value == "1"),
    )


def kernel_values(setting: str) -> Dict[str, str]:
    """Interface -> the kernel's value."""
    return {path.rsplit("/", 2)[1]: read_text(path).strip() for path in glob.glob(setting)}


def _devices() -> List[Tuple[str, str]]:
    found = [(device_name(text), path) for path, text in read_files(NETDEVS).items() if f"/{FIRST}" not in path]
    return [(name, path) for name, path in found if name]


def _networkd_files(names: Iterable[str]) -> List[Tuple[str, str]]:
    """What systemd-networkd writes down of each interface, which is all that its older versions tell."""
    found: List[Tuple[str, str]] = []
    for name in names:
        lines = read_text(f"/run/systemd/netif/links/{_number(name)}").splitlines()
        known = dict(line.split("=", maxsplit=1) for line in lines if "=" in line)
        if known.get("NETWORK_FILE") and known.get("ADMIN_STATE") != "unmanaged":
            found.append((name, known["NETWORK_FILE"]))
    return found


def connections(runner: CommandRunner) -> List[Tuple[str, str, str]]:
    """Interface, type and profile of each that NetworkManager has connected, less what it found connected by others."""
    argv = ["env", "LC_ALL=C", "nmcli", "--terse", "--fields", "DEVICE,TYPE,STATE,CONNECTION", "device"]
    found: List[Tuple[str, str, str]] = []
    for line in runner.run(argv, check=False).stdout.splitlines():
        words = line.replace("\\:", "\0").split(":")
        if len(words) == 4 and (words[2] == "connected" or words[2].startswith("connecting")):
            found.append((words[0].replace("\0", ":"), words[1], words[3].replace("\0", ":")))
    return found


def _clients(names: Iterable[str]) -> FrozenSet[str]:
    """The interfaces that are named to a DHCP client."""
    words: List[str] = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        if read_text(path).strip() in CLIENTS:
            words += read_text(f"{os.path.dirname(path)}/cmdline").replace("\0", " ").split()
    return frozenset(name for name in names if name in words)


def claims(backend: str, names: Iterable[str]) -> Dict[str, str]:
    """Interface -> what the program has written down of it, of those that it has."""
    if backend == "networkmanager":
        found = {name: read_text(f"/run/NetworkManager/devices/{_number(name)}") for name in names}
        return {name: text for name, text in found.items() if text}
    if backend == "ifupdown":
        lines = read_text("/run/network/ifstate").splitlines()
        return {name: f"{logical}\n" for name, _equals, logical in (line.partition("=") for line in lines)}
    return {}


def _number(name: str) -> str:
    return read_text(f"/sys/class/net/{name}/ifindex").strip() or "0"
