# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered from one run to the next: how long phases take on this machine, and how drills ended, with the inputs they had."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from .phases import Phase
from .report import LEFT_OUT, PASSED, Row


def digests_of(phases: Sequence[Phase], digests: Mapping[str, str], explore: bool) -> Dict[str, str]:
    """Phase -> what its result depends on: the digest of its inputs, and whether chance chose the values that it tried."""
    return {phase.name: f"{digests[phase.name]} explored" if phase.seed and explore else digests[phase.name] for phase in phases}


class Memory:
    """Two files in ``folder``, which all checkouts on a machine share.

    ``digests`` maps a drill to a digest of its inputs as they are now, ``state`` names the files of the whole checkout.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str], state: str) -> None:
        self._seconds_file = folder / "test-seconds.json"
        self._results_file = folder / "drills.json"
        self._digests = digests
        self._state = state

    def seconds(self) -> Dict[str, float]:
        """Phase -> seconds that it took when it passed last."""
        return {name: float(value) for name, value in _read(self._seconds_file).items() if isinstance(value, (int, float))}

    def results(self) -> List[Row]:
        """The rows of drills that ran with exactly the inputs that they have now, in the order of their names."""
        results = _read(self._results_file)
        return [self._row(results[name]) for name in sorted(results) if results[name].get("inputs") == self._digests.get(name)]

    def _row(self, result: Mapping[str, Any]) -> Row:
        """A row as it was kept; one of another state of the checkout names that state."""
        row = Row(**result["row"])
        return row if result["state"] == self._state else replace(row, note=f"{row.note} (at {result['state']})".strip())

    def keep(self, row: Row) -> None:
        """Remember how a phase ended. What was left out is not remembered, and the core always runs anew."""
        self._seconds_file.parent.mkdir(parents=True, exist_ok=True)
        with open(self._results_file.with_suffix(".lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if row.result == PASSED:
                _write(self._seconds_file, {**_read(self._seconds_file), row.name: round(row.seconds, 1)})
            if row.result != LEFT_OUT and row.name in self._digests:
                result = {"inputs": self._digests[row.name], "state": self._state, "row": asdict(row)}
                _write(self._results_file, {**_read(self._results_file), row.name: result})


def _read(path: Path) -> Dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(path: Path, data: Mapping[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
