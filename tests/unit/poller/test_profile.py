from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from services.poller.profile import BUILT_IN, Profile, ProfileError, load_profile, load_profiles
from services.poller.profile_rows import (
    Check,
    IdentityRow,
    Match,
    MeterRow,
    OwnSupply,
    Quirks,
    SupplyRow,
    Tolerance,
)
from services.poller.recognise import Profiles
from tests.unit.poller.reading import PROFILES, by_oid, counter, octets, read_rows

KYOCERA = "1.3.6.1.4.1.1347.41"
SMALL = """\
profile: northwind
version: 1
title: Northwind
extends: rfc3805
match:
  - make: Northwind
    sys_object_id: 1.3.6.1.4.1.32473
    source: its manual
meters:
  copy:
    oid: 1.3.6.1.4.1.32473.1.2.0
    source: its MIB
"""


def fault(text: str) -> str:
    with pytest.raises(ProfileError) as caught:
        load_profile(text, "northwind.yaml")
    return str(caught.value)


def folder(path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return path


def test_a_row_without_a_source_is_refused_with_file_line_and_key() -> None:
    text = SMALL.replace("    source: its MIB\n", "")

    assert fault(text) == "northwind.yaml:10: meters.copy.source: Field required"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    oid: 1", "    oids: 1", "northwind.yaml:11: meters.copy.oids: Extra inputs"),
        ("32473.1.2.0", "32473.x.0", "northwind.yaml:11: meters.copy.oid: String should match"),
        ("version: 1", "version: 0", "northwind.yaml:2: version: Input should be greater"),
        ("  copy:", "  Copies:", "northwind.yaml:10: meters.Copies"),
        ("    sys_object_id: 1.3.6.1.4.1.32473\n", "", "northwind.yaml:6: match.1: Value error"),
        (
            "    source: its MIB",
            "    source: its MIB\n    unit_column: 1.3.6",
            "where, add, unit_column",
        ),
        ("    source: its MIB", "    source: its MIB\n    sum: [1.3.6, 1.3.7]", "one of oid, sum"),
        ("title: Northwind", "title: Northwind\ntitle: Southwind", "northwind.yaml:4: title: is"),
        (
            "    oid: 1.3.6.1.4.1.32473.1.2.0",
            "    sum: [1.3.6, 1.3.7]\n    where_present: true",
            "copy is summed where_present, and no check",
        ),
        (
            "    oid: 1.3.6.1.4.1.32473.1.2.0",
            "    column: 1.3.6.1\n    where: { column: 1.3.6.2, equals: 1, any_of: [2, 3] }",
            "needs equals or any_of, and not both",
        ),
        (
            "    oid: 1.3.6.1.4.1.32473.1.2.0",
            "    sum: [1.3.6, 1.3.7]\n    records: [1]",
            "records and pattern go with oid",
        ),
        ("title: Northwind", "title: [", "not YAML"),
    ],
)
def test_a_fault_is_told_with_file_line_and_key(old: str, new: str, said: str) -> None:
    assert said in fault(SMALL.replace(old, new))


def test_something_that_is_no_mapping_is_no_profile() -> None:
    assert fault("- a\n- b\n").startswith("northwind.yaml:1: profile: ")
    assert fault("").startswith("northwind.yaml:1: profile: ")


def test_a_pattern_that_does_not_compile_is_told() -> None:
    text = SMALL + "identity:\n  model:\n    oid: 1.3.6\n    pattern: '('\n    source: its MIB\n"

    assert fault(text).startswith("northwind.yaml:16: identity.model.pattern: ")


def test_a_profile_has_what_it_extends_but_for_what_it_says_anew(tmp_path: Path) -> None:
    said = load_profiles(folder(tmp_path, northwind=SMALL))["northwind"]

    assert set(said.meters) == {"total", "copy"}
    assert said.identity == PROFILES.by_name["rfc3805"].identity
    assert [match.make for match in said.match] == ["Northwind"]


def test_a_meter_of_nothing_takes_away_the_inherited_one(tmp_path: Path) -> None:
    said = load_profiles(folder(tmp_path, northwind=SMALL + "  total:\n"))["northwind"]

    assert set(said.meters) == {"copy"}


