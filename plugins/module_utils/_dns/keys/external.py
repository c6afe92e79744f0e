# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys whose secrets others have made, such as a provider that transfers a zone: read, and checked, before anything is changed."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..._shared.limits import excerpt
from .key_file import LEAST_BYTES, BadKeyFile, TsigKey, parse, usable
from .plan import Arrangement, AskedKey

VARIABLE = "dns_keys_secrets"
_FORMS = "Write the secret in base64, or the text of the key file that the provider sent"


def read_secrets(asked: Sequence[AskedKey], secrets: Mapping[str, Any]) -> Tuple[Dict[str, Arrangement], List[str]]:
    """The arrangement of each external key that ``secrets`` has, and what is wrong with the others. Neither quotes a secret."""
    found: Dict[str, Arrangement] = {}
    wrong: List[str] = []
    external = {key.name: key for key in asked if key.external}
    for name in sorted(set(secrets) - set(external), key=str):
        if not isinstance(name, str):
            wrong.append(f"{VARIABLE}: expected the names of keys, got {excerpt(name)}. Put the name in quotes.")
            continue
        wrong.append(f"{VARIABLE}.{name}: this host is not where a key of that name with external: true belongs. Remove it.")
    for name in sorted(set(secrets) & set(external)):
        try:
            found[name] = {"current": _read(external[name], secrets[name])}
        except ValueError as error:  # BadKeyFile is one
            wrong.append(f"{VARIABLE}.{name}: {error}.")
    return found, wrong


def _read(key: AskedKey, given: Any) -> TsigKey:
    """Raises ValueError."""
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"is not a text. {_FORMS}")
    if "{" not in given:
        read = TsigKey(key.name, key.algorithm, "".join(given.lstrip("\ufeff").split()))
    else:
        try:
            read = parse(given)
        except BadKeyFile as error:
            raise ValueError(f"is not the text of a key file: {error}. {_FORMS}") from None
    if read.name != key.name:
        raise ValueError("is a key of another name, and the name is part of what both sides sign. Give it that name in dns_keys")
    if read.algorithm != key.algorithm:
        raise ValueError(f"is a key for another algorithm than {key.algorithm}. Set algorithm of the key in dns_keys to the one in the file")
    if not usable(read, key.name):
        least = 8 * LEAST_BYTES
        raise ValueError(f"is not base64 of {least} bits or more. Ask the provider for a key as tsig-keygen -a {key.algorithm} makes it")
    return read


def missing_secrets(host: str, asked: Sequence[AskedKey], held: Mapping[str, Arrangement], given: Mapping[str, Arrangement]) -> List[str]:
    """External keys that are to be on this host and are nowhere: nobody here can make them."""
    return [
        f"The secret of the key {key.name} is not on {host}, and others make it. Set {VARIABLE}: {{{key.name}: ...}},"
        " encrypted with ansible-vault, and run this again."
        for key in asked
        if key.external and key.home == host and "current" not in held.get(key.name, {}) and key.name not in given
    ]
