"""The SNMP client: many devices at once, each asked one question at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Self

from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.snmp.ask import Asker, WireAsker, lost_for_its_length, refuse_error
from shared.snmp.error_status import NO_SUCH_NAME, TOO_BIG
from shared.snmp.exchange import Exchange, Strays
from shared.snmp.known import existing
from shared.snmp.port import (
    USUAL_VARBINDS,
    ErrorStatusError,
    MalformedAnswerError,
    Manners,
    NoAnswerError,
    Traffic,
    Varbind,
    Walk,
)
from shared.snmp.v3_ask import V3Asker
from shared.snmp.v3_exchange import V3Exchange
from shared.snmp.walk import Walker
from shared.snmp.watch import Watch
from shared.snmp.wire import GET, SnmpMessage, encode_oid

_VALUE_OCTETS = 24 + 6  # of a varbind beside its OID, where nothing is known of it


class SnmpClient:
    """Sessions to many devices over the same sockets; use as an async context manager.

    Args:
        ceiling: checked at the socket for every datagram.
        timeout_s: how long a try waits.
        tries: datagrams that a question is worth.
        max_in_flight: questions open at once, over all sessions.
    """

    def __init__(
        self,
        ceiling: Ceiling,
        *,
        timeout_s: float = 2.0,
        tries: int = 3,
        max_in_flight: int = 500,
    ) -> None:
        self._exchange = Exchange(ceiling, timeout_s=timeout_s, tries=tries, max_open=max_in_flight)
        self._v3 = V3Exchange(ceiling, self.traffic, timeout_s=timeout_s, tries=tries)
        self._v3.strays = self._exchange.strays

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._exchange.close()
        self._v3.close()

    def session(
        self,
        address: str,
        port: int,
        credential: Credential,
        *,
        deadline_s: float = 10.0,
        from_anywhere: bool = False,
        timeout_s: float | None = None,
        tries: int | None = None,
        max_message: int | None = None,
    ) -> WireSession:
        """Questions to one device.

        Args:
            address: an IP address, for IPv6 link-local with its zone (fe80::7%eth0).
            credential: version "2c" also tries v1, until the device has answered in either.
            deadline_s: what all questions together may take, from the start of the first; a
                device that loops, cuts or dawdles costs no more.
            from_anywhere: take an answer that bears the request's id whatever address it comes
                from; some agents have several, and answer a broadcast from their own. Not in v3.
            timeout_s, tries: as the client's, where not as it has them.
            max_message: octets of the longest SNMP message that is sent or asked for, without
                the headers of IP and UDP (28 octets; 48 for IPv6): 484 or more, 1,372 where None.
                How long an answer will be is guessed: after silence all are asked for in the
                shortest that every agent takes. In v3 the device is told it, and keeps to it.
        """
        if credential.version == "3":
            return WireSession(
                V3Asker(
                    self._v3,
                    address,
                    port,
                    credential,
                    deadline_s=deadline_s,
                    timeout_s=timeout_s,
                    tries=tries,
                    max_message=max_message,
                )
            )
        return WireSession(
            WireAsker(
                self._exchange,
                address,
                port,
                credential,
                deadline_s=deadline_s,
                from_anywhere=from_anywhere,
                timeout_s=timeout_s,
                tries=tries,
                max_message=max_message,
            )
        )

    @property
    def strays(self) -> Strays:
        """Datagrams that came and were dropped."""
        return self._exchange.strays

    @property
    def traffic(self) -> Traffic:
        """Of all sessions together, with what was dropped."""
        return self._exchange.udp.traffic


class WireSession:
    """The SnmpSession of shared.snmp.port."""

    def __init__(self, asker: Asker) -> None:
        self.traffic = asker.traffic
        self._asker = asker
        self._watch: Watch | None = None

    @property
    def manners(self) -> Manners:
        return self._asker.manners

    @manners.setter
    def manners(self, known: Manners) -> None:
        # it may be another device by now: whether it answers GETBULK is found out again; and the
        # credential may be another: the version that it fixes stays
        fixed = self._asker.manners
        longest = [most for most in (fixed.max_message, known.max_message) if most]
        self._asker.manners = Manners(
            version=known.version if fixed.version is None else fixed.version,
            takes_bulk=None if known.takes_bulk else known.takes_bulk,
            max_varbinds=known.max_varbinds,
            took_fewer=known.took_fewer,
            max_message=min(longest, default=None),
        )

    def expect(self, varbinds: Iterable[Varbind]) -> None:
        """As the port's."""
        if self._watch is None:
            self._asker = self._watch = Watch(self._asker)
        self._watch.expect(varbinds)

    async def confirm(self) -> None:
        """As the port's."""
        if self._watch is not None:
            await self._watch.confirm()

    async def get(self, oids: Sequence[str], *, octets: int | None = None) -> Mapping[str, Varbind]:
        """As the port's; also raises OutsideCeilingError."""
        todo = tuple(dict.fromkeys(oids))
        found: dict[str, Varbind] = {}
        while todo:
            asked = todo[: self._asker.width]
            if self.manners.max_message is not None:
                asked = self._fitting(asked, octets)
            try:
                answer = await self._asker.ask(GET, asked)
                if answer.error_status == TOO_BIG and len(asked) > 1:
                    self.manners.heed_too_big(len(asked))
                    continue
                settled = self._settled(asked, answer)
            except (ErrorStatusError, MalformedAnswerError):
                if len(asked) == 1:
                    raise
                self.manners.take_fewer(len(asked) // 2)
                continue
            except NoAnswerError:
                if len(asked) > 1 and lost_for_its_length(self._asker):
                    continue
                if len(asked) <= USUAL_VARBINDS or not self.traffic.packets_in:
                    raise
                self.manners.take_fewer(USUAL_VARBINDS)
                continue
            found |= existing(settled)
            left = len(todo) > len(settled)
            todo = tuple(oid for oid in todo if oid not in settled) if left else ()
        return found

    async def walk(self, walks: Sequence[Walk]) -> Mapping[str, Mapping[str, Varbind]]:
        """As the port's; also raises OutsideCeilingError."""
        return await Walker(self._asker).walk(walks)

    async def table(
        self, columns: Sequence[str], *, max_rows: int = 1000
    ) -> Mapping[str, Mapping[str, Varbind]]:
        """As the port's; also raises OutsideCeilingError."""
        return await self.walk([Walk(tuple(columns), max_rows=max_rows)])

    def _fitting(self, oids: tuple[str, ...], octets: int | None) -> tuple[str, ...]:
        """As many of them as the answer may hold, at least one; `octets` as for `get`."""
        room = self.manners.message_octets - self._asker.head_octets
        if octets is not None and octets <= room:
            return oids
        sizes = accumulate(len(encode_oid(oid)) + _VALUE_OCTETS for oid in oids)
        return oids[: max(1, sum(size <= room for size in sizes))]

    def _settled(self, asked: Sequence[str], answer: SnmpMessage) -> Mapping[str, Varbind]:
        """What an answer says of the OIDs that it decides.

        Raises: ErrorStatusError, MalformedAnswerError.
        """
        if answer.error_status == NO_SUCH_NAME:
            index = 1 if len(asked) == 1 else answer.error_index
            if 1 <= index <= len(asked):
                absent = asked[index - 1]
                return {absent: Varbind(absent, "noSuchInstance", None)}
        refuse_error(self._asker.name, asked, answer)
        settled = {varbind[0]: varbind for varbind in answer.varbinds}
        if tuple(settled) != asked or len(settled) < len(answer.varbinds):
            self._refuse_wrong(asked, answer.varbinds)
        return settled

    def _refuse_wrong(self, asked: Sequence[str], varbinds: Sequence[Varbind]) -> None:
        """Raises: MalformedAnswerError, unless what came is of what was asked, each once."""
        left = set(asked)
        for oid, _, _ in varbinds:
            if oid not in left:
                raise MalformedAnswerError(
                    f"{self._asker.name}: asked for {', '.join(asked[:3])}"
                    f"{' and more' if len(asked) > 3 else ''}, answered with {oid}"
                )
            left.remove(oid)
        if not varbinds:
            raise MalformedAnswerError(
                f"{self._asker.name}: asked for {asked[0]}, answered with nothing"
            )
