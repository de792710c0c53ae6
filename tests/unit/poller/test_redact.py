"""What a recording still tells: of the device all, of its owner nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

import pytest

from services.poller.private_rows import PrivateRows, left_out
from services.poller.profile import load_profiles
from services.poller.redact import redact
from shared.snmp.oids import order
from shared.snmp.port import Varbind
from tests.unit.poller.reading import by_oid, counter, integer, octets, read_rows

PROFILES = load_profiles().values()
PLACES = PrivateRows(PROFILES)
MAKER = "1.3.6.1.4.1.32473.9"
SERIAL_ROW = "1.3.6.1.2.1.43.5.1.1.17.1"
MODEL = octets("1.3.6.1.2.1.25.3.2.1.3.1", "Northwind LP-2400")


def redacted(*rows: Varbind, said: Sequence[tuple[str, str]] = ()) -> dict[str, Varbind]:
    return {row.oid: row for row in redact(rows, PLACES, Random(7), said).rows}


def after(text: str | bytes, *beside: Varbind) -> bytes:
    """What a maker's row that says `text` says in a recording."""
    value = redacted(octets(f"{MAKER}.1.0", text), MODEL, *beside)[f"{MAKER}.1.0"].value
    assert isinstance(value, bytes)
    return value


@pytest.mark.parametrize(
    "text",
    [
        "MFG:Northwind;MDL:LP-2400;SN:VNB3K12345;",
        "NIC V4.01.20 02-05-2010;S/N VNB3K12345",
        "HP ETHERNET MULTI-ENVIRONMENT,SN:VNB3K12345,FN:1G11F33",
        "Black Toner;SN48178080E0000481",
        "Host name: acme-prn-7",
        "JobAcct1=jsmith",
        '{"user": "jsmith"}',
        "password=Sup3rS3cret",
        "pwd: hunter22",
        "community=acmeprivate",
        "owner=j.smith@acme.example",
        "http://admin:pw@acme-prn-7:631/ipp/print",
        r"\\filer\scans$\jsmith",
        "ftp.acme.example",
        "00:1B:A9:12:34:5F",
        "00-1b-a9-12-34-5f",
        "001b.a912.345f",
        "MAC:001122334455",
        "001BA912345F",
        "10.20.30.40",
        "010.020.030.040",
        "gateway 192.168.1.1, mask 255.255.255.0",
        "fe80::21b:a9ff:fe12:345f",
        "e3248000-80ce-11db-8000-001ba912345f",
        "call +49 30 1234567",
    ],
)
def test_what_is_an_owners_by_its_form_is_replaced_by_as_many_octets(text: str) -> None:
    now = after(text)

    assert now != text.encode()
    assert len(now) == len(text)
    assert re.sub(rb"[A-Za-z0-9]", b"", now) == re.sub(rb"[A-Za-z0-9]", b"", text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "Total (Black 1)",
        "Firmware Version 10.2.3.4",
        "1.77.81.4",
        "35.004.32.000",
        "1.3.6.1.4.1.32473.1",
        "127.0.0.1",
        "255.255.255.0",
        "123456789012",
        "LaserJet 400 color M451dn",
        "12:30:45",
        "2026-11-02 12:30",
        "No.of pages",
        "1920 INCHES, 4876 CENTIMETERS",
        b"\x00\x00\x00\x01\x86\xa0",
        b"\x07\xea\x0b\x02\x0c\x00\x00\x00",
    ],
)
def test_labels_firmware_and_counts_stay(text: str | bytes) -> None:
    assert after(text) == (text if isinstance(text, bytes) else text.encode())


def test_what_the_owner_types_is_replaced_whatever_it_says() -> None:
    typed = {
        "1.3.6.1.2.1.1.4.0": b"admin",
        "1.3.6.1.2.1.1.5.0": b"Printer",
        "1.3.6.1.2.1.1.6.0": "Büro 3, Köln".encode(),
        "1.3.6.1.2.1.43.5.1.1.16.1": b"X",
        "1.3.6.1.4.1.1347.40.10.1.1.5.1": b"KM5E1001",
    }

    now = redacted(*(octets(oid, text) for oid, text in typed.items()))

    assert all(now[oid].value != text for oid, text in typed.items())
    assert {oid: len(text) for oid, text in typed.items()} == {
        oid: len(row.value) for oid, row in now.items() if isinstance(row.value, bytes)
    }
    location = now["1.3.6.1.2.1.1.6.0"].value
    assert isinstance(location, bytes)
    assert location.decode()[-6:-4] == ", "


