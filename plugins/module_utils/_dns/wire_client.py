# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One DNS server by dnspython (2.3 or later): questions asked straight of it, and signed updates."""

from __future__ import annotations

import base64
import socket
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, Optional, Sequence, Set, Tuple

from . import names
from .client import PREREQUISITE_FAILED, RCODES, DnsFailure
from .dnspython_client import dns
from .model import Key, Message, RRset, Seen, ZoneContents
from .query.contents_client import answered
from .query.visibility import Answer
from .rdata_client import canonical_text, kind_of, presentation, read_value
from .record_types import by_number
from .socket_client import Server, connect, over_tcp, over_udp, resolve
from .update.plan import LIMIT
from .update.prune import without_server_sets

__all__ = ["Server", "WireClient", "make_key"]

MANY_VALUES = 100  # BIND from 9.18.28 on takes no more values in a set, unless configured
_TOO_MANY = ". The set has {} values; BIND takes 100 unless its max-records-per-type says another number"
_ALGORITHM_NAMES = {"hmac-md5": "hmac-md5.sig-alg.reg.int"}  # RFC 8945 section 6


@dataclass
class WireClient:
    """Implements DnsClient. ``key`` signs everything, questions too, so that a wrong key shows before a write."""

    server: Server
    key: Optional[Any] = None  # dns.tsig.Key
    _socket: Optional[socket.socket] = None
    _served: Set[str] = field(default_factory=set)
    _key_accepted: bool = False

    def canonical(self, kind: str, text: str) -> str:
        try:
            return canonical_text(_rdata(kind, text))
        except dns.exception.DNSException as error:
            raise ValueError(f"'{text}' is not a value of type {kind}: {str(error).rstrip('.')}.") from None

    def read(self, zone: str, keys: Sequence[Key]) -> Seen:
        """What the server answers a client; what the zone holds is dns_contents.held()."""
        return answered(self, zone, keys)

    @property
    def stream(self) -> bool:
        """Whether messages go over TCP."""
        return self.server.protocol == "tcp"

    @property
    def limit(self) -> int:
        """Over UDP, what passes every path unfragmented (RFC 9715), less the room for a signature."""
        return LIMIT if self.stream else 1232 - 200

    def size(self, zone: str, message: Message) -> int:
        try:
            return len(_update(zone, message).to_wire(max_size=65535))
        except dns.exception.TooBig:
            return 65536

    def send(self, zone: str, message: Message) -> int:
        self.close()  # a server may have hung up while it was idle, and an update is never sent twice
        rcode = int(self._exchange(_update(zone, message), sent=True).rcode())
        if rcode and rcode not in PREREQUISITE_FAILED:
            raise self.refusal(rcode, zone, "the update", largest(message))
        return rcode

    def transfer(self, zone: str) -> ZoneContents:
        self.check_zone(zone)  # tells who cannot be reached, or serves another zone, from who may not transfer
        # Of several addresses of the server, the one that answered; the transfer has a connection of its own.
        address = str(self._socket.getpeername()[0]) if self._socket is not None else resolve(self.server)
        self.close()
        held: Dict[Key, Dict[str, str]] = {}
        ttls: Dict[Key, int] = {}
        with self.naming_failures(what=f"the request to transfer {zone[:-1]}"):
            for one in self._transferred(address, zone):  # a set may be in several messages; the SOA comes twice
                key = _key(one)
                ttls[key] = min(int(one.ttl), ttls.get(key, int(one.ttl)))
                held.setdefault(key, {}).update(_spellings(one))
        found = {key: _rrset(key, ttls[key], spellings) for key, spellings in held.items()}
        soa = found.get((zone, "SOA"))
        if soa is None:
            raise DnsFailure("malformed", f"{self.server} sent the zone {zone[:-1]} without its SOA record.")
        sets = without_server_sets(zone, found.values())
        return ZoneContents(zone, int(soa.spelled[0].split()[2]), soa, sets, (zone, "DNSKEY") in found)

    def _transferred(self, address: str, zone: str) -> Iterator[Any]:
        where = self.server
        messages = dns.query.xfr(
            address,
            dns.name.from_text(zone),
            dns.rdatatype.AXFR,
            port=where.port,
            keyring=self.key,
            keyname=self.key.name if self.key is not None else None,
            timeout=where.timeout,
            relativize=False,
        )
        try:
            for message in messages:
                yield from message.answer
        except dns.query.TransferError as error:
            raise self.refusal(int(error.rcode), zone, f"the request to transfer {zone[:-1]}") from None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def check_zone(self, zone: str) -> None:
        """Raises DnsFailure when the server is not authoritative for exactly this zone."""
        try:
            answer = self.ask(zone, zone, "SOA")
        except DnsFailure as failure:
            if failure.reason not in ("refused", "not_auth") or failure.rcode is None:
                raise
            key = f" with the key {self._key_name()}" if self.key is not None else ""
            code = RCODES.get(failure.rcode, failure.rcode)
            if self.key is not None and self._serves_without_key(zone):
                said = f"{self.server} serves the zone {zone[:-1]} and does not allow to ask for it{key} ({code})."
                hint = "Allow that (allow-query in BIND), or use another key."
                raise DnsFailure("refused", f"{said} {hint}", failure.rcode) from None
            why = f"it answered the question for its SOA record with {code}"
            other = f"; or it serves the zone and does not allow to ask for it{key}"
            raise self._not_served(zone, why + other, failure.rcode) from None
        if not answer.authoritative:
            raise self._not_served(zone, "its answer is not authoritative")
        if not any(one.key == (zone, "SOA") for one in answer.answer):
            raise self._not_served(zone, "it answered without an SOA record")
        self._served.add(zone)

    def _serves_without_key(self, zone: str) -> bool:
        """Whether the server answers others for the zone; what it refuses a key is then not the zone."""
        other = copy(self)
        other.key, other._socket = None, None
        try:
            other.check_zone(zone)
        except DnsFailure:
            return False
        finally:
            other.close()
        return True

    def _not_served(self, zone: str, why: str, rcode: Optional[int] = None) -> DnsFailure:
        hint = "Name a server of the zone, or correct zone_name"
        return DnsFailure("not_auth", f"{self.server} does not serve the zone {zone[:-1]}: {why}. {hint}.", rcode)

    def ask(self, zone: str, name: str, kind: str) -> Answer:
        question = dns.message.make_query(name, by_number(kind))
        question.flags &= ~dns.flags.RD
        try:
            answer = self._exchange(question)
        except DnsFailure as failure:
            if failure.reason != "hung_up":
                raise
            answer = self._exchange(question)
        if answer.flags & dns.flags.TC:
            raise DnsFailure("truncated", f"{self.server} cut its answer for {name} {kind}; use protocol=tcp.")
        if answer.rcode() not in (0, 3):
            raise self.refusal(int(answer.rcode()), zone, f"the question for {name} {kind}")
        with self.naming_failures(what="the question"):
            flags = answer.flags
            return Answer(
                int(answer.rcode()),
                bool(flags & dns.flags.AA),
                _sets(answer.answer),
                _sets(answer.authority),
                _sets(answer.additional),
                bool(flags & dns.flags.RA),
            )

    def _exchange(self, message: Any, sent: bool = False) -> Any:
        """One message there and back, with every way to fail named."""
        if self.key is not None:
            message.use_tsig(self.key, self.key.name)
        with self.naming_failures(sent, "the update" if sent else "the question"):
            answer = self._transmit(message)
        self._key_accepted = self._key_accepted or answer.had_tsig
        if self.key is not None and not answer.had_tsig and answer.rcode() == 0:
            raise DnsFailure("bad_sig", f"{self.server} left its answer unsigned; it is not believed.", sent=sent)
        return answer

    @contextmanager
    def naming_failures(self, sent: bool = False, what: str = "the request") -> Iterator[None]:
        """What the library raises in here comes out as a DnsFailure; ``sent``: an update may have been received."""
        reused = self._socket is not None
        try:
            yield
        except DnsFailure:
            raise
        except dns.tsig.PeerBadKey:
            if self._key_accepted:  # Knot says so of a key it knows, when the key may not do what was asked
                raise self.refusal(5, "", what) from None
            raise self._key_failure("bad_key", "does not know the key") from None
        except dns.tsig.PeerBadSignature:
            raise self._key_failure("bad_sig", "knows the key by another secret") from None
        except (dns.tsig.PeerBadTime, dns.tsig.BadTime):
            raise self._key_failure("bad_time", "has a clock that differs by minutes; set both, with key") from None
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadAlgorithm) as error:
            raise self._key_failure("bad_sig", f"gave an answer whose signature is not valid ({error}), for") from None
        except dns.message.UnknownTSIGKey:
            raise self._key_failure("bad_key", "signed its answer with another key than") from None
        except (dns.exception.Timeout, socket.timeout):
            self.close()
            message = f"{self.server} did not answer within {self.server.timeout:g} s."
            raise DnsFailure("timeout", message, sent=sent) from None
        except (OSError, EOFError) as error:
            self.close()
            if reused and not sent:
                raise DnsFailure("hung_up", f"{self.server} closed the connection.") from None
            raise DnsFailure("broken", f"The connection to {self.server} broke: {error}.", sent=sent) from None
        except dns.exception.DNSException as error:
            self.close()
            raise DnsFailure("malformed", f"{self.server} answered with nonsense: {error}.", sent=sent) from None

    def _transmit(self, message: Any) -> Any:
        wire = message.to_wire(max_size=65535)
        if self.server.protocol == "udp" and not _asks_any(message):
            return _read_answer(message, over_udp(self.server, wire))
        if self._socket is None:
            self._socket = connect(self.server)
        return _read_answer(message, over_tcp(self._socket, wire, self.server.timeout))

    def _key_failure(self, reason: str, what: str) -> DnsFailure:
        """None of these did anything: the server looks at the signature before it looks at the message."""
        self.close()
        algorithm = self.key.algorithm.to_text().rstrip(".") if self.key is not None else "none"
        return DnsFailure(reason, f"{self.server} {what} {self._key_name()} ({algorithm}).", rcode=9)

    def _key_name(self) -> str:
        return self.key.name.to_text(omit_final_dot=True) if self.key is not None else "(none)"

    def refusal(self, rcode: int, zone: str, what: str, values: int = 0) -> DnsFailure:
        """An answer's response code as a failure; ``what`` was asked for, with at most so many ``values`` in a set."""
        text = RCODES.get(rcode, str(rcode))
        if rcode == 9 and zone in self._served:
            rcode = 5  # Knot says so to whoever may not do it (its rule: no name of a zone is told to strangers)
        data = ", or not this data (its log says)" if what == "the update" else ""
        key = f"with the key {self._key_name()}" if self.key is not None else "without a key"
        reason, hint = {
            2: ("server_failure", "its log says why" + (_TOO_MANY.format(values) if values > MANY_VALUES else "")),
            5: ("refused", f"it does not allow this {key}{data}"),
            9: ("not_auth", f"it is not authoritative for {zone[:-1]}"),
            10: ("not_zone", f"a name lies outside the zone {zone[:-1]}"),
        }.get(rcode, ("malformed", "it did not understand it"))
        return DnsFailure(reason, f"{self.server} answered {what} with {text}: {hint}.", rcode=rcode)


