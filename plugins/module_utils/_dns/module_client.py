# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a DNS module runs: with dnspython or not at all, and with every failure as a result."""

from __future__ import annotations

from typing import Callable

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .client import DnsFailure
from .dnspython_client import DNSPYTHON, DNSPYTHON_ERROR
from .options_client import failure_result
from .update.plan import Refused


def run_module(module: AnsibleModule, run: Callable[[AnsibleModule], None]) -> None:
    """``run`` ends with exit_json, or raises DnsFailure or Refused, which become the module's failure."""
    if DNSPYTHON_ERROR:
        module.fail_json(msg=missing_required_lib(DNSPYTHON), exception=DNSPYTHON_ERROR)
    try:
        run(module)
    except (DnsFailure, Refused) as failure:
        module.fail_json(**failure_result(failure))
