#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of TSIG keys on one host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_key_store
short_description: Keep the TSIG keys that a host is to hold
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Makes the keys whose home is this host, takes the others from their homes, and removes those that the inventory no
    longer gives to this host. The role P(smallfleet.infra.dns_keys#role) says in which order.
  - Each key is a file in the syntax of BIND that only root can read. Its path stays the same when the secret changes.
  - A secret leaves its home only sealed for one holder, with the public part of a key pair whose private part that
    holder has made and keeps. No secret is in an argument vector, a log or a result.
  - The secret of a key that a provider has made comes in O(secrets), and is written as it came.
  - During a rotation a second file beside the first has the generation after it (C(.next.key)) or before it
    (C(.previous.key)).
  - Internal to this collection. Use the role P(smallfleet.infra.dns_keys#role) instead.
attributes:
  check_mode:
    support: full
    description: Only looks.
  diff_mode:
    support: full
    description: Names, algorithms and fingerprints of the keys before and after. No secret is in it.
  idempotent:
    support: full
    description: A second run finds nothing to change. A run that died leaves the rest to the next.
options:
  host:
    description: The inventory name of this host.
    type: str
    required: true
  keys:
    description:
      - The keys that this host is to hold, as C(dns_keys) in its host plan has them.
      - With O(state=sealed), those that the recipient asks for.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the key.
        type: str
        required: true
      algorithm:
        description: Its algorithm. A key that is there keeps its own until its next generation is made.
        type: str
        choices: [hmac-sha256, hmac-sha384, hmac-sha512]
        default: hmac-sha256
      home:
        description: The inventory name of the host where its secret is made.
        type: str
        required: true
      file:
        description: Where the key is. If given, it must be the key's name with C(.key) in O(folder).
        type: path
      external:
        description: Whether others make its secret, which is then in O(secrets) on the host that is its home.
        type: bool
        default: false
      shared:
        description: Whether others hold it too, such as a provider that transfers a zone. Only M(smallfleet.infra.dns_key_rotation) uses this.
        type: bool
        default: false
      local:
        description: Whether each host has a secret of its own by this name, which no other host gives or takes.
        type: bool
        default: false
  secrets:
    description:
      - The secrets of external keys by name. Each is in base64, or the text of a key file as C(tsig-keygen) prints it.
      - Only for keys with C(external) whose home is this host. A key that the store has already may be left out.
    type: dict
    default: {}
  state:
    description:
      - V(present) brings the store to what is asked, as far as it can be without asking a home.
      - V(sealed) makes the keys that are missing at their home, which is this host, and seals all for one recipient.
      - V(observed) only looks, and asks DNS servers the O(questions).
    type: str
    choices: [present, sealed, observed]
    default: present
  sealed:
    description:
      - With O(state=present), what homes have sealed for this host, if they were asked. A key that is then still
        missing is an error.
    type: list
    elements: str
  recipient:
    description: With O(state=sealed), the certificate of the holder. In check mode it may be empty.
    type: str
    default: ""
  defer:
    description:
      - With O(state=present), leave for another call what can end a key. Then no secret is generated, and no file of a key that this host is to
        hold no more is removed. RV(state.deferred) says what is left. So a key whose home has changed can be taken from its former home.
    type: bool
    default: false
  keep:
    description: The same for the keys of these names.
    type: list
    elements: str
    default: []
  adopt:
    description:
      - With O(state=present), keys whose home is this host by now, with the inventory names of the hosts that O(sealed) has them from. What
        this host has already stays.
    type: dict
    default: {}
  move_to:
    description:
      - With O(state=present), how far a rotation of the keys in O(move) shall be at their home. V(prepared) makes the
        next generation, V(promoted) makes it the one to sign with, V(settled) forgets the one before.
    type: str
    choices: [prepared, promoted, settled]
  move:
    description: Names of the keys to move. Only those whose home is this host are moved.
    type: list
    elements: str
    default: []
  questions:
    description:
      - With O(state=observed), questions to ask, each signed with a key of the store, in its C(next) generation where there
        is one. It is an error when a server does not know the key, or gives no answer.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: Name of the key.
        type: str
        required: true
      server:
        description: Address of the server.
        type: str
        required: true
      port:
        description: Port of the server.
        type: int
        default: 53
      zone:
        description: A zone of the server.
        type: str
        required: true
  folder:
    description: Where the keys are.
    type: path
    default: /etc/smallfleet/dns
requirements:
  - OpenSSL 3.0 or later on every host that takes a key from another, or gives it one
  - dnspython 2.3 or later on the host, for O(questions)
seealso:
  - module: smallfleet.infra.dns_key_rotation
  - module: smallfleet.infra.dns_server_config
"""

EXAMPLES = r"""
- name: Get this host's plan
  smallfleet.infra.fleet_plan:
  register: plan

- name: Make what is made here, and see what is missing
  smallfleet.infra.dns_key_store:
    host: "{{ inventory_hostname }}"
    keys: "{{ plan.host_plan.dns_keys['keys'] }}"
  register: here

- name: Have a key sealed for this host
  smallfleet.infra.dns_key_store:
    host: ns1
    keys: [{name: app1-own, home: ns1}]
    state: sealed
    recipient: "{{ here.state.certificate }}"
  delegate_to: ns1
  register: sent

- name: Take it
  smallfleet.infra.dns_key_store:
    host: "{{ inventory_hostname }}"
    keys: "{{ plan.host_plan.dns_keys['keys'] }}"
    sealed: ["{{ sent.sealed }}"]
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["write the key app1-own to app1-own.key"]
sealed:
  description: The keys, readable for the recipient only.
  returned: O(state=sealed)
  type: str
  sample: "-----BEGIN CMS-----..."
state:
  description: The store, without secrets.
  returned: success
  type: dict
  sample:
    host: app1
    generations: {app1-own: {current: {name: app1-own, algorithm: hmac-sha256, fingerprint: 6a1f}}}
    held: {ns1: {app1-own: current=6a1f}}
    offers: {}
    missing: {}
    deferred: {generate: [], remove: {}}
    certificate: "-----BEGIN CERTIFICATE-----..."
    can_seal: true
  contains:
    host:
      description: The inventory name of this host.
      type: str
      returned: always
      sample: app1
    generations:
      description:
        - For each key that is there, its generations by C(current), C(next) and C(previous), each with C(name), C(algorithm)
          and C(fingerprint).
      type: dict
      returned: always
      sample: {app1-own: {current: {name: app1-own, algorithm: hmac-sha256, fingerprint: 6a1f}}}
    held:
      description: For each home other than this host, what this host holds of each key, as one text per key.
      type: dict
      returned: always
      sample: {ns1: {app1-own: current=6a1f}}
    offers:
      description: The same for the keys whose home is this host.
      type: dict
      returned: always
      sample: {app1-other: current=0c3e}
    missing:
      description: Names of the keys that their homes must give first, by home.
      type: dict
      returned: always
      sample: {ns1: [app1-own]}
    deferred:
      description:
        - With O(defer) or O(keep), what was left. C(generate) has the names of keys whose secret is yet to be generated here, C(remove) what
          this host has of each key that it is to hold no more, as in C(held).
      type: dict
      returned: always
      sample: {generate: [], remove: {app1-own: current=6a1f}}
    certificate:
      description: The public part of the host's key pair, or nothing when it has none.
      type: str
      returned: always
      sample: "-----BEGIN CERTIFICATE-----..."
    can_seal:
      description: Whether OpenSSL is installed.
      type: bool
      returned: always
      sample: true
reason:
  description: Why it failed, in one word.
  returned: failure
  type: str
  sample: missing
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.jobs_host import Job, run_job
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import KEY_FOLDER
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_store_host import KeyFailure, KeyHost, SystemRights
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import LOOK, SystemFiles

ALGORITHMS = ["hmac-sha256", "hmac-sha384", "hmac-sha512"]


def argument_spec() -> dict:
    """The options. Only ``secrets`` holds secrets."""
    key = {
        "name": {"type": "str", "required": True},
        "algorithm": {"type": "str", "choices": ALGORITHMS, "default": ALGORITHMS[0]},
        "home": {"type": "str", "required": True},
        "file": {"type": "path"},
        "external": {"type": "bool", "default": False},
        "shared": {"type": "bool", "default": False},
        "local": {"type": "bool", "default": False},
    }
    question = {
        "key": {"type": "str", "required": True, "no_log": False},
        "server": {"type": "str", "required": True},
        "port": {"type": "int", "default": 53},
        "zone": {"type": "str", "required": True},
    }
    return {
        "host": {"type": "str", "required": True},
        "keys": {"type": "list", "elements": "dict", "required": True, "options": key, "no_log": False},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "state": {"type": "str", "choices": ["present", "sealed", "observed"], "default": "present"},
        "sealed": {"type": "list", "elements": "str"},
        "recipient": {"type": "str", "default": ""},
        "defer": {"type": "bool", "default": False},
        "keep": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "adopt": {"type": "dict", "default": {}, "no_log": False},
        "move_to": {"type": "str", "choices": ["prepared", "promoted", "settled"]},
        "move": {"type": "list", "elements": "str", "default": []},
        "questions": {"type": "list", "elements": "dict", "default": [], "options": question},
        "folder": {"type": "path", "default": KEY_FOLDER},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    host = KeyHost(module.params["folder"], SystemRunner(), SystemFiles(), SystemRights())
    try:
        done = run_job(host, Job.read(module.params, module.check_mode))
    except KeyFailure as failure:
        module.fail_json(msg=f"{failure}", reason=failure.reason, steps=[])
    except CommandFailed as failure:
        module.fail_json(msg=f"{failure}", reason="system", steps=[])
    except OSError as failure:
        where = failure.filename or module.params["folder"]
        kept = "Every other key is whole, as it was or as it is to be"
        module.fail_json(msg=f"{where}: {failure.strerror or failure}. {kept}. {LOOK}", reason="system", steps=[])
    for note in done.pop("notes"):
        module.warn(note)
    module.exit_json(**done)


if __name__ == "__main__":
    main()
