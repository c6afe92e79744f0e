# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of every module that talks to a DNS server."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by the C(dns_*) modules."""

    DOCUMENTATION = r"""
options:
  server:
    description:
      - Address or name of an authoritative server of the zone; for updates, of the one that takes them.
      - Questions are asked straight of this server too, so that no cache stands between.
    type: str
    required: true
  port:
    description: Port of the server.
    type: int
    default: 53
  protocol:
    description:
      - How messages are sent. Over V(udp), an update must fit into one packet and an answer that was cut is an error.
    type: str
    choices: [tcp, udp]
    default: tcp
  timeout:
    description: Seconds to wait for the connection, and for the answer to each message.
    type: float
    default: 10.0
  key_name:
    description: Name of the TSIG key that signs all messages, questions too.
    type: str
  key_secret:
    description: Secret of the key, in base64.
    type: str
  key_algorithm:
    description:
      - Algorithm of the key. Servers answer BADKEY when it is not the one they know the key by.
      - With V(gss-tsig) there is no key to name, for it is agreed on by Kerberos (RFC 3645). O(server) must then be the
        server's whole name, and the environment of the module must lead to credentials (C(KRB5CCNAME), or
        C(KRB5_CLIENT_KTNAME) for a keytab). It needs the Python library gssapi (Debian package C(python3-gssapi)) on
        the host where the module runs. Since version 0.2.0.
    type: str
    choices: [hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha1, hmac-md5, gss-tsig]
    default: hmac-sha256
  key_file:
    description:
      - Path, on the host where the module runs, of a file that holds the key as C(tsig-keygen) prints it.
      - Name, secret and algorithm are taken from it, so that the secret need not leave that host.
    type: path
requirements:
  - dnspython 2.3 or later on the host where the module runs (Debian package C(python3-dnspython))
"""
