"""What IPP says of a device: identity, state, alerts, supplies; no answer breaks a read."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.decode import NotAPrinterError
from services.poller.ipp import WANTED, read_ipp
from shared.decode import decode
from shared.ipp.client import IppAnswer
from shared.ipp.wire import MalformedIppError, answer_of
from shared.ipp_uri import IppUri, ipp_uri_of
from shared.messages import IppTarget, MeterRead, order_id
from tests.unit.poller.ipp_answers import (
    NAME,
    URI,
    Tagged,
    answer,
    collection,
    enum,
    integer,
    keywords,
    octets,
    text,
)
from tests.unit.poller.reading import NOON, PROFILES, ROUND

TARGET = IppTarget(ipp="ipp://10.0.0.7/ipp/print")


def read_octets(said: bytes) -> MeterRead:
    async def ask(uri: IppUri, wanted: Sequence[str]) -> IppAnswer:
        return IppAnswer("10.0.0.7", next(iter(answer_of(said).printers), {}))

    device = asyncio.run(read_ipp(ask, ipp_uri_of(TARGET.ipp), lambda: NOON))
    read = device.message(order_id(ROUND, TARGET), ROUND, "agent-1", TARGET, PROFILES)
    assert decode("meter.read.v1", read.to_json()) == read
    return read


def read_of(attributes: Mapping[str, Tagged | Sequence[Tagged]]) -> MeterRead:
    return read_octets(answer(attributes))


def test_a_device_is_what_it_says_it_is() -> None:
    device = read_of(
        {
            "printer-make-and-model": text("Kyocera TASKalfa 2554ci"),
            "printer-device-id": text("MFG:KYOCERA;CMD:PCL;MDL:TASKalfa 2554ci;SN:RVA0812345;"),
            "printer-firmware-string-version": text("2VG_S000.002.204"),
            "printer-location": text("Hall,  ground\nfloor"),
            "printer-asset-tag": octets("A-77"),
            "printer-info": text("Copier at the door"),
        }
    ).device

    assert (device.make, device.model) == ("Kyocera", "TASKalfa 2554ci")
    assert (device.serial, device.firmware) == ("RVA0812345", "2VG_S000.002.204")
    assert (device.location, device.asset_tag) == ("Hall, ground floor", "A-77")
    assert (device.description, device.address) == ("Copier at the door", "10.0.0.7")


@pytest.mark.parametrize(
    ("named", "device_id", "make", "model", "serial"),
    [
        ("HP LaserJet 9", "", "HP", "LaserJet 9", None),
        ("HP LaserJet 9", "MANUFACTURER:Hewlett-Packard;MODEL:9;", "HP", "LaserJet 9", None),
        ("Northwind 9", "", None, "Northwind 9", None),
        ("", "MFG:Northwind;MDL:N9;SERN:N900417", "Northwind", "N9", "N900417"),
        ("", "MFG:EPSON;SN:583351523030303132333435;", "Epson", None, "X3QR00012345"),
        ("", "MDL:N9;SN:00000000;", None, "N9", None),
        ("", "MDL:N9;SN:5833515230;", None, "N9", "5833515230"),
        ("Local Raw Printer", "", None, None, None),  # CUPS' word for a queue without a driver
    ],
)
def test_make_model_and_serial_are_found_where_they_hide(
    named: str, device_id: str, make: str | None, model: str | None, serial: str | None
) -> None:
    said = {"printer-make-and-model": text(named), "printer-device-id": text(device_id)}
    device = read_of(said).device

    assert (device.make or "").lower() == (make or "").lower()
    assert (device.model, device.serial) == (model, serial)


def test_the_printers_own_serial_number_goes_before_its_device_id_s() -> None:
    said = {"printer-serial-number": text("N900417"), "printer-device-id": text("SN:N9-BOARD;")}

    assert read_of(said).device.serial == "N900417"


def test_state_and_alerts_are_told_in_words() -> None:
    read = read_of(
        {
            "printer-state": enum(5),
            "printer-state-reasons": keywords(
                "media-empty-error", "toner-low-warning", "marker-waste-almost-full-report"
            ),
            "printer-alert": octets(
                "code=3;index=2;severity=critical;group=input;",
                "code=markerTonerLow;severity=warning;",
            ),
            "printer-alert-description": [text("Tray 2 is empty")],
        }
    )  # fmt: skip

    assert read.status.printer == "stopped"
    assert read.status.errors == ["no paper", "low toner", "marker waste almost full"]
    first, second = read.alerts
    assert (first.index, first.severity, first.group) == ("2", "critical", "input")
    assert (first.code, first.description) == (3, "Tray 2 is empty")
    assert (second.index, second.code, second.description) == ("2", None, "marker toner low")


def test_a_printer_without_trouble_has_no_errors() -> None:
    status = read_of({"printer-state": enum(3), "printer-state-reasons": keywords("none")}).status

    assert (status.printer, status.errors) == ("idle", [])


def test_supplies_come_as_the_printer_mib_tells_them() -> None:
    said = octets(
        "index=1;class=supplyThatIsConsumed;type=toner-cartridge;unit=percent;"
        "maxcapacity=100;level=75;colorantname=black;",
        "type=tonerCartridge;maxcapacity=12000;level=-3;unit=impressions;colorantname=cyan;",
        "class=receptacleThatIsFilled;type=wasteToner;maxcapacity=100;level=-2;colorantname=none;",
        "type=inkCartridge;maxcapacity=0;level=unknown;unit=tenthsOfMilliliters;",
        "not a list",
    )  # fmt: skip
    read = read_of({"printer-supply": said, "printer-supply-description": [text("Black  toner")]})

    told = [
        (one.index, one.description, one.type, one.colorant, one.level_percent, one.state)
        for one in read.supplies
    ]
    assert told == [
        ("1", "Black toner", "tonerCartridge", "black", 75.0, None),
        ("2", None, "tonerCartridge", "cyan", None, "some left"),
        ("3", None, "wasteToner", None, None, "unknown"),
        ("4", None, "inkCartridge", None, None, None),
        ("5", None, None, None, None, None),
    ]
    assert read.supplies[3].unit == "1/10 millilitre"


def test_markers_of_cups_are_supplies_where_nothing_says_more() -> None:
    read = read_of(
        {
            "marker-names": [(NAME, b"Black"), (NAME, b"Cyan"), (NAME, b"Waste"), (NAME, b"Odd")],
            "marker-types": keywords("toner", "toner", "waste-toner", "toner"),
            "marker-colors": [(NAME, b"#000000"), (NAME, b"#00FFFF"), (NAME, b"none")],
            "marker-levels": [integer(40), integer(-3), integer(30), integer(101)],
        }
    )

    told = [(one.description, one.colorant, one.level_percent, one.state) for one in read.supplies]
    assert told == [
        ("Black", "black", 40.0, None),
        ("Cyan", "cyan", None, "some left"),
        ("Waste", None, None, "30 %, of what is full or of what is free"),
        ("Odd", None, None, "level 101 is above the capacity 100"),
    ]


def test_a_queue_of_cups_has_no_meters_and_says_what_to_do() -> None:
    read = read_of(
        {
            "cups-version": text("2.4.2"),
            "printer-impressions-completed": integer(48213),
            "printer-make-and-model": text("HP LaserJet 9"),
            "marker-levels": integer(40),
            "device-uri": (URI, b"usb://HP/LaserJet%209?serial=VNB3K00417"),
        }
    )

    assert (read.meters, read.native) == ({}, {})
    assert "print queue of CUPS" in (read.no_meters_because or "")
    assert (read.device.model, read.supplies[0].level_percent) == ("LaserJet 9", 40.0)


def test_the_attributes_behind_each_meter_stay_with_the_read() -> None:
    read = read_of(
        {
            "printer-impressions-completed": integer(100),
            "printer-impressions-completed-col": collection(
                monochrome=70, full_color=30, blank=(0x12, b"")
            ),
            "printer-device-id": text("MFG:Northwind;SN:N900417;"),
        }
    )

    assert read.attributes == {
        "printer-impressions-completed": ("integer", 100),
        "printer-impressions-completed-col/monochrome": ("integer", 70),
        "printer-impressions-completed-col/full-color": ("integer", 30),
        "printer-impressions-completed-col/blank": ("unknown", None),
        "printer-device-id": ("textWithoutLanguage", "MFG:Northwind;SN:N900417;"),
    }
    assert {source for each in read.sources.values() for source in each} <= set(read.attributes)
    assert read.profile == "ipp@1"


def test_what_says_nothing_of_a_printer_is_none() -> None:
    with pytest.raises(NotAPrinterError, match="nothing that it says is a printer's"):
        read_of({"system-state": enum(3)})


VALUE: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(integer),
    st.integers(-9, 9).map(enum),
    st.text(max_size=40).map(text),
    st.sampled_from(["level=7;type=x", "level=" + "9" * 400, "MFG:;SN:\0;", ";" * 900]).map(text),
    st.binary(max_size=20).map(lambda each: (0x30, each)),
    st.sampled_from([(0x12, b""), (0x13, b""), (0x7F, b"\x00"), (0x22, b"\x01"), (0x35, b"\x00")]),
    st.dictionaries(
        st.sampled_from(["monochrome", "full_color", "blank", "monochrome_two_sided", "other"]),
        st.integers(-5, 20),
    ).map(lambda members: collection(**members)),
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(WANTED), st.lists(VALUE, min_size=1, max_size=3), min_size=1)
)
def test_any_attributes_make_a_message_that_the_hub_takes(said: dict[str, list[Tagged]]) -> None:
    read = read_of(said)

    assert all(count >= 0 for count in read.meters.values())


@given(st.binary(max_size=200))
def test_any_octets_are_a_read_or_are_refused(tail: bytes) -> None:
    with suppress(MalformedIppError, NotAPrinterError):
        read_octets(struct.pack(">BBHIB", 2, 0, 0, 1, 4) + tail)


def test_the_longest_answer_makes_a_message_that_is_not_too_long() -> None:
    many = [text("x" * 1000)] * 120
    read = read_of(dict.fromkeys(("printer-supply", "printer-alert", "marker-names"), many))

    assert len(read.to_json()) < 500_000
