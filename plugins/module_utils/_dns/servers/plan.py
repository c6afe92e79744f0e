# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do on a DNS server so that it serves what is asked, from what is there, whatever program it runs.

Invariants, each with a property test that interrupts after every step:

- a zone file that exists is never written;
- a journal is never set aside without consent, and always kept;
- a file is replaced only by one that was checked, and the server is told only after all files are in place;
- the stamp, a digest of what the server was last told, goes first and comes back last: a run that dies in between
  leaves the rest to the next.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..._shared.diff import file_diff
from .. import names
from ..keys.key_file import SECRET_BYTES, BadKeyFile, TsigKey, generation, parse
from ..model import RRset
from ..soa import FIELDS, TIMERS, timer_problems
from ..zones.signing_policy import needs_new_ds
from .base import KnownKey, Provider, ServedZone, ServerConfig, soa_values
from .foreign import MARK, Foreign
from .handover import Copy, copy_problems, crossing_problems

STAMP_FILE = "/var/lib/smallfleet/dns_server.applied"
SECRETS_MODE = 0o640
LOST_SHOWN = 20


@dataclass(frozen=True)
class FileState:
    """A file as it is. ``owner`` and ``group`` are names."""

    content: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class Trouble:
    """A primary zone that does not load. ``journal`` is the path of a journal without which it would, or "".

    ``reason`` is what the server's tools say; ``lost`` are the changes in the journal, the last one last. ``loaded`` is the serial of
    the file without the journal, ``first`` the one that the journal begins with, and ``serial`` that of the zone with all changes;
    each is None when it is unknown.
    """

    zone: str
    reason: str
    journal: str = ""
    lost: Tuple[str, ...] = ()
    loaded: Optional[int] = None
    first: Optional[int] = None
    serial: Optional[int] = None

    def __str__(self) -> str:
        if not self.journal:
            return f"The zone {self.zone} does not load: {self.reason}. Mend its file, or put one back from a backup."
        more = len(self.lost) - LOST_SHOWN
        shown = "; ".join(self.lost[-LOST_SHOWN:]) + (f"; and {more} before these" if more > 0 else "")
        return (
            f"The zone {self.zone} does not load, because its journal {self.journal} does not follow its file"
            f" (serial {_serial(self.loaded)}; the journal leads from {_serial(self.first)} to {_serial(self.serial)}):"
            f" {self.reason}. Put back the zone file that belongs to the journal; or set discard_journals (of the role:"
            " dns_server_discard_journals) to true, which keeps the journal under another name and goes on with the"
            f" file alone. The journal has these changes, which may be lost by that: {shown or 'none that can be read'}"
        )


def _serial(serial: Optional[int]) -> str:
    return "unknown" if serial is None else str(serial)


@dataclass(frozen=True)
class ServerState:
    """A server as it is.

    ``secrets`` is the file with all keys, ``config`` has the content of the other files by path, ``zone_files`` are the
    paths of zone files that exist, ``stamp`` is what the server was last told, and ``serial`` is for zones born now.
    ``soas`` are the answers at the server's own address, by zone, and ``silence`` says why one is missing. ``dnskeys`` are the keys
    that zones are signed with, by zone. ``floors`` are serials that a zone had and must get past, by zone: its secondaries have
    them, and would take nothing older. ``edited`` are files of the inventory that others added to, which are kept. ``unread`` says
    why the program would not read its configuration from these files, or is "". ``leftovers`` are the paths of unfinished files that a
    run that was killed has left. ``copies`` are zones that have another primary up to now, ``handed`` are names of zones that
    get another one, and ``frozen`` those that a run has frozen for this, and left so.
    """

    installed: bool
    active: bool = False
    enabled: bool = False
    secrets: Optional[FileState] = None
    config: Mapping[str, str] = field(default_factory=dict)
    zone_files: Tuple[str, ...] = ()
    stamp: str = ""
    serial: int = 1
    troubles: Tuple[Trouble, ...] = ()
    soas: Mapping[str, RRset] = field(default_factory=dict)
    silence: str = ""
    floors: Mapping[str, int] = field(default_factory=dict)
    foreign: Tuple[Foreign, ...] = ()
    edited: Tuple[Foreign, ...] = ()
    dnskeys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unread: str = ""
    leftovers: Tuple[str, ...] = ()
    copies: Tuple[Copy, ...] = ()
    handed: Tuple[str, ...] = ()
    frozen: Tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerStep:
    """``action`` is one of those below; ``before`` and ``after`` are for the diff."""

    action: str
    subject: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return {
            "unstamp": "note that the server is to be told",
            "set_aside": f"set {self.subject} aside",
            "sweep": f"remove {self.subject}, which an interrupted run has left",
            "keep": f"keep {self.subject} as {self.after.strip()}",
            "write_keys": f"write {self.subject}",
            "create_zone": f"create {self.subject}",
            "configure": f"write {self.subject}",
            "enable": "enable the server at boot",
            "start": "start the server",
            "reload": "have the server read its configuration",
            "thaw": f"take updates of {self.subject} again, which an interrupted run has stopped",
            "set_soa": f"change the SOA of {self.subject}",
            "stamp": "note that the server was told",
        }[self.action]


