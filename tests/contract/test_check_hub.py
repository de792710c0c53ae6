"""`pagetally check` at the hub: database, certificate and mail server, on real ones."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services import check_command
from services.solo.ca import ensure_ca
from tests.docs.pods import image_of
from tests.peers import free_port
from tests.peers.postgres import execute, fresh_database
from tests.peers.smtp import SmtpPeer

_TODAY = datetime.now(UTC)
Steps = dict[str, dict[str, str]]
Check = Callable[..., Steps]


@pytest.fixture
def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Check:
    """Runs the command with these variables; its steps by name."""
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path / "state"))

    def run(*typed: str, **variables: object) -> Steps:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        parser = argparse.ArgumentParser()
        check_command.add_arguments(parser)
        status = check_command.run_command(parser.parse_args(["--json", *typed]))
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert status == any(line["outcome"] == "failed" for line in lines)
        assert all(line["try"] for line in lines if line["outcome"] == "failed")
        assert "hunter2" not in str(lines)
        return {line["step"]: line for line in lines}

    return run


def failed(steps: Steps) -> tuple[str, str]:
    [step] = [step for step in steps.values() if step["outcome"] == "failed"]
    return step["step"], f"{step['said']}; {step['try']}"


def as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    return f"postgresql://{user}:hunter2@{parts.hostname}:{parts.port}{parts.path}"


# -- the database -----------------------------------------------------------------------------


def test_a_database_that_is_ready_passes_every_step(store_url: str, check: Check) -> None:
    steps = check(PAGETALLY_DATABASE_URL=store_url, CONSOLE_DATABASE_URL=store_url)

    assert list(steps) == ["database", "tables", "writing", "disk"]
    assert {step["outcome"] for step in steps.values()} == {"ok"}
    assert "PostgreSQL 18" in steps["database"]["said"]
    assert steps["tables"]["said"].startswith("up to date, 00")


def test_trying_leaves_nothing_behind(store_url: str, check: Check) -> None:
    check("--database", store_url)

    assert execute(store_url, "select to_regclass('pagetally_check')") == [(None,)]


def test_a_password_that_is_wrong_is_told(store_url: str, check: Check) -> None:
    step, words = failed(check("--database", as_user(store_url, "pagetally")))

    assert step == "database"
    assert "password authentication failed" in words


def test_a_database_that_is_down_is_told(check: Check) -> None:
    step, words = failed(check("--database", f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"))

    assert step == "database"
    assert "Connection refused" in words


def test_a_url_that_would_believe_anybody_is_told(check: Check) -> None:
    url = "postgresql://u:hunter2@db.example.com/d?sslmode=require"

    assert "sslmode=require would believe whoever answers" in failed(check("--database", url))[1]


def test_an_empty_database_is_told_to_be_filled_at_the_first_start(
    postgres: str, check: Check
) -> None:
    with fresh_database(postgres, template="template0") as url:
        steps = check("--database", url)

    assert steps["tables"]["outcome"] == "ok"
    assert "migrations run when a service starts" in steps["tables"]["said"]


def test_tables_of_a_newer_pagetally_are_told(store_url: str, check: Check) -> None:
    execute(store_url, "insert into migration (name) values ('9999_later.sql')")

    step, words = failed(check("--database", store_url))

    assert step == "tables"
    assert "a newer Pagetally made them: 9999_later.sql" in words


def test_a_user_who_may_not_write_is_told(store_url: str, check: Check) -> None:
    name = f"reader_{os.getpid()}"
    execute(store_url, f"create role {name} login password 'hunter2'")
    execute(store_url, f"grant select on migration to {name}")
    try:
        steps = check("--database", as_user(store_url, name))
    finally:
        execute(store_url, f"drop owned by {name}")
        execute(store_url, f"drop role {name}")

    step, words = failed(steps)
    assert step == "writing"
    assert "permission denied" in words
    assert steps["disk"]["outcome"] == "skipped"


# -- ingest's certificate ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_days", "words"),
    [(0, "90 days"), (80, "10 days are left; renew it now"), (100, "it has expired; renew it")],
)
def test_a_certificate_is_told_with_its_names_and_end(
    age_days: int, words: str, store_url: str, check: Check, tmp_path: Path
) -> None:
    made_at = _TODAY - timedelta(days=age_days) + timedelta(hours=1)
    files = ensure_ca(tmp_path / "ca", ["hub.example.com"], made_at)

    step = check(INGEST_DATABASE_URL=store_url, INGEST_TLS_CERT=files.cert)["certificate"]

    assert step["outcome"] == ("failed" if age_days else "ok")
    assert "hub.example.com, localhost, by 'Pagetally hub CA', until 20" in step["said"]
    assert words in f"{step['said']}; {step['try']}"


def test_a_certificate_with_another_key_is_told(
    store_url: str, check: Check, tmp_path: Path
) -> None:
    files = ensure_ca(tmp_path / "ca", [], _TODAY)
    other = ensure_ca(tmp_path / "other", [], _TODAY)

    step, words = failed(
        check(INGEST_DATABASE_URL=store_url, INGEST_TLS_CERT=files.cert, INGEST_TLS_KEY=other.key)
    )

    assert step == "certificate"
    assert "KEY_VALUES_MISMATCH" in words


# -- the mail server --------------------------------------------------------------------------


def mail_settings(store_url: str, smtp: SmtpPeer, **changes: object) -> dict[str, object]:
    said = {**smtp.settings(), **changes}
    return {f"REPORTER_{name.upper()}": value for name, value in said.items()} | {
        "REPORTER_DATABASE_URL": store_url
    }


def test_a_mail_server_is_tried_up_to_the_login_and_no_mail_is_sent(
    store_url: str, smtp: SmtpPeer, check: Check
) -> None:
    step = check(**mail_settings(store_url, smtp))["mail"]

    assert step["outcome"] == "ok"
    assert f"127.0.0.1:{smtp.port} by STARTTLS, as reporter" in step["said"]
    assert "no test mail was sent (--mail-to ADDRESS)" in step["said"]
    assert smtp.received == []


def test_a_test_mail_arrives(store_url: str, smtp: SmtpPeer, check: Check) -> None:
    step = check("--mail-to", "ann@example.com", **mail_settings(store_url, smtp))["mail"]

    assert step["said"] == "a test mail was taken for ann@example.com"
    [came] = smtp.received
    assert (came.recipient, came.message["Subject"]) == ("ann@example.com", "Pagetally: test mail")


def test_a_mailbox_that_is_refused_is_told(store_url: str, smtp: SmtpPeer, check: Check) -> None:
    smtp.refused.add("gone@example.com")

    steps = check("--mail-to", "gone@example.com", **mail_settings(store_url, smtp))

    assert "550 5.1.1 no such mailbox here" in failed(steps)[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smtp_password": "hunter2"}, "the login was refused (535); check user and password"),
        ({"smtp_ca_file": ""}, "its certificate is not trusted"),
        ({"smtp_host": "localhost", "smtp_port": 1}, "Connection refused"),
    ],
)
def test_a_mail_server_that_does_not_take_us_in_is_told(
    changes: dict[str, object], words: str, store_url: str, smtp: SmtpPeer, check: Check
) -> None:
    variables = mail_settings(store_url, smtp, **changes)
    if not variables["REPORTER_SMTP_CA_FILE"]:
        del variables["REPORTER_SMTP_CA_FILE"]

    step, said = failed(check(**variables))

    assert step == "mail"
    assert words in said


def test_without_a_mail_server_mails_are_told_to_be_written(
    store_url: str, check: Check, tmp_path: Path
) -> None:
    step = check(REPORTER_DATABASE_URL=store_url, REPORTER_MAIL_FOLDER=tmp_path / "mail")["mail"]

    assert step["said"] == f"no mail server is set; mails are written into {tmp_path / 'mail'}"


# -- in each image ----------------------------------------------------------------------------


def test_the_command_is_in_an_image_of_one_service_and_says_that_nothing_is_set(
    tmp_path: Path,
) -> None:
    said = {service: in_image(tmp_path, service) for service in ("discovery", "console")}

    assert {done.returncode for done in said.values()} == {2}
    assert all("nothing to check: set" in done.stderr for done in said.values())


def test_an_image_tries_what_its_service_needs(tmp_path: Path, store_url: str) -> None:
    """The settings of others may be there too: what tries them is not."""
    done = in_image(
        tmp_path,
        "ingest",
        "--json",
        INGEST_DATABASE_URL=store_url,
        REPORTER_DATABASE_URL=store_url,
        UPLOADER_HUB_URL="https://hub.example.com",
    )

    assert done.stderr == ""
    assert [json.loads(line)["step"] for line in done.stdout.splitlines()] == [
        "database",
        "tables",
        "writing",
        "disk",
        "certificate",
    ]


def in_image(
    folder: Path, service: str, *typed: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    image = image_of(folder / service, service)
    return subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", "check", *typed],
        cwd=image,
        env={"PYTHONPATH": str(image), "PAGETALLY_STATE": str(folder / "state"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
