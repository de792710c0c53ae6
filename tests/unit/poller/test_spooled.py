"""Devices that a computer's spooler manages: listed, never counted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.spooled import spooled_read
from shared.decode import decode
from shared.messages import (
    DeviceFound,
    MeterRead,
    SpooledDevice,
    SpooledQueue,
    SpooledTarget,
    order_id,
)
from tests.unit.poller.reading import NOON, ROUND

KINDS = ["usb", "lpt", "fax", "scan", "tcp", "wsd", "other"]


def read(told: SpooledDevice | None = None, **queue: str) -> MeterRead:
    fields = {"host": "PC-7", "queue": "Desk", "port_name": "USB001", "kind": "usb"} | queue
    target = SpooledTarget(spooled=SpooledQueue.model_validate(fields))
    found = DeviceFound(
        order=order_id(ROUND, target),
        round=ROUND,
        target=target,
        found_by="spooler",
        read_before=NOON + timedelta(hours=1),
        spooled=told,
    )
    return spooled_read(found, target, "agent-1", NOON)


def test_a_spooled_device_is_what_its_spooler_says() -> None:
    said = read(
        SpooledDevice(
            make="Brother",
            model="Brother HL-L2370",
            serial="E7",
            driver="Brother HL-L2370 series",
            status="paused",
            location="Room 4",
        )
    )

    assert (said.device.make, said.device.model) == ("Brother", "HL-L2370")
    assert (said.device.serial, said.device.location) == (None, "Room 4")
    assert (said.status.printer, said.taken_at) == ("paused", NOON)


def test_a_serial_number_that_a_spooler_tells_is_kept() -> None:
    assert read(SpooledDevice(serial="E78098L9N123456")).device.serial == "E78098L9N123456"
    assert read(SpooledDevice(serial="000000")).device.serial is None


def test_a_spooled_device_has_no_meters_and_says_what_to_do() -> None:
    said = read()

    assert (said.meters, said.native, said.varbinds) == ({}, {}, {})
    assert said.no_meters_because == (
        "it is attached to PC-7 by USB; a spooler knows no page counts; enter its meter by hand,"
        " or name it with ipp:// where IPP-over-USB is served"
    )
    assert (said.profile, said.datagrams, said.bytes) == ("spooled@1", 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_port_says_why_it_has_no_count(kind: str) -> None:
    why = read(kind=kind).no_meters_because or ""

    assert "PC-7" in why
    assert "a spooler knows no page counts; enter its meter by hand" in why


TEXT = st.text(max_size=1024).filter(lambda text: "\x00" not in text)


@given(host=TEXT, queue=TEXT, port_name=TEXT, kind=st.sampled_from(KINDS))
def test_whatever_a_spooler_calls_things_a_read_comes_of_it(**queue: str) -> None:
    said = read(SpooledDevice(make=queue["host"], model=queue["queue"]), **queue)

    assert decode("meter.read.v1", said.to_json()) == said
    assert (said.no_meters_because or "").isprintable()
    assert "enter its meter by hand" in (said.no_meters_because or "")