def _read_answer(message: Any, wire: bytes) -> Any:
    """An answer with its signature checked.

    An answer that says no may be unsigned (Knot's to a zone it does not serve is): of that only the number and the
    code are taken.
    """
    try:
        answer = dns.message.from_wire(wire, keyring=message.keyring, request_mac=message.mac)
    except dns.exception.FormError:
        if len(wire) < 12 or not wire[3] & 15:
            raise
        answer = dns.message.from_wire(wire[:4] + bytes(8))
    if answer.id != message.id or not answer.flags & dns.flags.QR:
        raise EOFError("it answers another question")
    return answer


def largest(message: Message) -> int:
    """The values of the largest set that an update makes."""
    return max((len(step.after.values) for step in message.steps if step.after is not None), default=0)


def _update(zone: str, message: Message) -> Any:
    update = dns.update.UpdateMessage(zone)
    for one in message.prerequisites:
        if one.kind == "unused":
            update.absent(one.name)
        elif one.kind == "exists":
            update.present(one.name, by_number(one.type))
        elif one.kind == "absent":
            update.absent(one.name, by_number(one.type))
        else:
            update.present(one.name, *(_rdata(one.type, value) for value in one.values))
    for change in message.changes:
        if change.kind == "clear":
            update.delete(change.name, by_number(change.type))
        elif change.kind == "drop":
            update.delete(change.name, _rdata(change.type, change.value))
        else:
            update.add(change.name, change.ttl, _rdata(change.type, change.value))
    return update


