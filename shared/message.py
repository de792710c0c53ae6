"""What every message is: frozen, unknown fields refused, with an id of its own."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

MAX_MESSAGE_BYTES = 1_048_576


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
