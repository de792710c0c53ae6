from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.uploader.back_off import back_off_s, is_away, needs_a_person
from services.uploader.boot import SinceBoot
from services.uploader.failures import HubError, NotAnsweredError, NotReachedError, RefusedError
from services.uploader.relay import Relay
from services.uploader.send import Answer, Hub
from services.uploader.settings import SettingError
from services.uploader.spool import Spool
from shared.bus.port import BusDownError
from shared.message import Message
from shared.scope import Scope
from tests.unit.uploader.messages import NOW, meter_read

Batch = dict[str, Any]  # an envelope, parsed
Reply = Callable[[Batch], Answer]


def answer(status: int, body: object = None, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps(body).encode())


def accept(batch: Batch) -> Answer:
    numbers = [message["n"] for message in batch["messages"]]
    return answer(200, {"results": [{"n": n, "status": "accepted"} for n in numbers], "last": 0})


class FakeHub(Hub):
    """Answers by a script, then accepts; `batches` holds the numbers of each batch that came."""

    def __init__(self) -> None:
        self.url = "https://hub.example"
        self.who = "hub.example:443"
        self.script: list[Reply | HubError] = []
        self.otherwise: Reply = accept
        self.batches: list[list[int]] = []
        self.envelopes: list[Batch] = []
        self.came: asyncio.Queue[list[int]] = asyncio.Queue()
        self.scope = answer(304)
        self.asked_scope: list[Mapping[str, str]] = []

    async def post(self, path: str, body: bytes) -> Answer:
        batch = json.loads(body)
        self.envelopes.append(batch)
        self.batches.append([message["n"] for message in batch["messages"]])
        self.came.put_nowait(self.batches[-1])
        reply = self.script.pop(0) if self.script else self.otherwise
        if isinstance(reply, HubError):
            raise reply
        return reply(batch)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        self.asked_scope.append(headers or {})
        return self.scope


class Site:
    def __init__(self, path: Path) -> None:
        self.spool = Spool(path)
        self.hub = FakeHub()
        self.published: list[Message] = []
        self.bus_down = False
        self.trouble: SettingError | None = None
        self.changed = False
        self.now = NOW
        self.relay = Relay(
            self.spool,
            self,
            publish=self.publish,
            now=lambda: self.now,
            since_boot=lambda: SinceBoot("this boot", 1000.0),
            status=lambda: b'{"waiting":0}',
            contact_s=900,
            gather_s=0,
            keep_days=30,
        )

    def has_changed(self) -> bool:
        return self.changed

    async def to_hub(self) -> Hub:
        if self.trouble:
            raise self.trouble
        return self.hub

    async def greet(self) -> None:
        """What each process begins with, and no test below looks at."""
        assert await self.relay.contact(due=False) is None
        self.hub.batches.clear()
        self.hub.envelopes.clear()
        self.hub.came = asyncio.Queue()

    async def publish(self, message: Message) -> None:
        if self.bus_down:
            raise BusDownError("the broker did not confirm in 10 s")
        self.published.append(message)

    def store(self, count: int) -> None:
        last = self.spool.last()
        self.spool.store([meter_read(last + each) for each in range(count)], NOW)

    def states(self) -> dict[int, str]:
        rows = sqlite3.connect(self.spool.path).execute("select n, state from message order by n")
        return dict(rows.fetchall())


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "spool.sqlite")
    yield made
    made.spool.close()


@pytest.fixture
async def site(new_site: Site) -> Site:
    await new_site.greet()
    return new_site


def refuse(status: int, **headers: str) -> Reply:
    return lambda batch: answer(status, None, **headers)


async def test_all_that_waits_is_sent_in_batches_of_at_most_500(site: Site) -> None:
    site.store(1100)
    assert await site.relay.contact(due=False) is None
    sent = [n for batch in site.hub.batches for n in batch]
    assert sent == list(range(1, 1101))
    assert max(map(len, site.hub.batches)) <= 500
    assert all(len(json.dumps(each)) < 1_100_000 for each in site.hub.envelopes)
    assert site.spool.count_waiting() == 0


async def test_the_envelope_says_what_is_still_to_come(site: Site) -> None:
    site.store(3)
    site.hub.script = [
        lambda batch: answer(200, {"results": [{"n": 1, "status": "accepted"}], "last": 1})
    ]
    await site.relay.contact(due=False)
    said = [(each["first_unsent"], each["last"]) for each in site.hub.envelopes]
    assert said == [(1, 3), (2, 3)]


