"""Reads over a slow path that loses datagrams and drops long ones, and over IPv6."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.poller.sessions import read_seconds
from services.poller.settings import PollerSettings
from services.solo.simulator import Rows, SimulatedAgent
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.messages import MeterRead
from shared.scope import AskingManner
from shared.snmp.client import SnmpClient
from shared.snmp.error_status import TOO_BIG
from shared.snmp.port import NoAnswerError
from shared.snmp.wire import decode
from tests.contract.polled import running_poller, said, walk
from tests.peers.agent import Agents
from tests.peers.relay import relaying
from tests.peers.snmpd import AUTH_PASSWORD, Snmpd, running

NEAR = "127.65.0.1"
INKJET = walk("inkjet-some-left")
QUICKLY: dict[str, float] = {"timeout_s": 0.3, "tries": 2, "read_s": 2.0}
SHORT = AskingManner(max_message=1232)


class Weighed(SimulatedAgent):
    """Keeps what its answers weighed and how many were tooBig."""

    def __init__(self, rows: Rows, *, max_message: int = 65_507) -> None:
        super().__init__(rows, max_message=max_message)
        self.answered: list[int] = []
        self.too_big = 0

    def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        answer = super().answer(datagram, source)
        if answer is not None:
            self.answered.append(len(answer))
            self.too_big += decode(answer).error_status == TOO_BIG
        return answer


async def test_a_device_behind_a_long_path_is_read_as_if_it_stood_near(
    agents: Agents, tmp_path: Path
) -> None:
    """300 ms each way, 2 % lost, and nothing over an MTU of 1,280."""
    agent = await agents.start(SimulatedAgent(INKJET))
    manner = AskingManner(timeout_s=3, tries=4, max_message=1232)
    path = relaying(NEAR, (agent, agents.port), delay_s=0.3, loss=0.02, seed=9)
    async with path as taken, running_poller(agents.port, tmp_path) as poller:
        read = await poller.read(NEAR, manner=manner)
        assert isinstance(read, MeterRead)
        assert said(read) == said(await poller.read(agent))

    assert (taken.lost, taken.too_long) == (1, 0)


async def test_an_answer_that_is_dropped_for_its_length_comes_where_a_longest_is_set(
    agents: Agents, tmp_path: Path
) -> None:
    """The second read asks for more at once, as it knows the rows; it ends by asking for few."""
    agent = await agents.start(SimulatedAgent(walk("lexmark-colour-mfp")))
    async with (
        relaying(NEAR, (agent, agents.port), delay_s=0.01) as path,
        running_poller(agents.port, tmp_path, **QUICKLY) as poller,
    ):
        near = said(await poller.read(agent))
        assert said(await poller.read(NEAR)) == near
        as_usual = await poller.read(NEAR)
        assert path.too_long == QUICKLY["tries"]
        short = await poller.read(NEAR, manner=SHORT)

    assert said(short) == near
    assert path.too_long == QUICKLY["tries"]
    assert short.datagrams < as_usual.datagrams


async def test_where_an_answer_is_longer_than_guessed_shorter_ones_are_asked_for(
    agents: Agents, tmp_path: Path
) -> None:
    agent = await agents.start(SimulatedAgent(walk("label-metres")))
    async with (
        relaying(NEAR, (agent, agents.port), delay_s=0.01) as path,
        running_poller(agents.port, tmp_path, **QUICKLY) as poller,
    ):
        read = await poller.read(NEAR, manner=SHORT)
        assert path.too_long
        assert said(read) == said(await poller.read(agent))


@pytest.mark.parametrize("longest", [600, 1232])
async def test_a_second_read_keeps_to_the_longest_message_too(
    agents: Agents, tmp_path: Path, longest: int
) -> None:
    agent = Weighed(walk("kyocera-colour-mfp"))
    address = await agents.start(agent)
    manner = AskingManner(max_message=longest)
    async with running_poller(agents.port, tmp_path) as poller:
        first = await poller.read(address, manner=manner)
        second = await poller.read(address, manner=manner)

    assert said(first) == said(second)
    assert second.datagrams < first.datagrams
    assert max(agent.answered) <= longest
    assert max(octets for _, octets in agent.received) <= longest


async def test_an_alert_that_came_costs_no_read_in_full_where_messages_are_short(
    agents: Agents, tmp_path: Path
) -> None:
    agent = SimulatedAgent(INKJET)
    address = await agents.start(agent)
    async with running_poller(agents.port, tmp_path) as poller:
        first = await poller.read(address, manner=SHORT)
        agent.load({oid: row for oid, row in INKJET.items() if ".43.18." not in oid})
        second = await poller.read(address, manner=SHORT)

    assert isinstance(first, MeterRead)
    assert isinstance(second, MeterRead)
    assert first.alerts
    assert not second.alerts
    assert second.datagrams < first.datagrams


@pytest.mark.parametrize("device", ["canon-colour-mfp", "hp-colour-mfp", "ricoh-mfp"])
async def test_an_agent_that_said_too_big_is_not_asked_for_too_much_again(
    agents: Agents, tmp_path: Path, device: str
) -> None:
    agent = Weighed(walk(device), max_message=484)
    address = await agents.start(agent)
    async with running_poller(agents.port, tmp_path) as poller:
        first = await poller.read(address)
        refused = agent.too_big
        second = await poller.read(address)

    assert refused
    assert agent.too_big == refused
    assert said(first) == said(second)
    assert second.datagrams <= 12


async def test_a_get_is_parted_where_its_answer_would_be_too_long(agents: Agents) -> None:
    texts: Rows = {f"1.3.6.1.4.1.32473.1.{n}.0": ("OctetString", bytes(20)) for n in range(40)}
    agent = Weighed(texts)
    address = await agents.start(agent)
    async with SnmpClient(agents.ceiling) as client:
        session = client.session(address, agents.port, PUBLIC, max_message=484)
        assert len(await session.get(list(texts))) == 40

    assert max(agent.answered) <= 484


async def test_a_get_that_is_not_answered_for_its_length_is_parted(agents: Agents) -> None:
    texts: Rows = {f"1.3.6.1.4.1.32473.1.{n}.0": ("OctetString", bytes(60)) for n in range(20)}
    agent = await agents.start(SimulatedAgent(texts))
    agents.name(NEAR)
    async with (
        relaying(NEAR, (agent, agents.port), delay_s=0) as path,
        SnmpClient(agents.ceiling, timeout_s=0.2, tries=2) as client,
    ):
        session = client.session(NEAR, agents.port, PUBLIC, max_message=1232)
        await session.get(list(texts)[:1])
        assert len(await session.get(list(texts))) == 20

    assert path.too_long == 1


async def test_a_session_has_its_own_time_and_tries(agents: Agents) -> None:
    address = await agents.start(SimulatedAgent({}, silent=True))
    async with SnmpClient(agents.ceiling) as client:
        session = client.session(address, agents.port, PUBLIC, timeout_s=0.05, tries=4)
        with pytest.raises(NoAnswerError, match="no SNMP answer in 4 tries of 0"):
            await session.get(["1.3.6.1.2.1.1.1.0"])


@pytest.mark.peer("snmpd")
async def test_in_v3_the_device_itself_keeps_to_the_longest_message(tmp_path: Path) -> None:
    user = Credential(
        version="3",
        user=SecretStr("sha256-none"),
        auth="sha256",
        auth_password=SecretStr(AUTH_PASSWORD),
    )
    with running(Snmpd(tmp_path)) as agent:
        ceiling = Ceiling((ip_network("127.0.0.0/8"),), frozenset({agent.port}))
        async with (
            relaying(NEAR, (agent.address, agent.port), delay_s=0) as path,
            SnmpClient(ceiling) as client,
        ):
            session = client.session(NEAR, agent.port, user, max_message=600)
            columns = [f"1.3.6.1.2.1.2.2.1.{column}" for column in range(1, 23)]
            table = await session.table([*columns, "1.3.6.1.2.1.1.9.1.3"])

    assert table["1.3.6.1.2.1.1.9.1.3"]
    assert path.longest <= 600


async def test_a_whole_read_goes_over_ipv6(agents: Agents, tmp_path: Path) -> None:
    agent = Weighed(walk("kyocera-colour-mfp"))
    address = await agents.start(agent, "::1")
    async with running_poller(agents.port, tmp_path) as poller:
        read = await poller.read(address)

    assert isinstance(read, MeterRead)
    assert (read.device.address, read.target.key) == ("::1", f"snmp:[::1]:{agents.port}")
    assert read.meters["total"]
    payloads = [*agent.answered, *(octets for _, octets in agent.received)]
    assert (read.datagrams, read.bytes) == (len(payloads), sum(payloads) + 48 * len(payloads))


@pytest.mark.parametrize(
    ("manner", "left_s", "read_s"),
    [
        (AskingManner(), 3600, 10),
        (AskingManner(timeout_s=3, tries=4), 3600, 20),
        (AskingManner(timeout_s=3, tries=4), 15, 15),
        (AskingManner(timeout_s=3, tries=4), 1, 10),
        (AskingManner(timeout_s=60, tries=10), 3600, 600),
        (AskingManner(timeout_s=0.5), 3600, 10),
    ],
)
def test_a_read_may_take_longer_where_its_questions_may(
    manner: AskingManner, left_s: float, read_s: float
) -> None:
    assert read_seconds(PollerSettings(), manner, left_s) == read_s
