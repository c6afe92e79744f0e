# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``network_*`` variables: what each may be, in nmstate's vocabulary (https://nmstate.io) where that has it."""

from __future__ import annotations

from typing import Mapping

from ..._fleet.fields import Field, boolean, choice, host, list_of, optional, table_of, whole
from ..backends.registry import CHOICES
from .address_lists import ABSENT, ADDRESSES, IGNORED, NETWORKS
from .interfaces import INTERFACES
from .routing import DNS, ROUTES
from .rules import RULES
from .values import DOMAIN

TIMEOUT_DEFAULT, TIMEOUT_LEAST, TIMEOUT_MOST = 90, 20, 3600
_CHECKS = {
    "gateway": optional(boolean(), True),
    "hosts": optional(list_of(host(), "[ns1]"), ()),
    "names": optional(list_of(DOMAIN, "[example.net]"), ()),
}

VARIABLES: Mapping[str, Field] = {
    ABSENT: ADDRESSES,
    "network_allow_disconnect": boolean(),
    "network_backend": choice(*CHOICES),
    "network_checks": table_of(_CHECKS, "the checks", "{gateway: true, hosts: [ns1]}", hyphens=True),
    "network_dns": DNS,
    "network_from_fleet": boolean(),
    IGNORED: NETWORKS,
    "network_interfaces": INTERFACES,
    "network_provider_mac_filter": boolean(),
    "network_rollback_timeout": whole(TIMEOUT_LEAST, TIMEOUT_MOST, "seconds", TIMEOUT_DEFAULT),
    "network_routes": ROUTES,
    "network_rules": RULES,
}
