"""Lists of a Windows Spooler: laid out as a computer does, cut, and hostile."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.discovery.local_devices.printer_info import (
    MAX_ENTRIES,
    WIRE,
    Layout,
    MalformedListError,
    PortOfSpooler,
    Printer,
    ports_of,
    printers_of,
)

IN_MEMORY = Layout(width=8, base=0x7FFE_0000_1000)
_PRINTER = 13, 8  # texts and numbers of a PRINTER_INFO_2
_PORT = 3, 2
Entry = tuple[Sequence[str | None], Sequence[int]]


def laid_out(entries: Sequence[Entry], shape: tuple[int, int], layout: Layout) -> bytes:
    """As Windows does: the structures first, their texts after the last."""
    texts, numbers = shape
    size = texts * layout.width + numbers * 4
    head, tail = bytearray(), bytearray()
    for said, counted in entries:
        begin = len(head)
        for place in range(texts):
            text = said[place] if place < len(said) else None
            at = len(entries) * size + len(tail)
            pointer = at - begin if layout.base is None else at + layout.base
            head += (0 if text is None else pointer).to_bytes(layout.width, "little")
            if text is not None:
                tail += text.encode("utf-16-le") + b"\0\0"
        head += struct.pack(f"<{numbers}I", *counted)
    return bytes(head + tail)


def printer(name: str, port: str, status: int = 0) -> Entry:
    texts = [r"\\PRINTPC", name, "share", port, "Northwind 9", "by the lift", "Hall", None]
    return texts, [0x1048, 1, 1, 0, 0, status, 3, 0]


@pytest.mark.parametrize("layout", [WIRE, IN_MEMORY])
def test_a_list_is_read_as_the_wire_and_the_memory_of_a_computer_lay_it_out(
    layout: Layout,
) -> None:
    entries = [printer(r"\\PRINTPC\counter", "USB001", 0x10), printer("Büro 東京", "IP_10.0.0.7")]

    found = printers_of(laid_out(entries, _PRINTER, layout), 2, layout)

    rest = ("Northwind 9", "by the lift", "Hall", 0x1048)
    assert found == [
        Printer("counter", "USB001", *rest, 0x10),
        Printer("Büro 東京", "IP_10.0.0.7", *rest, 0),
    ]


@pytest.mark.parametrize("layout", [WIRE, IN_MEMORY])
def test_ports_have_a_monitor_and_a_description_where_they_are_told(layout: Layout) -> None:
    entries: list[Entry] = [
        (["IP_10.0.0.7", "TCPMON.DLL", "Standard TCP/IP Port"], [3, 0]),
        (["USB001"], [3, 0]),
    ]

    assert ports_of(laid_out(entries, _PORT, layout), 2, layout) == [
        PortOfSpooler("IP_10.0.0.7", "TCPMON.DLL", "Standard TCP/IP Port"),
        PortOfSpooler("USB001", None, None),
    ]


@pytest.mark.parametrize("count", [-1, 2, MAX_ENTRIES + 1, 2**32 - 1])
def test_a_list_of_another_length_than_it_says_is_refused(count: int) -> None:
    with pytest.raises(MalformedListError, match="are no list of"):
        printers_of(laid_out([printer("hall", "USB001")], _PRINTER, WIRE)[:150], count)


@pytest.mark.parametrize("offset", [2**32 - 1, 500, 0x8000_0000])
def test_a_text_outside_the_list_is_refused(offset: int) -> None:
    buffer = bytearray(laid_out([printer("hall", "USB001")], _PRINTER, WIRE))
    struct.pack_into("<I", buffer, 4, offset)

    with pytest.raises(MalformedListError, match="a text at"):
        printers_of(bytes(buffer), 1)


def test_a_text_before_the_list_is_refused() -> None:
    buffer = bytearray(laid_out([printer("hall", "USB001")], _PRINTER, IN_MEMORY))
    struct.pack_into("<Q", buffer, 8, 0x7FFE_0000_1000 - 8)

    with pytest.raises(MalformedListError, match="a text at -8"):
        printers_of(bytes(buffer), 1, IN_MEMORY)


def test_a_text_without_an_end_is_cut_and_a_queue_without_a_name_is_left_out() -> None:
    long = laid_out([printer("x" * 5000, "USB001")], _PRINTER, WIRE)
    nameless = laid_out([(["", None], [0] * 8), printer("hall", "USB001")], _PRINTER, WIRE)

    assert [len(one.name) for one in printers_of(long, 1)] == [1024]
    assert [one.name for one in printers_of(nameless, 2)] == ["hall"]


_POINTERS = st.integers(0, 2**32 - 1) | st.integers(0, 400)


@pytest.mark.parametrize("read", [printers_of, ports_of])
@pytest.mark.parametrize("layout", [WIRE, IN_MEMORY, Layout(4, 0)])
@given(
    st.lists(_POINTERS, max_size=60).map(lambda them: struct.pack(f"<{len(them)}I", *them)),
    st.binary(max_size=300),
    st.integers(-1, 4) | st.integers(),
)
def test_whatever_the_octets_are_a_list_or_one_error_comes_of_them(
    read: Callable[[bytes, int, Layout], object],
    layout: Layout,
    pointers: bytes,
    octets: bytes,
    count: int,
) -> None:
    with suppress(MalformedListError):
        read(pointers + octets, count, layout)
