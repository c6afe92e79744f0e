# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done to a running kernel, in an order that never interrupts what serves."""

from __future__ import annotations

from typing import List, Sequence

from .model import Desired, Observed, Plan


def pinned(desired: Desired, observed: Observed) -> Desired:
    """The same with the MAC of every bridge and bond filled in: that of its first port, so that leases stay.

    Everything below, and the files of the backends, want it so.
    """
    raise NotImplementedError


def obstacles(
    desired: Desired, observed: Observed, management: Sequence[str] = (), allow_disconnect: bool = False
) -> List[str]:
    """Why this host cannot become what is desired, said before anything is changed: what, where, and a remedy."""
    raise NotImplementedError


def plan(desired: Desired, observed: Observed) -> Plan:
    """The operations that make the kernel what is desired (``pinned``). Meant for what ``obstacles`` found good."""
    raise NotImplementedError


def rollback(steps: Plan) -> List[str]:
    """The lines for ``ip -force -batch`` that restore what was observed, wherever the plan was interrupted."""
    raise NotImplementedError
