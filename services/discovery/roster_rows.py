"""The rows of the roster's tables, and what they stand for; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from services.discovery.devices import Device, Traits
from services.discovery.find import Finding, Outcome
from services.discovery.identify import enterprise
from services.discovery.plan import FoundBy
from shared.identity import usable_mac, usable_serial
from shared.messages import IppTarget, SnmpTarget, SpooledDevice, SpooledTarget, Target
from shared.scope import AskingManner

ADD_ANSWER = """
    INSERT OR IGNORE INTO answer
        (target, body, credential, version, maker, serial, mac, answered_at,
         outcome, found_by, reason, tried, manner, spooled, round)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ANSWERS = """
    SELECT body, credential, version, maker, serial, mac, answered_at,
        outcome, found_by, reason, tried, manner, spooled, given, published
    FROM answer WHERE round = ? ORDER BY target
"""
ADD_KNOWN = """
    INSERT INTO known
        (body, credential, version, maker, serial, mac, last_answered_at, silent_rounds, shared)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
KNOWN = """
    SELECT body, credential, version, maker, serial, mac, last_answered_at, silent_rounds, shared
    FROM known ORDER BY id
"""


class AnswerRow(NamedTuple):
    """A target that answered in a round, or is read without being asked; if it prints, an order."""

    target: Target
    outcome: Outcome
    found_by: FoundBy
    credential: str
    version: int
    answered_at: datetime
    reason: str = ""
    traits: Traits = Traits()
    tried: tuple[str, ...] = ()  # credentials, by name
    manner: AskingManner | None = None
    spooled: SpooledDevice | None = None
    given: int = 0  # how often its order was given and not finished
    published: bool = False

    @property
    def shown(self) -> str:
        """The target as people know it."""
        if isinstance(self.target, SnmpTarget):
            return self.target.snmp
        return self.target.ipp if isinstance(self.target, IppTarget) else self.target.key

    @property
    def device(self) -> Device | None:
        """To be known from now on; a printer by IPP is typed in, and not known."""
        if self.outcome != "printing" or not isinstance(self.target, SnmpTarget | SpooledTarget):
            return None
        return Device(self.target, self.credential, self.version, self.traits, self.answered_at)


def row_of(finding: Finding, *, mac: str | None, now: datetime) -> AnswerRow:
    """As it is in the roster before its order was ever given."""
    evidence = finding.evidence
    return AnswerRow(
        finding.target,
        finding.outcome,
        finding.found_by,
        finding.credential,
        finding.version,
        now,
        finding.reason,
        Traits(enterprise(evidence.object_id), usable_serial(evidence.serial)[0], usable_mac(mac)),
        finding.tried,
        finding.manner,
    )


def answer_values(row: AnswerRow) -> tuple[Any, ...]:
    """As ADD_ANSWER takes them, but for the round."""
    return (
        *(row.target.key, row.target.model_dump_json()),
        *(row.credential, row.version, *row.traits, row.answered_at.isoformat()),
        *(row.outcome, row.found_by, row.reason, json.dumps(row.tried)),
        row.manner and row.manner.model_dump_json(),
        row.spooled and row.spooled.model_dump_json(),
    )


def answer_row(values: Sequence[Any]) -> AnswerRow:
    """Of ANSWERS."""
    body, credential, version, maker, serial, mac, answered_at, *rest = values
    outcome, found_by, reason, tried, manner, spooled, given, published = rest
    return AnswerRow(
        _target(body),
        outcome,
        found_by,
        credential,
        version,
        datetime.fromisoformat(answered_at),
        reason,
        Traits(maker, serial, mac),
        tuple(json.loads(tried)),
        AskingManner.model_validate_json(manner) if manner else None,
        SpooledDevice.model_validate_json(spooled) if spooled else None,
        given,
        bool(published),
    )


def known_values(device: Device) -> tuple[Any, ...]:
    """As ADD_KNOWN takes them."""
    return (
        device.target.model_dump_json(),
        *(device.credential, device.version, *device.traits),
        *(device.last_answered_at.isoformat(), device.silent_rounds),
        " ".join(sorted(token[0] for token in device.shared)),
    )


def known_device(values: Sequence[Any]) -> Device:
    """Of KNOWN."""
    body, credential, version, maker, serial, mac, answered_at, silent_rounds, shared = values
    target = _target(body)
    assert isinstance(target, SnmpTarget | SpooledTarget)
    traits = Traits(maker, serial, mac)
    return Device(
        target,
        credential,
        version,
        traits,
        datetime.fromisoformat(answered_at),
        silent_rounds,
        frozenset(token for token in traits.tokens if token[0] in shared.split()),
    )


@cache
def _targets() -> TypeAdapter[Target]:
    return TypeAdapter(Target)


def _target(body: str) -> Target:
    return _targets().validate_json(body)