async def test_a_contact_that_is_due_is_made_with_nothing_to_send(site: Site) -> None:
    """The hub must be able to tell a quiet site from a dead one."""
    await site.relay.contact(due=True)
    await site.relay.contact(due=False)
    assert site.hub.batches == [[]]
    assert len(site.hub.asked_scope) == 1


@pytest.mark.parametrize(
    "reply",
    [
        refuse(500),
        refuse(502),
        refuse(404),
        refuse(302),
        refuse(401),
        refuse(400),
        lambda batch: Answer(200, {}, b"<html>log in to the guest network</html>"),
        lambda batch: answer(200, {"results": []}),
        lambda batch: answer(200, {"results": [{"n": 99, "status": "accepted"}]}),
        NotReachedError("tcp", "hub.example:443: refuses connections", "is it up?"),
        NotAnsweredError("hub.example:443: the connection broke", "again"),
    ],
)
async def test_what_is_not_answered_is_sent_again_and_nothing_is_lost(
    site: Site, reply: Reply | HubError
) -> None:
    site.store(3)
    site.hub.script = [reply]
    trouble = await site.relay.contact(due=False)
    assert trouble
    assert site.relay.problem() == str(trouble)
    assert set(site.states().values()) == {"waiting"}
    while site.spool.count_waiting():
        assert await site.relay.contact(due=False) is None
    assert site.relay.problem() is None
    assert set(site.states()) == {1, 2, 3}


async def test_a_rejected_message_is_kept_with_its_reason_and_not_sent_again(site: Site) -> None:
    site.store(2)
    site.hub.script = [
        lambda batch: answer(
            200,
            {
                "results": [
                    {"n": 1, "status": "rejected", "reason": "names another site"},
                    {"n": 2, "status": "accepted"},
                ]
            },
        )
    ]
    await site.relay.contact(due=False)
    await site.relay.contact(due=False)
    assert site.hub.batches == [[1, 2]]
    assert site.states() == {1: "rejected", 2: "committed"}


async def test_a_message_that_makes_the_hub_fail_holds_up_no_other(site: Site) -> None:
    def fails_over_the_seventh(batch: Batch) -> Answer:
        poisonous = any(message["n"] == 7 for message in batch["messages"])
        return answer(500) if poisonous else accept(batch)

    site.hub.otherwise = fails_over_the_seventh
    site.store(40)
    for _ in range(12):
        await site.relay.contact(due=False)
    assert [n for n, state in site.states().items() if state == "waiting"] == [7]

    site.hub.batches.clear()
    site.store(100)
    await site.relay.contact(due=False)
    assert [n for n, state in site.states().items() if state == "waiting"] == [7]
    assert len(site.hub.batches) < 10


async def test_a_batch_too_large_is_halved_and_one_too_large_alone_is_set_aside(
    site: Site,
) -> None:
    def at_most_three_and_not_the_fifth(batch: Batch) -> Answer:
        numbers = [message["n"] for message in batch["messages"]]
        return answer(413) if len(numbers) > 3 or 5 in numbers else accept(batch)

    site.hub.otherwise = at_most_three_and_not_the_fifth
    site.store(10)
    assert await site.relay.contact(due=False) is None
    states = site.states()
    assert states.pop(5) == "rejected"
    assert set(states.values()) == {"committed"}


async def test_a_hub_that_knows_higher_numbers_means_a_restored_spool(site: Site) -> None:
    site.store(2)
    old = site.spool.id()
    site.hub.script = [
        lambda batch: answer(200, {"results": [{"n": 1, "status": "accepted"}], "last": 9})
    ]
    await site.relay.contact(due=False)
    assert site.spool.id() != old
    assert [each["spool"] for each in site.hub.envelopes] == [str(old), str(site.spool.id())]
    assert site.hub.batches == [[1, 2], [1]]
    assert site.hub.envelopes[1]["began"] == {
        "before": str(old),
        "why": "restored",
        "carried": [[2, 2]],
    }
    assert site.spool.count_waiting() == 0


async def test_before_any_message_an_empty_batch_goes_out(new_site: Site) -> None:
    """Else the messages of a restored copy would go out under numbers that were given before."""
    new_site.store(2)
    await new_site.relay.contact(due=False)
    assert new_site.hub.batches == [[], [1, 2]]
    new_site.store(1)
    await new_site.relay.contact(due=False)
    assert new_site.hub.batches == [[], [1, 2], [3]]


