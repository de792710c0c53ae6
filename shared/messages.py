"""Every message that crosses a service border: who sends it, who reads it, what it holds.

Frozen, unknown fields refused, instants in UTC. The routing key carries the version: adding an
optional field stays v1, anything else is a new class with a new key, and consumers are upgraded
first. Ids are derived, never drawn, so that a message delivered or made twice is the same message.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

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

MAX_MESSAGE_BYTES = 1_048_576
MAX_ORDERS_A_PART = 1_000


class Part(BaseModel):
    """A part of a message: frozen, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        defer_build=True,  # a command that needs two kinds of message does not wait for all
    )


class Message(Part):
    """What the bus carries. `id` is derived from what the message is about."""

    routing_key: ClassVar[str]

    @property
    def id(self) -> UUID:
        raise NotImplementedError

    def to_json(self) -> bytes:
        return self.model_dump_json().encode()


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
    dict[Oid, tuple[MeterName | Name, Integer | LongText | None]], Field(max_length=2000)
]


# name of an IPP attribute, or collection/member -> [syntax, value]; None: unknown, no-value, …
RawAttributes = Annotated[
    dict[AttributeName, tuple[MeterName | Name, Integer | LongText | None]], Field(max_length=200)
]


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
    meters: Annotated[dict[MeterName, Count], Field(max_length=500)]
    no_meters_because: Text | None = None
    notes: Annotated[list[Text], Field(max_length=50)] = []  # what was left out of it, and why
    sources: dict[MeterName, list[Oid | AttributeName]] = {}  # in `varbinds` or `attributes`
    basis: Literal["life", "equivalent"] | None = None
    large_counts: Literal[1, 2] | None = None
    units: dict[MeterName, Text] = {}
    native: Annotated[dict[MeterName, Count], Field(max_length=500)] = {}
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


class ReadFailed(Message):
    """An order that ended without a read. poller -> uploader -> ingest."""

    routing_key: ClassVar[str] = "read.failed.v1"

    order: UUID
    round: UUID
    site: Name | None = None
    agent: Name
    target: ReportedTarget
    failed_at: Instant
    outcome: Literal["no_answer", "unreadable", "not_a_printer", "refused", "expired", "set_aside"]
    reason: Text  # in words, for a person
    tried: Annotated[list[Text], Field(max_length=50)] = []

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


class NotReached(Part):
    """A target that was to be asked and was not, with the reason in words."""

    target: Text
    reason: Text


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
    # of the whole round, the same in each part
    asked: Count  # addresses
    answered: Count
    not_printers: Count = 0
    packets: Count  # sent and received
    bytes: Count  # UDP payload + 28 a packet, or 48 for IPv6

    @property
    def id(self) -> UUID:
        return uuid5(self.round, f"finished {self.part}")


class Segment(Part):
    network: Text
    learned_from: Text
    interface: Text | None = None
    devices: Count = 0


class SegmentsListed(Message):
    """The networks that a site's gateway and its own interfaces know.

    discovery -> uploader -> ingest.
    """

    routing_key: ClassVar[str] = "segments.listed.v1"

    round: UUID
    site: Name | None = None
    agent: Name
    listed_at: Instant
    segments: Annotated[list[Segment], Field(max_length=5000)]

    @property
    def id(self) -> UUID:
        return uuid5(self.round, "segments")


class CredentialRange(Part):
    """Which credentials, by name and in order, may be sent to a range of addresses."""

    range: Text
    credentials: Annotated[list[Name], Field(max_length=20)]


class Ask(Part):
    """A round that a person asks for now; not begun after `until`."""

    id: UUID
    kind: Literal["search", "read"]
    until: Instant


class Scope(Message):
    """The whole of what a site shall search and read, and when. hub -> uploader -> discovery.

    The site's ceiling stands above it: what the ceiling does not allow is refused and reported.
    """

    routing_key: ClassVar[str] = "scope.v1"

    version: Count
    author: Text
    changed_at: Instant
    segments: Annotated[list[Text], Field(max_length=10_000)] = []
    targets: Annotated[list[Text], Field(max_length=10_000)] = []
    exclusions: Annotated[list[Text], Field(max_length=10_000)] = []
    credentials: Annotated[list[CredentialRange], Field(max_length=1000)] = []
    search_schedule: Text = "0 5 * * mon,thu"  # cron, in time_zone
    read_schedule: Text = "0 2,8,12,17 * * *"
    time_zone: Text = "UTC"
    asks: Annotated[list[Ask], Field(max_length=100)] = []

    @property
    def id(self) -> UUID:
        return uuid5(UUID(int=0), f"scope {self.version}")
