"""What is a printing device and what is not, from the rows alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.discovery.identify import (
    FIRST_QUESTION,
    HR_DEVICE_DESCR,
    HR_DEVICE_PRINTER,
    HR_DEVICE_TYPE,
    HR_PRINTER_STATUS,
    PRINTER_MIB,
    PRT_MARKER_LIFE_COUNT,
    SYS_DESCR,
    SYS_OBJECT_ID,
    V1_QUESTION,
    Evidence,
    Verdict,
    ask_more,
    judge,
    load_makers,
    text_of,
)
from shared.snmp.port import Varbind
from tests.unit.walks import WalkSession

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
NET_SNMP = "1.3.6.1.4.1.8072.3.2.10"
UNAME = "Linux files 6.1.0-18-amd64 #1 SMP x86_64"
UNKNOWN = "1.3.6.1.4.1.59999.1"


async def verdict(rows: Mapping[str, int | str | bytes], *, v1: bool = False) -> Verdict:
    """As the sweep comes to it: the first answer, and more where that does not tell."""
    walk = WalkSession({oid: Varbind(oid, "", value) for oid, value in rows.items()})
    question = V1_QUESTION if v1 else FIRST_QUESTION
    evidence = Evidence().with_varbinds((await walk.get(question)).values())
    found = judge(evidence, load_makers())
    if found == "ask_more":
        found = judge(await ask_more(evidence, walk), load_makers())
    return found


def device_row(index: int) -> dict[str, int | str | bytes]:
    return {
        f"{HR_DEVICE_TYPE}.{index}": HR_DEVICE_PRINTER,
        f"{HR_DEVICE_DESCR}.{index}": b"Acme 9000",
    }


@pytest.mark.parametrize(
    "rows",
    [
        {SYS_OBJECT_ID: "1.3.6.1.4.1.1347.41"},
        {SYS_OBJECT_ID: "1.3.6.1.4.1.11.2.3.9.1"},
        {SYS_DESCR: b"SHARP MX-2614N"},
        {SYS_OBJECT_ID: UNKNOWN, **device_row(1), f"{HR_PRINTER_STATUS}.1": 3},
        {SYS_OBJECT_ID: UNKNOWN, **device_row(65535), f"{PRINTER_MIB}.11.1.1.9.65535.1": 3},
        {f"{PRT_MARKER_LIFE_COUNT}.1.1": 42},
        {
            SYS_OBJECT_ID: NET_SNMP,
            SYS_DESCR: b"Acme 9000 firmware 2.1",
            **device_row(1),
            f"{PRT_MARKER_LIFE_COUNT}.1.1": 42,
        },
        {SYS_OBJECT_ID: "1.3.6.1.4.1.1248.1.1.2.1", SYS_DESCR: b"EPSON Built-in", **device_row(1),
         f"{HR_PRINTER_STATUS}.1": 3},
    ],
)  # fmt: skip
@pytest.mark.parametrize("v1", [False, True])
async def test_a_printing_device_is_taken(rows: dict[str, int | str | bytes], v1: bool) -> None:
    assert await verdict(rows, v1=v1) == "printing"


@pytest.mark.parametrize(
    "rows",
    [
        {},
        {SYS_OBJECT_ID: UNKNOWN, SYS_DESCR: b"a thermostat"},
        {SYS_OBJECT_ID: UNKNOWN, **device_row(1)},
        {SYS_OBJECT_ID: "1.3.6.1.4.1.11.2.3.7.11.131", **device_row(1)},
        {SYS_OBJECT_ID: "1.3.6.1.4.1.1248.4.1", SYS_DESCR: b"EPSON Network Projector"},
        {SYS_OBJECT_ID: "1.3.6.1.4.1.674.10892.5"},
        {SYS_OBJECT_ID: "1.3.6.1.4.1.1248.1.1.2.1", SYS_DESCR: b"EPSON Built-in"},
        {
            SYS_OBJECT_ID: "1.3.6.1.4.1.311.1.1.3.1.2",
            SYS_DESCR: b"Hardware: Intel64 - Software: Windows Version 6.3",
            **device_row(1),
            f"{HR_PRINTER_STATUS}.1": 3,
            f"{PRT_MARKER_LIFE_COUNT}.1.1": 42,
        },
        {
            SYS_OBJECT_ID: NET_SNMP,
            SYS_DESCR: UNAME.encode(),
            **device_row(1),
            f"{PRT_MARKER_LIFE_COUNT}.1.1": 42,
        },
        {
            SYS_OBJECT_ID: NET_SNMP,
            SYS_DESCR: b"the file server",
            **device_row(327681),
            f"{HR_PRINTER_STATUS}.327681": 3,
        },
        {
            SYS_OBJECT_ID: UNKNOWN,
            SYS_DESCR: b"a storage box with a queue",
            **device_row(327681),
            f"{HR_PRINTER_STATUS}.327681": 3,
        },
        {
            SYS_OBJECT_ID: UNKNOWN,
            SYS_DESCR: UNAME.encode(),
            **device_row(327681),
            f"{HR_PRINTER_STATUS}.327681": 3,
        },
    ],
)
@pytest.mark.parametrize("v1", [False, True])
async def test_what_is_no_printing_device_is_left(
    rows: dict[str, int | str | bytes], v1: bool
) -> None:
    """A computer with print queues lists them as printers; no dealer bills those."""
    assert await verdict(rows, v1=v1) == "not_a_printer"


async def test_the_first_answer_is_enough_for_a_known_maker() -> None:
    evidence = Evidence().with_varbinds([Varbind(SYS_OBJECT_ID, "", "1.3.6.1.4.1.641.2.71")])

    assert judge(evidence, load_makers()) == "printing"


async def test_the_longest_prefix_decides_and_never_half_a_number() -> None:
    makers = load_makers()

    assert makers.kind("1.3.6.1.4.1.11.2.3.9.1") == "printer"
    assert makers.kind("1.3.6.1.4.1.11.2.3.7.5") == "other"
    assert makers.kind("1.3.6.1.4.1.11.2.3.90") == "mixed"
    assert makers.kind("1.3.6.1.4.1.6411") == "mixed"
    assert makers.kind(None) == "mixed"
    assert makers.kind("1.3.6.1.4.1.641") == "printer"


def test_a_description_is_one_printable_line() -> None:
    assert text_of(b"=A\x00\x1b[31m\r\nB\xff") == "=A [31m B\ufffd"
    assert text_of(b"x" * 500) == "x" * 200
    assert text_of(17) == ""


def recorded(stem: str) -> dict[str, int | str | bytes]:
    rows: dict[str, int | str | bytes] = {}
    for line in (RECORDINGS / f"{stem}.snmprec").read_bytes().splitlines():
        parts = line.decode("latin-1").split("|", 2)
        if len(parts) < 3:
            continue
        oid, tag, value = parts
        if tag.endswith("x"):
            rows[oid] = bytes.fromhex(value)
        elif tag == "4":
            rows[oid] = value.encode("latin-1")
        else:
            rows[oid] = value if tag in {"6", "64"} else int(value or 0)
    return rows


STEMS = sorted(path.stem for path in RECORDINGS.glob("*.snmprec"))
_TELLING = (SYS_OBJECT_ID, SYS_DESCR, HR_DEVICE_TYPE, PRINTER_MIB)


@pytest.mark.skipif(not STEMS, reason="the recordings of real devices are not beside this tree")
@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("stem", STEMS)
async def test_recorded_devices_are_told_apart(stem: str, v1: bool) -> None:
    rows = recorded(stem)
    is_printer = json.loads((RECORDINGS / f"{stem}.json").read_text())["is_printer"]
    if is_printer and not any(oid.startswith(_TELLING) for oid in rows):
        pytest.skip("the recording holds no row that would tell")

    assert (await verdict(rows, v1=v1) == "printing") == is_printer
