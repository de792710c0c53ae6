"""A message's typed rows: what the tables read, read_failed, round… hold of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from uuid import UUID

from msgspec import Struct

from services.ingest.clock import billed_at
from services.ingest.quick import QuickRead
from shared.messages import (
    MeterRead,
    NoCredential,
    ReadFailed,
    RoundFinished,
    SegmentsListed,
    SilentDevice,
    usual_unit,
)
from shared.store.corrections import Correction
from shared.store.insert import Rows
from shared.store.reports import sources_id

Row = tuple[object, ...]
Read = MeterRead | QuickRead
StoredMessage = Read | ReadFailed | RoundFinished | SegmentsListed


class Stored(Struct, frozen=True, gc=False):
    """A message and what the hub noted as it came."""

    id: UUID
    message: StoredMessage
    received_at: datetime
    offset_s: float  # to be added to the site's time
    at: datetime  # when what it tells of came about, by the hub's clock


def stored(id_: UUID, message: StoredMessage, received_at: datetime, offset_s: float) -> Stored:
    return Stored(id_, message, received_at, offset_s, billed_at(instant_of(message), offset_s))


COLUMNS = {
    "read": "site_id bigint, id uuid, order_id uuid, round_id uuid, taken_at timestamptz,"
    " received_at timestamptz, billed_at timestamptz, agent text, target text, profile text,"
    " make text, model text, serial text, mac text, hostname text, address text, asset_tag text,"
    " location text, firmware text, basis text, large_counts smallint, no_meters_because text,"
    " sources_id uuid, names text[], amounts bigint[], units text[]",
    "read_failed": "site_id bigint, id uuid, order_id uuid, round_id uuid, target text,"
    " failed_at timestamptz, received_at timestamptz, outcome text, reason text",
    "round_name": "site_id bigint, round_id uuid, part integer, kind text, position integer,"
    " target text, order_id uuid, note text, silent_rounds bigint",
    "round_event": "site_id bigint, round_id uuid, part integer, position integer,"
    " at timestamptz, kind text, target text, target_before text, serial text,"
    " serial_before text, mac text",
}


@dataclass
class TypedRows:
    by_table: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    rounds: dict[UUID, Row] = field(default_factory=dict)  # its parts say the same of it
    reads: list[Stored] = field(default_factory=list)

    def add(self, site_id: int, each: Stored) -> None:
        match each.message:
            case MeterRead() | QuickRead():
                self.reads.append(each)
                self.by_table["read"].append(_read(site_id, each, each.message))
            case ReadFailed():
                self.by_table["read_failed"].append(_failure(site_id, each, each.message))
            case RoundFinished():
                _add_round(self, site_id, each.message, each)

    def tables(self) -> list[Rows]:
        return [Rows(name, columns, self.by_table[name]) for name, columns in COLUMNS.items()]


def typed_rows(site_id: int, messages: Iterable[Stored]) -> TypedRows:
    rows = TypedRows()
    for each in messages:
        rows.add(site_id, each)
    return rows


_INSTANTS = {
    MeterRead: attrgetter("taken_at"),
    QuickRead: attrgetter("taken_at"),
    ReadFailed: attrgetter("failed_at"),
    RoundFinished: attrgetter("finished_at"),
    SegmentsListed: attrgetter("listed_at"),
}


def instant_of(message: StoredMessage) -> datetime:
    """When what the message tells of came about, by the agent's clock."""
    at: datetime = _INSTANTS[type(message)](message)
    return at


def order_of(message: StoredMessage) -> UUID | None:
    return message.order if isinstance(message, Read | ReadFailed) else None


def meter_columns(
    of: Read | Correction,
) -> tuple[tuple[str, ...] | None, list[int] | None, tuple[str, ...] | None]:
    """Names, amounts and units of its meters, by name; None three times where it has none."""
    meters = of.meters
    if not meters:
        return None, None, None
    names, units = _named(tuple(meters), tuple(of.units.items()))
    return names, [meters[name] for name in names], units


@lru_cache(maxsize=256)  # the same for all devices of a model
def _named(
    meters: tuple[str, ...], units: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = tuple(sorted(meters))
    told = dict(units)
    return names, tuple(told.get(name) or usual_unit(name) for name in names)


def _read(site_id: int, stored: Stored, read: Read) -> Row:
    device = read.device
    return (
        *(site_id, stored.id, read.order, read.round, read.taken_at, stored.received_at),
        *(stored.at, read.agent, read.target.key, read.profile),
        *(device.make, device.model, device.serial, device.mac, device.hostname),
        *(device.address, device.asset_tag, device.location, device.firmware),
        *(read.basis, read.large_counts, read.no_meters_because),
        read.sources_id if isinstance(read, QuickRead) else sources_id(read.sources),
        *meter_columns(read),
    )


def _failure(site_id: int, stored: Stored, failed: ReadFailed) -> Row:
    return (
        *(site_id, stored.id, failed.order, failed.round, failed.target.key),
        *(stored.at, stored.received_at, failed.outcome, failed.reason),
    )


def _add_round(rows: TypedRows, site_id: int, done: RoundFinished, stored: Stored) -> None:
    finished_at = stored.at
    # a clock that was set in between tells no more how long the round took
    started_at = min(billed_at(done.started_at, stored.offset_s), finished_at)
    rows.rounds.setdefault(
        done.round,
        (
            *(site_id, done.round, done.kind, done.agent, started_at, finished_at),
            *(done.interrupted, done.parts, done.asked, done.answered, done.not_printers),
            *(done.packets, done.bytes),
        ),
    )
    names: list[tuple[str, str, UUID | None, str | None, int | None]] = [
        *(("order", order.target.key, order.order, None, None) for order in done.orders),
        *(
            (
                *("silent", device.target.key, None),
                *(_silence(device), device.silent_rounds),
            )
            for device in done.silent
        ),
        *(("not_reached", missed.target, None, missed.reason, None) for missed in done.not_reached),
        *(
            ("no_credential", one.target.key, None, _and_tried(one), None)
            for one in done.no_credential
        ),
    ]
    rows.by_table["round_name"].extend(
        (site_id, done.round, done.part, kind, position, *named)
        for position, (kind, *named) in enumerate(names, start=1)
    )
    rows.by_table["round_event"].extend(
        (
            *(site_id, done.round, done.part, position, finished_at, event.kind),
            *(event.target.key, event.before.key if event.before else None),
            *(event.serial, event.serial_before, event.mac),
        )
        for position, event in enumerate(done.events, start=1)
    )


def _silence(device: SilentDevice) -> str:
    """With what tells it from a device that answers at its address now."""
    which = f"; serial number {device.serial}" if device.serial else ""
    return f"silent in {device.silent_rounds} rounds{which}"


def _and_tried(one: NoCredential) -> str:
    return f"{one.reason}; tried {', '.join(one.tried)}" if one.tried else one.reason
