# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host with certificates must look like, and the steps that bring it there.

Each certificate has a file ``NAME.json`` that describes it and an instance of the timer and of the service
``smallfleet-acme@``. The service does all the work with certificates themselves; a run of the role only starts it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

FOLDER = "/etc/smallfleet/acme"
PROGRAM = "/usr/local/sbin/smallfleet-acme"
HOOK = "/usr/local/sbin/smallfleet-acme-dns"
_MODULE = """\
import sys
from types import ModuleType

sys.modules["{name}"] = ModuleType("{name}")
exec({source}, sys.modules["{name}"].__dict__)

"""
INTERPRETER = "/usr/bin/python3"
UNIT = "smallfleet-acme@"
UNITS = "/etc/systemd/system"
NOTICE = "# Written by the role smallfleet.infra.acme_certificates."

SERVICE = f"""\
{NOTICE}
[Unit]
Description=Certificate %i: issue it when it is due, and tell those who use it
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=oneshot
ExecStart={PROGRAM} run %i
TimeoutStartSec=20min
UMask=0077
PrivateTmp=true
NoNewPrivileges=true
"""

TIMER = f"""\
{NOTICE}
[Unit]
Description=Certificate %i: look twice a day whether it is due

[Timer]
OnCalendar=*-*-* 00/12:00:00
RandomizedDelaySec=12h
Persistent=true

[Install]
WantedBy=timers.target
"""


def whole_program(program: str, files: str) -> str:
    """The program with the module that it imports, ``smallfleet_files``, as one text that can be installed or asked."""
    return _MODULE.format(name="smallfleet_files", source=ascii(files)) + program


@dataclass(frozen=True)
class Content:
    """A file as it is or shall be."""

    text: str
    mode: int


@dataclass(frozen=True)
class Wanted:
    """What the host shall be. ``files`` are by path; ``certificates`` are the configurations by name."""

    files: Mapping[str, Content]
    certificates: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Observed:
    """What the host is.

    ``configured`` are the names that have a ``NAME.json``; ``timers`` those whose timer is enabled and waits;
    ``status`` is what the program says of each wanted certificate; ``outdated`` that systemd has not read its files.
    """

    files: Mapping[str, Optional[Content]] = field(default_factory=dict)
    configured: Tuple[str, ...] = ()
    timers: Tuple[str, ...] = ()
    status: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outdated: bool = False


@dataclass(frozen=True)
class Step:
    """``kind`` is write, reload, forget, enable or run; ``subject`` a path or the name of a certificate."""

    kind: str
    subject: str = ""
    why: Tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    mode: int = 0o644

    def __str__(self) -> str:
        said = {
            "write": f"write {self.subject}",
            "reload": "have systemd read its units",
            "forget": f"stop renewing {self.subject}; its files stay in {FOLDER}/{self.subject}",
            "enable": f"renew {self.subject} by its timer",
            "run": f"{self.subject}: {'; '.join(self.why)}",
        }
        return said[self.kind]


def timer(name: str) -> str:
    """The timer of a certificate."""
    return f"{UNIT}{name}.timer"


def service(name: str) -> str:
    """The service of a certificate."""
    return f"{UNIT}{name}.service"


def config_path(name: str) -> str:
    """The file that describes a certificate."""
    return f"{FOLDER}/{name}.json"


def configurations(options: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The certificates of a host as its programs read them, from the options of the module acme_certificates."""
    common = {key: options[key] for key in ("directory", "contact", "key", "ca_file")}
    return {one["name"]: {**one, **common} for one in options["certificates"]}


def wanted_host(certificates: Mapping[str, Mapping[str, Any]], programs: Mapping[str, str]) -> Wanted:
    """The whole host. Without certificates it needs no programs; what is there of them stays."""
    files: Dict[str, Content] = {}
    if certificates:
        files = {path: Content(f"#!{INTERPRETER}\n{programs[path]}", 0o755) for path in sorted(programs)}
        files[f"{UNITS}/{UNIT}.service"] = Content(SERVICE, 0o644)
        files[f"{UNITS}/{UNIT}.timer"] = Content(TIMER, 0o644)
    for name in sorted(certificates):
        text = json.dumps(certificates[name], indent=2, sort_keys=True) + "\n"
        files[config_path(name)] = Content(text, 0o644)
    return Wanted(files, certificates)


def plan(wanted: Wanted, observed: Observed) -> List[Step]:
    """The steps from one to the other. A run that was cut off after any of them leaves the rest to the next."""
    steps: List[Step] = []
    for path, content in wanted.files.items():
        there = observed.files.get(path)
        if there != content:
            why = () if there is None or there.text != content.text else ("mode",)
            steps.append(Step("write", path, why, there.text if there else "", content.text, content.mode))
    if observed.outdated or any(step.subject.startswith(UNITS) for step in steps):
        steps.append(Step("reload"))
    # The timer goes first and the description last: while that is there, the certificate is known to be left over.
    gone = [name for name in observed.configured if name not in wanted.certificates]
    steps += [Step("forget", name, before=f"renewed: {name}\n") for name in sorted(gone)]
    missing = [name for name in sorted(wanted.certificates) if name not in observed.timers]
    steps += [Step("enable", name, after=f"renewed: {name}\n") for name in missing]
    for name in sorted(wanted.certificates):
        status = observed.status[name]
        why = tuple(([f"issue, for {status['issue']}"] if status["issue"] else []) + list(status["deploy"]))
        if why:
            before = _described(status["names"], status["not_after"])
            ends = "later" if status["issue"] else status["not_after"]
            after = _described(sorted(wanted.certificates[name]["names"]), ends)
            steps.append(Step("run", name, why, before, after))
    return steps


def render_diff(steps: Sequence[Step]) -> List[Dict[str, str]]:
    """The steps as Ansible shows differences; programs are too long to be of use there."""
    found: List[Dict[str, str]] = []
    for step in steps:
        if step.kind != "reload" and step.subject not in (PROGRAM, HOOK):
            header = step.subject if step.kind == "write" else f"certificate {step.subject}"
            found.append({"before_header": header, "after_header": header, "before": step.before, "after": step.after})
    return found


def _described(names: Sequence[str], ends: str) -> str:
    return f"names: {', '.join(names)}\nends: {ends}\n" if names else ""
