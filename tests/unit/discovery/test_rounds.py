"""Rounds with simulated devices: what is given, what is named at the end, and after a crash."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.discovery.asking import Manner
from services.discovery.closing import Outcome, last_messages
from services.discovery.devices import known_by_snmp
from services.discovery.identify import load_makers
from services.discovery.local_devices.attached import list_attached
from services.discovery.plan import Limits, Wish
from services.discovery.roster import Roster, RosterError, Round
from services.discovery.roster_rows import AnswerRow
from services.discovery.rounds import Rounds
from services.discovery.spooled import ListAttached
from services.solo.simulator import SimulatedAgent, simulate
from shared.bus.port import BusDownError
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC
from shared.message import Message
from shared.messages import (
    MAX_ORDERS_A_PART,
    DeviceEvent,
    DeviceFound,
    IppTarget,
    NotReached,
    RoundFinished,
    SnmpTarget,
    order_id,
)
from shared.quiet import QuietHours
from shared.scope import CredentialRange, Scope
from tests.unit.discovery.test_sweep import KYOCERA, ROUTER, free_port

Publish = Callable[[Message], Awaitable[None]]
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)


class Bus:
    """Keeps what it was given; `fails` says what it does not take."""

    def __init__(self, fails: Callable[[Message], bool] = lambda _: False) -> None:
        self.messages: list[Message] = []
        self.fails = fails

    async def publish(self, message: Message) -> None:
        if self.fails(message):
            raise BusDownError("the broker is away")
        self.messages.append(message)

    @property
    def orders(self) -> list[DeviceFound]:
        return [message for message in self.messages if isinstance(message, DeviceFound)]

    @property
    def finished(self) -> list[RoundFinished]:
        return [message for message in self.messages if isinstance(message, RoundFinished)]


class Site:
    """A roster and the wish of one network of simulated devices."""

    def __init__(self, folder: Path, network: str = "127.9.4.0/28") -> None:
        self.port = free_port()
        self.network = network
        self.file = folder / "roster.sqlite"
        self.roster = Roster(self.file)
        self.rate = 0.0
        self.limits = Limits()
        self.now: Callable[[], datetime] = lambda: NOW
        self.quiet_hours: tuple[QuietHours, ...] = ()
        self.neighbours: dict[str, str] = {}  # address to MAC address
        self.list_attached: ListAttached = list_attached

    def restart(self) -> None:
        self.roster.close()
        self.roster = Roster(self.file)

    def rounds(self, publish: Publish) -> Rounds:
        async def resolve(names: set[str]) -> Mapping[str, Sequence[str]]:
            return {name: ["127.9.4.9"] for name in names if name == "printer9"}

        return Rounds(
            self.roster,
            publish,
            manner=Manner(
                agent="agent",
                rate=self.rate,
                timeout_s=0.15,
                limits=self.limits,
                read_margin_s=60,
                orders_at_once=200,
            ),
            ceiling=Ceiling(
                (ip_network(self.network),),
                frozenset({self.port}),
                quiet_hours=self.quiet_hours,
            ),
            credentials=lambda: {"public": PUBLIC},
            makers=load_makers(),
            resolve=resolve,
            now=self.now,
            neighbours=lambda: self.neighbours,
            list_attached=self.list_attached,
        )

    def begin(self, kind: Any = "search", deadline_s: float = 60, **wish: Any) -> Round:
        if kind == "search":
            wish.setdefault("segments", (self.network,))
        else:
            wish.setdefault("known", known_by_snmp(self.roster.known()))
        credentials = (CredentialRange(range="0.0.0.0/0", credentials=["public"]),)
        wish = {"credentials": credentials, "port": self.port} | wish
        begun = Round(
            uuid4(),
            kind,
            Wish(kind=kind, **wish),
            self.now(),
            self.now() + timedelta(seconds=deadline_s),
        )
        self.roster.begin(begun, NOW)
        return begun

    @asynccontextmanager
    async def devices(self, *last_octets: int) -> AsyncIterator[None]:
        agents = {(f"127.9.4.{n}", self.port): SimulatedAgent(KYOCERA) for n in last_octets}
        async with simulate(agents):
            yield
        await asyncio.sleep(0)  # a transport frees its port in the loop's next turn


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def addresses(orders: Sequence[Any]) -> list[str]:
    return sorted(one.target.snmp for one in orders)


async def test_a_search_gives_an_order_for_each_printing_device_and_names_all(site: Site) -> None:
    bus = Bus()
    begun = site.begin()
    agents = {
        ("127.9.4.2", site.port): SimulatedAgent(KYOCERA),
        ("127.9.4.3", site.port): SimulatedAgent(ROUTER),
        ("127.9.4.5", site.port): SimulatedAgent(KYOCERA, v1_only=True),
    }
    async with simulate(agents):
        await site.rounds(bus.publish).run(begun)

    assert addresses(bus.orders) == ["127.9.4.2", "127.9.4.5"]
    assert {one.order for one in bus.orders} == {
        order_id(begun.id, one.target) for one in bus.orders
    }
    assert {one.read_before for one in bus.orders} == {begun.deadline + timedelta(seconds=60)}
    assert {(one.credential, one.found_by, one.given) for one in bus.orders} == {
        ("public", "sweep", 0)
    }
    [end] = bus.finished
    assert bus.messages[-1] is end
    assert addresses(end.orders) == ["127.9.4.2", "127.9.4.5"]
    assert (end.asked, end.answered, end.not_printers) == (14, 3, 1)
    assert not end.interrupted
    assert site.roster.open_round() is None


async def test_a_printer_that_was_added_as_ipp_has_an_order_and_no_datagram(site: Site) -> None:
    bus = Bus()
    begun = site.begin("read", site_targets=("ipp://127.9.4.7/ipp/print",))

    await site.rounds(bus.publish).run(begun)

    target = IppTarget(ipp="ipp://127.9.4.7/ipp/print")
    [order] = bus.orders
    assert (order.target, order.found_by, order.credential) == (target, "named", None)
    [end] = bus.finished
    assert [(one.order, one.target) for one in end.orders] == [(order.order, target)]
    assert (end.asked, end.answered, end.packets, end.not_reached) == (0, 0, 0, [])
    assert site.roster.known() == []


async def test_a_printer_s_order_is_given_once_though_discovery_was_restarted(site: Site) -> None:
    bus = Bus()
    target = IppTarget(ipp="ipp://127.9.4.7/ipp/print")
    begun = site.begin("read", site_targets=(target.ipp,))
    site.roster.add_answer(begun.id, AnswerRow(target, "printing", "named", "", 0, NOW))
    site.roster.order_published(begun.id, target)
    site.restart()

    await site.rounds(bus.publish).run(begun)

    assert bus.orders == []
    [end] = bus.finished
    assert [one.target for one in end.orders] == [target]


async def test_packets_and_bytes_are_those_on_the_wire(site: Site) -> None:
    bus = Bus()
    async with site.devices(2):
        await site.rounds(bus.publish).run(site.begin())

    [end] = bus.finished
    answer = 28 + 172  # of the device at .2
    assert end.packets == 14 + 13 + 1
    assert end.bytes - (14 * (108 + 28) + 13 * (43 + 28)) == pytest.approx(answer, abs=60)


async def test_a_known_device_that_stopped_answering_is_silent_and_not_dropped(site: Site) -> None:
    async with site.devices(2, 3):
        await site.rounds(Bus().publish).run(site.begin())
    for silent_rounds in (1, 2):
        bus = Bus()
        async with site.devices(2):
            await site.rounds(bus.publish).run(site.begin("read"))

        [end] = bus.finished
        assert addresses(bus.orders) == ["127.9.4.2"]
        assert bus.orders[0].found_by == "known"
        [silent] = end.silent
        assert (silent.target, silent.silent_rounds, silent.last_answered_at) == (
            SnmpTarget(snmp="127.9.4.3", port=site.port),
            silent_rounds,
            NOW,
        )
    bus = Bus()
    async with site.devices(2, 3):
        await site.rounds(bus.publish).run(site.begin("read"))
    assert bus.finished[0].silent == []
    assert [one.silent_rounds for one in site.roster.known()] == [0, 0]


async def test_single_targets_are_asked_by_name_and_what_fails_is_named(site: Site) -> None:
    bus = Bus()
    async with site.devices(9):
        await site.rounds(bus.publish).run(
            site.begin("read", targets=("printer9", "gone", "10.0.0.1", "10.0.0.0/33"))
        )

    assert addresses(bus.orders) == ["127.9.4.9"]
    assert {one.target: one.reason for one in bus.finished[0].not_reached} == {
        "10.0.0.0/33": "a prefix is a number from 0 to 32, not '33'",
        "gone": "the name cannot be resolved at this site",
        "10.0.0.1": "outside what this site's ceiling allows",
    }


async def test_a_scope_of_everything_sends_nothing_outside_the_ceiling(site: Site) -> None:
    """Seen from the socket of a neighbour, which would answer."""
    neighbour = SimulatedAgent(KYOCERA)
    bus = Bus()
    async with (
        simulate({("127.9.4.16", site.port): neighbour, ("127.9.3.9", site.port): neighbour}),
        site.devices(2),
    ):
        await site.rounds(bus.publish).run(
            site.begin(segments=("0.0.0.0/0",), targets=("127.9.4.16", "127.9.3.9"))
        )

    assert neighbour.requests == 0
    assert addresses(bus.orders) == ["127.9.4.2"]
    assert {one.target for one in bus.finished[0].not_reached} == {
        "127.9.4.16",
        "127.9.3.9",
        "0.0.0.1-127.9.3.255",
        "127.9.4.16-255.255.255.254",
    }


async def test_a_round_is_continued_under_its_own_id_and_gives_what_is_missing(site: Site) -> None:
    begun = site.begin()
    taken: list[Message] = []

    async def first_three(message: Message) -> None:
        if len(taken) == 3:
            await asyncio.Event().wait()
        taken.append(message)

    async with site.devices(*range(1, 7)):
        running = asyncio.create_task(site.rounds(first_three).run(begun))
        await until(lambda: len(site.roster.answers(begun.id)) == 6)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        site.restart()
        continued = site.roster.open_round()
        assert continued is not None
        assert continued.id == begun.id
        assert continued.wish == begun.wish
        bus = Bus()
        await site.rounds(bus.publish).run(continued)

    assert len(bus.orders) == 3
    assert addresses([*bus.orders, *taken]) == [f"127.9.4.{n}" for n in range(1, 7)]
    assert len(bus.finished[0].orders) == 6
    assert {one.given for one in bus.orders} == {0}  # an orderly stop is not held against them


async def test_orders_that_were_in_hand_at_two_crashes_go_last_and_one_at_a_time(
    site: Site,
) -> None:
    begun = site.begin()
    in_hand: list[str] = []
    most: dict[str, int] = {}
    order: list[str] = []

    async def publish(message: Message) -> None:
        if isinstance(message, DeviceFound):
            assert isinstance(message.target, SnmpTarget)
            name = message.target.snmp
            in_hand.append(name)
            order.append(name)
            await asyncio.sleep(0.02)
            most[name] = max(most.get(name, 0), len(in_hand))
            in_hand.remove(name)

    async with site.devices(*range(1, 7)):
        running = asyncio.create_task(site.rounds(_never).run(begun))
        await until(lambda: len(site.roster.answers(begun.id)) == 6)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for octet in (2, 4):
            for _ in range(2):
                site.roster.giving(begun.id, SnmpTarget(snmp=f"127.9.4.{octet}", port=site.port), 1)
        site.restart()
        await site.rounds(publish).run(begun)

    assert sorted(order[:4]) == [f"127.9.4.{n}" for n in (1, 3, 5, 6)]
    assert order[4:] == ["127.9.4.2", "127.9.4.4"]
    assert (most["127.9.4.2"], most["127.9.4.4"]) == (1, 1)
    assert max(most.values()) == 4


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"waited {seconds} s")


async def _never(message: Message) -> None:
    await asyncio.Event().wait()


async def test_how_often_an_order_was_given_is_in_the_roster_before_it_is_given(
    site: Site,
) -> None:
    begun = site.begin()
    given: list[int] = []

    async def publish(message: Message) -> None:
        given.extend(one.given for one in site.roster.answers(begun.id))

    async with site.devices(2):
        await site.rounds(publish).run(begun)

    assert given == [1, 1]


async def test_the_last_messages_are_the_same_bytes_after_a_crash(site: Site) -> None:
    begun = site.begin()
    bodies: list[bytes] = []

    class Crash(BaseException):
        pass

    async def publish(message: Message) -> None:
        if isinstance(message, RoundFinished):
            bodies.append(message.to_json())
            if len(bodies) == 1:
                raise Crash

    async with site.devices(2):
        with pytest.raises(Crash):
            await site.rounds(publish).run(begun)
    site.restart()
    site.now = lambda: NOW + timedelta(hours=1)
    continued = site.roster.open_round()
    assert continued is not None
    assert continued.is_closing
    await site.rounds(publish).run(continued)

    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert site.roster.open_round() is None


async def test_past_its_deadline_a_round_is_closed_and_what_was_not_asked_is_named(
    site: Site,
) -> None:
    site.rate = 20
    site.now = lambda: datetime.now(UTC)
    bus = Bus()
    async with site.devices(1):
        await site.rounds(bus.publish).run(site.begin(deadline_s=0.3))

    [end] = bus.finished
    assert end.interrupted
    assert addresses(end.orders) == addresses(bus.orders) == ["127.9.4.1"]
    [missed] = end.not_reached
    assert missed.target.endswith(f"-127.9.4.14 port {site.port}")
    assert missed.reason == "not asked before the round's deadline"
    assert 4 < end.asked < 9


async def test_a_round_that_is_open_when_quiet_hours_come_asks_no_more(site: Site) -> None:
    local = NOW.astimezone()
    site.quiet_hours = (
        QuietHours((local - timedelta(hours=1)).time(), (local + timedelta(hours=1)).time()),
    )
    bus, printer = Bus(), SimulatedAgent(KYOCERA)

    async with simulate({("127.9.4.2", site.port): printer}):
        await site.rounds(bus.publish).run(site.begin())

    assert printer.requests == 0
    assert bus.finished[0].interrupted


async def test_no_order_may_be_read_in_quiet_hours(site: Site) -> None:
    begin = NOW + timedelta(seconds=90)
    site.quiet_hours = (
        QuietHours(begin.astimezone().time(), (begin + timedelta(hours=1)).astimezone().time()),
    )
    bus = Bus()

    async with site.devices(2):
        await site.rounds(bus.publish).run(site.begin())

    assert [one.read_before for one in bus.orders] == [begin]


async def test_after_a_deadline_that_passed_while_down_what_answered_is_still_given(
    site: Site,
) -> None:
    begun = site.begin()
    async with site.devices(2):
        running = asyncio.create_task(site.rounds(_never).run(begun))
        await until(lambda: len(site.roster.answers(begun.id)) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        site.restart()
        site.now = lambda: NOW + timedelta(hours=9)
        bus = Bus()
        await site.rounds(bus.publish).run(begun)

    assert addresses(bus.orders) == ["127.9.4.2"]
    [end] = bus.finished
    assert end.interrupted
    assert addresses(end.orders) == ["127.9.4.2"]
    assert [one.reason for one in end.not_reached] == ["not asked before the round's deadline"] * 2
    assert end.asked == 1


async def test_an_order_that_the_bus_never_takes_is_named_and_is_no_order(site: Site) -> None:
    begun = site.begin()
    late = NOW + timedelta(hours=9)
    site.now = lambda: late if site.roster.answers(begun.id) else NOW
    bus = Bus(fails=lambda message: isinstance(message, DeviceFound))
    async with site.devices(2):
        await site.rounds(bus.publish).run(begun)

    [end] = bus.finished
    assert end.orders == []
    assert [(one.target, one.reason) for one in end.not_reached] == [
        ("127.9.4.2", "its order was not given: the broker is away")
    ]


def test_a_round_is_named_in_parts_of_at_most_a_thousand() -> None:
    ended = Round(UUID(int=7), "search", Wish(), NOW, NOW)
    answers = [
        AnswerRow(
            SnmpTarget(snmp=f"10.0.{n // 200}.{n % 200}"),
            "printing",
            "sweep",
            "public",
            1,
            NOW,
            published=True,
        )
        for n in range(1500)
    ]
    missed = [NotReached(target=f"10.1.{n}.0/24", reason="x" * 300) for n in range(700)]
    moved = [DeviceEvent(kind="moved", target=answers[n].target) for n in range(1200)]
    refused = answers[0]._replace(
        target=SnmpTarget(snmp="10.9.9.9"),
        outcome="no_credential",
        reason="x" * 5000,
        tried=tuple(f"c{n}" for n in range(90)),
    )
    outcome = Outcome(
        asked=9, answers=[*answers, refused], silent=[], not_reached=missed, events=moved
    )

    parts = last_messages(ended, outcome, agent="agent", now=NOW, packets=1, octets=2)

    assert [(one.part, one.parts) for one in parts] == [(n, 4) for n in range(1, 5)]
    sizes = [
        len(one.orders) + len(one.not_reached) + len(one.no_credential) + len(one.events)
        for one in parts
    ]
    assert sizes == [MAX_ORDERS_A_PART] * 3 + [401]
    assert sum(len(one.orders) for one in parts) == 1500
    assert sum(len(one.events) for one in parts) == 1200
    assert sum(len(one.no_credential) for one in parts) == 1
    assert len({one.id for one in parts}) == 4
    assert max(len(one.to_json()) for one in parts) < 2**20


def test_only_a_newer_scope_replaces_the_kept_one(site: Site) -> None:
    def scope(version: int, author: str) -> Scope:
        return Scope(version=version, author=author, changed_at=NOW)

    assert site.roster.keep_scope(scope(3, "a"))
    assert not site.roster.keep_scope(scope(3, "b"))
    assert not site.roster.keep_scope(scope(2, "c"))
    site.restart()
    kept = site.roster.scope()
    assert kept is not None
    assert kept.author == "a"
    assert site.roster.keep_scope(scope(4, "d"))


def test_a_scope_of_a_hub_that_was_set_up_anew_replaces_the_old_one_s(site: Site) -> None:
    old = Scope(version=7, author="a", changed_at=NOW)
    anew = Scope(version=1, author="b", changed_at=NOW + timedelta(days=1))
    site.roster.keep_scope(old)

    assert site.roster.keep_scope(anew)
    assert site.roster.scope() == anew
    assert not site.roster.keep_scope(anew)


async def test_nothing_is_asked_while_the_roster_cannot_be_written(site: Site) -> None:
    """A full disk: what is tried again every half minute must not be a search of the network."""
    begun = site.begin()
    site.roster._db.execute("PRAGMA query_only = ON")
    printer = SimulatedAgent(KYOCERA)

    async with simulate({("127.9.4.2", site.port): printer}):
        with pytest.raises(RosterError):
            await site.rounds(Bus().publish).run(begun)

    assert printer.requests == 0


def test_a_roster_that_cannot_be_read_says_which_file(site: Site) -> None:
    site.roster._db.execute("DROP TABLE known")

    with pytest.raises(RosterError, match=r"roster\.sqlite: cannot be read"):
        site.roster.known()


def test_a_roster_has_one_user_and_is_its_owners(site: Site) -> None:
    with pytest.raises(RosterError, match="another discovery"):
        Roster(site.file)

    assert site.file.stat().st_mode & 0o777 == 0o600


async def test_a_sweep_leaves_by_udp_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[tuple[int, int]] = []
    opened = socket.socket.__init__

    def noted(self: socket.socket, *args: Any, **kwargs: Any) -> None:
        opened(self, *args, **kwargs)
        kinds.append((self.family, self.type))

    monkeypatch.setattr(socket.socket, "__init__", noted)
    await site.rounds(Bus().publish).run(site.begin())

    assert set(kinds) == {(socket.AF_INET, socket.SOCK_DGRAM)}
