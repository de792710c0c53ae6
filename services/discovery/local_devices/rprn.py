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

_SMB_PORT = 445
_MAPPER_PORT = 135
_WAIT_S = 10.0  # for a connection, and for each answer
_MAX_BUFFER = 4_194_304  # octets of a list
_MAX_MEMORY = 1 << 29  # octets of address space
_LEVEL = 2
_LOCAL = 2  # PRINTER_ENUM_LOCAL
_ACCESS_DENIED = 5  # of Windows, MS-ERREF 2.2
_INSUFFICIENT_BUFFER = 122
# over TCP the account is proven with the first call: as Windows and as Samba refuse that
_NOT_PROVEN = ("access_denied", "nca_s_proto_error")
_DYNAMIC_PORTS = range(1024, 65536)
_RAW_PRINTING = 9100

# MS-ERREF 2.3.1
_LOGON = {
    0xC000006D: "does not take the user and password",
    0xC000006A: "does not take the user and password",
    0xC0000064: "does not take the user and password",
    0xC0000234: "has locked the account",
    0xC0000072: "says that the account is disabled",
    0xC0000071: "says that the password is too old",
    0xC0000224: "says that the password must be changed first",
    0xC0000193: "says that the account has expired",
    0xC000006E: "restricts the account",
    0xC000006F: "does not let the account in at this time",
    0xC0000070: "does not let the account in from this computer",
    0xC000015B: "does not let the account in over the network",
}
_STATUS_ACCESS_DENIED = 0xC0000022
_NO_PIPE = {  # MS-ERREF 2.3.1: not found, not available, closed
    0xC0000034,
    0xC000003A,
    0xC00000AC,
    0xC00000AE,
    0xC00000B0,
}


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
    """PRINTER_INFO_2 and PORT_INFO_2; the ports are None where the account may not list them."""

    printers: List
    ports: List | None


class Refusal(Exception):  # noqa: N818  (an answer, and no error)
    """Why there is no list: what the computer does, in words that follow its name."""


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
    """Raises: Refusal; and whatever impacket makes of an answer that it does not understand."""
    try:
        rpc = _over_pipe(asked) if asked.protocol == "rprn_pipe" else _over_tcp(asked)
        printers = _listed(rpc, _printers_call, "pPrinterEnum")
    except (NetBIOSTimeout, TimeoutError):
        raise Refusal(f"does not answer at {asked.address} within {_WAIT_S:g} s") from None
    except (OSError, NetBIOSError) as error:
        raise Refusal(_cut_off(asked, error)) from None
    except DCERPCException as error:
        raise Refusal(_refused(asked, str(error))) from None
    if printers is None:
        raise Refusal("takes the account and denies it the list of its printers")
    try:
        return Lists(printers, _listed(rpc, RpcEnumPorts, "pPort"))
    except DCERPCException:
        return Lists(printers, None)


def _cut_off(asked: Asked, error: OSError | NetBIOSError) -> str:
    port = _SMB_PORT if asked.protocol == "rprn_pipe" else _MAPPER_PORT
    cause = error.args[1] if len(error.args) > 1 else error
    said = getattr(cause, "strerror", None) or str(cause)
    return (
        f"cannot be reached at {asked.address}, TCP port {port}: {said}; is it on, and does its "
        "firewall let this computer in?"
    )


def _refused(asked: Asked, said: str) -> str:
    if said.startswith("Could not connect"):
        return _cut_off(asked, OSError(said))
    if "not_registered" in said:
        return "has no spooler that takes RPC over TCP; try the protocol rprn_pipe"
    if asked.protocol == "rprn_tcp" and any(fault in said for fault in _NOT_PROVEN):
        return "does not take the user and password, or denies the account its spooler"
    if "access_denied" in said:
        return "takes the account and denies it the list of its printers"
    return f"gives no list of its printers: {said[:200]}"


def _over_pipe(asked: Asked) -> DCERPC_v5:
    smb = SMBConnection(existingConnection=smb3.SMB3("*", asked.address, timeout=_WAIT_S))
    try:
        smb.login(asked.user, asked.password, asked.domain)
    except SessionError as error:
        raise Refusal(_no_logon(error.getErrorCode())) from None
    if smb.isGuestSession():
        raise Refusal("does not know the account, and would let it in as a guest")
    pipe = transport.SMBTransport(asked.address, filename=r"\spoolss", smb_connection=smb)
    rpc = _private(pipe)
    try:
        rpc.connect()
    except SessionError as error:
        raise Refusal(_no_pipe(error.getErrorCode())) from None
    rpc.bind(rprn.MSRPC_UUID_RPRN)
    return rpc


def _no_logon(status: int) -> str:
    if status == _STATUS_ACCESS_DENIED:
        return "denies the account access"
    return _LOGON.get(status, f"does not let the account in: 0x{status:08X}")


def _no_pipe(status: int) -> str:
    if status == _STATUS_ACCESS_DENIED:
        return "takes the account and denies it access; may it use the computer over the network?"
    if status in _NO_PIPE:
        return r"has no spooler at \pipe\spoolss; does its Print Spooler run and take clients?"
    return rf"does not open \pipe\spoolss: 0x{status:08X}"


def _over_tcp(asked: Asked) -> DCERPC_v5:
    mapper = transport.TCPTransport(asked.address, _MAPPER_PORT)
    mapper.set_connect_timeout(_WAIT_S)
    rpc = mapper.get_dce_rpc()
    rpc.connect()
    binding = epm.hept_map(asked.address, rprn.MSRPC_UUID_RPRN, protocol="ncacn_ip_tcp", dce=rpc)
    rpc.disconnect()
    found = re.search(r"\[(\d{1,5})\]$", binding)
    port = int(found[1]) if found else 0
    if port not in _DYNAMIC_PORTS or port == _RAW_PRINTING:
        raise Refusal(f"names TCP port {port} as its spooler's, which is none of RPC's")
    spooler = transport.TCPTransport(asked.address, port)
    spooler.set_credentials(asked.user, asked.password, asked.domain)
    rpc = _private(spooler)
    rpc.connect()
    rpc.bind(rprn.MSRPC_UUID_RPRN)
    return rpc


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
            raise Refusal(f"gives no list of its printers: Windows error {error}")
        if not 0 < octets <= _MAX_BUFFER:
            raise Refusal(f"has a list of {octets} octets; at most {_MAX_BUFFER} are taken")
    raise Refusal("has a list that grows while it is asked for")


def main() -> None:
    _bound_memory()
    asked = Asked(**json.loads(sys.stdin.readline()))
    try:
        told: object = lists_of(asked)._asdict()
    except Refusal as refusal:
        told = {"refusal": str(refusal)}
    json.dump(told, sys.stdout)


def _bound_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))


if __name__ == "__main__":
    main()
