"""pysnmp's codec as the oracle of ours: on generated messages, and on every recorded row."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.snmp.port import Varbind
from shared.snmp.wire import SnmpMessage, decode, encode, request_id_of
from shared.snmprec import read_snmprec
from tests.unit.snmp.messages import messages
from tests.unit.snmp.mutation import response
from tests.unit.snmp.pysnmp_codec import decode_with_pysnmp, encode_with_pysnmp

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"
MESSAGES = 10_000
AT_ONCE = 10  # drawn together: a draw of its own for each takes twice the time


def agree_both_ways(message: SnmpMessage) -> None:
    ours = encode(message)
    theirs = encode_with_pysnmp(message)

    assert decode(ours) == message
    assert decode_with_pysnmp(ours) == message
    assert decode(theirs) == message
    assert request_id_of(ours) == request_id_of(theirs) == message.request_id


@settings(max_examples=MESSAGES // AT_ONCE, deadline=None, database=None)
@given(st.lists(messages, min_size=AT_ONCE, max_size=AT_ONCE))
def test_both_codecs_agree_both_ways_on_10_000_messages(drawn: list[SnmpMessage]) -> None:
    for message in drawn:
        agree_both_ways(message)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are kept outside the tree")
def test_both_codecs_agree_both_ways_on_every_recorded_row() -> None:
    recorded = [
        Varbind(oid, *typed)
        for file in sorted(RECORDINGS.glob("*.snmprec"))
        for oid, typed in read_snmprec(file).items()
    ]
    assert len(recorded) > 20_000
    rows = list(dict.fromkeys(recorded))
    for first in range(0, len(rows), 25):
        agree_both_ways(response(*rows[first : first + 25]))
