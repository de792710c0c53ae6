"""The forms in which agents send one message: read alike, at first sight and when known."""

from __future__ import annotations

import pytest

from shared.snmp import decoder
from shared.snmp.port import Varbind
from shared.snmp.wire import RESPONSE, V2C, SnmpMessage, WireError, decode, encode, request_id_of

NAME = bytes.fromhex("0608 2b06010201010100")
NUMBERS = bytes.fromhex("020100 020100")
FORMS = ["short", "81", "82", "83", "84"]


def tlv(tag: int, content: bytes, form: str = "short") -> bytes:
    """`form`: in how many octets the length stands; short takes one more where it must."""
    if form == "short" and len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = 2 if form == "short" else int(form) - 80
    return bytes([tag, 0x80 | size]) + len(content).to_bytes(size, "big") + content


def message(
    varbinds: bytes,
    *,
    outer: str = "short",
    pdu: str = "short",
    list_: str = "short",
    request_id: bytes = b"\x02\x04\x12\x34\x56\x78",
    community: bytes = b"\x04\x06public",
    numbers: bytes = NUMBERS,
) -> bytes:
    asked = tlv(RESPONSE, request_id + numbers + tlv(0x30, varbinds, list_), pdu)
    return tlv(0x30, b"\x02\x01\x01" + community + asked, outer)


def varbind(value: bytes, form: str = "short") -> bytes:
    return tlv(0x30, NAME + value, form)


def outcome(datagram: bytes) -> list[Varbind] | None:
    try:
        return decode(datagram).varbinds
    except WireError:
        return None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", ["outer", "pdu", "list_", "varbind", "name", "value"])
def test_each_length_may_take_more_octets_than_it_needs(part: str, form: str) -> None:
    value = tlv(0x02, b"\x07\xd0", form if part == "value" else "short")
    if part == "name":
        bound = tlv(0x30, tlv(0x06, NAME[2:], form) + value)
    else:
        bound = varbind(value, form if part == "varbind" else "short")
    outer = {part: form} if part in {"outer", "pdu", "list_"} else {}
    datagram = message(bound * 3, **outer)  # type: ignore[arg-type]

    for _ in range(2):
        read = decode(datagram)

        assert read.varbinds == [Varbind("1.3.6.1.2.1.1.1.0", "Integer32", 2000)] * 3
        assert request_id_of(datagram) == read.request_id == 0x12345678


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 160, 255, 256, 1000])
def test_a_community_may_have_any_length(size: int) -> None:
    community = bytes([0xA2]) * size
    sent = SnmpMessage(V2C, community, RESPONSE, 0x12345678, 0, 0, [])

    assert decode(encode(sent)) == sent
    assert request_id_of(encode(sent)) == 0x12345678


@pytest.mark.parametrize(
    "request_id", [-(2**31), -1, 0, 127, 128, 2**15, 2**23 - 1, 2**23, 2**24, 2**31 - 1]
)
@pytest.mark.parametrize("varbinds", [0, 1, 3, 30])
def test_a_request_id_may_be_any_integer32(request_id: int, varbinds: int) -> None:
    rows = [Varbind("1.3.6.1", "OctetString", b"abc")] * varbinds
    sent = SnmpMessage(V2C, b"public", RESPONSE, request_id, 5, 2, rows)

    assert decode(encode(sent)) == sent
    assert request_id_of(encode(sent)) == request_id


@pytest.mark.parametrize(
    ("request_id", "number"),
    [("0201 05", 5), ("0205 0012345678", 0x12345678), ("0204 00000005", 5), ("0204 ffffffff", -1)],
)
def test_a_request_id_may_take_more_octets_than_it_needs(request_id: str, number: int) -> None:
    datagram = message(varbind(b"\x05\0"), request_id=bytes.fromhex(request_id))

    assert decode(datagram).request_id == request_id_of(datagram) == number


@pytest.mark.parametrize("error_status", [-129, -1, 0, 5, 127, 128, 2**31 - 1])
@pytest.mark.parametrize("error_index", [-1, 0, 3, 128])
def test_the_error_fields_are_read_at_any_width(error_status: int, error_index: int) -> None:
    rows = [Varbind("1.3.6.1", "OctetString", b"abc")]
    sent = SnmpMessage(V2C, b"public", RESPONSE, 0x12345678, error_status, error_index, rows)

    assert decode(encode(sent)) == sent


@pytest.mark.parametrize(
    "wrong",
    [
        {"numbers": bytes.fromhex("020100 040100")},
        {"numbers": bytes.fromhex("040100 020100")},
        {"numbers": bytes.fromhex("020100 0200")},
        {"request_id": bytes.fromhex("040412345678")},
        {"request_id": bytes.fromhex("0200")},
        {"request_id": b""},
        {"numbers": NUMBERS + b"\x04\0"},
        {"community": b""},
        {"community": b"\x05\x06public"},
        {"community": b"\x04\x70public"},
        {"community": b"\x04\x80public"},
    ],
)
def test_a_head_that_is_wrong_is_a_wire_error(wrong: dict[str, bytes]) -> None:
    datagram = message(varbind(b"\x02\x01\x05") * 4, **wrong)  # type: ignore[arg-type]

    with pytest.raises(WireError):
        decode(datagram)


