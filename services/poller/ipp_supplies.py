"""IPP's supplies to supply levels; pure. PWG 5100.13 printer-supply, and CUPS' marker-…"""

from __future__ import annotations

from itertools import zip_longest

from services.poller.ipp_text import letters, pairs_in, whole_number
from services.poller.mib import SUPPLY_TYPES, SUPPLY_UNITS
from services.poller.supplies import level_percent, state
from shared.ipp.values import MAX_VALUES, integers_in, texts_in
from shared.ipp.wire import Attributes
from shared.messages import SupplyLevel
from shared.text import clean

_TYPES = {letters(word): word for word in SUPPLY_TYPES.values()}
_UNITS = {  # PrtMarkerSuppliesSupplyUnitTC as printer-supply spells it
    "tenthousandthsofinches": SUPPLY_UNITS[3],
    "micrometers": SUPPLY_UNITS[4],
    "thousandthsofounces": SUPPLY_UNITS[12],
    "tenthsofgrams": SUPPLY_UNITS[13],
    "hundrethsoffluidounces": SUPPLY_UNITS[14],
    "tenthsofmilliliters": SUPPLY_UNITS[15],
    "meters": SUPPLY_UNITS[17],
}
_COLORS = {  # marker-colors
    "#000000": "black",
    "#00ffff": "cyan",
    "#ff00ff": "magenta",
    "#ffff00": "yellow",
}
_MARKER_STATES = {-1: "unavailable", -2: "unknown", -3: "some left"}


def supply_levels(attributes: Attributes) -> list[SupplyLevel]:
    """In the device's order; printer-supply, which says more, before marker-…"""
    return _printer_supplies(attributes) or _markers(attributes)


def _printer_supplies(attributes: Attributes) -> list[SupplyLevel]:
    said = texts_in(attributes, "printer-supply")
    names = texts_in(attributes, "printer-supply-description")[: len(said)]
    return [
        _supply(str(place), text, name)
        for place, (text, name) in enumerate(zip_longest(said, names), 1)
        if text
    ]


def _supply(place: str, text: str, name: str | None) -> SupplyLevel:
    said = pairs_in(text)
    level, most = whole_number(said.get("level")), whole_number(said.get("maxcapacity"))
    unit, colorant = said.get("unit"), said.get("colorantname", "").lower()
    return SupplyLevel(
        index=clean(said.get("index", "")) or place,
        description=clean(name or ""),
        type=_type(said.get("type")),
        colorant=None if colorant == "none" else clean(colorant),
        level_percent=level_percent(level, most),
        level=level,
        max_capacity=most,
        unit=(_UNITS.get(letters(unit)) or clean(unit)) if unit else None,
        state=state(level, most, receptacle="receptacle" in letters(said.get("class", ""))),
    )


def _markers(attributes: Attributes) -> list[SupplyLevel]:
    """marker-levels are percent, or why there are none; which end of a waste box, is not said."""
    names = texts_in(attributes, "marker-names")
    types = texts_in(attributes, "marker-types")
    colors = texts_in(attributes, "marker-colors")
    levels = integers_in(attributes, "marker-levels")
    rows = zip_longest(names, types, colors, levels)
    return [_marker(str(place), *row) for place, row in enumerate(rows, 1) if place <= MAX_VALUES]


def _marker(
    place: str, name: str | None, type_: str | None, color: str | None, level: int | None
) -> SupplyLevel:
    kind = _type(type_)
    is_waste = "waste" in (kind or "").lower()
    return SupplyLevel(
        index=place,
        description=clean(name or ""),
        type=kind,
        colorant=_COLORS.get((color or "").lower()) or _color_name(color),
        level_percent=None if is_waste else level_percent(level, 100),
        level=level,
        unit="percent",
        state=_marker_state(level, is_waste=is_waste),
    )


def _marker_state(level: int | None, *, is_waste: bool) -> str | None:
    if level is None or level < 0:
        return _MARKER_STATES.get(level, f"level {level} means nothing") if level else None
    if is_waste:
        return f"{level} %, of what is full or of what is free"
    return state(level, 100, receptacle=False)


def _color_name(color: str | None) -> str | None:
    if not color or color.startswith("#") or color.lower() == "none":
        return None
    return clean(color.lower())


def _type(text: str | None) -> str | None:
    return (_TYPES.get(letters(text)) or clean(text)) if text else None
