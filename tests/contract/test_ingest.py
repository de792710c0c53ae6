"""Ingest on a real PostgreSQL, asked over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.ingest.explain import explain
from services.ingest.gaps import gaps
from services.ingest.keys import add_key, revoke_keys
from services.ingest.ledger import Ledger, lock_ledger
from services.ingest.routes import create_app
from services.ingest.settings import IngestSettings
from services.ingest.sites import AdminError, Site, add_customer, add_site
from services.ingest.typed import rebuild
from shared.clock import utc_now
from shared.decode import decode
from shared.message import Message
from shared.messages import DeviceIdentity, IppTarget, MeterRead
from shared.scope import Ask, Scope
from shared.store.postgres import Store
from shared.store.scope import ScopeError, set_scope
from tests.unit.ingest.batches import (
    LIFE_COUNT,
    SENT_AT,
    batch,
    line,
    meter_read,
    raw_line,
    read_failed,
    round_finished,
    target,
)

_LONGER = "update site_head set length = length + 1 where site_id = %s"
_WAITING = (
    "select count(*) from pg_stat_activity"
    " where wait_event_type = 'Lock' and datname = current_database()"
)
_TYPED = ("read", "meter", "read_failed", "round", "round_name", "evidence")


@dataclass
class Hub:
    """A site's client of a hub that runs in this process."""

    store: Store
    client: httpx.AsyncClient
    site: Site
    key: str
    spool: UUID

    async def post(self, lines: Sequence[bytes], **envelope: Any) -> httpx.Response:
        body = batch(lines, **{"spool": self.spool, **envelope})
        return await self.post_bytes(gzip.compress(body), **{"Content-Encoding": "gzip"})

    async def post_bytes(self, body: Any, **headers: str) -> httpx.Response:
        return await self.client.post("/v1/events", content=body, headers=self.auth | headers)

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def send(self, *messages: Message) -> list[str]:
        """Each message's status."""
        answer = await self.post([line(n, it) for n, it in enumerate(messages, start=1)])
        assert answer.status_code == 200, answer.text
        return [result["status"] for result in answer.json()["results"]]

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self.store.transaction() as connection:
            cursor = await connection.execute(sql.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    async def number(self, sql: str) -> int:
        [row] = await self.rows(f"select ({sql}) as number")
        return int(row["number"])

    async def beside(self, name: str, customer: str = "Acme") -> Hub:
        """Another site's client of the same hub."""
        site = await add_site(self.store, customer, name)
        return Hub(self.store, self.client, site, await add_key(self.store, site), uuid4())


@asynccontextmanager
async def a_hub(
    store: Store, now: Callable[[], datetime] = lambda: SENT_AT, **settings: Any
) -> AsyncIterator[Hub]:
    chosen = IngestSettings(database_url="unused", **settings)
    transport = httpx.ASGITransport(create_app(chosen, store, now), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        await add_customer(store, "Acme")
        site = await add_site(store, "Acme", "hq")
        yield Hub(store, client, site, await add_key(store, site), uuid4())


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    async with a_hub(store) as made:
        yield made


# -- each message once ------------------------------------------------------------------------


async def test_the_same_batch_twice_is_stored_once(hub: Hub) -> None:
    round_id = uuid4()
    messages = [meter_read(1, round_id), read_failed(2, round_id), round_finished(round_id, [1, 2])]

    assert await hub.send(*messages) == ["accepted"] * 3
    before = await _typed_rows(hub)
    assert await hub.send(*messages) == ["duplicate"] * 3

    assert await _typed_rows(hub) == before
    assert await hub.number("select count(*) from message") == 3
    assert await hub.number("select sum(repeats) from outcome") == 3
    assert await hub.number("select count(*) from conflicting") == 0


async def test_an_id_that_is_twice_in_one_batch_is_stored_once(hub: Hub) -> None:
    read = meter_read(1)

    assert await hub.send(read, read) == ["accepted", "duplicate"]


async def test_a_second_read_of_an_order_with_another_body_is_kept_aside(hub: Hub) -> None:
    first = meter_read(1)
    second = first.model_copy(update={"meters": {"total": 5000}})

    assert await hub.send(first) == ["accepted"]
    assert await hub.send(second, second) == ["duplicate", "duplicate"]

    assert await hub.rows("select value from meter where name = 'total'") == [{"value": 1001}]
    [kept] = await hub.rows("select body, times from conflicting")
    assert kept == {"body": second.to_json(), "times": 2}


async def test_one_batch_posted_from_four_connections_at_once_is_stored_once(hub: Hub) -> None:
    lines = [line(n, meter_read(n)) for n in range(1, 51)]

    answers = await asyncio.gather(*(hub.post(lines) for _ in range(4)))

    statuses = [[one["status"] for one in answer.json()["results"]] for answer in answers]
    assert sorted(set(each) == {"accepted"} for each in statuses) == [False, False, False, True]
    assert await hub.number("select count(*) from message") == 50
    assert await hub.number("select count(*) from read") == 50


async def test_two_sites_of_a_customer_may_post_at_once(hub: Hub) -> None:
    others = [await hub.beside(f"branch-{n}") for n in range(3)]
    devices = [DeviceIdentity(serial=f"SN{n:05}") for n in range(20)]

    async def post(client: Hub, first: int) -> list[str]:
        reads = [meter_read(n, device=devices[n]) for n in range(first, first + 10)]
        return await client.send(*reads)

    answers = await asyncio.gather(
        *(post(client, 10 * (n % 2)) for n, client in enumerate([hub, *others]))
    )

    assert answers == [["accepted"] * 10] * 4
    assert await hub.number("select count(*) from device") == 20


async def test_a_site_that_posts_all_ids_of_another_first_takes_nothing_from_it(hub: Hub) -> None:
    other = await hub.beside("thief", "Acme")
    round_id = uuid4()
    own = [meter_read(n, round_id) for n in range(1, 6)]
    forged = [read.model_copy(update={"meters": {"total": 1}}) for read in own]

    assert await other.send(*forged) == ["accepted"] * 5
    assert await hub.send(*own) == ["accepted"] * 5

    rows = await hub.rows(
        "select value from meter where site_id = %s and name = 'total'", hub.site.id
    )
    assert sorted(row["value"] for row in rows) == [1001, 1002, 1003, 1004, 1005]
    assert await hub.number("select count(*) from message") == 10


@pytest.mark.parametrize("read_first", [True, False])
async def test_a_read_outranks_a_failure_of_its_order_whichever_came_first(
    hub: Hub, read_first: bool
) -> None:
    round_id = uuid4()
    messages: list[Message] = [meter_read(1, round_id), read_failed(1, round_id)]

    for message in messages if read_first else reversed(messages):
        assert await hub.send(message) == ["accepted"]

    [outcome] = await hub.rows("select outcome, order_id from order_outcome")
    assert outcome == {"outcome": "read", "order_id": messages[0].order}  # type: ignore[attr-defined]


# -- one bad message --------------------------------------------------------------------------


async def test_the_bad_ones_of_500_are_rejected_and_the_others_stored(hub: Hub) -> None:
    good = meter_read(1).to_json()
    kind = MeterRead.routing_key
    lines = [line(n, meter_read(n)) for n in range(1, 501)]
    bad = {
        10: raw_line(10, kind, good.replace(b"rfc3805@1", b"\\u0000")),
        60: raw_line(60, kind, good.replace(b"rfc3805@1", b"\\ud800")),
        110: raw_line(110, kind, good.replace(b":1001", b":9223372036854775808")),
        160: raw_line(160, kind, good.replace(b":1001", b":1e400")),
        210: raw_line(210, kind, good.replace(b'"total":1001', b'"total":1,"total":1001')),
        260: raw_line(260, kind, good.replace(b"rfc3805@1", b"a" * 2_000_000)),
        310: raw_line(310, kind, good.replace(b'"agent":', b'"agend":1,"agent":')),
        360: raw_line(360, "device.lost.v9", good),
        410: raw_line(410, kind, good.replace(b'"site":null', b'"site":"branch"')),
        460: raw_line(460, kind, good.replace(b"rfc3805@1", b"\xff\xfe")),
        500: raw_line(500, kind, b"nonsense"),
    }
    for n, text in bad.items():
        lines[n - 1] = text

    answer = await hub.post(lines, last=500)

    assert answer.status_code == 200, answer.text
    results = {one["n"]: one for one in answer.json()["results"]}
    assert {n for n, one in results.items() if one["status"] == "rejected"} == set(bad)
    assert all(results[n]["reason"] for n in bad)
    assert "NUL" in results[10]["reason"]
    assert "twice" in results[210]["reason"]
    assert "names site 'branch'" in results[410]["reason"]
    assert await hub.number("select count(*) from read") == 489
    assert await hub.number("select count(*) from rejected") == len(bad)
    assert await gaps(hub.store, hub.site) == []

    again = await hub.post(lines, last=500)
    assert {one["status"] for one in again.json()["results"]} == {"duplicate", "rejected"}
    assert await hub.number("select count(*) from rejected") == len(bad)


@pytest.mark.parametrize("count", [3, 8, 100])
async def test_what_the_database_refuses_is_rejected_alone_and_the_ledger_closes(
    hub: Hub, count: int
) -> None:
    """A validation that lets through what a column does not hold must not block the rest."""
    async with hub.store.transaction() as connection:
        await connection.execute(
            "alter table read add constraint no_unlucky check (serial <> 'VB00003')"
        )
    reads = [meter_read(n) for n in range(1, count + 1)]

    statuses = await hub.send(*reads)

    assert statuses == ["accepted"] * 2 + ["rejected"] + ["accepted"] * (count - 3)
    [rejected] = await hub.rows("select reason, body from rejected")
    assert "no_unlucky" in rejected["reason"]
    assert rejected["body"] == reads[2].to_json()
    await _check_ledger(hub, [read for read in reads if read is not reads[2]])


async def test_text_that_would_be_too_large_for_an_index_is_stored(hub: Hub) -> None:
    """B-trees take 2.7 kB at most; a target may be longer."""
    round_id = uuid4()
    long = "ü" * 1024
    finished = round_finished(round_id, [1]).model_copy(
        update={"not_reached": [{"target": long, "reason": long}]}
    )
    body = finished.model_dump_json(warnings=False).encode()
    assert decode("round.finished.v1", body)

    answer = await hub.post([raw_line(1, "round.finished.v1", body)])

    assert answer.json()["results"][0] == {"n": 1, "status": "accepted", "reason": None}


# -- refused as a whole -----------------------------------------------------------------------


async def test_a_wrong_a_revoked_and_no_key_are_refused(hub: Hub) -> None:
    await revoke_keys(hub.store, hub.site, hub.key)
    body = batch([line(1, meter_read(1))])
    for header in (
        {"Authorization": f"Bearer {hub.key}"},
        {"Authorization": "Bearer pt_" + "a" * 43},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Basic {hub.key}"},
        {},
    ):
        answer = await hub.client.post("/v1/events", content=body, headers=header)
        assert answer.status_code == 401
        assert "site key" in answer.json()["error"]
        assert (await hub.client.get("/v1/scope", headers=header)).status_code == 401
    assert await hub.number("select count(*) from message") == 0


async def test_a_key_is_kept_only_as_its_digest(hub: Hub) -> None:
    [row] = await hub.rows("select * from site_key")

    assert row["digest"] == hashlib.sha256(hub.key.encode()).digest()
    assert hub.key.startswith("pt_")
    assert len(hub.key) == 46


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"nonsense", {}, 400),
        (b"nonsense", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400),
        (batch([]), {"Content-Encoding": "br"}, 415),
        (batch([]), {"Content-Type": "text/plain"}, 415),
        (batch([b'{"n":-1}']), {}, 400),
        (batch([raw_line(n, "a", b"{}") for n in range(1, 502)]), {}, 413),
        (bytes(5_000_000), {}, 413),
    ],
)
async def test_what_is_no_batch_is_refused_in_words(
    hub: Hub, body: bytes, headers: dict[str, str], code: int
) -> None:
    answer = await hub.post_bytes(body, **headers)

    assert answer.status_code == code
    assert len(answer.json()["error"]) > 10


