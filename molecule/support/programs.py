# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs add to a host's network, made by ip(8) with their protocols, priorities and tables. The programs themselves are not
in the lab.
"""

from __future__ import annotations

from typing import List

from moving import Mover

V4, V6 = "198.18.0.{vip}", "2001:db8:0:1::{vip}"
LIKE = {
    "flannel": ("-4 route add 198.19.1.0/24 via {peer} dev {card}",),
    "Calico's bird": (
        "-4 route add 198.19.2.0/26 via {peer} dev {card} proto bird",
        "-4 route add blackhole 198.19.2.64/26 proto 80",
        "-6 route add 2001:db8:2::/64 via fe80::13 dev {card} proto bird",
    ),
    "Tailscale": (
        "-4 rule add priority 5210 fwmark 0x80000/0xff0000 lookup main",
        "-4 rule add priority 5270 lookup 52",
        "-4 route add 198.19.3.7 dev {card} table 52",
        "-6 rule add priority 5270 lookup 52",
    ),
    "wg-quick": (
        "-4 rule add not fwmark 51820 table 51820 priority 32764",
        "-4 rule add table main suppress_prefixlength 0 priority 32765",
        "-4 route add 198.19.4.0/24 dev {card} table 51820",
    ),
    "Docker": ("link add docker0 type bridge", "address add 198.19.6.1/24 dev docker0", "link set docker0 up"),
    "keepalived": (
        "address add {v4}/32 dev {card} proto 18",
        "address add {labelled}/24 dev {card} label {card}:vip",
        "address add {v6}/128 dev {card} nodad preferred_lft 0",
        "-4 route add 198.19.5.0/24 via {peer} dev {card} proto keepalived src {v4}",
    ),
}
PRIORITIES = (5210, 5270, 32764, 32765)
LOOK = (
    "ip -o -d address show dev {card} | sed 's/^[0-9]*: //; s/[a-z]*_lft [1-9][0-9]*sec//g' | grep -e {v4}/ -e {labelled}/ -e {v6}/; "
    "for family in 4 6; do ip -N -$family route show table all | grep -e 198.19. -e 2001:db8:2:; ip -N -$family rule show; done"
)


class Programs:
    """Those of one host. Each has virtual addresses of its own, which are 100 and 200 more than the number of the host."""

    def __init__(self, mover: Mover) -> None:
        self.mover = mover
        v4, labelled = (V4.format(vip=mover.number + more) for more in (100, 200))
        self.words = {"v4": v4, "labelled": labelled, "v6": V6.format(vip=mover.number + 100), "peer": f"198.18.0.{mover.peer_number}"}
        self.virtual = [v4, labelled, self.words["v6"]]

    def add(self, card: str) -> None:
        lines = [line.format(card=card, **self.words) for lines in LIKE.values() for line in lines]
        self.mover.on("set -e; " + "; ".join(f"ip {line}" for line in lines))

    def seen(self, card: str) -> List[str]:
        """All of it, as the kernel has it, with the interface called CARD."""
        return sorted(self.mover.on(LOOK.format(card=card, **self.words)).replace(card, "CARD").splitlines())

    def remove(self, card: str) -> None:
        lines = [f"ip -{family} rule del priority {number}" for number in PRIORITIES for family in (4, 6)]
        lines += [f"ip -{family} route flush {what}" for family in (4, 6) for what in ("table 52", "table 51820", "proto bird", "proto 80", "proto keepalived")]
        lines += [f"ip address del {one}/{length} dev {card}" for one, length in zip(self.virtual, (32, 24, 128))]
        lines += ["ip route del 198.19.1.0/24", "ip link delete docker0"]
        self.mover.on(f"exec 2>&1; {'; '.join(lines)}; :")
