from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.body import WrongTypeError, is_gzip, unpack, unpacked_size
from services.ingest.envelope import BatchError, TooLargeError
from services.ingest.limits import Guesses, Rates
from services.ingest.room import NoRoomError, Room


def unpacked(packed: bytes, most: int = 16_000_000) -> bytes:
    return unpack(packed, unpacked_size(packed), most)


def bomb(blocks: int) -> bytes:
    """A gzip stream of 10 MB of zeros a block; about 10 kB each."""
    packer = zlib.compressobj(9, wbits=31)
    pieces = [
        packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
        for _ in range(min(blocks, 2))
    ]
    return b"".join([*pieces, *[pieces[-1]] * (blocks - len(pieces)), packer.flush()])


@pytest.mark.parametrize("says", [None, 0, 5_000_000])
def test_a_gzip_bomb_never_gets_into_memory(says: int | None) -> None:
    """Half a gigabyte in half a megabyte, also where its end says that it is less."""
    packed = bomb(50)
    if says is not None:
        packed = packed[:-4] + says.to_bytes(4, "little")
    tracemalloc.start()

    with pytest.raises(BatchError):
        unpacked(packed)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15_000_000


def test_a_gzip_stream_that_is_too_large_is_told_so() -> None:
    with pytest.raises(TooLargeError, match="16000000 bytes when unpacked"):
        unpacked(bomb(2))


@pytest.mark.parametrize("cut_at", [0, 1, 10, -1])
def test_a_gzip_stream_that_is_cut_off_is_refused(cut_at: int) -> None:
    with pytest.raises(BatchError, match="cut off"):
        unpacked(gzip.compress(b"{}")[:cut_at])


@pytest.mark.parametrize(
    "tail", [b"more", gzip.compress(b"{}", mtime=0)], ids=["octets", "a stream"]
)
def test_bytes_behind_the_gzip_stream_are_refused(tail: bytes) -> None:
    with pytest.raises(BatchError, match="follow its end"):
        unpacked(gzip.compress(b"{}") + tail)


@given(st.binary(max_size=500))
def test_what_was_packed_comes_out_and_any_bytes_are_that_or_refused(body: bytes) -> None:
    assert unpacked(gzip.compress(body), 500) == body
    with pytest.raises(BatchError):
        unpacked(body, 100)


def test_a_body_of_another_type_is_refused_in_words() -> None:
    assert is_gzip({"content-type": "Application/JSON; charset=utf-8", "content-encoding": "GZIP"})
    assert not is_gzip({})
    for wrong in ({"content-type": "text/plain"}, {"content-encoding": "br"}):
        with pytest.raises(WrongTypeError, match="wanted"):
            is_gzip(wrong)


async def test_a_site_gets_its_share_of_the_room_and_no_more() -> None:
    room = Room(10, 4, wait_s=0.01)
    async with room.held(1, 3), room.held(2, 4):
        with pytest.raises(NoRoomError):
            await hold(room, 1, 2)
        await hold(room, 3, 3)
        with pytest.raises(NoRoomError):  # for all of them together
            await hold(room, 3, 4)
    await hold(room, 1, 400)


async def test_who_waits_is_let_in_in_turn_past_those_whose_site_has_its_share() -> None:
    room, came = Room(4, 3, wait_s=5), list[str]()

    async def wait(name: str, site: int, size: int) -> None:
        async with room.held(site, size):
            came.append(name)

    async with AsyncExitStack() as held:
        await held.enter_async_context(room.held(1, 3))
        waiting = [
            asyncio.create_task(wait(*one))
            for one in (("a", 1, 1), ("large", 2, 3), ("small", 3, 1), ("b", 1, 1))
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[3].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert came == ["a", "large", "small"]


async def hold(room: Room, site: int, size: int) -> None:
    async with room.held(site, size):
        pass


def test_too_many_messages_close_the_minute_of_their_key_alone() -> None:
    rates = Rates(requests=100, kib=100, messages=10)
    rates.carried(1, 11)

    assert rates.begin(1)
    assert rates.begin(2) is None


def _guess(guesses: Guesses, address: str, key: bytes) -> int | None:
    wait_s = guesses.begin(address, key)
    if wait_s is None:
        guesses.wrong(address, key)
    return wait_s


def test_guessing_keys_ends_after_some_and_not_for_a_key_that_was_right() -> None:
    now = 0.0
    guesses = Guesses(2, lambda: now)
    guesses.right(b"right")

    assert [_guess(guesses, "10.0.0.1", b"%d" % n) for n in range(3)] == [None, None, 60]
    assert guesses.begin("10.0.0.1", b"right") is None
    assert guesses.begin("10.0.0.2", b"other") is None
    guesses.wrong("10.0.0.1", b"right")
    assert guesses.begin("10.0.0.1", b"right") == 60
    now = 60.0
    assert guesses.begin("10.0.0.1", b"1") is None


def test_keys_that_are_being_looked_up_are_no_guesses() -> None:
    guesses = Guesses(2, lambda: 0.0)

    assert [guesses.begin("10.0.0.1", b"%d" % n) for n in range(100)] == [None] * 100


def test_guessing_from_many_addresses_takes_no_memory_and_no_key_out() -> None:
    guesses = Guesses(2, lambda: 0.0)
    told = [_guess(guesses, f"2001:db8:0:{n:x}::{n:x}", b"x") for n in range(3000)]

    assert told[:1002] == [None] * 1002
    assert set(told[1002:]) == {60}
    assert len(guesses._wrong) == 1001
    assert _guess(guesses, "2001:db8::1:2", b"x") is None
    assert guesses.begin("2001:db8::3:4", b"x") == 60  # of one /64
