"""SNMPv3 on the wire: net-snmp's agent with users of every protocol, and engines that lie."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest

from services.cli import main
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import PUBLIC, Credential, load_credentials
from shared.snmp.client import SnmpClient, WireSession
from shared.snmp.port import (
    AnotherDeviceError,
    CredentialRefusedError,
    MalformedAnswerError,
    NoAnswerError,
    Traffic,
    Value,
    Varbind,
)
from shared.snmp.v3_ask import V3Asker
from shared.snmp.v3_exchange import IN_FLIGHT, V3Exchange
from shared.snmp.v3_message import AUTH, PRIV, read_message
from tests.peers.agent import free_udp_port
from tests.peers.snmpd import (
    AUTH_PASSWORD,
    CONTEXT,
    PRIVACY_PASSWORD,
    SYS_NAME,
    USERS,
    Snmpd,
    User,
    running,
)
from tests.peers.v3_agent import USM_STATS, Misbehaviour, V3Agent, answering

ROOT = Path(__file__).parents[2]
SYS = "1.3.6.1.2.1.1"
NAME, UPTIME, OBJECT_ID = f"{SYS}.5.0", f"{SYS}.3.0", f"{SYS}.2.0"
IF_NUMBER = "1.3.6.1.2.1.2.1.0"
STEADY = [  # of every type but TimeTicks, and the same in each read
    *(f"{SYS}.9.1.{column}" for column in (2, 3)),
    *(f"1.3.6.1.2.1.2.2.1.{column}" for column in range(1, 9)),
    *(f"1.3.6.1.2.1.4.20.1.{column}" for column in range(1, 5)),
]
CHANGING = ["1.3.6.1.2.1.2.2.1.10", "1.3.6.1.2.1.31.1.1.1.6", f"{SYS}.9.1.4"]
LEVELS = {"noauth": 0, "auth": AUTH, "priv": AUTH | PRIV}
BY_NAME = {user.name: user for user in USERS}
TYPICAL = BY_NAME["sha256-aes128"]
WRONG = "wrong-of-the-site"


def credential_of(user: User, /, **fields: object) -> Credential:
    known: dict[str, object] = {"version": "3", "user": user.name}
    if user.auth != "none":
        known |= {"auth": user.auth, "auth_password": AUTH_PASSWORD}
    if user.privacy != "none":
        known |= {"privacy": user.privacy, "privacy_password": PRIVACY_PASSWORD}
    return Credential.model_validate(known | fields)


SIMULATED = credential_of(TYPICAL)
ROWS: Mapping[str, tuple[str, Value]] = {NAME: ("OctetString", b"simulated")}


class Site:
    """A site that may ask one address and port in v3, and what it asked."""

    def __init__(self, address: str, port: int, *, timeout_s: float, tries: int) -> None:
        self.address = address
        self.port = port
        self.ceiling = Ceiling(networks=(ip_network(address),), ports=frozenset({port}))
        self.exchange = V3Exchange(self.ceiling, Traffic(), timeout_s=timeout_s, tries=tries)

    def session(self, credential: Credential, *, deadline_s: float = 10) -> WireSession:
        asker = V3Asker(self.exchange, self.address, self.port, credential, deadline_s=deadline_s)
        return WireSession(asker)

    async def name(self, credential: Credential) -> Value:
        return (await self.session(credential).get([NAME]))[NAME].value


def hurry(session: WireSession, timeout_s: float) -> None:
    """Each of its tries ends so soon from now on."""
    cast("V3Asker", session._asker)._timeout_s = timeout_s


@asynccontextmanager
async def site(
    address: str, port: int, *, timeout_s: float = 1.0, tries: int = 3
) -> AsyncIterator[Site]:
    made = Site(address, port, timeout_s=timeout_s, tries=tries)
    try:
        yield made
    finally:
        made.exchange.close()


@asynccontextmanager
async def simulated(
    misbehave: Misbehaviour = "",
    *,
    credential: Credential = SIMULATED,
    report: str = "",
    delay_s: float = 0,
    timeout_s: float = 5,
    tries: int = 2,
) -> AsyncIterator[tuple[Site, V3Agent]]:
    agent = V3Agent(credential, ROWS, misbehave=misbehave, report=report, delay_s=delay_s)
    address, port = "127.64.3.1", free_udp_port()
    async with (
        answering(agent, address, port),
        site(address, port, timeout_s=timeout_s, tries=tries) as made,
    ):
        yield made, agent


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    """One for all tests that leave it running."""
    with running(Snmpd(tmp_path_factory.mktemp("snmpd"))) as agent:
        yield agent


@pytest.fixture
def own_snmpd(tmp_path: Path) -> Iterator[Snmpd]:
    """One that the test may stop."""
    with running(Snmpd(tmp_path)) as agent:
        yield agent


@pytest.mark.peer("snmpd")
async def test_every_protocol_is_read_from_net_snmps_agent(snmpd: Snmpd) -> None:
    async with site(snmpd.address, snmpd.port) as made:
        names = {user.name: await made.name(credential_of(user)) for user in USERS}

    assert names == dict.fromkeys(BY_NAME, SYS_NAME.encode())


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize("user", ["nobody", "sha1-none", "sha256-aes128", "md5-des"])
async def test_v3_gives_the_rows_that_v2c_gives(snmpd: Snmpd, user: str) -> None:
    async with (
        site(snmpd.address, snmpd.port) as made,
        SnmpClient(made.ceiling, timeout_s=1.0) as client,
    ):
        v2c = client.session(snmpd.address, snmpd.port, PUBLIC)
        v3 = made.session(credential_of(BY_NAME[user]))
        scalars = [NAME, OBJECT_ID, IF_NUMBER, f"{SYS}.99.0"]
        assert await v3.get(scalars) == await v2c.get(scalars)
        assert await v3.table(STEADY) == await v2c.table(STEADY)
        assert types_of(await v3.table(CHANGING)) == types_of(await v2c.table(CHANGING))


def types_of(table: Mapping[str, Mapping[str, Varbind]]) -> dict[str, dict[str, str]]:
    return {
        column: {instance: row.type for instance, row in rows.items()}
        for column, rows in table.items()
    }


@pytest.mark.peer("snmpd")
async def test_the_rows_compared_are_of_every_type_that_a_device_has(snmpd: Snmpd) -> None:
    async with site(snmpd.address, snmpd.port) as made:
        session = made.session(SIMULATED)
        table = {**await session.table(STEADY), **await session.table(CHANGING)}
        found = await session.get([NAME, OBJECT_ID, IF_NUMBER])

    types = {row.type for rows in table.values() for row in rows.values()}
    assert types | {row.type for row in found.values()} == {
        "Integer32",
        "OctetString",
        "ObjectIdentifier",
        "IpAddress",
        "Gauge32",
        "Counter32",
        "Counter64",
        "TimeTicks",
    }


@pytest.mark.peer("snmpd")
async def test_a_context_is_asked_where_the_credential_has_one(snmpd: Snmpd) -> None:
    async with site(snmpd.address, snmpd.port) as made:
        inside = await made.session(credential_of(TYPICAL, context=CONTEXT)).get([NAME, IF_NUMBER])
        outside = await made.session(credential_of(TYPICAL)).get([NAME, IF_NUMBER])

    assert set(inside) == {NAME}  # the agent has the system group there, and nothing else
    assert set(outside) == {NAME, IF_NUMBER}


WRONG_CREDENTIALS = [
    ("sha256-aes128", {"user": "nobody-knows"}, "does not know the credential's user"),
    ("sha256-aes128", {"auth_password": WRONG}, "refuses the authentication; .* has sha256"),
    ("sha256-aes128", {"auth": "sha512"}, "refuses the authentication; .* has sha512"),
    ("sha256-aes128", {"privacy_password": WRONG}, "check the privacy password, .* has aes128"),
    ("md5-aes256-reeder", {"privacy": "aes256-blumenthal"}, "check the privacy password"),
    ("sha256-none", {"privacy": "des", "privacy_password": WRONG}, "does not take authPriv"),
    ("sha256-aes128", {"context": "Jetdirekt"}, "check the context's spelling"),
    (
        "sha256-aes128",
        {"privacy": "none", "privacy_password": None},
        "lets it read nothing; .* authNoPriv",
    ),
]


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize(("user", "fields", "words"), WRONG_CREDENTIALS)
async def test_a_wrong_credential_is_told_in_a_sentence_that_says_what_to_try(
    snmpd: Snmpd, user: str, fields: dict[str, object], words: str
) -> None:
    async with site(snmpd.address, snmpd.port, timeout_s=0.4, tries=2) as made:
        credential = credential_of(BY_NAME[user], **fields)
        with pytest.raises(CredentialRefusedError, match=words) as told:
            await made.name(credential)

    assert str(told.value).startswith(f"127.0.0.1 port {snmpd.port}: ")
    assert "\n" not in str(told.value)
    refuse_secrets(told.value, credential)


def refuse_secrets(error: BaseException, credential: Credential) -> None:
    shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
    secrets = [credential.user, credential.auth_password, credential.privacy_password]
    for secret in secrets:
        assert secret is None or secret.get_secret_value() not in shown


@pytest.mark.peer("snmpd")
async def test_a_restarted_device_is_read_on_with_its_new_boots(own_snmpd: Snmpd) -> None:
    async with site(own_snmpd.address, own_snmpd.port) as made:
        assert await made.name(SIMULATED) == SYS_NAME.encode()
        own_snmpd.stop()
        own_snmpd.start()
        session = made.session(SIMULATED)
        assert set(await session.get([NAME])) == {NAME}
        assert session.traffic.packets_out == 2  # out of its time window, and once more in it
        assert set(await session.get([NAME])) == {NAME}
        assert session.traffic.packets_out == 3


@pytest.mark.peer("snmpd")
async def test_another_engine_breaks_a_read_off_and_what_is_read_after_is_its_own(
    own_snmpd: Snmpd,
) -> None:
    async with site(own_snmpd.address, own_snmpd.port) as made:
        session = made.session(SIMULATED)
        assert set(await session.get([NAME])) == {NAME}
        own_snmpd.swap_board("80001f8804706565723032")
        with pytest.raises(AnotherDeviceError, match="another SNMPv3 engine answers"):
            await session.get([NAME])
        assert set(await session.get([NAME])) == {NAME}
        assert await made.name(SIMULATED) == SYS_NAME.encode()


@pytest.mark.peer("snmpd")
async def test_the_engine_is_asked_for_once_and_not_in_each_read(snmpd: Snmpd) -> None:
    async with site(snmpd.address, snmpd.port) as made:
        sessions = [made.session(SIMULATED) for _ in range(3)]
        for session in sessions:
            await session.get([NAME])

    assert [session.traffic.packets_out for session in sessions] == [2, 1, 1]


@asynccontextmanager
async def tapped(port: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port that hands on to another port of 127.0.0.1, and what was sent there."""
    loop = asyncio.get_running_loop()
    seen: list[bytes] = []
    sources: list[Any] = []

    class Front(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            seen.append(data)
            sources.append(addr)
            back.sendto(data)

    class Back(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            front.sendto(data, sources[-1])

    own = free_udp_port()
    front, _ = await loop.create_datagram_endpoint(Front, local_addr=("127.0.0.1", own))
    back, _ = await loop.create_datagram_endpoint(Back, remote_addr=("127.0.0.1", port))
    try:
        yield own, seen
    finally:
        front.close()
        back.close()


@pytest.mark.peer("snmpd")
@pytest.mark.parametrize("user", ["nobody", "sha1-none", "sha256-aes128"])
@pytest.mark.parametrize("wrong", [False, True])
async def test_nothing_leaves_but_the_engine_question_and_v3_of_the_level_asked_for(
    snmpd: Snmpd, user: str, wrong: bool
) -> None:
    credential = credential_of(BY_NAME[user], **({"user": "another"} if wrong else {}))
    async with tapped(snmpd.port) as (port, seen), site("127.0.0.1", port) as made:
        session = made.session(credential)
        try:
            await session.get([NAME, IF_NUMBER])
            await session.table(STEADY)
        except CredentialRefusedError:
            assert wrong

    engine_question, *others = map(read_message, seen)
    assert len(seen) == session.traffic.packets_out == made.exchange.udp.traffic.packets_out
    assert (engine_question.flags & (AUTH | PRIV), engine_question.security.user) == (0, b"")
    assert others
    assert {one.flags & (AUTH | PRIV) for one in others} == {LEVELS[BY_NAME[user].level]}
    assert {one.security.user for one in others} == {credential.user_octets}
    assert not any(AUTH_PASSWORD.encode() in one or b"public" in one for one in seen)


async def test_a_password_is_hashed_once_however_many_sessions_begin_at_once() -> None:
    async with simulated() as (made, _):
        names = await asyncio.gather(*(made.name(SIMULATED) for _ in range(40)))

    assert names == [b"simulated"] * 40
    assert made.exchange._keyring._hashed.cache_info().misses == 2


async def test_more_sessions_than_fifty_wait_for_their_turn() -> None:
    async with simulated(delay_s=0.05) as (made, agent):
        sessions = [made.name(SIMULATED) for _ in range(IN_FLIGHT * 2 + 20)]
        assert await asyncio.gather(*sessions) == [b"simulated"] * len(sessions)

    assert IN_FLIGHT == 50
    assert agent.most_open == IN_FLIGHT


@pytest.mark.parametrize(
    ("misbehave", "words"),
    [
        ("no_security", "another security level than was asked for was refused"),
        ("wrong_digest", "an answer whose digest is wrong was refused"),
        ("other_request", "an answer to another question, or in another context was refused"),
        ("stale", "an answer from outside the engine's time window was refused"),
        ("old_boots", "an answer from outside the engine's time window was refused"),
    ],
)
async def test_an_answer_that_may_not_be_believed_is_told_and_is_none(
    misbehave: Misbehaviour, words: str
) -> None:
    async with simulated() as (made, agent):
        session = made.session(SIMULATED)
        await session.get([NAME])
        agent.misbehave = misbehave
        hurry(session, 0.1)
        with pytest.raises(NoAnswerError, match=words) as told:
            await session.get([NAME])

    refuse_secrets(told.value, SIMULATED)


async def test_an_answer_that_comes_again_is_nobodys() -> None:
    async with simulated() as (made, agent):
        await made.name(SIMULATED)
        again = agent.answer(agent.received[-1])
        made.exchange._received(cast("bytes", again), made.address, made.port)

    assert made.exchange.strays.late == 1


async def test_an_answer_from_elsewhere_is_counted_and_dropped() -> None:
    async with simulated() as (made, agent):
        session = made.session(SIMULATED)
        await session.get([NAME])
        agent.misbehave = "silent"
        hurry(session, 0.2)
        asking = asyncio.create_task(session.get([NAME]))
        question = await agent.next_question()
        agent.misbehave = ""
        answer = cast("bytes", agent.answer(question))
        agent.misbehave = "silent"
        made.exchange._received(answer, "127.64.3.2", made.port)
        with pytest.raises(NoAnswerError, match=r"an answer came from 127\.64\.3\.2"):
            await asking

    assert made.exchange.strays.elsewhere == 1


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (f"{USM_STATS}.1.0", "does not take authPriv"),
        (f"{USM_STATS}.2.0", "says twice that the question is outside its time window"),
        (f"{USM_STATS}.3.0", "does not know the credential's user"),
        (f"{USM_STATS}.4.0", "says twice that it has another engine id"),
        (f"{USM_STATS}.5.0", "refuses the authentication"),
        (f"{USM_STATS}.6.0", "cannot decrypt the question; .* has aes128"),
        ("1.3.6.1.6.3.12.1.5.0", "does not know the credential's context"),
        ("1.3.6.1.4.1.9.9.0", r"the report 1\.3\.6\.1\.4\.1\.9\.9\.0, which no RFC"),
    ],
)
async def test_each_report_is_told_in_words(report: str, words: str) -> None:
    async with simulated(report=report) as (made, agent):
        with pytest.raises(CredentialRefusedError, match=words):
            await made.name(SIMULATED)

    assert len(agent.received) <= 3


