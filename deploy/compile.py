"""Makes a copy of Pagetally whose reading path is compiled by mypyc, out of the same source.

    python deploy/compile.py FOLDER

Whoever runs with PYTHONPATH=FOLDER runs the copy, sources and all, as they were then: no compiled
module lies in the tree itself, where it would hide a changed source. Needs mypy and setuptools, gcc
and Python's headers. Exit 1 where it cannot be built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("services", "shared")
# All in one unit. No coroutines: with those of device.py compiled by mypyc 2.4 the tests of hostile
# devices fail, and the others gain nothing.
COMPILED = {
    "shared": ("text",),
    "shared/snmp": (
        *("message", "strict", "decoder", "encoder", "oids", "port", "error_status"),
        *("tables", "known", "exchange"),
    ),
    "services/poller": (
        *("rows", "text", "status", "supplies", "identity", "decode", "mib", "recognise"),
        *("plan", "questions", "records", "kept", "kinds"),
    ),
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python deploy/compile.py FOLDER\n")
        return 2
    folder = Path(arguments[0]).resolve()
    if folder == ROOT or folder in ROOT.parents:
        sys.stderr.write(f"{folder}: holds the sources; name another folder\n")
        return 2
    for package in PACKAGES:
        shutil.rmtree(folder / package, ignore_errors=True)
    for left in folder.glob("*__mypyc*.so"):
        left.unlink()
    with tempfile.TemporaryDirectory(prefix="pagetally-compile-") as scratch:
        built = build(Path(scratch))
        if built is None:
            return 1
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(ROOT / package, folder / package, ignore=ignored)
        shutil.copytree(built, folder, dirs_exist_ok=True)
    return 0


def build(scratch: Path) -> Path | None:
    """The folder of what was built; None where that failed, which is told on stderr."""
    sources = [f"{folder}/{name}.py" for folder, names in COMPILED.items() for name in names]
    options = ["--config-file", "", "--explicit-package-bases", "--cache-dir", str(scratch)]
    setup = (
        "from mypyc.build import mypycify\n"
        "from setuptools import setup\n"
        f"units = mypycify({[*options, *sources]!r}, opt_level='3', target_dir={str(scratch)!r})\n"
        "setup(name='pagetally-compiled', packages=[], ext_modules=units)\n"
    )
    built = scratch / "built"
    done = subprocess.run(
        [
            *(sys.executable, "-c", setup, "--quiet", "build_ext"),
            *(f"--build-lib={built}", f"--build-temp={scratch}"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(f"not compiled:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return None
    return built


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
