"""The SNMP session as services see it. Adapters: client.py (v1 and v2c); v3 joins behind it.

OIDs are dotted text without a leading dot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Value = int | bytes | str | None


class Varbind(NamedTuple):
    """One instance and its value.

    `type` is the SMI name: Integer32, OctetString, ObjectIdentifier, IpAddress, Counter32,
    Gauge32, TimeTicks, Opaque, Counter64, Null, noSuchObject, noSuchInstance, endOfMibView.
    `value` is an int, bytes (OctetString, Opaque), text (ObjectIdentifier, IpAddress), or None
    for Null and the three exceptions (RFC 3416 section 3).
    """

    oid: str
    type: str
    value: Value


class SnmpError(Exception):
    """The base of all that a session raises."""


class NoAnswerError(SnmpError):
    """Silence in every try. The text says address, tries and seconds."""


class ErrorStatusError(SnmpError):
    """The agent answered with an error-status that asking smaller could not mend."""


class MalformedAnswerError(SnmpError):
    """The agent answered, but not with SNMP that can be read, or a walk did not advance."""


@dataclass
class Traffic:
    """What was sent and received; bytes are UDP payload + 28 a datagram (48 for IPv6)."""

    packets_out: int = 0
    packets_in: int = 0
    bytes_out: int = 0
    bytes_in: int = 0


class SnmpSession(Protocol):
    """Questions to one device with one credential; at most one request is in flight."""

    traffic: Traffic

    async def get(self, oids: Sequence[str]) -> Mapping[str, Varbind]:
        """The instances that exist; one that the agent does not have is absent.

        Asks smaller on tooBig, and without the culprit on v1's noSuchName.
        Raises: NoAnswerError, ErrorStatusError, MalformedAnswerError.
        """

    async def table(
        self, columns: Sequence[str], *, max_rows: int = 1000
    ) -> Mapping[str, Mapping[str, Varbind]]:
        """The columns of one conceptual table: column OID -> instance suffix -> varbind.

        Instances are in the agent's order. A column without rows maps to an empty mapping.
        Stops at `max_rows` a column. Raises as `get`; MalformedAnswerError where OIDs do not
        increase.
        """
