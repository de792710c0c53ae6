"""From octets to the message that they are, or why they are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from shared.fields import STORABLE
from shared.message import MAX_MESSAGE_BYTES, Message, Part
from shared.messages import DeviceFound, MeterRead, ReadFailed, RoundFinished, SegmentsListed
from shared.scope import Scope


class MessageError(ValueError):
    """A body that is not the message its routing key says; the text says why, in one line."""


MESSAGES: Mapping[str, type[Message]] = {
    kind.routing_key: kind
    for kind in (DeviceFound, MeterRead, ReadFailed, RoundFinished, SegmentsListed, Scope)
}
_ADAPTERS: Mapping[str, TypeAdapter[Message]] = {
    key: TypeAdapter(kind) for key, kind in MESSAGES.items()
}


def decode(routing_key: str, body: bytes) -> Message:
    """The message that `body` is.

    Raises:
        MessageError: unknown routing key, over MAX_MESSAGE_BYTES, not JSON, a key twice in one
            object, a field unknown, missing or out of bounds. One line, no part of the body in it.
    """
    adapter = _ADAPTERS.get(routing_key)
    if adapter is None:
        raise MessageError(f"no message has the routing key {routing_key[:80]!r}")
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageError(f"{len(body)} bytes; a message has at most {MAX_MESSAGE_BYTES}")
    try:
        message = adapter.validate_json(body)
        if not _no_key_twice(body, message):
            json.loads(body, object_pairs_hook=_without_repeats)
    except ValidationError as error:
        raise MessageError(_first_fault(error)) from None
    except (ValueError, RecursionError) as error:
        raise MessageError(str(error)[:200]) from None
    return message


def _no_key_twice(body: bytes, message: Message) -> bool:
    """Whether that is certain without looking at `body` key by key.

    A key's closing quote stands right before its colon where no quote is followed by a space of
    any kind. So there are at most as many keys as `":`, and at least as many as are different in
    their object: if both are one number, none came twice. What makes it uncertain is rare.
    """
    if b"\n" in body or b"\t" in body or b"\r" in body or b'" ' in body:
        return False
    return body.count(b'":') == _different_keys(message)


def _different_keys(part: Part) -> int:
    """How many keys an object had at least, with those of the objects in it."""
    count = len(part.model_fields_set)
    for name in _fields_with_keys(type(part)):
        value = getattr(part, name)
        if isinstance(value, dict):
            count += len(value)
        elif isinstance(value, list):
            count += sum(_different_keys(each) for each in value if isinstance(each, Part))
        elif isinstance(value, Part):
            count += _different_keys(value)
    return count


@cache
def _fields_with_keys(kind: type[Part]) -> tuple[str, ...]:
    return tuple(name for name, it in kind.model_fields.items() if _has_keys(it.annotation))


def _has_keys(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return True
    return get_origin(annotation) is dict or any(map(_has_keys, get_args(annotation)))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object has the same key twice")
    return fields


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(step) for step in fault["loc"])[:120]
    if fault["msg"].endswith(f"'{STORABLE}'"):
        return f"{where}: holds a NUL character"
    return f"{where}: {fault['msg']}"[:300] if where else str(fault["msg"])[:300]
