"""Messages and batches of our own making, for the tests of ingest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from shared.message import Message
from shared.messages import (
    DeviceIdentity,
    MeterRead,
    Order,
    ReadFailed,
    RoundFinished,
    SilentDevice,
    SnmpTarget,
    SupplyLevel,
    order_id,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT_AT = datetime(2036, 1, 1, tzinfo=UTC)  # by a clock that is right where the hub has it too
LIFE_COUNT = "1.3.6.1.2.1.43.10.2.1.4.1.1"


def target(number: int) -> SnmpTarget:
    return SnmpTarget(snmp=f"10.0.{number // 250}.{number % 250 + 1}")


def meter_read(
    number: int = 1,
    round_id: UUID | None = None,
    device: DeviceIdentity | None = None,
    **fields: Any,
) -> MeterRead:
    """Of the `number`th device of a site; serial and meters differ with the number."""
    round_id = round_id or uuid4()
    return MeterRead(
        **{
            "order": order_id(round_id, target(number)),
            "round": round_id,
            "agent": "agent-1",
            "target": target(number),
            "taken_at": NOON,
            "device": device or DeviceIdentity(make="Kyocera", model="M2", serial=f"VB{number:05}"),
            "profile": "rfc3805@1",
            "meters": {"total": 1000 + number, "scan": 7},
            "sources": {"total": [LIFE_COUNT]},
            "varbinds": {LIFE_COUNT: ("counter32", 1000 + number)},
            "supplies": [SupplyLevel(index="1.1", type="toner", level_percent=40.0)],
            **fields,
        }
    )


def read_failed(number: int, round_id: UUID) -> ReadFailed:
    return ReadFailed(
        order=order_id(round_id, target(number)),
        round=round_id,
        agent="agent-1",
        target=target(number),
        failed_at=NOON,
        outcome="no_answer",
        reason="no answer in 3 tries of 2.0 s",
    )


def round_finished(round_id: UUID, numbers: Sequence[int]) -> RoundFinished:
    return RoundFinished(
        round=round_id,
        agent="agent-1",
        kind="read",
        part=1,
        parts=1,
        started_at=NOON,
        finished_at=NOON,
        orders=[
            Order(order=order_id(round_id, target(number)), target=target(number))
            for number in numbers
        ],
        silent=[SilentDevice(target=target(999))],
        asked=len(numbers) + 1,
        answered=len(numbers),
        packets=10,
        bytes=1000,
    )


def line(n: int, message: Message, **told: bytes) -> bytes:
    return raw_line(n, message.routing_key, message.to_json(), **told)


def raw_line(n: int, kind: str, body: bytes, **told: bytes) -> bytes:
    """`told`: further members, as JSON."""
    more = b"".join(b',"%s":%s' % (name.encode(), value) for name, value in told.items())
    return b'{"n":%d,"type":%s,"body":%s%s}' % (n, json.dumps(kind).encode(), body, more)


def batch(
    lines: Sequence[bytes],
    *,
    spool: UUID | None = None,
    first_unsent: int = 1,
    last: int = 0,
    sent_at: datetime | str = SENT_AT,
    **told: bytes,
) -> bytes:
    """`told`: further members, as JSON."""
    return (
        b'{"spool":"%s","first_unsent":%d,"last":%d,"sent_at":"%s",%s"messages":['
        % (
            *(str(spool or uuid4()).encode(), first_unsent, last, str(sent_at).encode()),
            b"".join(b'"%s":%s,' % (name.encode(), value) for name, value in told.items()),
        )
        + b",".join(lines)
        + b"]}"
    )