@pytest.mark.parametrize(
    ("misbehave", "words"),
    [("never_in_time", "says twice .* time window"), ("never_known", "says twice .* engine id")],
)
async def test_a_device_is_set_right_once_and_not_for_ever(
    misbehave: Misbehaviour, words: str
) -> None:
    async with simulated(misbehave) as (made, agent):
        with pytest.raises(CredentialRefusedError, match=words):
            await made.name(SIMULATED)

    assert len(agent.received) == 3


async def test_octets_that_are_no_answer_are_told_as_such() -> None:
    async with simulated("cut", timeout_s=0.1) as (made, _):
        with pytest.raises(MalformedAnswerError, match="answers SNMPv3's engine question with"):
            await made.name(SIMULATED)
    async with simulated("response_to_engine_question", timeout_s=0.1) as (made, _):
        with pytest.raises(MalformedAnswerError, match="a response where a report belongs"):
            await made.name(SIMULATED)


async def test_silence_says_address_tries_and_seconds() -> None:
    port = free_udp_port()
    async with site("127.64.3.9", port, timeout_s=0.1) as made:
        with pytest.raises(NoAnswerError) as told:
            await made.name(SIMULATED)

    assert str(told.value) == f"127.64.3.9 port {port}: no SNMPv3 answer in 3 tries of 0.1 s"


