"""Recordings: what a line means, and what is said about one that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.snmp.port import Varbind
from shared.snmprec import RecordingError, read_snmprec, snmprec_line


def test_each_tag_becomes_its_type(tmp_path: Path) -> None:
    file = tmp_path / "device.snmprec"
    file.write_bytes(
        b"# a device\n"
        b"\n"
        b"1.3.6.1.2.1.1.1.0|4|name | with a bar\r\n"
        b"1.3.6.1.2.1.1.2.0|6|.1.3.6.1.4.1.1347.41\n"
        b"1.3.6.1.2.1.1.3.0|67|4294967295\n"
        b"1.3.6.1.2.1.1.4.0|4x|00ff4b\n"
        b"1.3.6.1.2.1.4.20.1.1|64x|7f000001\n"
        b"1.3.6.1.2.1.4.20.1.2|64|10.0.0.7\n"
        b"1.3.6.1.2.1.43.10.2.1.4.1.1|65|48213\n"
        b"1.3.6.1.2.1.43.11.1.1.9.1.1|2|-3\n"
        b"1.3.6.1.4.1.1|70|18446744073709551615\n"
        b"1.3.6.1.4.1.2|5|\n"
    )

    assert read_snmprec(file) == {
        "1.3.6.1.2.1.1.1.0": ("OctetString", b"name | with a bar"),
        "1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.1347.41"),
        "1.3.6.1.2.1.1.3.0": ("TimeTicks", 4294967295),
        "1.3.6.1.2.1.1.4.0": ("OctetString", b"\x00\xffK"),
        "1.3.6.1.2.1.4.20.1.1": ("IpAddress", "127.0.0.1"),
        "1.3.6.1.2.1.4.20.1.2": ("IpAddress", "10.0.0.7"),
        "1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", 48213),
        "1.3.6.1.2.1.43.11.1.1.9.1.1": ("Integer32", -3),
        "1.3.6.1.4.1.1": ("Counter64", 2**64 - 1),
        "1.3.6.1.4.1.2": ("Null", None),
    }


@pytest.mark.parametrize(
    "line",
    [
        b"1.3.6.1.2.1.1.1.0",
        b"1.3.6.1.2.1.1.1.0|65:numeric|rate=1",
        b"1.3.6.1.2.1.1.1.0|7|x",
        b"1.3.6.1.2.1.1.1.0|2x|ff",
        b"1.3.6.1.2.1.1.1.0|4x|zz",
        b"1.3.6.1.2.1.1.1.0|65|-1",
        b"1.3.6.1.2.1.1.1.0|65|many",
        b"1.3.6.1.2.1.1.1.0|64|10.0.0",
        b"1.3.6.1.2.1.1.1.0|64x|00",
        b"1.3.6.1.2.1.1.1.0|6|sysDescr",
        b"1..3|2|1",
        b"1.3.6|4|\xff\xfe",
        b"1.3.5|2|1",  # the line before
    ],
)
def test_a_line_that_means_nothing_is_named_with_its_file(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "device.snmprec"
    file.write_bytes(b"1.3.5|2|7\n" + line + b"\n")

    with pytest.raises(RecordingError, match=r"device\.snmprec, line 2: "):
        read_snmprec(file)


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        ("OctetString", b"", "1.3.6|4|"),
        ("OctetString", b" two | bars ", "1.3.6|4| two | bars "),
        ("OctetString", "Büro 3".encode(), "1.3.6|4|Büro 3"),
        ("OctetString", b"two\nlines", "1.3.6|4x|74776f0a6c696e6573"),
        ("OctetString", b"\xfc", "1.3.6|4x|fc"),
        ("OctetString", "\u2028".encode(), "1.3.6|4x|e280a8"),
        ("Opaque", b"\x9fx\x04", "1.3.6|68x|9f7804"),
        ("ObjectIdentifier", "1.3.6.1.4.1.1347.41", "1.3.6|6|1.3.6.1.4.1.1347.41"),
        ("IpAddress", "10.0.0.7", "1.3.6|64|10.0.0.7"),
        ("Integer32", -3, "1.3.6|2|-3"),
        ("Counter64", 2**64 - 1, "1.3.6|70|18446744073709551615"),
        ("Null", None, "1.3.6|5|"),
    ],
)
def test_what_is_written_is_read_as_it_was(
    tmp_path: Path, kind: str, value: int | bytes | str | None, line: str
) -> None:
    assert snmprec_line(Varbind("1.3.6", kind, value)) == line

    (tmp_path / "device.snmprec").write_text(line + "\n", encoding="utf-8")
    assert read_snmprec(tmp_path / "device.snmprec") == {"1.3.6": (kind, value)}
