"""A simulated SNMPv3 engine with one user, honest or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, cast

from shared.credentials import Credential
from shared.snmp.port import Value, Varbind
from shared.snmp.pysnmp_keys import Keyring
from shared.snmp.v3_message import (
    _V2C_HEAD,
    AUTH,
    PRIV,
    REPORT,
    RESPONSE,
    ScopedPdu,
    Security,
    V3Message,
    _tlv,
    read_message,
    read_scoped_pdu,
    write_message,
    write_pdu,
    write_scoped_pdu,
)
from shared.snmp.wire import V2C, SnmpMessage, decode

USM_STATS = "1.3.6.1.6.3.15.1.1"
LEVELS = {"noAuthNoPriv": 0, "authNoPriv": AUTH, "authPriv": AUTH | PRIV}

Misbehaviour = Literal[
    "",
    "gone",
    "silent",  # to all but the engine question
    "silent_to_many",  # to more than five varbinds
    "no_security",  # answers what was asked as noAuthNoPriv
    "no_privacy",  # answers what was asked as authNoPriv
    "wrong_digest",
    "no_digest",
    "other_user",
    "other_context",
    "other_request",
    "stale",  # an answer of a quarter of an hour ago
    "old_boots",
    "last_boots",  # the boots that RFC 3414 section 2.2.2 calls latched
    "cut",
    "response_to_engine_question",
    "never_in_time",
    "never_known",  # another engine id in each report
    "huge",
]


class V3Agent:
    """Answers GET with `rows`, in the user, protocols and context of the credential."""

    def __init__(
        self,
        credential: Credential,
        rows: Mapping[str, tuple[str, Value]],
        *,
        misbehave: Misbehaviour = "",
        report: str = "",
        delay_s: float = 0,
    ) -> None:
        """Args: report: the OID with which it refuses all but the engine question."""
        self.engine_id = b"\x80\x00\x1f\x88\x04" + bytes(16)  # more zeros than a digest has
        self.boots = 7
        self.misbehave = misbehave
        self.received: list[bytes] = []
        self.open = self.most_open = 0
        self._credential = credential
        self._rows = rows
        self._report = report
        self._delay_s = delay_s
        self._keyring = Keyring()
        self._arrived = asyncio.Event()
        self._began = time.monotonic() - 5000

    async def serve(self, datagram: bytes, send: asyncio.DatagramTransport, to: object) -> None:
        self.received.append(datagram)
        self._arrived.set()
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self._delay_s)
        answer = self.answer(datagram)
        self.open -= 1
        if answer:
            send.sendto(answer, to)  # type: ignore[arg-type]

    async def next_question(self) -> bytes:
        """The next that comes from now on."""
        self._arrived.clear()
        await self._arrived.wait()
        return self.received[-1]

    def answer(self, datagram: bytes) -> bytes | None:
        message = read_message(datagram)
        if self.misbehave == "gone":
            return None
        if not message.security.engine_id:
            if self.misbehave == "response_to_engine_question":
                return self._reply(message, self._pdu(RESPONSE, 1, []), 0)
            return self._reported(message, f"{USM_STATS}.4.0", 0)
        if self.misbehave == "silent":
            return None
        if self.misbehave == "never_in_time":
            return self._reported(message, f"{USM_STATS}.2.0", message.flags & AUTH)
        if self.misbehave == "never_known" or message.security.engine_id != self.engine_id:
            if self.misbehave == "never_known":
                self.engine_id = self.engine_id[:-1] + bytes([self.engine_id[-1] + 1])
            return self._reported(message, f"{USM_STATS}.4.0", 0)
        if self._report:
            return self._reported(message, self._report, 0)
        return self._answered(message)

    def _answered(self, message: V3Message) -> bytes | None:
        security, body = message.security, message.body
        if message.flags & PRIV:
            keys = self._keyring.keys(self._credential, self.engine_id)
            body = keys.decrypt(body, security.boots, security.time, security.salt)
        asked = decode(_tlv(0x30, _V2C_HEAD + read_scoped_pdu(body).pdu))
        if self.misbehave == "silent_to_many" and len(asked.varbinds) > 5:
            return None
        found = [
            Varbind(one.oid, *self._rows.get(one.oid, ("noSuchObject", None)))
            for one in asked.varbinds
        ]
        if self.misbehave == "huge":
            found = [Varbind(one.oid, "OctetString", b"x" * 60_000) for one in asked.varbinds]
        number = asked.request_id + (self.misbehave == "other_request")
        level = LEVELS[self._credential.level]
        if self.misbehave == "no_security":
            level = 0
        if self.misbehave == "no_privacy":
            level &= AUTH
        return self._reply(message, self._pdu(RESPONSE, number, found), level)

    def _reported(self, message: V3Message, oid: str, level: int) -> bytes:
        return self._reply(message, self._pdu(REPORT, 0, [Varbind(oid, "Counter32", 1)]), level)

    def _pdu(self, pdu: int, number: int, varbinds: list[Varbind]) -> bytes:
        made = write_pdu(SnmpMessage(V2C, b"", RESPONSE, number, 0, 0, varbinds))
        return bytes((pdu,)) + made[1:]

    def _reply(self, message: V3Message, pdu: bytes, level: int) -> bytes:
        keys = self._keyring.keys(self._credential, self.engine_id)
        boots, now = self.boots, int(time.monotonic() - self._began)
        boots -= self.misbehave == "old_boots"
        boots = 2**31 - 1 if self.misbehave == "last_boots" else boots
        now -= 900 * (self.misbehave == "stale")
        context = self._credential.context_octets
        context += b"x" * (self.misbehave == "other_context")
        body, salt = write_scoped_pdu(ScopedPdu(self.engine_id, context, pdu)), b""
        if level & PRIV:
            body, salt = keys.encrypt(body, boots, now)
        if self.misbehave == "cut":
            body = body[:-3]
        user = message.security.user + b"x" * (self.misbehave == "other_user")
        digest = bytes(keys.digest_octets) if level & AUTH else b""
        if self.misbehave == "no_digest":
            digest = b""
        security = Security(self.engine_id, boots, now, user, digest, salt)
        made = write_message(message.message_id, level, security, body)
        if not digest:
            return made
        at = read_message(made).digest_at
        digest = keys.digest(made)
        if self.misbehave == "wrong_digest":
            digest = digest[:-1] + bytes([digest[-1] ^ 1])
        return made[:at] + digest + made[at + len(digest) :]


@asynccontextmanager
async def answering(agent: V3Agent, address: str, port: int) -> AsyncIterator[V3Agent]:
    """`agent` at that UDP address while the block runs."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._send = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: object) -> None:
            task = loop.create_task(agent.serve(data, self._send, addr))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=(address, port))
    try:
        yield agent
    finally:
        transport.close()
        for task in tasks:
            task.cancel()
