"""What a site shall search and read, and when, as its people chose it at the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import Field

from shared.fields import Count, Instant, Name, Text
from shared.message import Message, Part


class CredentialRange(Part):
    """Which credentials, by name and in order, may be sent to a range of addresses."""

    range: Text
    credentials: Annotated[list[Name], Field(max_length=20)]


class AskingManner(Part):
    """How devices are asked, where not as the site is set; the site's ceiling stands above it."""

    timeout_s: Annotated[float, Field(gt=0, le=60)] | None = None  # that a datagram is waited for
    tries: Annotated[int, Field(strict=True, ge=1, le=10)] | None = None
    pace: Annotated[float, Field(gt=0, le=1_000_000)] | None = None  # datagrams a second
    max_message: Annotated[int, Field(strict=True, ge=484, le=65_507)] | None = None  # octets


class SegmentRule(Part):
    """How a range of addresses is searched and read; of several the smallest range counts."""

    range: Text
    manner: AskingManner = AskingManner()
    broadcast: bool = False  # ask by broadcast first; the ceiling must allow it as well


class Spooler(Part):
    """A computer whose spooler is asked for the devices attached to it."""

    host: Text
    protocol: Literal["rprn_pipe", "rprn_tcp", "cups", "winspool"]
    credential: Name | None = None  # its name


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
    rules: Annotated[list[SegmentRule], Field(max_length=1000)] = []
    spoolers: Annotated[list[Spooler], Field(max_length=1000)] = []
    silent_after: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3  # rounds, till it is told

    @property
    def id(self) -> UUID:
        return uuid5(UUID(int=0), f"scope {self.version}")

    def to_json(self) -> bytes:
        """Without what is new and not used: a site of an older version refuses unknown fields."""
        unused = {name for name, default in _NEWER.items() if getattr(self, name) == default}
        return self.model_dump_json(exclude=unused).encode()


_NEWER: Mapping[str, object] = {"rules": [], "spoolers": [], "silent_after": 3}
