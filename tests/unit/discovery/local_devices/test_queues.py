"""Which queues are devices, and what is said of them."""

from __future__ import annotations

import pytest

from services.discovery.local_devices.cups import cups_queue
from services.discovery.local_devices.ports import Port
from services.discovery.local_devices.printer_info import PortOfSpooler, Printer
from services.discovery.local_devices.queues import Queue, one_a_device, windows_queues
from shared.ipp.wire import Attributes, Value
from shared.messages import SpooledDevice


def printer(name: str, port: str, attributes: int = 0x1048, status: int = 0) -> Printer:
    return Printer(name, port, "Northwind 9", None, None, attributes, status)


def queue(name: str, port_name: str, port: Port) -> Queue:
    return Queue(name, port_name, port, SpooledDevice())


def cups(**attributes: str | int) -> Attributes:
    return {
        name.replace("_", "-"): [
            Value("integer", value) if isinstance(value, int) else Value("text", value.encode())
        ]
        for name, value in attributes.items()
    }


def test_a_port_is_what_the_list_of_ports_says_of_it() -> None:
    ports = [PortOfSpooler("Floor2", None, "Standard TCP/IP Port")]

    [told] = windows_queues([printer("copier", "floor2")], ports)
    [untold] = windows_queues([printer("copier", "floor2")], [])

    assert (told.port, untold.port) == (Port("tcp", "Floor2"), Port("other"))


def test_a_fax_is_one_by_its_attribute_and_what_another_session_brought_is_none() -> None:
    printers = [
        printer("faxes", "Till", 0x4000),
        printer("mine at home", "USB001", 0x8000),
        printer("pdf", "PORTPROMPT:"),
    ]

    assert [(one.name, one.port.kind) for one in windows_queues(printers, [])] == [("faxes", "fax")]


@pytest.mark.parametrize(
    ("status", "attributes", "words"),
    [
        (0, 0, "ready"),
        (0x8 | 0x400000, 0, "paper jam, door open"),
        (0, 0x400, "offline"),
        (0x80, 0x400, "offline"),
        (0xFFFFFFFF, 0, "power save"),
    ],
)
def test_a_status_is_told_in_words(status: int, attributes: int, words: str) -> None:
    [one] = windows_queues([printer("hall", "USB001", attributes, status)], [])

    assert one.seen.status and one.seen.status.endswith(words)


def test_two_queues_of_one_usb_port_are_one_device_and_two_of_a_monitor_are_two() -> None:
    usb, other = Port("usb"), Port("other")
    queues = [
        queue("b", "USB001", usb),
        queue("a", "usb001", usb),
        queue("c", "USB002", usb),
        queue("d", "X", other),
        queue("e", "X", other),
    ]

    assert [one.name for one in one_a_device(queues)] == ["a", "c", "d", "e"]


def test_a_cups_queue_says_its_state_and_holds_no_password() -> None:
    found = cups_queue(
        cups(
            printer_name="hall",
            device_uri="lpd://user:s3cret@10.0.0.7/q",
            printer_state=5,
            printer_state_reasons="media-jam",
        )
    )

    assert found is not None
    assert (found.port_name, found.port) == ("lpd://10.0.0.7/q", Port("tcp", "10.0.0.7"))
    assert found.seen.status == "stopped, media-jam"


@pytest.mark.parametrize("kind", [0x1, 0x2])
def test_a_class_and_another_computers_queue_are_no_devices(kind: int) -> None:
    assert cups_queue(cups(printer_name="all", device_uri="usb://A/B", printer_type=kind)) is None


def test_a_fax_of_cups_is_one_by_its_type() -> None:
    found = cups_queue(cups(printer_name="f", device_uri="usb://A/B", printer_type=0x40000))

    assert found is not None
    assert found.port.kind == "fax"
