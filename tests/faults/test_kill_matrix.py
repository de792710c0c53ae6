"""The kill matrix: whatever dies, whenever, nothing is lost and nothing is there twice.

Each service, the broker and the database are processes of their own, killed with -9 and restarted
at random points; between site and hub is a network that cuts, stalls, refuses, resets and says
everything twice; one device's answer ends any poller that reads it. Seeded: the seed is printed,
and PAGETALLY_SEED repeats a run. PAGETALLY_FAULTS=long makes 30 rounds of 2,000 devices.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from shared.messages import SnmpTarget, order_id
from shared.schedule import RoundKind
from shared.store.postgres import open_store
from tests.faults.at_hub import AtHub
from tests.faults.harm import SERVICES, Harm
from tests.flow.hub import eventually
from tests.flow.simulated import Seen, Simulated
from tests.flow.stack import Stack
from tests.peers import missing
from tests.peers.cut import FAULTS, CutWay
from tests.peers.postgres import MortalPostgres
from tests.peers.rabbit import PrivateRabbit
from tests.peers.smtp import smtp_server

LONG = os.environ.get("PAGETALLY_FAULTS") == "long"
ROUNDS, DEVICES, POISONED = (30, 2000, (4, 15, 26)) if LONG else (2, 60, (0,))
MOST_ROUNDS = 2 * ROUNDS
HARM_A_ROUND = 3 if LONG else 7  # so that each kind is done
HARM_WITHIN_S = 15.0 if LONG else 4.0
CUT_S, STALL_S = (8.0, 4.0) if LONG else (2.0, 1.0)
ROUND_S = 600.0 if LONG else 120.0  # and no more
SEGMENT, FIRST = ("127.42.0.0/21" if LONG else "127.42.0.0/24"), "127.42.0.1"
# by themselves end: what finds no broker or database at its start, who reads the poisonous device
MAY_END = {1: SERVICES, 139: ("poller", "poller-2", "poller-3")}
Say = Callable[[str], None]


class Expected(NamedTuple):
    """What the simulator says of a round."""

    seen: Seen
    mute: frozenset[str]  # those that answer a search, and nothing else
    poisoned: frozenset[str]

    @property
    def fail(self) -> frozenset[str]:
        return frozenset(self.seen.answered & (self.mute | self.poisoned))


async def test_whatever_dies_every_round_closes_and_every_order_has_one_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("PAGETALLY_SEED", random.randrange(2**32)))

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f" {text}\n" if LONG else f" {text}")
            sys.stdout.flush()

    say(f"PAGETALLY_SEED={seed}")
    dice = random.Random(seed)
    async with working(tmp_path, seed, dice) as (at_hub, printers, harm, poison):
        async with harm.supervised():
            expected = await rounds(at_hub, printers, harm, poison, dice, say)
            await eventually(partial(all_sent, at_hub, harm), ROUND_S, harm.stack.all_said)
        started = [name for name in SERVICES if harm.stack.ran_s(name) < 15]
        codes = harm.stack.stop()

        # one that was started just now may be told while Python still imports
        assert {codes[name] for name in started} <= {0, -signal.SIGTERM}
        assert {codes[name] for name in codes if name not in started} <= {0}, codes
        assert all(name in MAY_END.get(code, ()) for name, code in harm.ended), harm.ended
        assert set(harm.done) == set(harm.kinds())
        assert set(harm.way.made) >= set(FAULTS)
        orders = await check_rounds(at_hub, expected, printers.port)
        assert await at_hub.gaps() == []
        assert await at_hub.rows("select * from rejected") == []
        twice = await check_mails(at_hub, harm)
    reads = sum(each.seen.reads for each in expected.values())
    say(
        f"{len(expected)} rounds, {orders} orders, {reads} reads:"
        f" {reads - orders} extra by redelivery; {twice} mails possibly twice;"
        f" {sum(harm.ended.values())} ended by themselves; batches {dict(harm.way.made)}"
    )


@asynccontextmanager
async def working(
    folder: Path, seed: int, dice: random.Random
) -> AsyncIterator[tuple[AtHub, Simulated, Harm, str]]:
    """The whole stack, its printers, what is to happen to it, and the poisonous address."""
    if not PrivateRabbit.installed():
        missing("rabbitmq-server")
    with ExitStack() as peers:
        rabbit = peers.enter_context(PrivateRabbit())
        postgres = peers.enter_context(MortalPostgres())
        smtp = peers.enter_context(smtp_server("starttls"))
        printers = peers.enter_context(Simulated(FIRST, DEVICES))
        stack = Stack(
            folder,
            broker=rabbit.url("/"),
            database=postgres.url,
            networks=[SEGMENT],
            snmp_port=printers.port,
        )
        peers.callback(stack.stop, 5)
        ca = stack.ca
        way = peers.enter_context(
            CutWay(
                stack.ingest_port,
                certificate=ca.cert,
                key=ca.key,
                ca=ca.ca_cert,
                seed=seed,
                stall_s=STALL_S,
            )
        )
        poison = dice.choice(printers.addresses)
        stack.commands["poller"] = ["tests.faults.poisoned_poller"]
        stack.environment |= {
            "POISON": poison,
            "UPLOADER_HUB_URL": way.url,
            "REPORTER_WAKE_S": "0.5",
            **{f"REPORTER_{name.upper()}": str(value) for name, value in smtp.settings().items()},
        }
        async with open_store(postgres.url) as store:
            at_hub = AtHub(store, SEGMENT)
            stack.put_key(await at_hub.set_up())
            stack.start(*SERVICES)
            harm = Harm(stack, rabbit, postgres, way, smtp, at_hub.order_report, CUT_S)
            yield at_hub, printers, harm, poison


async def rounds(
    at_hub: AtHub, printers: Simulated, harm: Harm, poison: str, dice: random.Random, say: Say
) -> dict[UUID, Expected]:
    """Harm is done from a round's begin on, and has ended before the next.

    As many more as it takes until the way has made each of its faults: on a slow machine the
    uploader gathers more in a batch, and fewer batches go.
    """
    kinds = harm.deck(dice)
    expected: dict[UUID, Expected] = {}
    were_mute: list[frozenset[str]] = [frozenset(), frozenset()]
    for number in range(MOST_ROUNDS):
        if number >= ROUNDS and set(harm.way.made) >= set(FAULTS):
            break
        poisoned = frozenset([poison] if number in POISONED else ())
        # an order that came again may outlive its round: nobody answers it then either
        unheard = frozenset({poison}).union(*were_mute[-2:])
        others = [address for address in printers.addresses if address not in unheard]
        silent = frozenset(dice.sample(others, DEVICES // 20)) | (unheard - poisoned)
        mute = frozenset(dice.sample(others, 2))
        were_mute.append(mute)
        plan = [(dice.uniform(0, HARM_WITHIN_S), next(kinds)) for _ in range(HARM_A_ROUND)]
        kind: RoundKind = "read" if number % 2 else "search"
        printers.begin(silent=silent, mute=mute)
        began = time.monotonic()
        round_id = await at_hub.ask(kind)
        await at_hub.order_report()
        harming = asyncio.create_task(harm.do(plan))
        await eventually(partial(at_hub.is_closed, round_id), ROUND_S, harm.stack.all_said)
        seconds = time.monotonic() - began
        await harming
        expected[round_id] = Expected(printers.seen(), mute, poisoned)
        if LONG:
            names = ", ".join(f"{kind} at {at:.1f} s" for at, kind in sorted(plan))
            say(f"round {number + 1} ({kind}) closed after {seconds:.0f} s: {names}")
    return expected


async def all_sent(at_hub: AtHub, harm: Harm) -> bool:
    """Nothing waits at the site, and every report that was ordered is mailed."""
    reports = await at_hub.reports()
    states = [each["state"] for report in reports for each in report["deliveries"]]
    return (
        harm.stack.count_waiting() == 0
        and len(reports) == at_hub.ordered_reports
        and set(states) == {"sent"}
    )


async def check_rounds(at_hub: AtHub, expected: dict[UUID, Expected], port: int) -> int:
    """By name: the orders are what answered, each with one outcome; how many orders."""
    outcomes = await at_hub.outcomes()
    assert set(outcomes) == set(expected)
    for round_id, each in expected.items():

        def orders(addresses: frozenset[str] | set[str], round_id: UUID = round_id) -> set[UUID]:
            return {order_id(round_id, SnmpTarget(snmp=at, port=port)) for at in addresses}

        found = outcomes[round_id]
        assert set(found) == orders(each.seen.answered)
        assert {len(rows) for rows in found.values()} == {1}
        failed = {order: rows[0] for order, rows in found.items() if rows[0]["outcome"] != "read"}
        assert set(failed) == orders(each.fail), failed
        for order in orders(each.poisoned):
            assert "ended the poller" in failed[order]["reason"]
    named = {str(order) for found in outcomes.values() for order in found}
    with_outcome = await at_hub.rows("select order_id from order_outcome")
    assert {str(row["order_id"]) for row in with_outcome} == named
    assert len(with_outcome) == len(named)
    return len(named)


async def check_mails(at_hub: AtHub, harm: Harm) -> int:
    """One a report; or two, where it is marked as possibly twice: how many such there are.

    A reporter or a database that dies between the mail's last dot and its row cannot know.
    """
    marked = 0
    for report in await at_hub.reports():
        [delivery] = report["deliveries"]
        times = harm.smtp.ended[report["message_id"]]
        assert times == 1 or (times > 1 and delivery["possibly_twice"]), (times, report)
        marked += delivery["possibly_twice"]
    assert marked  # for one reporter at least was killed there
    return marked
