"""A /16 swept, unpaced: ours beside zmap and onesixtyone, in turn, over the same Ethernet link."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench.lan import SIZE, FarDevices, Lan
from bench.simulator import MissingError
from bench.sweepers import Sweeper, Swept, onesixtyone, ours, sweep, zmap

ROUNDS = 3
MOST_CPU_US = 12.0  # an address
BARS = {  # by peer: what is told, and the least times its rate
    "zmap": ("times zmap's rate", 0.8),
    "onesixtyone": ("times onesixtyone's rate, 5 s of whose time are a fixed wait", 3.0),
}

Rounds = dict[Sweeper, list[Swept]]


async def run() -> None:
    if missing := Lan.missing():
        print(f"sweep    left out: {missing}")
        return
    for share, name in (("0.01", "1 % answers"), ("all", "all answer")):
        try:
            await asyncio.to_thread(_measure, share, name)
        except MissingError as missing_here:
            print(f"sweep    left out: {missing_here}")
            return


def _measure(share: str, name: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Lan() as lan,
        FarDevices(lan, share) as devices,
    ):
        one, two, command = ours()
        peers = [peer for peer in (zmap(lan, Path(folder)), onesixtyone()) if peer]
        sweepers = [one, *peers, *([] if share == "all" else [two, command])]
        rounds: Rounds = {sweeper: [] for sweeper in sweepers}
        for _ in range(ROUNDS):
            for sweeper, swept in rounds.items():
                swept.append(sweep(sweeper, lan, devices))
    for sweeper, swept in rounds.items():
        print(_line(name, sweeper, swept, devices.alive))
    _tell_bars(name, rounds.pop(one), devices.alive, rounds)


def _line(name: str, sweeper: Sweeper, rounds: Sequence[Swept], alive: int) -> str:
    def each(what: Callable[[Swept], float]) -> float:
        return median(map(what, rounds))

    work = f" ({each(lambda s: s.work_s):.2f} once started)" if sweeper.tells_work else ""
    notes = sorted({note for swept in rounds for note in swept.notes})
    found = "/".join(str(swept.found) for swept in rounds)
    return (
        f"sweep    {name}: {sweeper.name:<33} {each(lambda s: s.seconds):5.2f} s{work:<20}"
        f" {each(lambda s: 1e6 * s.cpu_s / SIZE):5.1f} us CPU an address,"
        f" {each(lambda s: s.asked / SIZE):.3f} datagrams, found {found} of {alive}"
        f"{'; ' if notes else ''}{'; '.join(notes)}"
    )


def _tell_bars(name: str, mine: Sequence[Swept], alive: int, rounds: Rounds) -> None:
    for peer, theirs in rounds.items() if alive < SIZE else ():
        what, bar = BARS.get(peer.name.partition(" ")[0], ("", 0.0))
        if what:
            _tell(name, what, bar, _rates(mine, theirs, lambda s: s.seconds))
            _tell(name, f"{what}; ours once started", bar, _rates(mine, theirs, _worked))
    _tell(name, "of those alive are found", 1, min(swept.found for swept in mine) / alive)
    asked = max(swept.asked for swept in mine)
    held = "held" if asked == SIZE else "MISSED"
    print(f"sweep    {name}: {asked} datagrams for {SIZE} addresses, one each: {held}")
    if alive < SIZE:
        cpu_us = median(1e6 * swept.work_cpu_s / SIZE for swept in mine)
        held = "held" if cpu_us <= MOST_CPU_US else "MISSED"
        print(f"sweep    {name}: {cpu_us:.1f} us CPU an address; at most {MOST_CPU_US:g}: {held}")


def _worked(swept: Swept) -> float:
    return swept.work_s or swept.seconds


def _rates(
    mine: Sequence[Swept], theirs: Sequence[Swept], seconds: Callable[[Swept], float]
) -> float:
    """The median of the rounds' ratios: what slows a round slows both."""
    return median(seconds(b) / seconds(a) for a, b in zip(mine, theirs, strict=True))


def _tell(name: str, what: str, bar: float, ratio: float) -> None:
    held = "held" if ratio >= bar else "MISSED"
    print(f"sweep    {name}: {ratio:.2f} {what}; at least {bar:g}: {held}")
