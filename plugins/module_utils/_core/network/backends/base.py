# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each backend (the program that configures the network at boot) must be able to say."""

from __future__ import annotations

from typing import Dict, Mapping, Protocol, Tuple

from ..model import Desired, Files


class Backend(Protocol):
    """The boot configuration of one program, as pure functions."""

    name: str
    reads: Tuple[str, ...]
    """Patterns (glob) of the files whose contents ``changes`` must see."""

    def files(self, desired: Desired) -> Dict[str, str]:
        """Path and content of each file that configures the desired interfaces at boot."""

    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        """What becomes of the files that exist (path and content): written, rewritten, or taken away."""
