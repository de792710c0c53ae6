r"""What a computer's Windows Spooler lists, by MS-RPRN; the only file that imports impacket.

A program of its own, which discovery runs and may end at any time: what a hostile computer answers
is read where there is nothing but one account and one connection. It reads one line of JSON, an
Asked, and writes one, a Lists or {"refusal": …}. Every call is signed and encrypted
(RPC_C_AUTHN_LEVEL_PKT_PRIVACY), over the pipe \pipe\spoolss or over TCP; there is no SMB1.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from typing import Literal, NamedTuple

from impacket import smb3
from impacket.dcerpc.v5 import epm, rprn, transport
from impacket.dcerpc.v5.dtypes import DWORD, NULL, ULONG
from impacket.dcerpc.v5.ndr import NDRCALL
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPC_v5, DCERPCException
from impacket.nmb import NetBIOSError, NetBIOSTimeout
from impacket.smbconnection import SessionError, SMBConnection

from services.discovery.local_devices.queues import SpoolerError
from services.discovery.local_devices.refusals import DENIED, cut_off, no_call, no_logon, no_pipe

_SMB_PORT = 445
_MAPPER_PORT = 135
_WAIT_S = 10.0  # for a connection, and for each answer
_MAX_BUFFER = 4_194_304  # octets of a list
_MAX_MEMORY = 1 << 29  # octets of address space
_LEVEL = 2
_LOCAL = 2  # PRINTER_ENUM_LOCAL
_ACCESS_DENIED = 5  # of Windows, MS-ERREF 2.2
_INSUFFICIENT_BUFFER = 122
_DYNAMIC_PORTS = range(1024, 65536)
_RAW_PRINTING = 9100


class Asked(NamedTuple):
    """What is asked for, and of whom."""

    address: str
    protocol: Literal["rprn_pipe", "rprn_tcp"]
    domain: str
    user: str
    password: str


class List(NamedTuple):
    buffer: str  # base64
    entries: int


class Lists(NamedTuple):
    """PRINTER_INFO_2 and PORT_INFO_2; the ports are None where they are not to be had."""

    printers: List
    ports: List | None


class RpcEnumPorts(NDRCALL):  # type: ignore[misc]
    """MS-RPRN 3.1.4.6.1, which impacket does not have."""

    opnum = 35
    structure = (
        ("Name", rprn.STRING_HANDLE),
        ("Level", DWORD),
        ("pPort", rprn.PBYTE_ARRAY),
        ("cbBuf", DWORD),
    )


class RpcEnumPortsResponse(NDRCALL):  # type: ignore[misc]
    structure = (
        ("pPort", rprn.PBYTE_ARRAY),
        ("pcbNeeded", DWORD),
        ("pcReturned", DWORD),
        ("ErrorCode", ULONG),
    )


def lists_of(asked: Asked) -> Lists:
    """Raises: SpoolerError; what impacket raises where it does not understand an answer."""
    try:
        rpc = _over_pipe(asked) if asked.protocol == "rprn_pipe" else _over_tcp(asked)
        printers = _listed(rpc, _printers_call, "pPrinterEnum")
    except (NetBIOSTimeout, TimeoutError):
        raise SpoolerError(f"does not answer at {asked.address} within {_WAIT_S:g} s") from None
    except (OSError, NetBIOSError) as error:
        raise SpoolerError(cut_off(asked.address, _first_port(asked), _said(error))) from None
    except DCERPCException as error:
        is_over_tcp = asked.protocol == "rprn_tcp"
        raise SpoolerError(no_call(str(error), is_over_tcp=is_over_tcp)) from None
    if printers is None:
        raise SpoolerError(DENIED)
    try:
        return Lists(printers, _listed(rpc, RpcEnumPorts, "pPort"))
    except (DCERPCException, SpoolerError):
        return Lists(printers, None)


def _first_port(asked: Asked) -> int:
    return _SMB_PORT if asked.protocol == "rprn_pipe" else _MAPPER_PORT


def _said(error: OSError | NetBIOSError) -> str:
    """Of the error that impacket wrapped."""
    cause = error.args[1] if len(error.args) > 1 else error
    return getattr(cause, "strerror", None) or str(cause)


def _over_pipe(asked: Asked) -> DCERPC_v5:
    smb = SMBConnection(existingConnection=smb3.SMB3("*", asked.address, timeout=_WAIT_S))
    try:
        smb.login(asked.user, asked.password, asked.domain)
    except SessionError as error:
        raise SpoolerError(no_logon(error.getErrorCode())) from None
    if smb.isGuestSession():
        raise SpoolerError("does not know the account, and would let it in as a guest")
    pipe = transport.SMBTransport(asked.address, filename=r"\spoolss", smb_connection=smb)
    rpc = _private(pipe)
    try:
        rpc.connect()
    except SessionError as error:
        raise SpoolerError(no_pipe(error.getErrorCode())) from None
    rpc.bind(rprn.MSRPC_UUID_RPRN)
    return rpc


def _over_tcp(asked: Asked) -> DCERPC_v5:
    mapper = transport.TCPTransport(asked.address, _MAPPER_PORT)
    mapper.set_connect_timeout(_WAIT_S)
    rpc = mapper.get_dce_rpc()
    _connect(rpc, asked.address, _MAPPER_PORT)
    binding = epm.hept_map(asked.address, rprn.MSRPC_UUID_RPRN, protocol="ncacn_ip_tcp", dce=rpc)
    rpc.disconnect()
    found = re.search(r"\[(\d{1,5})\]$", binding)
    port = int(found[1]) if found else 0
    if port not in _DYNAMIC_PORTS or port == _RAW_PRINTING:
        raise SpoolerError(f"names TCP port {port} as its spooler's, which is none of RPC's")
    spooler = transport.TCPTransport(asked.address, port)
    spooler.set_credentials(asked.user, asked.password, asked.domain)
    rpc = _private(spooler)
    _connect(rpc, asked.address, port)
    rpc.bind(rprn.MSRPC_UUID_RPRN)
    return rpc


def _connect(rpc: DCERPC_v5, address: str, port: int) -> None:
    try:
        rpc.connect()
    except DCERPCException as error:
        said = str(error).removeprefix("Could not connect: ").rpartition("] ")[2]
        raise SpoolerError(cut_off(address, port, said)) from None


def _private(way: transport.DCERPCTransport) -> DCERPC_v5:
    way.set_connect_timeout(_WAIT_S)
    rpc = way.get_dce_rpc()
    rpc.set_auth_level(RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    return rpc


def _printers_call() -> NDRCALL:
    call = rprn.RpcEnumPrinters()
    call["Flags"] = _LOCAL
    return call


def _listed(rpc: DCERPC_v5, new_call: Callable[[], NDRCALL], buffer: str) -> List | None:
    """Asks how long the list is and then for it; None where the account may not have it."""
    octets = 0
    for _ in range(3):  # it may have become longer meanwhile
        call = new_call()
        call["Name"] = NULL
        call["Level"] = _LEVEL
        call["cbBuf"] = octets
        call[buffer] = b"\0" * octets if octets else NULL
        answer = rpc.request(call, checkError=False)
        error = answer["ErrorCode"]
        if error == 0:
            held = b"".join(answer[buffer]) if octets else b""
            return List(base64.b64encode(held).decode(), answer["pcReturned"])
        if error == _ACCESS_DENIED:
            return None
        octets = answer["pcbNeeded"]
        if error != _INSUFFICIENT_BUFFER:
            raise SpoolerError(f"gives no list of its printers: Windows error {error}")
        if not 0 < octets <= _MAX_BUFFER:
            raise SpoolerError(f"has a list of {octets} octets; at most {_MAX_BUFFER} are taken")
    raise SpoolerError("has a list that grows while it is asked for")


def main() -> None:
    _bound_memory()
    asked = Asked(**json.loads(sys.stdin.readline()))
    try:
        told: object = lists_of(asked)._asdict()
    except SpoolerError as refusal:
        told = {"refusal": str(refusal)}
    json.dump(told, sys.stdout)


def _bound_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))


if __name__ == "__main__":
    main()