async def test_a_device_that_was_known_and_is_silent_now_is_no_wrong_credential() -> None:
    async with simulated() as (made, agent):
        await made.name(SIMULATED)
        agent.misbehave = "gone"
        made.exchange.timeout_s = 0.1
        with pytest.raises(NoAnswerError, match="no SNMPv3 answer in 3 tries"):
            await made.name(SIMULATED)


async def test_a_device_that_answers_nothing_to_a_long_question_is_asked_a_short_one() -> None:
    async with simulated("silent_to_many", timeout_s=0.5) as (made, _):
        found = await made.session(SIMULATED).get([f"{SYS}.{row}.0" for row in range(1, 13)])

    assert set(found) == {NAME}


async def test_a_slow_device_costs_no_more_than_the_deadline() -> None:
    async with simulated(delay_s=0.1) as (made, _):
        session = made.session(SIMULATED, deadline_s=0.7)
        began = time.monotonic()
        with pytest.raises(NoAnswerError, match=r"broken off after 0\.7 s and \d answers"):
            while True:
                await session.get([NAME])

    assert time.monotonic() - began < 5


async def test_a_device_that_pours_out_octets_is_broken_off() -> None:
    async with simulated("huge") as (made, _):
        session = made.session(SIMULATED)
        with pytest.raises(MalformedAnswerError, match=r"broken off after 2[0-9]* octets"):
            for _ in range(60):
                await session.get([NAME])