@pytest.mark.parametrize("text", ["Straße 7", "Büro\n3. Stock", "Köln\0", "営業部 2"])
def test_what_the_owner_types_may_be_in_any_script(text: str) -> None:
    now = redacted(octets("1.3.6.1.2.1.1.6.0", text))["1.3.6.1.2.1.1.6.0"].value

    assert isinstance(now, bytes)
    assert len(now) == len(text.encode())
    assert now.decode()
    assert not {word for word in re.findall(r"\w{2,}", text) if word in now.decode()}


def test_a_serial_that_is_the_name_too_is_replaced_in_the_model_as_well() -> None:
    model = octets(MODEL.oid, "Northwind LP-2400 VNB3K12345 1.07")

    now = redacted(
        model, octets("1.3.6.1.2.1.1.5.0", "VNB3K12345"), octets(SERIAL_ROW, "VNB3K12345")
    )

    said = now[MODEL.oid].value
    assert isinstance(said, bytes)
    assert said.startswith(b"Northwind LP-2400 ")
    assert b"VNB3K12345" not in said
    assert now[SERIAL_ROW].value == now["1.3.6.1.2.1.1.5.0"].value


def test_a_long_url_is_replaced_to_its_end() -> None:
    now = after(f"at http://10.0.0.9/{'scan/' * 60}?token=Zt8Q0pK2")

    assert b"Zt8Q0pK2" not in now
    assert now.startswith(b"at http://10.")


def test_a_serial_between_other_octets_is_found_elsewhere() -> None:
    now = redacted(
        octets(SERIAL_ROW, b"\x01\x15VNB3K12345\x00"), octets(f"{MAKER}.1.0", "vnb3k12345")
    )

    fresh = now[SERIAL_ROW].value
    assert isinstance(fresh, bytes)
    assert fresh[:2] + fresh[-1:] == b"\x01\x15\x00"
    assert now[f"{MAKER}.1.0"].value == fresh[2:-1].lower()


def test_a_short_number_of_the_owners_leaves_counts_in_texts_alone() -> None:
    tags = (octets("1.3.6.1.2.1.47.1.1.1.1.15.1", "48213"), octets(SERIAL_ROW, "48213"))

    assert after("48213 INCHES", *tags) == b"48213 INCHES"
    assert redacted(*tags)[SERIAL_ROW].value != b"48213"


def test_a_make_that_is_the_name_too_stays_where_it_is_the_make() -> None:
    brother = octets("1.3.6.1.2.1.1.5.0", "Brother")

    assert after("MFG:Brother;MDL:HL-1;", brother) == b"MFG:Brother;MDL:HL-1;"
    assert after("Brother NC-8300h", brother) == b"Brother NC-8300h"


def test_a_name_is_replaced_elsewhere_as_well_but_not_where_it_is_a_word_of_the_trade() -> None:
    said = octets(f"{MAKER}.1.0", "Hello ACME-PRN-7.")
    assert b"PRN-" not in after("Hello ACME-PRN-7.", octets("1.3.6.1.2.1.1.5.0", "acme-prn-7"))
    assert after("Total Copies", octets("1.3.6.1.2.1.1.6.0", "Copies")) == b"Total Copies"
    assert after("LP 2400 MONO", octets("1.3.6.1.2.1.1.5.0", "lp-2400")) == b"LP 2400 MONO"
    assert said.value == b"Hello ACME-PRN-7."


