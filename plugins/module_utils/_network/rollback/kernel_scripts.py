# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's network in its own words: read before a change, put back by a rollback, and compared with what is there then.

``BACK`` reads the lines that ``kernel_words.NORMAL`` makes, of before and of now, and prints what is still to be done, or how they
differ. Nothing that a change did not make is deleted, unless it stands in the place of what was there.
"""

from __future__ import annotations

from shlex import quote
from typing import Dict, Sequence

from ..kernel.words import NORMAL

BEFORE, MEANWHILE, DIFFERS = "before", "meanwhile", "differs"
"""Files beside the scripts: the kernel's network before the change, that before the rollback, and how that after it differs."""

BACK = r"""
# Lines of before (the first file) and of now. Prints what is to be done, as FAMILY and a line for ip(8), or the differences.
# Between them, what was there when the rollback began. touched: the interfaces of the change. made: the addresses that it adds.
# turn: how often it has been tried.
function word(line, name,   rest) {
    rest = index(line " ", " " name " ")
    if (!rest) return ""
    rest = substr(line, rest + length(name) + 2)
    sub(/ .*/, "", rest)
    return rest
}
function same(line) {
    # what may pass: the seconds of a lifetime
    if (line ~ / valid_lft [1-9]/) { sub(/ deprecated /, " ", line); sub(/ preferred_lft 0/, " preferred_lft +", line) }
    while (match(line, / (expires|valid_lft|preferred_lft) [1-9][0-9]*/)) {
        split(substr(line, RSTART + 1, RLENGTH - 1), pair)
        line = substr(line, 1, RSTART) pair[1] " +" substr(line, RSTART + RLENGTH)
    }
    return line
}
function since(line,   n, left, deprecated) {
    # the line as it is given to the kernel: lifetimes less the time that has passed, and no word for what the kernel decides
    $0 = line
    line = ""
    for (n = 3; n <= NF; n++) {
        if ($n == "secondary") continue
        if ($n == "deprecated") { deprecated = 1; continue }
        if ($n == "preferred_lft" && deprecated) $(n + 1) = 0
        if (($n == "expires" || $n == "valid_lft" || $n == "preferred_lft") && $(n + 1) ~ /^[1-9][0-9]*$/) {
            left = $(n + 1) - passed
            if (left < 1) left = $n == "preferred_lft" ? 0 : 1
            line = line " " $n " " left
            n++
        } else line = line " " $n
    }
    return substr(line, 2)
}
function place(line,   parts, key) {
    # what the kernel goes by to find it
    split(line, parts, " ")
    if (parts[1] == "address") return parts[1] " " parts[2] " " bare(parts[3]) " " word(line, "dev")
    if (parts[1] == "nexthop") return parts[1] " " word(line, "id")
    if (parts[1] == "rule") return parts[1] " " parts[2] " " word(line, "priority")
    if (parts[1] != "route") return line
    key = parts[1] " " parts[2] " " parts[4] " " word(line, "table") " " word(line, "metric")
    return parts[5] == "tos" || parts[5] == "from" ? key " " parts[5] " " parts[6] : key
}
function bare(address) {
    sub(/\/.*/, "", address)
    return address
}
function anywhere(line) {
    line = same(line)
    gsub(/ dev [^ ]+/, "", line)
    return line
}
function of_the_host(line) {
    # made by people or by the program that configures the network, and not by a routing daemon
    return word(line, "proto") == "" || word(line, "proto") ~ /^(0|1|2|3|4|9|16)$/
}
function device(line) {
    return word(line, "dev")
}
function add(line, family,   parts) {
    busy = 1
    split(line, parts, " ")
    if (parts[1] == "link" && parts[5] == "master" && parts[6] in bonds) {
        # a bond takes no port that is up
        print 0 " link set dev " parts[4] " down"
        print 0 " link set " since(line)
        print 0 " link set dev " parts[4] " up"
    }
    else if (parts[1] == "link") print 0 " link set " since(line)
    else if (parts[1] == "address") print family " address add " since(line) (family == 6 && line !~ / nodad /  ? " nodad" : "")
    else if (parts[1] == "nexthop") print (line ~ / group /  ? 0 : family) " nexthop replace " since(line)
    else if (parts[1] == "fdb") print "bridge fdb replace " since(line)
    else if (parts[1] == "vlan") print "bridge vlan add " since(line) (device(line) in bridges ? " self" : "")
    else if (parts[1] == "neigh") print family " neigh replace " since(line)
    else print family " " parts[1] " " (parts[1] == "route" ? "append" : "add") " " since(line)
}
function remove(line, family,   parts) {
    split(line, parts, " ")
    if (parts[1] == "vlan") print "bridge vlan del dev " device(line) " vid " word(line, "vid") (device(line) in bridges ? " self" : "")
    else if (parts[1] == "address") print family " address del " parts[3] (parts[4] == "peer" ? " peer " parts[5] : "") " dev " device(line)
    else print family " " parts[1] " del " since(line)
}
BEGIN {
    split(touched, names, " ")
    for (n in names) ours[names[n]]
    split(made, names, " ")
    for (n in names) mine[names[n]]
}
$1 == "end" { whole[part + 0]; next }
$1 == "uptime" { if (!part) passed = -$2; if (part == 3) passed += $2; next }
part == 2 && $1 == "route" && device($0) in ours && anywhere($0) in somewhere { next }  # the change has moved it itself
part == 2 {
    if (($1 == "route" && !of_the_host($0)) || ($1 == "address" && !(bare($3) in mine) && !/ scope 253 /)) {
        since_then[++sinces] = $0
        if ($1 == "route" && !(same($0) in known)) newer[place($0) " " word($0, "proto")] = device($0)
    }
    next
}
!part {
    old[++olds] = $0
    known[same($0)]
    if ($1 == "address") held[place($0)]
    if ($1 == "route" && device($0) in ours) somewhere[anywhere($0)]
    if (!/ secondary /) before[same($0)]
    next
}
{
    current[++currents] = $0
    there[same($0)]++
    if ($1 == "link") exists[$4]
    if ($1 == "link" && $6 == "bridge") bridges[$4]
    if ($1 == "link" && $6 == "bond") bonds[$4]
}
END {
    for (name in exists) links++
    if (!links || !(0 in whole) || !(3 in whole)) exit 1  # what is missing was not read, or not written to a full disk
    befores = olds
    for (n = 1; n <= sinces; n++) if (!(same(since_then[n]) in known) && !(place(since_then[n]) in held)) old[++olds] = since_then[n]
    for (n = 1; n <= olds; n++) {
        line = old[n]
        name = device(line)
        split(line, parts, " ")
        if (name != "" && !(name in ours) && (parts[1] == "link" || !(name in exists))) continue
        key = place(line)
        if (n <= befores && !of_the_host(line) && (key " " word(line, "proto")) in newer) {
            # its program has changed it
            if (newer[key " " word(line, "proto")] == "" || newer[key " " word(line, "proto")] in exists) continue
        }
        if (n > befores && name != "" && !(name in exists)) continue
        wanted[same(line)]++
        group[key] = group[key] == "" ? n : group[key] " " n
        if (there[same(line)] > 0) { there[same(line)]--; continue }
        if (name != "" && !(name in exists)) { absent[n]; lost[name]; continue }
        absent[n]
        lacks[key] = 1
    }
    for (n = 1; n <= currents; n++) {
        line = current[n]
        if (wanted[same(line)] > 0) { wanted[same(line)]--; continue }
        extra[n]
        if (line ~ /^address/) added[device(line)]
        key = place(line)
        intruder[key] = intruder[key] == "" ? n : intruder[key] " " n
    }
    if (mode == "compare") {
        for (n = 1; n <= olds; n++) if (n in absent) print "missing: " substr(old[n], 1, 300)
        for (n = 1; n <= currents; n++) {
            if (!(n in extra)) continue
            line = current[n]
            split(line, parts, " ")
            if (parts[1] == "link" || !of_the_host(line)) continue
            if (device(line) in ours || (device(line) == "" && lacks[place(line)])) print "added: " substr(line, 1, 300)
        }
        exit
    }
    for (n = olds; n >= 1; n--) {  # the kernel puts a new IPv6 address before the others
        if (n in absent && old[n] ~ /^address 6/) back_to_its_address(n, 6)
    }
    for (n = 1; n <= olds; n++) {
        if (!(n in absent) || n in done) continue
        line = old[n]
        split(line, parts, " ")
        if (line ~ /^address 6/) continue
        if (line ~ /^address/) back_to_its_address(n, 4)
        else if (line ~ /^(route|rule)/) back_in_order(n, parts[2])
        else add(line, parts[2])
    }
    if (!busy) for (name in ours) back_in_place(name)
    for (n in extra) {
        if (current[n] ~ /^vlan/ && device(current[n]) in ours) remove(current[n], 0)
        # what stands beside what was alone in its place: an address with another prefix length, a route that a service has set again
        key = place(current[n])
        if (current[n] ~ /^(address|route)/ && device(current[n]) in ours && of_the_host(current[n]) && key in group && !(key in lacks))
            remove(current[n], current[n] ~ /^(address|route) 6/ ? 6 : 4)
        # the network of an address that was not to have it
        if (current[n] ~ /^route/ && word(current[n], "proto") == 2 && device(current[n]) in ours && !(device(current[n]) in added)) {
            split(current[n], parts, " ")
            remove(current[n], parts[2])
        }
    }
}
function back_to_its_address(n, family,   others, parts, rival) {
    if (intruder[place(old[n])] == "") { add(old[n], family); return }
    split(intruder[place(old[n])], others, " ")
    split(old[n], parts, " ")
    split(current[others[1]], rival, " ")
    # the kernel changes lifetimes and flags, and not the rest: that takes a new one
    if (turn % 2 == 1 && parts[3] == rival[3]) print family " address change " since(old[n])
    else { remove(current[others[1]], family); add(old[n], family) }
}
function back_in_place(name,   n, m, from) {
    # IPv4 has its addresses in the order in which they came, and sends from the first
    for (n = 1; n <= olds; n++) {
        if (old[n] !~ /^address 4/ || old[n] ~ / secondary / || device(old[n]) != name) continue
        for (m++; m <= currents; m++) if (current[m] ~ /^address 4/ && device(current[m]) == name && same(current[m]) in before) break
        if (m <= currents && same(current[m]) != same(old[n])) from = 1
        if (from) { remove(old[n], 4); add(old[n], 4) }
    }
}
function back_in_order(n, family,   key, count, members, others, m) {
    # of several in one place, the first counts: all of them, in their order
    key = place(old[n])
    count = split(intruder[key], others, " ")
    for (m = 1; m <= count; m++) {
        if (old[n] ~ /^route/ && of_the_host(old[n]) && of_the_host(current[others[m]])) remove(current[others[m]], family)
    }
    count = split(group[key], members, " ")
    for (m = 1; m <= count; m++) if (!(members[m] in absent)) remove(old[members[m]], family)
    for (m = 1; m <= count; m++) { add(old[members[m]], family); done[members[m]] }
}
"""

