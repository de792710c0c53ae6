"""Status and alerts of the printing device, in words; pure. RFC 2790 and RFC 3805."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain

from services.poller.mib import (
    ALERT_COLUMNS,
    ALERT_GROUPS,
    ALERT_SEVERITIES,
    CONSOLE_TEXT,
    DEVICE_STATUS,
    ERROR_BITS,
    HR_DEVICE_STATUS,
    HR_PRINTER_ERRORS,
    HR_PRINTER_STATUS,
    PRINTER_STATUS,
    SYS_UP_TIME,
)
from services.poller.rows import Rows, as_text, integer
from shared.messages import Alert, DeviceStatus
from shared.snmp.port import Varbind

MAX_ALERTS = 200


def device_status(rows: Rows, index: str | None) -> DeviceStatus:
    """`index` is the printing device's in hrDeviceTable."""
    at = index or ""
    return DeviceStatus(
        device=_word(DEVICE_STATUS, rows.integer(HR_DEVICE_STATUS, at)),
        printer=_word(PRINTER_STATUS, rows.integer(HR_PRINTER_STATUS, at)),
        errors=_errors(rows, at),
        uptime_s=_uptime_s(rows),
        console=_console(rows),
    )


def _console(rows: Rows) -> list[str]:
    """The lines of the panel that say something, from top to bottom."""
    cells = rows.column(CONSOLE_TEXT)
    return [line for cell in cells.values() if (line := rows.as_text(cell))] if cells else []


def alerts(rows: Rows) -> list[Alert]:
    columns = [rows.column(column) for column in ALERT_COLUMNS]
    charset = rows.charset
    return [
        _alert(at, charset, *[column.get(at) for column in columns])
        for at in list(dict.fromkeys(chain.from_iterable(columns)))[:MAX_ALERTS]
    ]


@lru_cache(maxsize=4096)  # devices say the same again and again
def _alert(at: str, charset: int | None, *told: Varbind | None) -> Alert:
    """`told` as ALERT_COLUMNS."""
    severity, group, code, description = told
    return Alert(
        index=at,
        severity=_word(ALERT_SEVERITIES, integer(severity)),
        group=_word(ALERT_GROUPS, integer(group)),
        code=integer(code),
        description=as_text(description, charset),
    )


def _errors(rows: Rows, index: str) -> list[str]:
    """hrPrinterDetectedErrorState: none, one or two octets, the first bit the highest."""
    varbind = rows.cell(HR_PRINTER_ERRORS, index)
    return list(_words_of(varbind.value)) if varbind and isinstance(varbind.value, bytes) else []


@lru_cache(maxsize=1024)  # most devices say the same
def _words_of(octets: bytes) -> tuple[str, ...]:
    bits = enumerate(ERROR_BITS[: 8 * len(octets)])
    return tuple(word for bit, word in bits if octets[bit // 8] & (0x80 >> bit % 8))


def _uptime_s(rows: Rows) -> int | None:
    varbind = rows.one(SYS_UP_TIME)
    if varbind is None or varbind.type != "TimeTicks" or not isinstance(varbind.value, int):
        return None
    return varbind.value // 100 if 0 <= varbind.value < 2**32 else None


def _word(words: dict[int, str], code: int | None) -> str | None:
    return None if code is None else words.get(code, f"code {code}")
