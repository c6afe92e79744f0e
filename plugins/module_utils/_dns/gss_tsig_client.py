# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key for one run, agreed on with the server by Kerberos (GSS-TSIG, RFC 3645), by dnspython and gssapi."""

from __future__ import annotations

import ipaddress
import time
import uuid
from contextlib import suppress
from typing import Any

from .client import DnsFailure
from .dnspython_client import dns
from .socket_client import Server, connect, over_tcp
from .update.plan import Refused

GSSAPI = True
try:
    import gssapi  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    GSSAPI = False

ALGORITHM = "gss-tsig"
_HOUR = 3600
_BY_GSS_API = 3  # the mode of a TKEY record (RFC 2930 section 2.5)
_STEPS = 10


def agree(server: Server) -> Any:
    """The dns.tsig.Key agreed on, with the Kerberos credentials of this process.

    The server is known to Kerberos as ``DNS/<its name>``. Raises Refused when something is missing here, and DnsFailure
    ``bad_key`` when Kerberos or the server says no.
    """
    _check(server)
    name = dns.name.from_text(f"{uuid.uuid4()}.")
    try:
        service = gssapi.Name(f"DNS@{server.address}", gssapi.NameType.hostbased_service)
        context = gssapi.SecurityContext(name=service, usage="initiate")
        key = dns.tsig.Key(name, context, f"{ALGORITHM}.")
        token = context.step()
        for _step in range(_STEPS):
            if context.complete:
                return key
            token = _exchange(server, key, token)
            if not context.complete and token:
                token = context.step(token)
    except gssapi.exceptions.GSSError as error:
        raise DnsFailure("bad_key", f"Kerberos has no ticket for DNS/{server.address}: {error}.") from None
    raise DnsFailure("bad_key", f"{server} did not come to an end of agreeing on a key.")


def _check(server: Server) -> None:
    if not GSSAPI:
        raise Refused(["key_algorithm: gss-tsig needs the Python library gssapi (Debian package python3-gssapi)."])
    with suppress(ValueError):
        ipaddress.ip_address(server.address)
        raise Refused([f"server: {server.address} is an address; Kerberos knows servers by their whole names."])


def _exchange(server: Server, key: Any, token: bytes) -> bytes:
    """One TKEY question and its answer; the server's token. dnspython steps the context when the answer is signed."""
    now = int(time.time())
    question = dns.message.make_query(key.name, "TKEY", "ANY")
    question.flags &= ~dns.flags.RD
    question.additional.append(dns.rrset.from_rdata(key.name, 0, _tkey(now, token)))
    tsig: Any = dns.tsig
    keyring = tsig.GSSTSigAdapter({key.name: key})  # steps the context before it looks at a signature
    connection = connect(server)
    try:
        wire = over_tcp(connection, question.to_wire(), server.timeout)
        answer = dns.message.from_wire(wire, keyring=keyring)
    except (OSError, EOFError) as error:
        raise DnsFailure("broken", f"The connection to {server} broke: {error}.") from None
    except dns.exception.DNSException as error:
        raise DnsFailure("bad_key", f"{server} does not agree on a key: {error}.") from None
    finally:
        connection.close()
    tokens = [one for found in answer.answer if found.rdtype == dns.rdatatype.TKEY for one in found]
    if answer.rcode() or not tokens or tokens[0].error:
        code = tokens[0].error if tokens else int(answer.rcode())
        raise DnsFailure("bad_key", f"{server} does not agree on a key by Kerberos (code {code}); its log says why.")
    return bytes(tokens[0].key)


def _tkey(now: int, token: bytes) -> Any:
    algorithm = dns.name.from_text(f"{ALGORITHM}.")
    kind: Any = dns.rdtypes.ANY.TKEY.TKEY
    return kind(dns.rdataclass.ANY, dns.rdatatype.TKEY, algorithm, now, now + _HOUR, _BY_GSS_API, 0, token)
