# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of the fleet on the controller; documented in plugins/modules/fleet_plan.py."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.primaries import NoPrimary, find_primary
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.batches import failed_before
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import PlanStore, plan_folder, write_files
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.plan_host import ORDERED, plan_once
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import render_plan
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.render import render_json
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


class ActionModule(ActionBase):
    """Returns the plan of the host, or that of the whole fleet, or writes it to files; connects to nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "scope": {"type": "str", "choices": ["host", "fleet", "files"], "default": "host"},
                "dest": {"type": "path"},
                "guard": {"type": "str", "choices": list(ORDERED)},
                "zone": {"type": "str"},
                "variable_prefix": {"type": "str", "default": ""},
            },
        )
        variables = task_vars or {}
        store = PlanStore(C.DEFAULT_LOCAL_TMP, variables["groups"]["all"])
        summary = plan_once(store, variables)
        if summary["report"]:
            return {**result, "failed": True, "msg": summary["report"]}
        result["changed"] = False
        if options["zone"] is not None:
            try:
                result["zone"] = find_primary({host: store.read(f"host {host}") for host in summary["hosts"]}, options["zone"])
            except NoPrimary as error:
                return {**result, "failed": True, "msg": f"{options['variable_prefix']}zone: {error}"}
        if options["guard"] is not None:
            order = summary["orders"].get(options["guard"], {"apart": {}})
            host, present = variables["inventory_hostname"], variables["ansible_play_hosts"]
            message = failed_before(host, order["apart"].get(host, ()), variables["ansible_play_hosts_all"], present)
            if message:
                return {**result, "failed": True, "msg": message}
        if options["scope"] == "host":
            return {**result, "host_plan": _host_plan(store, summary, variables["inventory_hostname"])}
        plan = {host: store.read(f"host {host}") for host in summary["hosts"]}
        if options["scope"] == "fleet":
            return {**result, "fleet": summary["fleet"], "plan": plan}
        folder = plan_folder(options["dest"], variables.get("ansible_inventory_sources") or [])
        wanted = {"plan.json": render_json(summary["fleet"], plan), "plan.md": render_plan(summary["fleet"], plan)}
        try:
            return {**result, **write_files(SystemFiles(), folder, wanted, self._task.check_mode)}
        except OSError as error:
            why = f"the plan's files cannot be kept there: {error.filename}: {error.strerror}"
            return {**result, "failed": True, "msg": f"dest: {folder}: {why}. Name a folder of your own with dest, and move away what is no file."}


def _host_plan(store: PlanStore, summary: Dict[str, Any], host: str) -> Dict[str, Any]:
    mine: Optional[Dict[str, Any]] = store.read(f"host {host}")
    fleet = {key: summary["fleet"][key] for key in ("name", "domain")}
    return mine or {"fleet": fleet, "host": {}, "capabilities": []}
