"""The sweep on the wire: simulated devices on 127.x, each datagram counted."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from ipaddress import ip_network

import pytest

from services.discovery.find import Finding, findings
from services.discovery.identify import SYS_DESCR, SYS_OBJECT_ID, load_makers
from services.discovery.pace import Pacer
from services.discovery.plan import Group, Pass, Plan
from services.discovery.sweep import Answer, Sweep
from services.solo.simulator import Rows, SimulatedAgent, simulate
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC
from shared.scope import AskingManner
from shared.snmp import receive_buffer, udp
from shared.snmp.burst import Burst
from shared.snmp.client import SnmpClient
from shared.snmp.port import Varbind
from shared.snmp.wire import RESPONSE, V1, V2C, decode, encode
from shared.spans import Span, addresses_of, number_of
from tests.peers.crowd import Crowd

KYOCERA: Rows = {
    SYS_DESCR: ("OctetString", b"KYOCERA Document Solutions Printing System"),
    SYS_OBJECT_ID: ("ObjectIdentifier", "1.3.6.1.4.1.1347.41"),
}
ROUTER: Rows = {
    SYS_DESCR: ("OctetString", b"a router"),
    SYS_OBJECT_ID: ("ObjectIdentifier", "1.3.6.1.4.1.59999.1"),
}
PASSES = (Pass("public", V2C), Pass("public", V1))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def span(first: str, last: str) -> Span:
    return number_of(first), number_of(last)


def sweep_of(
    port: int,
    *spans: Span,
    rate: float = 0,
    timeout_s: float = 0.2,
    passes: tuple[Pass, ...] = PASSES,
    networks: Sequence[str] = ("127.0.0.0/8", "::1/128"),
    done: frozenset[tuple[int, int]] = frozenset(),
) -> Sweep:
    plan = Plan((Group(spans, port, passes, "sweep"),))
    ceiling = Ceiling(tuple(ip_network(text) for text in networks), frozenset({port}))
    credentials = {"public": PUBLIC}
    return Sweep(
        plan, ceiling=ceiling, credentials=credentials, rate=rate, timeout_s=timeout_s, done=done
    )


def sweep_of_plan(plan: Plan, *, rate: float = 0, timeout_s: float = 0.05) -> Sweep:
    ports = frozenset(group.port for group in plan.groups)
    ceiling = Ceiling((ip_network("127.0.0.0/8"),), ports)
    credentials = {"public": PUBLIC}
    return Sweep(plan, ceiling=ceiling, credentials=credentials, rate=rate, timeout_s=timeout_s)


async def answers_of(sweep: Sweep) -> dict[str, Answer]:
    got: list[Answer] = []
    async with aclosing(sweep.answers()) as answers:
        async for answer in answers:
            got.append(answer)  # noqa: PERF401  (as they come)
    assert len({answer.address for answer in got}) == len(got)
    return {answer.address: answer for answer in got}


async def test_a_silent_address_costs_one_datagram_a_pass_and_every_octet_is_counted() -> None:
    port = free_port()
    agents = {
        ("127.9.0.3", port): SimulatedAgent(KYOCERA),
        ("127.9.0.5", port): SimulatedAgent(KYOCERA, v1_only=True),
        ("127.9.0.6", port): SimulatedAgent(KYOCERA, community=b"other"),
    }
    async with simulate(agents):
        sweep = sweep_of(port, span("127.9.0.1", "127.9.0.20"))
        got = await answers_of(sweep)

    assert {address: answer.version for address, answer in got.items()} == {
        "127.9.0.3": V2C,
        "127.9.0.5": V1,
    }
    assert sweep.traffic.packets_out == 20 + 19
    assert sweep.traffic.bytes_out == 20 * (108 + 28) + 19 * (43 + 28)
    assert sweep.traffic.packets_in == 2
    assert [agent.requests for agent in agents.values()] == [1, 2, 2]
    assert sweep.datagrams_at_most() == (40, 20 * (108 + 28) + 20 * (43 + 28))


@pytest.mark.parametrize("rate", [0, 3000])
async def test_each_silent_address_gets_exactly_one_datagram_a_pass(rate: float) -> None:
    """Over the borders of bursts and of spans, however the sweep is paced."""
    spans = span("127.20.0.0", "127.20.3.200"), span("127.20.4.7", "127.20.4.7")
    async with Crowd() as crowd:
        sweep = sweep_of(crowd.port, *spans, rate=rate, passes=PASSES[:1])
        assert await answers_of(sweep) == {}
    size = 3 * 256 + 201 + 1
    assert len(crowd.asked) == sum(crowd.asked.values()) == sweep.traffic.packets_out == size
    assert {number_of(address) for address in crowd.asked} == {
        at for first, last in spans for at in range(first, last + 1)
    }


async def test_a_sweep_that_lost_answers_says_that_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive_buffer, "RECEIVE_BUFFER_BYTES", 4096)
    async with Crowd(SimulatedAgent(KYOCERA)) as crowd:
        sweep = sweep_of(crowd.port, span("127.20.0.1", "127.20.0.250"), passes=PASSES[:1])
        found = await answers_of(sweep)

    lost = 250 - len(found)
    assert lost > 0
    [words] = sweep.remarks
    assert words.startswith(f"{lost} datagrams came while the receive buffer")


async def test_everything_alive_is_found_and_the_sweep_does_not_wait_longer() -> None:
    port = free_port()
    agents = {(f"127.9.1.{n}", port): SimulatedAgent(KYOCERA) for n in range(1, 101)}
    async with simulate(agents):
        began = time.monotonic()
        got = await answers_of(sweep_of(port, span("127.9.1.1", "127.9.1.100"), timeout_s=30))

    assert len(got) == 100
    assert time.monotonic() - began < 10


async def test_addresses_that_answered_before_a_restart_are_not_asked_again() -> None:
    port = free_port()
    agent = SimulatedAgent(KYOCERA)
    async with simulate({("127.9.0.3", port): agent}):
        sweep = sweep_of(
            port,
            span("127.9.0.2", "127.9.0.3"),
            done=frozenset({(number_of("127.9.0.3"), port)}),
        )
        assert await answers_of(sweep) == {}

    assert agent.requests == 0
    assert sweep.traffic.packets_out == 2


class Forger(asyncio.DatagramProtocol):
    """Answers with everything but the answer, and that from another address."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, datagram: bytes, source: tuple[str, int]) -> None:
        asked = decode(datagram)
        wrong_id = asked._replace(pdu=RESPONSE, request_id=asked.request_id ^ 1)
        id_elsewhere = wrong_id._replace(community=asked.request_id.to_bytes(4, "big"))
        for payload in (b"\x30\x82", datagram, encode(wrong_id), encode(id_elsewhere)):
            self.transport.sendto(payload, source)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.9.200.1", self.transport.get_extra_info("sockname")[1]))
            other.sendto(encode(asked._replace(pdu=RESPONSE)), source)


