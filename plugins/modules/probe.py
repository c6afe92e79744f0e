#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Measure what clients of an HTTP service see
version_added: 0.1.0
description:
  - Asks for a URL again and again from the node it runs on, and says how long the service was away for its clients.
  - Each request resolves the name anew, opens a new TCP connection and sends one GET. Requests begin at fixed times, so
    a slow answer does not hide the ones behind it.
  - The probe is a transient systemd unit on the node. It goes on when the controller or its connection dies, and ends
    by itself after O(duration).
options:
  name:
    description:
      - Name of the probe; one node can run several.
    type: str
    required: true
  state:
    description:
      - V(started) begins a new measurement, unless one of this name is under way.
      - V(stopped) ends it. What it measured is kept.
      - V(read) changes nothing and returns what was measured so far.
    type: str
    choices: [started, stopped, read]
    default: read
  url:
    description:
      - What to ask for, with the scheme C(http). Required with O(state=started).
    type: str
  interval:
    description:
      - Seconds from the beginning of one request to the beginning of the next.
    type: float
    default: 0.05
  timeout:
    description:
      - Seconds after which a request without a complete answer is an error.
    type: float
    default: 1.0
  duration:
    description:
      - Seconds after which the probe ends by itself.
    type: float
    default: 600.0
  own_resolver:
    description:
      - Resolve names by the resolver that M(smallfleet.infra.caching_resolver) set up for probes, whatever the node's own
        C(/etc/resolv.conf), C(/etc/nsswitch.conf) and name service cache say. C(/etc/hosts) still counts.
      - With V(false) names are resolved as by any other program of the node.
    type: bool
    default: false
attributes:
  check_mode:
    description: Whether the module can say what it would change without changing it.
    support: full
  diff_mode:
    description: Whether the module shows what differs.
    support: full
notes:
  - A cache between the probe and the name server that ignores the time to live of the record makes the outage look as
    long as that cache keeps it. The role P(smallfleet.infra.probe#role) sets up one that honours it.
author:
  - The smallfleet.infra contributors (@smallfleet)
"""

EXAMPLES = r"""
- name: Probe | Begin to measure
  smallfleet.infra.probe:
    name: web
    url: http://www.example.net:8080/
    state: started

- name: Probe | Read what clients saw
  smallfleet.infra.probe:
    name: web
    state: read
  register: seen

- name: Probe | Show it
  ansible.builtin.debug:
    var: seen.line
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: [start smallfleet-probe-web.service]
line:
  description: What clients saw, in one line.
  returned: with O(state=read)
  type: str
  sample: "outage: longest gap 0.25 s, 4 errors of 200 requests, app1 -> app2"
summary:
  description: What clients saw. Times are seconds, points in time seconds since the epoch.
  returned: with O(state=read)
  type: dict
  sample:
    requests: 200
    errors: 4
    kinds_of_error: {"status 503": 4}
    longest_gap: 0.25
    longest_gap_at: 1795305604.95
    longest_pause: 0.05
    still_failing: false
    answered_by: [app1, app2]
    changes: [{at: 1795305605.2, from: app1, to: app2}]
    switched_at: 1795305605.2
    unreadable: 0
  contains:
    requests:
      description: Number of requests.
      type: int
    errors:
      description: Number of requests without a good answer in time.
      type: int
    kinds_of_error:
      description: How often each error was met.
      type: dict
      sample: {"status 503": 4}
    longest_gap:
      description: Longest time from the last success before an error to the first success after it.
      type: float
    longest_gap_at:
      description: When it began.
      type: float
    longest_pause:
      description: Longest time between two requests. It is close to O(interval) unless the node itself was held up.
      type: float
    still_failing:
      description: Whether the last request failed.
      type: bool
    answered_by:
      description:
        - The nodes that answered, in the order of their first answer. A node is named by the first line of its answer
          when that is a host name, else by its address.
      type: list
      elements: str
      sample: [app1, app2]
    changes:
      description: When the node that answers changed, as a list of RV(summary.changes[].at) and both names.
      type: list
      elements: dict
      sample: [{at: 1795305605.2, from: app1, to: app2}]
      contains:
        at:
          description: When the first answer of the new node was asked for.
          type: float
        from:
          description: The node before.
          type: str
        to:
          description: The new node.
          type: str
    switched_at:
      description: Time of the last change.
      type: float
    unreadable:
      description: Number of lines that could not be read, such as the last one before a power cut.
      type: int
state:
  description: The probe as read back; in check mode as it would be.
  returned: success
  type: dict
  sample: {running: true, samples: /var/lib/smallfleet/probe/web.jsonl}
  contains:
    running:
      description: Whether it measures now.
      type: bool
    samples:
      description: The file on the node that holds a JSON line for each request.
      type: str
"""

import inspect
import re
from typing import Any, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.probe import line, parse, summarise
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.probe_host import ProbeUnit
from ansible_collections.smallfleet.infra.plugins.module_utils._programs import http_probe as http
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped", "read"], "default": "read"},
    "url": {"type": "str"},
    "interval": {"type": "float", "default": 0.05},
    "timeout": {"type": "float", "default": 1.0},
    "duration": {"type": "float", "default": 600.0},
    "own_resolver": {"type": "bool", "default": False},
}


def refuse_bad_values(module: AnsibleModule) -> None:
    params = module.params
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", params["name"]):
        module.fail_json(msg="name: use up to 31 lower-case letters, digits, '-' and '_', the first a letter", steps=[])
    for option, low, high in (("interval", 0.01, 60), ("timeout", 0.05, 60), ("duration", 1, 86400)):
        if not low <= params[option] <= high:
            module.fail_json(msg=f"{option}: give a number of seconds from {low} to {high}", steps=[])
    if params["url"] and not params["url"].startswith("http://"):
        module.fail_json(msg="url: a probe speaks plain HTTP only; give a URL that begins with http://", steps=[])


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=[("state", "started", ("url",))], supports_check_mode=True)
    refuse_bad_values(module)
    params, state = module.params, module.params["state"]
    probe = ProbeUnit(params["name"], SystemRunner(), SystemFiles())
    running = probe.running()
    result: Dict[str, Any] = {"changed": False, "steps": []}
    now = running
    if state == "read":
        samples, unreadable = parse(probe.samples())
        summary = {**summarise(samples), "unreadable": unreadable}
        result.update(summary=summary, line=line(summary))
    elif (state == "started") != running:
        now = not running
        if now and params["own_resolver"] and not module.check_mode and probe.missing_resolver():
            said = "own_resolver: this node has no resolver for probes. Run smallfleet.infra.caching_resolver or the role probe first"
            module.fail_json(msg=said, steps=[])
        result.update(changed=True, steps=[f"{'start' if now else 'stop'} {probe.unit}"])
        try:
            if not module.check_mode and now:
                options = [f"--{key}={params[key]}" for key in ("url", "interval", "timeout", "duration")]
                longest = params["duration"] + params["timeout"] + 30
                probe.start(inspect.getsource(http), options, longest, params["own_resolver"])
            elif not module.check_mode:
                probe.stop()
        except (CommandFailed, OSError) as error:
            module.fail_json(msg=f"{probe.unit}: {error}", steps=[])
    said = {True: "runs\n", False: "does not run\n"}
    result["diff"] = {"before": f"{probe.unit} {said[running]}", "after": f"{probe.unit} {said[now]}"}
    module.exit_json(state={"running": now, "samples": probe.samples_path}, **result)


if __name__ == "__main__":
    main()
