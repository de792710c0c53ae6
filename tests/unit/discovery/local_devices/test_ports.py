"""What a port's name, monitor, description or device-uri says of what is behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.discovery.local_devices.ports import Kind, Port, cups_port, is_virtual, windows_port
from shared.messages import SpooledDevice


@pytest.mark.parametrize(
    ("name", "kind", "address"),
    [
        ("USB001", "usb", None),
        ("USB001,USB002", "usb", None),
        ("DOT4_001", "usb", None),
        ("LPT1:", "lpt", None),
        ("SHRFAX:", "fax", None),
        ("FAX", "fax", None),
        ("HP Fax 2", "fax", None),
        ("Scan to Room 11", "scan", None),
        ("WSD-4d36e96e-e325.003a", "wsd", None),
        ("IP_10.0.0.7", "tcp", "10.0.0.7"),
        ("IP_fax.office.example", "tcp", "fax.office.example"),
        ("IP_10.0.0.7_1", "tcp", "10.0.0.7"),
        ("10.0.0.7", "tcp", "10.0.0.7"),
        ("10.0.0.7_2", "tcp", "10.0.0.7"),
        ("10.0.0.7:9100", "tcp", "10.0.0.7"),
        ("2001:db8::7", "tcp", "2001:db8::7"),
        ("10.0.0.700", "other", None),
        ("COM1:", "other", None),
        (r"\\PRINTPC\hall", "other", None),
        ("Samba Printer Port", "other", None),
        ("", "other", None),
    ],
)
def test_a_ports_name_tells_its_kind_and_its_host(
    name: str, kind: Kind, address: str | None
) -> None:
    assert windows_port(name) == Port(kind, address)


@pytest.mark.parametrize(
    ("name", "monitor", "description", "port"),
    [
        ("floor2_1", "TCPMON.DLL", None, Port("tcp", "floor2")),
        ("floor2.office", None, "Standard-TCP/IP-Port", Port("tcp", "floor2.office")),
        ("Second floor", None, "Standard TCP/IP Port", Port("tcp")),
        ("Room 11", "WSD Port Monitor", None, Port("wsd")),
        ("Till", "USB Monitor", None, Port("usb")),
        ("MSFAX:", None, "Microsoft Shared Fax Monitor", Port("fax")),
        ("Samba Port", "Local Monitor", "Local Port", Port("other")),
    ],
)
def test_where_the_name_says_nothing_the_monitor_or_the_description_does(
    name: str, monitor: str | None, description: str | None, port: Port
) -> None:
    assert windows_port(name, monitor, description) == port


@pytest.mark.parametrize(
    ("port_name", "driver"),
    [
        ("PORTPROMPT:", None),
        ("nul:", None),
        ("FILE:", None),
        ("XPSPort:", None),
        ("TS001", None),
        ("C:\\out\\all.prn", None),
        ("Documents\\*.pdf", None),
        ("Microsoft.Office.OneNote_16001.14326_x64__8wekyb3d8bbwe", None),
        ("USB001", "Microsoft Print To PDF"),
        ("USB001", "Send to Microsoft OneNote 16 Driver"),
        ("TS004", "Remote Desktop Easy Print"),
    ],
)
def test_a_queue_that_ends_in_a_file_or_another_session_is_no_device(
    port_name: str, driver: str | None
) -> None:
    assert is_virtual(port_name, driver)


@pytest.mark.parametrize("port_name", ["USB001", "SHRFAX:", "IP_10.0.0.7", "WSD-1", "LPT1:"])
def test_a_queue_on_a_real_port_is_a_device(port_name: str) -> None:
    assert not is_virtual(port_name, "Northwind Laser 9")


@pytest.mark.parametrize(
    ("uri", "port"),
    [
        (
            "usb://HP/LaserJet%20P2055dn?serial=CNC1234567",
            Port("usb", None, "HP", "LaserJet P2055dn", "CNC1234567"),
        ),
        ("usb://", Port("usb")),
        ("socket://10.0.0.7:9100", Port("tcp", "10.0.0.7")),
        ("ipp://printer.office/ipp/print", Port("tcp", "printer.office")),
        ("lpd://user@10.0.0.7/queue", Port("tcp", "10.0.0.7")),
        ("socket://[2001:db8::7]", Port("tcp", "2001:db8::7")),
        ("ipp://localhost:60000/ipp/print", Port("usb")),
        ("hp:/usb/OfficeJet_9?serial=TH1", Port("usb", None, "HP", "OfficeJet 9", "TH1")),
        ("hp:/net/LaserJet_9?ip=10.0.0.7", Port("tcp", "10.0.0.7", "HP", "LaserJet 9")),
        ("hpfax:/net/LaserJet_9?ip=10.0.0.7", Port("fax", "10.0.0.7", "HP", "LaserJet 9")),
        ("parallel:/dev/lp0", Port("lpt")),
        ("dnssd://Hall._ipp._tcp.local/", Port("other")),
        ("smb://PRINTPC/hall", Port("other")),
        ("http://[", Port("other")),
        ("", Port("other")),
        ("file:///dev/null", None),
        ("implicitclass://hall/", None),
        ("cups-pdf:/", None),
    ],
)
def test_a_device_uri_tells_kind_host_maker_model_and_serial(uri: str, port: Port | None) -> None:
    assert cups_port(uri) == port


@given(
    st.sampled_from(["usb:", "usb://", "hp:/usb/", "hp:/net/x?ip=", "ipp://", "socket://", ""]),
    st.text(max_size=200),
)
def test_whatever_a_spooler_calls_a_port_it_can_be_told(begin: str, rest: str) -> None:
    found = cups_port(begin + rest)
    windows_port(begin + rest, rest, begin)
    is_virtual(begin + rest, rest)

    if found is not None:  # a message takes it
        SpooledDevice(
            comment=found.address, make=found.maker, model=found.model, serial=found.serial
        )
