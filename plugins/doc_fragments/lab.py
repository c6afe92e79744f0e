# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation of the lab's modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of the lab modules."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Says what would be done, and does nothing.
    support: full
  diff_mode:
    description: Shows the steps.
    support: full
"""

    DRILL = r"""
options:
  name:
    description: Name of the lab.
    type: str
    required: true
  directory:
    description: Folder that holds the labs' own state.
    type: path
    default: /var/lib/smallfleet/labs
  node:
    description: The node's name in the inventory.
    type: str
    required: true
seealso:
  - module: smallfleet.infra.lab
"""
