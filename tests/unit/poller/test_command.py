"""`pagetally probe`, over UDP on loopback."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.poller.command import UsageError, add_arguments, probe, run_command, target_of
from services.poller.settings import PollerSettings
from services.solo.simulator import SimulatedAgent, simulate
from shared.decode import decode
from shared.messages import SnmpTarget
from shared.snmp.port import Value, Varbind
from tests.unit.walks import rows_of

WALKS = Path(__file__).parents[2] / "walks"
NOT_A_PRINTER = {"1.3.6.1.2.1.1.1.0": Varbind("1.3.6.1.2.1.1.1.0", "OctetString", b"Northwind UPS")}


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path))
    return tmp_path


def agent(rows: Mapping[str, Varbind], *, v1_only: bool = False) -> SimulatedAgent:
    said: dict[str, tuple[str, Value]] = {o: (v.type, v.value) for o, v in rows.items()}
    return SimulatedAgent(said, v1_only=v1_only)


def walk(name: str) -> dict[str, Varbind]:
    return rows_of(WALKS / f"{name}.snmprec")


def probe_all(
    *agents: SimulatedAgent,
    silent: int = 0,
    as_json: bool = True,
    communities: tuple[str, ...] = (),
) -> int:
    """Probes each agent, then `silent` addresses that nobody answers at."""

    async def run() -> int:
        at = {(f"127.0.0.{number}", 0): agent for number, agent in enumerate(agents, 1)}
        async with simulate(at) as where:
            typed = [f"{address}:{port}" for address, port in where]
            typed += [f"127.0.0.{200 + number}:9" for number in range(silent)]
            settings = PollerSettings(timeout_s=0.3, tries=2)
            return await probe(typed, settings=settings, communities=communities, as_json=as_json)

    return asyncio.run(run())


def test_each_address_has_one_line_with_its_outcome_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = probe_all(agent(walk("mono-laser")), agent(NOT_A_PRINTER), silent=1)

    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [list(line) for line in lines] == [["address", "outcome", "reason", "read"]] * 3
    assert [line["outcome"] for line in lines] == ["read", "not_a_printer", "no_answer"]
    assert lines[0]["reason"] is None
    assert lines[0]["address"].startswith("127.0.0.1:")
    assert decode("meter.read.v1", json.dumps(lines[0]["read"]).encode())
    assert lines[0]["read"]["meters"] == {"total": 48213}
    assert "no SNMP answer" in lines[2]["reason"]
    assert code == 1


def test_without_a_credential_it_says_that_it_asks_as_public(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert probe_all(agent(walk("mono-laser"))) == 0

    assert 'asking as "public"' in capsys.readouterr().err


def test_communities_are_tried_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe_all(agent(walk("mono-laser")), communities=("wrong", "public")) == 0

    said = capsys.readouterr()
    assert json.loads(said.out)["outcome"] == "read"
    assert "wrong" not in said.out + said.err


def test_a_device_that_knows_only_v1_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    probe_all(agent(walk("sparse-v1"), v1_only=True))

    read = json.loads(capsys.readouterr().out)["read"]
    assert (read["meters"], read["device"]["serial"]) == ({"total": 7005}, "OPLX2-0031")


def test_people_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    probe_all(agent(walk("inkjet-some-left")), agent(walk("no-meter")), silent=1, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert "Southridge InkOffice 31, serial SRI31A0042" in lines[0]
    assert "total" in lines[1]
    assert "9,120" in lines[1]
    assert "  Black ink 31K: some left" in lines
    assert any("no meters: no total:" in line for line in lines)
    assert "no answer: 127.0.0.200" in lines[-1]


@pytest.mark.parametrize(
    "name",
    [
        *("kyocera-colour-mfp", "konica-colour-mfp", "ricoh-mfp", "sharp-colour-mfp"),
        *("canon-colour-mfp", "canon-mono-labelled", "epson-colour-mfp", "lexmark-colour-mfp"),
        *("toshiba-colour-mfp", "xerox-colour-mfp", "brother-colour-mfp", "mono-laser"),
        *("brother-mono-laser", "epson-maintenance-box", "hp-colour-mfp", "dell-mono-laser"),
        *("oki-mfp", "pantum-mono", "zebra-label"),
    ],
)
def test_a_full_read_is_small(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    probe_all(agent(walk(name)))

    read = json.loads(capsys.readouterr().out)["read"]
    assert read["datagrams"] <= 2 * 4
    assert read["bytes"] < 6 * 1024


@pytest.mark.parametrize(
    ("typed", "address", "port"),
    [
        ("10.0.0.7", "10.0.0.7", 161),
        ("10.0.0.7:1161", "10.0.0.7", 1161),
        ("[fd00::7]:1161", "fd00::7", 1161),
        ("[fd00::7]", "fd00::7", 161),
        ("fd00::7", "fd00::7", 161),
        ("localhost:1161", None, 1161),
    ],
)
def test_an_address_may_have_a_port(typed: str, address: str | None, port: int) -> None:
    target = target_of(typed)

    assert isinstance(target, SnmpTarget)
    assert target.port == port
    assert address is None or target.snmp == address


def test_an_ipp_printer_is_typed_as_its_uri() -> None:
    assert str(target_of("IPPS://Printer.example:8631/ipp/print")) == (
        "ipps://printer.example:8631/ipp/print"
    )


@pytest.mark.parametrize(
    "typed",
    [
        *("10.0.0.256", "10.0.0.7:0", "10.0.0.7:x", "10.0.0.7:65536", "[fd00::7]x", "", "a b"),
        *("ipp:", "ipp://", "ipp://10.0.0.256/", "ipp://me:pw@10.0.0.7/ipp", "ipp://10.0.0.7:0/"),
    ],
)
def test_a_typo_is_told(typed: str) -> None:
    with pytest.raises(UsageError):
        target_of(typed)


@pytest.mark.parametrize(
    "words",
    [
        ["10.0.0.256"],
        ["127.0.0.1", "--credential", "branch"],
        ["127.0.0.1", "--max-message", "100"],
        ["127.0.0.1", "--tries", "0"],
    ],
)
def test_what_cannot_be_carried_out_is_one_line_and_exit_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    assert run_command(parser.parse_args(words)) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pagetally probe: ")
    assert said.err.count("\n") == 1
