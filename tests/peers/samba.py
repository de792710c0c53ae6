"""Samba's spooler, as root, on port 445 of a loopback address of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.peers import missing

PROGRAM = Path("/usr/sbin/smbd")
_RPC = Path("/usr/libexec/samba/samba-dcerpcd")
_SYSTEM_PYTHON = Path("/usr/bin/python3")  # which has Samba's own modules
_START_S = 10.0
# accounts of the system that Samba takes, with their passwords here
READER, READER_PASSWORD = "nobody", "reader-of-the-peer"
DENIED, DENIED_PASSWORD = "daemon", "denied-of-the-peer"
_ADMIN, _ADMIN_PASSWORD = "root", "admin-of-the-peer"
_CONF = """\
[global]
workgroup = OFFICE
netbios name = PRINTPC
server role = standalone server
interfaces = {address}/8
bind interfaces only = yes
smb ports = 445
disable netbios = yes
private dir = {folder}
state directory = {folder}
lock directory = {folder}
cache directory = {folder}
pid directory = {folder}
ncalrpc dir = {folder}/ncalrpc
log file = {folder}/log
passdb backend = tdbsam:{folder}/accounts.tdb
load printers = yes
printing = bsd
printcap name = {folder}/printcap
enumports command = /bin/cat {folder}/ports
rpc start on demand helpers = no
[IPC$]
invalid users = {denied}
[printers]
path = {folder}
printable = yes
"""
# Samba gives a port to a queue by RpcSetPrinter alone
_SET_PORTS = """
import sys
from samba.credentials import Credentials
from samba.dcerpc import security, spoolss
from samba.param import LoadParm

conf, address, user, password, *queues = sys.argv[1:]
parameters = LoadParm()
parameters.load(conf)
account = Credentials()
account.guess(parameters)
account.set_username(user)
account.set_password(password)
account.set_domain("PRINTPC")
server = spoolss.spoolss("ncacn_np:" + address, parameters, account)
for queue in queues:
    name, port, driver, comment, location = queue.split("|")
    client = spoolss.UserLevel1()
    client.client, client.user = "peer", user
    level = spoolss.UserLevelCtr()
    level.level, level.user_info = 1, client
    there = "\\\\\\\\" + address + "\\\\" + name
    handle = server.OpenPrinterEx(there, "", spoolss.DevmodeContainer(), 0x000F000C, level)
    said = spoolss.SetPrinterInfo2()
    said.printername, said.sharename, said.servername = there, name, "\\\\\\\\" + address
    said.portname, said.drivername = port, driver
    said.comment, said.location = comment, location
    said.printprocessor, said.datatype, said.sepfile, said.parameters = "winprint", "RAW", "", ""
    told = spoolss.SetPrinterInfoCtr()
    told.level, told.info = 2, said
    server.SetPrinter(handle, told, spoolss.DevmodeContainer(), security.sec_desc_buf(), 0)
"""


@contextmanager
def spooler(queues: Mapping[str, tuple[str, str, str, str]]) -> Iterator[str]:
    """The address of a computer with these queues: port, driver, comment and location by name."""
    with _computer({name: port for name, (port, *_) in queues.items()}) as (folder, address):
        said = ["|".join((name, *texts)) for name, texts in queues.items()]
        account = (_ADMIN, _ADMIN_PASSWORD)
        _run(
            *(str(_SYSTEM_PYTHON), "-c", _SET_PORTS),
            *(str(folder / "smb.conf"), address, *account, *said),
        )
        yield address


@contextmanager
def without_a_spooler() -> Iterator[str]:
    """The address of a computer that shares, and whose RPC nobody serves."""
    with _computer({}, serves_rpc=False) as (_, address):
        yield address


@contextmanager
def _computer(ports: Mapping[str, str], serves_rpc: bool = True) -> Iterator[tuple[Path, str]]:
    if not PROGRAM.exists() or os.geteuid() != 0:
        missing("Samba, with root to run it,")
    folder = Path(tempfile.mkdtemp(prefix="pagetally-samba-"))
    try:
        address = _free_address()
        conf = folder / "smb.conf"
        conf.write_text(
            _CONF.format(address=address, folder=folder, denied=DENIED),
            encoding="ascii",
        )
        printcap = "".join(f"{name}:lp=/dev/null:\n" for name in ports)
        (folder / "printcap").write_text(printcap, encoding="ascii")
        (folder / "ports").write_text("\n".join([*ports.values(), ""]), encoding="ascii")
        for user, password in (
            (READER, READER_PASSWORD),
            (DENIED, DENIED_PASSWORD),
            (_ADMIN, _ADMIN_PASSWORD),
        ):
            typed = f"{password}\n{password}\n"
            _run("pdbedit", f"--configfile={conf}", "-a", "-t", "-u", user, typed=typed)
        with _serving(conf, address, serves_rpc):
            yield folder, address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(conf: Path, address: str, serves_rpc: bool) -> Iterator[None]:
    """In a process namespace of its own, with which whatever Samba starts ends too."""
    programs = [f"{PROGRAM} --configfile={conf} --foreground --no-process-group"]
    if serves_rpc:
        programs.insert(0, f"{_RPC} --configfile={conf} --libexec-rpcds --foreground")
    running = subprocess.Popen(
        ["unshare", "--fork", "--pid", "--kill-child", "sh", "-c", " & ".join(programs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(address, 445) or (serves_rpc and not _answers(address, 135)):
            if running.poll() is not None or time.monotonic() > deadline:
                log = conf.with_name("log")
                said = log.read_text(errors="replace") if log.exists() else "nothing"
                raise AssertionError(f"smbd did not start: {said}")
            time.sleep(0.02)
        yield
    finally:
        running.kill()  # unshare takes no SIGTERM while it waits
        running.wait()


def _free_address() -> str:
    """One at which nothing listens on port 445; another for each process of tests."""
    number = os.getpid() % 0xFFFF
    for last in range(1, 255):
        address = f"127.{64 + number % 64}.{number // 64 % 256}.{last}"
        if not _answers(address, 445):
            return address
    raise AssertionError("port 445 is taken on every loopback address")


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def _run(*command: str, typed: str = "") -> None:
    done = subprocess.run(
        command, input=typed, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
