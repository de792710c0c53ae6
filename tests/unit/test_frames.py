"""What is filled into a template is octet for octet what pika would send."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.frame import Body, Header, Method
from pika.spec import Basic

from shared.bus.frames import Frames, Post, properties_of

LARGEST = 300
POST = Post("pagetally", "a.b", "a.b", b"{}", UUID(int=7))

names = st.text(max_size=60)
posts = st.builds(
    Post,
    exchange=names,
    routing_key=names,
    kind=st.text(min_size=1, max_size=60),
    body=st.binary(min_size=1, max_size=LARGEST),
    message_id=st.uuids(),
    headers=st.none(),
)


@given(channel=st.integers(1, 65535), sent=st.lists(posts, min_size=1, max_size=5), tag=st.data())
def test_the_frames_are_those_that_pika_makes(
    channel: int, sent: list[Post], tag: st.DataObject
) -> None:
    frames = Frames(channel, LARGEST)

    for post in sent * 2:
        number = tag.draw(st.integers(1, 10**10 - 1))
        assert frames.of(post, number) == _by_pika(channel, post, number)


@pytest.mark.parametrize(
    ("post", "tag"),
    [
        (POST._replace(body=b""), 1),
        (POST._replace(body=b"x" * (LARGEST + 1)), 1),
        (POST._replace(message_id=None), 1),
        (POST._replace(headers={"reason": "full"}), 1),
        (POST, 10**10),
    ],
    ids=["empty", "more than a frame", "no id", "headers", "a number too wide"],
)
def test_what_no_template_holds_is_left_to_pika(post: Post, tag: int) -> None:
    assert Frames(1, LARGEST).of(post, tag) is None


def _by_pika(channel: int, post: Post, tag: int) -> bytes:
    publish = Basic.Publish(exchange=post.exchange, routing_key=post.routing_key, mandatory=True)
    header = Header(channel, len(post.body), properties_of(post, f"{tag:010}"))
    parts = Method(channel, publish), header, Body(channel, post.body)
    return b"".join(part.marshal() for part in parts)
