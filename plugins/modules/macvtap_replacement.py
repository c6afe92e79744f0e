#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings a host with its running guests from macvtap to a bridge."""

from __future__ import annotations

DOCUMENTATION = r"""
module: macvtap_replacement
short_description: Bring a host with its running guests from macvtap to a bridge
version_added: 0.2.0
description:
  - Guests on macvtap cannot talk to their own host. This moves all of them to a bridge whose port the card becomes, and the
    host's addresses with it. No guest is restarted. C(playbooks/replace_macvtap.yml) calls it for each host.
  - The kernel lets no card join a bridge while a macvtap is on it. So the guests go first, to a bridge that is made beside the
    card, where they are alone; then the card joins, by a change as M(smallfleet.infra.host_network) makes it.
  - That change is confirmed only when every guest answers the host at all its addresses. Otherwise the host takes it back,
    the guests return to their macvtaps, and the task fails and says why.
  - How each guest was is noted on the host before it is touched. A run that was cut off, at any moment, is finished by the next
    one, or taken back when something is in its way.
  - Internal to this collection. Use the playbook C(smallfleet.infra.replace_macvtap) instead.
author:
  - The smallfleet.infra contributors (@smallfleet)
extends_documentation_fragment:
  - smallfleet.infra.network_change
attributes:
  check_mode:
    support: full
    description: Says the steps, and in RV(state.guests) how long each guest will be without network.
  diff_mode:
    support: full
    description: Shows the interfaces in the guests' definitions, the requests to the kernel, and the files of the network.
  idempotent:
    support: full
    description: Where no guest is on a card that O(desired) makes the port of a bridge, nothing is done, not to the network either.
options:
  state:
    description:
      - V(present) does everything, with the controller's half. The others are its parts, for programs of their own.
      - V(begun) moves the guests and begins the change of the network, which M(smallfleet.infra.host_network) confirms.
      - V(finished) lets the guests' definitions follow. V(returned) brings guests back that are on their way.
    type: str
    choices: [present, begun, finished, returned]
    default: present
  guests:
    description:
      - By name of the guest, a dictionary with C(method) (V(suspend) or V(replug), as in M(smallfleet.infra.libvirt_interface))
        and C(addresses), the list of the addresses at which it must answer this host afterwards.
      - Every guest that is moved while it runs needs an entry with addresses.
    type: dict
    default: {}
  answer_timeout:
    description: For how many seconds to ask a guest.
    type: float
    default: 15.0
  provider_mac_filter:
    description: Whether the provider lets only the card's own MAC through. Guests on a bridge have MACs of their own, so it is refused then.
    type: bool
    default: false
  uri:
    description: The libvirt that has the guests.
    type: str
    default: qemu:///system
requirements:
  - virsh (Debian package C(libvirt-clients)) of libvirt 3.7 or later
seealso:
  - module: smallfleet.infra.macvtap_info
  - module: smallfleet.infra.libvirt_interface
  - module: smallfleet.infra.host_network
"""

EXAMPLES = r"""
- name: Get this host's plan
  smallfleet.infra.fleet_plan:
  register: planned

- name: Bring the host and its guests to the bridge that the inventory describes
  smallfleet.infra.macvtap_replacement:
    desired: "{{ planned.host_plan.network.desired }}"
    management: "{{ planned.host_plan.network.management }}"
    guests:
      web: {addresses: [192.0.2.21, "2001:db8::21"]}
      database: {method: replug, addresses: [192.0.2.22]}
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: ["make the bridge br0 beside eth0, with its MAC 52:54:00:00:00:01", "ip link set dev eth0 master br0"]
diff:
  description: The interfaces in the definitions, the requests to the kernel, and the files.
  returned: success
  type: list
  elements: dict
  sample:
    - before_header: definition of guest web
      after_header: definition of guest web
      before: |
        <interface type="direct">
              <mac address="52:54:00:aa:00:01" />
              <source dev="eth0" mode="bridge" />
              <model type="virtio" />
              <address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0" />
            </interface>
      after: |
        <interface type="bridge">
              <mac address="52:54:00:aa:00:01" />
              <source bridge="br0" />
              <model type="virtio" />
              <address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0" />
            </interface>
    - {before_header: kernel, after_header: kernel, before: "", after: "ip link set dev eth0 master br0\n"}
state:
  description: What became of guests and host.
  returned: success
  type: dict
  sample:
    guests: {web: {became: moved, method: suspend, expected: "about 4.5 s", seconds: 1.4}}
    answering: {web: [192.0.2.21]}
    notes: []
  contains:
    guests:
      description: By name, each with C(became) (in check mode C(to be moved)), C(method), C(expected) (how long it is without network, and why) and C(seconds).
      type: dict
      sample: {web: {became: moved, method: suspend, expected: "about 4.5 s", seconds: 1.4}}
    answering:
      description: By name of each running guest, the addresses at which it must answer.
      type: dict
      sample: {web: [192.0.2.21]}
    notes:
      description: What stays on macvtap, and why.
      type: list
      elements: str
      sample: ["eth1: what is on macvtap or macvlan there stays, for no bridge of network_interfaces has the port eth1"]
reason:
  description:
    - One word for why it failed. With V(refused) nothing was changed; with V(taken_back) and V(rolled_back) host and guests are as
      they were; with V(stuck), V(lost), V(unknown) and V(silent) the message says what to do.
  returned: failure
  type: str
  sample: taken_back
"""

