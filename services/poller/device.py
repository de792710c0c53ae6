"""Asking one device: which questions, in which order, and what breaks a read off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.poller.decode import (
    NOTHING_PRINTS,
    Decoded,
    NotAPrinterError,
    NotReadableError,
    decode,
    read_meters,
)
from services.poller.identity import choose_profile, identity_oids, prints, text_of
from services.poller.mib import (
    ALERT_COLUMNS,
    COLORANT_VALUE,
    GENERAL_COLUMNS,
    GENERAL_SERIAL,
    HR_COLUMNS,
    HR_DEVICE_DESCR,
    HR_PRINTER_COLUMNS,
    IF_PHYS_ADDRESS,
    IF_TYPE,
    LOCALIZATION_CHARSET,
    MARKER_COLUMNS,
    SUPPLY_COLUMNS,
    SYS_DESCR,
    SYS_OBJECT_ID,
    SYS_UP_TIME,
    SYSTEM,
)
from services.poller.recognise import Choice, Profiles
from services.poller.rows import Rows
from shared.messages import MeterRead, SnmpTarget
from shared.snmp.port import (
    ErrorStatusError,
    MalformedAnswerError,
    NoAnswerError,
    SnmpError,
    SnmpSession,
    Traffic,
    Varbind,
)

MAX_ROWS = 200  # of a standard table
MAX_LAST = 300  # instances in the last question; what was walked stands where it is too many
_WHICH_PRINTS = (GENERAL_COLUMNS, MARKER_COLUMNS, HR_COLUMNS, HR_PRINTER_COLUMNS)
_SUPPLIES = (SUPPLY_COLUMNS, (COLORANT_VALUE,), (LOCALIZATION_CHARSET,))
_BESIDES = (ALERT_COLUMNS, (IF_TYPE, IF_PHYS_ADDRESS))


@dataclass(frozen=True)
class DeviceRead:
    """What was read of one device, before it is an order's answer."""

    decoded: Decoded
    profile: str
    taken_at: datetime  # when the counters came
    notes: list[str]

    def message(
        self, order: UUID, round_id: UUID, agent: str, target: SnmpTarget, traffic: Traffic
    ) -> MeterRead:
        meters = self.decoded.meters
        return MeterRead(
            order=order,
            round=round_id,
            agent=agent,
            target=target,
            taken_at=self.taken_at,
            device=self.decoded.device,
            profile=self.profile,
            meters=meters.counts,
            no_meters_because=self.decoded.no_meters_because,
            notes=[*meters.notes, *self.notes][:50],
            sources=meters.sources,
            basis=self.decoded.basis,
            large_counts=self.decoded.large_counts,
            units=meters.units,
            varbinds=self.decoded.varbinds,
            supplies=self.decoded.supplies,
            status=self.decoded.status,
            alerts=self.decoded.alerts,
            datagrams=traffic.packets_out + traffic.packets_in,
            bytes=traffic.bytes_out + traffic.bytes_in,
        )


async def read_device(
    session: SnmpSession, profiles: Profiles, address: str, now: Callable[[], datetime]
) -> DeviceRead:
    """One device, now: complete or not at all.

    The counters come last and together, in one question with the time since the agent's start and
    the serial number, so that they are one instant's and one device's.

    Raises: NoAnswerError where it never answered; NotAPrinterError; NotReadableError.
    """
    rows = Rows()
    try:
        return await _read(session, rows, profiles, address, now)
    except NoAnswerError as error:
        if session.traffic.packets_in == 0:
            raise
        raise NotReadableError(f"broke off: {error}{_what_came(rows)}") from error
    except SnmpError as error:
        raise NotReadableError(f"broke off: {error}{_what_came(rows)}") from error


