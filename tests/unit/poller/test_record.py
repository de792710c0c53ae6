"""`pagetally record`, over UDP on loopback, and what is made of its file."""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from ipaddress import ip_network
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from services.poller import record_walk
from services.poller.command import probe
from services.poller.private_rows import left_out
from services.poller.record_command import add_arguments, run_command
from services.poller.record_walk import ROOTS, roots_of
from services.poller.settings import PollerSettings
from services.solo.simulator import SimulatedAgent, simulate
from services.solo.snmprec import serve_recordings
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC
from shared.snmp.client import SnmpClient
from shared.snmp.port import Value
from shared.snmprec import read_snmprec

WALKS = Path(__file__).parents[2] / "walks"
RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
SOME = ("kyocera_cs-4053ci", "epson_cw-c6500au", "hp_lj-mfp-m130nw", "konica_bizhub-c3110")
MORE = ("sharp_mx-3570n", "xerox_altalink-c8045", "zebra_tlp2824-plus")
MAKER = "1.3.6.1.4.1.32473.9"

Rows = dict[str, tuple[str, Value]]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path / "state"))


@contextmanager
def served(serving: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """What an async context manager gives, run beside the test: a command has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def device(rows: Rows, **manners: Any) -> Iterator[str]:
    """A device, and ADDRESS:PORT of it."""
    with served(simulate({("127.0.0.1", 0): SimulatedAgent(rows, **manners)})) as where:
        [(address, port)] = where
        yield f"{address}:{port}"


def record(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run_command(parser.parse_args(["--timeout", "0.3", "--tries", "2", *words]))


def walk(name: str) -> Rows:
    return read_snmprec(WALKS / f"{name}.snmprec")


def recorded(folder: Path) -> Rows:
    [file] = folder.glob("*.snmprec")
    return read_snmprec(file)


def labels(count: int) -> Rows:
    return {f"{MAKER}.{number}.0": ("Integer32", number) for number in range(1, count + 1)}


def test_every_row_is_recorded_but_those_that_are_left_out(tmp_path: Path) -> None:
    rows = walk("mono-laser") | labels(200)
    rows["1.3.6.1.2.1.4.1.0"] = ("Integer32", 2)
    rows["1.3.6.1.2.1.6.13.1.1.10.0.0.7.161.10.0.0.9.50000"] = ("Integer32", 5)
    rows["1.3.6.1.4.1.2699.1.1.1.4.1.1.3.1"] = ("OctetString", b"payroll.xlsx")

    with device(rows) as address:
        assert record(address, "--out", str(tmp_path)) == 0

    assert set(recorded(tmp_path)) == {oid for oid in rows if left_out(oid) is None}
    assert len(recorded(tmp_path)) == len(rows) - 3


async def test_long_tables_of_the_network_are_not_walked_to_their_end() -> None:
    sockets = (f"1.3.6.1.2.1.6.13.1.1.10.0.0.7.161.10.0.0.9.{port}" for port in range(2000))
    agent = SimulatedAgent(walk("mono-laser") | dict.fromkeys(sockets, ("Integer32", 5)))
    async with simulate({("127.0.0.1", 0): agent}) as where:
        [(address, port)] = where
        ceiling = Ceiling(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({port}))
        async with SnmpClient(ceiling) as client:
            session = client.session(address, port, PUBLIC)
            found = await record_walk.record(session, ROOTS, seconds=60, tell=lambda *_: None)

    assert set(found.rows) == set(walk("mono-laser"))
    assert agent.requests < 20


def test_what_was_hidden_is_told_by_kind_stand_in_and_place_and_never_by_what_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with device(walk("mono-laser")) as address:
        record(address, "--out", str(tmp_path))

    said = capsys.readouterr()
    file = tmp_path / "northwind-lp-2400.snmprec"
    lines = file.read_text(encoding="utf-8")
    assert "hidden: 2 names, 1 MAC address, 1 serial number\n" in said.out
    assert "at 1.3.6.1.2.1.43.5.1.1.17.1\n" in said.out
    assert "left out: addresses, routes and connections" in said.out
    assert f"{file}: 76 rows. Look through it before you send it" in said.out
    assert 'asking as "public"' in said.err
    for secret in ("NWL2400187", "lp-hall", "Hall, 1st floor", "020000240001", "127.0.0.1"):
        assert secret not in lines + said.out
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_is_there_is_not_written_over_unless_it_is_named(tmp_path: Path) -> None:
    with device(walk("mono-laser")) as address:
        for _ in range(2):
            record(address, "--out", str(tmp_path))
        record(address, "--out", str(tmp_path / "mine.snmprec"))
        record(address, "--out", str(tmp_path / "mine.snmprec"))

    names = {file.name for file in tmp_path.glob("*.snmprec")}
    assert names == {"northwind-lp-2400.snmprec", "northwind-lp-2400-2.snmprec", "mine.snmprec"}


def test_a_part_is_recorded_with_what_tells_the_device(tmp_path: Path) -> None:
    rows = walk("mono-laser") | labels(3)

    with device(rows) as address:
        assert record(address, "--out", str(tmp_path), "--under", f"{MAKER}.2") == 0

    now = recorded(tmp_path)
    assert [oid for oid in now if oid.startswith(MAKER)] == [f"{MAKER}.2.0"]
    assert "1.3.6.1.2.1.1.2.0" in now
    assert "1.3.6.1.2.1.43.5.1.1.17.1" in now
    assert "1.3.6.1.2.1.43.10.2.1.4.1.1" not in now


def test_roots_below_another_are_walked_once() -> None:
    assert roots_of([]) == list(ROOTS)
    assert roots_of(["1.3.6.1.2.1", "1.3.6.1.4.1.9.2", "1.3.6.1.4.1.9"]) == [
        "1.3.6.1.2.1",
        "1.3.6.1.4.1.9",
    ]


@pytest.mark.parametrize("manners", [{"v1_only": True}, {"misbehave": "no_bulk"}])
def test_a_device_without_getbulk_is_recorded_as_well(
    tmp_path: Path, manners: Mapping[str, Any]
) -> None:
    rows = walk("mono-laser")
    with device(rows, **manners) as address:
        assert record(address, "--out", str(tmp_path)) == 0

    assert set(recorded(tmp_path)) == set(rows)


class Deaf(SimulatedAgent):
    """Answers nothing where the row after what is asked lies below `deaf`."""

    deaf = f"{MAKER}.2."

    def _next(self, oid: str, version: int) -> Any:
        found = super()._next(oid, version)
        if found.oid.startswith(self.deaf):
            raise TimeoutError
        return found

    def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        try:
            return super().answer(datagram, source)
        except TimeoutError:
            return None


def test_a_subtree_that_is_never_answered_is_stepped_over_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: Rows = {f"{MAKER}.{a}.{b}.0": ("Integer32", b) for a in (1, 2, 3) for b in (1, 2)}
    rows["1.3.6.1.2.1.1.1.0"] = ("OctetString", b"Northwind")
    with served(simulate({("127.0.0.1", 0): Deaf(rows)})) as where:
        [(address, port)] = where
        out = ("--out", str(tmp_path / "part.snmprec"))
        code = record(f"{address}:{port}", *out, "--timeout", "0.2", "--tries", "1")

    said = capsys.readouterr()
    assert code == 0
    assert f"stepped over the rest of {MAKER}.2: 127.0.0.1 port" in said.err
    assert set(recorded(tmp_path)) == {oid for oid in rows if not oid.startswith(Deaf.deaf)}
    lines = (tmp_path / "part.snmprec").read_text(encoding="utf-8")
    assert lines.startswith("# not the whole device")


@pytest.mark.parametrize("fault", ["loop", "same_row", "backwards"])
def test_a_walk_that_does_not_advance_ends_with_a_word_and_keeps_what_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: Any
) -> None:
    with device(labels(5) | walk("mono-laser"), misbehave=fault) as address:
        record(address, "--out", str(tmp_path / "part.snmprec"))

    assert "the walk does not advance" in capsys.readouterr().err
    assert recorded(tmp_path)


def test_a_device_without_an_end_is_broken_off_and_what_came_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_walk, "MAX_ROWS", 200)
    with device(labels(5), misbehave="endless") as address:
        code = record(address, "--out", str(tmp_path / "part.snmprec"))

    assert code == 1
    assert "broken off after" in capsys.readouterr().err
    assert 200 <= len(recorded(tmp_path)) < 250


def test_a_device_that_dawdles_is_broken_off_when_its_time_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with device(labels(500), delay_s=0.1) as address:
        code = record(address, "--out", str(tmp_path / "part.snmprec"), "--seconds", "1")

    assert code == 1
    assert "--seconds gives more" in capsys.readouterr().err
    assert 0 < len(recorded(tmp_path)) < 500


def test_silence_is_told_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with device(labels(5)) as address:
        code = record(address, "--community", "wrong", "--out", str(tmp_path))

    assert code == 1
    assert "no SNMP answer" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.snmprec"))


def test_the_address_and_the_community_that_were_typed_are_hidden_as_well(tmp_path: Path) -> None:
    said = b"Head0ffice reads 127.0.0.1"
    rows: Rows = {f"{MAKER}.1.0": ("OctetString", said), **walk("mono-laser")}
    with device(rows, community=b"head0ffice") as address:
        record(address, "--community", "head0ffice", "--out", str(tmp_path))

    now = recorded(tmp_path)[f"{MAKER}.1.0"][1]
    assert isinstance(now, bytes)
    assert b" reads " in now
    assert b"ead0ffice" not in now
    assert b"127.0.0.1" not in now


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["10.0.0.7", "--under", "1.3.6.1.2.1.4.20"], "left out of recordings"),
        (["10.0.0.7", "--under", "iso"], "no OID below 1.3.6.1"),
        (["10.0.0.7", "--seconds", "nan"], "--seconds nan"),
        (["10.0.0.7", "--show"], "to a terminal alone"),
        (["10.0.0.7", "--out", "/nowhere/x.snmprec"], "no folder that is there"),
        (["10.0.0.7:99999"], "a port is a number"),
        (["10.0.0.7", "--credential", "none"], "holds no credential 'none'"),
        (["ipp://10.0.0.7/ipp/print"], "is walked by SNMP"),
    ],
)
def test_words_that_cannot_be_carried_out_are_told_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert record(*words) == 2

    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "source", [WALKS / "kyocera-colour-mfp", *(RECORDINGS / name for name in (*SOME, *MORE))]
)
def test_a_recording_that_is_replayed_is_read_as_the_device_was(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for the owner's words. Serials of supplies stand in their descriptions."""
    if not source.with_suffix(".snmprec").exists():
        pytest.skip("no recordings beside this checkout")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    copyfile(source.with_suffix(".snmprec"), tmp_path / "theirs" / "device.snmprec")

    with served(serve_recordings(tmp_path / "theirs", "127.34.0.1", 16_134)):
        assert record("127.34.0.1:16134", "--out", str(tmp_path / "ours")) == 0
        before = probed(capsys, "127.34.0.1:16134")
    with served(serve_recordings(tmp_path / "ours", "127.34.0.1", 16_134)):
        after = probed(capsys, "127.34.0.1:16134")

    assert after["meters"] == before["meters"]
    assert after["profile"] == before["profile"]
    for same in ("make", "model", "firmware", "sys_object_id"):
        assert after["device"][same] == before["device"][same]
    levels = [[supply["level_percent"] for supply in read["supplies"]] for read in (before, after)]
    assert levels[0] == levels[1]
    owners = ("serial", "mac", "hostname", "location", "asset_tag")
    told = [field for field in owners if before["device"][field]]
    assert told
    for field in told:
        assert len(after["device"][field]) == len(before["device"][field])
        assert after["device"][field] != before["device"][field]


def probed(capsys: pytest.CaptureFixture[str], address: str) -> dict[str, Any]:
    capsys.readouterr()
    asyncio.run(probe([address], settings=PollerSettings(), as_json=True))
    read: dict[str, Any] = json.loads(capsys.readouterr().out)["read"]
    return read