async def test_only_the_address_asked_answers_and_only_with_the_id_it_was_asked_with() -> None:
    port = free_port()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Forger, local_addr=("127.9.0.2", port))
    try:
        sweep = sweep_of(port, span("127.9.0.2", "127.9.0.2"), timeout_s=0.1)
        assert await answers_of(sweep) == {}
    finally:
        transport.close()

    assert sweep.traffic.packets_in == 10


class Chatterbox(Forger):
    """Answers with what was asked, and ever more beside it."""

    def __init__(self, varbinds: int) -> None:
        self.varbinds = varbinds

    def datagram_received(self, datagram: bytes, source: tuple[str, int]) -> None:
        asked = decode(datagram)
        more = [Varbind(f"1.3.6.1.4.1.9.{n}", "OctetString", b"x") for n in range(self.varbinds)]
        answer = asked._replace(pdu=RESPONSE, varbinds=[*asked.varbinds, *more])
        self.transport.sendto(encode(answer), source)


@pytest.mark.parametrize(("varbinds", "kept"), [(50, 5), (1000, None)])
async def test_of_an_answer_no_more_is_kept_than_was_asked(varbinds: int, kept: int | None) -> None:
    """Whoever answers for a whole network with datagrams of 64 kB must not fill the memory."""
    port = free_port()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Chatterbox(varbinds), local_addr=("127.9.0.3", port)
    )
    got = await answers_of(sweep_of(port, span("127.9.0.3", "127.9.0.3")))
    transport.close()

    assert [len(answer.varbinds) for answer in got.values()] == ([kept] if kept else [])


