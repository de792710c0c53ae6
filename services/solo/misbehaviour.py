"""What agents in the field do wrong, for the simulator to do on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from shared.snmp.error_status import GEN_ERR, NO_SUCH_NAME
from shared.snmp.wire import GETBULK, SnmpMessage, encode

Misbehaviour = Literal[
    "loop",  # a walk comes back to its first row
    "same_row",  # what comes after a row is that row
    "endless",  # a walk never leaves the subtree that it began in
    "cut",  # half of each datagram is missing
    "lying_length",  # a length says more than there is
    "wrong_id",  # an answer bears another request's id
    "wrong_source",  # an answer comes from another port
    "twice",  # each answer comes twice
    "other_oids",  # asked for one OID, answers with another
    "first_only",  # answers the first varbind alone
    "nothing",  # answers without varbinds
    "gen_err",
    "error_index",  # noSuchName about a varbind that was not asked for
    "no_bulk",  # is silent to GETBULK
    "empty_bulk",
    "bulk_gen_err",
]


def spoil(kind: Misbehaviour | None, asked: SnmpMessage, answer: SnmpMessage) -> bytes:
    """The datagram that an agent which misbehaves in this way makes of a right answer."""
    if kind in _ANSWERS:
        answer = _ANSWERS[kind](asked, answer)
    encoded = encode(answer)
    if kind == "cut":
        return encoded[: len(encoded) // 2]
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


_ANSWERS: Mapping[str | None, Callable[[SnmpMessage, SnmpMessage], SnmpMessage]] = {
    "wrong_id": lambda _, answer: answer._replace(request_id=answer.request_id ^ 1),
    "other_oids": _other_oids,
    "first_only": lambda _, answer: answer._replace(varbinds=answer.varbinds[:1]),
    "nothing": lambda _, answer: answer._replace(varbinds=[]),
    "empty_bulk": _empty_to_bulk,
    "gen_err": _gen_err,
    "bulk_gen_err": _gen_err_to_bulk,
    "error_index": _wrong_index,
}