async def test_a_body_that_does_not_end_is_read_no_further_than_its_limit(hub: Hub) -> None:
    """Sent without a length, so that only the reading can stop it."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 20_000_000:
            sent += 10_000
            yield bytes(10_000)

    answer = await hub.post_bytes(endless(), **{"Content-Encoding": "gzip"})

    assert answer.status_code == 413
    assert sent < 12_700_000  # 4 MiB, and 8 more into nothing


async def test_a_body_that_trickles_is_given_up(store: Store) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    async with a_hub(store, max_body_s=0.2) as hub:
        assert (await hub.post_bytes(trickle())).status_code == 408


async def test_too_many_requests_are_told_when_to_come_again(store: Store) -> None:
    async with a_hub(store, requests_a_minute=3) as hub:
        other = await hub.beside("branch")
        answers = [await hub.post([]) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 61
        assert "too much" in answers[3].json()["error"]
        assert (await other.post([])).status_code == 200


async def test_a_database_that_is_away_is_a_503_and_readyz_says_so(
    hub: Hub, store_url: str
) -> None:
    assert (await hub.client.get("/readyz")).status_code == 200
    await hub.store._pool.close()

    answer = await hub.post([line(1, meter_read(1))])
    ready = await hub.client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"error": "the hub's database does not answer"}
    assert answer.headers["Retry-After"]
    assert ready.status_code == 503
    assert ready.text == "the database does not answer\n"
    assert (await hub.client.get("/healthz")).status_code == 200


# -- numbers, ledger, rebuilding --------------------------------------------------------------


async def test_a_gap_is_a_number_below_first_unsent_that_never_came(hub: Hub) -> None:
    sent = [1, 2, 5, 9, 10]
    await hub.post([line(n, meter_read(n)) for n in sent], first_unsent=1, last=12)
    assert await gaps(hub.store, hub.site) == []

    answer = await hub.post([], first_unsent=10, last=12)

    told = answer.json()
    assert (told["results"], told["last"]) == ([], 12)
    assert [gap[:3] for gap in await gaps(hub.store, hub.site)] == [
        (hub.spool, 3, 4),
        (hub.spool, 6, 8),
    ]


async def test_an_uploader_set_back_learns_the_hubs_last(hub: Hub) -> None:
    await hub.post([line(7, meter_read(7))], last=40)

    answer = await hub.post([line(3, meter_read(3))], last=3)

    assert answer.json()["last"] == 40


async def test_messages_cannot_be_changed(hub: Hub) -> None:
    await hub.send(meter_read(1))
    [part] = await hub.rows("select tableoid::regclass::text as name from message")
    for statement in (
        "update message set n = 2",
        "delete from message",
        "truncate message",
        f"truncate {part['name']}",
        f"delete from {part['name']}",
        "truncate message_other",
    ):
        with pytest.raises(Exception, match="append-only"):
            await hub.rows(statement)
    assert part["name"] != "message_other"


async def test_a_new_month_begins_while_a_backup_reads(hub: Hub) -> None:
    """No partition can be made then; messages come in all the same, and stay where they are."""
    for part in await hub.rows(
        "select relid::text as name from pg_partition_tree('message') where level = 1"
    ):
        if part["name"] != "message_other":
            await hub.rows(f"drop table {part['name']}")
    async with hub.store.transaction() as reading:
        await reading.execute("lock table message in access share mode")
        assert await hub.send(meter_read(1)) == ["accepted"]
    assert await hub.send(meter_read(2)) == ["accepted"]

    rows = await hub.rows("select tableoid::regclass::text as name from message")
    assert [row["name"] for row in rows] == ["message_other"] * 2
    [lock_timeout] = await hub.rows("show lock_timeout")
    assert lock_timeout == {"lock_timeout": "15s"}


async def test_the_ledger_is_the_chain_of_the_bodies_as_received(hub: Hub) -> None:
    reads = [meter_read(n) for n in range(1, 6)]
    await hub.send(*reads[:3])
    await hub.send(*reads[2:])

    await _check_ledger(hub, reads)


async def _check_ledger(hub: Hub, messages: Sequence[Message]) -> None:
    rows = await hub.rows("select ledger_no, body, digest from message order by ledger_no")
    [head] = await hub.rows("select length, head from site_head where site_id = %s", hub.site.id)
    ledger = Ledger(0, b"")
    for row in rows:
        assert hashlib.sha256(row["body"]).digest() == row["digest"]
        ledger = ledger.after(row["digest"])
        assert row["ledger_no"] == ledger.length
    assert [row["body"] for row in rows] == [message.to_json() for message in messages]
    assert (head["length"], bytes(head["head"])) == (ledger.length, ledger.head)


@pytest.mark.parametrize("site", ["hq", "branch"])
async def test_a_ledger_that_was_waited_for_is_the_newest(hub: Hub, site: str) -> None:
    """Whoever had the customer's lock may have written between, also for its other sites."""
    sites = {"hq": hub.site, "branch": (await hub.beside("branch")).site}

    async def wait(lengths: list[int]) -> None:
        async with hub.store.transaction() as connection:
            ledger, _ = await lock_ledger(connection, hub.site)
            lengths.append(ledger.length)
            await connection.execute(_LONGER, (hub.site.id,))

    lengths: list[int] = []
    async with hub.store.transaction() as connection:
        await lock_ledger(connection, sites[site])
        waiting = [asyncio.create_task(wait(lengths)) for _ in range(2)]
        while await hub.number(_WAITING) < len(waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for _ in range(3):
            await connection.execute(_LONGER, (hub.site.id,))
    await asyncio.gather(*waiting)

    assert lengths == [3, 4]


async def test_rebuilt_rows_are_the_rows_that_were_there(hub: Hub) -> None:
    round_id = uuid4()
    same = DeviceIdentity(make="HP", serial="TWICE1")
    await hub.send(
        *(meter_read(n, round_id) for n in range(1, 6)),
        meter_read(6, round_id, same),
        meter_read(7, round_id, same),
        meter_read(8, round_id, DeviceIdentity(make="HP")),
        meter_read(9, round_id, meters={}, no_meters_because="no counter row"),
        read_failed(10, round_id),
        round_finished(round_id, range(1, 11)),
    )
    before = await _typed_rows(hub)
    other = await hub.beside("branch")
    await other.send(meter_read(1, device=DeviceIdentity(make="HP", serial="ELSE01")))
    await hub.rows("delete from evidence where site_id = %s", hub.site.id)
    await hub.rows(
        "update read set serial = 'wrong', names = null, amounts = null, units = null"
        " where site_id = %s",
        hub.site.id,
    )

    assert await rebuild(hub.store, hub.site) == 11

    assert await _typed_rows(hub) == before
    assert await hub.number("select count(*) from read") == 10


async def test_reads_whose_meters_came_from_the_same_rows_can_be_told(hub: Hub) -> None:
    total = {"total": [LIFE_COUNT]}
    both = {"total": [LIFE_COUNT], "scan": ["1.3.6.1.4.1.1347.46.10.1.1.5.3"]}
    turned = dict(reversed(both.items()))
    numbers = (total, both, turned)
    await hub.send(*(meter_read(n, sources=one) for n, one in enumerate(numbers)))

    rows = await hub.rows("select sources_id as of from read order by serial")
    assert rows[0] != rows[1] == rows[2]


async def _typed_rows(hub: Hub) -> dict[str, list[str]]:
    return {
        table: sorted(
            str(sorted(row.items(), key=lambda item: item[0]))
            for row in await hub.rows(f"select * from {table} where site_id = %s", hub.site.id)
        )
        for table in _TYPED
    }


# -- whose read it is -------------------------------------------------------------------------


async def test_a_device_keeps_its_reads_whatever_its_address(hub: Hub) -> None:
    device = DeviceIdentity(make="HP", serial="CN12345")
    await hub.send(meter_read(1, device=device))
    await hub.send(meter_read(2, device=device))

    assert await hub.number("select count(distinct device_id) from evidence") == 1
    [found] = await hub.rows("select key, held_because from device")
    assert found == {"key": "serial HP CN12345", "held_because": None}
    assert await hub.number("select count(*) from assignment") == 1


async def test_a_serial_on_two_live_devices_is_held_for_both_over_two_batches(hub: Hub) -> None:
    round_id = uuid4()
    device = DeviceIdentity(make="HP", serial="CN12345")
    await hub.send(meter_read(1, round_id, device))
    await hub.send(meter_read(2, round_id, device))
    await hub.send(meter_read(1, uuid4(), device))

    held = await hub.rows("select held_because from evidence where device_id is null")
    assert len(held) == 3
    assert all("two devices show it" in row["held_because"] for row in held)


async def test_a_serial_that_shows_at_another_site_is_held_there(hub: Hub) -> None:
    other = await hub.beside("branch")
    device = DeviceIdentity(make="HP", serial="CN12345")
    await hub.send(meter_read(1, device=device))
    await other.send(meter_read(1, device=device))

    rows = await hub.rows("select site_id, device_id is null as held from evidence")
    assert {(row["site_id"], row["held"]) for row in rows} == {
        (hub.site.id, False),
        (other.site.id, True),
    }


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_device_that_hides_its_serial_now_and_then_is_not_billed_twice(
    hub: Hub, at_once: bool
) -> None:
    """As some do while they start: by its MAC address it would be a second device."""
    whole = DeviceIdentity(make="HP", model="M2", serial="VB1234", mac="02:00:00:00:00:01")
    bare = DeviceIdentity(make="HP", mac="02:00:00:00:00:01")
    other = DeviceIdentity(make="HP", mac="02:00:00:00:00:02")
    reads = [
        meter_read(n, device=each)
        for n, each in enumerate((whole, bare, whole, bare, other), start=1)
    ]
    for sent in [reads] if at_once else [[one] for one in reads]:
        answer = await hub.post([line(n, it) for n, it in enumerate(sent, start=1)])
        assert answer.status_code == 200

    keys = [row["key"] for row in await hub.rows("select key from device order by key")]
    assert keys == ["mac hq 02:00:00:00:00:02", "serial HP VB1234"]
    held = await hub.rows("select held_because from evidence where device_id is null")
    assert len(held) == 2
    assert "its MAC address is that of serial number HP VB1234" in held[0]["held_because"]


async def test_one_serial_at_two_customers_is_two_devices(hub: Hub) -> None:
    await add_customer(hub.store, "Other")
    other = await hub.beside("elsewhere", "Other")
    device = DeviceIdentity(make="HP", serial="CN12345")
    await hub.send(meter_read(1, device=device))
    await other.send(meter_read(1, device=device))

    assert await hub.number("select count(*) from evidence where device_id is null") == 0
    assert await hub.number("select count(*) from device") == 2


async def test_a_late_read_shows_that_a_device_was_known_for_longer(hub: Hub) -> None:
    late = meter_read(1, taken_at="2026-01-05T00:00:00Z")
    await hub.send(meter_read(1), late)

    [row] = await hub.rows("select first_read_at from device")
    assert row["first_read_at"] == late.taken_at


# -- explaining, scope, the rest --------------------------------------------------------------


async def test_a_read_by_ipp_is_explained_down_to_its_attribute(hub: Hub) -> None:
    member = "printer-impressions-completed-col/monochrome"
    read = meter_read(1).model_copy(
        update={
            "target": IppTarget(ipp="ipp://10.0.0.7/ipp/print"),
            "meters": {"mono": 900},
            "sources": {"mono": [member]},
            "attributes": {member: ("integer", 900)},
            "varbinds": {},
        }
    )
    await hub.send(read)

    lines = await explain(hub.store, read.id)

    assert lines[-2:] == ["mono = 900 impressions", f"  {member}  integer  900"]


async def test_a_read_is_explained_down_to_its_varbind(hub: Hub) -> None:
    read = meter_read(1)
    await hub.send(read)

    lines = "\n".join(await explain(hub.store, read.id))

    for part in (
        f"total = 1001 impressions\n  {LIFE_COUNT}  counter32  1001",
        "scan = 7 scans\n  the read names no source",
        "rfc3805@1",
        "agent-1",
        target(1).key,
        "2026-11-20 12:00:00 UTC",
        hashlib.sha256(read.to_json()).hexdigest(),
        "hq no. 1",
    ):
        assert part in lines
    assert "scan" not in "\n".join(await explain(hub.store, str(read.id), "total"))
    with pytest.raises(AdminError, match="no meter 'color'; it has scan, total"):
        await explain(hub.store, read.id, "color")
    with pytest.raises(AdminError, match="no read of this id"):
        await explain(hub.store, uuid4())


async def test_a_scope_is_given_once_a_version(hub: Hub) -> None:
    assert (await hub.client.get("/v1/scope", headers=hub.auth)).status_code == 204
    fields = {"segments": ["10.0.0.0/24"]}
    await set_scope(hub.store, hub.site.id, fields, author="ann", now=utc_now())
    scope = await set_scope(hub.store, hub.site.id, fields, author="bob", now=utc_now())

    got = await hub.client.get("/v1/scope", headers=hub.auth)
    again = await hub.client.get(
        "/v1/scope", headers=hub.auth | {"If-None-Match": got.headers["ETag"]}
    )

    assert decode(Scope.routing_key, got.content) == scope
    assert (scope.version, scope.author, got.headers["ETag"]) == (2, "bob", '"2"')
    assert (again.status_code, again.content) == (304, b"")
    with pytest.raises(ScopeError, match="segmets"):
        await set_scope(hub.store, hub.site.id, {"segmets": []}, author="x", now=utc_now())


async def test_a_scope_with_an_ask_is_set_with_the_id_of_the_ask(hub: Hub) -> None:
    ask = Ask(id=uuid4(), kind="read", until=utc_now())
    fields = {"asks": [ask.model_dump()]}

    scope = await set_scope(hub.store, hub.site.id, fields, author="ann", now=utc_now())

    assert scope.asks == [ask]
    with pytest.raises(ScopeError, match="not a scope"):
        await set_scope(hub.store, hub.site.id, {"asks": object()}, author="x", now=utc_now())


async def test_metrics_and_openapi_tell_of_it_all(hub: Hub) -> None:
    await hub.send(meter_read(1))

    metrics = (await hub.client.get("/metrics")).text
    openapi = (await hub.client.get("/v1/openapi.json")).json()

    assert 'ingest_messages_total{status="accepted"} 1.0' in metrics
    assert {"/v1/events", "/v1/scope", "/v1/ca.pem", "/readyz"} <= set(openapi["paths"])
    assert {"200", "400", "401", "413", "429"} <= set(
        openapi["paths"]["/v1/events"]["post"]["responses"]
    )
    missing = await hub.client.get("/v1/nothing")
    assert (missing.status_code, missing.json()) == (404, {"error": "Not Found"})