def test_one_secret_has_one_stand_in_however_it_is_written() -> None:
    mac = bytes.fromhex("001ba912345f")
    now = redacted(
        Varbind("1.3.6.1.2.1.2.2.1.6.2", "OctetString", mac),
        octets("1.3.6.1.2.1.1.5.0", "BRN001BA912345F"),
        octets(f"{MAKER}.1.0", "MAC 00:1b:a9:12:34:5f"),
        octets(f"{MAKER}.2.0", b"\x01\x02" + mac + b"\x03"),
        octets(f"{MAKER}.3.{'.'.join(map(str, mac))}", "row"),
        octets(f"{MAKER}.4.0", "NPI12345F"),
    )
    fresh = now["1.3.6.1.2.1.2.2.1.6.2"].value
    assert isinstance(fresh, bytes)

    assert fresh[:3] == mac[:3]
    assert fresh != mac
    assert now[f"{MAKER}.1.0"].value == f"MAC {fresh.hex(':')}".encode()
    assert now[f"{MAKER}.2.0"].value == b"\x01\x02" + fresh + b"\x03"
    assert f"{MAKER}.3.{'.'.join(map(str, fresh))}" in now
    assert now[f"{MAKER}.4.0"].value == b"NPI" + fresh.hex().upper()[6:].encode()
    name = now["1.3.6.1.2.1.1.5.0"].value
    assert isinstance(name, bytes)
    assert name.endswith(fresh.hex().upper().encode())


def test_an_address_is_replaced_in_rows_and_indexes_but_not_in_the_oid_of_a_meter() -> None:
    meter = "1.3.6.1.4.1.1347.43.10.1.1.12.1.1"
    now = redacted(
        Varbind(f"{MAKER}.1.0", "IpAddress", "10.1.1.12"),
        octets(f"{MAKER}.2.0", bytes([10, 1, 1, 12])),
        integer(f"{MAKER}.3.1.10.1.1.12", 1),
        counter(meter, 48213),
        counter("1.3.6.1.2.1.43.10.2.1.4.1.1", 48213),
        said=[("IP address", "10.2.1.4")],
    )
    fresh = now[f"{MAKER}.1.0"].value
    assert isinstance(fresh, str)

    assert fresh != "10.1.1.12"
    assert now[f"{MAKER}.2.0"].value == bytes(map(int, fresh.split(".")))
    assert f"{MAKER}.3.1.{fresh}" in now
    assert now[meter].value == 48213
    assert now["1.3.6.1.2.1.43.10.2.1.4.1.1"].value == 48213


@pytest.mark.parametrize(
    ("address", "meter"),
    [
        ("10.1.1.12", f"{MAKER}.43.10.1.1.12.1.1"),  # of a maker without a profile
        ("1.1.1.1", "1.3.6.1.4.1.1347.42.3.1.1.1.1.1"),  # which Kyocera's profile reads
    ],
)
def test_a_meter_whose_oid_holds_an_address_by_chance_stays(address: str, meter: str) -> None:
    assert meter in redacted(counter(meter, 48213), said=[("IP address", address)])


def test_rows_come_in_the_order_of_their_oids_whatever_stands_in() -> None:
    macs = [bytes([2, 0, 0, 0, number, number]) for number in range(1, 9)]
    rows = [
        *(Varbind(f"1.3.6.1.2.1.2.2.1.6.{mac[5]}", "OctetString", mac) for mac in macs),
        *(integer(f"{MAKER}.1.{'.'.join(map(str, mac))}", mac[5]) for mac in macs),
    ]

    oids = [row.oid for row in redact(rows, PLACES, Random(7)).rows]

    assert oids == sorted(oids, key=order)


def test_no_stand_in_is_what_another_secret_was() -> None:
    secrets = {f"192.168.{third}.{fourth}" for third in range(1, 6) for fourth in range(1, 7)}
    rows = [
        Varbind(f"{MAKER}.{number}.0", "IpAddress", quad)
        for number, quad in enumerate(sorted(secrets), 1)
    ]

    made = {str(row.value) for row in redact(rows, PLACES, Random(7)).rows}

    assert len(made) == len(secrets)
    assert not made & secrets


def test_a_part_of_a_longer_word_or_version_is_no_secret() -> None:
    assert after("Spec-12", octets("1.3.6.1.2.1.1.5.0", "ec-1")) == b"Spec-12"
    known = Varbind(f"{MAKER}.2.0", "IpAddress", "10.0.0.4")
    assert after("Controller 10.0.0.4.1", known) == b"Controller 10.0.0.4.1"


