"""Reading one IPP printer: one question, one answer, what a MeterRead holds of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from services.poller.decode import NotAPrinterError, NotReadableError
from services.poller.ipp_device import alerts, identity, status
from services.poller.ipp_meters import (
    COUNTERS,
    counter_values,
    ipp_meters,
    is_cups_queue,
    native_counts,
)
from services.poller.ipp_supplies import supply_levels
from services.poller.recognise import Profiles
from services.poller.settings import PollerSettings, SettingError
from shared.ceiling import Ceiling
from shared.ipp.client import IppAnswer, IppClient
from shared.ipp.errors import IppTrustError, IppUnreadableError, NotIppError
from shared.ipp.values import text_of
from shared.ipp.wire import Attributes, Value
from shared.ipp_uri import IppUri
from shared.messages import IppTarget, MeterRead

PROFILE = "ipp@1"  # raised whenever a number could come out differently
_TELLING = (  # kept with the read beside the counters
    "printer-device-id",
    "printer-make-and-model",
    "printer-serial-number",
    "printer-firmware-string-version",
    "cups-version",
)
WANTED = (
    *COUNTERS,
    *_TELLING,
    "printer-info",
    "printer-location",
    "printer-asset-tag",
    "printer-state",
    "printer-state-reasons",
    "printer-alert",
    "printer-alert-description",
    "printer-supply",
    "printer-supply-description",
    "marker-names",
    "marker-types",
    "marker-colors",
    "marker-levels",
    "device-uri",
)


class Ask(Protocol):
    async def __call__(self, uri: IppUri, wanted: Sequence[str]) -> IppAnswer: ...


class IppRead(NamedTuple):
    """What one printer said, and when."""

    attributes: Attributes
    address: str
    taken_at: datetime

    def message(
        self, order: UUID, round_id: UUID, agent: str, target: IppTarget, profiles: Profiles
    ) -> MeterRead:
        said = self.attributes
        is_queue = is_cups_queue(said)
        values = counter_values(said)
        meters, why_none = ipp_meters(values, is_queue=is_queue)
        return MeterRead(
            order=order,
            round=round_id,
            agent=agent,
            target=target,
            taken_at=self.taken_at,
            device=identity(said, profiles, self.address),
            profile=PROFILE,
            meters=meters.counts,
            no_meters_because=why_none,
            notes=meters.notes,
            sources=meters.sources,
            native={} if is_queue else native_counts(values),
            attributes=_kept(said, values),
            supplies=supply_levels(said),
            status=status(said),
            alerts=alerts(said),
        )


def ipp_client(settings: PollerSettings, ceiling: Ceiling) -> IppClient:
    """Raises: SettingError."""
    try:
        return IppClient(ceiling, read_s=settings.read_s, ca_file=settings.ipp_ca_file)
    except IppTrustError as error:
        raise SettingError(f"POLLER_IPP_CA_FILE: {error}") from None


async def read_ipp(ask: Ask, uri: IppUri, now: Callable[[], datetime]) -> IppRead:
    """Raises: OutsideCeilingError, IppNoAnswerError, NotAPrinterError, NotReadableError."""
    try:
        answer = await ask(uri, WANTED)
    except NotIppError as error:
        raise NotAPrinterError(str(error)) from error
    except IppUnreadableError as error:
        raise NotReadableError(str(error)) from error
    if not any(answer.attributes.get(name) for name in WANTED):
        raise NotAPrinterError(f"{uri}: it answers IPP, and nothing that it says is a printer's")
    return IppRead(answer.attributes, answer.address, now())


def _kept(
    attributes: Attributes, values: Mapping[str, Value]
) -> dict[str, tuple[str, int | str | None]]:
    telling = {name: attributes[name][0] for name in _TELLING if attributes.get(name)}
    return {name: (value.syntax, _raw(value)) for name, value in {**values, **telling}.items()}


def _raw(value: Value) -> int | str | None:
    return value.value if isinstance(value.value, int) else text_of(value)
