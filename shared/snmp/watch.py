"""Is it one agent that answers? Each question asks that beside what it is for.

An address can change hands between two datagrams of a read: a device is replaced, or two have the
same address. Then no answer of the one may stand beside one of the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from shared.snmp.ask import Asker
from shared.snmp.error_status import NO_ERROR, NO_SUCH_NAME
from shared.snmp.oids import order, predecessor
from shared.snmp.port import (
    AnotherDeviceError,
    MalformedAnswerError,
    Manners,
    Value,
    Varbind,
)
from shared.snmp.wire import GET, GETBULK, GETNEXT, SnmpMessage, encode_oid, exists

SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"  # RFC 3418, in 1/100 s
# some agents keep their time coarsely or badly
_BACK_S = 1.0
_SLACK_S = 60.0
_SLACK_RATE = 10.0
_OCTETS = 12  # of a varbind beside its OID and text


class Watch:
    """An Asker whose every question also asks for sysUpTime and for what else tells the device.

    `width` varbinds and `head_octets` are what this leaves of a message.
    """

    def __init__(self, asker: Asker) -> None:
        self.name = asker.name
        self.traffic = asker.traffic
        self._asker = asker
        self._watched: dict[str, Varbind | None] = {SYS_UP_TIME: None}  # as it came at first
        self._octets = _octets(SYS_UP_TIME, None)  # of what is watched, in an answer
        self._came_at = 0.0
        self._not_by_get: set[str] = set()
        self._is_too_small = False  # to be asked for anything beside a question
        self._unseen: set[str] = set()  # what the last answer did not hold of what is watched

    @property
    def manners(self) -> Manners:
        return self._asker.manners

    @manners.setter
    def manners(self, manners: Manners) -> None:
        self._asker.manners = manners

    @property
    def width(self) -> int:
        return max(1, self.manners.max_varbinds - len(self._asked_beside(GETNEXT)))

    @property
    def head_octets(self) -> int:
        return self._asker.head_octets + self._octets

    def expect(self, varbinds: Iterable[Varbind]) -> None:
        """As SnmpSession.expect."""
        fresh = {varbind.oid: varbind for varbind in varbinds}
        self._watched = {**self._watched, **fresh} if fresh else {SYS_UP_TIME: None}
        self._octets = sum(_octets(oid, before) for oid, before in self._watched.items())
        self._unseen = set()

    async def ask(
        self,
        pdu: int,
        oids: Sequence[str],
        *,
        non_repeaters: int = 0,
        max_repetitions: int = 0,
        tries: int | None = None,
    ) -> SnmpMessage:
        """As Asker.ask. Raises also: AnotherDeviceError."""
        oids = tuple(oids)
        while True:
            extras, asked = _beside(pdu, oids, tuple(self._asked_beside(pdu)))
            answer = await self._asker.ask(
                pdu,
                asked,
                non_repeaters=non_repeaters + len(extras) if pdu == GETBULK else 0,
                max_repetitions=max_repetitions,
                tries=tries,
            )
            if answer.error_status == NO_SUCH_NAME and 1 <= answer.error_index <= len(extras):
                self._not_by_get.add(extras[answer.error_index - 1])
            elif answer.error_status != NO_ERROR:
                return answer._replace(error_index=max(0, answer.error_index - len(extras)))
            elif extras and len(answer.varbinds) <= len(extras):
                self._is_too_small = True
            else:
                found = self._seen(answer.varbinds)
                self._unseen = self._watched.keys() - found
                if self._unseen:
                    answered = asked[: len(answer.varbinds)]
                    self._refuse_wrong(pdu, answered, answer.varbinds)
                    found = await self._with_missing(pdu, answered, found)
                self._compare(found)
                if extras:
                    answer = answer._replace(varbinds=answer.varbinds[len(extras) :])
                return answer

    def _seen(self, varbinds: Sequence[Varbind]) -> dict[str, Varbind]:
        """What is watched, as it came; it stands at the front."""
        found: dict[str, Varbind] = {}
        for varbind in varbinds:
            if varbind[0] in self._watched and exists(varbind):
                found[varbind[0]] = varbind
                if len(found) == len(self._watched):
                    break
        return found

    def _asked_beside(self, pdu: int) -> Collection[str]:
        """What is watched, as far as there is room for it beside a question."""
        most = self.manners.max_varbinds
        if self._is_too_small or most < 2:
            return ()
        watched = self._watched if most >= 2 * len(self._watched) else (SYS_UP_TIME,)
        if pdu == GET and self._not_by_get:
            return [oid for oid in watched if oid not in self._not_by_get]
        return watched

    async def confirm(self) -> None:
        """As SnmpSession.confirm."""
        for oid in self._unseen & self._watched.keys():
            answer = await self._asker.ask(GETNEXT, [predecessor(oid)])
            found = {one.oid: one for one in answer.varbinds if one.oid == oid}
            if not found and self._watched[oid] is not None:
                raise self._is_gone(oid)
            self._compare(found)
        self._unseen = set()

    async def _with_missing(
        self, pdu: int, answered: Sequence[str], found: dict[str, Varbind]
    ) -> dict[str, Varbind]:
        """What was watched, asked for and not given: gone, or not given to a GET.

        Raises: AnotherDeviceError, and what asking once more raises.
        """
        for oid, before in list(self._watched.items()):
            start = oid if pdu == GET else predecessor(oid)
            if oid in found or (
                start not in answered and not (pdu == GET and oid in self._not_by_get)
            ):
                continue  # there, or not asked, or the answer ended before
            if before is None:
                del self._watched[oid]
            elif pdu == GET:  # agents are in use that GET does not give what GETNEXT does
                self._not_by_get.add(oid)
                once_more = await self._asker.ask(GETNEXT, [predecessor(oid)])
                found |= {one.oid: one for one in once_more.varbinds if one.oid == oid}
            if before is not None and oid not in found:
                raise self._is_gone(oid)
        return found

    def _refuse_wrong(self, pdu: int, asked: Sequence[str], varbinds: Sequence[Varbind]) -> None:
        """Raises: MalformedAnswerError, where what came is no answer to what was asked."""
        for oid, varbind in zip(asked, varbinds, strict=False):
            if pdu == GET and varbind.oid != oid:
                raise MalformedAnswerError(
                    f"{self.name}: asked for {oid}, answered with {varbind.oid}"
                )
            if pdu != GET and exists(varbind) and order(varbind.oid) <= order(oid):
                raise MalformedAnswerError(
                    f"{self.name}: the walk does not advance: {varbind.oid} came after {oid}"
                )

    def _is_gone(self, oid: str) -> AnotherDeviceError:
        return AnotherDeviceError(
            f"{self.name}: another device answered before the read was finished, or its agent "
            f"fails: it no longer tells {oid}"
        )

    def _compare(self, found: Mapping[str, Varbind]) -> None:
        """Raises: AnotherDeviceError"""
        for oid, now in found.items():
            before = self._watched.get(oid)
            if oid == SYS_UP_TIME:
                at = asyncio.get_running_loop().time()
                if before is not None:
                    self._compare_uptime(before.value, now.value, at - self._came_at)
                self._watched[oid], self._came_at = now, at
            elif before is None or now.value != before.value or now.type != before.type:
                raise AnotherDeviceError(
                    f"{self.name}: another device answered before the read was finished"
                )

    def _compare_uptime(self, before: Value, now: Value, elapsed_s: float) -> None:
        if not isinstance(before, int) or not isinstance(now, int):
            return
        gone_s = (now - before) / 100
        if not -_BACK_S <= gone_s <= _SLACK_S + _SLACK_RATE * elapsed_s:
            raise AnotherDeviceError(
                f"{self.name}: it was restarted or replaced while it was read: its sysUpTime went "
                f"on by {gone_s:g} s in {elapsed_s:.1f} s"
            )


@lru_cache(maxsize=1024)  # most devices are asked what others were
def _beside(
    pdu: int, oids: tuple[str, ...], watched: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of `watched` that are not asked for anyway, and all that is asked then."""
    if pdu == GET:
        extras = tuple(oid for oid in watched if oid not in oids)
        return extras, extras + oids
    extras = tuple(oid for oid in watched if predecessor(oid) not in oids)
    return extras, (*map(predecessor, extras), *oids)


def _octets(oid: str, varbind: Varbind | None) -> int:
    text = varbind.value if varbind else None
    return len(encode_oid(oid)) + _OCTETS + (len(text) if isinstance(text, bytes) else 0)
