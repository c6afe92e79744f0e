# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next step of a rotation of keys, on the controller; documented in plugins/modules/dns_key_rotation.py."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.rotation import decide
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.quoting import visible


class ActionModule(ActionBase):
    """Decides from what hosts have said; connects to nothing and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "to": {"type": "str", "choices": ["prepared", "promoted", "settled"], "required": True},
                "plan": {"type": "dict", "required": True},
                "seen": {"type": "list", "elements": "dict", "required": True},
                "key": {"type": "str", "default": "", "no_log": False},
                "handed_over": {"type": "bool", "default": False},
            },
        )
        decided = decide(options["to"], options["plan"], options["seen"], options["key"], options["handed_over"])
        if decided["refusals"]:
            return {**result, "failed": True, "msg": visible(" ".join(decided["refusals"])), "reason": decided["reason"]}
        changed = self._task.check_mode and bool(decided["steps"])
        diff = {"before": "", "after": "".join(f"{step}\n" for step in decided["steps"] if changed)}
        return {
            **result,
            "changed": changed,
            "steps": decided["steps"],
            "hosts": decided["hosts"],
            "warnings": [visible(note) for note in decided["notes"]],
            "diff": diff,
        }
