"""What the fields of messages may hold: bounded, storable, in one form each."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

_INT64_MAX = 2**63 - 1


def _address(text: str) -> str:
    return str(ip_address(text))


def _dated(instant: object) -> object:
    """Refuse a number: seconds or milliseconds would be a guess, and the guess a billing period."""
    if isinstance(instant, datetime) or (isinstance(instant, str) and instant[4:5] == "-"):
        return instant
    raise ValueError("is no instant like 2026-10-31T20:00:00Z")


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


# what PostgreSQL and JSON give back: without NUL, and pydantic refuses lone surrogates
STORABLE = r"^[^\x00]*$"
Text = Annotated[str, StringConstraints(max_length=1024, pattern=STORABLE)]
LongText = Annotated[str, StringConstraints(max_length=8192, pattern=STORABLE)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Address = Annotated[str, StringConstraints(max_length=64), AfterValidator(_address)]
Oid = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9][0-9]{0,9})){1,127}$")]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._/-]{0,127}$")]
Instant = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_utc)]
Count = Annotated[int, Field(strict=True, ge=0, le=_INT64_MAX)]
Integer = Annotated[int, Field(strict=True, ge=-_INT64_MAX - 1, le=_INT64_MAX)]
MeterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
