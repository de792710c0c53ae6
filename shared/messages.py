"""Every message that crosses a service border: who sends it, who reads it, what it holds.

Frozen, unknown fields refused, instants in UTC. The routing key carries the version: adding an
optional field stays v1, anything else is a new class with a new key, and consumers are upgraded
first. Ids are derived, never drawn, so that a message delivered or made twice is the same message.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import Field, model_validator

from shared.fields import (
    Address,
    AttributeName,
    Count,
    Instant,
    Integer,
    LongText,
    MeterName,
    Name,
    Oid,
    Port,
    Text,
)
from shared.message import Message, Part
from shared.scope import AskingManner

MAX_ORDERS_A_PART = 1_000


# -- what is read ---------------------------------------------------------------------------


class SnmpTarget(Part):
    snmp: Address
    port: Port = 161

    @property
    def key(self) -> str:
        """The target in one word; an order's id is made from it."""
        return f"snmp:[{self.snmp}]:{self.port}"


class IppTarget(Part):
    ipp: Text

    @property
    def key(self) -> str:
        return f"ipp:{self.ipp}"


class SpooledQueue(Part):
    host: Text
    queue: Text
    port_name: Text
    kind: Literal["usb", "lpt", "fax", "scan", "tcp", "wsd", "other"]


class SpooledTarget(Part):
    spooled: SpooledQueue

    @property
    def key(self) -> str:
        return f"spooled:{self.spooled.host}/{self.spooled.queue}"


Target = SnmpTarget | IppTarget | SpooledTarget


class WithheldTarget(Part):
    """What the uploader puts for a target whose address this site withholds."""

    withheld: Name  # one word a target, which only this site can turn back

    @property
    def key(self) -> str:
        return f"withheld:{self.withheld}"


ReportedTarget = Target | WithheldTarget


def order_id(round_id: UUID, target: Target) -> UUID:
    """The id of the order to read `target` in a round: the same whoever computes it, whenever."""
    return uuid5(round_id, target.key)


class SpooledDevice(Part):
    """What a computer's spooler says of a device that is attached to it."""

    make: Text | None = None
    model: Text | None = None
    serial: Text | None = None
    driver: Text | None = None
    status: Text | None = None  # in words
    location: Text | None = None
    comment: Text | None = None


class DeviceFound(Message):
    """The order to read one device. discovery -> poller."""

    routing_key: ClassVar[str] = "device.found.v1"

    order: UUID
    round: UUID
    target: Target
    found_by: Literal["sweep", "known", "named", "broadcast", "spooler", "cups"]
    credential: Name | None = None  # its name; the secret never leaves the site
    read_before: Instant  # later than this a poller touches nothing
    given: Count = 0  # how often this order was given before and not finished
    manner: AskingManner | None = None  # its segment's, where not as the poller is set
    spooled: SpooledDevice | None = None  # of a spooled target

    @property
    def id(self) -> UUID:
        return self.order

    @model_validator(mode="after")
    def _order_is_derived(self) -> DeviceFound:
        if self.order != order_id(self.round, self.target):
            raise ValueError("order is not the one of this round and target")
        return self


class DeviceIdentity(Part):
    make: Text | None = None
    model: Text | None = None
    serial: Text | None = None
    mac: Text | None = None  # lower case, colons
    hostname: Text | None = None
    address: Text | None = None
    asset_tag: Text | None = None
    location: Text | None = None
    firmware: Text | None = None
    sys_object_id: Text | None = None
    description: Text | None = None  # sysDescr


class SupplyLevel(Part):
    index: Text  # the instance in prtMarkerSuppliesTable, "1.3"
    description: Text | None = None
    part_number: Text | None = None
    serial: Text | None = None  # of the cartridge
    type: Text | None = None
    colorant: Text | None = None
    level_percent: Annotated[float, Field(ge=0, le=100)] | None = None  # None: no share can be told
    level: Integer | None = None
    max_capacity: Integer | None = None
    unit: Text | None = None
    state: Text | None = None  # in words: "some left", "no restriction", "unknown"