async def test_a_slow_segment_is_asked_after_the_others_at_its_own_pace() -> None:
    fast, slow = span("127.9.5.1", "127.9.5.100"), span("127.9.6.1", "127.9.6.10")
    async with Crowd() as crowd:
        plan = Plan(
            (
                Group((slow,), crowd.port, PASSES[:1], "sweep", AskingManner(pace=50)),
                Group((fast,), crowd.port, PASSES[:1], "sweep"),
            )
        )
        sweep = sweep_of_plan(plan, rate=5000)
        began = time.monotonic()
        assert await answers_of(sweep) == {}
        took_s = time.monotonic() - began

    assert list(crowd.asked) == [*addresses_of([fast]), *addresses_of([slow])]
    assert took_s > 9 / 50
    assert sweep.seconds_at_most() == pytest.approx(100 / 5000 + 10 / 50 + 2 * 0.05)


@pytest.mark.parametrize(("rate", "pace"), [(0, 5), (200, 5), (5, 200), (5, None), (0, None)])
def test_no_segment_is_faster_than_the_sweep(rate: float, pace: float | None) -> None:
    manner = AskingManner(pace=pace)
    sweep = sweep_of_plan(Plan((Group((), 161, PASSES, "sweep", manner),)), rate=rate)

    assert sweep._courses[0].rate == (0 if (rate, pace) == (0, None) else 5)


async def test_a_segment_s_own_patience_is_waited_for_and_goes_with_the_answer() -> None:
    port, patient = free_port(), AskingManner(timeout_s=1)
    async with simulate({("127.9.0.3", port): SimulatedAgent(KYOCERA, delay_s=0.3)}):
        group = Group((span("127.9.0.3", "127.9.0.3"),), port, PASSES[:1], "sweep", patient)
        got = await answers_of(sweep_of_plan(Plan((group,)), timeout_s=0.05))

    assert got["127.9.0.3"].manner == patient


async def test_what_is_not_begun_of_a_slow_segment_is_known() -> None:
    port = free_port()
    fast, slow = span("127.9.5.1", "127.9.5.9"), span("127.9.6.1", "127.9.6.9")
    manner = AskingManner(pace=0.1)
    plan = Plan(
        (Group((slow,), port, PASSES, "sweep", manner), Group((fast,), port, PASSES, "sweep"))
    )
    sweep = sweep_of_plan(plan)
    assert sweep.unasked() == [(fast, port), (slow, port)]
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await answers_of(sweep)

    assert sweep.unasked() == [(slow, port)]


async def test_where_nobody_takes_answers_nothing_more_is_asked() -> None:
    async with Crowd(SimulatedAgent(KYOCERA)) as crowd:
        everybody = span("127.24.0.0", "127.24.255.255")
        sweep = sweep_of(crowd.port, everybody, passes=PASSES[:1])
        async with aclosing(sweep.answers()) as answers:
            await anext(answers)
            await asyncio.sleep(0.7)
            asked = len(crowd.asked)
            assert asked < 5000
            for _ in range(asked + 100):
                await anext(answers)
            assert len(crowd.asked) > asked


