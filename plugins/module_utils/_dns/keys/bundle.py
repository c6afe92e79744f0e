# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a home tells one holder about the keys that both are to have, before it is sealed and after it is opened."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..._shared.limits import load_json
from .key_file import SLOTS, TsigKey, usable
from .plan import Arrangement, AskedKey

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n")


class BadBundle(ValueError):
    """What a home has sent is not what it was asked for. The message has no secret."""


def write_bundle(home: str, keys: Mapping[str, Arrangement]) -> str:
    """The arrangements of some keys as one text, with their secrets."""
    told = {name: {slot: [key.name, key.algorithm, key.secret] for slot, key in held.items()} for name, held in keys.items()}
    return json.dumps({"home": home, "keys": told}, sort_keys=True)


def read_bundle(text: str, asked: Sequence[AskedKey]) -> Dict[str, Arrangement]:
    """The arrangements in a text, each of a key that was asked for and comes from its home. Raises BadBundle.

    A key may have another algorithm than its next generation will have: home says which, and all of them are strong.
    """
    try:
        bundle = load_json(text, "keys")
        home, keys = bundle["home"], dict(bundle["keys"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadBundle("it is not in the form of this version of the collection") from error
    homes = {key.name: key.home for key in asked}
    found: Dict[str, Arrangement] = {}
    for name, slots in keys.items():
        if homes.get(name) != home:
            raise BadBundle(f"it has the key {name}, which this host did not ask {home} for")
        found[name] = _read_arrangement(name, slots)
    return found


def _read_arrangement(name: str, slots: Any) -> Dict[str, TsigKey]:
    found: Dict[str, TsigKey] = {}
    for slot, parts in slots.items() if isinstance(slots, dict) else ():
        whole = isinstance(parts, list) and len(parts) == 3 and all(isinstance(part, str) for part in parts)
        key = TsigKey(*parts) if whole else None
        if key is None or slot not in SLOTS or not usable(key, name) or key in found.values():
            raise BadBundle(f"its {slot} generation of the key {name} is none")
        found[slot] = key
    if "current" not in found:
        raise BadBundle(f"it has no generation of the key {name} to sign with")
    return found


def certificate(pair: Optional[str]) -> str:
    """The public part of a host's key pair file, or nothing when the file does not hold both parts."""
    found = _certificates(pair or "")
    return found[0] if len(found) == 1 and "-----BEGIN PRIVATE KEY-----" in (pair or "") else ""


def _certificates(text: str) -> List[str]:
    return _CERTIFICATE.findall(text)


def is_certificate(text: str) -> bool:
    """Whether the text is exactly one certificate."""
    return bool(_CERTIFICATE.fullmatch(text))
