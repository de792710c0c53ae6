"""One question to one device: retries, the version that it speaks, and the end of its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from shared.credentials import Credential
from shared.snmp.error_status import NO_ERROR, error_status_words
from shared.snmp.exchange import Exchange
from shared.snmp.port import (
    ErrorStatusError,
    MalformedAnswerError,
    Manners,
    NoAnswerError,
    Traffic,
)
from shared.snmp.wire import (
    V1,
    V2C,
    RequestTemplate,
    SnmpMessage,
    WireError,
    request_template,
)

MAX_ANSWER_BYTES = 2 * 2**20  # a session's; the whole walk of a large copier is a tenth of it
_CONFIRM_S = 0.5
_HEAD_OCTETS = 32  # of a message, beside community and varbinds
_BRIEF = 5  # varbinds of a first question's last try: some devices answer nothing to a long one


class Asker(Protocol):
    """One question to one device. `name` is how errors call it.

    `width` varbinds a request, and `head_octets` of a message around them.
    """

    name: str
    traffic: Traffic
    manners: Manners

    @property
    def width(self) -> int: ...

    @property
    def head_octets(self) -> int: ...

    async def ask(
        self,
        pdu: int,
        oids: Sequence[str],
        *,
        non_repeaters: int = 0,
        max_repetitions: int = 0,
        tries: int | None = None,
    ) -> SnmpMessage:
        """The answer, whatever its error-status. A session's first question is no GETBULK.

        Raises: NoAnswerError, MalformedAnswerError, OutsideCeilingError.
        """


def refuse_error(name: str, asked: Sequence[str], answer: SnmpMessage) -> None:
    """Raises: ErrorStatusError, unless the answer's error-status is noError."""
    if answer.error_status == NO_ERROR:
        return
    index = answer.error_index
    culprit = asked[index - 1] if 1 <= index <= len(asked) else asked[0]
    more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
    raise ErrorStatusError(
        f"{name}: {error_status_words(answer.error_status)}; asked for {culprit}{more}"
    )


def lost_for_its_length(asker: Asker) -> bool:
    """Whether silence is reason to ask shorter, which is begun then: where a longest is set.

    A path that drops fragments brings short answers and no long one, and how long an answer will
    be can only be guessed.
    """
    is_set = asker.manners.max_message is not None
    return is_set and asker.traffic.packets_in > 0 and asker.manners.take_shorter()