class Alert(Part):
    index: Text
    severity: Text | None = None
    group: Text | None = None
    code: Integer | None = None
    description: Text | None = None


class DeviceStatus(Part):
    device: Text | None = None  # hrDeviceStatus in words
    printer: Text | None = None  # hrPrinterStatus in words
    errors: Annotated[list[Text], Field(max_length=32)] = []
    uptime_s: Count | None = None
    console: Annotated[list[Text], Field(max_length=16)] = []  # lines of the panel


# OID -> [type, value]: an integer, an OID as text, or an octet string in lower-case hex
RawVarbinds = Annotated[
    dict[Oid, tuple[MeterName | Name, Integer | LongText | None]],
    Field(max_length=2000, fail_fast=True),
]


# name of an IPP attribute, or collection/member -> [syntax, value]; None: unknown, no-value, …
RawAttributes = Annotated[
    dict[AttributeName, tuple[MeterName | Name, Integer | LongText | None]],
    Field(max_length=200, fail_fast=True),
]

Sources = dict[MeterName, Annotated[list[Oid | AttributeName], Field(fail_fast=True)]]


_USUAL_UNITS = {"scan": "scans", "sheets": "sheets"}


def usual_unit(meter: str) -> str:
    """What a meter counts where a read's `units` says nothing else."""
    return _USUAL_UNITS.get(meter, "impressions")


class MeterRead(Message):
    """All meters of one device at one instant. poller -> uploader -> ingest.

    `meters` maps a meter's name to its count in impressions (scans for `scan`, sheets for
    `sheets`, else what `units` says). A meter that the device does not report is absent: never 0.
    `native` holds what the device counts and no bill may rest on, under names of its profile.
    """

    routing_key: ClassVar[str] = "meter.read.v1"

    order: UUID
    round: UUID
    site: Name | None = None  # refused by the hub where it is not the key's
    agent: Name
    target: ReportedTarget
    taken_at: Instant
    device: DeviceIdentity
    profile: Text  # "rfc3805@1": what turned varbinds into meters, and its version
    meters: Annotated[dict[MeterName, Count], Field(max_length=500, fail_fast=True)]
    no_meters_because: Text | None = None
    notes: Annotated[list[Text], Field(max_length=50)] = []  # what was left out of it, and why
    sources: Annotated[Sources, Field(fail_fast=True)] = {}  # in `varbinds` or `attributes`
    basis: Literal["life", "equivalent"] | None = None
    large_counts: Literal[1, 2] | None = None
    units: Annotated[dict[MeterName, Text], Field(fail_fast=True)] = {}
    native: Annotated[dict[MeterName, Count], Field(max_length=500, fail_fast=True)] = {}
    varbinds: RawVarbinds = {}
    attributes: RawAttributes = {}
    supplies: Annotated[list[SupplyLevel], Field(max_length=200)] = []
    status: DeviceStatus = DeviceStatus()
    alerts: Annotated[list[Alert], Field(max_length=200)] = []
    datagrams: Count = 0  # both ways
    bytes: Count = 0  # UDP payload + 28 a datagram, or 48 for IPv6

    @property
    def id(self) -> UUID:
        return uuid5(self.order, "read")

    @model_validator(mode="after")
    def _empty_says_why(self) -> MeterRead:
        if not self.meters and not self.no_meters_because:
            raise ValueError("meters is empty and no_meters_because does not say why")
        return self


Failure = Literal[
    "no_answer",
    "no_credential",  # it answers, and no credential fits
    "unreadable",
    "not_a_printer",
    "refused",
    "expired",
    "set_aside",
]


class ReadFailed(Message):
    """An order that ended without a read. poller -> uploader -> ingest."""

    routing_key: ClassVar[str] = "read.failed.v1"

    order: UUID
    round: UUID
    site: Name | None = None
    agent: Name
    target: ReportedTarget
    failed_at: Instant
    outcome: Failure
    reason: Text  # in words, for a person
    tried: Annotated[list[Text], Field(max_length=50)] = []
    datagrams: Count = 0  # both ways
    bytes: Count = 0  # as a read's

    @property
    def id(self) -> UUID:
        return uuid5(self.order, "failed")


