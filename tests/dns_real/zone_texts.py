# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zone files as people and programs write them, generated from a seed: every layout that RFC 1035 section 5 and BIND allow."""

from __future__ import annotations

from random import Random
from typing import Callable, Dict, List

ZONE = "example.org."
ORIGINS = ("example.org.", "deep.example.org.", ".", "org.", "other.example.net.", "deep", "@")
LABELS = ("www", "mail", "a-b", "_sip._tcp", "*.wild", "UPPER", "x\\.y", "sp\\032ace", "\\119eb", "n\\\\m", "1", "deep", "xn--mnchen-3ya")
TARGETS = ("mail", "www.example.org.", "@", "Host.Example.NET.", "x\\.y", "deep.example.org.")
TTLS = ("60", "300", "1h", "1H30m", "2d", "1w", "0", "90s", "3600")
STRINGS = ('"v=spf1 -all"', '"a;b"', '"(x)"', '"say \\"hi\\""', '"\\200\\010"', "plain", "es\\;caped", '"two" "strings"', '""', '"a""b"')
MISTAKES = (
    *("$TTL", "$TTL 1x", "$ORIGIN", "$BAD x", "$GENERATE 1-2 g$ A 192.0.2.$ more", "$GENERATE 1-2/0 g$ A 192.0.2.$"),
    *("www.example.org. 60 A 192.0.2.256", "www.example.org. 60 A", "www.example.org. 60", "www.example.org.", "www 1h30 A 192.0.2.1"),
    *("example.org. 60 MX mail", "example.org. 60 MX 65536 mail", "www.example.org. 60 IN 60 A 192.0.2.1", "a.example.org. SRV 0 5 mail"),
    *("x 60 TXT ( open", "y ) 60 A 192.0.2.1", '"open', 'x.example.org. 60 TXT "open\n"', "x.example.org. 60 TXT \\"),
    *("a..b 60 A 192.0.2.1", f"{'a' * 64}.example.org. 60 A 192.0.2.1", "\\300.example.org. A 192.0.2.1", "x.example.org. A 192.0.2.1 more"),
    *("cn.example.org. 60 CNAME a\ncn.example.org. 60 CNAME b", "cn.example.org. 60 CNAME a\ncn.example.org. 60 A 192.0.2.1"),
)


def _target(random: Random) -> str:
    return random.choice(TARGETS)


VALUES: Dict[str, Callable[[Random], str]] = {
    "A": lambda random: f"192.0.2.{random.randrange(1, 255)}",
    "AAAA": lambda random: random.choice(("2001:db8::1", "2001:DB8:0::0:2", "::ffff:192.0.2.1")),
    "MX": lambda random: f"{random.randrange(99)} {_target(random)}",
    "NS": lambda random: random.choice(("ns.example.net.", "ns2.example.net.")),
    "PTR": _target,
    "SRV": lambda random: f"0 5 5060 {_target(random)}",
    "TXT": lambda random: " ".join(random.choices(STRINGS, k=random.randrange(1, 3))),
    "CAA": lambda random: random.choice(('0 issue "ca.example.com"', "128 ISSUEWILD ;".replace(";", '";"'), "0 iodef mailto:a@example.org")),
    "DS": lambda random: f"12345 13 2 {'Ab' * 16} {'cd' * 16}",
    "SSHFP": lambda random: f"4 2 {'0A' * 16} {'b1' * 16}",
    "TLSA": lambda random: random.choice((f"3 1 1 {'0A' * 16} {'b1' * 16}", f"3 1 0 {'b1' * 200}")),
    "HTTPS": lambda random: random.choice(("1 . alpn=h2,h3", '1 www alpn="h2" port=8443', "0 www.example.org.")),
    "NAPTR": lambda random: f'100 10 "U" "SIP+D2U" "!^.*$!sip:a@example.org!" {_target(random)}',
    "TYPE65280": lambda random: random.choice(("\\# 3 abcdef", "\\# 4 ( abcd\n\tef01 ) ", "\\# 0")),
}


