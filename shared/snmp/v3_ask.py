"""One question to one device in SNMPv3: its engine, its user's keys, and what it says of them.

Never a community, never a lower security level than the credential's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from shared.credentials import Credential
from shared.snmp.ask import MAX_ANSWER_BYTES
from shared.snmp.engine import engine_answer, engine_question
from shared.snmp.port import (
    AnotherDeviceError,
    CredentialRefusedError,
    MalformedAnswerError,
    Manners,
    NoAnswerError,
    Traffic,
    Varbind,
)
from shared.snmp.pysnmp_keys import DIGEST_OCTETS
from shared.snmp.v3_exchange import Question, V3Exchange
from shared.snmp.v3_usm import Engine, Opened, RefusedAnswerError, Seal
from shared.snmp.wire import GETBULK, V2C, SnmpMessage, WireError, cut

_HEAD_OCTETS = 110  # of an encrypted answer, beside names, digest and varbinds
_BRIEF = 5  # varbinds of a first question's last try
_AUTHORIZATION_ERROR = 16
_USM = "1.3.6.1.6.3.15.1.1."  # usmStats, RFC 3414 section 5
_NOT_IN_TIME_WINDOW, _UNKNOWN_ENGINE_ID = f"{_USM}2.0", f"{_USM}4.0"
_REFUSALS = {  # what a report counts, and what to try
    f"{_USM}1.0": "does not take {level} from the credential's user; set the same protocols at "
    "both ends",
    _NOT_IN_TIME_WINDOW: "says twice that the question is outside its time window; restart the "
    "device's SNMP agent",
    f"{_USM}3.0": "does not know the credential's user; check its spelling, capitals count",
    _UNKNOWN_ENGINE_ID: "says twice that it has another engine id; restart the device's SNMP agent",
    f"{_USM}5.0": "refuses the authentication; check the authentication password, and that the "
    "device has {auth} for this user",
    f"{_USM}6.0": "cannot decrypt the question; check the privacy password, and that the device "
    "has {privacy} for this user",
    # RFC 3412 section 5 and RFC 3413 section 3.2
    "1.3.6.1.6.3.11.2.1.1.0": "does not speak the user-based security model; SNMPv3 cannot be used",
    "1.3.6.1.6.3.12.1.4.0": "has the credential's context, but not now; try again later",
    "1.3.6.1.6.3.12.1.5.0": "does not know the credential's context; check its spelling, capitals "
    "count",
}
_SILENCE = {
    "noAuthNoPriv": "the user's name, and that the device lets this address ask",
    "authNoPriv": "user, password and {auth}, and that the device lets this address ask",
    "authPriv": "the privacy password, and that the device has {privacy} for this user: most say "
    "nothing to what they cannot decrypt",
}
_SILENT_CONTEXT = "the context's spelling, capitals count, and "


class V3Asker:
    """The Asker of shared.snmp.ask in SNMPv3, until its time is over.

    `engine_id` is that of whoever has answered.
    """

    def __init__(
        self,
        exchange: V3Exchange,
        address: str,
        port: int,
        credential: Credential,
        *,
        deadline_s: float,
        timeout_s: float | None = None,
        tries: int | None = None,
        max_message: int | None = None,
    ) -> None:
        self.traffic = Traffic()
        # v3 has GETBULK and the types of v2c
        self.manners = Manners(V2C, max_message=max_message)
        self.deadline_s = deadline_s
        self.name = address if port == 161 else f"{address} port {port}"
        self.engine_id: bytes | None = None
        self._exchange = exchange
        self._address = address
        self._port = port
        self._credential = credential
        self._timeout_s = timeout_s or exchange.timeout_s
        self._tries = tries or exchange.tries
        self._max_message = max_message
        self._seal: Seal | None = None
        self._turn = asyncio.Lock()
        self._until: float | None = None  # the loop's time; set by the first question
        self._answers = 0

    async def ask(
        self,
        pdu: int,
        oids: Sequence[str],
        *,
        non_repeaters: int = 0,
        max_repetitions: int = 0,
        tries: int | None = None,
    ) -> SnmpMessage:
        """As Asker.ask; also raises CredentialRefusedError and AnotherDeviceError."""
        nulls = [Varbind(oid, "Null", None) for oid in oids]
        number = secrets.randbits(31)
        asked = SnmpMessage(V2C, b"", pdu, number, non_repeaters, max_repetitions, nulls)
        async with self._turn, self._exchange.slots:
            if self._until is None:
                self._until = self._now() + self.deadline_s
            if self.traffic.bytes_in > MAX_ANSWER_BYTES:
                raise MalformedAnswerError(
                    f"{self.name}: broken off after {self.traffic.bytes_in} octets of answers"
                )
            with self._exchange.asking(self._address, self._port, self.traffic) as question:
                answer = await self._answer(question, asked, tries or self._tries)
            if answer.error_status == _AUTHORIZATION_ERROR:
                raise CredentialRefusedError(
                    f"{self.name}: knows the credential's user, and lets it read nothing; give it "
                    f"a view at the device, for {self._credential.level} and this context"
                )
            self._answers += 1
            return answer

    @property
    def width(self) -> int:
        return self.manners.max_varbinds

    @property
    def head_octets(self) -> int:
        one = self._credential
        engine_ids = 2 * len(self.engine_id or bytes(32))
        digest = DIGEST_OCTETS[one.auth]
        return _HEAD_OCTETS + engine_ids + digest + len(one.user_octets + one.context_octets)

    async def _answer(self, question: Question, asked: SnmpMessage, tries: int) -> SnmpMessage:
        """Reports are heeded once each: the engine's clock or id is set right, and asked again."""
        remembered = self._exchange.engine(self._address, self._port)
        engine = remembered or await self._find_engine(question, tries)
        heeded: set[str] = set()
        fault: WireError | None = None
        left = tries
        while left:
            if left == 1 < tries and not self._answers:
                asked = self._brief(asked)
            came = await self._once(question, asked, engine)
            if isinstance(came, Opened) and not came.is_report:
                self.engine_id = engine.id
                return cut(came.answer)
            if isinstance(came, Opened):
                engine = self._heed(came, engine, heeded)
                continue
            fault = came or fault
            left -= 1
            if not left and not fault and remembered is engine and not self._answers:
                engine = await self._find_engine(question, 1)  # somebody else may be there now
                left = tries if engine.id != remembered.id else 0
        if fault:
            raise MalformedAnswerError(f"{self.name}: {fault}")
        if not self._answers and tries > 1:
            context = _SILENT_CONTEXT if self._credential.context else ""
            hint = self._hint(context + _SILENCE[self._credential.level])
            raise CredentialRefusedError(
                f"{self.name}: answers SNMPv3's engine question, and nothing to the credential's "
                f"user{self._tried(question, tries)}; check {hint}"
            )
        raise self._no_answer(question)

    def _brief(self, asked: SnmpMessage) -> SnmpMessage:
        """Fewer of it, as some devices answer nothing to a long question."""
        if asked.pdu == GETBULK or len(asked.varbinds) <= _BRIEF:
            return asked
        self.manners.take_fewer(_BRIEF)
        return asked._replace(varbinds=asked.varbinds[:_BRIEF])

    async def _once(
        self, question: Question, asked: SnmpMessage, engine: Engine
    ) -> Opened | WireError | None:
        """What one datagram brings within the time; None is silence."""
        seal = await self._sealing(engine)
        until = self._try_until(question)
        number = self._exchange.fresh_id(question)
        datagram = seal.sealed(asked, number, self._now())
        await self._exchange.send(datagram, self._address, self._port, self.traffic)
        fault: WireError | None = None
        while (came := await question.next(until)) is not None:
            try:
                return seal.opened(came, asked.request_id, self._now())
            except RefusedAnswerError as error:
                question.stray = f"{error} was refused"
            except WireError as error:
                fault = WireError(f"answered with {len(came)} octets that are no answer: {error}")
        return fault

    async def _find_engine(self, question: Question, tries: int) -> Engine:
        """Who is there. Raises: NoAnswerError, MalformedAnswerError."""
        fault: WireError | None = None
        for _ in range(tries):
            until = self._try_until(question)
            number = self._exchange.fresh_id(question)
            datagram = engine_question(number)
            await self._exchange.send(datagram, self._address, self._port, self.traffic)
            while (came := await question.next(until)) is not None:
                try:
                    answer = engine_answer(came)
                except WireError as error:
                    fault = error
                    continue
                return self._there(answer.engine_id, answer.boots, answer.time)
        if fault:
            raise MalformedAnswerError(
                f"{self.name}: answers SNMPv3's engine question with {fault}"
            )
        raise self._no_answer(question)

    def _heed(self, report: Opened, engine: Engine, heeded: set[str]) -> Engine:
        """The engine to ask now. Raises: CredentialRefusedError, AnotherDeviceError."""
        said = report.answer.varbinds[0].oid if report.answer.varbinds else "nothing"
        security = report.security
        if said in heeded or said not in {_NOT_IN_TIME_WINDOW, _UNKNOWN_ENGINE_ID}:
            unknown = f"refuses with the report {said}, which no RFC of SNMPv3 knows"
            raise CredentialRefusedError(f"{self.name}: {self._hint(_REFUSALS.get(said, unknown))}")
        heeded.add(said)
        if said == _NOT_IN_TIME_WINDOW:
            # fresh, for its message id was drawn for this question, and is in what is authentic
            engine.set(security.boots, security.time, self._now(), verified=report.is_authentic)
            return engine
        return self._there(security.engine_id, security.boots, security.time)

    def _there(self, engine_id: bytes, boots: int, time: int) -> Engine:
        """Raises: AnotherDeviceError."""
        engine = Engine(engine_id, boots, time, self._now())
        self._exchange.remember(self._address, self._port, engine)
        self._refuse_another(engine)
        return engine

    def _refuse_another(self, engine: Engine) -> None:
        """Raises: AnotherDeviceError, once: what is asked after it is the other's alone."""
        if self.engine_id not in {None, engine.id}:
            self.engine_id = None
            raise AnotherDeviceError(
                f"{self.name}: another SNMPv3 engine answers in the middle of the read; its board "
                "was changed, or another device took the address: read it again"
            )

    async def _sealing(self, engine: Engine) -> Seal:
        self._refuse_another(engine)
        if self._seal is None or self._seal.engine is not engine:
            keys = await self._exchange.keys(self._credential, engine.id)
            self._seal = Seal(self._credential, keys, engine, self._max_message)
        return self._seal

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _try_until(self, question: Question) -> float:
        """The loop's time at which a try ends. Raises: NoAnswerError, at the session's end."""
        assert self._until is not None
        now = self._now()
        if now < self._until:
            return min(now + self._timeout_s, self._until)
        stray = f"; {question.stray}" if question.stray else ""
        if not self._answers:
            raise NoAnswerError(f"{self.name}: no SNMPv3 answer in {self.deadline_s:.1f} s{stray}")
        raise NoAnswerError(
            f"{self.name}: broken off after {self.deadline_s:.1f} s and {self._answers} answers"
            f"{stray}"
        )

    def _no_answer(self, question: Question) -> NoAnswerError:
        tried = self._tried(question, question.tries)
        return NoAnswerError(f"{self.name}: no SNMPv3 answer{tried}")

    def _tried(self, question: Question, tries: int) -> str:
        stray = f" ({question.stray})" if question.stray else ""
        number = "1 try" if tries == 1 else f"{tries} tries"
        return f" in {number} of {self._timeout_s:.1f} s{stray}"

    def _hint(self, words: str) -> str:
        one = self._credential
        return words.format(level=one.level, auth=one.auth, privacy=one.privacy)
