"""Orders: each has one outcome, and what may not be touched is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.poller.decode import NotAPrinterError, NotReadableError
from services.poller.ipp_meters import TOTAL
from services.poller.plan import Plans
from services.poller.read import dead, read
from shared.bus.port import Delivery
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import PUBLIC, Credential, CredentialError, windows_credential
from shared.ipp.client import IppAnswer
from shared.ipp.errors import IppNoAnswerError
from shared.ipp.wire import Value
from shared.ipp_uri import IppUri, ipp_uri_of
from shared.message import Message
from shared.messages import (
    DeviceFound,
    IppTarget,
    MeterRead,
    ReadFailed,
    SnmpTarget,
    SpooledQueue,
    SpooledTarget,
    Target,
    order_id,
)
from shared.scope import AskingManner
from shared.snmp.port import CredentialRefusedError, SnmpSession, Traffic, Varbind
from tests.unit.poller.reading import NOON, PROFILES, ROUND, TARGET
from tests.unit.walks import WalkSession, rows_of

MONO = rows_of(Path(__file__).parents[2] / "walks" / "mono-laser.snmprec")
IPP = IppTarget(ipp="ipp://10.0.0.7/ipp/print")
SPOOLED = SpooledTarget(spooled=SpooledQueue(host="pc", queue="lp", port_name="USB001", kind="usb"))
HEAD_OFFICE = Credential(community=SecretStr("h3ad-office"))
CREDENTIALS = {
    "public": PUBLIC,
    "head-office": HEAD_OFFICE,
    "office": windows_credential(account="reader", password="of-the-office"),
}
SLOWLY = AskingManner(timeout_s=3, tries=4, max_message=1232)


class Site:
    """A site with one device, its credentials, and a note of who was connected to."""

    def __init__(
        self, rows: dict[str, Varbind] | None = None, silent_after: int | None = None
    ) -> None:
        self.session = WalkSession(MONO if rows is None else rows, silent_after)
        self.connected: list[tuple[SnmpTarget, Credential]] = []
        self.manner: tuple[AskingManner, float] | None = None
        self.asked: list[IppUri] = []

    def connect(
        self, target: SnmpTarget, credential: Credential, manner: AskingManner, left_s: float
    ) -> SnmpSession:
        self.connected.append((target, credential))
        self.manner = (manner, left_s)
        return self.session

    async def ask_ipp(self, uri: IppUri, wanted: Sequence[str]) -> IppAnswer:
        self.asked.append(uri)
        return IppAnswer("10.0.0.7", {TOTAL: [Value("integer", 48213)]})

    def read(self, found: DeviceFound, times: int = 0, **changed: Any) -> Message:
        arguments: dict[str, Any] = {
            "agent": "agent-1",
            "connect": self.connect,
            "ask_ipp": self.ask_ipp,
            "credentials": lambda: CREDENTIALS,
            "ceiling": Ceiling((ip_network("10.0.0.0/24"),)),
            "profiles": PROFILES,
            "plans": Plans(),
            "now": lambda: NOON,
        }
        [outcome] = asyncio.run(read(found, Delivery(times), **(arguments | changed)))
        return outcome

    def failed(self, found: DeviceFound, times: int = 0, **changed: Any) -> ReadFailed:
        outcome = self.read(found, times, **changed)
        assert isinstance(outcome, ReadFailed)
        assert (outcome.order, outcome.round, outcome.target) == (found.order, ROUND, found.target)
        return outcome


def order(target: Target = TARGET, **changed: Any) -> DeviceFound:
    fields = {"found_by": "sweep", "credential": "public", "read_before": NOON + timedelta(hours=1)}
    return DeviceFound(
        order=order_id(ROUND, target), round=ROUND, target=target, **(fields | changed)
    )


def test_an_order_is_answered_with_the_read_of_its_device() -> None:
    outcome = Site().read(order())

    assert isinstance(outcome, MeterRead)
    assert outcome.order == order().order
    assert (outcome.meters, outcome.device.address) == ({"total": 48213}, "10.0.0.7")


def test_the_same_order_twice_is_the_same_outcome() -> None:
    assert Site().read(order()).id == Site().read(order(), times=3).id


def test_the_credential_is_the_one_that_the_order_names() -> None:
    site = Site()

    site.read(order(credential="head-office"))

    assert site.connected == [(TARGET, HEAD_OFFICE)]


def test_a_device_is_asked_as_its_segment_wants_it_within_the_time_left() -> None:
    site = Site()

    site.read(order(manner=SLOWLY))

    assert site.manner == (SLOWLY, 3600)


@pytest.mark.parametrize(
    ("found", "times", "outcome", "reason"),
    [
        (order(read_before=NOON), 0, "expired", "order expired"),
        (order(read_before=NOON - timedelta(days=9)), 11, "expired", "order expired"),
        (order(), 10, "set_aside", "ended the poller 10 times"),
        (order(given=12), 3, "set_aside", "ended the poller 12 times"),
        (
            order(credential=None),
            0,
            "refused",
            "the order names no SNMP credential; set one for this address",
        ),
        (
            order(credential="office"),
            0,
            "refused",
            '"office" is a Windows account, no SNMP credential',
        ),
        (order(credential="branch"), 0, "refused", 'this site has no SNMP credential "branch"'),
        (
            order(SnmpTarget(snmp="10.0.9.7")),
            0,
            "refused",
            "10.0.9.7: outside the networks that this site allows",
        ),
        (
            order(SnmpTarget(snmp="10.0.0.7", port=9100)),
            0,
            "refused",
            "10.0.0.7: this site does not allow UDP port 9100",
        ),
        (
            order(IppTarget(ipp="http://10.0.0.7/ipp/print"), found_by="named"),
            0,
            "refused",
            "an IPP printer is written ipp://HOST[:PORT]/PATH, or ipps:// with TLS",
        ),
        (order(IPP), 0, "refused", "not added as IPP, but found by sweep; it is not asked"),
        (order(IPP, read_before=NOON), 0, "expired", "order expired"),
        (order(IPP), 10, "set_aside", "ended the poller 10 times"),
        (order(SPOOLED, read_before=NOON), 0, "expired", "order expired"),
    ],
)
def test_what_may_not_be_read_is_told_and_not_touched(
    found: DeviceFound, times: int, outcome: str, reason: str
) -> None:
    site = Site()

    failed = site.failed(found, times)

    assert (failed.outcome, failed.reason, failed.tried) == (outcome, reason, [])
    assert (site.connected, site.asked) == ([], [])


def test_an_order_for_a_spooled_device_touches_nothing() -> None:
    site = Site()

    outcome = site.read(order(SPOOLED, found_by="spooler"))

    assert isinstance(outcome, MeterRead)
    assert (outcome.target, outcome.meters, outcome.profile) == (SPOOLED, {}, "spooled@1")
    assert (site.connected, site.asked) == ([], [])


def test_an_order_for_an_ipp_printer_is_read_by_ipp_alone() -> None:
    site = Site()

    outcome = site.read(order(IPP, found_by="named"))

    assert isinstance(outcome, MeterRead)
    assert (outcome.target, outcome.meters) == (IPP, {"total": 48213})
    assert (site.asked, site.connected) == ([ipp_uri_of(IPP.ipp)], [])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (IppNoAnswerError("silent"), "no_answer"),
        (NotAPrinterError("a web server"), "not_a_printer"),
        (NotReadableError("broke off"), "unreadable"),
        (OutsideCeilingError("not allowed"), "refused"),
    ],
)
def test_an_ipp_printer_that_fails_is_reported(error: Exception, outcome: str) -> None:
    async def ask_ipp(*_: object) -> IppAnswer:
        raise error

    failed = Site().failed(order(IPP, found_by="named"), ask_ipp=ask_ipp)

    assert (failed.outcome, failed.reason) == (outcome, str(error))
    assert failed.tried == ["IPP at ipp://10.0.0.7/ipp/print"]


def test_nine_ends_are_not_yet_enough_to_set_an_order_aside() -> None:
    assert isinstance(Site().read(order(given=9), times=9), MeterRead)


def test_credentials_that_cannot_be_read_are_told() -> None:
    def broken() -> dict[str, Credential]:
        raise CredentialError("/etc/c.json: others than its owner may read it")

    failed = Site().failed(order(), credentials=broken)

    assert (failed.outcome, failed.reason) == (
        "refused",
        "/etc/c.json: others than its owner may read it",
    )


def test_a_silent_device_is_reported_and_not_dropped() -> None:
    failed = Site(silent_after=0).failed(order(credential="head-office"))

    assert failed.outcome == "no_answer"
    assert failed.reason == "10.0.0.7: no SNMP answer in 3 tries of 2.0 s"
    assert failed.tried == ['SNMP with credential "head-office"']
    assert failed.datagrams == 1


def test_a_device_that_refuses_the_credential_is_no_silent_one() -> None:
    class Refusing(WalkSession):
        async def walk(self, walks: object) -> Any:
            raise CredentialRefusedError("10.0.0.7: does not know the credential's user")

    site = Site()
    site.session = Refusing({})
    site.session.traffic = Traffic(3, 2, 300, 200)

    failed = site.failed(order(credential="head-office"))

    assert (failed.outcome, failed.tried) == (
        "no_credential",
        ['SNMP with credential "head-office"'],
    )
    assert (failed.datagrams, failed.bytes) == (5, 500)


def test_a_read_that_breaks_off_is_unreadable_and_says_what_came() -> None:
    failed = Site(silent_after=2).failed(order())

    assert failed.outcome == "unreadable"
    assert "NWL2400187" in failed.reason


def test_a_device_that_does_not_print_is_said_to_be_none() -> None:
    descr = Varbind("1.3.6.1.2.1.1.1.0", "OctetString", b"AXIS 1234 Network Document Server")

    assert Site({descr.oid: descr}).failed(order()).outcome == "not_a_printer"


def test_what_the_socket_refuses_is_refused() -> None:
    class Walled(WalkSession):
        async def get(self, oids: object, *, octets: object = None) -> Any:
            raise OutsideCeilingError("10.0.0.7: outside the networks that this site allows")

    site = Site()
    site.session = Walled({})

    assert site.failed(order()).outcome == "refused"


def test_a_bug_is_an_exception_and_no_outcome() -> None:
    """The bus then dead-letters the order, and `dead` answers it."""

    class Buggy(WalkSession):
        async def get(self, oids: object, *, octets: object = None) -> Any:
            raise ZeroDivisionError

    site = Site()
    site.session = Buggy({})

    with pytest.raises(ZeroDivisionError):
        site.read(order())


def test_an_order_that_the_bus_gave_up_is_set_aside() -> None:
    [failed] = asyncio.run(dead(order(), Delivery(21), agent="agent-1", now=lambda: NOON))

    assert isinstance(failed, ReadFailed)
    assert (failed.order, failed.outcome) == (order().order, "set_aside")


def test_no_secret_is_in_any_outcome() -> None:
    for site in (Site(), Site(silent_after=0), Site(silent_after=2)):
        assert b"h3ad-office" not in site.read(order(credential="head-office")).to_json()