def test_memory_does_not_grow_with_the_addresses_that_are_silent_or_cannot_be_sent_to() -> None:
    """A /12 has sixteen times as many as were swept here, and must stay below 120 MB in all."""
    swept = subprocess.run(
        [sys.executable, "-m", "tests.unit.discovery.sweep_memory"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert int(swept.stdout) * 16 < 64_000


def test_of_scattered_addresses_that_cannot_be_sent_to_a_bounded_number_is_named() -> None:
    sweep = sweep_of(161, span("127.16.0.0", "127.31.255.255"))
    for at in range(0, 50_000, 2):
        sweep._cannot_send(OSError(errno.EHOSTUNREACH, "No route to host"), at, 161)

    [(reason, named)] = sweep.unsendable.items()
    assert reason == "nothing can be sent there: No route to host"
    assert len(named) == 10_000


async def test_an_address_outside_the_ceiling_gets_no_datagram_even_when_planned() -> None:
    port = free_port()
    agent = SimulatedAgent(KYOCERA)
    async with simulate({("127.9.0.3", port): agent}):
        sweep = sweep_of(port, span("127.9.0.1", "127.9.0.3"), networks=["127.9.0.2/32"])
        assert await answers_of(sweep) == {}

    assert agent.requests == 0
    assert sweep.traffic.packets_out == 2
    assert sweep.unsendable == {
        "a loopback address must be named in this site's ceiling": [
            (span("127.9.0.1", "127.9.0.1"), port),
            (span("127.9.0.3", "127.9.0.3"), port),
        ]
    }


async def test_ipv6_is_asked_and_counted_with_its_longer_header() -> None:
    port = free_port()
    async with simulate({("::1", port): SimulatedAgent(KYOCERA)}):
        sweep = sweep_of(port, span("::1", "::1"))
        got = await answers_of(sweep)

    assert list(got) == ["::1"]
    assert sweep.traffic.bytes_out == 108 + 48


@pytest.mark.parametrize("rate", [100, 2000])
async def test_the_pace_is_held(rate: float) -> None:
    pacer = Pacer(rate)
    began = time.monotonic()
    turns = 0
    while turns < rate / 4:
        turns += await pacer.turns()

    assert 0.2 < time.monotonic() - began < 0.6


async def test_a_sweep_of_an_hour_ends_at_once_and_knows_what_it_has_not_asked() -> None:
    port = free_port()
    sweep = sweep_of(port, span("127.9.0.0", "127.9.255.255"), rate=100)
    asking = asyncio.create_task(answers_of(sweep))
    await asyncio.sleep(0.3)

    began = time.monotonic()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert time.monotonic() - began < 0.5
    [((first, last), at)] = sweep.unasked()
    assert (first - number_of("127.9.0.0"), last) == (
        sweep.traffic.packets_out,
        number_of("127.9.255.255"),
    )
    assert at == port


async def test_what_a_full_send_buffer_held_back_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = asyncio.Event()

    class NeverMore(Burst):
        """Takes ten datagrams, and then none."""

        took = 0

        def send(self, opened: socket.socket, payload: bytes, to: Sequence[bytes], at: int) -> int:
            if self.took:
                full.set()
                raise OSError(errno.ENOBUFS, "No buffer space available")
            self.took = super().send(opened, payload, to[:10], at)
            return self.took

    monkeypatch.setattr(udp, "Burst", NeverMore)
    port = free_port()
    sweep = sweep_of(port, span("127.9.0.0", "127.9.0.255"))
    asking = asyncio.create_task(answers_of(sweep))
    async with asyncio.timeout(5):
        await full.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert sweep.unasked() == [(span("127.9.0.10", "127.9.0.255"), port)]
    assert sweep.traffic.packets_out == 10


async def test_who_answers_twice_is_found_once() -> None:
    port = free_port()
    agent = SimulatedAgent(KYOCERA, misbehave="twice")
    async with simulate({("127.9.0.3", port): agent}):
        sweep = sweep_of(port, span("127.9.0.2", "127.9.0.3"))
        got = await answers_of(sweep)

    assert list(got) == ["127.9.0.3"]
    assert sweep.traffic.packets_in == 2


async def test_answers_are_judged_and_asked_more_where_one_does_not_tell() -> None:
    port = free_port()
    marker: Rows = {**ROUTER, "1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", 7)}
    agents = {
        ("127.9.0.2", port): SimulatedAgent(KYOCERA),
        ("127.9.0.3", port): SimulatedAgent(ROUTER),
        ("127.9.0.4", port): SimulatedAgent(marker),
        ("127.9.0.5", port): SimulatedAgent(marker, v1_only=True),
        ("127.9.0.6", port): SimulatedAgent({}),
    }
    ceiling = Ceiling((ip_network("127.0.0.0/8"),), frozenset({port}))
    got: list[Finding] = []
    async with simulate(agents), SnmpClient(ceiling, timeout_s=0.3, tries=2) as client:
        sweep = sweep_of(port, span("127.9.0.1", "127.9.0.6"))
        found = findings(sweep, client, {"public": PUBLIC}, load_makers())
        async with aclosing(found):
            async for finding in found:
                got.append(finding)  # noqa: PERF401

    assert {finding.target.snmp: finding.outcome for finding in got} == {
        "127.9.0.2": "printing",
        "127.9.0.3": "not_a_printer",
        "127.9.0.4": "printing",
        "127.9.0.5": "printing",
        "127.9.0.6": "not_a_printer",
    }
