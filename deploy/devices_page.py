"""Writes docs/devices.md out of the profiles: `make devices`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from services.poller.profile import Profile, load_profiles
from services.poller.profile_rows import MeterRow
from services.poller.recognise import DEFAULT

PAGE = Path(__file__).resolve().parent.parent / "docs" / "devices.md"
STANDARD = ("1.3.6.1.2.1.", "1.3.6.1.4.1.2699.")  # the IETF's and the PWG's
BASES = {"life": "a large sheet counts once", "equivalent": "a large sheet counts as A4 sheets"}
HEAD = """\
# Devices

Which meters are read, maker by maker, and how well each is confirmed. Made from the profiles by \
`make devices`.

- **Recorded**: a device of that model was recorded, and what is read of the recording is what a \
person read off it.
- **MIB only**: the row is in the maker's MIB, or two independent sources agree on it; no \
recording has shown it yet. Compare the first read with the device's own counter page.
- **Standard MIB**: the row is the Printer MIB's (RFC 3805), which any maker's devices may have: \
the life count stands for the total.

A model that is not named is read as its maker's others are. What a device does not tell is left \
out, never guessed.

Devices that were added as IPP are read by the standard counters of PWG 5100.22, whatever their \
maker; no real device has confirmed that these are what its own counter page shows.
"""


def page(profiles: Mapping[str, Profile]) -> str:
    """docs/devices.md, whole."""
    makers = {_heading(each): each for name, each in profiles.items() if name != DEFAULT}
    makers = dict(sorted(makers.items(), key=lambda maker: maker[0].lower()))
    rows = [
        f"| {_link(heading)} | {_state(each)} | {_names(_confirmed(each))} |"
        for heading, each in makers.items()
    ]
    table = [
        "| maker | confirmed | meters of the maker's own that were recorded |",
        "|---|---|---|",
    ]
    sections = [_section(heading, each) for heading, each in makers.items()]
    others = _section("All others", profiles[DEFAULT])
    return "\n".join([HEAD, *table, *rows, "", *sections, others])


def _section(name: str, profile: Profile) -> str:
    own, confirmed = _own(profile), _confirmed(profile)
    models = {model.removeprefix(f"{name} "): each for model, each in profile.recorded.items()}
    bare = [model for model, each in models.items() if not each.own and not each.standard]
    sold_as = [make for make in _makes(profile) if not name.startswith(make)]
    lines = [
        ("Makes" if profile.profile == DEFAULT else "Sold as", ", ".join(sold_as)),
        *(("Recorded", line) for line in _alike({m: each.own for m, each in models.items()})),
        *(
            ("Recorded, standard MIB", line)
            for line in _alike({m: each.standard for m, each in models.items()})
        ),
        ("Recognised in recordings without counters", ", ".join(bare)),
        ("MIB only", _names(name for name in own if name not in confirmed)),
        ("Standard MIB only", _names(name for name in profile.meters if name not in own)),
        ("Kept in the read, never billed", _names(profile.native)),
        ("Counting", "; ".join(_counting(profile))),
        ("Supplies", "the maker's own rows as well" if profile.supplies else ""),
    ]
    said = "\n".join(f"- {what}: {text}" for what, text in lines if text)
    title = "" if profile.title == name else f"{profile.title}. "
    return f"## {name}\n\n{title}Profile `{profile.label}`.\n\n{said}\n"


def _alike(meters: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A line for models with the same meters."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for model, names in meters.items():
        lines.setdefault(tuple(names), []).append(model)
    yield from (f"{', '.join(models)}: {_names(each)}" for each, models in lines.items() if each)


def _own(profile: Profile) -> list[str]:
    """Meters that the maker's own rows hold."""
    return [name for name, ways in profile.meters.items() if any(map(_is_own, ways))]


def _confirmed(profile: Profile) -> list[str]:
    recorded = {name for model in profile.recorded.values() for name in model.own}
    return [name for name in profile.meters if name in recorded]


def _state(profile: Profile) -> str:
    models = sum(bool(model.own) for model in profile.recorded.values())
    if models:
        return f"recorded, {models} {'model' if models == 1 else 'models'}"
    return "MIB only" if _own(profile) else "standard MIB"


def _counting(profile: Profile) -> Iterator[str]:
    if profile.basis:
        yield BASES[profile.basis]
    for name, way in ((name, way) for name, ways in profile.meters.items() for way in ways):
        if way.granularity:
            yield f"`{name}` in steps of {way.granularity}"
        if way.rolls_over_after:
            yield f"`{name}` begins anew after {way.rolls_over_after:,}"


def _is_own(way: MeterRow) -> bool:
    return not all(oid.startswith(STANDARD) for oid in (*way.oids, *way.columns))


def _makes(profile: Profile) -> list[str]:
    matched = (match.make for match in profile.match if match.make)
    return list(dict.fromkeys((*matched, *profile.makes)))


def _heading(profile: Profile) -> str:
    """The maker; of its second profile with that one's name."""
    make = next(iter(_makes(profile)), profile.title)
    return make if profile.profile in make.lower() else f"{make} ({profile.profile})"


def _link(heading: str) -> str:
    anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
    return f"[{heading}](#{anchor})"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(load_profiles()), encoding="utf-8")
