"""The codec: what goes in comes out, pysnmp's codec agrees, and nothing but WireError is raised."""

from __future__ import annotations

import os

import pytest

from shared.snmp import decoder
from shared.snmp.port import Varbind
from shared.snmp.wire import (
    FRESH_ID_MAX,
    FRESH_ID_MIN,
    GET,
    GETBULK,
    RESPONSE,
    V2C,
    WireError,
    decode,
    encode,
    encode_request,
    fresh_id,
    request_template,
)
from tests.unit.snmp.mutation import SYS_DESCR, response


def test_the_codec_under_test_is_the_one_that_was_asked_for() -> None:
    compiled = os.environ.get("PAGETALLY_COMPILED") == "yes"

    assert decoder.__file__.endswith(".so" if compiled else ".py")


def test_a_request_is_the_octets_that_rfc_1157_gives() -> None:
    assert encode_request(V2C, b"public", GET, 1, ["1.3.6.1.2.1.1.1.0"]) == bytes.fromhex(
        "3026 020101 0406 7075626c6963"
        "a019 020101 020100 020100 300e 300c 0608 2b06010201010100 0500"
    )


def test_max_repetitions_stand_in_the_third_field_of_a_getbulk() -> None:
    asked = decode(encode_request(V2C, b"x", GETBULK, 7, ["1.3.6"], max_repetitions=12))

    assert (asked.pdu, asked.error_status, asked.error_index) == (GETBULK, 0, 12)


def test_non_repeaters_stand_in_the_second_field_of_a_getbulk() -> None:
    asked = decode(encode_request(V2C, b"x", GETBULK, 7, ["1.3.6", "1.3.7"], non_repeaters=1))

    assert (asked.pdu, asked.error_status, asked.error_index) == (GETBULK, 1, 0)


@pytest.mark.parametrize("request_id", [FRESH_ID_MIN, 0x12345678, FRESH_ID_MAX])
@pytest.mark.parametrize("oids", [0, 1, 8, 80])
def test_a_template_gives_the_octets_of_a_request(request_id: int, oids: int) -> None:
    asked = [f"1.3.6.1.2.1.43.11.1.1.9.1.{row}" for row in range(oids)]
    template = request_template(V2C, b"public", GETBULK, asked, non_repeaters=3, max_repetitions=9)

    datagram = template.request(request_id)

    assert datagram == encode_request(
        V2C, b"public", GETBULK, request_id, asked, non_repeaters=3, max_repetitions=9
    )
    assert len(template) == len(datagram)


@pytest.mark.parametrize("request_id", [-1, 0, FRESH_ID_MIN - 1, FRESH_ID_MAX + 1])
def test_a_template_takes_no_id_of_another_length(request_id: int) -> None:
    template = request_template(V2C, b"public", GET, [SYS_DESCR])

    with pytest.raises(WireError, match="four octets"):
        template.request(request_id)


def test_fresh_ids_fit_templates_and_differ() -> None:
    ids = {fresh_id() for _ in range(1000)}

    assert len(ids) > 990
    assert FRESH_ID_MIN <= min(ids) < max(ids) <= FRESH_ID_MAX


def test_a_field_over_31_bits_is_not_encoded() -> None:
    message = response()

    for wrong in (
        message._replace(request_id=2**31),
        message._replace(error_status=2**31),
        message._replace(error_index=-(2**31) - 1),
    ):
        with pytest.raises(WireError, match="31 bits"):
            encode(wrong)


@pytest.mark.parametrize(
    ("tag", "content", "value"),
    [
        (0x02, "ff", -1),
        (0x02, "80000000", -(2**31)),
        (0x02, "0000000005", 5),  # more octets than needed: X.690 forbids it, agents do it
        (0x41, "00ffffffff", 2**32 - 1),
        (0x41, "ffffffff", 2**32 - 1),  # its sign octet left out
        (0x43, "80000000", 2**31),
        (0x46, "00ffffffffffffffff", 2**64 - 1),
        (0x46, "ffffffffffffffff", 2**64 - 1),
    ],
)
def test_a_number_is_read_at_its_width(tag: int, content: str, value: int) -> None:
    octets = bytes.fromhex(content)

    for short in (True, False):
        datagram = with_value(bytes([tag, len(octets)]) + octets, short=short)
        [varbind] = decode(datagram).varbinds

        assert varbind.value == value


@pytest.mark.parametrize(
    "value",
    [
        "0200",  # an integer without octets
        "02050100000000",  # Integer32 over 31 bits
        "410100ff",  # one octet too many in the varbind
        "4101ff",  # a Counter32 below 0
        "41050100000000",  # a Counter32 over 32 bits
        "420a00000000000000000001",  # ten octets
        "4609010000000000000000",  # a Counter64 over 64 bits
        "40037f0000",  # an IpAddress of three octets
        "050100",  # a Null that holds something
        "820100",  # an endOfMibView that holds something
        "0600",  # an OID without octets
        "060180",  # an OID that ends within a number
        "06032b8001",  # a number that begins with 0x80
        "06062b9f8080807f",  # a number over 32 bits
        "0681812b" + "01" * 128,  # 130 numbers
        "2403040161",  # a constructed OctetString
        "0480610000",  # an indefinite length
        "0485000000000161",  # a length in five octets
        "04ff61",  # the reserved length
        "0402 61",  # a length that lies
        "0484ffffffff61",  # a length that lies by 4 GB
        "1f8101020161",  # a tag in two octets
        "450100",  # a type that no longer is one
        "",
        "04",
    ],
)
@pytest.mark.parametrize("short", [True, False])
def test_a_value_that_is_wrong_is_a_wire_error(value: str, short: bool) -> None:
    with pytest.raises(WireError):
        decode(with_value(bytes.fromhex(value), short=short))


