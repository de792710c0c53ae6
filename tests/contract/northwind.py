"""A maker whose profile took the wrong row for the total, and what was read of its devices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from services.ingest.accept import accept
from services.ingest.envelope import Batch, Line
from services.ingest.keys import Caller, add_key, caller_of, digest_of
from services.ingest.sites import Site
from services.poller.decode import decode
from services.poller.device import DeviceRead
from services.poller.mib import GENERAL_SERIAL, MARKER_LIFE_COUNT, SYS_DESCR, SYS_OBJECT_ID
from services.poller.profile import load_profiles
from services.poller.recognise import Profiles
from services.poller.rows import Rows
from shared.messages import MeterRead, SnmpTarget, order_id
from shared.snmp.port import Traffic, Varbind
from shared.store.postgres import Store

ENTERPRISE = "1.3.6.1.4.1.32473.7"
WITH_SERVICE = f"{ENTERPRISE}.2.1.0"  # all pages, also those of service
BILLED = f"{ENTERPRISE}.2.2.0"
COLOR = f"{ENTERPRISE}.2.3.0"
LIFE = f"{MARKER_LIFE_COUNT}.1.1"
_HEAD = f"""
profile: northwind
version: {{version}}
title: Northwind
extends: rfc3805
match:
  - {{{{ make: Northwind, sys_object_id: {ENTERPRISE}, source: NORTHWIND-MIB }}}}
basis: life
"""
_ROW = "  {name}: {{ oid: {oid}, source: NORTHWIND-MIB }}\n"


def write_profile(
    folder: Path, version: int, meters: Mapping[str, str], native: Mapping[str, str] | None = None
) -> Path:
    """northwind.yaml in `folder`: each meter by its one row, and native rows so."""
    text = _HEAD.format(version=version) + "meters:\n"
    text += "".join(_ROW.format(name=name, oid=oid) for name, oid in meters.items())
    if native:
        text += "native:\n" + "".join(_ROW.format(name=n, oid=o) for n, o in native.items())
    folder.mkdir(exist_ok=True)
    (folder / "northwind.yaml").write_text(text, encoding="utf-8")
    return folder


def wrong(folder: Path) -> Path:
    """The total with service pages in it; the billed row is kept, but not as a meter."""
    return write_profile(folder, 1, {"total": WITH_SERVICE}, {"billed": BILLED})


def right(folder: Path) -> Path:
    return write_profile(folder, 2, {"total": BILLED, "service": WITH_SERVICE})


def profiles_in(folder: Path | None) -> Profiles:
    return Profiles(load_profiles(*([folder] if folder else [])))


def read_of(
    profiles: Profiles, number: int, at: datetime, counters: Mapping[str, int]
) -> MeterRead:
    """What a poller with these profiles reads of the `number`th device, which has `counters` and
    a marker."""
    model = f"{ENTERPRISE}.1", "Northwind NW-20"
    choice = profiles.choose(*model)
    rows = Rows()
    rows.take(
        {
            SYS_OBJECT_ID: Varbind(SYS_OBJECT_ID, "ObjectIdentifier", model[0]),
            SYS_DESCR: Varbind(SYS_DESCR, "OctetString", model[1].encode()),
        }
    )
    rows.take_table(
        {
            MARKER_LIFE_COUNT: {"1.1": Varbind(LIFE, "Counter32", counters[LIFE])},
            GENERAL_SERIAL: {
                "1": Varbind(f"{GENERAL_SERIAL}.1", "OctetString", f"NW{number:05}".encode())
            },
        }
    )
    for way in choice.profile.counter_rows:
        rows.take({o: Varbind(o, "Counter32", counters[o]) for o in way.oids if o in counters})
    target = SnmpTarget(snmp=f"10.1.{number // 250}.{number % 250 + 1}")
    decoded = decode(rows, choice, profiles, target.snmp)
    round_id = uuid5(UUID(int=7), at.isoformat())
    read = DeviceRead(decoded, choice.profile.label, at, [])
    return read.message(order_id(round_id, target), round_id, "agent-1", target, Traffic())


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC)


async def stored(store: Store, site: Site, reads: Iterable[MeterRead]) -> None:
    """As ingest takes them in, 500 at once."""
    caller = await caller_of(store, digest_of(await add_key(store, site)))
    spool, lines, number = uuid4(), list[Line](), 0
    for number, read in enumerate(reads, 1):
        lines.append(Line(number, read.routing_key, read.to_json()))
        if len(lines) == 500:
            await _accepted(store, caller, spool, lines)
            lines = []
    await _accepted(store, caller, spool, lines)


async def _accepted(store: Store, caller: Caller, spool: UUID, lines: list[Line]) -> None:
    at = day("2026-11-01")
    batch = Batch(
        spool=spool, first_unsent=1, last=len(lines), sent_at=at, arrived_at=at, lines=lines
    )
    results = (await accept(store, caller, batch)).results
    assert {result.status for result in results} <= {"accepted"}, results


def digests(messages: Iterable[Mapping[str, bytes]]) -> str:
    """One digest over all bodies and digests of messages."""
    whole = hashlib.sha256()
    for message in messages:
        whole.update(message["body"] + message["digest"])
    return whole.hexdigest()
