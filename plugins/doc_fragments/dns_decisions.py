# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that say what becomes of single record sets of a zone that moves."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by the modules that compare and move a zone."""

    DOCUMENTATION = r"""
options:
  names:
    description: Further names in the zone, to be asked for all usual types.
    type: list
    elements: str
    default: []
  decisions:
    description:
      - What the new servers get of single record sets, such as those that M(smallfleet.infra.dns_zone_move) returns as in doubt.
    type: list
    elements: dict
    default: []
    suboptions:
      record:
        description: The name as it is in O(left_out), or as records have it in an inventory.
        type: str
        required: true
      type:
        description: The type as it is in O(left_out), or a record type.
        type: str
        required: true
      publish:
        description:
          - V(answer) is what the old servers answer now, V(source) what O(record_sets) has, V(value) what O(decisions[].value) has, and
            V(nothing) gives the set up.
          - Who publishes a C(CNAME) decides about all that the old servers answer at its name.
          - With V(source), V(value) or V(nothing) of a set that a proxy of the provider answers, the other types that such a proxy answers
            at the name are given up.
        type: str
        required: true
        choices: [nothing, answer, source, value]
      value:
        description: The values with O(decisions[].publish=value), as records have them in an inventory.
        type: list
        elements: raw
      ttl:
        description: Time to live in seconds. Without it, the one that the old servers answer, or of other sets 3600.
        type: int
"""
