from __future__ import annotations

import pytest

from services.ingest.check import check_lines
from services.ingest.envelope import Line
from shared.clock import utc_now
from shared.scope import Scope
from tests.unit.ingest.batches import meter_read

GOOD = meter_read().to_json()


def reason_for(body: bytes, kind: str | None = "meter.read.v1") -> str | None:
    [checked] = check_lines([Line(1, kind, body)], "hq", set())
    assert (checked.message is None) == (checked.reason is not None)
    return checked.reason


def test_a_good_message_is_taken() -> None:
    assert reason_for(GOOD) is None


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        (b"rfc3805@1", b"\\u0000", "holds a NUL character"),
        (b"rfc3805@1", b"\\ud800", "Invalid JSON"),
        (b"rfc3805@1", b"\xff", "Invalid JSON"),
        (b'"total":1001', b'"total":9223372036854775808', "less than or equal"),
        (b'"total":1001', b'"total":1e400', "valid integer"),
        (b'"total":1001', b'"total":-1', "greater than or equal to 0"),
        (b'"total":1001', b'"total":1001.0', "valid integer"),
        (b'"total":1001', b'"total":1,"total":1001', "same key twice"),
        (b'"agent":', b'"agend":1,"agent":', "agend: Extra inputs"),
        (b'"site":null', b'"site":"other"', "names site 'other'"),
        (b"2026-11-20T12:00:00Z", b"0001-01-01T00:00:00+14:00", "outside the years"),
        (b'"total":1001', b'"a\\u0007b":1001', "meters"),
    ],
)
def test_a_bad_message_is_rejected_with_its_reason(was: bytes, becomes: bytes, why: str) -> None:
    assert was in GOOD

    reason = reason_for(GOOD.replace(was, becomes))

    assert reason is not None
    assert why in reason
    assert reason.isprintable()
    assert len(reason) <= 300


@pytest.mark.parametrize("kind", [None, "", "nonsense", "device.found.v1", "meter.read.v2"])
def test_a_type_that_no_site_sends_is_rejected(kind: str | None) -> None:
    assert reason_for(GOOD, kind)


def test_a_scope_is_not_a_sites_to_send() -> None:
    scope = Scope(version=1, author="x", changed_at=utc_now())

    assert "not a message that a site sends" in str(reason_for(scope.to_json(), "scope.v1"))


def test_a_body_over_the_limit_is_rejected() -> None:
    assert "2000009 bytes" in str(reason_for(b'{"site":"' + b"a" * 1_999_998 + b'"}'))


def test_a_number_that_is_twice_in_a_batch_is_rejected_the_second_time() -> None:
    first, second = check_lines([Line(1, "meter.read.v1", GOOD)] * 2, "hq", set())

    assert first.message is not None
    assert second.reason == "number 1 is twice in this batch"
