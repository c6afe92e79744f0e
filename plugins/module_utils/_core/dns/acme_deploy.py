# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what is to happen with a new certificate: units, who may read it, further files, and where it is served."""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, List, Mapping, Optional

from ..fleet.values import Notes, integer, shown

FOLDER = "/etc/smallfleet/acme"
OPTIONS = ("units", "action", "owner", "group", "files")
FILE_OPTIONS = ("path", "content", "owner", "group", "mode")
ACTIONS = ("reload", "restart")
FILE_EXAMPLE = "{path: /etc/haproxy/web.pem, content: [fullchain, privkey]}"
PARTS = ("fullchain", "chain", "cert", "privkey")
# systemd.unit(5); a template without an instance ("web@.service") cannot be started.
_UNIT = re.compile(r"(?=.{1,255}$)[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_MODE = re.compile(r"0?[0-7]{3}")


def read_deploy(asked: Any, path: str, notes: Notes) -> Dict[str, Any]:
    """``{units, action, owner, group, files}``, complete, with what is wrong left out and noted."""
    options = _dictionary(asked, path, OPTIONS, "{units: [nginx.service], action: reload}", notes)
    action = options.get("action", ACTIONS[0])
    if action not in ACTIONS:
        notes.add("", f"{path}.action", f"{shown(action)} is not accepted", f"Use one of {', '.join(ACTIONS)}")
        action = ACTIONS[0]
    return {
        "units": _units(options.get("units"), f"{path}.units", notes),
        "action": action,
        "owner": _user(options, "owner", path, notes),
        "group": _user(options, "group", path, notes),
        "files": _files(options.get("files"), f"{path}.files", notes),
    }


def read_check(asked: Any, path: str, notes: Notes) -> Optional[Dict[str, Any]]:
    """``{address, port}`` of the TLS server that must show the certificate, or None."""
    if asked is None:
        return None
    options = _dictionary(asked, path, ("address", "port"), "{port: 443}", notes)
    if not isinstance(asked, Mapping):
        return None
    port, address = integer(options.get("port")), options.get("address", "localhost")
    if port is None or not 0 < port < 65536:
        notes.add("", f"{path}.port", f"{shown(options.get('port'))} is not a TCP port", "Write a number from 1 to 65535")
        return None
    if not isinstance(address, str) or not re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", address):
        notes.add("", f"{path}.address", f"{shown(address)} is no address", "Write an address or a name of the host")
        return None
    return {"address": address, "port": port}


def _dictionary(asked: Any, path: str, known: Any, example: str, notes: Notes) -> Mapping[Any, Any]:
    if asked is None:
        return {}
    if not isinstance(asked, Mapping):
        notes.add("", path, "is not a dictionary", f"Write for example {example}")
        return {}
    for option in asked:
        if option not in known:
            notes.add("", f"{path}.{option}", "is no option here", f"Use {', '.join(known)}")
    return asked


def _units(asked: Any, path: str, notes: Notes) -> List[str]:
    if asked is None:
        return []
    if not isinstance(asked, (list, tuple)):
        notes.add("", path, "is not a list of units", "Write for example [nginx.service]")
        return []
    found: List[str] = []
    for index, unit in enumerate(asked):
        if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
            notes.add("", f"{path}[{index}]", f"{shown(unit)} is no unit", "Write for example nginx.service")
        elif unit in found:
            notes.add("", f"{path}[{index}]", f"{unit} is there twice", "Name each unit once")
        else:
            found.append(unit)
    return found


def _user(options: Mapping[Any, Any], option: str, path: str, notes: Notes) -> str:
    name = options.get(option, "root")
    if isinstance(name, str) and _USER.fullmatch(name):
        return name
    notes.add("", f"{path}.{option}", f"{shown(name)} is no name of a user or group", "Write for example root")
    return "root"


def _files(asked: Any, path: str, notes: Notes) -> List[Dict[str, Any]]:
    if asked is None:
        return []
    if not isinstance(asked, (list, tuple)):
        notes.add("", path, "is not a list", f"Write for example [{FILE_EXAMPLE}]")
        return []
    found: List[Dict[str, Any]] = []
    for index, entry in enumerate(asked):
        place = f"{path}[{index}]"
        before = len(notes.problems)
        options = _dictionary("" if entry is None else entry, place, FILE_OPTIONS, FILE_EXAMPLE, notes)
        if len(notes.problems) > before:
            continue
        content = _content(options.get("content"), f"{place}.content", notes)
        made = {
            "path": _path(options.get("path"), f"{place}.path", [one["path"] for one in found], notes),
            "content": content,
            "owner": _user(options, "owner", place, notes),
            "group": _user(options, "group", place, notes),
            "mode": _mode(options.get("mode"), "privkey" in content, f"{place}.mode", notes),
        }
        if len(notes.problems) == before:
            found.append(made)
    return found


def _content(asked: Any, path: str, notes: Notes) -> List[str]:
    parts = [asked] if isinstance(asked, str) else asked
    if isinstance(parts, (list, tuple)) and parts and all(isinstance(one, str) and one in PARTS for one in parts):
        return [str(one) for one in parts]
    notes.add("", path, f"{shown(asked)} cannot be used", f"List what the file holds, out of {', '.join(PARTS)}")
    return []


def _path(asked: Any, path: str, others: List[str], notes: Notes) -> str:
    whole = isinstance(asked, str) and re.match(r"/[^/]", asked) and asked.isprintable()
    if not whole or posixpath.normpath(asked) != asked:
        notes.add("", path, f"{shown(asked)} is no path of a file", "Write a whole path without '..'")
    elif f"{asked}/".startswith(f"{FOLDER}/"):
        notes.add("", path, f"{FOLDER} has the certificates already", "Name another place, or leave the file out")
    elif asked in others:
        notes.add("", path, f"{asked} is there twice", "Write each file once")
    return str(asked)


def _mode(asked: Any, secret: bool, path: str, notes: Notes) -> str:
    if asked is None:
        return "0600" if secret else "0644"
    if not isinstance(asked, str) or not _MODE.fullmatch(asked):
        notes.add("", path, f"{shown(asked)} is no mode", "Write it in quotes, for example '0640'")
    elif secret and int(asked, 8) & 0o027:
        notes.add("", path, f"{asked} would let others read or change a private key", "Write '0600' or '0640'")
    else:
        return f"{int(asked, 8):04o}"
    return "0600"
