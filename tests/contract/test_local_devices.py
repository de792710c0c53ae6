"""Devices attached to computers, listed by Samba's spooler and by CUPS, on the wire."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import main
from services.discovery.local_devices.attached import Attached, list_attached
from services.discovery.local_devices.queues import SpoolerError
from services.discovery.local_devices.remote_spooler import spooler_queues
from shared.ceiling import Ceiling
from shared.credentials import Credential, windows_credential
from shared.scope import Spooler
from tests.peers import free_port, samba
from tests.peers.ipp import cups_server
from tests.peers.rpc_over_tcp import spooler_over_tcp

QUEUES = {
    "counter": ("USB001", "Northwind Laser 9", "by the till", "Shop"),
    "counter-ps": ("USB001", "Northwind Laser 9 PS", "", ""),
    "faxes": ("SHRFAX:", "Microsoft Shared Fax Driver", "", ""),
    "floor2": ("IP_10.9.8.7", "Northwind Copier 60", "", "Floor 2"),
    "labels": ("LPT1:", "Northwind Label", "", ""),
    "pdf": ("PORTPROMPT:", "Microsoft Print To PDF", "", ""),
    "web": ("WSD-4d36e96e.003a", "Northwind Ink", "", ""),
}
CUPS = """
<Printer desk>
Info By the window
Location Room 11
DeviceURI usb://Northwind/Laser%209?serial=N9-11
State Idle
Type 4
</Printer>
<Printer hall>
DeviceURI socket://10.9.8.7:9100
</Printer>
<Printer faxes>
DeviceURI hpfax:/usb/OfficeJet_9?serial=N1-5
</Printer>
<Printer nowhere>
DeviceURI file:///dev/null
</Printer>
"""


@pytest.fixture(scope="module")
def computer() -> Iterator[str]:
    with samba.spooler(QUEUES) as address:
        yield address


def listed(
    host: str,
    user: str = samba.READER,
    password: str = samba.READER_PASSWORD,
    *,
    protocol: str = "rprn_pipe",
    named: tuple[str, ...] | None = None,
    ipp_port: int = 631,
) -> Attached:
    ceiling = Ceiling(
        (),
        ipp_ports=frozenset({ipp_port}),
        spooler_hosts=(host,) if named is None else named,
    )
    spooler = Spooler.model_validate(
        {"host": host, "protocol": protocol, "credential": "print-servers"}
    )
    account = windows_credential(account=user, password=password)
    return asyncio.run(
        list_attached([spooler], ceiling=ceiling, credentials={"print-servers": account})
    )


def why_not(found: Attached) -> str:
    [missed] = found.not_reached
    assert found.devices == ()
    return missed.reason


def test_sambas_devices_are_listed_with_the_kind_and_the_address_of_each_port(
    computer: str,
) -> None:
    found = listed(computer)

    assert found.not_reached == ()
    assert {
        one.target.spooled.queue: (one.target.spooled.kind, one.target.spooled.port_name)
        for one in found.devices
    } == {
        "counter": ("usb", "USB001"),
        "faxes": ("fax", "SHRFAX:"),
        "floor2": ("tcp", "IP_10.9.8.7"),
        "labels": ("lpt", "LPT1:"),
        "web": ("wsd", "WSD-4d36e96e.003a"),
    }
    addresses = {one.target.spooled.queue: one.address for one in found.devices if one.address}
    assert addresses == {"floor2": "10.9.8.7"}
    counter = found.devices[0].seen
    assert (counter.driver, counter.comment, counter.location, counter.status) == (
        "Northwind Laser 9",
        "by the till",
        "Shop",
        "ready",
    )


def test_an_account_is_tested_on_a_computer_and_shows_what_it_lists(
    computer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path))
    for name, typed in (("good", samba.READER_PASSWORD), ("bad", "wr0ng-password")):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert main(["credential", "add", name, "--windows", samba.READER]) == 0

    assert main(["credential", "test", "good", computer]) == 0
    assert main(["credential", "test", "bad", computer]) == 1

    said = capsys.readouterr()
    assert "labels  lpt  LPT1:  Northwind Label\n" in said.out
    assert f"{computer} does not take the user and password; asked with cred" in said.err
    assert "wr0ng-password" not in said.out + said.err


@pytest.mark.parametrize("user", [samba.READER, "somebody-else"])
def test_a_wrong_password_or_user_is_told_as_such(computer: str, user: str) -> None:
    told = why_not(listed(computer, user, "wr0ng-password"))

    assert told == "does not take the user and password; asked with credential 'print-servers'"


def test_an_account_that_is_denied_access_is_told_as_such(computer: str) -> None:
    told = why_not(listed(computer, samba.DENIED, samba.DENIED_PASSWORD))

    assert told.startswith("takes the account and denies it access")


def test_a_spooler_that_takes_rpc_over_tcp_lists_the_same(computer: str) -> None:
    account = (samba.READER, samba.READER_PASSWORD)
    with spooler_over_tcp("127.63.0.4", computer, *account) as passed:
        found = listed("127.63.0.4", protocol="rprn_tcp")
        wrong = why_not(listed("127.63.0.4", password="wr0ng-password", protocol="rprn_tcp"))

    over_pipe = listed(computer).devices
    assert [(one.target.spooled.queue, one.seen) for one in found.devices] == [
        (one.target.spooled.queue, one.seen) for one in over_pipe
    ]
    assert wrong.startswith("does not take the user and password, or denies the account its")
    assert not any(
        word.encode(codec) in passed
        for word in ("Northwind", samba.READER_PASSWORD)
        for codec in ("utf-8", "utf-16-le")
    )


def test_a_spooler_that_takes_no_rpc_over_tcp_is_told_as_such(computer: str) -> None:
    told = why_not(listed(computer, protocol="rprn_tcp"))

    assert told.startswith("has no spooler that takes RPC over TCP; try the protocol rprn_pipe")


def test_a_computer_without_a_spooler_is_told_as_such() -> None:
    with samba.without_a_spooler() as address:
        told = why_not(listed(address))

    assert told.startswith(r"has no spooler at \pipe\spoolss; does its Print Spooler run")


@pytest.mark.parametrize(("protocol", "port"), [("rprn_pipe", 445), ("rprn_tcp", 135)])
def test_a_computer_that_is_not_there_is_told_with_its_address_and_port(
    protocol: str, port: int
) -> None:
    told = why_not(listed("127.63.0.1", protocol=protocol))

    assert told.startswith(f"cannot be reached at 127.63.0.1, TCP port {port}: ")
    assert "Connection refused; is it on" in told


async def test_a_computer_that_never_ends_its_answer_is_given_up() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"\0\xff\xff\xff")
            await asyncio.sleep(0.05)

    account = windows_credential(account="reader", password="p")
    spooler = Spooler(host="drip", protocol="rprn_pipe", credential="a")
    async with await asyncio.start_server(drip, "127.63.0.2", 445):
        with pytest.raises(SpoolerError, match=r"did not give all of its list in 1 s"):
            await spooler_queues(spooler, "127.63.0.2", account, limit_s=1)


async def test_a_computer_that_answers_nonsense_is_told_and_nothing_breaks() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\0\0\0\x50\xfeSMB" + b"\xff" * 76)
        await writer.drain()
        writer.close()

    account = windows_credential(account="reader", password="p")
    spooler = Spooler(host="babble", protocol="rprn_pipe", credential="a")
    async with await asyncio.start_server(babble, "127.63.0.3", 445):
        with pytest.raises(SpoolerError, match=r"understood|answer|reached|let the account"):
            await spooler_queues(spooler, "127.63.0.3", account)


def test_cups_devices_are_listed_with_what_their_uris_hold() -> None:
    with cups_server(CUPS) as port:
        found = listed("127.0.0.1", protocol="cups", ipp_port=port)

    assert found.not_reached == ()
    kinds = {one.target.spooled.queue: one.target.spooled.kind for one in found.devices}
    assert kinds == {"desk": "usb", "faxes": "fax", "hall": "tcp"}
    by_name = {one.target.spooled.queue: one for one in found.devices}
    desk = by_name["desk"].seen
    assert (desk.make, desk.model, desk.serial) == ("Northwind", "Laser 9", "N9-11")
    assert (desk.comment, desk.location) == ("By the window", "Room 11")
    assert [one.address for one in by_name.values()] == [None, None, "10.9.8.7"]


def test_a_computer_with_more_queues_than_are_taken_is_told() -> None:
    queues = (
        f"<Printer q{n:04}>\nDeviceURI usb://Northwind/9?serial={n}\n</Printer>\n"
        for n in range(1001)
    )
    with cups_server("".join(queues)) as port:
        found = listed("127.0.0.1", protocol="cups", ipp_port=port)

    assert len(found.devices) == 1000
    assert [one.reason for one in found.not_reached] == [
        "has 1000 queues or more, of which the first 1000 are taken"
    ]


def test_a_computer_without_cups_is_told() -> None:
    told = why_not(listed("127.0.0.1", protocol="cups", ipp_port=free_port()))

    assert told.startswith("gives no list of its queues: ipp://127.0.0.1:")
    assert "cannot be connected to" in told


@pytest.mark.parametrize("protocol", ["rprn_pipe", "rprn_tcp", "cups", "winspool"])
def test_a_computer_that_the_ceiling_does_not_name_is_not_asked(protocol: str) -> None:
    told = why_not(listed("127.0.0.1", protocol=protocol, named=("printpc",)))

    assert told == "127.0.0.1: this site's ceiling does not name it in spooler_hosts"


def test_a_name_that_leads_to_the_box_itself_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def everything_here(names: set[str]) -> dict[str, list[str]]:
        return {name: ["127.0.0.1"] for name in names}

    monkeypatch.setattr("services.discovery.local_devices.attached.resolve", everything_here)

    assert "a loopback address must be named itself" in why_not(listed("printpc", protocol="cups"))


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        ({}, "credential a is not set at this site; pagetally credential add a --windows"),
        ({"a": Credential.model_validate({"community": "c"})}, "credential a is of SNMP"),
    ],
)
async def test_without_an_account_nothing_is_asked(
    credentials: dict[str, Credential], told: str
) -> None:
    spooler = Spooler(host="127.63.0.1", protocol="rprn_pipe", credential="a")
    ceiling = Ceiling((), spooler_hosts=("127.63.0.1",))

    found = await list_attached([spooler], ceiling=ceiling, credentials=credentials)

    assert why_not(found).startswith(told)


def test_winspool_is_for_windows_alone() -> None:
    assert "on Windows alone" in why_not(listed("localhost", protocol="winspool"))


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "services.discovery.local_devices.remote_spooler.find_spec", lambda name: None
    )

    assert "-r requirements-spooler.lock" in why_not(listed("127.63.0.1"))
