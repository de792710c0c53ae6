"""That msgspec's types are made of pydantic's as they are, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    field_validator,
)

from services.ingest.quick_types import MAX_REMEMBERED, Pattern, struct_of
from shared.message import Part


class _Validated(Part):
    x: int

    @field_validator("x")
    @classmethod
    def _even(cls, x: int) -> int:
        return x


class _Stripping(Part):
    model_config = ConfigDict(str_strip_whitespace=True)
    x: str


class _Named(Part):
    x: Annotated[str, StringConstraints(pattern="^[a-z]$")]


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, AfterValidator(str)],
        Annotated[str, StringConstraints(min_length=1)],
        Annotated[str, StringConstraints(strip_whitespace=True)],
        Annotated[str, StringConstraints(pattern=r"^\d$")],
        Annotated[str, Field(alias="y")],
        Annotated[int, Field(multiple_of=2)],
        str | Annotated[str, StringConstraints(pattern="^[a-z]$")],
        Annotated[str | None, StringConstraints(pattern="^[a-z]$")],
        tuple[list[Annotated[str, StringConstraints(pattern="^[a-z]$")]]],
        tuple[int, ...],
        set[int],
        Decimal,
        Any,
        _Validated,
        _Stripping,
        _Named,
    ],
    ids=range(16),
)
def test_a_field_that_is_not_understood_ends_the_start(annotation: Any) -> None:
    kind = create_model("Kind", __base__=Part, x=annotation)

    with pytest.raises(TypeError, match=r"not known how|something else to pydantic"):
        struct_of(kind)


def test_no_more_texts_are_remembered_than_that() -> None:
    pattern = Pattern("^[0-9]+$")
    for start in range(0, 3 * MAX_REMEMBERED, 1000):
        assert pattern.fits(map(str, range(start, start + 1000)))
        assert len(pattern.seen) <= MAX_REMEMBERED
    assert pattern.fits(map(str, range(2 * MAX_REMEMBERED)))

    assert len(pattern.seen) <= MAX_REMEMBERED


def test_a_text_that_is_not_as_the_pattern_says_is_not_remembered() -> None:
    pattern = Pattern("^[a-z]$")

    assert not pattern.fits(["a", "b\n"])
    assert not pattern.fits(["b\n"])
    assert pattern.seen == set()
