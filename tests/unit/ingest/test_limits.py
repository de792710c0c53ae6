from __future__ import annotations

import threading
import time

import pytest

from services.ingest.limits import Rates
from services.ingest.recipients import cron_fault


def test_one_request_too_many_is_told_how_long_to_wait() -> None:
    rates = Rates(requests=2, kib=1000, messages=1000)

    assert [rates.begin(1), rates.begin(1)] == [None, None]
    wait_s = rates.begin(1)

    assert wait_s is not None
    assert 1 <= wait_s <= 61
    assert rates.begin(2) is None  # another site


def test_too_many_bytes_close_the_minute() -> None:
    rates = Rates(requests=100, kib=10, messages=1000)
    rates.begin(1)
    rates.received(1, 20_000)

    assert rates.begin(1)
    assert rates.begin(2) is None


def test_counting_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates(10, 10, 10)
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)

    for key in range(3):
        time.sleep(0.02)
        assert rates.begin(key) is None
        rates.received(key, 1)
        rates.carried(key, 1)

    assert started == []


def test_a_schedule_is_five_fields_that_can_come() -> None:
    assert cron_fault("0 6 1 * *") is None
    assert cron_fault("0 6 1 *") == "it has 4 fields, not 5"
    assert cron_fault("0 6 1 * ;") == "';' cannot be one of its fields"
