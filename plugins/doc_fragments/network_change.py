# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a confirmed change of a host's network."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by the modules that begin such a change."""

    DOCUMENTATION = r"""
options:
  desired:
    description:
      - Keys C(interfaces), C(routes), C(rules) and C(dns), in the form in which the host plan C(network.desired) of
        M(smallfleet.infra.fleet_plan) gives them, which are nmstate's words with underscores.
      - Options of bridges, their ports and bonds that are there and not named stay, in the kernel and at the next boot.
      - An interface with C(identifier=mac-address) is the card that has its C(mac_address), whatever the kernel calls it.
      - Key C(addresses) has two lists. Addresses in the networks C(ignored) are a program's and left alone; those in C(absent) are
        removed from every interface that is named.
    type: dict
    default: {}
  backend:
    description:
      - The program that configures the network at boot. V(auto) is the one that has the interfaces of O(desired) on this
        host; where several do, or none and several are at work, nothing is changed and the message says what to set.
      - V(netplan) is for hosts whose netplan writes for systemd-networkd. V(ifupdown) is Debian's, or ifupdown2.
    type: str
    choices: [auto, ifupdown, netplan, networkd, networkmanager]
    default: auto
  rollback_timeout:
    description:
      - Seconds after which the host rolls back what nobody confirmed.
    type: int
    default: 90
  management:
    description:
      - The addresses by which the host is reached. One of them must be there after the change, and none that is there
        may go, unless O(allow_disconnect).
    type: list
    elements: str
    default: []
  allow_disconnect:
    description:
      - Whether an address of O(management) may go, and whether boot configuration of others that would undo the change, or that the
        host is managed by, is a warning only.
    type: bool
    default: false
  checks:
    description:
      - What must work before the change is confirmed. What did not work before the change either is a warning only.
    type: dict
    default: {}
    suboptions:
      gateway:
        description: Whether the gateway of each default route must answer, if only with its hardware address.
        type: bool
        default: true
      hosts:
        description: Names of other hosts, each with the list of addresses that must answer a ping or on the SSH port.
        type: dict
        default: {}
      afterwards:
        description:
          - Names with addresses like O(checks.hosts), but asked after the change only. They must answer then, whether or not they
            could before, such as guests that get their network by it.
        type: dict
        default: {}
      names:
        description: Names that the host must be able to resolve.
        type: list
        elements: str
        default: []
  holder:
    description:
      - Who makes the change, for those who find it pending. The user and the controller where it is not given.
    type: str
    default: somebody
  token:
    description:
      - A secret of at least 16 characters that whoever begins a change chooses, and shows again to confirm it.
      - Needed for all parts that change something; O(state=present) makes one of its own.
    type: str
  delay:
    description:
      - Seconds between the answer to the part that begins the change and the change itself, so that the answer still arrives.
    type: float
    default: 1.0
notes:
  - Needs root, Linux with iproute2, and systemd 247 or later.
  - A new connection is certain with the connection plugin P(ansible.builtin.ssh#connection). Others are reset.
"""
