"""A site's list of segments, as the hub keeps it when it has come."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

from shared.messages import NotReached, Preview, Segment, SegmentsListed
from tests.contract.hub_rows import Hub, at

LISTED_AT = "2026-10-31T08:00"
OFFICE, BRANCH, SERVERS = "10.20.0.0/24", "10.20.1.0/24", "10.99.0.0/24"


def segment(network: str, **fields: Any) -> Segment:
    return Segment(
        network=network, **{"learned_from": "gateway 10.20.0.1: inetCidrRouteTable", **fields}
    )


def office() -> list[Segment]:
    """Two segments that may be searched, and one that the site refuses."""
    preview = Preview(
        addresses=254, datagrams=508, bytes=51_816, seconds=7, credentials=["public", "branch"]
    )
    return [
        segment(OFFICE, interface="eth0", size=254, devices=12, preview=preview),
        segment(BRANCH, gateway="10.20.0.2", size=254, preview=Preview(
            addresses=0, datagrams=0, bytes=0, seconds=0
        )),
        segment(SERVERS, size=254, refused="this site's ceiling does not allow it"),
    ]  # fmt: skip


async def put_listed(
    hub: Hub,
    segments: list[Segment],
    *,
    scope_version: int | None = None,
    refused: dict[str, str] | None = None,
    notes: list[str] | None = None,
) -> None:
    message = SegmentsListed(
        round=uuid4(),
        agent="agent",
        listed_at=at(LISTED_AT),
        segments=segments,
        scope_version=scope_version,
        refused=[NotReached(target=one, reason=why) for one, why in (refused or {}).items()],
        notes=notes or [],
    )
    body = message.to_json()
    row = await hub.one(
        "select coalesce(max(ledger_no), 0) + 1 as next from message where site_id = %s",
        hub.site_id,
    )
    await hub.run(
        "insert into message (site_id, ledger_no, id, spool, n, type, round_id, taken_at,"
        " received_at, body, digest) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        *(hub.site_id, row["next"], message.id, uuid4(), row["next"], message.routing_key),
        *(message.round, at(LISTED_AT), at(LISTED_AT), body, hashlib.sha256(body).digest()),
    )
