"""Asking one device: which questions, in which order, and what breaks a read off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.poller.decode import (
    NOTHING_PRINTS,
    Decoded,
    NotAPrinterError,
    NotReadableError,
    decode,
)
from services.poller.identity import choose_profile, identity_oids, printer_index, prints, text_of
from services.poller.kinds import Kind, Kinds
from services.poller.mib import (
    CONSOLE_TEXT,
    GENERAL_SERIAL,
    HR_DEVICE_DESCR,
    IF_PHYS_ADDRESS,
    MARKER_COLUMNS,
    SYS_DESCR,
    SYS_OBJECT_ID,
    SYS_UP_TIME,
    SYSTEM,
)
from services.poller.plan import Layout, Plan, next_plan, telling, ticks
from services.poller.profile_rows import Quirks
from services.poller.questions import (
    FIRST,
    MAX_ROWS,
    besides,
    counted,
    every_hr_device,
    of_profile,
    what_prints,
)
from services.poller.recognise import Choice, Profiles
from services.poller.rows import Places, Rows
from shared.messages import MeterRead, SnmpTarget
from shared.snmp.port import (
    AnotherDeviceError,
    CredentialRefusedError,
    ErrorStatusError,
    MalformedAnswerError,
    NoAnswerError,
    RowsChangedError,
    SnmpError,
    SnmpSession,
    Traffic,
    Varbind,
    Walk,
)
from shared.snmp.wire import V1

_LINES = 4  # of the panel
MAX_LAST = 300  # instances in the last question; what was walked stands where it is too many


class DeviceRead(NamedTuple):
    """What was read of one device, before it is an order's answer."""

    decoded: Decoded
    profile: str
    taken_at: datetime  # when the counters came
    notes: list[str]
    plan: Plan | None = None  # for the next read

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
            native=self.decoded.native,
            units=meters.units,
            varbinds=self.decoded.varbinds,
            attributes={},
            supplies=self.decoded.supplies,
            status=self.decoded.status,
            alerts=self.decoded.alerts,
            datagrams=traffic.packets_out + traffic.packets_in,
            bytes=traffic.bytes_out + traffic.bytes_in,
        )


async def read_device(
    session: SnmpSession,
    profiles: Profiles,
    address: str,
    now: Callable[[], datetime],
    plan: Plan | None = None,
    kinds: Kinds | None = None,
) -> DeviceRead:
    """One device, now: complete or not at all.

    The counters come together, in one question with the time since the agent's start and what
    tells the device, so that they are one instant's and one device's.

    Args:
        plan: of the last read. Where the device is another, was restarted or configured anew, or
            has other rows, and once a day, it is read in full.
        kinds: of the devices that were read before it.

    Raises: NoAnswerError where it never answered; CredentialRefusedError; NotAPrinterError;
        NotReadableError.
    """
    rows = Rows()
    try:
        if plan is not None and plan.lasts(now()):
            session.manners = plan.manners
            read = await _read_again(session, profiles, address, now, plan)
            if read is not None:
                return read
        return await _read_in_full(session, rows, profiles, address, now, plan, kinds or Kinds())
    except NoAnswerError as error:
        if session.traffic.packets_in == 0:
            raise
        raise NotReadableError(f"broke off: {error}{_what_came(rows)}") from error
    except CredentialRefusedError:
        raise
    except AnotherDeviceError as error:
        raise NotReadableError(f"broke off: {error}") from error
    except SnmpError as error:
        raise NotReadableError(f"broke off: {error}{_what_came(rows)}") from error


