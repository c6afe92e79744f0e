# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs have added to the network, remembered and put back by a shell script: it must also run when a change is rolled
back and nothing but the host itself is left.

Each object is a line of ``ip -batch`` with its family in front, as the kernel has it, so that two lists can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Sequence, Tuple

from ..backends.registry import BACKENDS

FOREIGN = "foreign.sh"
SAVE, RESTORE = "save", "restore"
LEFT = "foreign.left"
"""What could not be put back, as lines of ip(8)."""


@dataclass(frozen=True)
class Foreign:
    """What tells the script what is not to be put back: ``known`` are addresses of the inventory and of boot configurations.

    Of routes of protocol static only those of ``statics`` (destination and table) are, and none that the kernel or a lease made.
    """

    known: Tuple[str, ...] = ()
    statics: Tuple[Tuple[str, int], ...] = ()


_SCRIPT = r"""#!/bin/sh
# Remembers what programs have added to this host's network, and puts back what is missing. Part of a change made by smallfleet.infra.
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
cd @folder@ || exit 1

addresses() {
    timeout 20 ip -N -o -d address show | awk -v known=@known@ '
        BEGIN { n = split(known, list, " "); for (i = 1; i <= n; i++) skip[list[i]] }
        $3 == "inet" || $3 == "inet6" {
            gsub(/\\/, " "); n = split($0, w)
            ip = w[4]; sub("/.*", "", ip)
            if (w[2] == "lo" && w[4] ~ /^(127\.0\.0\.1\/8|::1\/128)$/) next  # not every kernel says that it is its own
            if (ip in skip || /valid_lft [0-9]/ || / proto (0x)?[123] / || (ip ~ /^fe[89ab]/ && w[4] !~ /\/128$/)) next
            line = (w[3] == "inet" ? 4 : 6) " address replace " w[4]
            for (i = 5; i <= n; i++) {
                if (w[i] ~ /^(peer|brd|scope|metric|proto)$/) { line = line " " w[i] " " w[i + 1]; i++ }
                else if (w[i] ~ /^(noprefixroute|mngtmpaddr|autojoin|home)$/) line = line " " w[i]
                else if (w[i] == "flags") i++
                else if (w[i] == "deprecated" && w[3] == "inet") line = line " valid_lft forever preferred_lft 0"  # whose time is not told
                else if (w[i] == "preferred_lft" && w[i + 1] != "forever") { line = line " valid_lft forever preferred_lft " w[i + 1] + 0 }
                else if (index(w[i], w[2] ":") == 1) line = line " label " w[i]
            }
            print line " dev " w[2] (w[3] == "inet6" ? " nodad" : "")
        }'
}
nexthops() {
    timeout 20 ip -N -o nexthop show | awk '
        $1 == "id" && !/proto (2|4|9|16)( |$)/ {
            gsub(/ (linkdown|dead|offload|trap|notify)/, ""); gsub(/ scope [0-9]+/, ""); sub(/ +$/, "")
            print 4 " nexthop replace " $0
        }'
}
# Types 2 to 5 (local, broadcast, anycast, multicast) are the kernel's. What expires comes again by itself
routes() {
    timeout 20 ip -N -o -d "-$1" route show table all | awk -v family="$1" -v statics=@statics@ '
        BEGIN {
            n = split(statics, list, " "); for (i = 1; i <= n; i++) ours[list[i]]
            kind["1"] = ""; kind["6"] = " blackhole"; kind["7"] = " unreachable"; kind["8"] = " prohibit"; kind["9"] = " throw"
        }
        ($1 in kind) && !/ expires / {
            gsub(/\\/, " "); n = split($0, w); table = 254; proto = 0; hop = 0; last = ""; many = 0
            for (i = 2; i <= n; i++) {
                if (w[i] ~ /^(linkdown|dead|pervasive|offload|rt_offload|rt_offload_failed|trap|rt_trap|notify|cache)$/) continue
                if (w[i] == "error") { i++; continue }
                if (w[i] == "nhid") hop = 1
                if (w[i] == "nexthop") many = 1
                if (hop && many) break
                if (hop && w[i] == "encap") { while (i < n && w[i + 1] !~ /^(via|dev|nexthop)$/) i++; continue }
                if (w[i] == "segs" && w[i + 2] == "[") {
                    inserted = last ~ / mode inline$/; segments = ""
                    for (i += 3; w[i] != "]" && i <= n; i++)
                        if (!(inserted && w[i] == "::" && w[i + 1] == "]")) segments = segments (segments == "" ? "" : ",") w[i]
                    last = last " segs " segments
                    continue
                }
                if (hop && w[i] ~ /^(via|dev|weight)$/) { if (w[i + 1] ~ /^inet6?$/) i++; i++; continue }
                if (w[i] == "table") table = w[i + 1]
                if (w[i] == "proto" && !many) proto = w[i + 1]
                last = last " " w[i]
            }
            if (proto ~ /^(1|2|9|16)$/ || (proto == 4 && !((w[2] "@" table) in ours))) next
            line = family " route " (many && family == 6 ? "replace" : "append") kind[w[1]] last
            if (/ via /) behind[++count] = line; else print line
        }
        END { for (i = 1; i <= count; i++) print behind[i] }'
}
rules() {
    timeout 20 ip -N -d "-$1" rule show | awk -v family="$1" '
        !/proto (2|4)( |$)/ {
            n = split($0, w); sub(":", "", w[1]); line = family " rule add priority " w[1]
            if (w[1] == 0 || (w[1] >= 32766 && w[1] <= 32767)) next
            for (i = 2; i <= n; i++) {
                if (w[i] ~ /^\[/) continue
                if (w[i] == "lookup" && w[i + 1] == "[l3mdev-table]") { line = line " l3mdev"; i++; continue }
                if (w[i] == "proto") w[i] = "protocol"
                if (w[i] == "ipproto") sub("^ipproto-", "", w[i + 1])
                line = line " " w[i]
            }
            print line
        }'
}
objects() {
    addresses; nexthops; routes 4; routes 6; rules 4; rules 6
}
@busy@uptime() {
    cut -d . -f 1 /proc/uptime
}
missing() {
    objects > foreign.now 2>foreign.log
    awk 'FILENAME == "foreign.now" { there[$0]; next } !($0 in there)' foreign.now foreign.before
}
at_once() {
    for family in 4 6; do
        sed -n "s/^$family //p" @left@ | timeout 20 ip -force "-$family" -batch - >>foreign.log 2>&1
    done
}
# ip(8) leaves a batch at the first line that it cannot read
one_by_one() {
    head -n 100 @left@ | while read -r family line; do
        echo "$line" | timeout 20 ip "-$family" -batch - >>foreign.log 2>&1
    done
}
case "$1" in
save)
    # Where the last one was cut off before it had put everything back, that is still to be done
    if [ -e foreign.pending ]; then cat foreign.before > foreign.pending; else : > foreign.pending; fi
    objects > foreign.now 2>foreign.log
    awk '!($0 in there) { there[$0]; print }' foreign.now foreign.pending > foreign.before
    ;;
restore)
    [ -e foreign.before ] || exit 0
    quiet=0
    end=$(($(uptime) + 20))
    : > @left@
    for turn in $(seq 30); do
        [ "$(uptime)" -lt $end ] || break
        [ ! -s foreign.before ] || missing > @left@
        if [ -s @left@ ]; then
            if cmp -s @left@ foreign.last; then one_by_one; else quiet=0; at_once; fi
            cp @left@ foreign.last
        fi
        if busy; then quiet=0; else quiet=$((quiet + 1)); fi
        [ $quiet -lt 3 ] || break
        sleep 0.1
    done
    rm -f foreign.pending
    ;;
esac
exit 0
"""