async def test_nothing_leaves_to_an_address_outside_the_ceiling() -> None:
    async with site("127.64.3.9", 16_199) as made:
        made.exchange.udp.ceiling = Ceiling(networks=(ip_network("127.64.3.8/32"),))
        with pytest.raises(OutsideCeilingError):
            await made.name(SIMULATED)

        assert made.exchange.udp.traffic.packets_out == 0


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path))
    return tmp_path


def add(*words: str, typed: str) -> int:
    sys.stdin = io.StringIO(typed)
    return main(["credential", "add", "copiers", *words])


def test_a_v3_credential_is_typed_with_its_passwords_on_lines_of_their_own(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--version", "3", "--user", TYPICAL.name, "--auth", "sha256", "--privacy", "aes128"]
    assert add(*words, "--context", CONTEXT, typed=f"{AUTH_PASSWORD}\n{PRIVACY_PASSWORD}\n") == 0

    kept = load_credentials(state / "agent" / "credentials.json")["copiers"]
    assert kept == credential_of(TYPICAL, context=CONTEXT)
    told = capsys.readouterr()
    assert "asks in SNMPv3 with authPriv" in told.out
    assert AUTH_PASSWORD not in told.out + told.err


def test_the_commands_of_the_settings_page_keep_the_credential_of_its_example(
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    [commands] = re.findall(r"```sh\n(.*?)```", page, re.S)
    [example] = re.findall(r"```json\n(.*?)```", page, re.S)
    (tmp_path / "pagetally").write_text(f'#!/bin/sh\nexec {sys.executable} -m services.cli "$@"\n')
    (tmp_path / "pagetally").chmod(0o755)
    wanted = json.loads(example)["copiers"]

    done = subprocess.run(
        ["sh", "-e", "-c", commands],
        input=f"{wanted['auth_password']}\n{wanted['privacy_password']}\n",
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PAGETALLY_STATE": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "copiers" in done.stdout.splitlines()
    kept = json.loads((tmp_path / "agent" / "credentials.json").read_text(encoding="utf-8"))
    assert kept["copiers"] == wanted


@pytest.mark.parametrize(
    ("words", "typed", "fault"),
    [
        (["--user", "u"], "x\n", "--user belongs to --version 3"),
        (["--version", "3"], "", "--version 3 needs --user"),
        (["--version", "3", "--user", "u", "--auth", "md5"], "seven-7\n", "8 to 1024 octets"),
        (["--version", "3", "--user", "u", "--privacy", "des"], "eight-88\n", "needs auth"),
    ],
)
def test_a_v3_credential_that_cannot_be_one_is_refused(
    state: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    typed: str,
    fault: str,
) -> None:
    assert add(*words, typed=typed) == 2

    told = capsys.readouterr().err
    assert fault in told
    assert not typed or typed.strip() not in told
    assert not (state / "agent" / "credentials.json").exists()