@pytest.mark.parametrize("length", [0x80, 0x83, 0x84, 0xFF])
@pytest.mark.parametrize("part", ["message", "pdu", "varbinds"])
def test_the_octet_of_a_longer_length_is_no_length(part: str, length: int) -> None:
    """As many octets follow as that octet alone would say."""

    def lying(tag: int, content: bytes, of: str) -> bytes:
        return bytes([tag, length]) + content if of == part else tlv(tag, content, "82")

    for filler in range(length):
        name = varbind(tlv(0x04, bytes(filler), "82"), "82")
        varbinds = lying(0x30, name, "varbinds")
        pdu = lying(RESPONSE, b"\x02\x04\x12\x34\x56\x78" + NUMBERS + varbinds, "pdu")
        datagram = lying(0x30, b"\x02\x01\x01\x04\x01z" + pdu, "message")

        assert outcome(datagram) is None
        if part != "varbinds":
            with pytest.raises(WireError):
                request_id_of(datagram)


def test_a_community_that_looks_like_a_pdu_is_a_community() -> None:
    """Where the PDU would be, were the octet 0x82 the community's length."""
    value = tlv(0x04, bytes(300), "82")
    hidden = b"\x02\x04\x11\x11\x11\x11" + NUMBERS + tlv(0x30, varbind(value, "82"), "82")
    tail = tlv(RESPONSE, b"\x02\x04\x12\x34\x56\x78" + NUMBERS + b"\x30\x00")
    hidden = hidden[: len(hidden) - len(tail)]
    community = bytes(128) + bytes([RESPONSE, 0x82]) + (len(hidden) + len(tail)).to_bytes(2, "big")
    datagram = tlv(0x30, b"\x02\x01\x01" + tlv(0x04, community + hidden, "82") + tail)

    assert request_id_of(datagram) == 0x12345678
    assert decode(datagram).community == community + hidden


@pytest.mark.parametrize("at", [0, 4, 5, 6, 7, 8, 15, 31])
def test_another_octet_in_the_head_is_another_message(at: int) -> None:
    """Tags and lengths of message, version, community, PDU and varbinds, and the version."""
    datagram = message(varbind(b"\x04\x02ab") * 8, outer="82", pdu="82", list_="82")
    assert datagram[at] in {0x30, 0x02, 0x01, 0x04, 0x06, RESPONSE}
    for octet in set(range(256)) - {datagram[at]}:
        spoilt = datagram[:at] + bytes([octet]) + datagram[at + 1 :]
        if at == 15 and octet in {0xA0, 0xA1, 0xA5}:
            assert decode(spoilt).pdu == octet
        elif at == 6 and octet == 0:
            assert decode(spoilt).version == 0
        else:
            assert outcome(spoilt) is None


@pytest.mark.parametrize("tag", [0x02, 0x41, 0x42, 0x43, 0x46])
@pytest.mark.parametrize("size", range(1, 10))
@pytest.mark.parametrize("form", ["short", "82"])
def test_numbers_of_a_known_shape_are_judged_as_at_first_sight(
    tag: int, size: int, form: str
) -> None:
    for first in (0x00, 0x01, 0x7F, 0x80, 0x81, 0xFF):
        for rest in (0x00, 0x7F, 0x80, 0xFF):
            content = bytes([first]) + bytes([rest]) * (size - 1)
            datagram = message(varbind(tlv(tag, content), form))
            decoder._shapes.clear()
            strange = outcome(datagram)
            outcome(message(varbind(tlv(tag, bytes(size)), form)))

            assert outcome(datagram) == strange
            assert strange is None or -(2**31) <= int(strange[0].value or 0) < 2**64


@pytest.mark.parametrize("form", ["short", "82"])
def test_a_known_shape_that_is_cut_is_a_wire_error(form: str) -> None:
    whole = b"".join(
        varbind(value, form)
        for value in (b"\x04\x06public", b"\x02\x02\x07\xd0", b"\x05\x00", b"\x41\x03\x07\xd0\0")
    )
    assert outcome(message(whole)) == outcome(message(whole))
    ends = [0]
    for _ in range(4):
        at = ends[-1]
        ends.append(at + (2 + whole[at + 1] if form == "short" else 4 + whole[at + 3]))

    for length in set(range(len(whole))) - set(ends):
        assert outcome(message(whole[:length])) is None


def test_what_is_known_of_one_value_says_nothing_of_another() -> None:
    known = message(varbind(b"\x80\x00") + varbind(b"\x04\x02ab") + varbind(b"\x40\x04\x7f\0\0\1"))
    assert outcome(known) == outcome(known)

    for wrong in (b"\x80\x01a", b"\x04\x03ab", b"\x04\x01ab", b"\x40\x03\x7f\0\0", b"\x40\x05\0"):
        assert outcome(message(varbind(wrong))) is None