@pytest.mark.parametrize("version", [-1, 2, 3, 2**31 - 1])
def test_other_versions_are_not_read(version: int) -> None:
    with pytest.raises(WireError, match="version"):
        decode(encode(response(Varbind(SYS_DESCR, "Null", None))._replace(version=version)))


@pytest.mark.parametrize("pdu", [0xA3, 0xA4, 0xA6, 0xA7, 0xA8, 0x30])
def test_other_pdus_are_not_read(pdu: int) -> None:
    with pytest.raises(WireError, match="PDU"):
        decode(encode(response(Varbind(SYS_DESCR, "Null", None))._replace(pdu=pdu)))


def test_octets_after_the_message_are_not_let_pass() -> None:
    with pytest.raises(WireError, match="1 octets after"):
        decode(encode(response()) + b"\0")


def test_every_cut_of_a_message_is_a_wire_error() -> None:
    whole = encode(response(Varbind(SYS_DESCR, "OctetString", b"printer" * 30)))

    for length in range(len(whole)):
        with pytest.raises(WireError):
            decode(whole[:length])


def test_a_length_that_lies_is_told_with_its_place() -> None:
    whole = bytearray(encode(response()))
    whole[5:7] = b"\x04\x60"  # the community's

    with pytest.raises(WireError, match=r"octet 7: says 96 octets where \d+ are left"):
        decode(bytes(whole))


def test_lengths_that_lie_together_are_told() -> None:
    """A binding and its value that both say one octet more than the message has."""
    honest = encode(response(Varbind(SYS_DESCR, "OctetString", b"abc")))
    lying = honest.removesuffix(b"\x04\x03abc") + b"\x04\x04abc"
    at = lying.rindex(b"\x30")
    lying = lying[: at + 1] + bytes([lying[at + 1] + 1]) + lying[at + 2 :]

    with pytest.raises(WireError):
        decode(lying)


def test_deep_nesting_costs_nothing() -> None:
    nested = b"\x30\x82\xff\xf0" * 16_000

    with pytest.raises(WireError):
        decode(nested)


@pytest.mark.parametrize(
    "varbind",
    [
        Varbind("1", "Null", None),
        Varbind("3.1", "Null", None),
        Varbind("1.40", "Null", None),
        Varbind(".1.3.6", "Null", None),
        Varbind("1.3.-6", "Null", None),
        Varbind("1.3.06", "Null", None),
        Varbind("1.3.4294967296", "Null", None),
        Varbind("1.3" + ".1" * 127, "Null", None),
        Varbind("1.3.x", "Null", None),
        Varbind("1.3.6", "Counter32", 2**32),
        Varbind("1.3.6", "Integer32", "5"),
        Varbind("1.3.6", "OctetString", "text"),
        Varbind("1.3.6", "IpAddress", "10.0.0"),
        Varbind("1.3.6", "ObjectIdentifier", "sysDescr"),
        Varbind("1.3.6", "BITS", b""),
    ],
)
def test_what_the_wire_cannot_carry_is_not_encoded(varbind: Varbind) -> None:
    with pytest.raises(WireError):
        encode(response(varbind))


def with_value(value: bytes, *, short: bool = True) -> bytes:
    """A response with one varbind, whose value is these octets, all outer lengths right.

    Args:
        short: lengths in one octet where they fit, as agents send them; else always in three.
    """

    def tlv(tag: int, content: bytes) -> bytes:
        if short and len(content) < 0x80:
            return bytes([tag, len(content)]) + content
        return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content

    varbind = tlv(0x30, tlv(0x06, bytes.fromhex("2b06010201010100")) + value)
    numbers = bytes.fromhex("020101 020100 020100")
    pdu = tlv(RESPONSE, numbers + tlv(0x30, varbind))
    return tlv(0x30, bytes.fromhex("020101") + tlv(0x04, b"public") + pdu)


def test_what_was_read_before_is_never_another_value() -> None:
    """More different varbinds than are remembered, and each again after it was forgotten."""
    oid = "1.3.6.1.2.1.43.11.1.1.9.1.1"
    rounds = range(40)
    for first in [*rounds, *rounds]:
        sent = response(
            *(Varbind(oid, "Integer32", 1000 * first + number) for number in range(1000)),
            *(Varbind(SYS_DESCR, "OctetString", bytes(number)) for number in range(140)),
        )
        assert decode(encode(sent)) == sent
