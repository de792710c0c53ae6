"""msgspec's types of a message, made from pydantic's, so that the contract stands once.

What is not known how to say to msgspec raises TypeError as it is met: at import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache, partial
from itertools import chain, islice
from operator import itemgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, defstruct
from pydantic.fields import FieldInfo

from shared.fields import STORABLE, Instant
from shared.message import Part

MAX_REMEMBERED = 8_192  # texts a pattern

_CONFIG = {"frozen": True, "extra": "forbid", "allow_inf_nan": False, "defer_build": True}
_BOUNDS = ("ge", "le", "max_length")
_KNOWN = {*_BOUNDS, "pattern", "strict", "fail_fast"}  # msgspec is strict and fast in any case
_PLAIN = (int, float, str, UUID, NoneType)
_NOT_IN_BOTH = re.compile(r"\\[A-Za-z]|\(\?")  # of Rust's patterns and Python's


class Pattern:
    """Remembers texts that are as it says: names and OIDs come again with each read."""

    def __init__(self, text: str) -> None:
        if _NOT_IN_BOTH.search(text):
            raise TypeError(f"{text!r} may mean something else to pydantic")
        self.text = text
        self.seen: set[str] = set()
        self._fits = re.compile(text).fullmatch

    def fits(self, texts: Iterable[str]) -> bool:
        listed = list(texts)
        if self.seen.issuperset(listed):
            return True
        new = set(listed) - self.seen
        if not all(map(self._fits, new)):
            return False
        if len(self.seen) + len(new) > MAX_REMEMBERED:
            self.seen.clear()
        self.seen.update(islice(new, MAX_REMEMBERED))
        return True


_pattern = cache(Pattern)


class _Spot(NamedTuple):
    """Where in a value there is a text, or are `many`, that must be as `pattern` says."""

    pattern: Pattern
    get: Callable[[Any], Any] = str
    many: bool = False

    def texts(self) -> Callable[[Any], Iterable[str]]:
        return self.get if self.many else lambda value: (self.get(value),)

    def of_each(self) -> _Spot:
        chained = lambda values: chain.from_iterable(map(self.get, values))  # noqa: E731
        return self._replace(get=chained if self.many else partial(map, self.get), many=True)

    def after(self, step: Callable[[Any], Any]) -> _Spot:
        return self._replace(get=lambda value: self.get(step(value)))

    def instead(self, get: Callable[[Any], Any], many: bool = False) -> _Spot:
        if self.get is not str:
            raise _unknown(f"a text so deep with the pattern {self.pattern.text}")
        return self._replace(get=get, many=many)


class Made(NamedTuple):
    type: Any
    spots: list[_Spot]  # of the patterns but STORABLE: the type holds none

    def fits(self, value: Any) -> bool:  # noqa: ANN401
        return all(spot.pattern.fits(spot.texts()(value)) for spot in self.spots)


Check = tuple[str, Pattern, Callable[[Any], Iterable[str]]]


def struct_of(kind: type[Part], raw: Collection[str] = ()) -> tuple[type[Struct], list[Check]]:
    """Of the fields of `kind`, an absent one UNSET, those in `raw` as they came.

    With it, by field, what it does not hold: the patterns, and where the texts for them are.
    """
    members: list[Any] = []
    checks: list[Check] = []
    for name, field in kind.model_fields.items():
        if field.alias or field.validation_alias or field.discriminator:
            raise _unknown(f"{kind.__name__}.{name}, by an alias or a discriminator,")
        made = Made(Raw, []) if name in raw else made_of(field.rebuild_annotation())
        optional = Raw if name in raw else made.type | UnsetType
        members.append((name, made.type) if field.is_required() else (name, optional, UNSET))
        checks += [(name, spot.pattern, spot.texts()) for spot in made.spots]
    if kind.model_config != _CONFIG:
        raise _unknown(f"{kind.__name__} with {kind.model_config}")
    struct = defstruct(kind.__name__, members, forbid_unknown_fields=True, kw_only=True, gc=False)
    return struct, checks


def rules_of(kind: type[Part]) -> list[Callable[[Any], object]]:
    """What `kind` asks of its fields together; each raises ValueError, and reads attributes only.

    Raises: TypeError, for any other function that looks at or changes what comes.
    """
    told = kind.__pydantic_decorators__
    rules = list(told.model_validators.values())
    others = told.validators or told.field_validators or told.root_validators
    if others or any(rule.info.mode != "after" for rule in rules):
        raise _unknown(f"{kind.__name__} with a validator that is not of the whole, or not after")
    return [rule.func for rule in rules]


def made_of(annotation: Any) -> Made:  # noqa: ANN401
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation == Instant:
        return Made(Annotated[datetime, Meta(tz=True)], [])
    if origin is Annotated:
        return _bounded(made_of(args[0]), _constraints(args[1:]))
    if origin is Literal or annotation in _PLAIN:
        return Made(annotation, [])
    if origin in (Union, UnionType):
        return _either([made_of(arg) for arg in args])
    if origin in _SPOTS:
        within = [made_of(arg) for arg in args]
        return Made(origin[tuple(it.type for it in within)], _SPOTS[origin](within))
    if isinstance(annotation, type) and issubclass(annotation, Part):
        struct, checks = struct_of(annotation)
        if not checks and not rules_of(annotation):
            return Made(struct, [])
    raise _unknown(annotation)


def _bounded(made: Made, constraints: dict[str, Any]) -> Made:
    bounds = {name: constraints[name] for name in _BOUNDS if name in constraints}
    type_ = Annotated[made.type, Meta(**bounds)] if bounds else made.type
    pattern = constraints.get("pattern", STORABLE)
    if pattern == STORABLE:
        return Made(type_, made.spots)
    if made.type is not str:
        raise _unknown(f"{made.type} with the pattern {pattern}")
    return Made(type_, [_Spot(_pattern(pattern))])


def _constraints(metadata: Iterable[Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for one in metadata:
        if isinstance(one, FieldInfo):
            told |= _constraints(one.metadata)
            continue
        said = {it.name: getattr(one, it.name) for it in fields(one)} if is_dataclass(one) else {}
        said = {name: value for name, value in said.items() if value is not None}
        if not said or said.keys() - _KNOWN:
            raise _unknown(one)
        told |= said
    return told


def _either(within: list[Made]) -> Made:
    type_: Any = Union[tuple(it.type for it in within)]  # noqa: UP007
    spots = [spot.instead(str) for it in within for spot in it.spots]
    others = [it.type for it in within if not it.spots]
    if not spots:
        return Made(type_, [])
    if any(it is not NoneType for it in others):
        raise _unknown(f"{others}, or a text with a pattern")
    either = _Spot(_pattern("|".join(f"({spot.pattern.text})" for spot in spots)))
    if others:
        either = either.instead(lambda text: () if text is None else (text,), many=True)
    return Made(type_, [either])


def _of_places(within: list[Made]) -> list[_Spot]:
    return [spot.instead(itemgetter(place)) for place, it in enumerate(within) for spot in it.spots]


def _of_members(within: list[Made]) -> list[_Spot]:
    keys, values = within
    return [
        *(spot.instead(iter, many=True) for spot in keys.spots),
        *(spot.of_each().after(dict.values) for spot in values.spots),
    ]


_SPOTS: dict[Any, Callable[[list[Made]], list[_Spot]]] = {
    list: lambda within: [spot.of_each() for spot in within[0].spots],
    tuple: _of_places,
    dict: _of_members,
}


def _unknown(what: object) -> TypeError:
    return TypeError(f"{what}: not known how to say this to msgspec")
