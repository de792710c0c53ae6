"""What corrections change of reports that were made: the reports themselves stay as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.reporter.period import Period, between
from services.reporter.volume import (
    LOOK_BACK,
    Sources,
    Volume,
    device_volume,
    held_volume,
    meter_order,
    source_changes,
)
from shared.store import corrections, reports
from shared.store.corrections import IssuedReport
from shared.store.postgres import Connection, Store
from shared.store.reports import KnownDevice, ReadOrigin, StoredRead

_LONGEST_S = 900
_DEVICES_AT_ONCE = 100


@dataclass(frozen=True)
class VolumeChange:
    """A meter of a device in a report: the pages that it says, and those that it would say of the
    same reads as they are corrected.

    None: no volume could be told; `was.notes` or `now.notes` say why.
    """

    report: IssuedReport
    period: Period
    origin: ReadOrigin
    meter: str
    was: Volume
    now: Volume

    @property
    def reported(self) -> int | None:
        return self.was.pages.get(self.meter)

    @property
    def corrected(self) -> int | None:
        return self.now.pages.get(self.meter)


async def volume_changes(store: Store, since: datetime) -> AsyncIterator[VolumeChange]:
    """Of the newest report of each customer and period, what corrections of reads taken since
    `since` have changed after it was made; by customer, period and device.

    Raises: StoreError.
    """
    async with store.transaction() as connection:
        found = await corrections.reports_to_look_at(connection, since)
    for report in found:
        async with store.transaction() as connection:
            await reports.one_snapshot(connection, _LONGEST_S)
            changes = await _of_report(connection, report)
        for change in changes:
            yield change


async def _of_report(connection: Connection, report: IssuedReport) -> list[VolumeChange]:
    customer, span = report.customer.id, (report.period_from, report.period_to)
    known = await reports.devices_of(connection, customer, *span)
    wanted = known.keys() & await corrections.corrected_devices(connection, report)
    found = reports.device_reads(connection, customer, wanted, *span, LOOK_BACK)
    changes: list[VolumeChange] = []
    some: dict[int, list[StoredRead]] = {}
    async for device, reads in found:
        some[device] = reads
        if len(some) == _DEVICES_AT_ONCE:
            changes += await _of_devices(connection, report, known, some)
            some = {}
    return changes + await _of_devices(connection, report, known, some)


async def _of_devices(
    connection: Connection,
    report: IssuedReport,
    known: Mapping[int, KnownDevice],
    reads: Mapping[int, list[StoredRead]],
) -> list[VolumeChange]:
    period = between(report.period_from, report.period_to, report.time_zone)
    then, old_sources = await corrections.as_they_were(
        connection, [read for each in reads.values() for read in each], report.made_at
    )
    # a read that came later is no correction: its pages are in another report, or in none yet
    as_today = {device: [r for r in each if r.id in then] for device, each in reads.items()}
    as_reported = {device: [then[r.id] for r in each] for device, each in as_today.items()}
    was = await _volumes(connection, as_reported, period, report.made_at, old_sources)
    now = await _volumes(connection, as_today, period, report.made_at, {})
    shown = {device: _shown(was[device], now[device]) for device in reads}
    origins = await reports.read_origins(connection, [read for read in shown.values() if read])
    changes = []
    for device, read in shown.items():
        if read is None:
            continue
        volumes, because = (was[device], now[device]), known[device].held_because
        if because is not None:
            volumes = (held_volume(volumes[0], because), held_volume(volumes[1], because))
        changes += [
            VolumeChange(report, period, origins[read.id], name, *volumes)
            for name in _differing(*volumes)
        ]
    return changes


async def _volumes(
    connection: Connection,
    reads: Mapping[int, Sequence[StoredRead]],
    period: Period,
    as_of: datetime,
    sources: Sources,
) -> dict[int, Volume]:
    changes = [read for each in reads.values() for read in source_changes(each)]
    known = {**(await reports.read_sources(connection, changes) if changes else {}), **sources}
    return {device: device_volume(each, period, as_of, known) for device, each in reads.items()}


def _shown(was: Volume, now: Volume) -> StoredRead | None:
    return now.closing or now.opening or was.closing or was.opening


def _differing(was: Volume, now: Volume) -> Iterator[str]:
    for name in sorted(was.pages.keys() | now.pages.keys(), key=meter_order):
        if was.pages.get(name) != now.pages.get(name):
            yield name