class Order(Part):
    order: UUID
    target: ReportedTarget


class SilentDevice(Part):
    """A device known from an earlier round that did not answer in this one."""

    target: ReportedTarget
    last_answered_at: Instant | None = None
    silent_rounds: Count = 1
    serial: Text | None = None  # tells it from a device that answers at its address now
    tried: Annotated[list[Text], Field(max_length=50)] = []  # credentials, by name


class NotReached(Part):
    """A target that was to be asked and was not, with the reason in words."""

    target: Text
    reason: Text


class NoCredential(Part):
    """A device that answers, and none of the credentials fits."""

    target: ReportedTarget
    tried: Annotated[list[Text], Field(max_length=50)]  # by name
    reason: Text


class DeviceEvent(Part):
    """What a site noticed of a device that is not where, or not what, it was."""

    kind: Literal[
        "moved",  # the device that was at `before` answers at `target`
        "another_device",  # at `target`, where another device was
        "twins",  # `target` and `before` claim one serial at once
        "board_replaced",  # the same MAC with another serial
    ]
    target: ReportedTarget
    before: ReportedTarget | None = None
    serial: Text | None = None
    serial_before: Text | None = None
    mac: Text | None = None


_Named = Field(max_length=MAX_ORDERS_A_PART)


class RoundFinished(Message):
    """What a round found, by name, in parts of at most 1,000. discovery -> uploader -> ingest."""

    routing_key: ClassVar[str] = "round.finished.v1"

    round: UUID
    site: Name | None = None
    agent: Name
    kind: Literal["search", "read", "asked"]
    part: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    parts: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    started_at: Instant
    finished_at: Instant
    interrupted: bool = False  # closed because its deadline had passed
    orders: Annotated[list[Order], _Named] = []
    silent: Annotated[list[SilentDevice], _Named] = []
    not_reached: Annotated[list[NotReached], _Named] = []
    no_credential: Annotated[list[NoCredential], _Named] = []
    events: Annotated[list[DeviceEvent], _Named] = []
    # of the whole round, the same in each part
    asked: Count  # addresses
    answered: Count
    not_printers: Count = 0
    packets: Count  # sent and received
    bytes: Count  # UDP payload + 28 a packet, or 48 for IPv6

    @property
    def id(self) -> UUID:
        return uuid5(self.round, f"finished {self.part}")


class Preview(Part):
    """What a search of a segment would send at most."""

    addresses: Count
    datagrams: Count
    bytes: Count  # as a round's
    seconds: Count
    credentials: Annotated[list[Name], Field(max_length=50)] = []  # that would be sent


class Segment(Part):
    network: Text
    learned_from: Text  # "gateway 10.0.0.1: inetCidrRouteTable", "interface eth0"
    interface: Text | None = None
    devices: Count = 0  # that are known in it
    size: Count | None = None  # addresses that a search asks
    gateway: Text | None = None  # the next hop; None: the segment is attached
    hosts: Count | None = None  # that the gateway knows of by ARP; None where that was not told
    refused: Text | None = None  # why this site's ceiling does not let it be searched
    preview: Preview | None = None


class SegmentsListed(Message):
    """The networks that a site's gateway and its own interfaces know.

    discovery -> uploader -> ingest.
    """

    routing_key: ClassVar[str] = "segments.listed.v1"

    round: UUID  # of its own, where no round asked for it
    site: Name | None = None
    agent: Name
    listed_at: Instant
    segments: Annotated[list[Segment], Field(max_length=5000)]
    scope_version: Count | None = None  # the scope that it was listed under
    refused: Annotated[list[NotReached], _Named] = []  # of that scope, by this site's ceiling
    notes: Annotated[list[Text], Field(max_length=50)] = []  # what was not learned, what to try
    packets: Count = 0  # sent and received
    bytes: Count = 0

    @property
    def id(self) -> UUID:
        return uuid5(self.round, "segments")
