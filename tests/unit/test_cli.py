"""What a shell sees of any command: one line where it cannot go on, whatever its streams are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Shell = Callable[..., subprocess.CompletedProcess[str]]
as_another = pytest.mark.skipif(
    os.geteuid() != 0 or not all(place.stat().st_mode & 0o001 for place in (ROOT, *ROOT.parents)),
    reason="only root may become another user, who must be able to enter this checkout",
)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs `pagetally WORDS`, a line of a shell's, with a state folder of its own."""

    def run(words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PAGETALLY_STATE": str(tmp_path),
            **more,
        }
        line = f"{sys.executable} -P -m services.cli {words}"
        return subprocess.run(
            ["bash", "-c", line],
            env={name: value for name, value in environment.items() if value},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run


def test_output_that_cannot_be_written_is_told_in_one_line(shell: Shell) -> None:
    done = shell("credential list > /dev/full")

    assert (done.returncode, done.stderr) == (1, "pagetally: No space left on device\n")


def test_a_reader_that_is_gone_is_no_news(shell: Shell) -> None:
    done = shell("--help | true; exit ${PIPESTATUS[0]}")

    assert (done.returncode in {0, 141}, done.stderr) == (True, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_stop_no_command(shell: Shell, closed: str) -> None:
    done = shell(f"sweep 127.0.0.1 --timeout 0.1 {closed}")

    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("credential add x <&-", 2, "a community has 1 to 255 octets"),
        (r"credential add x <<< $'\xff'", 2, "a community that is not UTF-8 cannot be sent"),
        (r"sweep 127.0.0.1 --community $'\xff'", 2, "UTF-8"),
        ("sweep 127.0.0.1 --community ''", 2, "a community has 1 to 255 octets"),
        ("sweep 127.0.0.1 --rate nan", 2, "--rate nan"),
        ("sweep 127.0.0.1 --rate inf", 2, "--rate inf"),
        ("sweep 10.0.0.0/16 <&-", 2, "is not begun unasked; add --yes"),
        ("replay . --port 99999", 1, "no file there is called"),
    ],
)
def test_what_cannot_be_carried_out_is_told_without_a_traceback(
    shell: Shell, words: str, status: int, said: str
) -> None:
    done = shell(words)

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@as_another
@pytest.mark.parametrize(
    ("command", "status"),
    [("sweep 127.0.0.1", 2), ("credential list", 2), ("sent", 1)],
)
def test_files_of_another_user_are_told_by_their_name(
    shell: Shell, tmp_path: Path, command: str, status: int
) -> None:
    agent = tmp_path / "agent"
    agent.mkdir(mode=0o700)
    shell("credential add x <<< secret")
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)

    line = f"setpriv --reuid=65534 --clear-groups {sys.executable} -P -m services.cli"

    done = shell(f"--help > /dev/null && {line} {command}")

    assert done.returncode == status
    assert str(agent) in done.stderr
    assert "ermission denied" in done.stderr
    assert "Traceback" not in done.stderr


@as_another
def test_a_user_without_a_home_is_told_what_to_set(shell: Shell) -> None:
    line = f"setpriv --reuid=54321 --clear-groups {sys.executable} -P -m services.cli"

    done = shell(f"--help > /dev/null && {line} credential list", PAGETALLY_STATE="")

    assert (done.returncode, done.stderr.splitlines()[-1:]) == (
        2,
        ["PAGETALLY_STATE: must be set, for this user has no home folder"],
    )