def test_identity_rows_are_tried_before_those_inherited(tmp_path: Path) -> None:
    text = SMALL + "identity:\n  serial:\n    oid: 1.3.6.1.4.1.32473.1.9.0\n    source: its MIB\n"
    said = load_profiles(folder(tmp_path, northwind=text))["northwind"]

    assert said.identity["serial"][0].oid == "1.3.6.1.4.1.32473.1.9.0"
    assert len(said.identity["serial"]) > 1


def test_extending_what_is_not_there_or_oneself_is_told(tmp_path: Path) -> None:
    text = SMALL.replace("extends: rfc3805", "extends: southwind")
    with pytest.raises(ProfileError, match=r"northwind: extends: no profile 'southwind'"):
        load_profiles(folder(tmp_path, northwind=text))
    other = text.replace("profile: northwind", "profile: southwind").replace(
        "extends: southwind", "extends: northwind"
    )
    with pytest.raises(ProfileError, match="extends: itself"):
        load_profiles(folder(tmp_path, northwind=text, southwind=other))


def test_a_file_is_named_as_its_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="name the file so"):
        load_profiles(folder(tmp_path, other=SMALL))


def test_a_profile_is_not_named_as_reads_by_ipp_are(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="so are other reads called"):
        load_profiles(folder(tmp_path, ipp=SMALL.replace("northwind", "ipp")))


def test_a_folder_without_profiles_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="holds no profile"):
        load_profiles(tmp_path)


def test_ones_own_profile_stands_for_the_built_in_one_of_its_name(tmp_path: Path) -> None:
    text = SMALL.replace("profile: northwind\nversion: 1", "profile: kyocera\nversion: 9")

    assert load_profiles(folder(tmp_path, kyocera=text))["kyocera"].label == "kyocera@9"


def test_the_longest_prefix_wins(tmp_path: Path) -> None:
    near = SMALL.replace("northwind", "near").replace("1.3.6.1.4.1.32473\n", "1.3.6.1.4.1.1347.4\n")
    deep = SMALL.replace("northwind", "deep").replace("1.32473\n", f"1.{KYOCERA[12:]}\n")
    profiles = Profiles(load_profiles(folder(tmp_path, near=near, deep=deep)))

    assert profiles.choose(KYOCERA, None).profile.profile == "deep"
    assert profiles.choose("1.3.6.1.4.1.1347.4.1", None).profile.profile == "near"
    assert profiles.choose("1.3.6.1.4.1.1347.9", None).profile.profile == "kyocera"
    assert profiles.choose("1.3.6.1.4.1.13470.1", None).profile.profile == "rfc3805"


def test_a_sys_object_id_is_believed_before_a_sys_descr() -> None:
    """A Kyocera was met whose sysDescr is a JetDirect card's."""
    choice = PROFILES.choose(KYOCERA, "HP ETHERNET MULTI-ENVIRONMENT,ROM J.sp.00,JETDIRECT EX")

    assert (choice.profile.profile, choice.make) == ("kyocera", "Kyocera")


def test_a_brand_is_told_by_sys_descr() -> None:
    assert PROFILES.choose(KYOCERA, "TA_UTAX Printing System").make == "UTAX"
    assert PROFILES.choose("1.3.6.1.4.1.367.1.1", "LANIER MP C3501 2.01 / LANIER").make == "Lanier"


def test_without_a_system_group_the_makers_own_rows_tell() -> None:
    choice = PROFILES.choose(None, None, ["1.3.6.1.4.1.1347.43.10.1.1.12.1.1"])

    assert (choice.profile.profile, choice.make) == ("kyocera", "Kyocera")


def test_what_nothing_recognises_has_the_standard_profile() -> None:
    choice = PROFILES.choose("1.3.6.1.4.1.32473.1", "Northwind LP 2400")

    assert (choice.profile.profile, choice.recognised) == ("rfc3805", False)