async def _read_again(
    session: SnmpSession,
    profiles: Profiles,
    address: str,
    now: Callable[[], datetime],
    plan: Plan,
) -> DeviceRead | None:
    """A read of the rows that the device had; None where it has others now, or is another.

    Raises: NoAnswerError.
    """
    rows = Rows()
    try:
        taken_at = await _get_planned(session, rows, plan.layout, now)
        rows.take_table(await session.walk(plan.layout.walks))
        await session.confirm()
        choice = choose_profile(rows, profiles)
        if choice.profile.label != plan.profile:
            return None
        decoded = decode(rows, choice, profiles, address, plan.layout.asked)
        if "total" not in decoded.meters.counts:  # all that was tried tells why
            decoded = decode(rows, choice, profiles, address)
    except (RowsChangedError, AnotherDeviceError, ErrorStatusError, MalformedAnswerError):
        return None
    except NotAPrinterError:
        return None
    if not decoded.meters.adds_up or not plan.is_of(rows, choice, decoded.device):
        return None
    plan.uptime, plan.manners = ticks(rows), session.manners
    return DeviceRead(decoded, choice.profile.label, taken_at, [], plan)


async def _get_planned(
    session: SnmpSession, rows: Rows, layout: Layout, now: Callable[[], datetime]
) -> datetime:
    """When the counters came, which is with the first answer.

    Raises: RowsChangedError, and what a session raises.
    """
    session.expect(())
    came = dict(await session.get(layout.gets[0], octets=layout.octets[0]))
    taken_at = now()
    rows.take_places(came, layout.places)
    session.expect(telling(rows))
    for asked, octets in zip(layout.gets[1:], layout.octets[1:], strict=True):
        more = await session.get(asked, octets=octets)
        came |= more
        rows.take_places(more, layout.places)
    if not came.keys() >= layout.needed:
        raise RowsChangedError("rows that it had are missing")
    return taken_at


async def _read_in_full(
    session: SnmpSession,
    rows: Rows,
    profiles: Profiles,
    address: str,
    now: Callable[[], datetime],
    before: Plan | None,
    kinds: Kinds,
) -> DeviceRead:
    notes: list[str] = []
    session.expect(())
    await _walk(session, rows, FIRST, notes, Kind())
    rows.single_out(SYSTEM)
    session.expect(telling(rows))
    choice = choose_profile(rows, profiles)
    _respect(choice.profile.quirks, session)
    kind = kinds.of(rows, choice, session.manners)
    kind.begin(session.manners)
    choice = await _tables(session, rows, choice, profiles, notes, kind)
    session.expect(telling(rows))
    await _ask_counters(session, rows, choice, notes)
    by_get = choose_profile(rows, profiles)
    if by_get.profile != choice.profile:  # some agents give GET what they do not give GETNEXT
        choice = by_get
        await _walk(session, rows, of_profile(rows, choice), notes, kind)
        await _ask_counters(session, rows, choice, notes)
    taken_at = now()
    decoded = decode(rows, choice, profiles, address)
    if not decoded.meters.adds_up:  # a page may have been printed between two answers
        await _ask_counters(session, rows, choice, notes)
        taken_at = now()
        decoded = decode(rows, choice, profiles, address)
    await session.confirm()
    kind.end(session.manners)
    plan = None
    if not notes:
        octets = session.traffic.bytes_in
        plan = next_plan(before, rows, choice, decoded.device, session.manners, taken_at, octets)
    return DeviceRead(decoded, choice.profile.label, taken_at, notes, plan)


def _respect(quirks: Quirks | None, session: SnmpSession) -> None:
    if quirks is None:
        return
    if quirks.max_varbinds is not None:
        session.manners.take_fewer(min(quirks.max_varbinds, session.manners.max_varbinds))
    if not quirks.getbulk:
        session.manners.takes_bulk = False


