# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dnspython, which a host may lack: the modules that need it report DNSPYTHON_ERROR before they call anything that uses ``dns``."""

from __future__ import annotations

import traceback
from typing import Optional

__all__ = ["DNSPYTHON", "DNSPYTHON_ERROR", "dns"]

DNSPYTHON = "dnspython 2.3 or later"
DNSPYTHON_ERROR: Optional[str] = None
try:
    import dns
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.rdtypes.ANY.TKEY
    import dns.rdtypes.svcbbase
    import dns.resolver
    import dns.rrset
    import dns.tokenizer
    import dns.tsig
    import dns.update
    import dns.version

    if (dns.version.MAJOR, dns.version.MINOR) < (2, 3):
        DNSPYTHON_ERROR = f"This is dnspython {dns.version.version}, and {DNSPYTHON} is needed."
except ImportError:
    DNSPYTHON_ERROR = traceback.format_exc()
    dns = None  # type: ignore[assignment]
