#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network
short_description: Change a host's network while it serves, and confirm it by a new connection
version_added: 0.2.0
description:
  - Makes the interfaces, addresses, routes and rules of a host what O(desired) says, in the running kernel by one batch
    in an order that interrupts nothing, and in the configuration that is read at boot. What is not named is not touched.
  - Addresses in neither O(desired) nor the boot configuration, such as those of keepalived, stay, and a warning names them. Routes
    and rules of other programs, which systemd-networkd deletes when it reloads, are put back.
  - The change confirms itself or goes away. Before anything is touched, the host writes a script that rolls the change
    back, and starts a timer for it. Then the controller opens a I(new) connection, has the checks made, and confirms the
    change with a token that nobody else has. Only then the boot configuration is replaced.
  - When no confirmation comes within O(rollback_timeout), the host rolls it back by itself, also when the
    controller is gone. A host that is switched off or loses its power before boots with the old configuration.
  - An address that another host has already is refused. Before the change it is asked for on the links (RFC 5227, RFC 4862),
    and on a VLAN that is new before the change is confirmed.
  - The boot configuration of others is compared with O(desired) before the change. What only they say is a warning; what would undo the
    change at the next boot, such as an entry that cloud-init writes again, is refused, with the file and a remedy.
  - Only one change can be pending; a second one is refused with the name of who began the first.
  - Internal to this collection. Use the role P(smallfleet.infra.network#role) instead.
author:
  - The smallfleet.infra contributors (@smallfleet)
options:
  state:
    description:
      - V(present) does everything, with the controller's half. The others are its parts, for programs of their own.
      - V(applied) begins the change and returns at once; it is carried out O(delay) seconds later.
      - V(confirmed) makes the checks and then makes the change final. V(rolled_back) rolls it back. Both need O(token).
      - V(observed) changes nothing and says what is pending and what was last.
    type: str
    choices: [present, applied, confirmed, rolled_back, observed]
    default: present
  connect_to:
    description:
      - The address for the new connection, when the change gives the host another one. With O(state=present) only.
      - SSH looks for the host's key by the name or address that is used otherwise.
    type: str
  checked_before:
    description:
      - What RV(state.checks) was before the change, for O(state=confirmed).
    type: dict
    default: {}
  because:
    description:
      - Why it is rolled back, for O(state=rolled_back).
    type: str
    default: somebody asked for it
attributes:
  check_mode:
    description: Whether the module can say what it would change without changing it.
    support: full
    details:
      - The steps are the requests to the kernel, as C(ip(8\)) takes them, and the files.
  diff_mode:
    description: Whether the module shows what differs.
    support: full
extends_documentation_fragment:
  - smallfleet.infra.network_change
"""

EXAMPLES = r"""
- name: Move the address of a host from its card to a bridge
  smallfleet.infra.host_network:
    desired:
      interfaces:
        - {name: eth0}
        - name: br0
          type: bridge
          bridge: {port: [{name: eth0}]}
          ipv4: {enabled: true, address: [{ip: 192.0.2.10, prefix_length: 24}]}
          ipv6: {enabled: true, address: [{ip: "2001:db8::10", prefix_length: 64}]}
      routes:
        - {destination: 0.0.0.0/0, next_hop_interface: br0, next_hop_address: 192.0.2.1}
    management: [192.0.2.10, "2001:db8::10"]
    checks:
      hosts: {ns1: [192.0.2.53]}
      names: [example.net]
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: when state is present or applied
  type: list
  elements: str
  sample: ["ip link set dev eth0 master br0", "write /etc/systemd/network/05-smallfleet-br0.network"]
diff:
  description: The requests to the kernel, and what changes in each file; passwords and keys in it are C(***).
  returned: when state is present or applied
  type: list
  elements: dict
  sample:
    - before_header: kernel
      after_header: kernel
      before: ""
      after: |
        ip link add name br9 type bridge stp_state 0
        ip link set dev br9 addrgenmode none
        ip link set dev br9 up
    - before_header: /etc/systemd/network/05-smallfleet-br9.netdev
      after_header: /etc/systemd/network/05-smallfleet-br9.netdev
      before: ""
      after: |
        # Written from the inventory by smallfleet.infra.
        [NetDev]
        Name=br9
        Kind=bridge
reason:
  description:
    - One word for why it failed. V(rolled_back) says that the change was rolled back, and the message whether the host is as it was
      before; V(lost) says that it does not answer, and V(unknown) that it neither says that the change was confirmed nor that it was rolled back.
  returned: failure
  type: str
  sample: busy
state:
  description: What is pending and what was last.
  returned: success
  type: dict
  sample:
    backend: networkd
    under_way: null
    last:
      id: 90e5b65a0c4e
      holder: alice on laptop
      phase: confirmed
      reason: ""
      seconds_left: 0.0
      differs: null
    checks:
      gateway of IPv4: ""
      host ns1 at 192.0.2.53: ""
    confirmed_after: 2.6
  contains:
    backend:
      description: The program that configures the network at boot.
      type: str
    under_way:
      description: The change that waits for its confirmation, with C(id), C(holder), C(phase) and C(seconds_left).
      type: dict
      sample:
        id: 3b1fd0a97c52
        holder: alice on laptop
        phase: applied
        reason: ""
        seconds_left: 71.4
        differs: null
    last:
      description:
        - The change that was made last, with C(id), C(holder), C(phase), and when it was rolled back C(reason) and C(differs), a list of
          what the kernel lacks or has in addition, in the words of C(ip(8\)). It is empty when the kernel's network is as it was before,
          and V(none) when that was not compared, as after a boot.
      type: dict
      sample:
        id: 90e5b65a0c4e
        holder: alice on laptop
        phase: confirmed
        reason: ""
        seconds_left: 0.0
        differs: null
    checks:
      description: Each check that was made, and what was wrong, empty when nothing was.
      type: dict
      sample:
        gateway of IPv4: ""
        host ns1 at 192.0.2.53: "192.0.2.53 does not answer (timed out)"
    confirmed_after:
      description: Seconds from the begin of the change until it was confirmed.
      type: float
"""

from typing import Any, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._network.module_host import OPTIONS, demanded, run_checks, state_of, vacant
from ansible_collections.smallfleet.infra.plugins.module_utils._network.network_host import HostNetwork
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.rollback_host import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "state": {
        "type": "str",
        "choices": ["present", "applied", "confirmed", "rolled_back", "observed"],
        "default": "present",
    },
    **OPTIONS,
    "connect_to": {"type": "str"},
    "checked_before": {"type": "dict", "default": {}},
    "because": {"type": "str", "default": "somebody asked for it"},
}


def apply(module: AnsibleModule, network: HostNetwork) -> None:
    params = module.params
    vacant(network.guard, params["rollback_timeout"], module.check_mode)
    work = network.work(params["desired"], params["backend"], params["management"], params["allow_disconnect"])
    if work.wrong:
        raise Refused("refused", "Nothing was changed: " + "; ".join(work.wrong))
    taken = network.conflicts(work, params["desired"]) if work.needed else []
    if taken:
        raise Refused("taken", "Nothing was changed: " + "; ".join(taken))
    for note in (*work.operations.notes, *work.warnings):
        module.warn(note)
    result = {"changed": work.needed, "steps": work.steps(), "diff": work.diff()}
    checks: Dict[str, str] = {}
    if work.needed and not module.check_mode:
        token = demanded(params["token"], params["state"])
        checks = run_checks(network, params["checks"], afterwards=False)
        network.begin(work, params["desired"], token, params["holder"], params["rollback_timeout"], params["delay"])
    module.exit_json(**result, state={"backend": work.backend, "checks": checks, **state_of(network.guard)})


def confirm(module: AnsibleModule, network: HostNetwork) -> None:
    """The checks come first: what fails them stays pending and may be tried again."""
    token = demanded(module.params["token"], module.params["state"])
    checks = run_checks(network, module.params["checks"], afterwards=True, going=network.going(token))
    before = module.params["checked_before"]
    for name, wrong in checks.items():
        if wrong and before.get(name):
            module.warn(f"{name}: {wrong}, which was so before the change too")
    failed = [wrong for name, wrong in checks.items() if wrong and not before.get(name)]
    if failed:
        raise Refused("check", "; ".join(failed))
    if not module.check_mode:
        for line in network.confirm(token):
            module.warn(f"a program had added something that does not go with this change, and the kernel refused: {line}")
    module.exit_json(changed=True, state={"checks": checks, **state_of(network.guard)})


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    network = HostNetwork(SystemRunner(60.0), SystemFiles(), SystemClock())
    state = module.params["state"]
    try:
        if state in ("present", "applied"):
            apply(module, network)
        elif state == "confirmed":
            confirm(module, network)
        elif state == "rolled_back":
            token = demanded(module.params["token"], module.params["state"])
            network.guard.demand(token, watched=False)
            if not module.check_mode:
                network.guard.roll_back(token, module.params["because"])
            module.exit_json(changed=True, state=state_of(network.guard))
        module.exit_json(changed=False, state=state_of(network.guard))
    except Refused as refusal:
        module.fail_json(msg=f"{refusal}.", reason=refusal.reason)
    except BadDesired as error:
        module.fail_json(msg=f"The option desired {error}. Take it from fleet_plan.", reason="desired")
    except (CommandFailed, BadText, OSError) as error:
        module.fail_json(msg=f"{error}. Mend it and run again.", reason="failed")


if __name__ == "__main__":
    main()
