"""What the console says of a device."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.console.settings import ConsoleSettings
from services.console.words import (
    device_status,
    reading,
    sent,
    shown_at,
    shown_target,
    size,
    zone_of,
)
from shared.messages import Preview

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def row(**other: Any) -> dict[str, Any]:
    return {
        "held_because": None,
        "billed_at": NOW - timedelta(hours=1),
        "total": 5,
        "no_meters_because": None,
        "entered_by": None,
        **other,
    }


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "read"),
        ({"total": 0}, "read"),
        ({"billed_at": NOW - timedelta(days=7)}, "read"),
        ({"billed_at": NOW - timedelta(days=7, seconds=1)}, "unread for over 7 days"),
        ({"billed_at": None}, "never read"),
        ({"total": None, "no_meters_because": "no counter row"}, "no meters"),
        ({"entered_by": "Dana"}, "entered by hand"),
        ({"held_because": "two devices show this serial"}, "held"),
    ],
)
def test_a_devices_status_follows_from_its_last_read(fields: dict[str, Any], word: str) -> None:
    assert device_status(row(**fields), NOW).word == word


def test_a_meter_that_is_not_reported_is_blank_and_0_is_0() -> None:
    assert (reading(None), reading(0), reading(1234567)) == ("", "0", "1,234,567")


def test_targets_are_called_by_their_address() -> None:
    assert shown_target("snmp:[10.0.0.7]:161") == "10.0.0.7"
    assert shown_target("snmp:[fe80::1]:1161") == "fe80::1 port 1161"
    assert shown_target("withheld:ab12") == "an address that the site withholds (ab12)"
    assert shown_target("ipp:ipp://printer.example/ipp/print") == "ipp://printer.example/ipp/print"
    assert shown_target("spooled:desk-7/Fax") == "Fax at desk-7"
    assert shown_target("something else") == "something else"


def test_sizes_are_in_bytes_or_kilobytes() -> None:
    assert (size(51), size(51_000)) == ("51 B", "51 kB")


def test_on_loopback_no_foreign_name_is_taken() -> None:
    def names(**fields: Any) -> list[str]:
        return ConsoleSettings(database_url="postgresql://x", **fields).allowed_names

    assert names() == ["127.0.0.1", "localhost", "[::1]"]
    assert names(host="0.0.0.0") == ["*"]
    assert "meters.example" in names(host="0.0.0.0", names="meters.example, other.example")


def test_the_port_that_kubernetes_sets_beside_a_service_is_not_taken_for_ours() -> None:
    settings = ConsoleSettings.model_validate(
        {"database_url": "postgresql://x", "port": "tcp://10.0.0.1:8080"}
    )

    assert settings.port == 8080


def test_a_segment_of_which_only_the_broadcast_is_sent_says_that_it_has_no_credential() -> None:
    preview = Preview(addresses=0, datagrams=2, bytes=170, seconds=1)

    assert sent(preview) == (
        "at most 2 datagrams by broadcast, 170 B; no credential is set for it, or all of it is"
        " excluded"
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    "instant", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)], ids=str
)
def test_an_instant_that_no_clock_in_the_zone_shows_is_shown_in_utc(
    instant: datetime, zone: str
) -> None:
    assert shown_at(instant, zone_of(zone))
