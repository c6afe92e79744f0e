# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the ``node_*`` variables of one host."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..fleet.fields import is_package
from ..fleet.values import Notes, kind, shown

TIMEZONE_DEFAULT = "Etc/UTC"

_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_SYSCTL = re.compile(r"[a-z][a-z0-9_]*([./][A-Za-z0-9_@:-]+)+")
_TIME_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")
_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9-]+@openssh\.com) ([A-Za-z0-9+/=]+)( .*)?")
_KEY_OPTIONS = re.compile(r"((?:[^\s\",]|\"(?:[^\"\\]|\\.)*\"|,)+) +(?=(?:ssh|ecdsa|sk)-)")
_KEY_OPTION = re.compile(
    r"(?:no-)?(?:agent-forwarding|port-forwarding|pty|user-rc|x11-forwarding)|cert-authority|no-touch-required|verify-required|restrict"
    r"|(?:command|environment|expiry-time|from|permitlisten|permitopen|principals|tunnel)=\"(?:[^\"\\]|\\.)*\"",
    re.IGNORECASE,
)
_KEY_OPTION_PARTS = re.compile(r"((?:[^\",]|\"(?:[^\"\\]|\\.)*\")*),")


def read_settings(host: str, variables: Mapping[str, Any], notes: Notes) -> Dict[str, Any]:
    """The host's settings with every default filled in; what cannot be used is noted and left out."""
    timezone = variables.get("node_timezone")
    if timezone is None:
        timezone = TIMEZONE_DEFAULT
    elif not isinstance(timezone, str) or not _TIMEZONE.fullmatch(timezone):
        notes.add(
            host,
            "node_timezone",
            f"{shown(timezone)} is not the name of a time zone",
            "Write for example Europe/Vienna",
        )
        timezone = TIMEZONE_DEFAULT
    return {
        "packages": sorted(set(_read_list(host, variables, "node_packages", _package, notes))),
        "timezone": timezone,
        "administrators": _read_administrators(host, variables.get("node_administrators"), notes),
        "sysctl": _read_sysctl(host, variables.get("node_sysctl"), notes),
        "time_servers": _read_list(host, variables, "node_time_servers", _time_server, notes),
    }


def check_key(key: Any) -> str:
    """Why this is no line for authorized_keys (sshd(8)), with options or without; empty when it is one."""
    if not isinstance(key, str):
        return f"must be a public key, found {kind(key)}"
    if "PRIVATE KEY" in key:
        return "is a private key"
    options = _KEY_OPTIONS.match(key)
    for option in _KEY_OPTION_PARTS.findall(f"{options[1]},") if options else ():
        if not _KEY_OPTION.fullmatch(option):
            return f"has an option that sshd(8) does not know, {shown(option)}"
    match = _KEY.fullmatch(key[options.end() :] if options else key)
    if match is None or not key.isprintable():
        return "is not a public key of a type that OpenSSH accepts"
    try:
        blob = base64.b64decode(match.group(2), validate=True)
    except (binascii.Error, ValueError):
        return "is damaged: its second word is not base64"
    name = match.group(1).encode()
    if blob[: 4 + len(name)] != len(name).to_bytes(4, "big") + name:
        return f"is damaged: it does not hold a key of type {match.group(1)}"
    return ""


def _package(value: Any) -> str:
    return "" if is_package(value) else f"{shown(value)} is not the name of a package"


def _time_server(value: Any) -> str:
    good = isinstance(value, str) and _TIME_SERVER.fullmatch(value)
    return "" if good else f"{shown(value)} is not a host name or an address"


def _read_list(host: str, variables: Mapping[str, Any], variable: str, wrong: Callable[[Any], str], notes: Notes) -> List[str]:
    value = variables.get(variable)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        notes.add(host, variable, f"must be a list, found {kind(value)}", "Write it as a list, such as [chrony]")
        return []
    good: List[str] = []
    for index, entry in enumerate(value):
        said = wrong(entry)
        if said:
            notes.add(host, f"{variable}[{index}]", said, "Correct or remove it")
        else:
            good.append(str(entry))
    return good


def _read_administrators(host: str, value: Any, notes: Notes) -> Dict[str, List[str]]:
    variable = "node_administrators"
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        said = f"must be a dictionary of users and their public keys, found {kind(value)}"
        notes.add(host, variable, said, 'Write for example {root: ["ssh-ed25519 AAAA..."]}')
        return {}
    found: Dict[str, List[str]] = {}
    for user in sorted(value, key=str):
        where = f"{variable}.{user}"
        if not isinstance(user, str) or not _USER.fullmatch(user):
            notes.add(host, where, "is not the name of a user", "Use small letters, digits, _ and -")
            continue
        keys = value[user]
        if not isinstance(keys, (list, tuple)):
            notes.add(host, where, f"must be a list of public keys, found {kind(keys)}", "Write the keys as a list")
            continue
        found[user] = []
        for index, key in enumerate(keys):
            line = key.strip() if isinstance(key, str) else key
            said = check_key(line)
            if said:
                notes.add(host, f"{where}[{index}]", said, "Paste the one line of a .pub file")
            elif line not in found[user]:
                found[user].append(line)
    return found


def _read_sysctl(host: str, value: Any, notes: Notes) -> Dict[str, str]:
    variable = "node_sysctl"
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        said = f"must be a dictionary of keys and values, found {kind(value)}"
        notes.add(host, variable, said, "Write for example {net.ipv4.ip_forward: 1}")
        return {}
    found: Dict[str, str] = {}
    for key in sorted(value, key=str):
        where = f"{variable}.{key}"
        if not isinstance(key, str) or not _SYSCTL.fullmatch(key):
            notes.add(host, where, "is not a kernel setting", "Write its name as sysctl -a shows it")
            continue
        text = _sysctl_value(value[key])
        if text is None:
            notes.add(host, where, f"cannot be {shown(value[key])}", "Write a number or a string on one line")
        else:
            found[key] = text
    return found


def _sysctl_value(value: Any) -> Optional[str]:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = " ".join(str(value).split(" "))
    return text if text and "\n" not in text and "\r" not in text and "\0" not in text else None
