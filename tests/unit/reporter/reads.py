"""Reads of a device, made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from shared.store.reports import ReadOrigin, StoredRead


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(taken_at: str, meters: Mapping[str, int] | None = None, **other: Any) -> StoredRead:
    meters = {} if meters is None else dict(meters)
    fields: dict[str, Any] = {
        "id": uuid5(NAMESPACE_OID, f"{taken_at} {meters} {other}"),
        "site_id": 1,
        "taken_at": at(taken_at),
        "billed_at": at(taken_at),
        "received_at": at(taken_at),
        "profile": "rfc3805@1",
        "basis": "life",
        "units": dict.fromkeys(meters, "impressions"),
        "meters": meters,
    }
    return StoredRead(**{**fields, **other})


def origin(**other: Any) -> ReadOrigin:
    fields: dict[str, Any] = {
        "site": "head-office",
        "agent": "agent",
        "target": "snmp:[10.0.0.7]:161",
        "make": "Brother",
        "model": "HL-L2350DW",
        "serial": "000123",
        "address": "10.0.0.7",
    }
    return ReadOrigin(**{**fields, **other})
