#!/bin/sh
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Provisions the demo fleet in a lab that is up, moves its service to the other host while a client watches, and prints
# what the client saw. Usage: tools/demo.sh [INVENTORY]   (default: inventories/lab)

set -eu
cd "$(dirname "$0")/.."
inventory=${1:-inventories/lab}

say() { printf '\n== %s\n' "$1"; }

# The entry point $1 of the role probe, on every host that probes.
probe() {
    ansible-playbook -i "$inventory" /dev/stdin <<PLAY
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: smallfleet.infra.probe, tasks_from: $1}
PLAY
}

say 'Provision the fleet (playbooks/site.yml)'
ansible-playbook -i "$inventory" playbooks/site.yml

say 'Start to probe the service, as new clients on a third host'
probe stop >/dev/null
probe start
sleep 2

say 'Move the service to its other host (playbooks/switch_over.yml)'
ansible-playbook -i "$inventory" playbooks/switch_over.yml -e standby_switch_service=web

say 'Wait until the last client must have noticed, and ask the probe'
sleep 8
seen=$(probe read)
probe stop >/dev/null
printf '%s\n' "$seen" | sed -n "s/.*\(outage: [^\"']*\).*/\1/p"
