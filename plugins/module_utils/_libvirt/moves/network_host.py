# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's own network in the way from macvtap to a bridge: its card joins the bridge by a confirmed change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Mapping, Sequence

from ..._network.model import Link, Observed
from ..._network.module_host import demanded, run_checks, state_of
from ..._network.network_host import HostNetwork, Work
from ..._network.plan.cards import identified
from ..._network.serialization import from_data
from .replacement import Beside
from .replacement_host import Prospect


def bridges_of(data: Mapping[str, Any], observed: Observed) -> Dict[str, Sequence[str]]:
    """Bridge -> its ports by the kernel's names, of what a host's network shall be. Raises BadDesired."""
    interfaces = identified(from_data(data), observed).interfaces
    return {one.name: one.ports for one in interfaces if one.type == "bridge" and not one.absent}


class Joining:
    """``params`` are those of a module that begins a change of the network."""

    def __init__(self, network: HostNetwork, params: Mapping[str, Any]) -> None:
        self._network = network
        self._params = params
        self._checked: Dict[str, str] = {}

    def _work(self, gone: Sequence[str] = (), beside: Sequence[Beside] = ()) -> Work:
        def foreseen(observed: Observed) -> Observed:
            links = {name: link for name, link in observed.links.items() if name not in gone}
            for one in beside:
                links[one.name] = Link(one.name, "bridge", one.card.mac, mtu=one.card.mtu, carrier=False, link_local=False)
            return replace(observed, links=links)

        given = self._params
        return self._network.work(given["desired"], given["backend"], given["management"], given["allow_disconnect"], foreseen)

    def prospect(self, gone: Sequence[str], beside: Sequence[Beside]) -> Prospect:
        work = self._work(gone, beside)
        wrong = list(work.wrong)
        if work.needed and not wrong:
            wrong += self._network.conflicts(work, self._params["desired"])
        return Prospect(work.needed, work.steps(), work.diff(), wrong, work.warnings)

    def ready(self) -> None:
        self._checked = run_checks(self._network, self._params["checks"], afterwards=False)

    def begin(self) -> Dict[str, Any]:
        """The answer that ``host_network`` gives to state=applied."""
        given = self._params
        token = demanded(given["token"], given["state"])
        work = self._work()
        self._network.begin(work, given["desired"], token, given["holder"], given["rollback_timeout"], given["delay"])
        state = {"backend": work.backend, "checks": self._checked, **state_of(self._network.guard)}
        return {"steps": work.steps(), "state": state}
