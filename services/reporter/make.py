"""Making a report: read what the hub holds of a customer, and keep what was made of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from services.reporter import mail
from services.reporter.period import Period
from services.reporter.report import Report, Row, held_row, sorted_rows
from services.reporter.volume import (
    LOOK_BACK,
    Volume,
    device_volume,
    held_volume,
    late_volume,
    source_changes,
    taken_back_volume,
)
from services.reporter.workbook import workbook
from shared.store import deliveries, reports
from shared.store.entered import taken_back
from shared.store.postgres import Connection, Store
from shared.store.reports import Customer, ReadOrigin, StoredRead

_MAX_HELD = 1000
_LONGEST_S = 900  # of a query; a month of 10,000 devices takes minutes


async def make_report(
    store: Store,
    customer: Customer,
    period: Period,
    occasion: str,
    now: datetime,
    *,
    mail_from: str,
    mailed: bool = True,
) -> UUID:
    """The id of the report of this occasion: made now, or the one that was made before.

    Args:
        mailed: whether it goes to the customer's recipients; without, it is only kept.

    Raises: StoreError, WorkbookError.
    """
    async with store.transaction() as connection:
        made = await deliveries.report_of(connection, customer.id, occasion)
        mailboxes = await deliveries.recipients(connection, customer.id)
    if made is not None:
        return made
    report = await gather(store, customer, period, now)
    # drawn, so that two hubs never share a Message-ID; the row keeps it for this occasion
    report_id = uuid4()
    sheets = await asyncio.to_thread(workbook, report)
    async with store.transaction() as connection:
        return await deliveries.insert_report(
            connection,
            deliveries.MadeReport(
                id=report_id,
                customer_id=customer.id,
                occasion=occasion,
                period_from=period.start,
                period_to=period.end,
                time_zone=period.zone,
                made_at=now,
                message_id=mail.message_id(report_id, mail_from),
                file_name=mail.file_name(report),
                workbook=sheets,
                mail=mail.mail(report, sheets, report_id, mail_from, mailboxes),
            ),
            mailboxes if mailed else [],
        )


async def gather(store: Store, customer: Customer, period: Period, now: datetime) -> Report:
    """The report of a customer and a period, from one snapshot of the hub. Raises: StoreError."""
    async with store.transaction() as connection:
        await reports.one_snapshot(connection, _LONGEST_S)
        span = (period.start, period.end)
        devices = await _device_rows(connection, customer, period, now)
        held = await reports.held_reads(connection, customer.id, *span, limit=_MAX_HELD + 1)
        rounds = await reports.round_counts(connection, customer.id, *span)
    return Report(
        customer=customer.name,
        period=period,
        made_at=now.replace(microsecond=0),
        rows=sorted_rows([*devices, *map(held_row, held[:_MAX_HELD])]),
        rounds=rounds,
        held_cut=len(held) > _MAX_HELD,
    )


async def _device_rows(
    connection: Connection, customer: Customer, period: Period, now: datetime
) -> list[Row]:
    span = (period.start, period.end)
    devices = await reports.devices_of(connection, customer.id, *span)
    reported_at = await reports.reported_at(connection, customer.id, period.start)
    entries: dict[int, datetime] = {}
    if reported_at:
        entries = await taken_back(connection, customer.id, period.start, reported_at)
    volumes: list[Volume] = []
    newest: list[StoredRead | None] = []
    found = reports.device_reads(connection, customer.id, devices, *span, LOOK_BACK)
    async for device, reads in found:
        changes = source_changes(reads)
        sources = await reports.read_sources(connection, changes) if changes else {}
        volume = device_volume(reads, period, now, sources)
        volume = late_volume(volume, period, reported_at)
        volume = taken_back_volume(volume, period, entries.get(device))
        known = devices[device]
        if known.held_because is not None:
            volume = held_volume(volume, known.held_because)
        if not reads:
            volume = replace(volume, notes=(*volume.notes, f"device {known.key}"))
        volumes.append(volume)
        newest.append(volume.closing or volume.opening or (reads[-1] if reads else None))
    origins = await reports.read_origins(connection, [read for read in newest if read])
    unknown = ReadOrigin(site="", agent="", target="")
    return [
        Row(origins[read.id] if read else unknown, volume)
        for read, volume in zip(newest, volumes, strict=True)
    ]
