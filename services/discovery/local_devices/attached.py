"""The devices that are attached to computers, as their spoolers list them.

Off where no spooler is chosen. A computer is asked only where the ceiling names it, and with the
account that is chosen for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.discovery.local_devices.printer_info import MAX_ENTRIES
from services.discovery.local_devices.queues import Listing, Queue, SpoolerError, one_a_device
from services.discovery.local_devices.remote_spooler import spooler_queues
from services.discovery.local_devices.winspool import list_winspool
from services.discovery.resolve import resolve
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.log import log
from shared.messages import NotReached, SpooledDevice, SpooledQueue, SpooledTarget
from shared.scope import Spooler

_AT_ONCE = 5


class AttachedDevice(NamedTuple):
    target: SpooledTarget
    seen: SpooledDevice
    address: str | None  # the host of a Standard TCP/IP port or of a device-uri; None: no network


class Attached(NamedTuple):
    devices: tuple[AttachedDevice, ...]
    not_reached: tuple[NotReached, ...]  # computers that gave no whole list, with the reason


async def list_attached(
    spoolers: Sequence[Spooler], *, ceiling: Ceiling, credentials: Mapping[str, Credential]
) -> Attached:
    """What each computer lists, whatever the others do."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def listed(spooler: Spooler) -> Listing | NotReached:
        async with slots:
            try:
                return await _listing(spooler, ceiling, credentials)
            except SpoolerError as error:
                return NotReached(target=spooler.host, reason=str(error))
            except Exception as error:  # noqa: BLE001  (whatever it is, the others are asked)
                log.error("computer not asked", host=spooler.host, fault=repr(error)[:500])
                reason = f"could not be asked: {type(error).__name__}; discovery's log says more"
                return NotReached(target=spooler.host, reason=reason)

    devices: dict[str, AttachedDevice] = {}
    not_reached = []
    for spooler, found in zip(spoolers, await asyncio.gather(*map(listed, spoolers)), strict=True):
        if isinstance(found, NotReached):
            not_reached.append(found)
            continue
        if found.is_cut:
            reason = f"has {MAX_ENTRIES} queues or more, of which the first {MAX_ENTRIES} are taken"
            not_reached.append(NotReached(target=spooler.host, reason=reason))
        for queue in one_a_device(found.queues):
            device = _device(spooler.host, queue)
            devices.setdefault(device.target.key, device)
    return Attached(tuple(devices.values()), tuple(not_reached))


async def _listing(
    spooler: Spooler, ceiling: Ceiling, credentials: Mapping[str, Credential]
) -> Listing:
    """Raises: SpoolerError."""
    refusal = ceiling.spooler_refusal(spooler.host)
    if refusal:
        raise SpoolerError(refusal)
    if spooler.protocol == "winspool":
        return await list_winspool(spooler.host)
    account = None if spooler.protocol == "cups" else _account(spooler, credentials)
    address = await _address(spooler.host, ceiling)
    if account:
        return await spooler_queues(spooler, address, account)
    # httpx is loaded where a CUPS is asked, and nowhere else in discovery
    from services.discovery.local_devices.cups import list_cups

    return await list_cups(address, ceiling)


def _account(spooler: Spooler, credentials: Mapping[str, Credential]) -> Credential:
    """Raises: SpoolerError."""
    name = spooler.credential
    if name is None:
        raise SpoolerError("is asked by MS-RPRN with a Windows account, and none is chosen for it")
    account = credentials.get(name)
    if account is None:
        raise SpoolerError(
            f"credential {name} is not set at this site; pagetally credential add {name} --windows"
        )
    if account.version != "windows":
        raise SpoolerError(f"credential {name} is of SNMP, and no Windows account")
    return account


async def _address(host: str, ceiling: Ceiling) -> str:
    """The first that the ceiling allows. Raises: SpoolerError."""
    refusal = "the name cannot be resolved at this site"
    for address in (await resolve({host}))[host]:
        refused = ceiling.spooler_refusal(host, address)
        if refused is None:
            return address
        refusal = refused
    raise SpoolerError(refusal)


def _device(host: str, queue: Queue) -> AttachedDevice:
    spooled = SpooledQueue(
        host=host, queue=queue.name, port_name=queue.port_name, kind=queue.port.kind
    )
    return AttachedDevice(SpooledTarget(spooled=spooled), queue.seen, queue.port.address)
