"""One question to one device: retries, the version that it speaks, and the end of its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.credentials import Credential
from shared.snmp.error_status import NO_ERROR, error_status_words
from shared.snmp.exchange import Exchange
from shared.snmp.port import ErrorStatusError, MalformedAnswerError, NoAnswerError, Traffic
from shared.snmp.wire import V1, V2C, SnmpMessage, WireError, encode_request

MAX_ANSWER_BYTES = 2 * 2**20  # a session's; the whole walk of a large copier is a tenth of it
_CONFIRM_S = 0.5


class Asker:
    """Asks one device, one question at a time, until its time is over.

    `version` is None until a device that may be asked in v2c has answered in v2c or v1; then it
    stays. `name` is how errors call the device.
    """

    def __init__(
        self,
        exchange: Exchange,
        address: str,
        port: int,
        credential: Credential,
        *,
        deadline_s: float,
    ) -> None:
        self.traffic = Traffic()
        self.deadline_s = deadline_s
        self.name = address if port == 161 else f"{address} port {port}"
        self.version: int | None = V1 if credential.version == "1" else None
        self._exchange = exchange
        self._address = address
        self._port = port
        self._community = credential.community_octets
        self._turn = asyncio.Lock()
        self._until: float | None = None  # the loop's time; set by the first question
        self._answers = 0
        self._round_trip_s = 0.0

    async def ask(
        self, pdu: int, oids: Sequence[str], *, max_repetitions: int = 0, tries: int | None = None
    ) -> SnmpMessage:
        """The answer, whatever its error-status. While `version` is None, GETBULK is no question.

        Raises: NoAnswerError, MalformedAnswerError, OutsideCeilingError.
        """
        async with self._turn, self._exchange.slots:
            if self._until is None:
                self._until = asyncio.get_running_loop().time() + self.deadline_s
            if self.traffic.bytes_in > MAX_ANSWER_BYTES:
                raise MalformedAnswerError(
                    f"{self.name}: broken off after {self.traffic.bytes_in} octets of answers"
                )
            tries = tries or self._exchange.tries
            if self.version is None:
                answer = await self._first_answer(pdu, oids, max(tries, 2))
            else:
                answer = await self._try([self.version] * tries, pdu, oids, max_repetitions)
            self._answers += 1
            return answer

    def refuse_error(self, asked: Sequence[str], answer: SnmpMessage) -> None:
        """Raises: ErrorStatusError, unless the answer's error-status is noError."""
        if answer.error_status == NO_ERROR:
            return
        index = answer.error_index
        culprit = asked[index - 1] if 1 <= index <= len(asked) else asked[0]
        more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
        raise ErrorStatusError(
            f"{self.name}: {error_status_words(answer.error_status)}; asked for {culprit}{more}"
        )

    async def _first_answer(self, pdu: int, oids: Sequence[str], tries: int) -> SnmpMessage:
        """Asks in v2c and v1 in turns, and settles the version.

        An answer in v1 may only mean that the datagram in v2c was lost, and v1 has no Counter64:
        v2c is asked once more, and waited for no longer than so lively a device needs.
        """
        turns = [V1 if number % 2 else V2C for number in range(tries)]
        answer = await self._try(turns, pdu, oids)
        self.version = answer.version
        if answer.version == V1:
            confirm_s = max(_CONFIRM_S, 4 * self._round_trip_s)
            try:
                answer = await self._try([V2C], pdu, oids, timeout_s=confirm_s)
            except (NoAnswerError, MalformedAnswerError):
                return answer
            self.version = V2C
        return answer

    async def _try(
        self,
        versions: Sequence[int],
        pdu: int,
        oids: Sequence[str],
        max_repetitions: int = 0,
        *,
        timeout_s: float | None = None,
    ) -> SnmpMessage:
        """One try a version. All bear one id, so that a slow answer to the first still counts."""
        timeout_s = min(timeout_s or self._exchange.timeout_s, self._exchange.timeout_s)
        loop = asyncio.get_running_loop()
        fault: WireError | None = None
        with self._exchange.waiting(self._address, self._port, self.traffic) as (number, waiting):
            for version in versions:
                request = encode_request(
                    version, self._community, pdu, number, oids, max_repetitions=max_repetitions
                )
                left_s = self._left_s(fault)
                sent_at = loop.time()
                await self._exchange.send(request, self._address, self._port, self.traffic)
                answer = await waiting.answer(min(timeout_s, left_s))
                if isinstance(answer, SnmpMessage):
                    self._round_trip_s = loop.time() - sent_at
                    return answer
                fault = answer or fault
        if fault:
            raise MalformedAnswerError(f"{self.name}: {fault}")
        self._left_s(fault)
        stray = f"; {waiting.stray}" if waiting.stray else ""
        tries = "1 try" if len(versions) == 1 else f"{len(versions)} tries"
        raise NoAnswerError(f"{self.name}: no SNMP answer in {tries} of {timeout_s:.1f} s{stray}")

    def _left_s(self, fault: WireError | None) -> float:
        """Seconds until the session's end. Raises: MalformedAnswerError, NoAnswerError."""
        assert self._until is not None
        left_s = self._until - asyncio.get_running_loop().time()
        if left_s > 0:
            return left_s
        if fault:
            raise MalformedAnswerError(f"{self.name}: {fault}")
        if not self._answers:
            raise NoAnswerError(f"{self.name}: no SNMP answer in {self.deadline_s:.1f} s")
        raise NoAnswerError(
            f"{self.name}: broken off after {self.deadline_s:.1f} s and {self._answers} answers"
        )
