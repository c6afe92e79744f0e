# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered from one run to the next: how long phases take on this machine, and which drills these files have passed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Mapping

from .report import LEFT_OUT, PASSED, Row


class Memory:
    """``seconds_file`` is the machine's and lives in the cache; ``folder`` is the checkout's and holds a file for each state of it."""

    def __init__(self, seconds_file: Path, folder: Path, state: str) -> None:
        self._seconds_file = seconds_file
        self._results_file = folder / f"{state}.json"

    def seconds(self) -> Dict[str, float]:
        """Phase -> seconds that it took when it passed last."""
        return {name: float(value) for name, value in _read(self._seconds_file).items() if isinstance(value, (int, float))}

    def results(self) -> List[Row]:
        """The rows of drills that ran on exactly these files, in the order of their names."""
        results = _read(self._results_file)
        return [Row(**results[name]) for name in sorted(results)]

    def keep(self, row: Row) -> None:
        """Remember how a phase ended. What was left out is not remembered, and the core always runs anew."""
        if row.result == PASSED:
            _write(self._seconds_file, {**_read(self._seconds_file), row.name: round(row.seconds, 1)})
        if row.result != LEFT_OUT and not row.core:
            _write(self._results_file, {**_read(self._results_file), row.name: asdict(row)})


def _read(path: Path) -> Dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(path: Path, data: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
