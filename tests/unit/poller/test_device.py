"""Reads that break off, devices that change meanwhile, and tables that are answered wrongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from services.poller.decode import NotReadableError
from services.poller.mib import (
    ALERT_SEVERITY,
    GENERAL_SERIAL,
    MARKER_LIFE_COUNT,
)
from shared.snmp.port import ErrorStatusError, MalformedAnswerError, NoAnswerError, Varbind
from tests.unit.poller.reading import NOON, counter, octets, read_session
from tests.unit.walks import WalkSession, rows_of

MONO = rows_of(Path(__file__).parents[2] / "walks" / "mono-laser.snmprec")
KYOCERA = rows_of(Path(__file__).parents[2] / "walks" / "kyocera-colour-mfp.snmprec")


def changing(rows: Mapping[str, Varbind], fresh: Varbind, after: int) -> WalkSession:
    """A device in which one row changes once it has answered `after` questions."""

    class Changing(WalkSession):
        def _answer(self, asked: Sequence[str]) -> None:
            if len(self.asked) == after:
                self.rows[fresh.oid] = fresh
            super()._answer(asked)

    return Changing(rows)


class Refusing(WalkSession):
    """Answers a question that holds a column of `refused` with an error."""

    def __init__(
        self, rows: Mapping[str, Varbind], refused: str, error: Callable[[str], Exception]
    ) -> None:
        super().__init__(rows)
        self.refused, self.error = refused, error

    def _answer(self, asked: Sequence[str]) -> None:
        super()._answer(asked)
        if any(oid.startswith(self.refused) for oid in asked):
            raise self.error("10.0.0.7: genErr")


def test_a_device_that_never_answers_has_no_answer() -> None:
    with pytest.raises(NoAnswerError):
        read_session(WalkSession(MONO, silent_after=0))


def test_a_read_that_breaks_off_is_no_read_wherever_it_does() -> None:
    whole = WalkSession(MONO)
    read_session(whole)
    for after in range(1, len(whole.asked)):
        with pytest.raises(NotReadableError, match=r"broke off: .*no SNMP answer"):
            read_session(WalkSession(MONO, silent_after=after))


def test_a_read_that_breaks_off_says_what_came_before() -> None:
    with pytest.raises(NotReadableError, match=r"before that came: Northwind LP 2400.*NWL2400187"):
        read_session(WalkSession(MONO, silent_after=2))


def test_the_counters_are_of_the_instant_that_the_read_names() -> None:
    """The walk finds the rows, one question at the end has the counts."""
    fresh = counter(f"{MARKER_LIFE_COUNT}.1.1", 48214)

    read = read_session(changing(MONO, fresh, after=2))

    assert (read.meters["total"], read.taken_at) == (48214, NOON)
    assert read.varbinds[fresh.oid] == ("Counter32", 48214)


def test_a_device_that_is_swapped_in_the_middle_is_not_read() -> None:
    fresh = octets(f"{GENERAL_SERIAL}.1", "OTHER")

    with pytest.raises(NotReadableError):
        read_session(changing(MONO, fresh, after=2))


def test_a_page_printed_between_two_answers_is_asked_for_once_more() -> None:
    session = WalkSession(KYOCERA)
    wrong = "1.3.6.1.4.1.1347.42.3.1.2.1.1.1.1"
    session.rows[wrong] = Varbind(wrong, "Integer32", 1)

    class Settling(WalkSession):
        async def get(
            self, oids: Sequence[str], *, octets: int | None = None
        ) -> Mapping[str, Varbind]:
            answer = await super().get(oids)
            if wrong in oids:
                self.rows = dict(KYOCERA)
            return answer

    read = read_session(Settling(session.rows))

    assert read.meters["mono"] == 40451
    assert read.notes == []


@pytest.mark.parametrize("error", [ErrorStatusError, MalformedAnswerError])
def test_a_table_without_counters_that_is_answered_wrongly_is_noted(
    error: Callable[[str], Exception],
) -> None:
    read = read_session(Refusing(MONO, ALERT_SEVERITY, error))

    assert read.meters == {"total": 48213}
    assert read.device.mac == "02:00:00:24:00:01"  # of the table that was asked beside it
    assert read.notes == ["not read: 10.0.0.7: genErr"]


def test_a_row_that_is_answered_with_an_error_takes_no_other_along() -> None:
    read = read_session(Refusing(KYOCERA, "1.3.6.1.4.1.1347.46.10.1.1.5.3", ErrorStatusError))

    assert read.meters["total"] == 79952
    assert read.meters["scan"] == 129312  # by the rows that the profile names second
    assert read.notes == ["not read: 10.0.0.7: genErr"]


def test_a_device_whose_printer_rows_are_errors_is_not_called_no_printer() -> None:
    with pytest.raises(NotReadableError, match="whether it prints cannot be told"):
        read_session(Refusing({}, GENERAL_SERIAL, ErrorStatusError))


def test_a_marker_table_that_is_answered_wrongly_is_no_read() -> None:
    with pytest.raises(NotReadableError, match="genErr"):
        read_session(Refusing(MONO, MARKER_LIFE_COUNT, ErrorStatusError))


def test_a_count_that_get_does_not_give_stays_as_the_walk_gave_it() -> None:
    """Seen on devices in the field: GET fails where GETNEXT works."""

    class WalkOnly(WalkSession):
        async def get(
            self, oids: Sequence[str], *, octets: int | None = None
        ) -> Mapping[str, Varbind]:
            self._answer(oids)
            return {}

    assert read_session(WalkOnly(MONO)).meters == {"total": 48213}


def test_a_read_counts_its_datagrams() -> None:
    session = WalkSession(MONO)

    read = read_session(session)

    assert read.datagrams == 2 * len(session.asked)
