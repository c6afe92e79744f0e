# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a node: one update after the other, each acknowledged one written to a log. It ends when the server does.

Arguments: server, zone, file of the key, log.
"""

import re
import sys
import time

import dns.query
import dns.tsig
import dns.update

server, zone, key_file, log = sys.argv[1:]
with open(key_file, encoding="utf-8") as stream:
    name, algorithm, secret = re.search(r'key "(.+?)".*algorithm (.+?);.*secret "(.+?)"', stream.read(), re.DOTALL).groups()
key = dns.tsig.Key(name, secret, algorithm)
run, end = f"r{int(time.time())}", time.monotonic() + 120
with open(log, "w", encoding="utf-8", buffering=1) as acknowledged:
    for number in range(2000):
        update = dns.update.UpdateMessage(zone)
        update.absent(f"{run}-{number}.log", "TXT")
        update.add(f"{run}-{number}.log", 60, "TXT", str(number))
        update.use_tsig(key)
        try:
            answer = dns.query.tcp(update, server, timeout=5)
        except (OSError, EOFError, dns.exception.DNSException):
            break
        if answer.rcode() != 0 or time.monotonic() > end:
            break
        acknowledged.write(f"{run}-{number}\n")
