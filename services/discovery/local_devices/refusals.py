"""Why a computer gives no list of its printers, in words that follow its name; pure."""

from __future__ import annotations

DENIED = "takes the account and denies it the list of its printers"

# NTSTATUS, MS-ERREF 2.3.1
_ACCESS_DENIED = 0xC0000022
_LOGON = {
    0xC0000022: "denies the account access",
    0xC0000064: "does not take the user and password",
    0xC000006A: "does not take the user and password",
    0xC000006D: "does not take the user and password",
    0xC000006E: "restricts the account",
    0xC000006F: "does not let the account in at this time",
    0xC0000070: "does not let the account in from this computer",
    0xC0000071: "says that the password is too old",
    0xC0000072: "says that the account is disabled",
    0xC000015B: "does not let the account in over the network",
    0xC0000193: "says that the account has expired",
    0xC0000224: "says that the password must be changed first",
    0xC0000234: "has locked the account",
}
_NO_PIPE = (0xC0000034, 0xC000003A, 0xC00000AC, 0xC00000AE, 0xC00000B0)  # not there, or not open
# over TCP the account is proven with the first call: as Windows and as Samba refuse that
_NOT_PROVEN = ("access_denied", "nca_s_proto_error")


def cut_off(address: str, port: int, said: str) -> str:
    return (
        f"cannot be reached at {address}, TCP port {port}: {said}; is it on, and does its firewall "
        "let this computer in?"
    )


def no_logon(status: int) -> str:
    return _LOGON.get(status, f"does not let the account in: 0x{status:08X}")


def no_pipe(status: int) -> str:
    if status == _ACCESS_DENIED:
        return "takes the account and denies it access; may it use the computer over the network?"
    if status in _NO_PIPE:
        return r"has no spooler at \pipe\spoolss; does its Print Spooler run and take clients?"
    return rf"does not open \pipe\spoolss: 0x{status:08X}"


def no_call(fault: str, *, is_over_tcp: bool) -> str:
    """Args: fault: of RPC, by its name in C706 or MS-RPCE."""
    if "not_registered" in fault:
        return "has no spooler that takes RPC over TCP; try the protocol rprn_pipe"
    if is_over_tcp and any(name in fault for name in _NOT_PROVEN):
        return "does not take the user and password, or denies the account its spooler"
    if "access_denied" in fault:
        return DENIED
    return f"gives no list of its printers: {fault[:200]}"
