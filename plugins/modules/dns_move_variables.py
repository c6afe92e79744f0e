#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of a move's variables; the code is in plugins/action/dns_move_variables.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_move_variables
short_description: Check the variables of a zone move before any host is asked
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Fails when a variable of the playbook C(smallfleet.infra.move_zone) is missing or cannot be used, with B(all) problems at once, each
    with the variable, its value and a remedy.
  - Options are the variables without C(move_) before their names. A secret is never in an error.
  - It works on the controller and connects to no host.
  - Internal to this collection. Use the playbook C(smallfleet.infra.move_zone) instead.
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: It never changes anything.
  idempotent:
    support: full
    description: It changes nothing.
options:
  zone:
    description: The zone. It is an error when it is missing.
    type: raw
  host:
    description: The host that asks the servers and sends updates. It is an error when it is missing or no host of the inventory.
    type: raw
  old:
    description: The servers that the zone has, a dictionary with C(servers). It is an error when it is missing.
    type: raw
  new:
    description: The servers that the zone is to have, a dictionary with C(servers). It is an error when it is missing.
    type: raw
  parent_zone:
    description: The zone in which O(zone) is delegated. It is needed for a zone of one label only.
    type: raw
  parent:
    description: The servers of the parent zone, a dictionary with C(servers).
    type: raw
  vars_file:
    description: The absolute path of a file on the controller, in a folder that exists. It is an error when it is missing.
    type: raw
  source:
    description: A file on the controller, which must exist.
    type: raw
  source_format:
    description: C(zone), C(octodns) or C(tsv).
    type: raw
  old_update:
    description: The server that takes updates of the old zone, a dictionary with C(server).
    type: raw
  parent_update:
    description: The server that takes updates of the parent zone, a dictionary with C(server).
    type: raw
  ttl:
    description: Seconds, a whole number.
    type: raw
  wait:
    description: Seconds.
    type: raw
  ignore_extra:
    description: A boolean.
    type: raw
  families:
    description: A list of C(ipv4) and C(ipv6).
    type: raw
seealso:
  - module: smallfleet.infra.dns_zone_move
"""

EXAMPLES = r"""
- name: Refuse variables that could not be used later
  smallfleet.infra.dns_move_variables:
    zone: example.net
    host: ns1
    old: {servers: [ns1.provider.example.com]}
    new: {servers: [192.0.2.53]}
    vars_file: /srv/fleet/group_vars/all/zone_example_net.yml
    ttl: 300
  run_once: true
"""

RETURN = r"""
problems:
  description: What is wrong, one text for each mistake, each with its variable, its value and a remedy.
  returned: failure
  type: list
  elements: str
  sample: ["move_ttl: '5m' is not a whole number from 0 to 2147483647. Give a number of seconds, such as 300."]
"""
