"""The SNMP session as services see it. Adapters: client.py (v1 and v2c); v3 joins behind it.

OIDs are dotted text without a leading dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

USUAL_VARBINDS = 20  # a request; some devices answer nothing to a longer one
_MOST_VARBINDS = 64
MESSAGE_OCTETS = 1400 - 28  # asked for at most, so that no answer travels in fragments
_LEAST_OCTETS = 484  # every agent takes such a message; RFC 3417 section 3.2

Value = int | bytes | str | None


class Varbind(NamedTuple):
    """One instance and its value.

    `type` is the SMI name: Integer32, OctetString, ObjectIdentifier, IpAddress, Counter32,
    Gauge32, TimeTicks, Opaque, Counter64, Null, noSuchObject, noSuchInstance, endOfMibView.
    `value` is an int, bytes (OctetString, Opaque), text (ObjectIdentifier, IpAddress), or None
    for Null and the three exceptions (RFC 3416 section 3). A session cuts bytes to 2,048.
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


class RowsChangedError(SnmpError):
    """A table has other rows than the caller remembered."""


class CredentialRefusedError(SnmpError):
    """The device speaks SNMPv3, and does not answer to this credential."""


class AnotherDeviceError(SnmpError):
    """What answers now is not what answered before, or was restarted in between."""


@dataclass
class Traffic:
    """What was sent and received; bytes are UDP payload + 28 a datagram (48 for IPv6)."""

    packets_out: int = 0
    packets_in: int = 0
    bytes_out: int = 0
    bytes_in: int = 0


class Walk(NamedTuple):
    """The columns of one conceptual table, or of a group of scalars, asked side by side.

    Args:
        columns: their OIDs; a scalar's is that of its object, and its instance is "0".
        expected: rows that there probably are; as many are asked for at once.
        octets: of the values of a row, about; the answer's size is planned with it.
        after: the instance after which all columns begin; "" is the first.
        instances: the rows as they were before. Each is asked for, and in the first column what
            lies between and after them.
        may_change: where the rows are others now, walk the table as if nothing were known of it;
            else RowsChangedError is raised.
    """

    columns: tuple[str, ...]
    expected: int = 3
    octets: int = 8
    max_rows: int = 1000
    after: str = ""
    instances: tuple[str, ...] | None = None
    may_change: bool = False


@dataclass
class Manners:
    """How a device likes to be asked, as far as it is known."""

    version: int | None = None
    takes_bulk: bool | None = None
    max_varbinds: int = USUAL_VARBINDS  # a request
    took_fewer: bool = False  # than it was asked once
    max_message: int | None = None  # octets, as SnmpClient.session has them; where set or learned

    @property
    def message_octets(self) -> int:
        return self.max_message or MESSAGE_OCTETS

    @property
    def is_shortest(self) -> bool:
        return self.message_octets <= _LEAST_OCTETS

    def take_shorter(self) -> bool:
        """Messages that every agent takes from now on; False where they were no longer before."""
        if self.is_shortest:
            return False
        self.max_message = _LEAST_OCTETS
        return True

    def heed_too_big(self, varbinds: int) -> None:
        """Shorter or fewer, after tooBig to a question for so many."""
        if not self.take_shorter():
            self.take_fewer(varbinds // 2)

    def take_fewer(self, varbinds: int) -> None:
        self.max_varbinds, self.took_fewer = max(1, varbinds), True

    def gave(self, varbinds: int) -> None:
        """An agent that puts so many into an answer takes about as many in a question."""
        if not self.took_fewer:
            self.max_varbinds = max(self.max_varbinds, min(varbinds * 2, _MOST_VARBINDS))


class SnmpSession(Protocol):
    """Questions to one device with one credential; at most one request is in flight.

    `manners` may be given to a later session with the device.
    """

    traffic: Traffic
    manners: Manners

    def expect(self, varbinds: Iterable[Varbind]) -> None:
        """What tells the device, beside what was expected before; nothing begins anew.

        From now on each answer must hold it unchanged, and a sysUpTime that has gone on, or
        AnotherDeviceError is raised.
        """

    async def confirm(self) -> None:
        """Asks for what is expected, where the last answer was too small to hold it.

        Raises as `get`.
        """

    async def get(self, oids: Sequence[str], *, octets: int | None = None) -> Mapping[str, Varbind]:
        """The instances that exist; one that the agent does not have is absent.

        Asks smaller on tooBig, and without the culprit on v1's noSuchName. `octets` are those of
        all varbinds that answer, about, where the caller knows them.

        Raises: NoAnswerError, ErrorStatusError, MalformedAnswerError.
        """

    async def walk(self, walks: Sequence[Walk]) -> Mapping[str, Mapping[str, Varbind]]:
        """Tables side by side: column OID -> instance suffix -> varbind.

        Instances are in the agent's order. A column without rows maps to an empty mapping.
        Stops at `max_rows` a column. Raises as `get`; MalformedAnswerError where OIDs do not
        increase; RowsChangedError.
        """

    async def table(
        self, columns: Sequence[str], *, max_rows: int = 1000
    ) -> Mapping[str, Mapping[str, Varbind]]:
        """As `walk`, of one table."""