async def test_no_message_of_a_restored_spool_goes_out_under_a_number_given_before(
    new_site: Site,
) -> None:
    new_site.store(3)
    old = new_site.spool.id()
    new_site.hub.script = [lambda batch: answer(200, {"results": [], "last": 40})]
    await new_site.relay.contact(due=False)
    said = [(each["spool"], each["last"]) for each in new_site.hub.envelopes]
    assert new_site.hub.batches == [[], [1, 2, 3]]
    assert said == [(str(old), 3), (str(new_site.spool.id()), 3)]
    assert new_site.hub.envelopes[1]["began"]["carried"] == [[1, 3]]


async def test_a_new_spool_says_so_until_it_was_answered(new_site: Site) -> None:
    new_site.hub.script = [refuse(503), accept, accept]
    for _ in range(3):
        await new_site.relay.contact(due=True)
    said = [each.get("began", {}).get("why") for each in new_site.hub.envelopes]
    assert said == ["new", "new", None]


async def test_numbers_that_were_given_twice_are_given_anew(site: Site) -> None:
    site.store(3)
    old = site.spool.id()
    site.hub.script = [
        lambda batch: answer(
            200, {"results": [{"n": 1, "status": "accepted"}], "last": 3, "renumber": True}
        )
    ]
    await site.relay.contact(due=False)
    assert site.hub.batches == [[1, 2, 3], [1, 2]]
    assert site.hub.envelopes[1]["began"] == {
        "before": str(old),
        "why": "reused",
        "carried": [[2, 3]],
    }


async def test_a_hub_that_calls_every_spool_known_is_not_believed_for_ever(site: Site) -> None:
    site.store(1)
    site.hub.otherwise = lambda batch: answer(200, {"results": [], "last": 99})
    assert "said nothing of 1 messages" in str(await site.relay.contact(due=False))
    site.hub.otherwise = lambda batch: answer(
        200, {"results": [{"n": 1, "status": "accepted"}], "last": 99}
    )
    site.store(3)
    assert "knows numbers of a spool that is new" in str(await site.relay.contact(due=False))
    assert len(site.hub.batches) < 10


async def test_a_hub_that_calls_every_spool_known_has_what_waits_renumbered_once(
    site: Site,
) -> None:
    site.store(2)
    site.hub.otherwise = lambda _: answer(200, {"results": [], "last": 2**62})
    first = site.spool.id()
    while site.spool.id() == first:
        await site.relay.contact(due=True)
    renewed = site.spool.id()

    for _ in range(3):
        assert await site.relay.contact(due=True) is not None

    assert site.spool.id() == renewed
    site.hub.otherwise = accept
    assert await site.relay.contact(due=True) is None
    assert site.spool.count_waiting() == 0


async def test_a_spool_that_is_deleted_while_it_is_used_is_declared_before_it_is_sent(
    site: Site,
) -> None:
    site.store(1)
    lost = site.spool.id()
    site.spool.path.unlink()
    site.store(1)
    await site.relay.contact(due=False)
    assert site.hub.batches == [[], [1, 2]]
    assert site.hub.envelopes[0]["began"] == {
        "before": str(lost),
        "why": "lost",
        "carried": [[1, 1]],
    }


async def test_after_a_failure_a_batch_without_messages_goes_first(site: Site) -> None:
    """A look at a hub that is away shall not cost a megabyte each time."""
    site.store(3)
    site.hub.script = [refuse(502), refuse(502), accept, accept]
    for _ in range(3):
        await site.relay.contact(due=False)
    assert site.hub.batches == [[1, 2, 3], [], [], [1, 2, 3]]


async def test_after_a_long_silence_a_batch_without_messages_goes_first(site: Site) -> None:
    """Whoever stood still so long, such as a machine that was paused, finds out by it."""
    site.store(1)
    site.now = NOW + timedelta(days=2)
    await site.relay.contact(due=False)
    assert site.hub.batches == [[], [1]]


async def test_what_left_and_was_not_answered_is_known_to_have_left(site: Site) -> None:
    site.store(1)
    site.hub.script = [refuse(503)]
    await site.relay.contact(due=False)
    assert left(site) == [1]


async def test_what_never_reached_the_hub_has_not_left(site: Site) -> None:
    site.store(1)
    site.hub.script = [NotReachedError("tcp", "refused", "wait")]
    await site.relay.contact(due=False)
    assert left(site) == []


