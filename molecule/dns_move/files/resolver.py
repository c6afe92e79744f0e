# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks as a resolver with a cache does, from the parent down, several times a second, and writes what came back.

One line for each question: the server that answered, the question, and ``ok`` or what was wrong. Nothing but what the
parent says leads to a server, and what the parent said is believed for its TTL, and not longer.
"""

import random
import sys
import time

import dns.message
import dns.query
import dns.rdatatype

PARENT, ZONE = "198.18.0.31", "moved.example.net."
WANTED = {
    ("www", "A"): {"198.18.0.80", "198.18.0.81"},
    ("www", "AAAA"): {"2001:db8:0:1::80"},
    ("pc7", "A"): {"198.18.0.107"},
    ("mail", "A"): {"198.18.0.25"},
    ("_sip._tcp", "SRV"): {"0 5 5060 mail.moved.example.net."},
    ("any", "A"): {"198.18.0.99"},
    ("nothing", "A"): set(),
}


def ask(server, name, kind):
    return dns.query.udp(dns.message.make_query(name, kind, flags=0), server, timeout=3)


def delegation():
    """An address of the zone's server as the parent has it, and for how long that may be believed."""
    answer = ask(PARENT, ZONE, "NS")
    (servers,) = [one for one in answer.authority + answer.answer if one.rdtype == dns.rdatatype.NS]
    name = random.choice(list(servers)).target
    glue = [one for one in answer.additional if one.name == name and one.rdtype == dns.rdatatype.A]
    found = glue or ask(PARENT, name, "A").answer
    return found[0][0].address, time.monotonic() + servers.ttl


def main(path):
    server, believed = "", 0.0
    with open(path, "a", encoding="utf-8", buffering=1) as log:
        while True:
            (record, kind), wanted = random.choice(list(WANTED.items()))
            name = f"x{random.randrange(10**6)}.any.{ZONE}" if record == "any" else f"{record}.{ZONE}"
            try:
                if time.monotonic() >= believed:
                    server, believed = delegation()
                answer = ask(server, name, kind)
                found = {value.to_text() for one in answer.answer for value in one}
                right = found == wanted and answer.rcode() in (0, 3)
                said = "ok" if right else f"WRONG {answer.rcode()} {sorted(found)}"
            except Exception as error:  # noqa: BLE001  # whatever it is, the name was not resolved
                said = f"WRONG {error!r}"
            log.write(f"{server} {record} {kind} {said}\n")
            time.sleep(0.1)


main(sys.argv[1])
