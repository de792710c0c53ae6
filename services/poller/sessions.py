"""Sessions with devices: asked as the poller is set, or as the order to read one says."""

from __future__ import annotations

from typing import Protocol

from services.poller.settings import PollerSettings
from shared.credentials import Credential
from shared.messages import SnmpTarget
from shared.scope import AskingManner
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpSession

USUAL = AskingManner()
LONGEST_READ_S = 600.0


class Connect(Protocol):
    def __call__(
        self,
        target: SnmpTarget,
        credential: Credential,
        manner: AskingManner,
        left_s: float,
    ) -> SnmpSession:
        """`left_s` are left to the order."""


def connecting(client: SnmpClient, settings: PollerSettings) -> Connect:
    def connect(
        target: SnmpTarget, credential: Credential, manner: AskingManner, left_s: float
    ) -> SnmpSession:
        return client.session(
            target.snmp,
            target.port,
            credential,
            deadline_s=read_seconds(settings, manner, left_s),
            timeout_s=manner.timeout_s,
            tries=manner.tries,
            max_message=manner.max_message,
        )

    return connect


def read_seconds(settings: PollerSettings, manner: AskingManner, left_s: float) -> float:
    """That a whole read may take: as many times POLLER_READ_S as one question may take longer.

    No more than `left_s` and ten minutes; no less than POLLER_READ_S.
    """
    usual_s = settings.timeout_s * settings.tries
    asked_s = (manner.timeout_s or settings.timeout_s) * (manner.tries or settings.tries)
    longer_s = settings.read_s * asked_s / usual_s
    return max(settings.read_s, min(longer_s, left_s, LONGEST_READ_S))
