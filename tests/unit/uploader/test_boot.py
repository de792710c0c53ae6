from __future__ import annotations

from datetime import timedelta

import pytest

from services.uploader.boot import Ages, SinceBoot, since_boot
from tests.unit.uploader.messages import NOW


def at(seconds: float, boot: str = "this") -> SinceBoot:
    return SinceBoot(boot, seconds)


def test_what_was_stored_in_this_boot_has_an_age() -> None:
    assert Ages().age_s(at(400), at(1000)) == 600


@pytest.mark.parametrize("stored", [at(400, "another"), at(1000.5), None])
def test_what_was_stored_at_no_instant_of_this_boot_has_no_age(stored: SinceBoot | None) -> None:
    assert Ages().age_s(stored, at(1000)) is None


def test_what_was_stored_before_the_box_stood_still_has_no_age() -> None:
    """Paused for a day, it would call a read of yesterday one of today."""
    ages = Ages()
    ages.heard(NOW, at(1000))
    ages.heard(NOW + timedelta(seconds=900), at(1905))
    assert ages.age_s(at(1000), at(1905)) == 905

    ages.heard(NOW + timedelta(days=1), at(1950))

    assert ages.age_s(at(1940), at(1960)) is None
    assert ages.age_s(at(1955), at(1960)) == 5


def test_a_reboot_between_two_contacts_is_no_standstill() -> None:
    ages = Ages()
    ages.heard(NOW, at(90_000))
    ages.heard(NOW + timedelta(days=1), at(50, "another"))
    assert ages.age_s(at(20, "another"), at(60, "another")) == 40


def test_this_box_has_such_a_clock() -> None:
    first, second = since_boot(), since_boot()
    assert first and second
    assert first.boot == second.boot
    assert first.s <= second.s
