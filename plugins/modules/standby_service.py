#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: standby_service
short_description: Run a systemd service on one of two hosts
version_added: 0.1.0
description:
  - Brings one systemd unit on one host to the state of the active or of the standby side of a pair.
  - On the active side the unit is enabled and runs. On the standby side it is stopped and disabled.
  - A drop-in with C(ConditionPathExists=) binds the unit to a marker file that only the active side has, so a host that
    was down while its service moved does not start the service when it boots. After a power cut the active side starts
    it again.
  - It is started only when O(peer_running=stopped) and not O(peer_armed). A state that nobody observed counts as
    V(unknown), and never as stopped.
  - Internal to this collection. Use the role P(smallfleet.infra.standby#role) instead.
options:
  unit:
    description:
      - Name of the unit, with its suffix.
    type: str
    required: true
  state:
    description:
      - V(active) runs and enables the unit.
      - V(standby) stops and disables it.
      - V(observed) changes nothing and returns what is there.
    type: str
    choices: [active, standby, observed]
    default: observed
  exec_start:
    description:
      - Command of the unit, in the syntax of C(ExecStart=) in C(systemd.service(5\)).
      - With it the unit file is written, after C(systemd-analyze verify) has found no fault with it. The service gets
        the folder C(/run/<unit name without suffix>), and is restarted by systemd when it fails.
      - Without it the unit must exist.
    type: str
  exec_start_pre:
    description:
      - Commands to run before each start, in the syntax of C(ExecStartPre=). They count only with O(exec_start).
    type: list
    elements: str
    default: []
  host:
    description:
      - Name of this host, for messages.
    type: str
    default: this host
  peer:
    description:
      - Name of the other host, for messages.
    type: str
    default: the other host
  peer_running:
    description:
      - What was observed of the unit on the other host, as its RV(state.running) says.
    type: str
    choices: [running, stopped, unknown]
    default: unknown
  peer_armed:
    description:
      - Whether the other host would start the unit when it boots, as its RV(state.armed) says.
    type: bool
    default: true
  settle:
    description:
      - Seconds for which a unit must keep running in the same process to count as started.
    type: float
    default: 0.5
  health_url:
    description:
      - An address to ask by HTTP GET once the unit runs; the answer is in RV(state.health). Asked in check mode too.
    type: str
  health_within:
    description:
      - Seconds within which a good answer must come, asked once a second.
    type: float
    default: 10
attributes:
  check_mode:
    description: Whether the module can say what it would change without changing it.
    support: full
    details:
      - A peer that still runs is no error in check mode, for the same run may stop it before.
      - A fault in the unit file is a warning in check mode, for the same run may install the command before.
  diff_mode:
    description: Whether the module shows what differs.
    support: full
author:
  - The smallfleet.infra contributors (@smallfleet)
"""

EXAMPLES = r"""
- name: Web | Keep it stopped on the standby side
  smallfleet.infra.standby_service:
    unit: web.service
    state: standby
  register: web_standby
  delegate_to: app2.example.net

- name: Web | Run it on the active side
  smallfleet.infra.standby_service:
    unit: web.service
    exec_start: /usr/bin/python3 -m http.server 8080 --directory /run/web
    exec_start_pre:
      - /bin/cp /etc/hostname /run/web/index.html
    state: active
    peer: app2.example.net
    peer_running: "{{ web_standby.state.running }}"
    peer_armed: "{{ web_standby.state.armed }}"
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: ["start web.service", "enable web.service"]
state:
  description: The unit as read back; in check mode as it would be.
  returned: success
  type: dict
  sample: {installed: true, running: running, armed: true, enabled: true, health: ok}
  contains:
    installed:
      description: Whether systemd knows the unit.
      type: bool
    running:
      description: V(running), V(stopped) or V(unknown). A unit on its way up or down counts as running.
      type: str
    armed:
      description: Whether a boot would start the unit.
      type: bool
    enabled:
      description: Whether the unit is enabled.
      type: bool
    health:
      description: V(ok), or what was wrong with the last answer. Empty when the unit does not run or O(health_url) is not given.
      type: str
"""

from typing import Any, Dict, Optional

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.steps import Running, Side
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.unit import Node, Refused, Wanted, describe, plan_node, predict, render_unit
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.unit_host import UnitFailed, UnitKeeper
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.diff import hunks, text_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles
from ansible_collections.smallfleet.infra.plugins.module_utils._system.health import wait_until_healthy

ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "unit": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["active", "standby", "observed"], "default": "observed"},
    "exec_start": {"type": "str"},
    "exec_start_pre": {"type": "list", "elements": "str", "default": []},
    "host": {"type": "str", "default": "this host"},
    "peer": {"type": "str", "default": "the other host"},
    "peer_running": {"type": "str", "choices": ["running", "stopped", "unknown"], "default": "unknown"},
    "peer_armed": {"type": "bool", "default": True},
    "settle": {"type": "float", "default": 0.5},
    "health_url": {"type": "str"},
    "health_within": {"type": "float", "default": 10.0},
}


def result_of(params: Dict[str, Any], before: Node, after: Node, running: bool) -> Dict[str, Any]:
    unit, health = params["unit"], ""
    if params["health_url"] and running:
        health = wait_until_healthy(params["health_url"], params["health_within"], SystemClock())
    state = {
        "health": health,
        "installed": after.installed,
        "running": after.running.value,
        "armed": after.armed(unit),
        "enabled": after.enabled,
    }
    return {"state": state, "diff": text_diff(unit, *hunks(describe(unit, before), describe(unit, after)))}


def wanted_from(params: Dict[str, Any], check_mode: bool) -> Wanted:
    content: Optional[str] = None
    if params["exec_start"]:
        content = render_unit(params["unit"], params["exec_start"], params["exec_start_pre"])
    peer = Side(Running(params["peer_running"]), params["peer_armed"])
    if check_mode and peer.running is not Running.UNKNOWN:
        peer = Side(Running.NO, False)
    return Wanted(params["unit"], params["state"] == "active", content, params["host"], params["peer"], peer)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    unit, check_mode = module.params["unit"], module.check_mode
    keeper = UnitKeeper(unit, SystemRunner(), SystemFiles(), SystemClock())
    before = keeper.observe()
    if module.params["state"] == "observed":
        running = before.running is Running.YES
        module.exit_json(changed=False, steps=[], **result_of(module.params, before, before, running))
    wanted = wanted_from(module.params, check_mode)
    try:
        steps = plan_node(wanted, before)
        fault = ""
        if wanted.content is None and not before.installed:
            fault = f"there is no {unit} here: install it first, or give exec_start"
        elif wanted.content is not None and any(step.kind == "write_unit" for step in steps):
            fault = keeper.verify(wanted.content)
        if fault and not check_mode:
            module.fail_json(msg=f"Nothing was changed: {unit} cannot be used: {fault}", steps=[])
        if fault:
            module.warn(f"{unit} could not be used as things are now: {fault}")
        if not check_mode:
            keeper.apply(steps, module.params["settle"])
    except Refused as refusal:
        remedy = "Observe both hosts in the same run, and stop the unit where it shall not run"
        module.fail_json(msg=f"{refusal}. {remedy}.", steps=[])
    except (UnitFailed, CommandFailed, OSError) as error:
        module.fail_json(msg=str(error), steps=[step.title for step in steps])
    after = predict(wanted, before, steps) if check_mode else keeper.observe()
    done = [step.title for step in steps]
    running = after.running is Running.YES and not (check_mode and steps)
    module.exit_json(changed=bool(steps), steps=done, **result_of(module.params, before, after, running))


if __name__ == "__main__":
    main()
