# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-networkd while a guarded change lasts: it watches the network, and is shown for the trial what the boot will have.

systemd-networkd 257 does not take over a bridge that it did not make, so it makes such interfaces itself. A VLAN it takes over if it
knows its file when the VLAN appears; it would not make it before the interface below is configured. A port it configures anew, by the
file that it knows so far, as soon as that leaves its bridge: it is first shown that the port is not its business.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence

from ..model import Observed, Plan
from .base import FIRST
from .control import RELOAD, Command, Control, Trial

RUN_NETWORKD = "/run/systemd/network/"
LIBRARY = """\
reload() {
    if systemctl is-active --quiet systemd-networkd.service; then timeout 20 networkctl reload; fi
}
"""
BUSY = r"""    # systemd-networkd acts after it has answered
    systemctl is-active --quiet systemd-networkd.service 2>>foreign.log || return 1
    timeout 5 networkctl list --no-legend --no-pager 2>>foreign.log | awk '$5 ~ /^(pending|initialized|configuring)$/ { found = 1 } END { exit !found }'
"""
COMMANDS: Mapping[str, Command] = {RELOAD: Command("reload", "systemd-networkd did not take its files")}
CONTROL = Control(LIBRARY, COMMANDS, (".netdev",), BUSY)
"""An interface that it made goes last: given back, it would be unknown to systemd-networkd, which could not make it."""


def trial_of(shown: Mapping[str, str], operations: Plan, observed: Observed, leaving: Sequence[str] = ()) -> Trial:
    """``shown`` are the files (path and content) of the desired network, whoever reads its boot configuration. The program is to forget
    the interfaces ``leaving``.
    """
    added = {one.link for one in operations.prepare if one.kind == "add_link" and one.link not in observed.links}
    trial: Dict[str, str] = {}
    made: Dict[str, str] = {}
    early: List[str] = []
    for path, text in sorted(shown.items()):
        place = f"{RUN_NETWORKD}{FIRST}{path.rsplit('/', 1)[1]}"
        device = device_name(text) if path.endswith(".netdev") else ""
        if device in added:
            early.append(place)
        if device in added and not stacked(text):
            made[place] = device
        if not device or device in added:  # what exists stays whose it is
            trial[place] = text
    for name in leaving if shown else ():
        trial[f"{RUN_NETWORKD}{FIRST}{name}.network"] = _unmanaged(name)
    held: Dict[str, str] = {}
    for name in _moved(operations, observed) if shown else ():
        place = f"{RUN_NETWORKD}{FIRST}{name}.network"
        early += [place] if place in trial else []
        # a file for a card that is found by its MAC does not name it
        own = [path for path, text in trial.items() if path.endswith(f"-{name}.network") and device_name(text) in (name, "")]
        held.update({path: _unmanaged(name) for path in own if path != place})
    return Trial(tuple(trial.items()), tuple(early), tuple(made.values()), tuple(held.items()), bool(shown))


def _unmanaged(name: str) -> str:
    """What tells systemd-networkd to leave an interface alone (systemd.network(5)); it takes away what addresses it gave it."""
    return f"[Match]\nName={name}\n\n[Link]\nUnmanaged=yes\n"


def _moved(operations: Plan, observed: Observed) -> List[str]:
    """The ports that leave their bridge or bond, for another or for none."""
    moves = [one.link for one in operations.switch if {"master", "nomaster"} & set(one.words)]
    return list(dict.fromkeys(name for name in moves if name in observed.links and observed.links[name].master))


def device_name(netdev: str) -> str:
    """The interface that a systemd.netdev(5) file makes, or that one of our systemd.network(5) files is for."""
    for line in netdev.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "Name":
            return value.strip()
    return ""


def stacked(netdev: str) -> bool:
    """Whether the file is of a VLAN, which is made when the interface below it is configured."""
    return any(line.replace(" ", "").lower() == "kind=vlan" for line in netdev.splitlines())
