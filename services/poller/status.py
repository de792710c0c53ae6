"""Status and alerts of the printing device, in words; pure. RFC 2790 and RFC 3805."""

from __future__ import annotations

from itertools import chain

from services.poller.mib import (
    ALERT_COLUMNS,
    ALERT_DESCRIPTION,
    ALERT_GROUPS,
    ALERT_SEVERITIES,
    DEVICE_STATUS,
    ERROR_BITS,
    HR_DEVICE_STATUS,
    HR_PRINTER_ERRORS,
    HR_PRINTER_STATUS,
    PRINTER_STATUS,
    SYS_UP_TIME,
)
from services.poller.rows import Rows, integers
from shared.messages import Alert, DeviceStatus

MAX_ALERTS = 200


def device_status(rows: Rows, index: str | None) -> DeviceStatus:
    """`index` is the printing device's in hrDeviceTable."""
    at = index or ""
    return DeviceStatus(
        device=_word(DEVICE_STATUS, rows.integer(HR_DEVICE_STATUS, at)),
        printer=_word(PRINTER_STATUS, rows.integer(HR_PRINTER_STATUS, at)),
        errors=_errors(rows, at),
        uptime_s=_uptime_s(rows),
    )


def alerts(rows: Rows) -> list[Alert]:
    instances = dict.fromkeys(chain.from_iterable(map(rows.column, ALERT_COLUMNS)))
    severities, groups, codes, _ = (integers(rows.column(column)) for column in ALERT_COLUMNS)
    descriptions = rows.texts(ALERT_DESCRIPTION)
    return [
        Alert(
            index=instance,
            severity=_word(ALERT_SEVERITIES, severities.get(instance)),
            group=_word(ALERT_GROUPS, groups.get(instance)),
            code=codes.get(instance),
            description=descriptions.get(instance),
        )
        for instance in list(instances)[:MAX_ALERTS]
    ]


def _errors(rows: Rows, index: str) -> list[str]:
    """hrPrinterDetectedErrorState: none, one or two octets, the first bit the highest."""
    varbind = rows.cell(HR_PRINTER_ERRORS, index)
    octets = varbind.value if varbind and isinstance(varbind.value, bytes) else b""
    return [
        word
        for bit, word in enumerate(ERROR_BITS)
        if bit // 8 < len(octets) and octets[bit // 8] & (0x80 >> bit % 8)
    ]


def _uptime_s(rows: Rows) -> int | None:
    varbind = rows.one(SYS_UP_TIME)
    if varbind is None or varbind.type != "TimeTicks" or not isinstance(varbind.value, int):
        return None
    return varbind.value // 100 if 0 <= varbind.value < 2**32 else None


def _word(words: dict[int, str], code: int | None) -> str | None:
    return None if code is None else words.get(code, f"code {code}")