def test_of_two_secrets_at_one_place_the_longer_is_replaced() -> None:
    names = (
        octets("1.3.6.1.2.1.1.5.0", "acme-prn-7"),
        octets("1.3.6.1.2.1.43.5.1.1.16.1", "acme-prn-7 in the sixth row"),
    )

    assert b"row" not in after("acme-prn-7 in the sixth row, ready", *names)


def test_a_community_that_everybody_knows_is_no_secret() -> None:
    row = "1.3.6.1.4.1.2699.1.2.1.2.1.1.7.1"

    assert redacted(octets(row, "public"))[row].value == b"public"
    assert redacted(octets(row, "head0ffice"))[row].value != b"head0ffice"


def test_a_serial_that_names_no_device_stays() -> None:
    assert redacted(octets(SERIAL_ROW, "XXXXXXXXXX"))[SERIAL_ROW].value == b"XXXXXXXXXX"
    assert redacted(octets(SERIAL_ROW, "Northwind LP-2400"), MODEL)[SERIAL_ROW].value == (
        b"Northwind LP-2400"
    )


def test_a_serial_in_numbers_is_replaced_where_a_row_holds_it_as_one() -> None:
    now = redacted(
        octets(SERIAL_ROW, "7340012"), integer(f"{MAKER}.1.0", 7340012), counter(f"{MAKER}.2.0", 7)
    )

    fresh = now[SERIAL_ROW].value
    assert isinstance(fresh, bytes)
    assert fresh != b"7340012"
    assert now[f"{MAKER}.1.0"].value == int(fresh)
    assert now[f"{MAKER}.2.0"].value == 7


def test_tables_of_the_network_of_jobs_and_of_users_are_left_out() -> None:
    rows = [
        Varbind("1.3.6.1.2.1.4.20.1.1.10.0.0.7", "IpAddress", "10.0.0.7"),
        octets("1.3.6.1.4.1.2699.1.1.1.4.1.1.3.1.1", "payroll.xlsx"),
        octets("1.3.6.1.4.1.367.3.2.1.3.2.1.1.1.3.1", "payroll.xlsx"),
        octets("1.3.6.1.6.3.18.1.1.1.2.1", "acmeprivate"),
        counter("1.3.6.1.2.1.43.10.2.1.4.1.1", 1),
    ]

    assert list(redacted(*rows)) == ["1.3.6.1.2.1.43.10.2.1.4.1.1"]


def test_no_row_that_a_profile_reads_is_left_out() -> None:
    named = {
        oid
        for profile in PROFILES
        for oid in re.findall(r'"(1\.3\.6[0-9.]+)"', profile.model_dump_json(exclude={"computers"}))
    }

    assert [oid for oid in named if left_out(oid)] == []
    assert len(named) > 100


def test_stand_ins_are_others_in_each_recording() -> None:
    row = octets(SERIAL_ROW, "VNB3K12345")

    made = {redact([row], PLACES, Random(seed)).rows[0].value for seed in range(20)}

    assert len(made) == 20


def test_each_stand_in_is_told_with_its_kind_and_places() -> None:
    rows = [octets(SERIAL_ROW, "VNB3K12345"), octets(f"{MAKER}.1.0", "SN:VNB3K12345;")]

    [hidden] = redact(rows, PLACES, Random(7)).hidden

    assert (hidden.kind, hidden.secret) == ("serial number", "VNB3K12345")
    assert hidden.places == [SERIAL_ROW, f"{MAKER}.1.0"]


def test_a_recording_is_read_as_the_device_was() -> None:
    rows = by_oid(
        MODEL,
        Varbind("1.3.6.1.2.1.25.3.2.1.2.1", "ObjectIdentifier", "1.3.6.1.2.1.25.3.1.5"),
        octets(SERIAL_ROW, "VNB3K12345"),
        integer("1.3.6.1.2.1.43.10.2.1.3.1.1", 7),
        counter("1.3.6.1.2.1.43.10.2.1.4.1.1", 48213),
    )

    now = read_rows(redacted(*rows.values()))

    assert now.meters == {"total": 48213}
    assert now.device.model == "Northwind LP-2400"
    assert now.device.serial is not None
    assert re.fullmatch(r"[A-Z]{3}\d[A-Z]\d{5}", now.device.serial)
    assert now.device.serial != "VNB3K12345"
