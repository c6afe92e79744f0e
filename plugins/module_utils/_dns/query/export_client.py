# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone read by transfer, in the forms in which it is kept."""

from __future__ import annotations

from ..dnspython_client import dns
from ..model import ZoneContents
from ..rdata_client import read_value
from ..values import by_number
from ..wire_client import WireClient
from ..zones.exported import Exported, export

FORMATS = ("zone", "dns_zones")


def export_zone(client: WireClient, contents: ZoneContents, nameservers: bool = False) -> Exported:
    """Both forms of a zone."""
    return export(contents, client.canonical, generic, nameservers)


def generic(kind: str, text: str) -> str:
    """A value as programs read it that do not know its type (RFC 3597 section 5)."""
    return str(read_value(by_number(kind), text, dns.name.root).to_generic().to_text())
