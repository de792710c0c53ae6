"""Everything that a device answers, asked for one datagram after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from services.poller.mib import IF_PHYS_ADDRESS
from services.poller.private_rows import MAKERS, MIB_2, left_out
from shared.snmp.oids import order
from shared.snmp.port import (
    ErrorStatusError,
    MalformedAnswerError,
    NoAnswerError,
    SnmpSession,
    Varbind,
    Walk,
)

ROOTS = (MIB_2, MAKERS)
# what shows which device it is, and whose: walked whatever else is
ALWAYS = (f"{MIB_2}.1", IF_PHYS_ADDRESS, f"{MIB_2}.25.3.2.1", f"{MIB_2}.43.5.1.1")
MAX_ROWS = 20_000
MAX_OCTETS = 2_000_000  # of datagrams that came; a session ends a little above
_AT_ONCE = 40  # rows until it is looked at how it goes
_ROW_OCTETS = 24
_MOST_STEPS_OVER = 12
_NO_ARC = 2**31 - 1


@dataclass
class Recorded:
    """`rows` as they came, `faults` what kept more from coming, in words."""

    rows: dict[str, Varbind] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    is_whole: bool = True  # but for what was stepped over


def roots_of(under: Iterable[str]) -> list[str]:
    """In order, and none below another."""
    under = list(under)
    roots = sorted({*under, *ALWAYS} if under else ROOTS, key=order)
    return [each for each in roots if not any(each.startswith(f"{other}.") for other in roots)]


async def record(
    session: SnmpSession,
    roots: Iterable[str],
    *,
    seconds: float,
    tell: Callable[[int, str], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> Recorded:
    """Walks below `roots`; what is left out of recordings is leapt over.

    `tell` is given the number of rows and the last OID, again and again.

    Raises: NoAnswerError, CredentialRefusedError, OutsideCeilingError, where nothing came at all.
    """
    walk = _Recording(session, asyncio.get_running_loop().time() + seconds, tell, is_stopped)
    for root in roots:
        if walk.recorded.is_whole:
            await walk.below(root)
    return walk.recorded


class _Recording:
    def __init__(
        self,
        session: SnmpSession,
        until: float,
        tell: Callable[[int, str], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        self.recorded = Recorded()
        self._session = session
        self._until = until
        self._tell = tell
        self._is_stopped = is_stopped
        self._steps_over = 0
        self._has_tried_next = False  # since the last row

    async def below(self, root: str) -> None:
        after: str | None = ""
        alone = 0  # rows to be asked for one at a time: those before the one that fails
        while after is not None and not self._breaks_off(_joined(root, after)):
            try:
                rows = await self._next_rows(root, after, 1 if alone else _AT_ONCE)
            except (NoAnswerError, ErrorStatusError, MalformedAnswerError) as error:
                if not self._session.traffic.packets_in:
                    raise
                after = self._step_over(root, after, error) if alone else after
                alone = 0 if alone else _AT_ONCE
                continue
            after = self._keep(root, rows)
            alone = max(0, alone - 1)

    async def _next_rows(self, root: str, after: str, size: int) -> Mapping[str, Varbind]:
        walk = Walk((root,), expected=size, octets=_ROW_OCTETS, max_rows=size, after=after)
        return (await self._session.walk([walk]))[root]

    def _keep(self, root: str, rows: Mapping[str, Varbind]) -> str | None:
        """The instance after which it goes on; None where nothing follows."""
        after = None
        for after, varbind in rows.items():  # noqa: B007
            stretch = left_out(varbind.oid)
            if stretch:
                prefix = f"{root}."
                return stretch.end.removeprefix(prefix) if stretch.end.startswith(prefix) else None
            self.recorded.rows[varbind.oid] = varbind
            self._has_tried_next = False
            self._tell(len(self.recorded.rows), varbind.oid)
        return after

    def _breaks_off(self, at: str) -> bool:
        reason = self._reason()
        if reason:
            self.recorded.faults.append(f"broken off after {at}: {reason}")
            self.recorded.is_whole = False
        return reason is not None

    def _reason(self) -> str | None:
        if self._is_stopped():
            return "told to stop"
        if len(self.recorded.rows) >= MAX_ROWS:
            return f"{MAX_ROWS:,} rows; --under OID asks for a part"
        if self._session.traffic.bytes_in >= MAX_OCTETS:
            return f"{MAX_OCTETS:,} octets of answers; --under OID asks for a part"
        if asyncio.get_running_loop().time() >= self._until:
            return "its time was over; --seconds gives more, --under OID asks for a part"
        return None

    def _step_over(self, root: str, after: str, error: Exception) -> str | None:
        """Past what does not answer, as little of it as can be; None where nothing is left.

        First the rest of the table, then the subtree that follows, then the same a level higher.
        """
        arcs = list(order(after)) if after else []
        here = arcs[:-1]
        if arcs[-1:] == [_NO_ARC] and not self._has_tried_next:
            here = [*arcs[:-2], arcs[-2] + 1]
        elif arcs[-1:] == [_NO_ARC]:
            here = arcs[:-2]
        self._has_tried_next = len(here) == len(arcs) - 1 and arcs[-1] == _NO_ARC
        self._steps_over += 1
        over = ".".join(map(str, here))
        if not here or self._steps_over > _MOST_STEPS_OVER:
            self.recorded.faults.append(f"nothing more below {root}: {error}")
            return None
        self.recorded.faults.append(f"stepped over the rest of {_joined(root, over)}: {error}")
        self._session.manners.takes_bulk = None
        return f"{over}.{_NO_ARC}"


def _joined(root: str, after: str) -> str:
    return f"{root}.{after}" if after else root
