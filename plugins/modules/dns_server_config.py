#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of a DNS server with dynamic zones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_server_config
short_description: Configure BIND or Knot for dynamic zones
version_added: 0.1.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Creates zones that are not there yet, writes the server's configuration in Debian's layout, and has the server
    running, enabled and up to date with it. Of a zone it is the primary or a secondary.
  - Each key may change exactly the names and types that its grants say. All generations of a key that are on the host
    have the same rights, so that keys can be rotated while clients go on. Their secrets are copied into one file that
    only root and the server can read, and are in no argument vector, log or result.
  - A zone file is written once, when there is none, with all records of the zone. From then on it belongs to the
    server, and records are changed by update only. Updates are suspended only while a zone gets another primary. A zone that is no
    longer in O(zones) is no longer served, but its file stays.
  - A primary that is to be a secondary takes no more updates of the zone (C(rndc freeze), C(knotc zone-freeze)), and hands it over when the
    first of C(transfer.peers) is the primary and has every change. Otherwise it takes updates again, and the module fails. A secondary that is to
    be the primary first waits until it has all that its other servers have, and until none of them has changed the zone for four seconds. So the
    module must run on both hosts at the same time.
  - New files are checked by the server's own tools before they are put in place. The server is told without a restart,
    and goes on serving. Afterwards it is asked at its own address, signed with its own key, so that another program on
    its port is noticed.
  - The SOA record of a zone that exists is changed by an update, with a later serial, when C(soa) in O(zones) says another value. Fields
    in its list C(keep) are left as the zone has them.
  - A zone that is signed is not given keys of another algorithm or kind (CSK, or KSK and ZSK), since the DS at its parent would no
    longer fit. The module fails before it changes anything.
  - Internal to this collection. Use the role P(smallfleet.infra.dns_server#role) instead.
attributes:
  check_mode:
    support: full
    description:
      - Only looks. A new configuration is checked by the server's own tools only when it is written. A key that is not
        on the host yet is taken as if it were.
  diff_mode:
    support: full
    description: All files before and after. The secret is not in it.
  idempotent:
    support: full
    description: A second run finds nothing to change. A run that died leaves the rest to the next.
options:
  listen:
    description: Addresses to listen on besides loopback.
    type: list
    elements: str
    required: true
  provider:
    description: The program.
    type: str
    choices: [bind, knot]
    default: bind
    version_added: 0.2.0
  keys:
    description: The keys that the server must know, with the files of this host that they are in.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
    suboptions: &key
      name:
        description: Name of the key.
        type: str
        required: true
      algorithm:
        description: Its algorithm.
        type: str
        choices: [hmac-sha256, hmac-sha384, hmac-sha512]
        default: hmac-sha256
      file:
        description: Path of its file, which only root can read.
        type: path
        required: true
  update_key:
    description: The key that may change everything in the zones that this server is the primary of.
    type: dict
    version_added: 0.2.0
    suboptions: *key
  zones:
    description: The zones, as C(dns_server.zones) in the host plan has them.
    type: list
    elements: dict
    required: true
  catalogs:
    description: Catalog zones (RFC 9432), as C(dns_server.catalogs) in the host plan has them.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
  responses_per_second:
    description: Equal answers per second to one network before the server limits them.
    type: int
    default: 50
  discard_journals:
    description:
      - What to do when the journal of a zone no longer follows its file, so that BIND does not load the zone, as after
        the file was put back from an older backup.
      - By default nothing is touched, and the error names the changes that are in the journal only. With V(true) the
        journal is renamed, never deleted, and the server goes on with the file.
    type: bool
    default: false
    version_added: 0.2.0
  replace_configuration:
    description:
      - What to do when C(named.conf.options), C(named.conf.local) or C(knot.conf) was not written by this module and has what the
        Debian package does not have, such as a zone.
      - By default nothing is touched, and the error names what it is. With V(true) the file is kept beside the new one, with
        C(.before-smallfleet) after its name, and replaced. Further ones are C(.before-smallfleet-2) and so on; none replaces
        another.
    type: bool
    default: false
    version_added: 0.2.0
  run_hosts:
    description:
      - The hosts that are provisioned in the same run, by the names that O(zones) has.
      - A zone that this host is to be the primary of, and that it takes from another host up to now, is refused when that host answers
        and is not among them, since both would be primaries then. An empty list refuses nothing.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
requirements:
  - BIND 9.18 or later or Knot 3.2 or later, in Debian's layout; in check mode it may be missing
  - dnspython 2.3 or later on the host (package C(python3-dnspython)); in check mode it may be missing
seealso:
  - module: smallfleet.infra.dns_key_store
  - module: smallfleet.infra.dns_record_sets
  - module: smallfleet.infra.fleet_plan
"""

EXAMPLES = r"""
- name: Get this host's plan
  smallfleet.infra.fleet_plan:
  register: plan

- name: Serve its zones
  smallfleet.infra.dns_server_config:
    provider: "{{ plan.host_plan.dns_server.provider }}"
    listen: "{{ plan.host_plan.dns_server.listen }}"
    keys: "{{ plan.host_plan.dns_server['keys'] }}"
    update_key: "{{ plan.host_plan.dns_server.update_key | default(omit) }}"
    zones: "{{ plan.host_plan.dns_server.zones }}"
    catalogs: "{{ plan.host_plan.dns_server.catalogs }}"
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["write /etc/bind/named.conf.local", "have the server read its configuration"]
state:
  description: The server.
  returned: success
  type: dict
  sample: {serving: true, moving: [demo.example.net]}
  contains:
    serving:
      description: Whether the server itself answers, with these keys and these zones, and so can take updates.
      type: bool
      returned: always
      sample: true
    moving:
      description:
        - Zones that this server has from another primary, or gives to another one. Both hosts must be in one run, at the same time.
      type: list
      elements: str
      returned: always
      sample: [demo.example.net]
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import BadConfig, ServerConfig, read_config
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import can_take_updates, diff_texts, obstacles, plan_server, with_kept_ttls
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.program_host import ServerFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.providers_host import PROVIDERS, server_host
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.server_host import ServerHost
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed


def run(module: AnsibleModule) -> None:
    """Look, plan, and outside check mode do it."""
    host = server_host(module.params["provider"])
    asked = read_config(module.params)
    with host.alone(asked):
        done = converge(module, host, asked)
    module.exit_json(**done)


def converge(module: AnsibleModule, host: ServerHost, asked: ServerConfig) -> dict:
    """The result."""
    provider, _daemon, package = PROVIDERS[module.params["provider"]]
    config = host.complete(asked)
    wrong = provider.problems(config)
    if wrong:
        raise BadConfig(" ".join(wrong))
    state = host.observe(config)
    config = with_kept_ttls(provider, config, state)
    if not (state.installed or module.check_mode):
        raise ServerFailure(f"The server is not installed on this host. Install the Debian package {package} first.")
    blocked = obstacles(config, state)
    if blocked:
        raise ServerFailure(" ".join(blocked))
    steps = plan_server(provider, config, state)
    if module.check_mode:
        host.check(config, steps)
    else:
        steps += host.apply(config, steps)
    return {
        "changed": bool(steps),
        "steps": [str(step) for step in steps],
        "diff": diff_texts(steps),
        "state": {
            "serving": not module.check_mode or can_take_updates(provider, config, state),
            "moving": sorted({*state.handed, *(copy.zone for copy in state.copies)}),
        },
    }


def main() -> None:
    """Entry point."""
    key = {
        "name": {"type": "str", "required": True},
        "algorithm": {
            "type": "str",
            "choices": ["hmac-sha256", "hmac-sha384", "hmac-sha512"],
            "default": "hmac-sha256",
        },
        "file": {"type": "path", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "provider": {"type": "str", "choices": ["bind", "knot"], "default": "bind"},
            "listen": {"type": "list", "elements": "str", "required": True},
            "keys": {"type": "list", "elements": "dict", "options": key, "default": [], "no_log": False},
            "update_key": {"type": "dict", "options": key, "no_log": False},
            "zones": {"type": "list", "elements": "dict", "required": True},
            "catalogs": {"type": "list", "elements": "dict", "default": []},
            "responses_per_second": {"type": "int", "default": 50},
            "discard_journals": {"type": "bool", "default": False},
            "replace_configuration": {"type": "bool", "default": False},
            "run_hosts": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BadConfig, ServerFailure, CommandFailed, OSError) as failure:
        module.fail_json(msg=f"{failure}")


if __name__ == "__main__":
    main()
