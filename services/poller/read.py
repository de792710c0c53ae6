"""The handler: the order to read one device in, its meters or why not out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from services.poller.decode import NotAPrinterError, NotReadableError
from services.poller.device import read_device
from services.poller.ipp import Ask, read_ipp
from services.poller.plan import Plans
from services.poller.recognise import Profiles
from services.poller.sessions import USUAL, Connect
from services.poller.spooled import spooled_read
from shared.bus.port import Delivery
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.credentials import Credential, CredentialError
from shared.ipp.errors import IppNoAnswerError
from shared.ipp_uri import IppUriError, ipp_uri_of
from shared.message import Message
from shared.messages import (
    DeviceFound,
    Failure,
    IppTarget,
    MeterRead,
    ReadFailed,
    SnmpTarget,
    SpooledTarget,
    Target,
)
from shared.snmp.port import CredentialRefusedError, NoAnswerError, Traffic
from shared.text import clean

MAX_ENDS = 10  # so often may an order have ended the poller that read it


_OUTCOMES: Mapping[type[Exception], Failure] = {  # of an error that is of several, the first
    OutsideCeilingError: "refused",
    IppUriError: "refused",
    NoAnswerError: "no_answer",
    IppNoAnswerError: "no_answer",
    NotAPrinterError: "not_a_printer",
    NotReadableError: "unreadable",
    CredentialRefusedError: "no_credential",
}


class OrderRefusedError(Exception):
    """The order is not carried out, and nothing is sent."""

    def __init__(self, outcome: Failure, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


async def read(
    found: DeviceFound,
    delivery: Delivery,
    *,
    agent: str,
    connect: Connect,
    ask_ipp: Ask,
    credentials: Callable[[], Mapping[str, Credential]],
    ceiling: Ceiling,
    profiles: Profiles,
    plans: Plans,
    now: Callable[[], datetime],
) -> Sequence[Message]:
    """One MeterRead or one ReadFailed. A device that fails is news; a bug propagates."""
    tried: list[str] = []
    traffic = Traffic()

    def failed(outcome: Failure, error: Exception) -> list[Message]:
        return [_failed(found, agent, now(), outcome, str(error), tried, traffic)]

    async def by_snmp(target: SnmpTarget) -> MeterRead:
        nonlocal traffic
        name, credential = _credential(found, credentials)
        left_s = (found.read_before - now()).total_seconds()
        session = connect(target, credential, found.manner or USUAL, left_s)
        traffic = session.traffic
        tried.append(f'SNMP with credential "{name}"')
        place = (target.snmp, target.port, name)
        plan = plans.get(place)
        device = await read_device(session, profiles, target.snmp, now, plan, plans.kinds)
        plans.keep(place, device.plan)
        return device.message(found.order, found.round, agent, target, traffic)

    async def by_ipp(target: IppTarget) -> MeterRead:
        uri = ipp_uri_of(target.ipp)
        tried.append(f"IPP at {uri}")
        device = await read_ipp(ask_ipp, uri, now)
        return device.message(found.order, found.round, agent, target, profiles)

    try:
        target = _allowed(found, delivery, ceiling, now())
        if isinstance(target, SpooledTarget):
            return [spooled_read(found, target, agent, now())]
        if isinstance(target, IppTarget):
            return [await by_ipp(target)]
        return [await by_snmp(target)]
    except OrderRefusedError as error:
        return failed(error.outcome, error)
    except tuple(_OUTCOMES) as error:
        return failed(next(_OUTCOMES[kind] for kind in _OUTCOMES if isinstance(error, kind)), error)


async def dead(
    found: DeviceFound, delivery: Delivery, *, agent: str, now: Callable[[], datetime]
) -> Sequence[Message]:
    """An order that the bus gave up on: its handler raised, or it was delivered too often."""
    reason = "the poller could not finish this order; its log says why"
    if delivery.died_of:
        reason += f" ({delivery.died_of})"
    return [_failed(found, agent, now(), "set_aside", reason, (), Traffic())]


def _allowed(found: DeviceFound, delivery: Delivery, ceiling: Ceiling, now: datetime) -> Target:
    """An IPP printer's host may be a name: whether it is allowed is told when it is resolved.
    For a spooled target nothing is sent.

    Raises: OrderRefusedError.
    """
    if now >= found.read_before:
        raise OrderRefusedError("expired", "order expired")
    ends = max(delivery.times, found.given)
    if ends >= MAX_ENDS:
        raise OrderRefusedError("set_aside", f"ended the poller {ends} times")
    if isinstance(found.target, SpooledTarget):
        return found.target
    if isinstance(found.target, IppTarget):
        if found.found_by in ("sweep", "broadcast"):
            raise OrderRefusedError(
                "refused", f"not added as IPP, but found by {found.found_by}; it is not asked"
            )
        return found.target
    refusal = ceiling.refusal(found.target.snmp, found.target.port)
    if refusal:
        raise OrderRefusedError("refused", refusal)
    return found.target


def _credential(
    found: DeviceFound, credentials: Callable[[], Mapping[str, Credential]]
) -> tuple[str, Credential]:
    """The one that the order names, with its name. Raises: OrderRefusedError."""
    name = found.credential
    if name is None:
        raise OrderRefusedError(
            "refused", "the order names no SNMP credential; set one for this address"
        )
    try:
        credential = credentials().get(name)
    except CredentialError as error:
        raise OrderRefusedError("refused", str(error)) from error
    if credential is None:
        raise OrderRefusedError("refused", f'this site has no SNMP credential "{name}"')
    if credential.version == "windows":
        raise OrderRefusedError("refused", f'"{name}" is a Windows account, no SNMP credential')
    return name, credential


def _failed(
    found: DeviceFound,
    agent: str,
    at: datetime,
    outcome: Failure,
    reason: str,
    tried: Sequence[str],
    traffic: Traffic,
) -> ReadFailed:
    return ReadFailed(
        order=found.order,
        round=found.round,
        agent=agent,
        target=found.target,
        failed_at=at,
        outcome=outcome,
        reason=clean(reason, 1000) or outcome,
        tried=list(tried),
        datagrams=traffic.packets_out + traffic.packets_in,
        bytes=traffic.bytes_out + traffic.bytes_in,
    )