KERNEL = r"""
# Functions of the scripts beside it.
kernel() {{
    read -r up rest < /proc/uptime
    echo "uptime ${{up%.*}}"
    links=$(timeout 20 ip -N -d -o link show) || return 1
    printf '%s\n' "$links" | awk -v kind=link -f normal.awk || return 1
    addresses=$(timeout 20 ip -N -d -o address show) || return 1
    printf '%s\n' "$addresses" | awk -v kind=address -f normal.awk || return 1
    {{
        reading ip -N -d -o nexthop show | awk -v kind=nexthop -f normal.awk || return 1
        for family in 4 6; do
            reading ip -$family -N -d -o route show table all | awk -v kind=route -v family=$family -f normal.awk || return 1
            reading ip -$family -N -d rule show | awk -v kind=rule -v family=$family -f normal.awk || return 1
        done
        reading ip -N -o neigh show nud permanent | awk -v kind=neigh -f normal.awk || return 1
        reading ip -N -o neigh show proxy | awk -v kind=neigh -f normal.awk || return 1
        reading bridge vlan show | awk -v kind=vlan -f normal.awk || return 1
        reading bridge fdb show | awk -v kind=fdb -f normal.awk || return 1
        echo end
    }} 2>/dev/null
}}
# What a kernel or an ip(8) does not know may fail. What was ended before it had printed everything says so
reading() {{
    timeout 20 "$@"
    case $? in 124 | 137) echo cut ;; esac
}}
remember() {{
    (umask 077 && kernel > {before}.new) && sync {before}.new && mv {before}.new {before} && sync .
}}
# What there is when the rollback begins: what programs have entered since, which the rollback may take along
meanwhile() {{
    [ ! -s {before} ] || [ -e {meanwhile} ] || (umask 077 && kernel > {meanwhile}.new && mv {meanwhile}.new {meanwhile})
}}
back() {{
    since=/dev/null
    [ ! -s {meanwhile} ] || since={meanwhile}
    kernel | awk -v "touched=$touched" -v "made=$made" -v "turn=$1" -v "mode=${{2-}}" -f back.awk {before} part=2 "$since" part=3 -
}}
# Until nothing is left to be done: an address that comes back may take others with it
again() {{
    [ -s {before} ] || return 0
    for turn in 1 2 3 4; do
        lines=$(back "$turn") || return 1
        [ -n "$lines" ] || return 0
        for family in 0 4 6; do
            printf '%s\n' "$lines" | sed -n "s/^$family //p" | timeout 20 ip $(echo "-$family" | grep -v 0) -force -batch -
        done
        printf '%s\n' "$lines" | sed -n "s/^bridge //p" | timeout 20 bridge -force -batch -
    done
}}
# What the kernel does by and by, such as a link-local address, has some seconds for it
compare() {{
    [ -s {before} ] || {{ : > {differs} && return 0; }}
    for turn in $(seq 6); do
        again
        lines=$(back 1 compare) || return 1
        [ -n "$lines" ] || break
        sleep 0.5
    done
    # on a full disk nothing is said, for an empty file would say that all is the same
    (umask 077 && printf '%s' "$lines" | head -n 20 > {differs}.new && mv {differs}.new {differs})
}}
touched={touched}
made={made}
"""


def kernel_files(touched: Sequence[str], made: Sequence[str]) -> Dict[str, str]:
    """File name -> content of what the scripts read the kernel with. ``touched`` are the interfaces of the change, ``made`` the
    addresses that it adds.
    """
    names = {"before": BEFORE, "meanwhile": MEANWHILE, "differs": DIFFERS}
    functions = KERNEL.lstrip().format(**names, touched=quote(" ".join(touched)), made=quote(" ".join(made)))
    return {"kernel.sh": functions, "normal.awk": NORMAL.lstrip(), "back.awk": BACK.lstrip()}
