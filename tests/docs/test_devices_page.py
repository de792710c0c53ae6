"""docs/devices.md says what the profiles say."""

from __future__ import annotations

from deploy.devices_page import PAGE, page
from services.poller.profile import load_profile
from services.poller.recognise import DEFAULT
from tests.unit.poller.reading import PROFILES

NORTHWIND = """\
profile: northwind
version: 3
title: Northwind, and what is one inside
match:
  - make: Northwind
    sys_object_id: 1.3.6.1.4.1.32473
    source: its MIB
  - make: Southridge
    sys_descr: '^Southridge'
    source: its MIB
meters:
  total:
    oid: 1.3.6.1.4.1.32473.1.1.0
    granularity: 10
    source: its MIB
  copy:
    oid: 1.3.6.1.4.1.32473.1.2.0
    source: its MIB
  life_count:
    column: 1.3.6.1.2.1.43.10.2.1.4
    source: RFC 3805
"""
RECORDED = """\
recorded:
  Northwind NW-1: { own: [total] }
  Northwind NW-2: { standard: [life_count] }
  Southridge S-3: {}
"""


def page_with(text: str) -> str:
    default = PROFILES.by_name[DEFAULT]
    return page({DEFAULT: default, "northwind": load_profile(text, "northwind.yaml")})


def test_the_page_is_made_from_the_profiles() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(PROFILES.by_name), "run `make devices`"


def test_a_maker_without_a_recording_is_marked_mib_only() -> None:
    said = page_with(NORTHWIND)

    assert "| [Northwind](#northwind) | MIB only |  |" in said
    assert "- MIB only: `total`, `copy`\n- Standard MIB only: `life_count`" in said


def test_what_was_recorded_is_told_by_model_and_meter() -> None:
    said = page_with(NORTHWIND + RECORDED)

    assert "| [Northwind](#northwind) | recorded, 1 model | `total` |" in said
    assert (
        "Northwind, and what is one inside. Profile `northwind@3`.\n\n"
        "- Sold as: Southridge\n"
        "- Recorded: NW-1: `total`\n"
        "- Recorded, standard MIB: NW-2: `life_count`\n"
        "- Recognised in recordings without counters: Southridge S-3\n"
        "- MIB only: `copy`\n"
        "- Standard MIB only: `life_count`\n"
        "- Counting: `total` in steps of 10\n"
    ) in said
