"""Looking at each line of a batch alone: is it a message that this site may send? Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from uuid import UUID

from msgspec import Struct

from services.ingest.envelope import Line
from services.ingest.quick import decode_quickly
from services.ingest.rows import StoredMessage
from shared.decode import MessageError, decode
from shared.log import log
from shared.messages import MeterRead, ReadFailed, RoundFinished, SegmentsListed

ACCEPTED_TYPES = {
    kind.routing_key for kind in (MeterRead, ReadFailed, RoundFinished, SegmentsListed)
}
_NO_ID = UUID(int=0)


class Checked(Struct, frozen=True, gc=False):
    """A line that was looked at alone; `message` None: `reason` says why it is rejected."""

    line: Line
    digest: bytes
    message: StoredMessage | None = None
    reason: str | None = None
    id: UUID = _NO_ID  # the message's


def check_lines(lines: Iterable[Line], site_name: str, seen: set[int]) -> list[Checked]:
    """`seen`: the numbers of the batch until here, to which those of `lines` are added."""
    checked = []
    for line in lines:
        digest = hashlib.sha256(line.body).digest()
        try:
            if line.n in seen:
                raise MessageError(f"number {line.n} is twice in this batch")
            message = _message(line, site_name)
            checked.append(Checked(line, digest, message, id=message.id))
        except MessageError as error:
            checked.append(Checked(line, digest, reason=printable(str(error))))
        seen.add(line.n)
    return checked


def _message(line: Line, site_name: str) -> StoredMessage:
    """Raises: MessageError."""
    if line.type is None:
        raise MessageError("type is missing or is no text")
    if line.type not in ACCEPTED_TYPES:
        raise MessageError(f"{line.type[:80]!r} is not a message that a site sends to the hub")
    quick = decode_quickly(line.body) if line.type == MeterRead.routing_key else None
    try:
        message = quick or decode(line.type, line.body)
    except MessageError:
        raise
    except Exception as error:  # one body must not keep its batch out for ever
        log.error("message undecodable", type=line.type, error=repr(error)[:200])
        raise MessageError(f"could not be read: {type(error).__name__}") from error
    assert isinstance(message, StoredMessage)
    if message.site is not None and message.site != site_name:
        raise MessageError(f"names site {message.site!r}; the key is of another")
    return message


def printable(text: str) -> str:
    """A reason may quote a key of the message: nothing in it may disturb a database or a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
