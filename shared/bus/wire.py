"""How a message becomes a body; the same for every adapter."""

from __future__ import annotations

from shared.decode import MessageError, decode
from shared.messages import Message


def through_json(message: Message) -> tuple[bytes, Message]:
    """The body of a message, and the message that its readers will make of it.

    Raises:
        MessageError: its readers could not decode it.
    """
    key = message.routing_key
    try:
        body = message.to_json()
    except ValueError as error:
        raise MessageError(f"{key}: cannot be written as JSON: {str(error)[:200]}") from None
    return body, decode(key, body)
