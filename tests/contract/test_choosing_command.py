"""`pagetally admin site segments|choose|unchoose|exclude|import`, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import main
from shared.scope import AskingManner, CredentialRange, Scope, SegmentRule
from shared.store.postgres import open_store
from shared.store.scope import scope_in_force
from tests.contract.hub_rows import new_hub
from tests.contract.listed import BRANCH, OFFICE, SERVERS, office, put_listed, segment

Said = tuple[int, list[str], list[str]]  # code, lines on stdout, lines on stderr
Site = Callable[..., Said]
HOSTILE = "=cmd|calc <b>\x1b[31m\u202e\n"


@pytest.fixture
def site(store_url: str, capsys: pytest.CaptureFixture[str]) -> Site:
    """`site(verb, word…)`: the command for a site that has listed an office's segments."""

    async def listed() -> None:
        async with open_store(store_url) as store:
            hub = await new_hub(store)
            hostile = segment(HOSTILE, learned_from=HOSTILE, refused=HOSTILE)
            notes = ["the gateway did not answer", HOSTILE]
            await put_listed(hub, [*office(), hostile], notes=notes, refused={"x.y": "unknown"})

    asyncio.run(listed())

    def run(verb: str, *words: str) -> Said:
        code = main(["admin", "--database", store_url, "site", verb, "site-of-1", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


@pytest.fixture
def scope(store_url: str) -> Callable[[], Scope]:
    async def newest() -> Scope:
        async with open_store(store_url) as store, store.transaction() as connection:
            return await scope_in_force(connection, 1)

    return lambda: asyncio.run(newest())


def test_the_segments_are_listed_with_what_is_chosen_and_what_is_refused(site: Site) -> None:
    site("choose", OFFICE, "10.50.0.0/24", "--author", "ann")

    code, lines, _ = site("segments")
    _, as_json, _ = site("segments", "--json")

    assert code == 0
    assert lines[0] == (
        f"{OFFICE}\tchosen\t12 devices\tgateway 10.20.0.1: inetCidrRouteTable\t"
        "at most 254 addresses, 508 datagrams, 51816 bytes, 7 s, credentials public, branch"
    )
    assert lines[1] == "10.50.0.0/24\tchosen\tnot listed\t\t"
    refused = "refused by the site: this site's ceiling does not allow it"
    assert any(line.startswith(f"{SERVERS}\tnot chosen") and refused in line for line in lines)
    assert "x.y: refused by the site: unknown" in lines
    assert "the gateway did not answer" in lines
    assert lines[-2:] == ["scope 1 by ann", "the site has not yet taken scope 1"]
    assert "\x1b" not in "".join(lines)
    *rows, last = map(json.loads, as_json)
    assert [next(iter(row.items())) for row in rows] == [("outcome", "segment")] * 5
    assert rows[0]["listed"]["preview"]["datagrams"] == 508
    assert (rows[1]["chosen"], rows[1]["listed"]) == (True, None)
    assert (last["outcome"], last["scope"], last["listed_under"]) == ("listed", 1, None)


def test_choosing_writes_a_scope_with_its_author_and_prints_what_changed(
    site: Site, scope: Callable[[], Scope]
) -> None:
    words = ["--credential", "branch", "--credential", "public", "--broadcast", "--timeout", "4.5"]

    code, said, _ = site("choose", BRANCH, *words, "--tries", "3", "--author", "ann")

    told = "by broadcast first, waits 4.5 s, asked 3 times, credentials branch, public"
    assert (code, said) == (0, ["scope 1 of site site-of-1", f"{BRANCH}: chosen, {told}"])
    _, said, _ = site("choose", BRANCH, SERVERS, "--no-broadcast")
    assert said == [
        "scope 2 of site site-of-1",
        f"{BRANCH}: chosen, {told.removeprefix('by broadcast first, ')}",
        f"{SERVERS}: chosen",
        f"{SERVERS}: refused by the site: this site's ceiling does not allow it",
    ]
    assert site("choose", SERVERS)[1][0] == "scope 2 of site site-of-1 says so already"
    assert site("unchoose", SERVERS)[1] == ["scope 3 of site site-of-1", f"{SERVERS}: not chosen"]
    assert site("exclude", "10.20.1.9", "x.y")[1][1:] == ["10.20.1.9: excluded", "x.y: excluded"]
    assert site("exclude", "x.y", "--remove")[1][1:] == ["x.y: no longer excluded"]
    now = scope()
    assert (now.version, now.segments, now.exclusions) == (5, [BRANCH], ["10.20.1.9"])
    assert now.credentials == [CredentialRange(range=BRANCH, credentials=["branch", "public"])]
    manner = AskingManner(timeout_s=4.5, tries=3)
    assert now.rules == [SegmentRule(range=BRANCH, manner=manner)]


def test_a_round_is_ordered_beside_what_is_scheduled(
    site: Site, scope: Callable[[], Scope]
) -> None:
    site("choose", OFFICE)

    _, said, _ = site("ask", "search")
    site("ask", "read", "--hours", "2")

    assert said[0] == "scope 2 of site site-of-1"
    assert said[1].startswith("a search now, begun by ")
    now = scope()
    assert (now.segments, [one.kind for one in now.asks]) == ([OFFICE], ["search", "read"])
    assert site("ask", "search", "--hours", "0")[0] == 1


def test_what_cannot_be_chosen_is_told_line_by_line_and_nothing_is_written(
    site: Site, scope: Callable[[], Scope]
) -> None:
    for words, told in (
        (["choose", OFFICE, "x.y", "10.0.0.7/24"], ["x.y: a name is no segment", "10.0.0.7 lies"]),
        (["choose", OFFICE, "--credential", "a b"], [f"{OFFICE}: 'a b' is no credential's name"]),
        (["choose", OFFICE, "--tries", "99"], ["--tries 99: input should be less than or equal"]),
        (["choose", OFFICE, "--timeout", "nan"], ["--timeout nan: input should be"]),
        (["unchoose", OFFICE], [f"{OFFICE}: is not chosen"]),
        (["exclude", "10.0.0.0/33", "a b"], ["10.0.0.0/33: a prefix is", "a b: neither"]),
        (["exclude", "10.0.0.9", "--remove"], ["10.0.0.9: is not excluded"]),
    ):
        code, said, errors = site(*words)

        assert (code, said, len(errors)) == (1, [], len(told)), words
        assert all(part in line for part, line in zip(told, errors, strict=True)), errors
    assert scope().version == 0


def test_a_csv_of_targets_is_imported_whole_or_not_at_all(
    site: Site, scope: Callable[[], Scope], tmp_path: Path
) -> None:
    file = tmp_path / "targets.csv"
    file.write_text("target,port,credentials\n10.7.0.1,,\n10.7.0.300,,\nx y,,\n", encoding="utf-8")
    code, said, errors = site("import", str(file))
    assert (code, said) == (1, [])
    assert [line.partition(": line ")[2][:2] for line in errors] == ["3:", "4:"]
    file.write_bytes(b"10.7.0.1\n\xff\xfe")
    assert "is no text in UTF-8" in site("import", str(file))[2][0]
    assert "no-such" in site("import", str(tmp_path / "no-such.csv"))[2][0]
    assert scope().version == 0
    file.write_text("\ufefftarget;port;credentials\r\n10.7.0.1;1161;branch public\r\nx.y;;\r\n")

    code, said, _ = site("import", str(file), "--author", "ann")

    assert (code, said[0]) == (0, "scope 1 of site site-of-1")
    assert {"10.7.0.1:1161: target", "x.y: target"} <= set(said)
    now = scope()
    assert (now.author, now.targets) == ("ann", ["10.7.0.1:1161", "x.y"])
    assert now.credentials == [
        CredentialRange(range="10.7.0.1:1161", credentials=["branch", "public"])
    ]


def test_an_unknown_site_is_told(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, *words in (["segments"], ["choose", OFFICE], ["exclude", "x.y"]):
        assert main(["admin", "--database", store_url, "site", verb, "none", *words]) == 1
        assert "there is no site 'none'" in capsys.readouterr().err