async def _read(
    session: SnmpSession,
    rows: Rows,
    profiles: Profiles,
    address: str,
    now: Callable[[], datetime],
) -> DeviceRead:
    notes: list[str] = []
    rows.take(await _get(session, SYSTEM, notes))
    choice = choose_profile(rows, profiles)
    if not choice.recognised:
        rows.take(await _get(session, profiles.tell_tale_rows, notes))
        choice = choose_profile(rows, profiles)
    await _walk(session, rows, _WHICH_PRINTS, notes, needed=MARKER_COLUMNS)
    await _walk(session, rows, _SUPPLIES, notes)
    if not prints(rows, choice):
        if notes:
            raise NotReadableError(f"whether it prints cannot be told: {'; '.join(notes)}")
        raise NotAPrinterError(NOTHING_PRINTS)
    await _walk(session, rows, _BESIDES, notes)
    columns = [way.columns for way in choice.profile.meter_rows if way.columns]
    fresh = tuple(c for table in columns for c in table if c not in rows.columns)
    if fresh:
        rows.take_table(await session.table(fresh))
    await _ask_counters(session, rows, choice, notes)
    if not read_meters(rows, choice.profile).adds_up:
        # a page may have been printed between two answers
        await _ask_counters(session, rows, choice, notes)
    taken_at = now()
    decoded = decode(rows, choice, profiles, address)
    return DeviceRead(decoded, choice.profile.label, taken_at, notes)


async def _get(
    session: SnmpSession, oids: Sequence[str], notes: list[str]
) -> Mapping[str, Varbind]:
    """What exists of `oids`; one that the device answers with an error is noted, and absent."""
    try:
        return await session.get(oids)
    except ErrorStatusError:
        came: dict[str, Varbind] = {}
    for oid in oids:
        try:
            came.update(await session.get([oid]))
        except ErrorStatusError as error:
            notes.append(f"not read: {error}"[:1000])
    return came


async def _walk(
    session: SnmpSession,
    rows: Rows,
    tables: Sequence[Sequence[str]],
    notes: list[str],
    needed: Sequence[str] = (),
) -> None:
    """Tables side by side; where the device answers one of them wrongly, each alone.

    One that holds no counter may then be missing from the read, and is noted.
    """
    together = [column for table in tables for column in table]
    try:
        rows.take_table(await session.table(together, max_rows=MAX_ROWS))
        return
    except (ErrorStatusError, MalformedAnswerError):
        pass
    for table in tables:
        try:
            rows.take_table(await session.table(table, max_rows=MAX_ROWS))
        except (ErrorStatusError, MalformedAnswerError) as error:
            if set(table) & set(needed):
                raise
            notes.append(f"not read: {error}"[:1000])


async def _ask_counters(session: SnmpSession, rows: Rows, choice: Choice, notes: list[str]) -> None:
    """Raises: NotReadableError, where it is no longer the device that was asked at first."""
    walked = {
        cell.oid: (column, at)
        for column in [
            GENERAL_SERIAL,
            *(way.column for way in choice.profile.meter_rows if way.column),
        ]
        for at, cell in rows.column(column).items()
    }
    single = [oid for way in choice.profile.meter_rows for oid in way.oids]
    asked = [SYS_UP_TIME, SYS_OBJECT_ID, *single, *identity_oids(rows, choice), *walked]
    came = await _get(session, list(dict.fromkeys(asked))[:MAX_LAST], notes)
    _same_device(rows, came, walked)
    for oid, varbind in came.items():
        if oid in walked:
            column, at = walked[oid]
            rows.columns[column][at] = varbind
        else:
            rows.scalars[oid] = varbind


def _same_device(
    rows: Rows, came: Mapping[str, Varbind], walked: Mapping[str, tuple[str, str]]
) -> None:
    before, after = rows.one(SYS_UP_TIME), came.get(SYS_UP_TIME)
    ticks = [varbind.value if varbind else None for varbind in (before, after)]
    if isinstance(ticks[0], int) and isinstance(ticks[1], int) and ticks[1] < ticks[0]:
        raise NotReadableError("it was restarted or replaced while it was read")
    for oid, varbind in came.items():
        column, at = walked.get(oid, ("", ""))
        first = rows.cell(column, at) if column == GENERAL_SERIAL else None
        first = rows.one(oid) if oid == SYS_OBJECT_ID else first
        if first and first.value != varbind.value:
            raise NotReadableError("another device answered before the read was finished")


def _what_came(rows: Rows) -> str:
    said = [
        text_of(rows, SYS_DESCR),
        *(rows.as_text(cell) for cell in rows.column(HR_DEVICE_DESCR).values()),
        *(rows.as_text(cell) for cell in rows.column(GENERAL_SERIAL).values()),
    ]
    words = ", ".join(dict.fromkeys(text[:100] for text in said if text))
    return f"; before that came: {words}"[:500] if words else ""
