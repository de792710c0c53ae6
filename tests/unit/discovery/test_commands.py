"""`pagetally sweep` and `pagetally credential`, as a person at a site types them."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.cli import main
from services.solo.simulator import SimulatedAgent
from tests.unit.discovery.test_sweep import KYOCERA, ROUTER, free_port


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path))
    monkeypatch.setenv("DISCOVERY_TIMEOUT_S", "0.2")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    return tmp_path


@contextmanager
def answering(port: int, agents: dict[str, SimulatedAgent]) -> Iterator[None]:
    """Devices in threads of their own: a command runs its own loop."""
    ended = threading.Event()

    def serve(address: str, agent: SimulatedAgent) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
            mine.bind((address, port))
            mine.settimeout(0.05)
            bound.release()
            while not ended.is_set():
                with suppress(TimeoutError):
                    datagram, source = mine.recvfrom(2048)
                    answer = agent.answer(datagram, source)
                    if answer:
                        mine.sendto(answer, source)

    bound = threading.Semaphore(0)
    threads = [threading.Thread(target=serve, args=pair, daemon=True) for pair in agents.items()]
    for thread in threads:
        thread.start()
    try:
        assert all(bound.acquire(timeout=5) for _ in threads)
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(5)


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], str]:
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


def sweep(*words: str) -> int:
    return main(["sweep", *words])


def test_a_sweep_says_one_line_an_answer_and_a_total(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    agents = {"127.9.7.2": SimulatedAgent(KYOCERA), "127.9.7.3": SimulatedAgent(ROUTER)}
    with answering(port, agents):
        assert sweep("127.9.7.0/29", "--port", str(port), "--json", "--rate", "0") == 0

    said, warned = lines(capsys)
    *answers, total = said
    assert "asking as public" in warned
    assert all(next(iter(answer)) == "outcome" for answer in answers)
    assert {answer["address"]: answer["outcome"] for answer in answers} == {
        "127.9.7.2": "printing",
        "127.9.7.3": "not_a_printer",
    }
    [printing] = [answer for answer in answers if answer["outcome"] == "printing"]
    assert printing["description"] == "KYOCERA Document Solutions Printing System"
    assert list(total) == ["asked", "answered", "printing", "packets", "bytes", "seconds"]
    assert (total["asked"], total["answered"], total["printing"]) == (6, 2, 1)


def test_a_typed_community_is_sent_and_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with answering(port, {"127.9.7.2": SimulatedAgent(KYOCERA, community=b"s3cret")}):
        assert sweep("127.9.7.2", "--port", str(port), "--json", "--community", "s3cret") == 0

    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[0])["credential"] == "community-1"
    assert "s3cret" not in captured.out + captured.err
    assert "public" not in captured.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["10.0.0.0/33"], "10.0.0.0/33: a prefix is a number from 0 to 32"),
        (["10.0.0.1", "10.0.0.300", "10.0.0.9-10.0.0.1"], "10.0.0.300: "),
        (["127.0.0.1", "--port", "0"], "--port 0: a port is a number"),
        (["127.0.0.1", "--rate", "-1"], "--rate -1: datagrams a second"),
        (["127.0.0.1", "--credential", "branch"], "no credential 'branch' at this site"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_ends_with_2(
    words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(*words) == 2

    told = capsys.readouterr().err
    assert said in told
    assert all(line.startswith("pagetally sweep: ") for line in told.splitlines())


@pytest.mark.parametrize("words", [["192.0.2.0/21"], ["192.0.2.1", "--rate", "0"]])
def test_a_large_or_unpaced_sweep_is_previewed_and_not_begun_unasked(
    words: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(*[word.replace("192.0.2.0/21", "192.0.0.0/21") for word in words]) == 2

    told = capsys.readouterr().err
    assert "credentials sent: public" in told
    assert "add --yes" in told


def test_the_preview_is_right_to_the_octet(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("10.99.0.0-10.99.7.255") == 2

    told = capsys.readouterr().err
    octets = 2048 * (108 + 28 + 43 + 28)
    assert (
        f"2048 addresses (10.99.0.0-10.99.7.255): at most 4096 datagrams, {octets / 1000:.0f} kB"
        in told
    )
    assert "about 20 s" in told


def test_the_sites_file_holds_the_pace_of_a_typed_sweep(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "agent").mkdir()
    (state / "agent" / "ceiling.toml").write_text("pace = 50\n")

    assert sweep("192.0.2.1", "--rate", "51", "--yes") == 2
    assert "allows 50 datagrams a second" in capsys.readouterr().err


def test_a_broadcast_is_asked_in_no_network_that_the_site_s_file_does_not_allow(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "agent").mkdir()
    (state / "agent" / "ceiling.toml").write_text('networks = ["127.9.7.0/24"]\n')

    assert sweep("broadcast", "--json") == 1

    [total], told = lines(capsys)
    assert (total["asked"], total["packets"]) == (0, 0)
    assert "pagetally sweep: broadcast" in told


def test_a_name_that_nobody_knows_is_told_and_ends_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sweep("printer.invalid", "127.9.7.9", "--json") == 1

    said, told = lines(capsys)
    assert "printer.invalid: the name cannot be resolved at this site" in told
    assert said[-1]["asked"] == 1


def credential(*words: str, typed: str = "") -> int:
    sys.stdin = io.StringIO(typed)
    return main(["credential", *words])


def test_a_credential_is_kept_used_listed_and_removed(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    assert credential("add", "head-office", typed="s3cret\n") == 0
    assert credential("list") == 0
    with answering(port, {"127.9.7.2": SimulatedAgent(KYOCERA, community=b"s3cret")}):
        assert credential("test", "head-office", f"127.9.7.2:{port}") == 0
        assert credential("test", "public", f"127.9.7.2:{port}") == 1
        assert sweep("127.9.7.2", "--port", str(port), "--credential", "head-office") == 0
    assert credential("remove", "head-office") == 0
    assert credential("remove", "head-office") == 2
    assert credential("test", "head-office", "127.0.0.1") == 2

    captured = capsys.readouterr()
    assert "head-office\npublic\n" in captured.out
    assert "answers to head-office: KYOCERA" in captured.out
    assert "s3cret" not in captured.out + captured.err
    assert (state / "agent" / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_a_windows_account_is_kept_and_no_device_is_asked_with_it(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert credential("add", "print-servers", "--windows", r"OFFICE\reader", typed="s3cret\n") == 0
    sweep("127.0.0.1", "--credential", "print-servers", "--port", str(free_port()))

    captured = capsys.readouterr()
    assert "is a Windows account, which no device is asked with" in captured.err
    assert "s3cret" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("words", "typed"),
    [(["add", "../x"], "a\n"), (["add", "x"], "\n"), (["add", "x"], "a" * 300), (["add", "x"], "")],
)
def test_a_credential_that_cannot_be_one_is_refused(words: Sequence[str], typed: str) -> None:
    assert credential(*words, typed=typed) == 2