class WireAsker:
    """Asks in v1 or v2c, one question at a time, until its time is over.

    `manners.version` becomes the one in which a device that may be asked in v2c has answered.
    """

    def __init__(
        self,
        exchange: Exchange,
        address: str,
        port: int,
        credential: Credential,
        *,
        deadline_s: float,
        from_anywhere: bool = False,
        timeout_s: float | None = None,
        tries: int | None = None,
        max_message: int | None = None,
    ) -> None:
        version = V1 if credential.version == "1" else None
        self.traffic = Traffic()
        self.manners = Manners(version, max_message=max_message)
        self.deadline_s = deadline_s
        self.name = address if port == 161 else f"{address} port {port}"
        self._exchange = exchange
        self._address = address
        self._port = port
        self._community = credential.community_octets
        self._from_anywhere = from_anywhere
        self._timeout_s = timeout_s or exchange.timeout_s
        self._tries = tries or exchange.tries
        self._turn = asyncio.Lock()
        self._until: float | None = None  # the loop's time; set by the first question
        self._answers = 0
        self._fault: WireError | None = None  # since the last answer
        self._stray = ""
        self._only_v1 = credential.version == "1"
        self._round_trip_s = 0.0

    async def ask(
        self,
        pdu: int,
        oids: Sequence[str],
        *,
        non_repeaters: int = 0,
        max_repetitions: int = 0,
        tries: int | None = None,
    ) -> SnmpMessage:
        """As Asker.ask."""
        async with self._turn, self._exchange.slots:
            if self._until is None:
                self._until = asyncio.get_running_loop().time() + self.deadline_s
            if self.traffic.bytes_in > MAX_ANSWER_BYTES:
                raise MalformedAnswerError(
                    f"{self.name}: broken off after {self.traffic.bytes_in} octets of answers"
                )
            tries = tries or self._tries_of(oids)
            asked = _Asked(pdu, tuple(oids), non_repeaters, max_repetitions)
            if self._is_settled:
                assert self.manners.version is not None
                answer = await self._try([self.manners.version] * tries, asked)
            else:
                answer = await self._first_answer(asked, max(tries, 2))
            self._answers += 1
            return answer

    @property
    def width(self) -> int:
        return self.manners.max_varbinds

    @property
    def head_octets(self) -> int:
        return _HEAD_OCTETS + len(self._community)

    @property
    def _is_settled(self) -> bool:
        return self._answers > 0 or self._only_v1

    def _tries_of(self, oids: Sequence[str]) -> int:
        """Half of them for a question that will be asked shorter after silence."""
        manners = self.manners
        if manners.max_message is None or manners.is_shortest or not self._answers:
            return self._tries
        return self._tries if len(oids) == 1 else (self._tries + 1) // 2

    async def _first_answer(self, asked: _Asked, tries: int) -> SnmpMessage:
        """Asks in v2c and v1 in turns, and settles the version.

        An answer in v1 may only mean that the datagram in v2c was lost, and v1 has no Counter64:
        v2c is asked once more, and waited for no longer than so lively a device needs; unless
        it was so before.
        """
        was = self.manners.version
        turns = [V1 if number % 2 == (was != V1) else V2C for number in range(tries)]
        answer = await self._try(turns, asked, brief_last=True)
        self.manners.version = answer.version
        if answer.version == V1 != was:
            confirm_s = max(_CONFIRM_S, 4 * self._round_trip_s)
            try:
                answer = await self._try([V2C], asked, timeout_s=confirm_s)
            except (NoAnswerError, MalformedAnswerError):
                return answer
            self.manners.version = V2C
        return answer

    async def _try(
        self,
        versions: Sequence[int],
        asked: _Asked,
        *,
        timeout_s: float | None = None,
        brief_last: bool = False,
    ) -> SnmpMessage:
        """One try a version. All bear one id, so that a slow answer to the first still counts."""
        timeout_s = min(timeout_s or self._timeout_s, self._timeout_s)
        loop = asyncio.get_running_loop()
        number, waiting = self._exchange.open(
            self._address, self._port, self.traffic, from_anywhere=self._from_anywhere
        )
        try:
            for turn, version in enumerate(versions, 1):
                if brief_last and turn == len(versions) and len(asked.oids) > _BRIEF:
                    asked = asked._replace(oids=asked.oids[:_BRIEF])
                    self.manners.take_fewer(_BRIEF)
                request = _template(version, self._community, *asked).request(number)
                now = loop.time()
                until = now + min(timeout_s, self._left_s(now))
                self._exchange.send(request, self._address, self._port, waiting)
                answer = await self._exchange.answer(waiting, until)
                if isinstance(answer, SnmpMessage):
                    self._round_trip_s = loop.time() - now
                    self._fault = None
                    return answer
                self._fault = answer or self._fault
                self._stray = waiting.stray or self._stray
        finally:
            self._exchange.close_request(number)
        if self._fault:
            raise MalformedAnswerError(f"{self.name}: {self._fault}")
        self._left_s(loop.time())
        tries = "1 try" if len(versions) == 1 else f"{len(versions)} tries"
        raise NoAnswerError(
            f"{self.name}: no SNMP answer in {tries} of {timeout_s:.1f} s{self._strayed}"
        )

    def _left_s(self, now: float) -> float:
        """Seconds until the session's end. Raises: MalformedAnswerError, NoAnswerError."""
        assert self._until is not None
        left_s = self._until - now
        if left_s > 0:
            return left_s
        if self._fault:
            raise MalformedAnswerError(f"{self.name}: {self._fault}")
        if not self._answers:
            raise NoAnswerError(
                f"{self.name}: no SNMP answer in {self.deadline_s:.1f} s{self._strayed}"
            )
        raise NoAnswerError(
            f"{self.name}: too slow: {self.deadline_s:.1f} s were over after "
            f"{self._answers} answers{self._strayed}"
        )

    @property
    def _strayed(self) -> str:
        return f"; {self._stray}" if self._stray else ""


class _Asked(NamedTuple):
    pdu: int
    oids: tuple[str, ...]
    non_repeaters: int
    max_repetitions: int


@lru_cache(maxsize=1024)  # most devices are asked what others were
def _template(
    version: int,
    community: bytes,
    pdu: int,
    oids: tuple[str, ...],
    non_repeaters: int,
    max_repetitions: int,
) -> RequestTemplate:
    return request_template(
        version,
        community,
        pdu,
        oids,
        non_repeaters=non_repeaters,
        max_repetitions=max_repetitions,
    )
