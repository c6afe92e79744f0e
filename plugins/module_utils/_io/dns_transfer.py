# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone as its server holds it, by zone transfer (AXFR, RFC 5936)."""

from __future__ import annotations

from typing import Any, Optional

from .._core.dns.model import ZoneContents
from .dns_socket import Server
from .dns_wire import WireClient

__all__ = ["ZoneContents", "transfer"]


def transfer(server: Server, key: Optional[Any], zone: str) -> ZoneContents:
    """Read a zone; ``key`` (dns.tsig.Key) signs the question, and then the answer must be signed too.

    Raises DnsFailure: ``refused`` (this key may not transfer), ``not_auth``, ``bad_key``, ``bad_sig``, ``bad_time``,
    ``unreachable``, ``timeout``, ``broken``, ``malformed`` or ``server_failure``.
    """
    client = WireClient(server, key)
    try:
        return client.transfer(zone)
    finally:
        client.close()
