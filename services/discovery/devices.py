"""Whose answer it is: a device that moved, another at its address, twins, a new board; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from services.discovery.plan import Known
from shared.messages import DeviceEvent, SnmpTarget, SpooledTarget

Kind = Literal["moved", "another_device", "twins", "board_replaced"]
Token = tuple[str, ...]  # ("serial", maker, serial) or ("mac", mac)

_MOST_AT_ONE_TARGET = 20  # silent devices that are known there


class Traits(NamedTuple):
    """What tells a device from others; None where it shows nothing to rely on."""

    maker: str = ""  # the enterprise number in its sysObjectID, or its name; "": not known
    serial: str | None = None  # as shared.identity compares it
    mac: str | None = None

    @property
    def tokens(self) -> tuple[Token, ...]:
        serial: list[Token] = [("serial", self.maker, self.serial)] if self.serial else []
        return (*serial, ("mac", self.mac)) if self.mac else tuple(serial)

    def without(self, shared: Collection[Token]) -> Traits:
        """Of them, those that no other device shows."""
        told = {token[0] for token in self.tokens if token not in shared}
        return self._replace(
            serial=self.serial if "serial" in told else None,
            mac=self.mac if "mac" in told else None,
        )


class Device(NamedTuple):
    """A device as it is known, or as it answered in a round."""

    target: SnmpTarget | SpooledTarget
    credential: str
    version: int
    traits: Traits
    last_answered_at: datetime
    silent_rounds: int = 0
    shared: frozenset[Token] = frozenset()  # of its traits, those that two have shown at once

    @property
    def address(self) -> str:
        return self.target.snmp if isinstance(self.target, SnmpTarget) else self.target.key


class Followed(NamedTuple):
    known: list[Device]  # from now on
    silent: list[Device]  # of them, those that were asked and did not answer
    events: list[DeviceEvent]


def known_by_snmp(devices: Iterable[Device]) -> tuple[Known, ...]:
    """What a round may ask of them; of two known at one address, first what answered last."""
    found = [
        (one.silent_rounds, Known(one.target.snmp, one.target.port, one.credential, one.version))
        for one in devices
        if isinstance(one.target, SnmpTarget)
    ]
    return tuple(known for _, known in sorted(found, key=lambda each: each[0]))


def follow(
    known: Sequence[Device], answered: Sequence[Device], silent: Collection[str]
) -> Followed:
    """What is known after a round.

    A device is followed by its serial number, else by its MAC address, from a target where it no
    longer answers. What two addresses show at once tells neither, for as long as both are known.

    Args:
        answered: the printing devices of the round, one a target.
        silent: keys of targets that were asked and where no printing device answered.
    """
    return _Following(known, answered, silent).followed()


@dataclass
class _Following:
    known: Sequence[Device]
    answered: Sequence[Device]
    silent: Collection[str]
    shared: set[Token] = field(default_factory=set)
    stayed: dict[str, Device] = field(default_factory=dict)  # by the answer's target
    moved: defaultdict[str, list[Device]] = field(default_factory=lambda: defaultdict(list))
    events: list[DeviceEvent] = field(default_factory=list)

    def followed(self) -> Followed:
        at: defaultdict[str, list[Device]] = defaultdict(list)
        for one in sorted(self.known, key=lambda each: each.silent_rounds):
            at[one.target.key].append(one)
        here = {one.target.key: one for one in self.answered}
        twins = _shown_twice(self.answered)
        self.shared = {token for one in self.known for token in one.shared}.union(twins)
        for key, answer in here.items():
            own = self._own(at[key], answer)
            if own:
                self.stayed[key] = own
        left = [one for one in self.known if self.stayed.get(one.target.key) is not one]
        unheard = here.keys() | set(self.silent)
        silent = self._follow(one for one in left if one.target.key in unheard)
        now_known = [self._come(answer, at[key]) for key, answer in here.items()]
        now_known += [one for one in left if one.target.key not in unheard]
        self._tell_twins(twins)
        borne = Counter(token for one in [*now_known, *silent] for token in one.traits.tokens)
        several = frozenset(token for token in self.shared if borne[token] > 1)

        def marked(devices: Iterable[Device]) -> list[Device]:
            return [one._replace(shared=several.intersection(one.traits.tokens)) for one in devices]

        silent = marked(_last_heard(silent))
        return Followed([*marked(now_known), *silent], silent, self.events)

    def _own(self, at_target: Sequence[Device], answer: Device) -> Device | None:
        """Of the devices known where it answers, the one that it is."""
        told = answer.traits.without(self.shared)
        same = [_is_same(one.traits.without(self.shared), told) for one in at_target]
        if True in same:
            return at_target[same.index(True)]
        return at_target[0] if same and same[0] is None else None

    def _follow(self, gone: Iterable[Device]) -> list[Device]:
        """Those that answer nowhere else, one round longer silent."""
        by_token: dict[Token, Device] = {}
        for answer in self.answered:
            for token in answer.traits.without(self.shared).tokens:
                by_token.setdefault(token, answer)
        silent = []
        for one in gone:
            found = self._elsewhere(one, by_token)
            if found:
                self.moved[found.target.key].append(one)
            else:
                silent.append(one._replace(silent_rounds=one.silent_rounds + 1))
        return silent

    def _elsewhere(self, one: Device, by_token: Mapping[Token, Device]) -> Device | None:
        for token in one.traits.without(self.shared).tokens:
            found = by_token.get(token)
            is_others = found is not None and found.target.key in self.stayed
            if found and not (is_others and _has_other_serial(one, found)):
                return found
        return None

    def _come(self, answer: Device, at_target: Sequence[Device]) -> Device:
        """The answer as the device that it is, with what that is worth to be told."""
        before, movers = self._before(answer), self.moved[answer.target.key]
        device = answer._replace(traits=_completed(answer.traits, before)) if before else answer
        if before and _has_other_serial(before, answer):
            self._tell("board_replaced", device, before)
        elif not movers and at_target and at_target[0] is not before:
            self._tell("another_device", device, at_target[0])
        for one in movers:
            if not _has_other_serial(one, answer):
                self._tell("moved", device, one)
        return device

    def _tell_twins(self, twins: Mapping[Token, Sequence[Device]]) -> None:
        for token, group in twins.items():
            known = [one for one in group if self._before(one)]
            told = [one for one in known if token in (self._before(one) or one).shared]
            first = next(iter([*told, *known, *group]))
            for one in group if token[0] == "serial" else ():
                if one is not first and one not in told:
                    self._tell("twins", one, first)

    def _before(self, answer: Device) -> Device | None:
        """The known device that it is."""
        movers = self.moved[answer.target.key]
        return self.stayed.get(answer.target.key) or next(iter(movers), None)

    def _tell(self, kind: Kind, device: Device, before: Device) -> None:
        is_other = kind in ("another_device", "board_replaced")
        self.events.append(
            DeviceEvent(
                kind=kind,
                target=device.target,
                before=before.target if before.target != device.target else None,
                serial=device.traits.serial,
                serial_before=before.traits.serial if is_other else None,
                mac=device.traits.mac,
            )
        )


def _last_heard(silent: Iterable[Device]) -> list[Device]:
    """Of each target those that answered last: one that shows another serial each time has many."""
    kept: defaultdict[str, list[Device]] = defaultdict(list)
    for one in sorted(silent, key=lambda each: each.silent_rounds):
        if len(kept[one.target.key]) < _MOST_AT_ONE_TARGET:
            kept[one.target.key].append(one)
    return [one for devices in kept.values() for one in devices]


def _shown_twice(answered: Iterable[Device]) -> dict[Token, list[Device]]:
    """What several addresses show at once; one device may have two, with one serial and MAC."""
    groups: defaultdict[Token, list[Device]] = defaultdict(list)
    for one in answered:
        for token in one.traits.tokens:
            groups[token].append(one)
    return {token: group for token, group in groups.items() if not _is_one_device(group)}


def _is_one_device(group: Sequence[Device]) -> bool:
    traits = group[0].traits
    is_alike = traits.serial and traits.mac and all(one.traits == traits for one in group)
    return bool(is_alike) or len({one.address for one in group}) == 1


def _is_same(one: Traits, other: Traits) -> bool | None:
    """None where they show nothing to compare. A new board leaves the MAC address as it was."""
    if one.serial and other.serial and (one.maker, one.serial) == (other.maker, other.serial):
        return True
    if one.mac and other.mac:
        return one.mac == other.mac
    return False if one.serial and other.serial else None


def _has_other_serial(one: Device, other: Device) -> bool:
    serials = one.traits.serial, other.traits.serial
    return None not in serials and serials[0] != serials[1]


def _completed(traits: Traits, before: Device) -> Traits:
    """With what it showed before and does not show now: a v1 answer has no serial."""
    if traits.serial is None:
        traits = traits._replace(maker=before.traits.maker, serial=before.traits.serial)
    return traits._replace(mac=traits.mac or before.traits.mac)
