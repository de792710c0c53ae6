"""`pagetally segments`, as a person at a site types it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from services.cli import main
from services.discovery import segments_command
from services.discovery.devices import Device, Traits
from services.discovery.interfaces import OwnNetwork
from services.discovery.plan import Wish
from services.discovery.roster import Roster, Round
from services.discovery.segments import IP
from services.solo.simulator import Rows, SimulatedAgent
from shared.messages import SnmpTarget
from shared.snmp.wire import V2C
from tests.unit.discovery.test_commands import answering, lines
from tests.unit.discovery.test_sweep import free_port

ROUTER: Rows = {
    f"{IP}.24.7.1.8.1.4.10.2.0.0.24.2.0.0.1.4.10.9.0.1": ("Integer32", 4),
    f"{IP}.24.7.1.8.1.4.10.3.0.0.24.2.0.0.1.4.0.0.0.0": ("Integer32", 3),
}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path))
    monkeypatch.setenv("DISCOVERY_TIMEOUT_S", "0.2")
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "ceiling.toml").write_text('networks = ["10.2.0.0/16"]\n')
    monkeypatch.setattr(segments_command, "own_interfaces", list[OwnNetwork])
    return tmp_path


def test_a_typed_gateway_is_asked_and_each_segment_is_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    with answering(port, {"127.9.8.2": SimulatedAgent(ROUTER)}):
        assert main(["segments", "--gateway", f"127.9.8.2:{port}", "--json"]) == 0

    [allowed, refused, total], warned = lines(capsys)
    assert "asking as public" in warned
    assert list(allowed)[:3] == ["outcome", "network", "learned_from"]
    assert (allowed["outcome"], allowed["network"], allowed["gateway"]) == (
        "segment",
        "10.2.0.0/24",
        "10.9.0.1",
    )
    assert allowed["preview"]["addresses"] == 254
    assert allowed["preview"]["credentials"] == ["public"]
    assert not {"refused", "devices"} & allowed.keys()
    assert refused["refused"] == "this site's ceiling does not allow it"
    assert list(total) == ["segments", "gateway", "answered", "notes", "packets", "bytes"]
    assert (total["segments"], total["answered"]) == (2, True)
    assert total["gateway"] == f"127.9.8.2:{port}"


def test_devices_are_counted_beside_an_agent_that_runs(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    instant = datetime(2026, 3, 2, tzinfo=UTC)
    target = SnmpTarget(snmp="10.2.0.77")
    known = Device(target, "public", V2C, Traits(), last_answered_at=instant)
    begun = Round(uuid4(), "search", Wish(), started_at=instant, deadline=instant)
    roster = Roster(state / "agent" / "roster.sqlite")
    roster.begin(begun, instant)
    roster.close_round(begun.id, [], [known])

    with answering(port, {"127.9.8.4": SimulatedAgent(ROUTER)}):
        assert main(["segments", "--gateway", f"127.9.8.4:{port}", "--json"]) == 0
    roster.close()

    [near, far, _], _ = lines(capsys)
    assert (near["devices"], far["devices"]) == (1, 0)


def test_a_gateway_that_does_not_answer_is_told_with_what_to_try(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = f"127.9.8.3:{free_port()}"

    assert main(["segments", "--gateway", gateway, "--community", "secret-word"]) == 1

    captured = capsys.readouterr()
    assert "0 segments; 3 packets" in captured.out
    assert "asked as community-1" in captured.err
    assert "only this box's own networks are listed" in captured.err
    assert "secret-word" not in captured.out + captured.err


def test_no_gateway_is_asked_where_none_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segments", "--gateway", "none", "--json"]) == 0

    [total], _ = lines(capsys)
    assert (total["gateway"], total["packets"]) == (None, 0)


@pytest.mark.parametrize(
    "words",
    [["--gateway", "10.0.0.0/24"], ["--gateway", "10.0.0.1:0"], ["--credential", "nobodys"]],
)
def test_what_cannot_be_is_told_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segments", *words]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("pagetally segments: ")
    assert len(captured.err.splitlines()) == 1
