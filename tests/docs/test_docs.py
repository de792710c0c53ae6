"""The docs are true: every setting is there, every command exists, every link leads somewhere."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.cli import COMMANDS, SERVICES
from services.uploader.withhold import unknown_fields
from shared.ceiling import CeilingFile, load_ceiling
from shared.credentials import load_credentials
from shared.files import write_private
from shared.messages import DeviceIdentity
from shared.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]


def settings_of(service: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"services.{service}.settings")
    [found] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, ServiceSettings)
        and kind.__module__ == module.__name__
    ]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_documented_with_its_default_and_no_other(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGETALLY_STATE", "STATE")
    kind = settings_of(service)
    prefix = str(kind.model_config.get("env_prefix"))
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    documented = dict(re.findall(rf"^\| `({prefix}[A-Z0-9_]+)` \| (.+?) \| .+ \|$", page, re.M))

    assert documented == {
        prefix + name.upper(): shown_default(field) for name, field in kind.model_fields.items()
    }


def shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    return "none" if default in (None, "", ()) else str(default)


def test_every_key_of_the_ceiling_is_documented_and_the_example_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", page, re.S)
    (tmp_path / "ceiling.toml").write_text(example, encoding="utf-8")
    told = page.partition("## The ceiling")[2].partition("## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", told, re.M)) == set(CeilingFile.model_fields)
    ceiling = load_ceiling(tmp_path / "ceiling.toml")
    assert unknown_fields(ceiling.withheld) == []
    [withheld] = re.findall(r"never leave the site: `([\w ]+)`", told)
    assert set(withheld.split()) == set(DeviceIdentity.model_fields)


def test_the_example_of_the_credentials_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```json\n(.*?)```", page, re.S)
    write_private(tmp_path / "credentials.json", example)

    assert len(load_credentials(tmp_path / "credentials.json")) == 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_exists(page: Path) -> None:
    named = set(re.findall(r"pagetally ([a-z]+)\b", page.read_text(encoding="utf-8")))

    assert named <= {*COMMANDS, *SERVICES, "test"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_no_file_names_a_place_of_its_makers_or_says_that_it_is_unfinished() -> None:
    banned = re.compile(  # letters in brackets, so that it does not find itself
        r"/wor[k]/|/far[m]/|find-link[s]|extra-index-ur[l]|pythonhoste[d]|\bTOD[O]\b|\bFIXM[E]\b"
    )
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in tree()
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1)
        if banned.search(line) and "! grep" not in line  # the check of the locks
    ]

    assert found == []


def tree() -> Iterator[Path]:
    """What the repository holds, wherever it was unpacked; not what was made in it since."""
    folders = ("services", "shared", "tests", "bench", "deploy", "docs", ".ci")
    for path in (*ROOT.iterdir(), *(each for name in folders for each in (ROOT / name).rglob("*"))):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
