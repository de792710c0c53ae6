"""What agents in the field do wrong, for the simulator to do on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from shared.snmp.error_status import GEN_ERR, NO_SUCH_NAME, TOO_BIG
from shared.snmp.port import Varbind
from shared.snmp.wire import GETBULK, SnmpMessage, encode

Misbehaviour = Literal[
    "loop",  # a walk comes back to its first row
    "same_row",  # what comes after a row is that row
    "endless",  # a walk never leaves the subtree that it began in
    "backwards",  # what comes after a row is the row before it
    "growing",  # a column has one more row whenever it has been walked to its end
    "cut",  # half of each datagram is missing
    "cut_anywhere",  # each datagram ends at another octet
    "lying_length",  # a length says more than there is
    "noise",  # what comes is not SNMP
    "echo",  # the question itself comes back
    "wrong_id",  # an answer bears another request's id
    "wrong_source",  # an answer comes from another port
    "other_community",
    "other_version",
    "twice",  # each answer comes twice
    "flood",  # each answer comes two hundred times
    "other_oids",  # asked for one OID, answers with another
    "more_varbinds",  # answers with one that was not asked for as well
    "first_only",  # answers the first varbind alone
    "nothing",  # answers without varbinds
    "gen_err",
    "too_big",  # says so of every question
    "huge",  # an octet string of 60 kB
    "flipping_types",  # a count is of another type whenever it is asked for
    "error_index",  # noSuchName about a varbind that was not asked for
    "no_bulk",  # is silent to GETBULK
    "empty_bulk",
    "bulk_gen_err",
    "bulk_fewer",  # one repetition, however many were asked for
    "bulk_more",  # answers GETBULK with more repetitions than were asked for
]

COPIES: Mapping[str | None, int] = {"twice": 2, "flood": 200}  # of each answer; else 1
_COUNTS = ("Counter32", "Gauge32", "Integer32", "Counter64", "TimeTicks", "OctetString")


def spoil(kind: Misbehaviour | None, asked: SnmpMessage, answer: SnmpMessage) -> bytes:
    """The datagram that an agent which misbehaves in this way makes of a right answer."""
    if kind in _ANSWERS:
        answer = _ANSWERS[kind](asked, answer)
    encoded = encode(answer)
    if kind == "cut":
        return encoded[: len(encoded) // 2]
    if kind == "cut_anywhere":
        return encoded[: asked.request_id % len(encoded)]
    if kind == "noise":
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    if kind == "echo":
        return encode(asked)
    if kind == "lying_length":
        return encoded[:1] + b"\x83\x0f\xff\xff" + encoded[2:]
    return encoded


def wrong_next(
    kind: Misbehaviour | None, oid: str, ordered: Sequence[str], following: int
) -> str | None:
    """The OID that an agent which misbehaves in this way says to come after `oid`; None: `kind`
    says nothing here.

    Args:
        ordered: the OIDs that the agent has.
        following: where among them the right one is.
    """
    if kind == "endless":
        parent, _, last = oid.rpartition(".")
        return f"{parent}.{int(last) + 1}" if oid.count(".") > 12 else f"{oid}.1"
    if kind == "backwards":
        return ordered[max(following - 2, 0)]
    if kind == "growing":
        parent, _, last = oid.rpartition(".")
        here = following < len(ordered) and ordered[following].startswith(f"{parent}.")
        return None if here or oid.count(".") <= 9 else f"{parent}.{int(last) + 1}"
    if following == 0 or ordered[following - 1] != oid:
        return None
    if kind == "same_row":
        return oid
    if kind == "loop":
        parent = oid.rpartition(".")[0] + "."
        siblings = [row for row in ordered if row.startswith(parent)]
        return siblings[0] if siblings[-1] == oid else None
    return None


def _gen_err(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return answer._replace(error_status=GEN_ERR, error_index=1, varbinds=asked.varbinds)


def _gen_err_to_bulk(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return _gen_err(asked, answer) if asked.pdu == GETBULK else answer


def _empty_to_bulk(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return answer._replace(varbinds=[]) if asked.pdu == GETBULK else answer


def _wrong_index(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return answer._replace(error_status=NO_SUCH_NAME, error_index=99, varbinds=asked.varbinds)


def _other_oids(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return answer._replace(varbinds=[row._replace(oid=f"{row.oid}.9") for row in answer.varbinds])


def _too_big(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return answer._replace(error_status=TOO_BIG, error_index=0, varbinds=asked.varbinds)


def _more_varbinds(_: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    return answer._replace(varbinds=[*answer.varbinds, Varbind("1.3.6.1.9.9.0", "Integer32", 9)])


def _bulk_fewer(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    if asked.pdu != GETBULK:
        return answer
    return answer._replace(varbinds=answer.varbinds[: len(asked.varbinds)])


def _bulk_more(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    """As many repetitions again, each with the instances after the last one's."""
    if asked.pdu != GETBULK:
        return answer
    more = [row._replace(oid=f"{row.oid}.1") for row in answer.varbinds]
    return answer._replace(varbinds=answer.varbinds + more)


def _huge(_: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    """One octet string an answer, so that it fits into a datagram."""
    varbinds = list(answer.varbinds)
    at = next((n for n, row in enumerate(varbinds) if row.type == "OctetString"), None)
    if at is not None:
        varbinds[at] = varbinds[at]._replace(value=b"A" * 60_000)
    return answer._replace(varbinds=varbinds)


def _flipping(asked: SnmpMessage, answer: SnmpMessage) -> SnmpMessage:
    kind = _COUNTS[asked.request_id % len(_COUNTS)]
    return answer._replace(varbinds=[_as(kind, row) for row in answer.varbinds])


def _as(kind: str, row: Varbind) -> Varbind:
    if not isinstance(row.value, int) or not 0 <= row.value < 2**31:
        return row
    value = str(row.value).encode() if kind == "OctetString" else row.value
    return row._replace(type=kind, value=value)


_ANSWERS: Mapping[str | None, Callable[[SnmpMessage, SnmpMessage], SnmpMessage]] = {
    "wrong_id": lambda _, answer: answer._replace(request_id=answer.request_id ^ 1),
    "other_community": lambda _, answer: answer._replace(community=b"another"),
    "other_version": lambda _, answer: answer._replace(version=1 - answer.version),
    "other_oids": _other_oids,
    "more_varbinds": _more_varbinds,
    "first_only": lambda _, answer: answer._replace(varbinds=answer.varbinds[:1]),
    "nothing": lambda _, answer: answer._replace(varbinds=[]),
    "empty_bulk": _empty_to_bulk,
    "bulk_fewer": _bulk_fewer,
    "bulk_more": _bulk_more,
    "gen_err": _gen_err,
    "too_big": _too_big,
    "huge": _huge,
    "flipping_types": _flipping,
    "bulk_gen_err": _gen_err_to_bulk,
    "error_index": _wrong_index,
}
