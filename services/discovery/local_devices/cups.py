"""The queues of a computer's CUPS, by IPP."""

from __future__ import annotations

import re
from ipaddress import ip_network

from services.discovery.local_devices.ports import Port, cups_port
from services.discovery.local_devices.queues import Listing, Queue, SpoolerError
from shared.ceiling import Ceiling
from shared.ipp.client import MAX_QUEUES, IppClient
from shared.ipp.errors import IppError, IppNoAnswerError
from shared.ipp.values import integer_in, text_in, texts_in
from shared.ipp.wire import Attributes
from shared.ipp_uri import IPP_PORT, IppUri
from shared.messages import SpooledDevice
from shared.text import clean

LIMIT_S = 30.0
_WANTED = (
    *("printer-name", "device-uri", "printer-type", "printer-make-and-model", "printer-info"),
    *("printer-location", "printer-state", "printer-state-reasons"),
)
_CLASS, _REMOTE, _FAX = 0x1, 0x2, 0x40000  # of printer-type; CUPS Implementation of IPP
_STATES = {3: "ready", 4: "printing", 5: "stopped"}  # RFC 8011 section 5.4.11
_LONGEST = 1024


async def list_cups(address: str, ceiling: Ceiling) -> Listing:
    """Raises: SpoolerError."""
    only_it = Ceiling((ip_network(address),), ipp_ports=ceiling.ipp_ports)
    async with IppClient(only_it, read_s=LIMIT_S) as client:
        refused: IppError | None = None
        for port in sorted(ceiling.ipp_ports, key=lambda port: (port != IPP_PORT, port)):
            try:
                queues = await client.queues(IppUri(False, address, port, "/"), _WANTED)
            except IppNoAnswerError as error:
                refused = error
            except IppError as error:
                raise SpoolerError(f"gives no list of its queues: {error}") from None
            else:
                devices = [queue for it in queues if (queue := cups_queue(it)) is not None]
                return Listing(devices, is_cut=len(queues) >= MAX_QUEUES)
    raise SpoolerError(f"gives no list of its queues: {refused or 'this site allows no IPP port'}")


def cups_queue(attributes: Attributes) -> Queue | None:
    """None where no device is behind the queue, or it is another computer's."""
    name = text_in(attributes, "printer-name")
    kind = integer_in(attributes, "printer-type") or 0
    uri = text_in(attributes, "device-uri") or ""
    port = cups_port(uri)
    if name is None or port is None or kind & (_CLASS | _REMOTE):
        return None
    if kind & _FAX:
        port = port._replace(kind="fax")
    return Queue(name, _without_user(uri), port, _seen(attributes, port))


def _seen(attributes: Attributes, port: Port) -> SpooledDevice:
    return SpooledDevice(
        make=port.maker,
        model=port.model,
        serial=port.serial,
        driver=text_in(attributes, "printer-make-and-model"),
        status=_status(attributes),
        location=text_in(attributes, "printer-location"),
        comment=text_in(attributes, "printer-info"),
    )


def _status(attributes: Attributes) -> str | None:
    reasons = [one for one in texts_in(attributes, "printer-state-reasons") if one != "none"]
    state = _STATES.get(integer_in(attributes, "printer-state") or 0)
    return clean(", ".join(filter(None, (state, *reasons))), _LONGEST)


def _without_user(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri, count=1)