@pytest.mark.parametrize(
    ("sys_object_id", "sys_descr", "profile", "make", "model"),
    [
        ("236.11.5.1", "HP Laser MFP 131 133 135-138; V3.82", "hplaser", "HP", None),
        ("253.8.62.1.9", "Xerox Phaser 3320; OS 1", "samsung", "Xerox", "Phaser 3320"),
        ("253.8.62.1.9", "Xerox Phaser 4600; System 35", "xerox", "Xerox", "Phaser 4600"),
        ("674.10898.5", "Dell 1815dn MFP OS 1.0;Engine;S/N 7C1", "samsung", "Dell", "1815dn MFP"),
        ("674.10898.5", "Dell MFP Laser 3115cn; Net 9", "dell", "Dell", "MFP Laser 3115cn"),
        ("641.2.9", "TOSHIBA e-STUDIO385S version NH", "lexmark", "Toshiba", "e-STUDIO385S"),
        ("641.2.9", "Lexmark T640 version NS", "lexmark", "Lexmark", "T640"),
        ("1129.2.3.9", "OKI MC760", "toshiba", "OKI", "MC760"),
        ("367.1.1", "infotec MP 301 1.02 / infotec Network", "ricoh", "Infotec", "MP 301"),
        ("1347.41", "UTAX Printing System", "kyocera", "UTAX", None),
    ],
)
def test_what_is_inside_a_rebranded_device_is_told(
    sys_object_id: str, sys_descr: str, profile: str, make: str, model: str | None
) -> None:
    choice = PROFILES.choose(f"1.3.6.1.4.1.{sys_object_id}", sys_descr)

    assert (choice.profile.profile, choice.make) == (profile, make)
    assert model in (None, (choice.said or {}).get("model"))


def test_no_two_built_in_profiles_claim_one_prefix() -> None:
    prefixes = [
        prefix
        for profile in PROFILES.by_name.values()
        for match in profile.match
        for prefix in match.sys_object_id
        if not match.both
    ]

    assert len(prefixes) == len(set(prefixes))


@pytest.mark.parametrize("file", sorted(BUILT_IN.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_built_in_profile_says_where_each_row_is_from(file: Path) -> None:
    """A row of any kind, as it is written, has one; and without it the profile is refused."""
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    rows = list(_rows_in(written))

    assert [row for row in rows if not re.search("[A-Za-z]{3}", row.get("source", ""))] == []
    for row in rows:
        source = row.pop("source")
        with pytest.raises(ValidationError, match="source"):
            Profile.model_validate(written)
        row["source"] = source


def _rows_in(written: object) -> Iterator[dict[str, Any]]:
    """Every mapping that says something of a device, but what belongs to one that does."""
    if isinstance(written, list):
        for each in written:
            yield from _rows_in(each)
    elif isinstance(written, dict):
        if "source" in written or {"oid", "column", "sum"} & written.keys():
            yield written
        else:
            yield from _rows_in(list(written.values()))


DOCS = (Path(__file__).parents[3] / "docs" / "profiles.md").read_text(encoding="utf-8")


def test_the_example_in_the_docs_reads_a_device(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    profiles = Profiles(load_profiles(folder(tmp_path, northwind=example)))
    at = "1.3.6.1.4.1.32473.7"
    rows = by_oid(
        octets("1.3.6.1.2.1.1.1.0", "Northwind NW-12C"),
        octets(f"{at}.1.2.0", "NW12C00031"),
        octets(f"{at}.1.3.0", "Main 2.11; Panel 1.4"),
        counter(f"{at}.2.1.0", 900),
        counter("1.3.6.1.2.1.43.10.2.1.4.1.1", 910),
        counter(f"{at}.2.3.1.0", 500),
        counter(f"{at}.2.4.1.0", 300),
        counter(f"{at}.2.4.2.0", 100),
        octets(f"{at}.2.5.1.2.7", "Copies"),
        counter(f"{at}.2.5.1.3.7", 88),
    )

    read = read_rows(rows, profiles)

    assert read.meters == {"total": 900, "life_count": 910, "copy": 88, "mono": 500, "color": 400}
    device = read.device
    assert (device.make, device.model, device.serial) == ("Northwind", "NW-12C", "NW12C00031")
    assert (device.firmware, read.profile) == ("2.11", "northwind@1")


def test_each_key_of_a_profile_is_in_the_docs() -> None:
    kinds = (
        *(Profile, Match, MeterRow, IdentityRow, Check, Tolerance, Quirks),
        *(SupplyRow, OwnSupply),
    )
    names = {name for kind in kinds for name in kind.model_fields} - {"title", "whole", "parts"}

    assert {name for name in names if not re.search(rf"[`.]{name}[`:]", DOCS)} == set()


def test_a_file_that_is_no_text_or_holds_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "northwind.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profiles(tmp_path)
    assert "an alias holds itself" in fault("a: &a [*a]\n")
    assert "a key is one word" in fault("? [a, b]\n: c\n")
