# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages of a module in the words of a playbook that passes its own variables: ``move_old`` and not ``old``."""

from __future__ import annotations

import re
from typing import Iterable, Mapping

_OTHERS: Mapping[str, str] = {"zone_name": "zone", "content_base64": "source", "format": "source_format"}


def renamed(message: str, options: Iterable[str], prefix: str) -> str:
    """The message with the options that its sentences begin with, or that Ansible found them in, as variables with this prefix."""
    known = "|".join(sorted(map(re.escape, options), key=len, reverse=True))
    places = rf"(?:(?<=^)|(?<=[.] )|(?<=found in ))({known})(?=[:.\[]|$)"
    return re.sub(places, lambda found: prefix + _OTHERS.get(found[1], found[1]), message) if prefix else message
