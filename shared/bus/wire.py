"""How a message becomes a body, and what of it is checked first."""

from __future__ import annotations

from pydantic import ValidationError

from shared.decode import MessageError, decode
from shared.message import MAX_MESSAGE_BYTES, Message


def through_json(message: Message) -> Message:
    """The message that its readers will make of it.

    Raises:
        MessageError: they could not.
    """
    return decode(message.routing_key, _body(message))


def checked(message: Message) -> tuple[bytes, Message]:
    """The body of a message, and the message with its fields validated once more.

    `model_copy` and `model_construct` put anything into a message. Decoding the body would tell
    that too, at four times the price; what only that finds is a *part* made so (a target, a
    supply): its reader sets such a message aside, with the reason.

    Raises:
        MessageError: its readers could not decode it. One line, no part of the message in it.
    """
    key = message.routing_key
    try:
        again = type(message).model_validate(message.__dict__)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in fault["loc"])[:120]
        raise MessageError(f"{key}: {where}: {fault['msg']}"[:300]) from None
    body = _body(again)
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageError(f"{key}: {len(body)} bytes; a message has at most {MAX_MESSAGE_BYTES}")
    return body, again


def _body(message: Message) -> bytes:
    try:
        return message.to_json()
    except ValueError as error:
        raise MessageError(
            f"{message.routing_key}: cannot be written as JSON: {str(error)[:200]}"
        ) from None