def left(site: Site) -> list[int]:
    rows = sqlite3.connect(site.spool.path).execute("select n from message where sent_at not null")
    return [n for (n,) in rows]


async def test_the_site_s_clock_makes_nothing_be_forgotten(site: Site) -> None:
    site.store(1)
    received_at = [NOW, NOW + timedelta(days=29), NOW + timedelta(days=31)]
    site.hub.otherwise = lambda batch: answer(
        200,
        {
            "results": [{"n": each["n"], "status": "accepted"} for each in batch["messages"]],
            "last": 1,
            "received_at": received_at.pop(0).isoformat(),
        },
    )
    for site.now, kept in ((NOW, {1}), (NOW + timedelta(days=1000), {1}), (NOW, set())):
        await site.relay.contact(due=True)
        assert set(site.states()) == kept


async def test_a_key_that_cannot_be_read_is_told_and_looked_for_again(site: Site) -> None:
    site.trouble = SettingError("/etc/key: the site key cannot be read")
    site.store(1)
    assert await site.relay.contact(due=False) is site.trouble
    assert site.relay.problem() == str(site.trouble)
    assert needs_a_person(site.trouble)
    site.trouble = None
    assert await site.relay.contact(due=False) is None
    assert site.states() == {1: "committed"}


async def test_another_key_ends_the_wait_that_the_old_one_began(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.uploader.relay._LOOK_AT_FILES_S", 0.01)
    site.hub.script = [refuse(401)]
    site.changed = True
    running = asyncio.create_task(site.relay.run())
    try:
        assert [await asyncio.wait_for(site.hub.came.get(), 5) for _ in range(2)] == [[], []]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_key_that_is_refused_for_a_moment_is_not_tried_without_a_pause(site: Site) -> None:
    site.hub.script = [refuse(403, **{"retry-after": "5"})] * 9
    running = asyncio.create_task(site.relay.run())
    try:
        await asyncio.wait_for(site.hub.came.get(), 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(site.hub.came.get(), 0.3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_arrives_is_tried_at_once_though_the_hub_was_away(site: Site) -> None:
    site.hub.script = [NotReachedError("tcp", "refused", "wait")]
    site.relay._failures = 50
    running = asyncio.create_task(site.relay.run())
    try:
        assert await asyncio.wait_for(site.hub.came.get(), 5) == []
        await asyncio.sleep(0.2)  # it found that nothing waits, and rests
        site.store(1)
        site.relay.wake()
        assert [await asyncio.wait_for(site.hub.came.get(), 5) for _ in range(2)] == [[], [1]]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_way_that_lets_some_through_is_tried_again_soon(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.uploader.back_off._FIRST_S", 0.01)
    await site.greet()
    site.relay._failures = 50
    site.relay._limit = 1
    site.store(2)
    site.hub.script = [accept, refuse(502)]
    running = asyncio.create_task(site.relay.run())
    try:
        came = [await asyncio.wait_for(site.hub.came.get(), 5) for _ in range(4)]
        assert came == [[1], [2], [], [2]]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_new_scope_is_handed_on_once(site: Site) -> None:
    scope = Scope(version=3, author="Ann", changed_at=NOW, segments=["10.0.0.0/24"])
    site.hub.scope = Answer(200, {"etag": '"3"'}, scope.to_json())
    await site.relay.contact(due=True)
    site.hub.scope = answer(304)
    await site.relay.contact(due=True)
    assert site.published == [scope]
    assert site.hub.asked_scope == [{}, {"If-None-Match": '"3"'}]


async def test_a_process_that_begins_hands_on_the_scope_once_more(site: Site) -> None:
    """Where the roster was lost, no hub would say again what it has said."""
    scope = Scope(version=3, author="Ann", changed_at=NOW)
    site.hub.scope = Answer(200, {"etag": '"3"'}, scope.to_json())
    site.spool.keep_scope_etag('https://hub.example "3"')

    await site.relay.contact(True)
    await site.relay.contact(True)

    assert site.published[0] == scope
    assert site.hub.asked_scope == [{}, {"If-None-Match": '"3"'}]


async def test_a_scope_that_could_not_be_handed_on_is_fetched_again(site: Site) -> None:
    scope = Scope(version=3, author="Ann", changed_at=NOW)
    site.hub.scope = Answer(200, {"etag": '"3"'}, scope.to_json())
    site.bus_down = True
    assert isinstance(await site.relay.contact(due=True), BusDownError)
    site.bus_down = False
    assert await site.relay.contact(due=True) is None
    assert site.hub.asked_scope == [{}, {}]
    assert site.published == [scope]


async def test_a_scope_that_cannot_be_read_is_not_handed_on(site: Site) -> None:
    site.hub.scope = Answer(200, {"etag": '"3"'}, b'{"version": 3, "all": true}')
    trouble = await site.relay.contact(due=True)
    assert "sent no scope that can be read" in str(trouble)
    assert site.published == []


async def test_another_hub_s_scope_is_not_asked_for_by_this_one_s_version(site: Site) -> None:
    site.spool.keep_scope_etag('https://old.example "3"')
    await site.relay.contact(due=True)
    assert site.hub.asked_scope == [{}]


async def test_the_scope_comes_back_also_while_a_message_cannot_be_taken(site: Site) -> None:
    site.store(1)
    site.hub.otherwise = refuse(500)
    site.hub.scope = Answer(200, {}, Scope(version=1, author="Ann", changed_at=NOW).to_json())
    assert await site.relay.contact(due=True)
    assert len(site.published) == 1


def test_the_back_off_grows_from_a_second_to_a_quarter_of_an_hour() -> None:
    down = NotReachedError("tcp", "refused", "wait")
    assert 1 <= back_off_s(down, 1, looking=False) <= 2
    assert 8 <= back_off_s(down, 4, looking=False) <= 16
    assert 450 <= back_off_s(down, 50, looking=False) <= 900
    assert len({back_off_s(down, 50, looking=False) for _ in range(5)}) > 1


@pytest.mark.parametrize(
    "trouble",
    [
        NotReachedError("tcp", "refused", "wait"),
        NotAnsweredError("stalled", "wait"),
        RefusedError(502, "a gateway's error", "wait", None),
    ],
)
def test_while_something_waits_a_hub_that_is_away_is_looked_for_every_half_minute(
    trouble: HubError,
) -> None:
    assert is_away(trouble, greeting=True)
    assert 15 <= back_off_s(trouble, 50, looking=True) <= 30


def test_a_hub_that_fails_over_what_was_sent_is_not_away() -> None:
    """To try that again costs a whole batch."""
    assert not is_away(NotAnsweredError("stalled", "wait"), greeting=False)
    assert not is_away(RefusedError(500, "an error", "wait", None), greeting=False)
    assert not is_away(RefusedError(404, "no hub", "check the URL", None), greeting=True)


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        (429, {"retry-after": "120"}, 120, 132),
        (503, {"retry-after": "0"}, 1, 6),
        (503, {"retry-after": "Mon, 02 Nov 2026 08:01:00 GMT"}, 60, 66),
        (503, {"retry-after": "99999999"}, 3600, 3960),
        (503, {"retry-after": "soon"}, 1, 2),
        (503, {"retry-after": "-5"}, 1, 2),
        (401, {}, 720, 900),
        (403, {}, 720, 900),
    ],
)
async def test_how_long_to_wait_is_the_hub_s_to_say_within_bounds(
    site: Site, status: int, headers: dict[str, str], least: float, most: float
) -> None:
    site.store(1)
    site.hub.script = [refuse(status, **headers)]
    trouble = await site.relay.contact(due=False)
    assert trouble
    assert least <= back_off_s(trouble, 1, looking=True) <= most


async def test_what_is_stored_is_sent_soon_and_then_all_is_quiet(site: Site) -> None:
    running = asyncio.create_task(site.relay.run())
    try:
        assert await asyncio.wait_for(site.hub.came.get(), 5) == []
        for wanted in (1, 2):
            site.store(1)
            site.relay.wake()
            assert await asyncio.wait_for(site.hub.came.get(), 5) == [wanted]
        await asyncio.sleep(0.1)
        assert site.hub.came.empty()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_told_to_stop_in_the_turn_in_which_something_arrives_it_stops(site: Site) -> None:
    """A service that stops stores its last reads just then; Python 3.11's wait_for lost that."""
    running = asyncio.create_task(site.relay.run())
    await asyncio.wait_for(site.hub.came.get(), 5)
    await asyncio.sleep(0.05)  # it waits for the next

    site.relay.wake()
    await asyncio.sleep(0)
    running.cancel()

    assert (await asyncio.wait({running}, timeout=5))[1] == set()
    assert running.cancelled()
