"""A batch for the hub and what the hub says of it; pure. design.md's hub API, `POST /v1/events`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from services.uploader.boot import SinceBoot
from services.uploader.spool import Outgoing, Verdict, Waiting

AgeOf = Callable[[SinceBoot | None], float | None]  # seconds since a message was stored

MAX_MESSAGES = 500
MAX_BYTES = 1_000_000  # before gzip
BYTES_AROUND = 180  # what stands around a body in the envelope, at most
BYTES_BEFORE = 50_000  # and before them all: of these 4 kB status, the rest what was carried over
_LONGEST_REASON = 500


class AnswerError(ValueError):
    """The hub answered 200 with something that is no answer to a batch."""


class Answers(NamedTuple):
    verdicts: list[Verdict]
    last: int | None  # the highest number of this spool that the hub knows; None: not said
    received_at: datetime | None = None  # by the hub's clock
    renumber: bool = False  # a number came with another message than before


def envelope(
    outgoing: Outgoing, *, sent_at: datetime, age_s: AgeOf, status: bytes
) -> tuple[bytes, str]:
    """The JSON of a batch, and of what stands in it around the messages.

    Each body stands in it byte for byte as it was spooled.
    """
    head = b'"spool":"%s","first_unsent":%d,"last":%d,"sent_at":"%s","status":%s' % (
        str(outgoing.spool).encode(),
        outgoing.first_unsent,
        outgoing.last,
        sent_at.isoformat(timespec="milliseconds").encode(),
        status,
    )
    if outgoing.began:
        head += b',"began":' + outgoing.began.encode()
    messages = b",".join(_message(message, age_s(message.stored)) for message in outgoing.messages)
    return b'{%s,"messages":[%s]}' % (head, messages), (b"{%s}" % head).decode()


def _message(message: Waiting, age_s: float | None) -> bytes:
    aged = b"" if age_s is None else b',"age_s":%.3f' % age_s
    return b'{"n":%d,"type":"%s","stored_at":"%s"%s,"body":%s}' % (
        *(message.n, message.type.encode(), message.stored_at.encode(), aged),
        message.body,
    )


def read_answers(body: bytes, sent: Collection[int]) -> Answers:
    """What the hub said of the numbers that were sent; what doesn't fit is left out.

    A number that was not sent, one that is answered in two ways, a status that is none of
    accepted, duplicate and rejected: such a result counts as not given, so its message goes again.

    Raises: AnswerError, where the body is no JSON object with a list of results.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("the answer is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise AnswerError("the answer holds no results")
    given: dict[int, Verdict] = {}
    contradicted: set[int] = set()
    for verdict in _fitting(answer["results"]):
        if verdict.n not in sent:
            continue
        if given.setdefault(verdict.n, verdict).state != verdict.state:
            contradicted.add(verdict.n)
    last = answer.get("last")
    return Answers(
        [verdict for n, verdict in given.items() if n not in contradicted],
        last if type(last) is int and last < 2**63 else None,
        _instant(answer.get("received_at")),
        answer.get("renumber") is True,
    )


def _instant(text: object) -> datetime | None:
    """None too for a year that no clock shows, with which nobody could reckon."""
    try:
        instant = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo and 2000 < instant.year < 9000 else None


def fault_told(body: bytes) -> str | None:
    """What the hub said with a status that is none of success: `{"error": "…"}`."""
    try:
        fault = json.loads(body)
    except (ValueError, RecursionError):
        return None
    text = fault.get("error") if isinstance(fault, dict) else None
    return one_line(text) if isinstance(text, str) and text else None


def _fitting(results: list[object]) -> Iterator[Verdict]:
    for result in results:
        if not isinstance(result, dict) or type(result.get("n")) is not int:
            continue
        if result.get("status") in ("accepted", "duplicate"):
            yield Verdict(result["n"], "committed", None)
        elif result.get("status") == "rejected":
            yield Verdict(result["n"], "rejected", one_line(result.get("reason")))


def one_line(text: object) -> str:
    """A text of the hub's as an operator may see it: short, without control characters."""
    if not isinstance(text, str) or not text:
        return "the hub gave no reason"
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_REASON])
