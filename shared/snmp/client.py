"""The SNMP client for v1 and v2c: many devices at once, each asked one question at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.snmp.ask import Asker
from shared.snmp.error_status import NO_SUCH_NAME
from shared.snmp.exchange import Exchange, Strays
from shared.snmp.port import ErrorStatusError, MalformedAnswerError, Traffic, Varbind
from shared.snmp.walk import Walker
from shared.snmp.wire import GET, SnmpMessage, exists

_MAX_VARBINDS = 20  # some devices answer nothing to a longer question


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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._exchange.close()

    def session(
        self, address: str, port: int, credential: Credential, *, deadline_s: float = 10.0
    ) -> WireSession:
        """Questions to one device.

        Args:
            address: an IP address, for IPv6 link-local with its zone (fe80::7%eth0).
            credential: version "2c" also tries v1, until the device has answered in either.
            deadline_s: what all questions together may take, from the start of the first; a
                device that loops, cuts or dawdles costs no more.
        """
        return WireSession(Asker(self._exchange, address, port, credential, deadline_s=deadline_s))

    @property
    def strays(self) -> Strays:
        """Datagrams that came and were dropped."""
        return self._exchange.strays

    @property
    def traffic(self) -> Traffic:
        """Of all sessions together, with what was dropped."""
        return self._exchange.udp.traffic


class WireSession:
    """The SnmpSession of shared.snmp.port, in v1 and v2c."""

    def __init__(self, asker: Asker) -> None:
        self.traffic = asker.traffic
        self._asker = asker
        self._walker = Walker(asker)
        self._max_varbinds = _MAX_VARBINDS

    async def get(self, oids: Sequence[str]) -> Mapping[str, Varbind]:
        """As the port's; also raises OutsideCeilingError."""
        todo = list(dict.fromkeys(oids))
        found: dict[str, Varbind] = {}
        while todo:
            asked = todo[: self._max_varbinds]
            try:
                settled = self._settled(asked, await self._asker.ask(GET, asked))
            except (ErrorStatusError, MalformedAnswerError):
                if len(asked) == 1:
                    raise
                self._max_varbinds = len(asked) // 2
                continue
            found.update((oid, varbind) for oid, varbind in settled.items() if varbind)
            todo = [oid for oid in todo if oid not in settled]
        return found

    async def table(
        self, columns: Sequence[str], *, max_rows: int = 1000
    ) -> Mapping[str, Mapping[str, Varbind]]:
        """As the port's; also raises OutsideCeilingError."""
        return await self._walker.walk(columns, max_rows)

    def _settled(self, asked: Sequence[str], answer: SnmpMessage) -> Mapping[str, Varbind | None]:
        """Those OIDs that an answer decides: None where the device has no such instance.

        Raises: ErrorStatusError, MalformedAnswerError.
        """
        if answer.error_status == NO_SUCH_NAME:
            index = 1 if len(asked) == 1 else answer.error_index
            if 1 <= index <= len(asked):
                return {asked[index - 1]: None}
        self._asker.refuse_error(asked, answer)
        settled: dict[str, Varbind | None] = {}
        for varbind in answer.varbinds:
            if varbind.oid not in asked or varbind.oid in settled:
                raise MalformedAnswerError(
                    f"{self._asker.name}: asked for {', '.join(asked[:3])}"
                    f"{' and more' if len(asked) > 3 else ''}, answered with {varbind.oid}"
                )
            there = exists(varbind) and varbind.type != "Null"
            settled[varbind.oid] = varbind if there else None
        if not settled:
            raise MalformedAnswerError(
                f"{self._asker.name}: asked for {asked[0]}, answered with nothing"
            )
        return settled
