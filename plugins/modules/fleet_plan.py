# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_plan
short_description: Plan the whole fleet from its inventory
version_added: 0.1.0
description:
  - Reads the whole inventory, checks it, and returns what one host needs to know, or the plan of all hosts.
  - Every address, name and record that can be derived from the inventory is derived here, once per run, on the
    controller. Nothing is connected to, and nothing is changed except the files of O(scope=files).
  - The plan depends on the inventory only. C(--limit) does not change it, nor does a host that cannot be reached.
  - When anything in the inventory is wrong, the task fails with B(all) problems at once, each with its host, its
    variable and a remedy.
  - The variables it reads are those that begin with C(fleet_), C(node_), C(dns_), C(standby_), C(probe_) and C(lab_).
author:
  - The smallfleet.infra contributors (@smallfleet)
options:
  scope:
    description:
      - With V(host), return RV(host_plan), the part of the plan that concerns the host of the task.
      - With V(fleet), return RV(plan) with the plans of all hosts, and RV(fleet).
      - With V(files), write the plan of all hosts to C(plan.json) and, for people, to C(plan.md) on the controller.
    type: str
    choices: [host, fleet, files]
    default: host
  dest:
    description:
      - The folder on the controller for O(scope=files), made when it is missing.
      - By default it is C(plan) beside an inventory that is a file, and C(NAME-plan) beside an inventory that is a
        folder called C(NAME), since Ansible would take files inside that folder for inventories.
    type: path
  guard:
    description:
      - The name of a capability, such as V(dns_server). The task fails if another host of the play, which must not be changed together with this
        one, has failed or could not be reached in this run. P(smallfleet.infra.fleet_batches#lookup) says which hosts those are.
    type: str
    choices: [lab, node, network, vm_host, dns_keys, dns_server, acme_certificates, standby, probe, dns_other_keys]
    version_added: 0.2.0
  zone:
    description:
      - The name of a zone that hosts of the fleet serve. RV(zone) says which of them is its primary.
      - The task fails when it is not a zone of C(dns_zones), and names those that are.
    type: str
    version_added: 0.2.0
  variable_prefix:
    description: The start of the variable's name in the error about O(zone), as in C(export_zone).
    type: str
    default: ""
    version_added: 0.2.0
attributes:
  action:
    support: full
    description: Runs as an action plugin on the controller.
  check_mode:
    support: full
    description: Says whether the files of O(scope=files) would change. Otherwise there is nothing to change.
  diff_mode:
    support: full
    description: Shows how the files of O(scope=files) change.
notes:
  - The plan is kept in Ansible's private temporary folder until the run ends. It is made again within a run only when
    a host is added.
  - A host that is no member of the fleet, such as the implicit localhost or one
    whose variable C(fleet_host_member) is false, gets a host plan without capabilities.
"""

EXAMPLES = r"""
- name: Refuse a bad inventory before the first change
  smallfleet.infra.fleet_plan:
  run_once: true

- name: Get this host's plan
  smallfleet.infra.fleet_plan:
  register: mine

- name: Show where the host is to be found
  ansible.builtin.debug:
    var: mine.host_plan.host.ipv4

- name: Take the whole plan
  smallfleet.infra.fleet_plan:
    scope: fleet
  register: everything

- name: Find the primary of a zone
  smallfleet.infra.fleet_plan:
    zone: demo.example.net
  run_once: true
  register: of_zone

- name: Write plan.json and plan.md
  smallfleet.infra.fleet_plan:
    scope: files
    dest: /srv/fleet/plan
  run_once: true
"""

RETURN = r"""
host_plan:
  description: The host's part of the plan.
  returned: with O(scope=host)
  type: dict
  sample:
    fleet: {name: demo, domain: demo.example.net}
    host:
      name: app1
      fqdn: app1.demo.example.net
      management: main
      purposes: {management: main, public: main, storage: main, cluster: main}
      ipv4: 192.0.2.11
      ipv6: "2001:db8::b"
      networks:
        main: {interface: eth0, ipv4: 192.0.2.11/24, ipv6: "2001:db8::b/64", mtu: 1500}
    capabilities: [node]
    node:
      packages: [chrony]
      timezone: Etc/UTC
      administrators: {}
      sysctl: {}
      time_servers: []
      hosts_entries:
        - {address: 192.0.2.11, names: [app1.demo.example.net, app1]}
plan:
  description: The plans of all hosts by the hosts' inventory names.
  returned: with O(scope=fleet)
  type: dict
  sample:
    app1:
      fleet: {name: demo, domain: demo.example.net}
      host:
        name: app1
        fqdn: app1.demo.example.net
        management: main
        purposes: {management: main, public: main, storage: main, cluster: main}
        ipv4: 192.0.2.11
        ipv6: "2001:db8::b"
        networks:
          main: {interface: eth0, ipv4: 192.0.2.11/24, ipv6: "2001:db8::b/64", mtu: 1500}
      capabilities: [node]
      node:
        packages: []
        timezone: Etc/UTC
        administrators: {}
        sysctl: {}
        time_servers: []
        hosts_entries:
          - {address: 192.0.2.11, names: [app1.demo.example.net, app1]}
          - {address: "2001:db8::b", names: [app1.demo.example.net, app1]}
zone:
  description: Who serves the zone, and the file on that host with the key that its server accepts for everything.
  returned: with O(zone)
  type: dict
  sample: {name: demo.example.net, primary: ns1, key_file: /etc/smallfleet/dns/demo-update.key}
dest:
  description: The folder of the files.
  returned: with O(scope=files)
  type: str
  sample: /srv/fleet/plan
steps:
  description: What was done, or would be in check mode.
  returned: with O(scope=files)
  type: list
  elements: str
  sample: [write /srv/fleet/plan/plan.json, write /srv/fleet/plan/plan.md]
diff:
  description: Each file that changed, before and after.
  returned: with O(scope=files)
  type: list
  elements: dict
  sample:
    - before_header: /srv/fleet/plan/plan.json
      after_header: /srv/fleet/plan/plan.json
      before: ""
      after: |
        {
          "fleet": {
            "name": "demo",
            "domain": "demo.example.net",
        ...
fleet:
  description: What is true of the whole fleet.
  returned: with O(scope=fleet)
  type: dict
  sample:
    name: demo
    domain: demo.example.net
    networks:
      main: {ipv4: 192.0.2.0/24, ipv6: "2001:db8::/64", mtu: 1500, routed: false}
"""
