"""The messages that the benches send: orders, reads of the 124-varbind workload, smaller reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from uuid import UUID, uuid4

from shared.messages import (
    Alert,
    DeviceFound,
    DeviceIdentity,
    DeviceStatus,
    MeterRead,
    SnmpTarget,
    SupplyLevel,
    order_id,
)

_COLORANTS = ("black", "cyan", "magenta", "yellow")
_SUPPLIES = 10
_METERS = ("total", "mono", "color", "print", "copy", "fax", "scan", "duplex", "sheets", "service")
_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def orders(count: int) -> list[DeviceFound]:
    round_id = uuid4()
    targets = [SnmpTarget(snmp=str(IPv4Address("10.0.0.1") + n)) for n in range(count)]
    return [
        DeviceFound(
            order=order_id(round_id, target),
            round=round_id,
            target=target,
            found_by="sweep",
            read_before=datetime.now(UTC) + timedelta(hours=1),
        )
        for target in targets
    ]


def reads(count: int) -> list[MeterRead]:
    """Of 20 scalars, 10 supplies of 8 columns and 3 alerts of 8: about 8 kB of JSON each."""
    return [_read(order) for order in orders(count)]


def _read(order: DeviceFound) -> MeterRead:
    scalars: dict[str, tuple[str, int | str | None]] = {
        f"1.3.6.1.4.1.1347.43.10.1.1.12.1.{n}": ("Counter32", 100_000 + n) for n in range(1, 21)
    }
    supplies: dict[str, tuple[str, int | str | None]] = {
        f"1.3.6.1.2.1.43.11.1.1.{column}.1.{row}": ("Integer32", 1000 * column + row)
        for column in (2, 3, 4, 5, 7, 8, 9)
        for row in range(1, _SUPPLIES + 1)
    }
    names: dict[str, tuple[str, int | str | None]] = {
        f"1.3.6.1.2.1.43.11.1.1.6.1.{row}": ("OctetString", b"Black Toner Cartridge".hex())
        for row in range(1, _SUPPLIES + 1)
    }
    alerts: dict[str, tuple[str, int | str | None]] = {
        f"1.3.6.1.2.1.43.18.1.1.{column}.1.{row}": ("Integer32", column + row)
        for column in range(2, 10)
        for row in (1, 2, 3)
    }
    return MeterRead(
        order=order.order,
        round=order.round,
        agent="agent-1",
        target=order.target,
        taken_at=_AT,
        device=DeviceIdentity(
            make="Kyocera",
            model="TASKalfa 4054ci",
            serial="DM4K000417",
            mac="02:00:5e:10:00:01",
            hostname="printer-01",
            address="10.0.0.7",
            sys_object_id="1.3.6.1.4.1.1347.41",
            description="KYOCERA Document Solutions Printing System",
        ),
        profile="kyocera@1",
        meters={name: 100_000 + n for n, name in enumerate(_METERS, 1)},
        sources={
            name: [f"1.3.6.1.4.1.1347.43.10.1.1.12.1.{n}"] for n, name in enumerate(_METERS, 1)
        },
        basis="life",
        varbinds=scalars | supplies | names | alerts,
        supplies=[
            SupplyLevel(
                index=f"1.{row}",
                description="Black Toner Cartridge",
                type="toner",
                colorant=_COLORANTS[row % 4],
                level_percent=26.0,
                level=6500,
                max_capacity=25000,
                unit="impressions",
            )
            for row in range(1, _SUPPLIES + 1)
        ],
        status=DeviceStatus(device="running", printer="idle", errors=["low toner"], uptime_s=86400),
        alerts=[
            Alert(
                index=f"1.{row}",
                severity="warning",
                group="marker supplies",
                code=1104,
                description="Toner low",
            )
            for row in (1, 2, 3)
        ],
        datagrams=4,
        bytes=5124,
    )


def office_reads(numbers: Sequence[int], round_id: UUID, taken_at: datetime) -> list[MeterRead]:
    """Of a colour machine with eight meters and six supplies each: about 3 kB of JSON.

    `numbers` tell the devices apart: address, serial number, MAC, host name, counts and levels.
    """
    return [_office_read(number, round_id, taken_at) for number in numbers]


_OFFICE_METERS = {
    "total": "1.3.6.1.2.1.43.10.2.1.4.1.1",
    "mono": "1.3.6.1.4.1.1347.42.3.1.2.1.1.1.1",
    "color": "1.3.6.1.4.1.1347.42.3.1.2.1.1.1.3",
    "print": "1.3.6.1.4.1.1347.42.3.1.1.1.1.1",
    "copy": "1.3.6.1.4.1.1347.42.3.1.1.1.1.2",
    "scan": "1.3.6.1.4.1.1347.46.10.1.1.5.3",
    "print_color": "1.3.6.1.4.1.1347.42.3.1.2.1.1.2.1",
    "copy_color": "1.3.6.1.4.1.1347.42.3.1.2.1.1.2.3",
}


def _office_read(number: int, round_id: UUID, taken_at: datetime) -> MeterRead:
    address = str(IPv4Address("10.0.0.1") + number)
    target = SnmpTarget(snmp=address)
    pages = 20_000 + 37 * number + taken_at.toordinal()
    meters = {name: pages + 1000 * row for row, name in enumerate(_OFFICE_METERS)}
    return MeterRead(
        order=order_id(round_id, target),
        round=round_id,
        agent="agent-1",
        target=target,
        taken_at=taken_at + timedelta(milliseconds=137 * number),
        device=DeviceIdentity(
            make="Kyocera",
            model="TASKalfa 4054ci",
            serial=f"DM4K{number:06}",
            mac=f"02:00:5e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
            hostname=f"printer-{number:06}",
            address=address,
            location="Main building, 2nd floor",
            firmware="2XC_S000.002.516",
            sys_object_id="1.3.6.1.4.1.1347.41",
            description="KYOCERA Document Solutions Printing System",
        ),
        profile="kyocera@3",
        meters=meters,
        sources={name: [oid] for name, oid in _OFFICE_METERS.items()},
        basis="life",
        large_counts=1,
        varbinds={oid: ("Counter32", meters[name]) for name, oid in _OFFICE_METERS.items()},
        supplies=[
            *(
                SupplyLevel(
                    index=f"1.{row}",
                    description=f"TK-8365{colorant[0].upper()}S",
                    type="toner",
                    colorant=colorant,
                    level_percent=float((number + 17 * row) % 101),
                    level=250 * ((number + 17 * row) % 101),
                    max_capacity=25_000,
                    unit="impressions",
                )
                for row, colorant in enumerate(_COLORANTS, start=1)
            ),
            SupplyLevel(index="1.5", description="Waste Toner Box", type="wasteToner", level=-3),
            SupplyLevel(index="1.6", description="Maintenance Kit", type="other", level=-3),
        ],
        status=DeviceStatus(
            device="running", printer="idle", uptime_s=86_400 + number, console=["Ready."]
        ),
        datagrams=4,
        bytes=3124,
    )
