"""Messages of the uploader's tests, and the instant at which they happen."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

from shared.messages import DeviceIdentity, MeterRead, ReadFailed, SnmpTarget, order_id

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ROUND = uuid5(UUID(int=0), "the uploader's tests")


def meter_read(host: int = 1, total: int = 424405) -> MeterRead:
    """A read of 10.0.x.y; `host` counts through the addresses."""
    address = f"10.0.{host // 250}.{host % 250 + 1}"
    target = SnmpTarget(snmp=address)
    return MeterRead(
        order=order_id(ROUND, target),
        round=ROUND,
        agent="here",
        target=target,
        taken_at=NOW,
        device=DeviceIdentity(
            make="Kyocera",
            serial=f"VB{host:04}",
            address=address,
            hostname=f"printer-{host}",
            mac="00:17:c8:01:02:03",
            location="2nd floor, “Süd”",
        ),
        profile="rfc3805@1",
        meters={"total": total},
        varbinds={
            "1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", total),
            "1.3.6.1.2.1.43.5.1.1.17.1": ("OctetString", f"VB{host:04}".encode().hex()),
            "1.3.6.1.4.1.1347.99.1": ("OctetString", f"printer-{host}".encode().hex()),
            "1.3.6.1.4.1.1347.99.2": ("OctetString", "0017c8010203"),
        },
    )


def read_failed(host: int = 1) -> ReadFailed:
    target = SnmpTarget(snmp=f"10.0.0.{host}")
    return ReadFailed(
        order=order_id(ROUND, target),
        round=ROUND,
        agent="here",
        target=target,
        failed_at=NOW,
        outcome="no_answer",
        reason=f"10.0.0.{host}: no SNMP answer in 3 tries of 2.0 s",
        tried=[f"10.0.0.{host} with public"],
    )