from typing import Any, Dict, List

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import BadDefinition
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.guests_host import Guests, Journal, installed
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import Unreadable
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.mover_host import Mover, Outcome
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.network_host import Joining, bridges_of
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.reachability_client import echoes
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement import read_wishes
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement_host import Asked, Failed, Preview, Replacement
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.staged_bridges_host import Bridges
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel import observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.module_host import OPTIONS, vacant
from ansible_collections.smallfleet.infra.plugins.module_utils._network.network_host import HostNetwork
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.rollback_host import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "begun", "finished", "returned"], "default": "present"},
    **OPTIONS,
    "guests": {"type": "dict", "default": {}},
    "answer_timeout": {"type": "float", "default": 15.0},
    "provider_mac_filter": {"type": "bool", "default": False},
    "uri": {"type": "str", "default": "qemu:///system"},
}


def refuse(problems: List[str]) -> None:
    if problems:
        raise Refused("refused", "Nothing was changed: " + "; ".join(problems))


def begin(module: AnsibleModule, replacement: Replacement, preview: Preview) -> None:
    """Move the guests and begin the change; in check mode only say so."""
    result = {"needed": preview.needed, "changed": preview.needed, "steps": preview.steps(), "diff": preview.diff()}
    state = {"guests": preview.guests(), "answering": replacement.addresses(preview), "notes": list(preview.order.notes)}
    for note in (*preview.order.notes, *preview.network.warnings):
        module.warn(note)
    begun: Dict[str, Any] = {}
    if preview.needed and not module.check_mode:
        outcome, begun = replacement.begin(preview)
        state["guests"] = preview.guests(outcome)
    module.exit_json(begun=bool(begun), **result, state={**state, **begun.get("state", {})})


def finish(module: AnsibleModule, replacement: Replacement, preview: Preview) -> None:
    """Prove once more that host and guests reach each other, and make it final."""
    silent = replacement.silent(preview)
    if silent:
        raise Refused("silent", "; ".join(silent) + ". The definitions are as they were. See the guest's network, and run again")
    outcome = Outcome() if module.check_mode else replacement.finish(preview)
    if outcome.failed:
        raise Refused("stuck", "; ".join(outcome.failed.values()) + ". Mend it and run again, which goes on from there")
    module.exit_json(changed=preview.needed, state={"answering": replacement.addresses(preview)})


def give_back(module: AnsibleModule, replacement: Replacement) -> None:
    """The guests return."""
    there = replacement.on_their_way()
    outcome = Outcome()
    if there and not module.check_mode:
        replacement.take_back(outcome)
    if outcome.failed:
        raise Refused("stuck", "; ".join(outcome.failed.values()))
    became = "to be taken back" if module.check_mode else "taken back"
    module.exit_json(changed=bool(there), state={"guests": {name: {"became": became} for name in there}})


def give_up(module: AnsibleModule, replacement: Replacement, preview: Preview) -> None:
    """What a run left that was cut off is taken back, for something is in the way of going on."""
    outcome = Outcome()
    if not module.check_mode:
        replacement.take_back(outcome)
        raise Failed("; ".join(preview.problems), outcome)
    module.warn("; ".join(preview.problems))
    steps = [f"bring {name} back to its macvtap, for it cannot be gone on from here" for name in replacement.on_their_way()]
    module.exit_json(changed=True, steps=steps, diff=[], state={"guests": {}, "answering": {}, "notes": list(preview.problems)})


def run(module: AnsibleModule) -> None:
    """One part."""
    params = module.params
    runner, clock = SystemRunner(3600.0), SystemClock()
    network = HostNetwork(SystemRunner(60.0), SystemFiles(), clock)
    wishes, problems = read_wishes(params["guests"])
    refuse(problems)
    if not installed(runner):
        module.exit_json(changed=False, needed=False, begun=False, steps=[], diff=[], state={"guests": {}, "answering": {}, "notes": []})
    asked = Asked(bridges_of(params["desired"], network.observe()), wishes, params["provider_mac_filter"], params["answer_timeout"])
    mover = Mover(Guests(runner, clock, params["uri"]), Journal(SystemFiles()), clock, runner)
    bridges = Bridges(runner, SystemFiles(), clock)
    replacement = Replacement(mover, Joining(network, params), bridges, runner, asked, lambda ip, wait: echoes(runner, ip, wait))
    if params["state"] in ("present", "begun"):
        vacant(network.guard, params["rollback_timeout"], module.check_mode)
    if params["state"] == "returned":
        give_back(module, replacement)
    preview = replacement.preview()
    if preview.problems and params["state"] in ("present", "begun") and replacement.on_their_way():
        give_up(module, replacement, preview)
    refuse(preview.problems)
    (finish if params["state"] == "finished" else begin)(module, replacement, preview)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        run(module)
    except Refused as refusal:
        module.fail_json(msg=f"{refusal}.", reason=refusal.reason)
    except Failed as failed:
        stuck = [said for name, said in failed.outcome.failed.items() if failed.outcome.became.get(name) == "stuck"]
        became = "; ".join(stuck) if stuck else "The guests are on their macvtaps again, and the host's network was not changed"
        module.fail_json(msg=f"{failed}. {became}.", reason="stuck" if stuck else "taken_back")
    except BadDesired as error:
        module.fail_json(msg=f"The option desired {error}. Take it from fleet_plan.", reason="desired")
    except (CommandFailed, Unreadable, observe.Unreadable, BadDefinition, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"{error}. Mend it and run again, which goes on from there.", reason="failed")


if __name__ == "__main__":
    main()
