"""How often a batch waits for the database, by what goes over the wire."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from statistics import median
from uuid import uuid4

from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from services.ingest import around, hearing
from shared.message import Message
from shared.store.postgres import open_store
from tests.contract.test_ingest import Hub, a_hub
from tests.unit.ingest.batches import line, meter_read

# by which libpq asks for an answer; source: PostgreSQL's manual, "Message Formats"
_ASKS = re.compile(rb"\tF\t\d+\t(Query|Sync|Flush|CopyDone)\b")


async def _asks(hub: Hub, number: int, messages: Sequence[Message]) -> int:
    with tempfile.TemporaryFile() as trace:
        async with hub.store.transaction() as connection:  # the only one
            connection.pgconn.trace(trace.fileno())
        answer = await hub.post([line(number, it) for it in messages])
        async with hub.store.transaction() as connection:
            connection.pgconn.untrace()
        assert answer.json()["last"] == number
        assert [it["status"] for it in answer.json()["results"]] == ["accepted"] * len(messages)
        trace.seek(0)
        return len(_ASKS.findall(trace.read()))


async def test_a_batch_of_one_read_of_a_known_device_asks_the_database_seldom(
    store_url: str,
) -> None:
    async with open_store(store_url, pool_size=1) as store, a_hub(store) as hub:
        asked = [await _asks(hub, n, [meter_read(1, uuid4())]) for n in range(1, 9)]

    assert median(asked) <= 6, asked  # a statement that is prepared asks twice


async def test_an_empty_batch_asks_the_database_seldom(store_url: str) -> None:
    async with open_store(store_url, pool_size=1) as store, a_hub(store) as hub:
        await _asks(hub, 1, [meter_read(1)])

        assert await _asks(hub, 1, []) <= 4


def test_psycopg_remembers_what_it_made_of_the_long_questions() -> None:
    for question in (hearing._QUESTION, around._AROUND + around._PLACED):
        assert len(question) <= MAX_CACHED_STATEMENT_LENGTH
        assert "--" not in question  # they may be in one line
