# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What else may configure the inventory's interfaces at boot, beside the program that was chosen and its files.

Whether it will cannot be known from outside, so these are warnings.
"""

from __future__ import annotations

import re
from typing import Iterator, List, Tuple

from ..backends.base import present
from ..model import Files
from .findings import Boot, setting, word
from .interfaces5 import changes_network
from .rewriters import Writers

LOCAL = "/etc/rc.local"
UNITS: Tuple[str, ...] = ("dhcpcd.service", "connman.service", "wickedd.service")
"""Programs that take every interface when they run."""
_GENERATED = re.compile(
    r"^#.*?(do not (?:edit|modify|change)|automatically (?:generated|created)|auto-?generated|generated (?:by|automatically|from)|managed by|"
    r"written by|will be (?:overwritten|lost))",
    re.IGNORECASE | re.MULTILINE,
)
_INSTALLERS = re.compile(r"subiquity|curtin|debian-installer|smallfleet|the datasource", re.IGNORECASE)
_HEAD = 2000


def generated(files: Files, boot: Boot) -> Iterator[str]:
    """Files of others that say of themselves that a program writes them, and that the change takes something out of."""
    for one in files.changes:
        head = (one.before or "")[:_HEAD]
        match = _GENERATED.search(head) if "smallfleet-" not in one.path else None
        line = head[match.start() :].partition("\n")[0] if match else ""
        if line and not _INSTALLERS.search(line):
            names = ", ".join(name for name in boot.managed if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", one.before or ""))
            yield (
                f"{one.path}: says of itself '{word(line, 120)}'. If that program writes it again, "
                f"{names or 'the interfaces of the inventory'} would be configured twice after the next boot. Turn that off"
            )


def command_line(text: str, boot: Boot) -> Iterator[str]:
    """``ip=`` of the kernel or its initrd (nfsroot, dracut.cmdline(7), initramfs-tools(7)) gives a card an address before all else."""
    words = [one for one in text.split() if one.startswith("ip=")]
    for one in words:
        parts = one[len("ip=") :].split(":")
        cards = [name for name in boot.managed if name in parts]
        others = [name for name in boot.observed.links if name not in boot.managed and name in parts]
        nothing = parts[-1] in ("none", "off", "") and (len(parts) == 1 or not parts[0])
        if not nothing and (cards or not others):
            yield (
                f"/proc/cmdline: {setting('ip', one[len('ip=') :])} gives {', '.join(cards) or 'a card'} an address at each boot, before the boot "
                "configuration is read. Remove it where the inventory has another"
            )


def local_lines(text: str, boot: Boot) -> Iterator[str]:
    """Lines of rc.local that change an interface of the inventory."""
    names = {one.name for one in present(boot.desired)}
    for line in text.split("\n"):
        words = re.split(r"[\s;&|'\"]+", line.strip())
        named = sorted(names & set(words))
        if named and not line.lstrip().startswith("#") and changes_network(words, boot):
            yield f"{LOCAL}: {setting('line', line.strip(), ' ')} changes {', '.join(named)} at the next boot. Add it to the inventory, or remove it"


def warnings(files: Files, boot: Boot, writers: Writers, refused: bool = False) -> List[str]:
    """All of it. ``refused``: the program that writes a file is known and has been named."""
    found = [] if refused else [*generated(files, boot)]
    found += [*command_line(writers.command_line, boot), *local_lines(writers.local, boot)]
    for unit in UNITS:
        if unit in writers.enabled:
            found.append(f"{unit}: is enabled, and may configure the interfaces of the inventory at the next boot too. Disable it, or deny it these")
    return found
