# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of a move's variables on the controller; documented in plugins/modules/dns_move_variables.py."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.variables import OPTIONS, Controller, variable_problems
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.quoting import visible


class ActionModule(ActionBase):
    """Looks at its options, and at two paths on the controller; connects to nothing and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        unknown = sorted(set(self._task.args) - set(OPTIONS))
        if unknown:
            return {**result, "failed": True, "msg": f"Unsupported parameters: {', '.join(unknown)}. Supported parameters: {', '.join(OPTIONS)}."}
        hosts = (task_vars or {})["groups"]["all"]
        problems = [visible(one) for one in variable_problems(self._task.args, Controller(hosts, os.path.isfile, os.path.isdir))]
        if problems:
            return {**result, "failed": True, "msg": f"Nothing was changed. {' '.join(problems)}", "problems": problems}
        return {**result, "changed": False}
