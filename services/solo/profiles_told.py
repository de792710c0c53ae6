"""How `pagetally profiles` tells what it found: lines for people, or one JSON object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.reporter.changes import VolumeChange
from services.reporter.report import printable
from services.reporter.volume import meter_order
from services.solo.replaying import DeviceDifference, Differences, Key, Seen


@dataclass
class _Sum:
    """Of a meter in a report: over the devices whose pages both tell, and how many others."""

    devices: int = 0
    reported: int = 0
    corrected: int = 0
    blank: int = 0

    def add(self, was: int | None, now: int | None) -> None:
        if was is None or now is None:
            self.blank += 1
            return
        self.devices += 1
        self.reported += was
        self.corrected += now


class Told:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._sums: dict[tuple[str, str, str, str], _Sum] = {}

    def devices(self, found: Differences) -> None:
        """Each device whose meters would differ, or of which a row was not kept."""
        for device in sorted(found.by_device.values(), key=_place):
            self._say(_device(device), _device_lines(device))

    def summary(self, found: Differences) -> None:
        counts = found.counts()
        text = (
            f"{counts['differ']} of {counts['devices']} devices would differ,"
            f" in {counts['reads_that_differ']} of {counts['reads']} reads"
        )
        if counts["losing"]:
            text += f"; {counts['losing']} would lose a meter, because a row was not kept"
        self._say({"outcome": "summary", **counts}, [text])

    def change(self, change: VolumeChange) -> None:
        """A volume of a report that was made and stays as it is."""
        origin, was, now = change.origin, change.reported, change.corrected
        difference = None if was is None or now is None else now - was
        said = {
            "outcome": "volume",
            "customer": change.report.customer.name,
            "period": change.period.name,
            "report": str(change.report.id),
            "made_at": _instant(change.report.made_at),
            "site": origin.site,
            "make": origin.make,
            "model": origin.model,
            "serial": origin.serial,
            "meter": change.meter,
            "reported": was,
            "corrected": now,
            "difference": difference,
            "status": change.now.status,
            "notes": list(change.now.notes),
        }
        report = change.report
        key = report.customer.name, change.period.name, str(report.id), change.meter
        self._sums.setdefault(key, _Sum()).add(was, now)
        signed = "" if difference is None else f" ({difference:+d})"
        line = (
            f"{printable(change.report.customer.name)} {change.period.name}"
            f" {_named(said)}: {change.meter} {_pages(was)} as reported,"
            f" {_pages(now)} as corrected{signed}"
        )
        because = [f"  {printable(note)}" for note in change.now.notes] if now is None else []
        self._say(said, [line, *because])

    def applied(self, found: Differences, refused: Collection[Key], written: int) -> None:
        for key in sorted(self._sums, key=lambda key: (*key[:3], meter_order(key[3]))):
            self._period(*key, self._sums[key])
        counts = found.counts()
        left = [found.by_device[key] for key in refused]
        for device in sorted(left, key=_place):
            said = _device(device) | {"outcome": "refused"}
            lost = ", ".join(sorted(device.lost))
            text = f"left alone: {_where(device)}: {lost} would be lost, because a row was not kept"
            self._say(said, [text])
        text = f"{written} reads corrected"
        if refused:
            text += (
                f"; {len(refused)} devices left alone: --was DIR may tell what the reads asked for,"
                " --include-not-read corrects them without those meters"
            )
        self._say(
            {"outcome": "applied", "corrected": written, "refused": len(refused), **counts}, [text]
        )

    def _period(self, customer: str, period: str, report: str, meter: str, total: _Sum) -> None:
        said = {"customer": customer, "period": period, "report": report, "meter": meter}
        parts = []
        if total.devices:
            parts.append(
                f"{total.reported} pages as reported, {total.corrected} as corrected"
                f" ({total.corrected - total.reported:+d}), of {total.devices} devices"
            )
        if total.blank:
            parts.append(f"{total.blank} devices that tell it only before or only now")
        text = f"{printable(customer)} {period}, {meter}: {'; '.join(parts)}"
        self._say({"outcome": "period", **said, **asdict(total)}, [text])

    def _say(self, said: Mapping[str, Any], lines: list[str]) -> None:
        if self._as_json:
            lines = [json.dumps(said, ensure_ascii=False)]
        for line in lines:
            sys.stdout.write(line + "\n")


def _place(device: DeviceDifference) -> tuple[str, ...]:
    words = (device.make, device.model, device.serial, device.target)
    site = device.site
    return site.customer.name, site.name, *(word or "" for word in words)


def _device(device: DeviceDifference) -> dict[str, Any]:
    return {
        "outcome": "differs" if device.reads else "not read",
        "customer": device.site.customer.name,
        "site": device.site.name,
        "make": device.make,
        "model": device.model,
        "serial": device.serial,
        "target": device.target,
        "profile_was": device.was,
        "profile": device.now,
        "reads": device.reads,
        "first_at": _instant(device.first_at),
        "last_at": _instant(device.last_at),
        "meters": {
            name: {
                "reads": each.reads,
                "first": _seen(each.first),
                "last": _seen(each.last),
            }
            for name, each in device.meters.items()
        },
        "not_read": device.not_read,
        "lost": sorted(device.lost),
    }


def _device_lines(device: DeviceDifference) -> list[str]:
    lines = [f"{_where(device)}  {device.was} -> {device.now}"]
    for name, each in device.meters.items():
        why = "not read" if name in device.not_read else "not reported"
        first, last = (
            f"{_count(seen.was)} -> {_count(seen.now, why)} on {seen.at:%Y-%m-%d}"
            for seen in (each.first, each.last)
        )
        span = first if each.reads == 1 else f"{first}, {last}"
        lines.append(f"  {name:<12} {span}, in {each.reads} reads")
    for name, row in device.not_read.items():
        lines.append(f"  {name:<12} not read: the row {row} was not kept")
    return lines


def _where(device: DeviceDifference) -> str:
    site = device.site
    named = _named({"make": device.make, "model": device.model, "serial": device.serial})
    return f"{printable(site.customer.name)} / {site.name}  {named or device.target}"


def _named(said: Mapping[str, Any]) -> str:
    return " ".join(printable(said[each], 80) for each in ("make", "model", "serial") if said[each])


def _seen(seen: Seen) -> dict[str, Any]:
    return {"at": _instant(seen.at), "was": seen.was, "now": seen.now}


def _count(count: int | None, why: str = "not reported") -> str:
    return why if count is None else str(count)


def _pages(pages: int | None) -> str:
    return "blank" if pages is None else f"{pages} pages"


def _instant(at: datetime) -> str:
    return at.isoformat()
