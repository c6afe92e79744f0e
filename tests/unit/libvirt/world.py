# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of one guest under libvirt, as far as steps of a move touch it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import read_domain, read_nic, spliced
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import Entry, Guest, Move, Step, Work, plan

NOTHING = "<removed/>"


@dataclass
class World:
    """``boots`` counts starts without memory, which must never be; ``cuts`` the times that a NIC was away."""

    definition: Optional[str]
    live: Optional[str] = None
    image: Optional[str] = None
    entry: Optional[Entry] = None
    boots: int = 0
    done: List[str] = field(default_factory=list)

    def guest(self) -> Guest:
        read = [None if text is None else read_domain(text.replace(NOTHING, "")) for text in (self.live, self.definition, self.image)]
        known = next(one for one in read if one is not None)
        return Guest(known.name, known.uuid, "off" if self.live is None else "running", *read)

    def plan(self, move: Move) -> Work:
        return plan(move, self.guest(), self.entry)

    def carry_out(self, step: Step, work: Work) -> None:
        self.done.append(step.kind)
        getattr(self, f"_{step.kind}")(step, work)

    def run(self, move: Move, stop_after: Optional[int] = None) -> None:
        """All steps, or the first so many."""
        work = self.plan(move)
        assert work.problems == ()
        for step in work.steps[:stop_after]:
            self.carry_out(step, work)

    def _note(self, _step: Step, work: Work) -> None:
        self.entry = work.entry

    def _forget(self, _step: Step, _work: Work) -> None:
        self.entry = None

    def _detach(self, step: Step, _work: Work) -> None:
        assert self.live is not None and step.text in self.live
        self.live = self.live.replace(step.text, NOTHING)

    def _attach(self, step: Step, _work: Work) -> None:
        assert self.live is not None and read_domain(self.live.replace(NOTHING, "")).nic(step.mac) is None
        assert NOTHING in self.live, "its place in the guest is not free"
        self.live = self.live.replace(NOTHING, step.text, 1)

    def _save(self, _step: Step, _work: Work) -> None:
        assert self.live is not None and self.definition is not None
        self.live, self.image = None, self.live

    def _rewrite(self, step: Step, _work: Work) -> None:
        assert self.image is not None
        self.image = spliced(self.image, step.elements)

    def _start(self, _step: Step, _work: Work) -> None:
        assert self.live is None
        if self.image is None:
            self.boots += 1
        self.live, self.image = self.image or self.definition, None

    def _define(self, step: Step, _work: Work) -> None:
        assert self.definition is not None
        self.definition = step.text

    def at(self, mac: str) -> List[str]:
        """What an interface hangs on, in each definition that there is."""
        texts = [text for text in (self.live, self.image, self.definition) if text is not None]
        nics = [read_domain(text.replace(NOTHING, "")).nic(mac) for text in texts]
        return [str(nic.at) if nic is not None else "gone" for nic in nics]


def replaced(text: str, mac: str, element: str) -> str:
    assert read_nic(element).mac == mac
    return spliced(text, {mac: element})
