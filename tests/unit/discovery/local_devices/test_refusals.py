"""Why a computer gives no list, told so that each cause has its own words."""

from __future__ import annotations

import pytest

from services.discovery.local_devices.refusals import DENIED, no_call, no_logon, no_pipe


def test_each_reason_not_to_let_an_account_in_is_told_apart() -> None:
    assert no_logon(0xC000006D) == "does not take the user and password"
    assert no_logon(0xC0000234) == "has locked the account"
    assert no_logon(0xC0000022) == "denies the account access"
    assert no_logon(0xC00000BB) == "does not let the account in: 0xC00000BB"


def test_a_pipe_that_is_denied_is_not_one_that_is_not_there() -> None:
    assert no_pipe(0xC0000022).startswith("takes the account and denies it access")
    assert no_pipe(0xC0000034).startswith("has no spooler")
    assert no_pipe(0xC0000001).endswith("0xC0000001")


@pytest.mark.parametrize(
    ("fault", "is_over_tcp", "told"),
    [
        ("rpc_s_access_denied", True, "does not take the user and password, or denies"),
        ("nca_s_proto_error", True, "does not take the user and password, or denies"),
        ("rpc_s_access_denied", False, DENIED),
        ("ept_s_not_registered", True, "has no spooler that takes RPC over TCP"),
        ("nca_s_fault_ndr", True, "gives no list of its printers: nca_s_fault_ndr"),
    ],
)
def test_a_fault_of_rpc_is_told_by_what_it_means(fault: str, is_over_tcp: bool, told: str) -> None:
    assert no_call(fault, is_over_tcp=is_over_tcp).startswith(told)
