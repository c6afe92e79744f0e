# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which gateways are asked whether they are there."""

from __future__ import annotations

from ansible_collections.smallfleet.infra.plugins.module_utils._network.checks_client import default_routes
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Observed, Route

OLD, NEW = Route("::/0", "br7", "fe80::1", 1024, protocol="ra"), Route("::/0", "br8", "fe80::2", 2048, protocol="ra")
FOUR, OTHER = Route("0.0.0.0/0", "br8", "198.18.0.254"), Route("0.0.0.0/0", "br7", "198.18.0.253", 20)


def test_of_each_family_the_gateway_of_the_lowest_metric_in_the_main_table_counts() -> None:
    elsewhere = Route("0.0.0.0/0", "br9", "198.18.9.254", 0, 77)
    assert default_routes(Observed(routes=(elsewhere, NEW, OTHER, OLD, FOUR))) == [FOUR, OLD]


def test_a_gateway_on_an_interface_that_goes_with_the_confirmation_is_not_asked() -> None:
    observed = Observed(routes=(OLD, FOUR, OTHER, NEW))
    assert default_routes(observed, ["br7"]) == [FOUR, NEW]
    assert default_routes(observed, ["br7", "br8"]) == []
