"""Messages in any order, cut into any batches, come to the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from services.ingest.sites import add_customer
from shared.message import Message
from shared.messages import DeviceEvent, DeviceIdentity, MeterRead, Order, RoundFinished, order_id
from shared.store.postgres import Store
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import NOON, line, meter_read, read_failed, round_finished, target

ROUNDS = [uuid5(UUID(int=1), f"round {n}") for n in range(4)]
_ROWS = {
    "message": "select id, type, order_id, round_id, taken_at, body, digest, n, clock_offset_s"
    " from message where site_id = %s order by id",
    "outcome": "select id, type, order_id, digest from outcome where site_id = %s order by id",
    "read": "select * from read where site_id = %s order by id",
    "failed": "select * from read_failed where site_id = %s order by id",
    "order": "select * from order_outcome where site_id = %s order by order_id",
    "round": "select * from round where site_id = %s order by id",
    "course": "select * from round_course where site_id = %s order by id",
    "name": "select * from round_name where site_id = %s order by round_id, part, kind, position",
    "event": "select * from round_event where site_id = %s order by round_id, part, position",
    "device": "select key, first_read_at, held_as, held_at, held_because from device"
    " where customer_id = (select customer_id from site where id = %s) order by key",
    "evidence": "select e.read_id, d.key, e.held_because from evidence e"
    " left join device d on d.id = e.device_id where e.site_id = %s order by e.read_id",
    "stay": "select d.key, s.kind, s.value, s.model, s.first_at, s.first_round, s.last_at,"
    " s.last_round, s.instead_of from device_stay s join device d on d.id = s.device_id"
    " where s.site_id = %s order by d.key, s.kind, s.first_at, s.value",
}
# an array, a row, a COPY and a statement each write some of these in another way
_TEXTS = ["", " ", "NULL", "a,b", '{"x"}', r"\N \x41", "é😀\u2028", "\t\n\x01", "%s", "x" * 1024]
_NUMBERS = [0, 32_768, 2**31, 2**63 - 1]
_ORDERS = 5
_BY_CHANCE = ("site_id", "received_at")


def read(round_: int, at: int, serial: str | None, mac: str | None, **fields: Any) -> MeterRead:
    """Of the round, at an address of 10.0.0.0/24."""
    model = fields.pop("model", "M2")
    return meter_read(
        at,
        ROUNDS[round_],
        DeviceIdentity(make="Kyocera", model=model, serial=serial, mac=mac),
        taken_at=NOON + timedelta(hours=6 * round_, minutes=at),
        **fields,
    )


def mac(number: int) -> str:
    return f"00:11:22:33:44:{number:02x}"


def part(round_: int, number: int, parts: int, devices: Sequence[int]) -> RoundFinished:
    orders = [
        Order(order=order_id(ROUNDS[round_], target(it)), target=target(it)) for it in devices
    ]
    begun = NOON + timedelta(hours=6 * round_)
    return round_finished(ROUNDS[round_], []).model_copy(
        update={"part": number, "parts": parts, "orders": orders, "started_at": begun}
    )


STEADY: list[Message] = [
    # one that moves, changes what it is called, and has another board in the end
    read(0, 1, "VB00001", mac(1), model=None),
    read(1, 2, "VB00001", mac(1), model="M3"),
    read(2, 2, "VB00001", mac(1)),
    read(3, 1, "VB00001", mac(2)),
    # one that is called by three names
    read(0, 11, "VB00011", mac(11), model=None),
    read(1, 11, "VB00011", mac(11), model="M3"),
    read(2, 11, "VB00011", mac(11), model="M2"),
    # one that is known by its MAC address alone, and one that is not known
    read(0, 5, None, mac(5)),
    read(2, 6, None, mac(5)),
    read(1, 7, None, None),
    # outcomes of both kinds, and rounds in parts
    read_failed(9, ROUNDS[0]),
    read_failed(2, ROUNDS[1]),
    part(0, 1, 2, [1, 5, 9]),
    part(0, 2, 2, []),
    part(1, 1, 1, [2, 7]),
]
HIDDEN: list[Message] = [  # its serial number is hidden now and then
    read(0, 1, None, mac(1)),
    read(1, 1, "VB00001", mac(1)),
    read(2, 1, None, mac(1)),
    read(3, 1, "VB00001", mac(1)),
]
TWINS: list[Message] = [  # two devices show one serial number from the third round on
    read(0, 1, "VB00001", mac(1)),
    read(1, 1, "VB00001", mac(1)),
    read(2, 1, "VB00001", mac(1)),
    read(2, 3, "VB00001", mac(3)),
    read(3, 1, "VB00001", mac(1)),
]


def odd(number: int, text: str) -> list[Message]:
    """Two reads, a failure and a part of a round, with what may be written wrong in some way."""
    round_id = uuid5(ROUNDS[0], f"odd {number}")
    amount = _NUMBERS[number % len(_NUMBERS)]
    identity = DeviceIdentity(make=text, model=text, serial=f"VB{number:05}", location=text)
    moved = DeviceEvent(kind="moved", target=target(number), serial=text)
    return [
        meter_read(
            number,
            round_id,
            identity,
            taken_at=NOON.replace(year=1 + 1111 * (number % 9), microsecond=number),
            meters={"total": amount, "scan": number, "other": 7},
            units={"total": text, "other": "NULL"},
            large_counts=2,
        ),
        meter_read(number + 50, round_id, identity, meters={}, no_meters_because=text or "none"),
        read_failed(number + 100, round_id).model_copy(update={"reason": text}),
        round_finished(round_id, [number]).model_copy(
            update={"part": 1_000_000, "parts": 1_000_000, "asked": amount, "events": [moved]}
        ),
    ]


def _instant(message: Message) -> datetime:
    return message.taken_at if isinstance(message, MeterRead) else NOON + timedelta(days=2)


async def rows_after(
    hub: Hub, messages: Sequence[Message], chance: Random | None, at_once: int = 1
) -> dict[str, list[dict[str, str]]]:
    """The rows of a new customer's site, to which they come in the order of their time, so many at
    once, or in any order and any batches, some of them twice."""
    name = str(uuid4())[:8]
    await add_customer(hub.store, name)
    site = await hub.beside(name, name)
    numbered = sorted(enumerate(messages, 1), key=lambda each: _instant(each[1]))
    if chance:
        numbered += chance.sample(numbered, 2)
        chance.shuffle(numbered)
    while numbered:
        count = chance.randint(1, 4) if chance else at_once
        batch, numbered = dict(numbered[:count]), numbered[count:]
        answer = await site.post([line(n, it) for n, it in batch.items()], last=len(messages))
        assert answer.status_code == 200
    return {
        what: [
            {
                column: str(value).replace(name, "SITE")
                for column, value in row.items()
                if column not in _BY_CHANCE
            }
            for row in await hub.rows(sql, site.site.id)
        ]
        for what, sql in _ROWS.items()
    }


@pytest.mark.parametrize("messages", [STEADY, HIDDEN, TWINS], ids=["steady", "hidden", "twins"])
async def test_messages_in_any_order_come_to_the_same_rows(
    store: Store, messages: list[Message]
) -> None:
    async with a_hub(store, requests_a_minute=10_000) as hub:
        in_time = await rows_after(hub, messages, None)

        for seed in range(_ORDERS):
            assert await rows_after(hub, messages, Random(seed)) == in_time, f"order {seed}"


async def test_many_messages_at_once_come_to_the_rows_that_one_by_one_come_to(store: Store) -> None:
    """Few rows are written by one statement, as text; many by COPY, as octets of our making."""
    messages = [it for number, text in enumerate(_TEXTS, 1) for it in odd(number, text)]
    async with a_hub(store, requests_a_minute=10_000) as hub:
        one_by_one = await rows_after(hub, messages, None)

        assert await rows_after(hub, messages, None, at_once=len(messages)) == one_by_one
