"""One router asked for the networks that it knows: a few tables, bounded, never walked blind."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.discovery.segments import (
    ADDRESSES,
    NEIGHBOURS,
    ROUTES,
    Cells,
    Found,
    Source,
    is_segment,
    neighbours_in,
)
from shared.snmp.port import NoAnswerError, SnmpError, SnmpSession, Walk

MAX_ROWS = 300  # of a table
MAX_NEIGHBOURS = 1_000
MAX_DATAGRAMS = 1_000  # sent; after them no further table is begun
DEADLINE_S = 60.0  # of a whole router

_IP_FORWARDING = "1.3.6.1.2.1.4.1.0"
_IF_DESCR, _IF_NAME = "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.31.1.1.1.1"
_MOST_NAMES = 100
_LONGEST_NAME = 60
# where the networks begin that people search, in a table with more rows than are read
_PRIVATE_BEGINS = ("10", "172.16", "192.168")


@dataclass
class Told:
    """What a router told."""

    found: list[Found] = field(default_factory=list)
    interfaces: dict[int, str] = field(default_factory=dict)  # ifIndex -> name
    neighbours: list[int] | None = None  # as numbers; None where not all of them were told
    notes: list[str] = field(default_factory=list)


async def ask_gateway(session: SnmpSession) -> Told:
    """Its own networks, then its routes: of each kind the first table that tells any.

    Raises: SnmpError, where it does not answer the first question.
    """
    told = Told()
    forwarding = (await session.get([_IP_FORWARDING])).get(_IP_FORWARDING)
    if forwarding and forwarding.value == 2:
        told.notes.append("it says that it does not route (ipForwarding)")
    try:
        for sources in (ADDRESSES, ROUTES):
            for source in sources:
                found = await _networks(session, source, told)
                told.found += found
                if any(is_segment(one.network) for one in found):
                    break
        told.interfaces = await _interface_names(session, told.found)
        told.neighbours = await _neighbours(session)
    except NoAnswerError as error:  # it went away, or is too slow: what it told stands
        told.notes.append(str(error))
    return told


async def _networks(session: SnmpSession, source: Source, told: Told) -> list[Found]:
    """Raises: NoAnswerError."""
    if session.traffic.packets_out >= MAX_DATAGRAMS:
        told.notes.append(f"{source.name} was not asked: {MAX_DATAGRAMS} datagrams were sent")
        return []
    whole = Walk(source.columns, max_rows=MAX_ROWS)
    try:
        tables = {column: dict(rows) for column, rows in (await session.walk([whole])).items()}
        if max(map(len, tables.values())) >= MAX_ROWS:
            told.notes.append(f"{source.name} has over {MAX_ROWS} rows, and not all were read")
            if source.before_ipv4 is not None:
                begins = [f"{source.before_ipv4}{one}" for one in _PRIVATE_BEGINS]
                more = await session.walk([whole._replace(after=begin) for begin in begins])
                for column, rows in more.items():
                    tables[column] |= rows
    except NoAnswerError:
        raise
    except SnmpError as error:
        told.notes.append(f"{source.name}: {error}")
        return []
    return list(source.read(tables))


async def _interface_names(session: SnmpSession, found: list[Found]) -> dict[int, str]:
    indexes = list(dict.fromkeys(one.if_index for one in found if one.if_index is not None))
    names: dict[int, str] = {}
    for column in (_IF_NAME, _IF_DESCR):
        unnamed = [one for one in indexes[:_MOST_NAMES] if 0 < one < 2**31 and one not in names]
        names |= await _texts(session, column, unnamed) if unnamed else {}
    return names


async def _texts(session: SnmpSession, column: str, indexes: list[int]) -> dict[int, str]:
    """Raises: NoAnswerError."""
    try:
        cells = await session.get([f"{column}.{one}" for one in indexes])
    except NoAnswerError:
        raise
    except SnmpError:  # a network without its interface's name is one all the same
        return {}
    texts = {one: _text(cells, f"{column}.{one}") for one in indexes}
    return {one: text for one, text in texts.items() if text}


def _text(cells: Cells, oid: str) -> str:
    value = cells[oid].value if oid in cells else None
    text = value.decode(errors="replace") if isinstance(value, bytes) else ""
    return "".join(filter(str.isprintable, text)).strip()[:_LONGEST_NAME]


async def _neighbours(session: SnmpSession) -> list[int] | None:
    """Raises: NoAnswerError. Only where a datagram holds many of them."""
    if not session.manners.takes_bulk or session.traffic.packets_out >= MAX_DATAGRAMS:
        return None
    try:
        tables = await session.table([NEIGHBOURS], max_rows=MAX_NEIGHBOURS)
    except NoAnswerError:
        raise
    except SnmpError:
        return None
    return None if len(tables[NEIGHBOURS]) >= MAX_NEIGHBOURS else neighbours_in(tables)
