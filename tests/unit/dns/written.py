# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of ``dns_zones`` as a person wrote them, read by themselves."""

from __future__ import annotations

from typing import Any, List, Mapping, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.soa import SOA, Soa, read_soa
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.records import RECORDS, Table, read_records
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.fields import read
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.places import Place
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import Problem
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import Notes


def read_written(entries: Any, table: Table) -> List[Problem]:
    """What is wrong with these records; the others are put into the table."""
    notes = Notes()
    read_records(read(RECORDS, entries, Place("", "records", notes)), (), {}, table)
    return notes.problems


def soa_of(options: Mapping[str, Any], ttl: int) -> Tuple[Soa, List[Problem]]:
    """The SOA of a zone whose ``ttl`` is written, and what is wrong with it."""
    notes = Notes()
    return read_soa(read(SOA, options, Place("", "soa", notes)), ttl, True), notes.problems
