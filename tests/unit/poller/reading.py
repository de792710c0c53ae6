"""Reading a device that is a dict of rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from services.poller.device import read_device
from services.poller.profile import load_profiles
from services.poller.recognise import Profiles
from shared.messages import MeterRead, SnmpTarget, order_id
from shared.snmp.port import SnmpSession, Varbind
from tests.unit.walks import WalkSession

PROFILES = Profiles(load_profiles())
TARGET = SnmpTarget(snmp="10.0.0.7")
ROUND = UUID("6f1f9d1e-5f5e-4b3e-9d83-0b7b5f0a1c11")
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def read_rows(rows: Mapping[str, Varbind], profiles: Profiles = PROFILES) -> MeterRead:
    return read_session(WalkSession(rows), profiles)


def read_session(session: SnmpSession, profiles: Profiles = PROFILES) -> MeterRead:
    device = asyncio.run(read_device(session, profiles, TARGET.snmp, lambda: NOON))
    order = order_id(ROUND, TARGET)
    return device.message(order, ROUND, "agent-1", TARGET, session.traffic)


def octets(oid: str, text: str | bytes) -> Varbind:
    return Varbind(oid, "OctetString", text if isinstance(text, bytes) else text.encode())


def counter(oid: str, value: int) -> Varbind:
    return Varbind(oid, "Counter32", value)


def integer(oid: str, value: int) -> Varbind:
    return Varbind(oid, "Integer32", value)


def by_oid(*varbinds: Varbind) -> dict[str, Varbind]:
    return {varbind.oid: varbind for varbind in varbinds}
