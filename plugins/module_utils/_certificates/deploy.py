# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what is to happen with a new certificate: units, who may read it, further files, and where it is served."""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, List, Optional

from .._fleet.fields import choice, list_of, name, one_or_list, optional, parsed, port, required, table_of
from .._fleet.places import Items, Values, items

FOLDER = "/etc/smallfleet/acme"
ACTIONS = ("reload", "restart")
PARTS = ("fullchain", "chain", "cert", "privkey")
_FILE_EXAMPLE = "{path: /etc/haproxy/web.pem, content: [fullchain, privkey]}"


class BadPath(ValueError):
    """What no path of a file is like."""


def _file_path(given: Any) -> str:
    whole = isinstance(given, str) and re.match(r"/[^/]", given) and given.isprintable()
    if not whole or posixpath.normpath(given) != given:
        raise BadPath("is not the path of a file")
    return str(given)


_UNIT = name(r"(?=.{1,255}$)[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service", "the name of a service unit", "Write for example nginx.service")
_USER = name(r"[a-z_][a-z0-9_-]{0,31}", "the name of a user or group", "Write for example root")
_FILE = table_of(
    {
        "path": required(parsed(_file_path, BadPath, "Write a whole path without '..'", "^/[^/]")),
        "content": required(one_or_list(choice(*PARTS), "[fullchain, privkey]"), f"List what the file holds, out of {', '.join(PARTS)}"),
        "owner": optional(_USER, "root"),
        "group": optional(_USER, "root"),
        "mode": optional(name("0?[0-7]{3}", "a mode", "Write it in quotes, for example '0640'")),
    },
    "a file",
    _FILE_EXAMPLE,
)
DEPLOY = table_of(
    {
        "units": optional(list_of(_UNIT, "[nginx.service]", unique=True), items(())),
        "action": optional(choice(*ACTIONS), ACTIONS[0]),
        "owner": optional(_USER, "root"),
        "group": optional(_USER, "root"),
        "files": optional(list_of(_FILE, f"[{_FILE_EXAMPLE}]"), items(())),
    },
    "what is to happen with a new certificate",
    "{units: [nginx.service], action: reload}",
)
CHECK = table_of(
    {
        "address": optional(name("[A-Za-z0-9.:-]{1,253}", "an address or a name of the host", "Write for example localhost"), "localhost"),
        "port": required(port(), "Write a number from 1 to 65535"),
    },
    "a check",
    "{port: 443}",
)


def read_deploy(given: Optional[Values]) -> Dict[str, Any]:
    """``{units, action, owner, group, files}``, complete, with what is wrong left out and noted."""
    if given is None:
        return {"units": [], "action": ACTIONS[0], "owner": "root", "group": "root", "files": []}
    return {**given, "units": list(given["units"]), "files": _files(given["files"])}


def read_check(given: Optional[Values]) -> Optional[Dict[str, Any]]:
    """``{address, port}`` of the TLS server that must show the certificate, or None."""
    return None if given is None or given.refused else dict(given)


def _files(given: Items) -> List[Dict[str, Any]]:
    usable: List[Dict[str, Any]] = []
    for entry in given:
        if not entry.clean:
            continue
        problems = entry.place.notes.problems
        before = len(problems)
        _check_path(entry, [one["path"] for one in usable])
        mode = _mode(entry)
        if len(problems) == before:
            usable.append({**entry, "content": list(entry["content"]), "mode": mode})
    return usable


def _check_path(entry: Values, others: List[str]) -> None:
    path, place = entry["path"], entry.at("path")
    if f"{path}/".startswith(f"{FOLDER}/"):
        place.refuse(f"{FOLDER} has the certificates already", "Name another place, or leave the file out")
    elif path in others:
        place.refuse(f"{path} is there twice", "Write each file once")


def _mode(entry: Values) -> str:
    secret = "privkey" in entry["content"]
    if entry["mode"] is None:
        return "0600" if secret else "0644"
    mode = int(entry["mode"], 8)
    if secret and mode & 0o027:
        entry.at("mode").refuse(f"{entry['mode']} would let others read or change a private key", "Write '0600' or '0640'")
    return f"{mode:04o}"