async def _tables(
    session: SnmpSession,
    rows: Rows,
    choice: Choice,
    profiles: Profiles,
    notes: list[str],
    kind: Kind,
) -> Choice:
    """All that is walked; the profile that the device then turns out to have.

    Raises: NotAPrinterError, NotReadableError, and what a session raises.
    """
    tell_tales = [] if choice.recognised else profiles.tell_tale_rows
    did_print = prints(rows, choice)
    walks = what_prints(rows, tell_tales)
    if did_print:
        walks += [*besides(rows), *of_profile(rows, choice)]
    await _walk(session, rows, walks, notes, kind)
    if tell_tales:
        rows.single_out(tell_tales)
        choice = choose_profile(rows, profiles)
    if not prints(rows, choice) and tell_tales:
        rows.take(await _get(session, [*SYSTEM, *tell_tales], notes))
        choice = choose_profile(rows, profiles)
    await _walk(session, rows, every_hr_device(rows), notes, kind)
    if not prints(rows, choice):
        if notes:
            raise NotReadableError(f"whether it prints cannot be told: {'; '.join(notes)}")
        raise NotAPrinterError(NOTHING_PRINTS)
    walks = [] if did_print else besides(rows)
    await _walk(session, rows, [*walks, *of_profile(rows, choice)], notes, kind)
    return choice


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
    session: SnmpSession, rows: Rows, walks: Sequence[Walk], notes: list[str], kind: Kind
) -> None:
    """Tables side by side; where the device answers one of them wrongly, each alone.

    One that holds no counter may then be missing from the read, and is noted.
    """
    if not walks:
        return
    try:
        found = await session.walk(kind.known(walks))
    except (ErrorStatusError, MalformedAnswerError):
        found = {}
        for walk in walks:
            try:
                for column, cells in (await session.walk([walk])).items():
                    found[column] = {**found.get(column, {}), **cells}
            except (ErrorStatusError, MalformedAnswerError) as error:
                if set(walk.columns) & set(MARKER_COLUMNS):
                    raise
                notes.append(f"not read: {error}"[:1000])
    kind.learn(walks, found)
    endless = {column for column, cells in found.items() if len(cells) > MAX_ROWS}
    for walk in walks if endless else ():
        if endless.intersection(walk.columns):
            fault = f"{walk.columns[0]} has more than {MAX_ROWS} rows, as if without end"
            if set(walk.columns) & set(MARKER_COLUMNS):
                raise NotReadableError(fault)
            notes.append(f"not read: {fault}")
            found = {column: found[column] for column in found.keys() - set(walk.columns)}
    rows.take_table(found)


async def _ask_counters(session: SnmpSession, rows: Rows, choice: Choice, notes: list[str]) -> None:
    """Raises: NotReadableError, where it is no longer the device that was asked at first."""
    columns, single = counted(choice)
    walked = list(_cells(rows, columns))
    told = telling(rows)
    asked = [SYS_UP_TIME, SYS_OBJECT_ID, *(varbind.oid for varbind in told)]
    asked += [*(oid for oid, _, _ in walked), *single, *identity_oids(rows, choice)]
    panel = [] if session.manners.version == V1 else _panel(printer_index(rows))
    asked += [oid for oid, _, _ in panel]
    came = await _get(session, list(dict.fromkeys(asked))[:MAX_LAST], notes)
    _same_device([rows.one(SYS_OBJECT_ID), *told], came)
    rows.take_places(came, Places.of([*walked, *panel, *_cells(rows, [IF_PHYS_ADDRESS])]))


def _panel(index: str | None) -> list[tuple[str, str, str]]:
    """The first lines of prtConsoleDisplayBufferTable; a v1 agent would refuse one too many."""
    places = [f"{index}.{line}" for line in range(1, 1 + _LINES)] if index else []
    return [(f"{CONSOLE_TEXT}.{at}", CONSOLE_TEXT, at) for at in places]


def _cells(rows: Rows, columns: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """OID, column and instance."""
    for column in columns:
        for at, cell in rows.column(column).items():
            yield cell.oid, column, at


def _same_device(told: Iterable[Varbind | None], came: Mapping[str, Varbind]) -> None:
    """Raises: NotReadableError, where what came last is another's than what came first."""
    for first in told:
        last = came.get(first.oid) if first else None
        if first and last and last.value != first.value:
            raise NotReadableError("another device answered before the read was finished")


def _what_came(rows: Rows) -> str:
    said = [
        text_of(rows, SYS_DESCR),
        *(rows.as_text(cell) for cell in rows.column(HR_DEVICE_DESCR).values()),
        *(rows.as_text(cell) for cell in rows.column(GENERAL_SERIAL).values()),
    ]
    words = ", ".join(dict.fromkeys(text[:100] for text in said if text))
    return f"; before that came: {words}"[:500] if words else ""
