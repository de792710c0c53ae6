"""Which profile a device has: by sysObjectID, by sysDescr, or by a maker's own rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.poller.profile import Profile
from services.poller.profile_rows import Match

DEFAULT = "rfc3805"  # of a device that no other profile knows


@dataclass(frozen=True, eq=False)
class Choice:
    """The profile of a device, and what its recognition told besides; equal to itself alone."""

    profile: Profile
    recognised: bool  # something that only a printing device says
    make: str | None = None
    said: Mapping[str, str] | None = None  # named groups of the sysDescr pattern: model, serial


class Profiles:
    """All profiles that were loaded, and which of them a device has."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self.by_name = profiles
        self._fallback = Choice(profiles[DEFAULT], recognised=False)
        # a maker's own profile is asked before the one for all
        ordered = sorted(profiles.values(), key=lambda profile: profile.profile == DEFAULT)
        self._matches = [(profile, match) for profile in ordered for match in profile.match]
        self._by_prefix: dict[str, Profile] = {}
        for profile, match in self._matches:
            for prefix in match.sys_object_id if not match.both else []:
                self._by_prefix.setdefault(prefix, profile)
        # a device says the same of itself at every read
        self._chosen = lru_cache(maxsize=4096)(self._choose)
        makes = {match.make for _, match in self._matches if match.make}
        makes.update(make for profile in profiles.values() for make in profile.makes)
        self.makes = sorted(makes, key=len, reverse=True)
        self.tell_tale_rows = list(
            dict.fromkeys(row for _, match in self._matches for row in match.rows)
        )

    def choose(
        self, sys_object_id: str | None, sys_descr: str | None, rows: Iterable[str] = ()
    ) -> Choice:
        """By sysObjectID and sysDescr together, else by the longest sysObjectID prefix, else by
        sysDescr, else by the maker's own `rows`.
        """
        return self._chosen(sys_object_id, sys_descr, tuple(rows))

    def _choose(
        self, sys_object_id: str | None, sys_descr: str | None, rows: tuple[str, ...]
    ) -> Choice:
        best = self._inside(sys_object_id or "", sys_descr)
        if best is None:
            best = self._longest_prefix(sys_object_id or "")
        if best is None:
            says = (p for p, m in self._matches if not m.both and _says(m, sys_descr))
            best = next(says, None)
        if best is None:
            present = set(rows)
            best, make = next(
                ((p, m.make) for p, m in self._matches if present.intersection(m.rows)),
                (None, None),
            )
            if best is not None:
                return Choice(best, recognised=True, make=make)
            return self._fallback
        # a brand is told by sysDescr: one maker's devices are sold under many names
        for match in best.match:
            said = _says(match, sys_descr)
            if said:
                return Choice(best, True, match.make, said.groupdict())
        by_prefix = max(best.match, key=lambda match: _reach(match, sys_object_id or ""))
        return Choice(best, recognised=True, make=by_prefix.make)

    def make_in(self, text: str | None) -> str | None:
        """The known make that `text` begins with."""
        low = (text or "").lower() + " "
        return next((make for make in self.makes if low.startswith(make.lower() + " ")), None)

    def _inside(self, sys_object_id: str, sys_descr: str | None) -> Profile | None:
        """The profile of what lies inside a device that has another maker's number."""
        inside = ((p, m) for p, m in self._matches if m.both and _says(m, sys_descr))
        return next((p for p, m in inside if is_below(sys_object_id, m.sys_object_id)), None)

    def _longest_prefix(self, sys_object_id: str) -> Profile | None:
        arcs = sys_object_id.split(".")
        for length in range(len(arcs), 0, -1):
            profile = self._by_prefix.get(".".join(arcs[:length]))
            if profile:
                return profile
        return None


def is_below(oid: str, prefixes: Iterable[str]) -> bool:
    return any(oid == prefix or oid.startswith(prefix + ".") for prefix in prefixes)


def _reach(match: Match, sys_object_id: str) -> int:
    return max(
        (len(prefix) for prefix in match.sys_object_id if is_below(sys_object_id, [prefix])),
        default=0,
    )


def _says(match: Match, sys_descr: str | None) -> re.Match[str] | None:
    if not sys_descr:
        return None
    found = (pattern.search(sys_descr) for pattern in match.sys_descr)
    return next((said for said in found if said), None)
