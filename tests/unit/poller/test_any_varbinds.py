"""Whatever a device answers is a valid read or a plain reason why not, and never another error."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from services.poller import mib
from services.poller.decode import NotReadableError
from services.poller.supplies import level_percent, state
from services.poller.text import decode_text, serial_or_none
from shared.decode import decode
from shared.message import MAX_MESSAGE_BYTES
from shared.snmp.port import Varbind
from tests.unit.poller.reading import PROFILES, read_rows

_COLUMNS = [
    *mib.PRINTER_MIB_COLUMNS,
    *mib.HR_COLUMNS,
    *mib.HR_PRINTER_COLUMNS,
    *mib.ALERT_COLUMNS,
    mib.IF_TYPE,
    mib.IF_PHYS_ADDRESS,
]
_OIDS = [
    *mib.SYSTEM,
    *PROFILES.tell_tale_rows,
    *(oid for p in PROFILES.by_name.values() for way in p.counter_rows for oid in way.oids),
    *(row.oid for p in PROFILES.by_name.values() for ways in p.identity.values() for row in ways
      if row.oid),
]  # fmt: skip
_arc = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
_dotted = st.lists(_arc, min_size=1, max_size=20).map(lambda arcs: ".".join(map(str, arcs)))
_instance = st.one_of(st.sampled_from(["1", "1.1", "1.2", "5", "5.1", "327680"]), _dotted)
_oid = st.one_of(
    st.sampled_from(_OIDS), st.builds("{}.{}".format, st.sampled_from(_COLUMNS), _instance)
)
_number = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]),
)
_octets = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from([b"\x00" * 300, b"=1+1", b"x" * 5000, "é".encode("latin-1"), b"unknown"]),
)
_value = st.one_of(
    st.tuples(st.sampled_from(["Integer32", "Counter32", "Gauge32", "TimeTicks", "Counter64"]),
              _number),
    st.tuples(st.sampled_from(["OctetString", "Opaque"]), _octets),
    st.tuples(st.just("ObjectIdentifier"),
              st.one_of(st.sampled_from(["0.0", mib.PRINTER_TYPE, "1.3.6.1.4.1.1347.41"]),
                        _dotted)),
    st.tuples(st.just("IpAddress"), st.just("10.0.0.7")),
    st.tuples(st.just("Null"), st.none()),
)  # fmt: skip
_rows = st.dictionaries(_oid, _value, max_size=60).map(
    lambda said: {oid: Varbind(oid, kind, value) for oid, (kind, value) in said.items()}
)


@settings(max_examples=150, deadline=None)
@given(_rows)
def test_any_varbinds_are_a_valid_message_or_not_readable(rows: Mapping[str, Varbind]) -> None:
    try:
        read = read_rows(rows)
    except NotReadableError as error:
        assert str(error)
        return

    assert decode("meter.read.v1", read.to_json()) == read
    assert len(read.to_json()) < MAX_MESSAGE_BYTES
    for name, count in read.meters.items():
        values = [rows[oid].value for oid in read.sources[name]]
        assert sum(value for value in values if isinstance(value, int)) == count


@given(st.one_of(st.none(), _number), st.one_of(st.none(), _number), st.booleans())
def test_any_level_is_a_share_or_has_none(
    level: int | None, capacity: int | None, receptacle: bool
) -> None:
    percent = level_percent(level, capacity)

    assert percent is None or 0 <= percent <= 100
    if level is not None and percent is None:
        assert state(level, capacity, receptacle=receptacle)


@given(_octets, st.one_of(st.none(), st.sampled_from(sorted(mib.CHARSETS)), _number))
def test_any_octets_are_clean_text_or_none(octets: bytes, charset: int | None) -> None:
    text = decode_text(octets, charset)

    assert text is None or text == text.strip()
    assert text is None or 0 < len(text) <= 255
    assert text is None or not any(letter in text for letter in "\x00\r\n\x1b\x7f\ud800")
    assert serial_or_none(text, None, None) in (text, None)


def test_the_largest_answer_that_tables_give_is_a_message() -> None:
    wide = "鼠" * 255
    rows = {}
    for column in (*mib.SUPPLY_COLUMNS, mib.COLORANT_VALUE, *mib.ALERT_COLUMNS):
        for at in range(1, 201):
            oid = f"{column}.1.{at}"
            number = Varbind(oid, "Integer32", 2**31 - 1)
            text = Varbind(oid, "OctetString", wide.encode())
            rows[oid] = text if column in _TEXTS else number

    read = read_rows(rows)

    assert (len(read.supplies), len(read.alerts)) == (200, 200)
    assert decode("meter.read.v1", read.to_json()) == read


_TEXTS = (mib.SUPPLY_DESCRIPTION, mib.COLORANT_VALUE, mib.ALERT_DESCRIPTION)