def digest(provider: Provider, config: ServerConfig) -> str:
    """Identifies a configuration; no secret is in it."""
    return digest_of(provider.files(config))


def digest_of(files: Mapping[str, str]) -> str:
    """The same of files as they are."""
    text = "\0".join(f"{path}\0{content}" for path, content in sorted(files.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def edited(provider: Provider, config: ServerConfig, files: Mapping[str, str], stamp: str) -> Dict[str, Tuple[str, ...]]:
    """Of files that were written from the inventory and that somebody has added to since, what would be lost, by path."""
    if not stamp or digest_of(files) == stamp:
        return {}

    found: Dict[str, Tuple[str, ...]] = {}
    for path, content in provider.files(config).items():
        if MARK in files.get(path, ""):
            desired = frozenset(provider.foreign(path, content.replace(MARK, "")))
            found[path] = tuple(part for part in provider.foreign(path, files[path].replace(MARK, "")) if part not in desired)
    return {path: named for path, named in found.items() if named}


def with_kept_ttls(provider: Provider, config: ServerConfig, state: ServerState) -> ServerConfig:
    """The configuration with the TTLs that a signed zone must allow beside those of the inventory.

    These are the one that its SOA record keeps, and those that it was allowed before: a record that left the inventory may be there.
    """
    allowed = provider.allowed_ttls(state.config)

    def kept(zone: ServedZone) -> ServedZone:
        seen = state.soas.get(zone.name)
        zone = replace(zone, held_ttl=allowed.get(zone.name, 0))
        return replace(zone, soa={**zone.soa, "ttl": seen.ttl}) if seen is not None and "ttl" in zone.soa_keep else zone

    return replace(config, zones=tuple(kept(zone) for zone in config.zones))


def plan_server(provider: Provider, config: ServerConfig, state: ServerState) -> List[ServerStep]:
    """The steps from ``state`` to ``config``, in order; none when there is nothing to do."""
    told = state.stamp == digest(provider, config)
    written = [
        *_journal_steps(config, state),
        *(ServerStep("keep", one.path, "", f"{one.backup}\n") for one in (*state.foreign, *state.edited)),
        *_zone_steps(provider, config, state),
        *_file_steps(provider, config, state),
    ]
    steps = [ServerStep("sweep", path) for path in state.leftovers]
    steps.extend([ServerStep("unstamp", STAMP_FILE)] if written and state.stamp else [])
    steps.extend(written)
    if not state.enabled:
        steps.append(ServerStep("enable", provider.unit))
    if not state.active:
        steps.append(ServerStep("start", provider.unit))
    elif written or not told:
        steps.append(ServerStep("reload", provider.unit))
    steps.extend(ServerStep("thaw", name) for name in state.frozen)
    steps.extend(soa_steps(config, state))
    if written or not told:
        steps.append(ServerStep("stamp", STAMP_FILE))
    return steps


def obstacles(config: ServerConfig, state: ServerState) -> List[str]:
    """Why nothing can be done.

    A program that reads other files, zones that do not load and cannot be mended, or not without consent, files of others, timers that do
    not fit, keys without a DS, zones of another primary that would lose records or keys or have two primaries, and moves in both directions.
    """
    if state.unread:
        return [state.unread]
    foreign = () if config.replace_configuration else state.foreign
    timers = _soa_problems(config, state)
    keys = _key_problems(config, state)
    copies = [*copy_problems(config, state.copies), *crossing_problems(config, state.handed, state.copies)]
    return [*map(str, foreign), *timers, *keys, *copies, *(str(one) for one in state.troubles if not (one.journal and config.discard_journals))]


def can_take_updates(provider: Provider, config: ServerConfig, state: ServerState) -> bool:
    """Whether, before any step, the server itself answers, knows these keys and has all zones it is the primary of."""
    if not (state.installed and state.active and state.stamp) or config.missing or state.silence:
        return False
    if not _secrets_fit(provider, config, state) or _zone_steps(provider, config, state):
        return False
    return all(zone.name in state.soas for zone in config.primaries)


def with_generations(key: KnownKey, contents: Sequence[str]) -> KnownKey:
    """The key with what its files hold, the current one first. A file that is no such key counts as none."""
    found: List[TsigKey] = []
    for content in contents:
        try:
            one = parse(content)
        except BadKeyFile:
            continue
        if one.algorithm in SECRET_BYTES and generation(one.name, key.name) is not None and one not in found:
            found.append(one)  # with its own algorithm, which may not yet be, or be no longer, what is asked for
    return KnownKey(key.name, key.algorithm, key.file, tuple(found))


def secrets_of_both(provider: Provider, config: ServerConfig, before: str) -> str:
    """The file with the secrets, with those of ``before`` too whose names the configuration does not have any more."""
    names_now = {name for key in config.keys for name in key.names}
    kept = tuple(key for key in provider.keys_in(before) if key.name not in names_now)
    return provider.secrets(replace(config, keys=(*config.keys, KnownKey("", "", "", kept)))).content


def aside(journal: str) -> str:
    """What the paths of a zone's journals begin with that were set aside; the serial they end with follows."""
    return f"{journal}.set-aside-"


def _journal_steps(config: ServerConfig, state: ServerState) -> List[ServerStep]:
    if not config.discard_journals:
        return []
    return [
        ServerStep(
            "set_aside",
            one.journal,
            "".join(f"{change}\n" for change in one.lost),
            f"{aside(one.journal)}{one.serial or 0}-{state.serial}\n",
        )
        for one in state.troubles
        if one.journal
    ]


def soa_steps(config: ServerConfig, state: ServerState) -> List[ServerStep]:
    """The SOA records to change, among those of ``state``."""
    steps = []
    for zone in config.primaries:
        seen, floor = state.soas.get(zone.name), state.floors.get(zone.name)
        if seen is None:
            continue
        behind = floor is not None and not later(int(_soa_fields(seen)[2]), floor)
        if behind or _desired_soa(zone, seen) != _observed_soa(seen):
            steps.append(ServerStep("set_soa", zone.name, f"{seen}\n", f"{soa_after(zone, seen, floor)}\n"))
    return steps


def _soa_fields(soa: RRset) -> List[str]:
    return next(iter(soa.values)).split()


def _observed_soa(seen: RRset) -> Dict[str, str]:
    """The fields of an SOA but its serial, and its TTL."""
    mname, rname, _serial, *timers = _soa_fields(seen)
    named = (names.from_presentation(mname), names.from_presentation(rname))
    return dict(zip(FIELDS, (*named, *timers, str(seen.ttl))))


def _desired_soa(zone: ServedZone, seen: RRset) -> Dict[str, str]:
    observed = _observed_soa(seen)
    desired = dict(zip(FIELDS, (*soa_values(zone), str(zone.soa["ttl"]))))
    return {one: observed[one] if one in zone.soa_keep else desired[one] for one in FIELDS}


def _soa_problems(config: ServerConfig, state: ServerState) -> Iterable[str]:
    """Timers of the inventory that do not fit those that a zone keeps."""
    for zone in config.primaries:
        seen = state.soas.get(zone.name)
        desired = _desired_soa(zone, seen) if seen is not None else {}
        if seen is None or desired == _observed_soa(seen):
            continue
        for option, message, _remedy in timer_problems(desired):
            kept = ", ".join(f"{one} {desired[one]}" for one in TIMERS if one in zone.soa_keep)
            yield f"dns_zones.{zone.name}.soa.{option}: {message}. The zone itself has {kept}: write these in soa, too."


def _key_problems(config: ServerConfig, state: ServerState) -> Iterable[str]:
    """Zones that the inventory has signed by other keys than the parent's DS may refer to."""
    for zone in config.primaries:
        reason = needs_new_ds(zone.signing, state.dnskeys.get(zone.name, ())) if zone.dnssec else ""
        if reason:
            remedy = "Write in dns_zones.{}.dnssec what it is signed with; or stop signing first, with dnssec: false, as docs/dnssec.md says"
            yield f"The zone {zone.name} is left as it is: {reason}. {remedy.format(zone.name)}."


def later(serial: int, other: int) -> bool:
    """Whether a serial is after another one (RFC 1982)."""
    return 0 < (serial - other) % 2**32 < 2**31


def ahead(serials: Mapping[str, int]) -> List[str]:
    """The hosts with a later serial than this one, which is named ""; all of them, if this one has none."""
    own = serials.get("")
    return sorted(host for host, serial in serials.items() if host and (own is None or later(serial, own)))


def branched(seen: RRset, floor: Optional[int], distance: int) -> int:
    """The serial that a zone which was taken over must get past: ``distance`` after that of ``seen`` and ``floor`` (RFC 1982)."""
    return (_latest(seen, floor) + distance) % 2**32


def _latest(seen: RRset, floor: Optional[int]) -> int:
    serial = int(_soa_fields(seen)[2])
    return floor if floor is not None and later(floor, serial) else serial


def soa_after(zone: ServedZone, seen: RRset, floor: Optional[int] = None) -> RRset:
    """The SOA that replaces ``seen``: as asked for, with a serial after that one and ``floor``. 0 is not used."""
    serial = _latest(seen, floor)
    desired = _desired_soa(zone, seen)
    mname, rname, *timers = (desired[one] for one in FIELDS[:-1])
    value = " ".join([mname, rname, str((serial + 1) % 2**32 or 1), *timers])
    return RRset(seen.name, "SOA", int(desired["ttl"]), frozenset([value]))


def _secrets_fit(provider: Provider, config: ServerConfig, state: ServerState) -> bool:
    held = state.secrets
    if held is None or held.content != provider.secrets(config).content:
        return False
    return (held.mode, held.owner, held.group) == (SECRETS_MODE, "root", provider.group)


def _shown(held: Optional[FileState]) -> str:
    return "" if held is None else f"(secrets) {held.owner}:{held.group} {held.mode:04o}\n"


def _wanted(provider: Provider, config: ServerConfig) -> str:
    lines = [f'key "{name}" algorithm {key.algorithm}\n' for key in config.keys for name in key.names]
    return f"(secrets) root:{provider.group} {SECRETS_MODE:04o}\n" + "".join(lines)


def _zone_steps(provider: Provider, config: ServerConfig, state: ServerState) -> List[ServerStep]:
    return [
        ServerStep("create_zone", path, after=provider.zone_text(zone, state.serial))
        for zone, path in ((zone, provider.zone_file(zone.name)) for zone in config.primaries)
        if path not in state.zone_files
    ]


def _file_steps(provider: Provider, config: ServerConfig, state: ServerState) -> List[ServerStep]:
    steps = []
    if config.missing or not _secrets_fit(provider, config, state):
        path = provider.secrets(config).path
        steps.append(ServerStep("write_keys", path, _shown(state.secrets), _wanted(provider, config)))
    for path, content in provider.files(config).items():
        before = state.config.get(path, "")
        if before != content:
            steps.append(ServerStep("configure", path, before, content))
    return steps


def diff_texts(steps: List[ServerStep]) -> Dict[str, str]:
    """What changes in all files that the steps write, without secrets."""
    texts: Dict[str, str] = {"before": "", "after": ""}
    for step in steps:
        found = {"before": step.before, "after": step.after}
        if step.action == "configure":
            found = file_diff(step.subject, step.before, step.after)
        for side in texts if step.before or step.after else ():
            if found[side] or side == "after":
                texts[side] += f"==> {step.subject} <==\n{found[side]}"
    return texts
