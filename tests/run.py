"""`./pagetally test`: the peers that the tests need, then the tests.

Options before pytest's own: --checks (lint, types, import contracts first), --slim (each service's
unit tests in an environment of its own extra), --faults (the long fault matrix), --compiled (the
tests of reading devices on a compiled copy).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVICES = ("discovery", "poller", "uploader", "ingest", "reporter", "console")
# what it gives -> the Debian package that holds it
PEERS = {
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    "/usr/sbin/snmpd": "snmpd",
    "/usr/sbin/ippeveprinter": "cups-ipp-utils",
    "/usr/bin/dbus-daemon": "dbus-daemon",  # which ippeveprinter does not start without
    "/usr/sbin/cupsd": "cups-daemon",
    "/usr/bin/tinyproxy": "tinyproxy-bin",
    "/usr/lib/squid/security_file_certgen": "squid-openssl",
    "/usr/sbin/smbd": "samba",
    "/usr/lib/python3/dist-packages/samba": "python3-samba",  # gives Samba's queues their ports
    "/usr/bin/kubectl": "kubernetes-client",
    "/usr/sbin/ip": "iproute2",
    "/usr/bin/git": "git",
}

# files, each whole: most tests wait for a peer, and each process has peers of its own; in the
# order of tests/conftest.py
TWO_AT_A_TIME = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")

# what is compiled, and what reads devices through it
READING = (
    *("tests/unit/snmp", "tests/unit/poller", "tests/contract/test_snmp_client.py"),
    *("tests/contract/test_another_device.py", "tests/contract/test_hostile_devices.py"),
    "tests/contract/test_kinds_of_devices.py",
)
COMPILERS = {
    "/usr/bin/gcc": "gcc",
    f"{sysconfig.get_path('include')}/Python.h": "python3-dev",
}

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if module.name != "services.discovery.local_devices.rprn":  # the extra spooler's own program
        importlib.import_module(module.name)
"""


def main(arguments: list[str]) -> int:
    if "--slim" in arguments:
        return slim()
    if "--compiled" in arguments:
        arguments.remove("--compiled")
        return compiled(arguments)
    install_peers(PEERS)
    # else each process makes bytecode of each file anew
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if "--checks" in arguments:
        arguments.remove("--checks")
        if checks() != 0:
            return 1
    selection = ["tests", *TWO_AT_A_TIME]
    if "--faults" in arguments:
        arguments.remove("--faults")
        os.environ["PAGETALLY_FAULTS"] = "long"
        selection = ["tests/faults"]
    if any(not argument.startswith("-") for argument in arguments):
        selection = []
    return run(sys.executable, "-m", "pytest", *selection, *arguments)


def compiled(options: list[str]) -> int:
    """Builds var/compiled, and runs the tests of reading devices on it."""
    install_peers(COMPILERS)
    folder = ROOT / "var" / "compiled"
    if run(sys.executable, "deploy/compile.py", str(folder)) != 0:
        return 1
    for beside in ("tests", "docs"):
        if not (folder / beside).is_symlink():
            (folder / beside).symlink_to(ROOT / beside)
    os.environ.update(PAGETALLY_COMPILED="yes", PYTHONPATH=str(folder))
    pytest = (sys.executable, "-P", "-m", "pytest", "-c", str(ROOT / "pyproject.toml"))
    return run(*pytest, "--rootdir=.", *READING, *TWO_AT_A_TIME, *options, folder=folder)


def install_peers(peers: Mapping[str, str]) -> None:
    """Installs what is missing, as root on Debian or Ubuntu; else says what is left out."""
    missing = [package for path, package in peers.items() if not Path(path).exists()]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(
            f"left out, not installed here: {', '.join(missing)}; "
            f"an administrator can: apt-get install {' '.join(missing)}"
        )
        return
    print(f"installing test peers: {' '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with without_service_starts():
        for step in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        ):
            done = subprocess.run(
                step, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                print(f"{' '.join(step[:2])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
                return


class without_service_starts:  # noqa: N801  (reads as a statement)
    """No package starts a server of its own while it is installed."""

    policy = Path("/usr/sbin/policy-rc.d")

    def __enter__(self) -> None:
        self.ours = not self.policy.exists()
        if self.ours:
            self.policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
            self.policy.chmod(0o755)

    def __exit__(self, *_: object) -> None:
        if self.ours:
            self.policy.unlink(missing_ok=True)


def checks() -> int:
    """Lint, format, import contracts, types. Gives 0 where all hold."""
    tool = Path(sys.executable).parent
    return (
        run(str(tool / "ruff"), "check", "--quiet", ".")
        or run(str(tool / "ruff"), "format", "--quiet", "--check", ".")
        or run(str(tool / "lint-imports"), "--no-cache")
        or run(str(tool / "mypy"))
    )


def slim() -> int:
    """Each service's modules and unit tests where only its own extra and pytest are installed."""
    failed = [service for service in SERVICES if not fits_its_extra(service)]
    if failed:
        print(f"failed with its own extra alone: {', '.join(failed)}")
    return 1 if failed else 0


def fits_its_extra(service: str) -> bool:
    print(f"{service}:", flush=True)
    with tempfile.TemporaryDirectory(prefix=f"pagetally-slim-{service}-") as folder:
        venv.create(folder)
        python = f"{folder}/bin/python"
        install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
        locks = ("-r", f"requirements-{service}.lock", "-r", "requirements-slim.lock")
        tests = ("-m", "pytest", "--noconftest", f"tests/unit/{service}")  # it loads every peer
        return not (
            run(*install, "--no-compile", "--no-deps", "--require-hashes", *locks)
            or run(python, "-c", IMPORT_ALL, f"services.{service}")
            or run(python, *tests)
        )


def run(*command: str, folder: Path = ROOT) -> int:
    return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
