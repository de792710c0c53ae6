"""`pagetally admin gaps|spools|rounds|rejected`, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from services.cli import main
from shared.store.postgres import open_store
from tests.contract.test_ingest import a_hub
from tests.unit.ingest.batches import NOON, line, raw_line, round_finished, target

AGO = NOON - timedelta(days=700)
Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def admin(store_url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Its site hq has lost a spool, has an overdue round, and sent what is no message."""

    async def sent() -> None:
        async with open_store(store_url) as store, a_hub(store) as hub:
            ended = round_finished(uuid4(), [4]).model_copy(update={"started_at": AGO})
            lines = [line(1, ended), raw_line(2, "no.such.type", b'{"a":"\\u001b[2J"}')]
            await hub.post(lines, first_unsent=3, last=5)
            began = json.dumps({"before": str(hub.spool), "why": "lost"}).encode()
            await hub.post([], spool=uuid4(), began=began)

    asyncio.run(sent())
    capsys.readouterr()

    def run(*words: str) -> tuple[int, list[str], list[str]]:
        code = main(["admin", "--database", store_url, *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


def test_what_is_missing_of_a_site_is_told_in_lines(admin: Run) -> None:
    told = {words: admin(*words.split())[1] for words in ("gaps hq", "spools", "rounds --open")}

    [gap] = told["gaps hq"]
    assert gap.split("\t")[2:] == ["3-5", "its file was lost"]
    assert [line.split("\t")[4] for line in told["spools"]] == ["5", "0"]
    assert told["spools"][1].endswith(": its file was lost")
    [round_, name] = told["rounds --open"]
    assert "\toverdue: orders without an outcome\t1 orders, 0 read, 0 failed" in round_
    assert name == f"-\t{target(4).key}\tno outcome came"


def test_what_is_missing_of_a_site_is_told_as_json(admin: Run) -> None:
    words = ("gaps", "spools", "rounds", "rounds --open", "rejected")

    told = [[json.loads(line) for line in admin(*each.split(), "--json")[1]] for each in words]

    assert [len(rows) for rows in told] == [1, 2, 1, 1, 1]
    assert (told[0][0]["first"], told[0][0]["last"]) == (3, 5)
    assert told[3][0]["open"] == [{"target": target(4).key, "why": "no outcome came"}]


def test_what_was_rejected_is_shown_and_tried_again(admin: Run) -> None:
    [listed] = admin("rejected")[1]

    assert listed.startswith("hq\t1\trejected\t")
    assert admin("rejected", "--show", "1")[1] == ['{"a":"\\u001b[2J"}']
    assert admin("rejected", "--again", "1") == admin("rejected", "--again", "all")
    assert admin("rejected", "--again", "one") == (
        1,
        [],
        ["pagetally: --again one: a number that is listed is wanted, or 'all'"],
    )
    assert admin("rejected", "--show", "9")[0] == 1
