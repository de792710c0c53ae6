"""Which devices of a computer's spooler are read in a round; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.discovery.closing import Computers
from services.discovery.devices import Device, Traits
from services.discovery.local_devices.attached import Attached, AttachedDevice
from services.discovery.plan import Resolved, Wish
from services.discovery.roster_rows import AnswerRow
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.identity import usable_serial
from shared.ipp_uri import ipp_uris
from shared.messages import NotReached, SnmpTarget, SpooledTarget
from shared.scope import Spooler
from shared.spans import number_of


class ListAttached(Protocol):
    """What the spoolers of computers have attached to them."""

    async def __call__(
        self,
        spoolers: Sequence[Spooler],
        *,
        ceiling: Ceiling,
        credentials: Mapping[str, Credential],
    ) -> Attached: ...


def spoolers_to_ask(wish: Wish, known: Iterable[Device]) -> list[Spooler]:
    """All in a search; in a read those of the computers that known devices are attached to."""
    hosts = {one.target.spooled.host for one in known if isinstance(one.target, SpooledTarget)}
    return [one for one in wish.spoolers if wish.kind == "search" or one.host in hosts]


def not_listed(spoolers: Iterable[Spooler], reason: str) -> Computers:
    return Computers(
        not_reached=tuple(NotReached(target=one.host[:300], reason=reason) for one in spoolers)
    )


def names_in(attached: Attached) -> set[str]:
    """The hosts of network ports that are named, and not numbered."""
    return {one.address for one in attached.devices if one.address and not _is_address(one.address)}


def rows_of(
    attached: Attached,
    spoolers: Iterable[Spooler],
    *,
    wish: Wish,
    known: Iterable[Device],
    by_network: set[int],
    resolved: Resolved,
    now: datetime,
) -> tuple[list[AnswerRow], Computers]:
    """The devices to read, and what came of asking.

    Args:
        by_network: addresses that are read by SNMP or IPP: what is there is one device.
        resolved: `names_in` what is attached.
    """
    known_keys = {one.target.key for one in known}
    protocols = {one.host: one.protocol for one in spoolers}
    listed = frozenset(protocols) - {one.target for one in attached.not_reached}
    same = {
        one.target.key
        for one in attached.devices
        if by_network.intersection(_numbers(one.address, resolved))
    }
    rows = [
        _row(one, is_cups=protocols.get(one.target.spooled.host) == "cups", now=now)
        for one in attached.devices
        if one.target.key not in same and (wish.kind == "search" or one.target.key in known_keys)
    ]
    return rows, Computers(listed, frozenset(same), attached.not_reached)


def by_network(
    wish: Wish, resolved: Resolved, answers: Iterable[AnswerRow], known: Iterable[Device]
) -> set[int]:
    """The addresses of devices that are read by SNMP or IPP."""
    targets = [one.target for one in answers if one.outcome != "not_a_printer"]
    targets += [one.target for one in known]
    found = [one.snmp for one in targets if isinstance(one, SnmpTarget)]
    for uri in ipp_uris([*wish.site_targets, *wish.targets]):
        found += [uri.host] if uri.is_address else resolved.get(uri.host, ())
    return set(map(number_of, found))


def _row(one: AttachedDevice, *, is_cups: bool, now: datetime) -> AnswerRow:
    seen = one.seen
    return AnswerRow(
        one.target,
        "printing",
        "cups" if is_cups else "spooler",
        credential="",
        version=0,
        answered_at=now,
        traits=Traits((seen.make or "").upper(), usable_serial(seen.serial)[0]),
        spooled=seen,
    )


def _numbers(address: str | None, resolved: Resolved) -> list[int]:
    if address is None:
        return []
    found = [address] if _is_address(address) else resolved.get(address, ())
    return list(map(number_of, found))


def _is_address(text: str) -> bool:
    try:
        number_of(text)
    except ValueError:
        return False
    return True
