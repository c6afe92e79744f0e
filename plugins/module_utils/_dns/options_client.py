# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the DNS modules share: the transport's options, the client made of them, and failures as results."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple, Union

from .._shared.masking import looks_like_secret, words_of_key
from .._system.files import FileStore, NotText
from .client import RCODES, DnsFailure
from .gss_tsig_client import ALGORITHM as GSS
from .gss_tsig_client import agree
from .keys.key_file import BadKeyFile, TsigKey, parse
from .option_files_host import read_option
from .socket_client import Server, ascii_host
from .update.plan import Refused
from .wire_client import WireClient, make_key

ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha1", "hmac-md5")
ON_EXISTING = ("replace", "keep_and_fail", "keep_and_warn", "keep")

MISPLACED = (
    "key_name: this looks like the secret of a key, not like its name, so it is not repeated here."
    " Write the name, such as demo-update, and the secret in key_secret."
)

TRANSPORT: Mapping[str, Dict[str, Any]] = {
    "server": {"type": "str", "required": True},
    "port": {"type": "int", "default": 53},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "timeout": {"type": "float", "default": 10.0},
    "key_name": {"type": "str"},
    "key_secret": {"type": "str", "no_log": True},
    "key_algorithm": {"type": "str", "choices": [*ALGORITHMS, GSS], "default": "hmac-sha256"},
    "key_file": {"type": "path", "no_log": False},
}
TRANSPORT_RULES: Mapping[str, List[Tuple[str, ...]]] = {
    "mutually_exclusive": [("key_secret", "key_file"), ("key_name", "key_file")],
    "required_together": [("key_name", "key_secret")],
}


def make_client(params: Mapping[str, Any], files: FileStore) -> WireClient:
    """The client for a module's options. Raises Refused for a key file that holds no key, and for a secret in the place of a name."""
    server = Server(ascii_host(params["server"]), params["port"], params["protocol"], params["timeout"])
    if params["key_algorithm"] == GSS:
        if params["key_file"] or params["key_name"]:
            raise Refused([f"key_algorithm: with {GSS} the key is agreed on; leave out its name, secret and file."])
        return WireClient(server, agree(server))
    if params["key_file"]:
        key = _key_of(params["key_file"], files)
    elif params["key_name"]:
        if any(looks_like_secret(word) for word in words_of_key(params["key_name"])):
            raise Refused([MISPLACED])
        key = TsigKey(params["key_name"], params["key_algorithm"], params["key_secret"])
    else:
        return WireClient(server)
    return WireClient(server, make_key(key.name, key.secret, key.algorithm))


def _key_of(path: str, files: FileStore) -> TsigKey:
    try:
        text = read_option(files, "key_file", path)
    except NotText:
        raise Refused([f"key_file: {path} is not UTF-8 text. Name a file that holds the key as tsig-keygen prints it."]) from None
    if text is None:
        raise Refused([f"key_file: {path} does not exist on the host where this module runs."])
    try:
        return parse(text)
    except BadKeyFile as error:
        raise Refused([f"key_file: {path} is not a key file: {error}."]) from None


def rcode_result(rcode: Union[int, None]) -> Dict[str, Any]:
    """The return values that nsupdate users know; empty when no update was sent."""
    return {} if rcode is None else {"dns_rc": rcode, "dns_rc_str": RCODES.get(rcode, str(rcode))}


def failure_result(failure: Union[DnsFailure, Refused]) -> Dict[str, Any]:
    """A failure as the arguments of fail_json."""
    done = list(failure.done)
    told = f" Before that: {', '.join(done)}." if done else ""
    reason, rcode = ("bad_request", None) if isinstance(failure, Refused) else (failure.reason, failure.rcode)
    return {
        "msg": f"{failure}{told}",
        "reason": reason,
        "changed": bool(done),
        "steps": done,
        **rcode_result(rcode),
    }
