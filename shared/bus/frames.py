"""The frames of a published body: marshalled by pika once a kind, then filled in."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from pika import BasicProperties
from pika.frame import Body, Header, Method
from pika.spec import Basic

_TAG, _ID = "#" * 10, "@" * 36  # what is filled in, as wide as what fills it
_SIZE_AT = 11  # in a header frame, behind type, channel, length, class and weight; 8 bytes
_BODY_SIZE_AT = 3  # in a body frame, behind type and channel; 4 bytes

_Template = tuple[bytes, bytes, bytes, bytes, bytes]  # to size, tag, id, the body's size, the end


class Post(NamedTuple):
    """A body on its way: `kind` is its message's routing key, wherever it is sent."""

    exchange: str
    routing_key: str
    kind: str
    body: bytes
    message_id: UUID | None = None
    headers: dict[str, str | int] | None = None


def properties_of(post: Post, tag: str) -> BasicProperties:
    return BasicProperties(
        type=post.kind,
        content_type="application/json",
        delivery_mode=2,
        message_id=None if post.message_id is None else str(post.message_id),
        correlation_id=tag,  # comes back with a returned message
        headers=post.headers,
    )


class Frames:
    """For one channel: pika's own marshalling would be the greatest part of a publish's cost."""

    def __init__(self, channel: int, largest: int) -> None:
        """`largest` is how many bytes of a body one frame may hold."""
        self._channel = channel
        self._largest = largest
        self._templates: dict[tuple[str, str, str], _Template] = {}

    def of(self, post: Post, tag: int) -> bytes | None:
        """What basic_publish would send; None for what is rare and left to it."""
        size = len(post.body)
        if post.message_id is None or post.headers or not 0 < size <= self._largest:
            return None
        filled = b"%010d" % tag
        if len(filled) != len(_TAG):
            return None
        kind = post[:3]
        template = self._templates.get(kind)
        if template is None:
            template = self._templates[kind] = self._template(post)
        to_size, to_tag, to_id, to_body, end = template
        return b"".join(
            (
                *(to_size, size.to_bytes(8, "big"), to_tag, filled),
                *(to_id, str(post.message_id).encode(), to_body, size.to_bytes(4, "big")),
                *(post.body, end),
            )
        )

    def _template(self, post: Post) -> _Template:
        publish = Basic.Publish(
            exchange=post.exchange, routing_key=post.routing_key, mandatory=True
        )
        properties = properties_of(post, _TAG)
        properties.message_id = _ID
        method = Method(self._channel, publish).marshal()
        header = Header(self._channel, 0, properties).marshal()
        body = Body(self._channel, b"").marshal()
        to_tag, _, rest = header[_SIZE_AT + 8 :].partition(_TAG.encode())
        to_id, _, rest = rest.partition(_ID.encode())
        to_body = rest + body[:_BODY_SIZE_AT]
        return method + header[:_SIZE_AT], to_tag, to_id, to_body, body[-1:]