def zone_text(seed: int) -> str:
    """A zone file. Some have a mistake for which servers refuse it."""
    random = Random(seed)
    lines = _head(random)
    for _line in range(random.randrange(3, 14)):
        lines.append(_line_of(random))
    if random.random() < 0.15:
        lines.insert(random.randrange(2, len(lines)), random.choice(MISTAKES))
    ends = ("\n", "\n\n \n; end", "" if lines[-1][:1] not in ("", "$") else "\n")  # BIND refuses a directive at the very end
    text = "\n".join(lines) + random.choice(ends)
    return text.replace("\n", "\r\n") if random.random() < 0.3 else text


def _head(random: Random) -> List[str]:
    """The beginning, in the forms in which the zone's own name and the first TTL may be said."""
    soa = "ns.example.net. host 1 ( 2\n 3 4 ; comment )\n 5 )"
    ttl = random.choice(TTLS)
    return random.choice(
        (
            [f"$TTL {ttl}", f"@ IN SOA {soa}", "  NS ns.example.net."],
            [f"@ {ttl} IN SOA {soa}", "\tIN NS ns.example.net."],
            [f"$ORIGIN .\n$TTL {ttl} ; all", f"example.org IN SOA {soa}", "\t\t\tNS\tns.example.net."],
            [f"example.org. IN {ttl} SOA {soa}", "EXAMPLE.org. NS ns.example.net."],
            [f"; comment\n\n$ttl {ttl}\n$ORIGIN org.", f"example SOA {soa}", "example NS ns.example.net."],
        )
    )


def _line_of(random: Random) -> str:
    dice = random.random()
    if dice < 0.08:
        return f"$ORIGIN {random.choice(ORIGINS)}"
    if dice < 0.12:
        return f"$TTL {random.choice(TTLS)}"
    if dice < 0.16:
        return random.choice(("", "   ", '; comment ( " ', "\t; more"))
    if dice < 0.24:
        return _generate(random)
    kind = random.choice(sorted(VALUES))
    owner = random.choice((*LABELS, "", "", "@", "host.example.org.", "outside.example.net."))
    if kind in ("DS", "NS"):  # which servers refuse at the zone's own name, or at a wildcard
        owner = random.choice(("child", "child2.deep.example.org."))
    ttl, network = random.choice((random.choice(TTLS), "", "")), random.choice(("IN", "in", "", "CLASS1"))
    parts = random.choice(([ttl, network], [network, ttl]))
    spelled = random.choice((kind, kind.lower()))
    value = VALUES[kind](random)
    if random.random() < 0.2 and "\n" not in value:
        value = f"( {value} ; why\n )"
    if random.random() < 0.1:
        spelled = f"( {spelled}\n\t"
        value += " )"
    end = random.choice(("", "", " ", "\t; comment"))
    return random.choice((" ", "\t ")).join([owner, *filter(None, parts), spelled, value]) + end


def _generate(random: Random) -> str:
    return random.choice(
        (
            "$GENERATE 1-3 host$ A 192.0.2.$",
            "$GENERATE 0-8/4 h${0,3,d} 60 IN A 192.0.2.${10}",
            "$generate 1-2 $.${1,2,x}.wild IN 300 CNAME c$-${-1,2,o}",
            '$GENERATE 1-2 mx$ MX "10 mail$"',
            '$GENERATE 1-2 t$ 60 TXT "\\"text $$ \\$ $\\""',
            "$GENERATE 10-12 ${0,7,n}.nibble PTR h${3,4,X} ; comment",
            "$GENERATE 1-2 @ A 192.0.2.$",
            "$GENERATE 1-2 out$.example.net. A 192.0.2.$",
            "$GENERATE 2-1 a$ A 192.0.2.$",
        )
    )