def make_key(name: str, secret: str, algorithm: str) -> Any:
    """A TSIG key; ``secret`` is base64. Raises DnsFailure ``bad_key`` without quoting the secret."""
    try:
        secret = "".join(secret.split())
        base64.b64decode(secret, validate=True)  # dnspython leaves out what is not base64, and the key is another
        return dns.tsig.Key(name, secret, _ALGORITHM_NAMES.get(algorithm, algorithm))
    except (ValueError, dns.exception.DNSException):
        raise DnsFailure("bad_key", f"The secret of the key {name} is not base64, or its name is no name.") from None


def _spellings(one: Any) -> Dict[str, str]:
    """The values of a set, canonical -> as the server spells them."""
    return {canonical_text(value): presentation(value) for value in one}


def _key(one: Any) -> Key:
    """Owner and type of a set, or of a record, from a message."""
    return (names.from_wire(one.name.labels[:-1]), kind_of(one))


def _rrset(key: Key, ttl: int, spellings: Dict[str, str]) -> RRset:
    return RRset(*key, ttl, frozenset(spellings), tuple(text for _value, text in sorted(spellings.items())))


def _sets(section: Sequence[Any]) -> Tuple[RRset, ...]:
    """The record sets in a section of an answer, in canonical form."""
    return tuple(_rrset(_key(one), int(one.ttl), _spellings(one)) for one in section if one.rdclass == dns.rdataclass.IN)


def _asks_any(message: Any) -> bool:
    """Servers answer such a question over UDP with one set of their choice (RFC 8482)."""
    return any(one.rdtype == dns.rdatatype.ANY for one in message.question)


def _rdata(kind: str, text: str) -> Any:
    return read_value(by_number(kind), text, dns.name.root)
