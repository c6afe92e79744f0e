# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets property tests take the time they need: how long an example takes says more about the machine's other work than about the code.

With ``--hypothesis-profile=first`` they end with the first example that fails, and do not look for a smaller one.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("first", settings.get_profile("busy"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("busy")
