# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a lab backend: a way to run nodes. What it does on the controller is in ``_lab/backends``."""

from __future__ import annotations

from typing import Dict, FrozenSet, Mapping, Tuple

from ..spec import LabNode


class Backend:
    """One way to run nodes, as plain facts. A new one is a class below this one, with its entry in ``registry``."""

    name = ""
    """What ``lab_backend`` calls it."""
    own_kernel = False
    """Whether its nodes boot a kernel of their own. Those of others share the controller's, and its limits."""
    packages: Tuple[str, ...] = ()
    """What its base image has beyond that of every node; ``{architecture}`` is that of the controller."""
    commands: Mapping[str, Tuple[str, str]] = {}
    """Commands of the controller that only it needs -> the Debian package they come from, and what they are for."""
    needs: FrozenSet[str] = frozenset()
    """Subjects of the doctor's rows that only it needs; see ``doctor.examine``."""

    def node_files(self, node: LabNode) -> Dict[str, str]:
        """Path and content of what its nodes need besides."""
        return {}
