from __future__ import annotations

import pytest

from services.poller.text import decode_text, mac_or_none, serial_or_none
from shared.text import MAX_TEXT


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        ("Tonér".encode(), None, "Tonér"),
        ("Tonér".encode("latin-1"), None, "Tonér"),
        (b"Kopi\xcdn", 2004, "Kopiën"),
        ("Tonér".encode(), 4, "Tonér"),  # declares Latin-1, sends UTF-8
        ("トナー".encode("shift_jis"), 17, "トナー"),
        ("联通".encode("gbk"), 113, "联通"),  # as UTF-8 these octets would be other letters
        (b"Toner \xff", 9999, "Toner ÿ"),
    ],
)
def test_text_is_decoded_as_the_device_declares(
    octets: bytes, charset: int | None, text: str
) -> None:
    assert decode_text(octets, charset) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", None),
        (b"\x00\x00 \t", None),
        (b"  Black\r\n  Toner\x00\x00", "Black Toner"),
        ("a\u202eb\u200bc".encode(), "abc"),
        (b"=1+1", "=1+1"),
        (b"\xed\xa0\x80", "í"),  # a surrogate in UTF-8 is none; as Latin-1 two of three are codes
    ],
)
def test_text_holds_nothing_that_a_message_or_a_screen_cannot(
    octets: bytes, text: str | None
) -> None:
    found = decode_text(octets)

    assert (found.replace("\xa0", "").strip() if found else None) == text


def test_text_has_an_end() -> None:
    assert decode_text(b"x" * 100_000) == "x" * MAX_TEXT


@pytest.mark.parametrize(
    "serial",
    ["", "--", "unknown", "N/A", "0000000000", "1111111", "XXXXXXXXXX", "1234567890",
     "1234567890000", "02:00:5e:10:00:01", "02005E100001", "LP 2400", "lp-2400", "0000A2F1R23J"],
)  # fmt: skip
def test_a_placeholder_is_no_serial(serial: str) -> None:
    assert serial_or_none(serial, "LP 2400", "02:00:5e:10:00:01") is None


@pytest.mark.parametrize("serial", ["RH28Y00024", "7062184", "X7F4008528", "0000123"])
def test_a_serial_is_kept_as_the_device_gives_it(serial: str) -> None:
    assert serial_or_none(serial, "LP 2400", "02:00:5e:10:00:01") == serial


def test_only_six_octets_of_one_interface_are_a_mac() -> None:
    assert mac_or_none(bytes.fromhex("02005e100001")) == "02:00:5e:10:00:01"
    for other in ("", "000000000000", "ffffffffffff", "01005e000001", "02005e1000"):
        assert mac_or_none(bytes.fromhex(other)) is None
