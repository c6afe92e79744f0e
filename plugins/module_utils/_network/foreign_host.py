# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for what tells apart what programs have added: more files of boot configurations than the backends change."""

from __future__ import annotations

import glob
import os
from typing import Dict, List, Sequence

from .._shared.limits import BadText
from .backends.backend import Backend
from .kernel.observe_host import read_files


def boot_texts(backend: Backend) -> List[str]:
    """The drop-ins, scripts and other folders that the backend's program reads beside the files that are changed."""
    return list(_readable(backend.mentions).values())


def program_settings(backend: Backend) -> Dict[str, str]:
    """Path and content of the settings of the backend's program itself."""
    return _readable(backend.settings)


def _readable(patterns: Sequence[str]) -> Dict[str, str]:
    """Path -> content. What is too large for a configuration is none."""
    found: Dict[str, str] = {}
    for path in (path for pattern in patterns for path in sorted(glob.glob(pattern)) if os.path.isfile(path)):
        try:
            found.update(read_files([glob.escape(path)]))
        except BadText:
            continue
    return found
