# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded changes as systemd-networkd is shown them, and facts of hosts with all programs."""

from __future__ import annotations

from typing import Collection, FrozenSet, Mapping, Sequence, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.control import NO_CONTROL
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.facts import HostFacts, ProgramFacts
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd_change import CONTROL, trial_of
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import FileChange, Observed, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import prepare as prepare_change


def prepare(folder: str, operations: Plan, boot: Sequence[FileChange], shown: Mapping[str, str], observed: Observed, leaving: Sequence[str] = ()) -> Change:
    """The change of a host with systemd-networkd, which is shown these files; of one without it where there are none."""
    return prepare_change(folder, operations, boot, observed, CONTROL if shown else NO_CONTROL, trial_of(shown, operations, observed, leaving))


def host_facts(
    ready: Collection[str] = (),
    files: Sequence[Tuple[str, str]] = (),
    connections: Sequence[Tuple[str, str]] = (),
    stanzas: Collection[str] = (),
    yaml: Tuple[str, ...] = (),
    clients: FrozenSet[str] = frozenset(),
    devices: Tuple[Tuple[str, str], ...] = (),
    there: FrozenSet[str] = frozenset(),
    ipv6_off: Collection[str] = (),
) -> HostFacts:
    """``files`` and ``devices`` are systemd-networkd's, ``connections`` NetworkManager's, ``stanzas`` and ``clients`` ifupdown's."""
    programs = {
        "networkd": ProgramFacts("networkd" in ready, dict(files), devices),
        "netplan": ProgramFacts("netplan" in ready, dict(files), devices, texts=yaml),
        "networkmanager": ProgramFacts("networkmanager" in ready, dict(connections)),
        "ifupdown": ProgramFacts("ifupdown" in ready, dict.fromkeys(stanzas, ""), dhcp_clients=clients),
    }
    return HostFacts(programs, there, {}, frozenset(ipv6_off))
