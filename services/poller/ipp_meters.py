"""IPP's counters to meters; pure. PWG 5100.22 section 7.7.

A counter that is unknown, has no value, is negative or is there twice is no meter, and never 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from services.poller.decode import Meters
from shared.ipp.wire import Attributes, Value

TOTAL = "printer-impressions-completed"
BY_COLOR = "printer-impressions-completed-col"
SHEETS = "printer-media-sheets-completed"
PAGES = "printer-pages-completed"  # of the documents, not sides: no meter
COUNTERS = (TOTAL, BY_COLOR, SHEETS, PAGES)
MEMBERS = tuple(
    color + sides
    for color in ("monochrome", "full-color", "highlight-color", "blank")
    for sides in ("", "-two-sided")
)
_QUEUE = (
    "it is a print queue of CUPS, which counts its jobs and not the device's pages; "
    "add the device itself, by its own address"
)


def member_key(member: str) -> str:
    """A member of the collection by colour as a read's `attributes` and `sources` name it."""
    return f"{BY_COLOR}/{member}"


def counter_values(attributes: Attributes) -> Mapping[str, Value]:
    """Each counter that came, and each member of the collection, by its name."""
    found = {
        name: _only(attributes[name]) for name in (TOTAL, SHEETS, PAGES) if attributes.get(name)
    }
    members = _only(attributes.get(BY_COLOR, ())).value
    if isinstance(members, Mapping):
        found |= {member_key(name): _only(members[name]) for name in MEMBERS if members.get(name)}
    elif attributes.get(BY_COLOR):
        found[BY_COLOR] = _only(attributes[BY_COLOR])
    return found


def _only(values: Sequence[Value]) -> Value:
    """The one value; of several none can be told to be it."""
    return values[0] if len(values) == 1 else Value("several-values", None)


def is_cups_queue(attributes: Attributes) -> bool:
    """Whether a CUPS server answers for one of its queues; no printer says these of itself."""
    return bool(attributes.get("cups-version") or attributes.get("device-uri"))


def ipp_meters(values: Mapping[str, Value], *, is_queue: bool) -> tuple[Meters, str | None]:
    """The meters, and why there are none where there are none."""
    meters = Meters()
    if is_queue:
        return meters, _QUEUE
    for meter, name in (("total", TOTAL), ("sheets", SHEETS)):
        count = count_of(values.get(name))
        if count is None:
            meters.missing[meter] = _why(name, values.get(name))
        else:
            meters.counts[meter] = count
            meters.sources[meter] = [name]
    _add_colors(meters, values)
    if not meters.counts:
        return meters, f"no total: {meters.missing['total']}"
    if "total" in meters.missing:
        meters.notes.append(f"no total: {meters.missing['total']}")
    return meters, None


def native_counts(values: Mapping[str, Value]) -> dict[str, int]:
    """What no bill rests on: pages of documents, and the collection's members one by one."""
    names = {"pages": PAGES} | {
        f"impressions_{name.replace('-', '_')}": member_key(name) for name in MEMBERS
    }
    counts = {name: count_of(values.get(key)) for name, key in names.items()}
    return {name: count for name, count in counts.items() if count is not None}


def count_of(value: Value | None) -> int | None:
    if value is None or value.syntax != "integer" or not isinstance(value.value, int):
        return None
    return value.value if value.value >= 0 else None


def _why(name: str, value: Value | None) -> str:
    if value is None:
        return f"it does not report {name}"
    if value.value is None:
        return f"{name} is {value.syntax}"
    return f"{name} is {value.value!r}, which is not metered"[:200]


class _Split(NamedTuple):
    """A way to understand the collection."""

    mono: int | None
    color: int | None
    whole: int


def _add_colors(meters: Meters, values: Mapping[str, Value]) -> None:
    """Mono and colour, where the collection is complete and can be understood in one way only.

    The standard names members for sides of two-sided sheets beside those of one-sided ones. A
    device may count them within the first member all the same, and blank sides as impressions or
    not. The total tells which; without it those members must be 0 or absent.
    """
    came = {name: values[member_key(name)] for name in MEMBERS if member_key(name) in values}
    if not came:
        return
    counts = {name: count_of(value) for name, value in came.items()}
    uncounted = [name for name, count in counts.items() if count is None]
    if uncounted:
        name = uncounted[0]
        _leave_out(meters, _why(member_key(name), came[name]))
        return
    known = {name: count for name, count in counts.items() if count is not None}
    total = meters.counts.get("total")
    ways = {one for one in _splits(known) if total in (None, one.whole)}
    if total is None and not {"monochrome", "full-color"} <= known.keys():
        _leave_out(meters, f"without {TOTAL} nothing shows that {BY_COLOR} is complete")
    elif len({(one.mono, one.color) for one in ways}) != 1:
        said = ", ".join(f"{name} {count}" for name, count in known.items())
        of = f"{TOTAL} {total}" if total is not None else "no total"
        _leave_out(meters, f"{said} of {of} cannot be understood in one way")
    else:
        _put(meters, ways.pop(), known)


def _splits(known: Mapping[str, int]) -> Iterator[_Split]:
    for sides in (("", "-two-sided"), ("",)):
        mono, color, accent, blank = (
            _sum(known, [name + side for side in sides])
            for name in ("monochrome", "full-color", "highlight-color", "blank")
        )
        printed = (mono or 0) + (color or 0) + (accent or 0)
        for whole in (printed, printed + (blank or 0)):
            yield _Split(mono, None if accent else color, whole)


def _sum(known: Mapping[str, int], names: Sequence[str]) -> int | None:
    counts = [known[name] for name in names if name in known]
    return sum(counts) if counts else None


def _put(meters: Meters, split: _Split, known: Mapping[str, int]) -> None:
    for meter, member, count in (
        ("mono", "monochrome", split.mono),
        ("color", "full-color", split.color),
    ):
        if count is None:
            continue
        meters.counts[meter] = count
        meters.sources[meter] = [
            member_key(name) for name in (member, f"{member}-two-sided") if name in known
        ]
    if split.color is None and "full-color" in known:
        meters.notes.append(
            "left out color: whether highlight-color is billed as color is not known"
        )


def _leave_out(meters: Meters, reason: str) -> None:
    meters.notes.append(f"left out mono and color: {reason}"[:1000])