def foreign_script(folder: str, foreign: Foreign) -> str:
    """The script, which takes SAVE or RESTORE. What cannot be put back is tried again until nothing changes any more.

    That is 30 times or for 20 seconds at most: on a slow host each time takes seconds, and nobody can confirm the change meanwhile.
    """
    statics = " ".join(f"{_plain(destination)}@{table}" for destination, table in foreign.statics)
    text = _SCRIPT.replace("@busy@", busy_function([one.control.busy for one in BACKENDS.values() if one.control.busy]))
    words = {"folder": folder, "known": " ".join(foreign.known), "statics": statics, "left": LEFT}
    for name, value in words.items():
        text = text.replace(f"@{name}@", quote(value))
    return text


def busy_function(bodies: Sequence[str]) -> str:
    """The function that succeeds while any of the programs acts: on a host with several, not only that which is configured acts."""
    functions = "".join(f"busy_{number}() {{\n{body}}}\n" for number, body in enumerate(bodies))
    return functions + f"busy() {{\n    {' || '.join(f'busy_{number}' for number, _body in enumerate(bodies)) or 'false'}\n}}\n"


def _plain(destination: str) -> str:
    """As ip(8) prints it."""
    if destination in ("0.0.0.0/0", "::/0"):
        return "default"
    address, _slash, length = destination.partition("/")
    return address if length == ("128" if ":" in address else "32") else destination
