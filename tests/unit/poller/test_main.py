"""The poller as a service: orders over the bus, a real device on the wire."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from services.poller.main import fresh_credentials, main, run
from services.poller.settings import PollerSettings
from services.solo.simulator import SimulatedAgent, simulate
from shared.bus.local import LocalBus
from shared.bus.port import UPLOADER_EVENTS, Delivery
from shared.clock import utc_now
from shared.credentials import Credential, CredentialError, save_credential
from shared.message import Message
from shared.messages import DeviceFound, MeterRead, ReadFailed, SnmpTarget, order_id
from tests.unit.poller.reading import ROUND
from tests.unit.walks import rows_of

WALKS = Path(__file__).parents[2] / "walks"


def order(address: str, port: int) -> DeviceFound:
    target = SnmpTarget(snmp=address, port=port)
    return DeviceFound(
        order=order_id(ROUND, target),
        round=ROUND,
        target=target,
        found_by="sweep",
        credential="public",
        read_before=utc_now() + timedelta(minutes=5),
    )


def serve(folder: Path, ceiling: str) -> list[Message]:
    """What comes of the order to read one simulated device, under a ceiling."""

    async def handed_over() -> list[Message]:
        bus, stopping, events = LocalBus(), asyncio.Event(), []

        async def keep(message: Message, delivery: Delivery) -> Sequence[Message]:
            events.append(message)
            return []

        bus.on(UPLOADER_EVENTS, keep, prefetch=10)
        rows = rows_of(WALKS / "mono-laser.snmprec")
        device = SimulatedAgent({oid: (v.type, v.value) for oid, v in rows.items()})
        async with simulate({("127.0.0.1", 0): device}) as [(address, port)]:
            (folder / "ceiling.toml").write_text(ceiling.replace("PORT", str(port)))
            settings = PollerSettings(
                ceiling_file=folder / "ceiling.toml", credentials_file=folder / "none.json"
            )
            running = asyncio.create_task(run(settings, bus, stopping))
            await bus.publish(order(address, port))
            stopping.set()
            await running
        return events

    return asyncio.run(handed_over())


def test_an_order_on_the_bus_becomes_a_read_on_the_bus(tmp_path: Path) -> None:
    [read] = serve(tmp_path, 'networks = ["127.0.0.0/8"]\nports = [161, PORT]\n')

    assert isinstance(read, MeterRead)
    assert read.meters == {"total": 48213}


def test_the_sites_ceiling_stands_above_an_order(tmp_path: Path) -> None:
    [failed] = serve(tmp_path, 'networks = ["10.0.0.0/8"]\nports = [161, PORT]\n')

    assert isinstance(failed, ReadFailed)
    assert failed.outcome == "refused"


def test_a_credential_that_is_added_is_used_at_once(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    credentials = fresh_credentials(path)
    assert set(credentials()) == {"public"}

    save_credential(path, "branch", Credential.model_validate({"community": "b"}))

    assert set(credentials()) == {"public", "branch"}
    path.chmod(0o644)
    with pytest.raises(CredentialError):
        credentials()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "POLLER_BUS_URL: must be set"),
        ({"POLLER_TIMOUT_S": "3"}, "did you mean POLLER_TIMEOUT_S?"),
        ({"POLLER_TRIES": "0"}, "POLLER_TRIES: "),
        (
            {"POLLER_BUS_URL": "amqp://127.0.0.1:1", "POLLER_PROFILES": "/nowhere"},
            "/nowhere: holds",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_2(
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    if "/nowhere" in variables.values():
        pytest.importorskip("shared.bus.rabbit")
    for name in [name for name in os.environ if name.startswith("POLLER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
