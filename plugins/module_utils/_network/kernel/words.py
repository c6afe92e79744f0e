# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ip(8) and bridge(8) print, as lines that they take: ``KIND FAMILY WORDS``.

So an attribute that the planner has no field for is kept like any other. awk(1) does it, since a rollback must need no more than a
shell. Measured with iproute2 6.1 and 6.15.
"""

from __future__ import annotations

NORMAL = r"""
# What ip(8) prints (-N -d -o) as lines that it takes. Words that say how something fares, and not what it is, are left out.
BEGIN {
    types = "unicast local broadcast anycast multicast blackhole unreachable prohibit throw nat"
    count = split(types, type)
    fares["linkdown"]; fares["dead"]; fares["pervasive"]; fares["offload"]; fares["offload_failed"]; fares["trap"]
    fares["rt_offload"]; fares["rt_trap"]; fares["unresolved"]; fares["notify"]; fares["cache"]; fares["tentative"]
    fares["dadfailed"]; fares["optimistic"]; fares["dynamic"]; fares["stable-privacy"]
    fares["[detached]"]; fares["[unresolved]"]
    split("from to tos dsfield dscp fwmark iif oif uidrange ipproto sport dport lookup suppress_prefixlength suppress_ifgroup " \
        "realms map-to goto proto tun_id flowlabel", words)
    for (n in words) argument[words[n]]
    split("priority cost hairpin guard root_block fastleave learning flood proxy_arp proxy_arp_wifi mcast_router mcast_flood " \
        "bcast_flood mcast_to_unicast neigh_suppress group_fwd_mask vlan_tunnel isolated locked mab backup_port", words)
    for (n in words) settable["bridge_slave", words[n]]
    split("forward_delay hello_time max_age ageing_time stp_state priority vlan_filtering vlan_protocol vlan_default_pvid " \
        "vlan_stats_enabled group_fwd_mask mcast_snooping mcast_vlan_snooping no_linklocal_learn mcast_router " \
        "mcast_query_use_ifaddr mcast_querier mcast_hash_max mcast_last_member_count mcast_startup_query_count " \
        "mcast_last_member_interval mcast_membership_interval mcast_querier_interval mcast_query_interval " \
        "mcast_query_response_interval mcast_startup_query_interval mcast_stats_enabled mcast_igmp_version mcast_mld_version " \
        "nf_call_iptables nf_call_ip6tables nf_call_arptables", words)
    for (n in words) settable["bridge", words[n]]
    tagging["REORDER_HDR"]; tagging["GVRP"]; tagging["MVRP"]; tagging["LOOSE_BINDING"]; tagging["BRIDGE_BINDING"]
    split("queue_id prio", words)
    for (n in words) settable["bond_slave", words[n]]
    split("miimon updelay downdelay peer_notify_delay use_carrier arp_interval arp_ip_target ns_ip6_target arp_validate " \
        "arp_all_targets arp_missed_max primary primary_reselect fail_over_mac xmit_hash_policy resend_igmp num_grat_arp " \
        "all_slaves_active min_links lp_interval packets_per_slave lacp_active lacp_rate ad_select", words)
    for (n in words) settable["bond", words[n]]
}
$0 == "cut" { exit 1 }
{ whole = $0 }
kind == "link" {
    # 3: eth0@far0: <BROADCAST,UP> mtu 1500 qdisc noqueue master br0 ...\ link/[1] 22:53:.. brd ff:..\ veth \ bridge_slave state ...
    name = $2; sub(/:$/, "", name); sub(/@.*/, "", name)
    start = "link 0 dev " name " "
    flags = "," substr($3, 2, length($3) - 2) ","
    print start "arp " (flags ~ /,NOARP,/ ? "off" : "on")
    print start "multicast " (flags ~ /,MULTICAST,/ ? "on" : "off")
    print start "allmulticast " (flags ~ /,ALLMULTI,/ ? "on" : "off")
    print start "promisc " (flags ~ /,PROMISC,/ ? "on" : "off")
    master = "nomaster"; detail = ""; details = ""; filtering = ""
    for (n = 4; n <= NF; n++) {
        word = $n; sub(/\\$/, "", word); following = $(n + 1); sub(/\\$/, "", following)
        if ($n ~ /^link\//) { if (following ~ /:/ ) print start "address " following; n++; continue }
        if (detail == "" && (word == "mtu" || word == "group")) { print start word " " following; n++; continue }
        if (detail == "" && word == "qlen") { print start "txqueuelen " following; n++; continue }
        if (detail == "" && word == "master") { master = "master " following; n++; continue }
        if (word == "addrgenmode") { print start "addrgenmode " following; n++; continue }
        if (word ~ /^(bridge|bond|vlan|bridge_slave|bond_slave)$/ && $(n - 1) ~ /\\$/) { detail = word; continue }
        if (detail == "vlan" && word ~ /^</) {
            # <REORDER_HDR,GVRP>
            for (flag in tagging) details = details start "type vlan " tolower(flag) (word ~ "[<,]" flag "[,>]" ? " on\n" : " off\n")
            continue
        }
        if (detail == "vlan" && word ~ /^(in|e)gress-qos-map$/) {
            # { 1:5 2:6 }
            for (n += 2; $n ~ /^[0-9]+:[0-9]+$/; n++) details = details start "type vlan " word " " $n "\n"
            continue
        }
        if (word != "" && $(n - 1) ~ /\\$/) detail = "other"
        if (word == "vlan_protocol") { sub(/^\[33024\]$/, "802.1Q", following); sub(/^\[34984\]$/, "802.1ad", following) }
        if ((detail, word) in settable) {
            if (word == "vlan_filtering") filtering = start "type bridge vlan_filtering " following "\n"
            else details = details start "type " detail " " word " " following "\n"
            n++
        }
    }
    print start master
    # a bridge that filters takes no other vlan_default_pvid; a bond takes no port that is up, and many options only while it is down
    printf "%s", details filtering
    print start (flags ~ /,UP,/ ? "up" : "down")
    next
}
kind == "address" {
    # 3: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope 0 secondary eth0:1\ valid_lft forever preferred_lft forever
    if ($3 != "inet" && $3 != "inet6") next
    name = $2; sub(/@.*/, "", name)
    family = $3 == "inet" ? 4 : 6
    cut = index(whole, "\\")
    ends = substr(whole, cut + 1); gsub(/sec/, "", ends); gsub(/\\/, "", ends); gsub(/^ +| +$/, "", ends)
    $0 = substr(whole, 1, cut - 1)
    line = ""; label = ""; skip = 0
    for (n = 4; n <= NF; n++) {
        if ($n == "temporary") skip = 1
        else if ($n == "flags") n++
        else if ($n == "any") line = line " anycast"
        else if ($n in fares) continue
        else if (family == 4 && n == NF && n > 5 && $(n - 1) != "scope" && $n !~ /^(secondary|deprecated|noprefixroute)$/)
            label = $n == name ? "" : " label " $n
        else line = line " " $n
    }
    if (!skip) print "address " family line label " dev " name " " ends
    next
}
kind == "rule" {
    # 100: not from 192.0.2.0/24 fwmark 0x5/0x7 oif nope [detached] lookup 254 suppress_prefixlength 0 proto 17
    line = "rule " family " priority " ($1 + 0)
    for (n = 2; n <= NF; n++) {
        if ($n == "lookup" && $(n + 1) == "[l3mdev-table]") { line = line " l3mdev"; n++ }
        else if ($n in fares) continue
        else if ($n in argument) { value = $(n + 1); sub(/^ipproto-/, "", value); line = line " " $n " " value; n++ }
        else line = line " " ($n ~ /^[0-9]+$/ && $n < count ? type[$n + 0] : $n)
    }
    print line
    next
}
kind == "vlan" {
    # port vlan-id\neth0 1 PVID Egress Untagged\n     10
    if (NR == 1) next
    n = 1
    if ($0 ~ /^[^ \t]/) { port = $1; n = 2 }
    if ($n ~ /^[0-9]+$/) print "vlan 0 dev " port " vid " $n ($0 ~ / PVID/ ? " pvid" : "") ($0 ~ / Untagged/ ? " untagged" : "")
    next
}
/^[ \t]/ { next }  # what belongs to the line above: a nexthop object that is listed by itself
kind == "nexthop" {
    # id 2 via 192.0.2.2 dev eth0 scope 253 proto 17 onlink
    line = ""; gsub(/\\/, " ")
    for (n = 1; n <= NF; n++) {
        if ($n == "scope" || $n == "unbalanced_time" || ($n == "proto" && $(n + 1) == "0")) n++
        else if (!($n in fares)) line = line " " $n
    }
    print "nexthop " ($0 ~ / via [0-9a-f]*:/ ? 6 : 4) line
    next
}
kind == "neigh" {
    # 2001:db8::77 dev eth0 lladdr 02:00:00:00:00:77 router PERMANENT proto 17
    line = ""; proxy = ""
    for (n = 2; n <= NF; n++) {
        if ($n == "proxy") proxy = " proxy"
        else line = line " " ($n == "PERMANENT" ? "nud permanent" : $n)
    }
    print "neigh " ($1 ~ /:/ ? 6 : 4) proxy " " $1 line
    next
}
kind == "fdb" {
    # 02:00:00:00:00:99 dev eth0 vlan 5 master br0 static: flushed when the port leaves its bridge
    if ($0 ~ / static/ && $0 ~ / master /) {
        line = ""
        for (n = 2; n <= NF; n++) if ($n == "dev" || $n == "vlan") { line = line " " $n " " $(n + 1); n++ }
        print "fdb 0 " $1 line " master static" ($0 ~ / sticky/ ? " sticky" : "")
    }
    next
}
kind == "route" {
    # 1 default table 254 proto 3 scope 0 \ nexthop via 192.0.2.1 dev eth0 weight 3 \ nexthop via 192.0.2.2 dev eth0 weight 1
    gsub(/\\/, " "); $1 = $1
    if ($0 ~ / table 255 / && $0 ~ / proto 2( |$)/) next  # the kernel's own, which come and go with the addresses
    line = "route " family " " ($1 ~ /^[0-9]+$/ && $1 <= count ? type[$1 + 0] : $1)
    object = 0
    for (n = 2; n <= NF; n++) {
        if ($n == "nhid") object = 1
        if (object && ($n == "dev" || $n == "weight" || $n == "via")) { n += ($n == "via" && $(n + 1) ~ /^inet6?$/) ? 2 : 1; continue }
        if (object && ($n == "nexthop" || $n == "onlink")) continue
        if (object && $n == "encap") { while (n < NF && $(n + 1) !~ /^(via|dev|nexthop)$/) n++; continue }
        if ($n == "error") { n++; continue }
        if ($n in fares) continue
        if ($n == "expires") { line = line " expires " ($(n + 1) + 0); n++; continue }
        if ($n == "rto_min" && $(n + 1) == "lock") { line = line " rto_min"; n++; continue }
        if ($n == "segs" && $(n + 2) == "[") {
            segments = ""; inserted = line ~ / mode inline$/  # ip(8) puts the "::" behind them that stands for the destination
            for (n += 3; $n != "]" && n <= NF; n++)
                if (!(inserted && $n == "::" && $(n + 1) == "]")) segments = segments (segments == "" ? "" : ",") $n
            line = line " segs " segments
            continue
        }
        line = line " " $n
    }
    print line
}
"""
