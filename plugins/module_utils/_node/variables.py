# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``node_*`` variables: what each may be, and what they say of one host."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Collection, Dict, Mapping

from .._fleet.fields import Field, list_of, mapping_of, name, packages, read_variable
from .._fleet.places import Place
from .._fleet.values import Notes, kind, shown
from .time_zones import TIME_ZONE

TIMEZONE_DEFAULT = "Etc/UTC"

_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9-]+@openssh\.com) ([A-Za-z0-9+/=]+)( .*)?")
_KEY_OPTIONS = re.compile(r"((?:[^\s\",]|\"(?:[^\"\\]|\\.)*\"|,)+) +(?=(?:ssh|ecdsa|sk)-)")
_KEY_OPTION = re.compile(
    r"(?:no-)?(?:agent-forwarding|port-forwarding|pty|user-rc|x11-forwarding)|cert-authority|no-touch-required|verify-required|restrict"
    r"|(?:command|environment|expiry-time|from|permitlisten|permitopen|principals|tunnel)=\"(?:[^\"\\]|\\.)*\"",
    re.IGNORECASE,
)
_KEY_OPTION_PARTS = re.compile(r"((?:[^\",]|\"(?:[^\"\\]|\\.)*\")*),")


def check_key(key: Any) -> str:
    """Why this is no line for authorized_keys (sshd(8)), with options or without; empty when it is one."""
    if not isinstance(key, str):
        return f"expected a public key, got {kind(key)}"
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


def _public_key(value: Any, place: Place) -> Any:
    line = value.strip() if isinstance(value, str) else value
    wrong = check_key(line)
    return place.refuse(wrong, "Paste the one line of a .pub file") if wrong else line


def _setting(value: Any, place: Place) -> Any:
    """A value as sysctl.d(5) has it: a number or a text on one line."""
    line = " ".join(str(value).split(" ")) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not line or "\n" in line or "\r" in line or "\0" in line:
        return place.refuse(f"cannot be {shown(value)}", "Write a number or a string on one line")
    return line


_USER = name(r"[a-z_][a-z0-9_-]{0,31}", "the name of a user", "Use small letters, digits, _ and -")
_PUBLIC_KEY = Field("str", _public_key, {"type": "string", "minLength": 1})
_SYSCTL = name(r"[a-z][a-z0-9_]*([./][A-Za-z0-9_@:-]+)+", "a kernel setting", "Write its name as sysctl -a shows it")
_SETTING = Field("str", _setting, {"type": ["integer", "string"]})
_TIME_SERVER = name(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?", "a host name or an address", "Correct or remove it")

VARIABLES: Mapping[str, Field] = {
    "node_administrators": mapping_of(_USER, list_of(_PUBLIC_KEY, '["ssh-ed25519 AAAA..."]'), '{root: ["ssh-ed25519 AAAA..."]}'),
    "node_packages": packages(),
    "node_sysctl": mapping_of(_SYSCTL, _SETTING, "{net.ipv4.ip_forward: 1}"),
    "node_time_servers": list_of(_TIME_SERVER, "[ntp1.example.net]"),
    "node_timezone": TIME_ZONE,
}


def read_settings(host: str, variables: Mapping[str, Any], notes: Notes) -> Dict[str, Any]:
    """The host's settings with every default filled in; what cannot be used is noted and left out."""

    def given(variable: str, default: Any) -> Any:
        return read_variable(VARIABLES[variable], variables, Place(host, variable, notes), default)

    administrators: Mapping[str, Collection[str]] = given("node_administrators", {})
    return {
        "packages": sorted(set(given("node_packages", ()))),
        "timezone": given("node_timezone", TIMEZONE_DEFAULT),
        "administrators": {user: list(dict.fromkeys(administrators[user])) for user in sorted(administrators)},
        "sysctl": dict(sorted(given("node_sysctl", {}).items())),
        "time_servers": list(given("node_time_servers", ())),
    }
