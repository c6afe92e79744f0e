# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zone files are read as BIND reads them: the same records, or both refuse."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Dict, Optional, Set, Tuple

import dns.zone
import pytest
from conftest import program
from zone_texts import ZONE, zone_text

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.rdata_client import canonical_text, kind_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused

Records = Dict[Tuple[str, str], Tuple[int, Set[str]]]
FILES = 400
# named-compilezone(1): names and values are not judged, only read. What it writes is one record a line, each with everything.
OPTIONS = ("-q", "-i", "none", *("-k", "ignore", "-n", "ignore", "-m", "ignore", "-r", "ignore"), "-F", "text", "-s", "full")


def by_bind(text: str, folder: Path) -> Optional[Records]:
    """The records of a zone file as named-compilezone reads it, or None when it refuses."""
    source, compiled = folder / "source.zone", folder / "compiled.zone"
    source.write_bytes(text.encode())
    argv = [program("named-compilezone"), *OPTIONS, "-o", str(compiled), ZONE, str(source)]
    if subprocess.run(argv, check=False, capture_output=True, timeout=20).returncode:
        return None
    records: Records = {}
    zone = dns.zone.from_text(compiled.read_text(encoding="utf-8"), origin=ZONE, relativize=False)
    for name, rdataset in zone.iterate_rdatasets():
        values = {canonical_text(rdata) for rdata in rdataset}
        records[name.canonicalize().to_text(), kind_of(rdataset)] = (int(rdataset.ttl), values)
    return records


def by_import(text: str) -> Tuple[Optional[Records], bool]:
    """The records as they are imported, None when the file is refused; and whether each set has a single TTL."""
    try:
        sets, left = read_source(text, {"format": "zone", "default_ttl": 3600}, ZONE, str)
    except Refused:
        return None, True
    return {one.key: (one.ttl, set(one.values)) for one in sets}, not any("different TTLs" in one.reason for one in left)


def comparable(records: Records, single_ttls: bool) -> Records:
    """Without the SOA, which is never imported.

    Where a set has several TTLs, BIND takes the first or the last one, for records below too; the import the lowest.
    """
    return {key: (ttl if single_ttls else 0, values) for key, (ttl, values) in records.items() if key[1] != "SOA"}


def test_a_few_hundred_generated_files_are_read_as_bind_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"the same records": 0, "the same records but for a set's several TTLs": 0, "both refuse": 0}
    differences = []
    total = 0
    for seed in range(FILES):
        text = zone_text(seed)
        compiled = by_bind(text, tmp_path)
        imported, single_ttls = by_import(text if seed % 5 else "\ufeff" + text)
        if compiled is None and imported is None:
            counts["both refuse"] += 1
        elif compiled is not None and imported is not None and comparable(compiled, single_ttls) == comparable(imported, single_ttls):
            counts["the same records" + ("" if single_ttls else " but for a set's several TTLs")] += 1
            total += sum(len(values) for _ttl, values in imported.values())
        else:
            differences.append((seed, text, compiled, imported))
    with capsys.disabled():
        print(f"\n{FILES} zone files: {counts}, {total} records compared, {len(differences)} differ")
    assert not differences, differences[0]
    assert min(counts.values()) > FILES // 50
