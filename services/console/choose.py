"""The fields of the network page's form, as what a person chose. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from shared.choosing import Choice, ChoiceError, choices_of, same, with_choices
from shared.scope import AskingManner, Scope

MAX_ROWS = 200  # a page
_MAX_ADDED = 1_000
_LONGEST_NAME = 60
_NUMBERS: Mapping[str, tuple[Callable[[str], float], str]] = {
    "timeout_s": (float, "timeout {} is no number of seconds above 0, at most 60"),
    "tries": (int, "tries {} is no whole number from 1 to 10"),
    "pace": (float, "pace {} is no number of datagrams a second above 0"),
    "max_message": (int, "largest message {} is no whole number of octets from 484 to 65507"),
}


@dataclass(frozen=True)
class Chosen:
    looked_at: int  # the scope's version that the page showed
    author: str
    rows: Sequence[Choice]
    added: Sequence[str]

    def change(self, scope: Scope) -> Scope:
        """Raises: ChoiceError."""
        there = choices_of(scope)
        added = [
            replace(there.get(same(entry)) or Choice(entry), chosen=True) for entry in self.added
        ]
        return with_choices(scope, [*self.rows, *added])


def chosen_in(fields: Mapping[str, str]) -> Chosen:
    """Raises: ChoiceError, with a line for each field that is wrong."""
    faults: list[str] = []
    rows = []
    for number in range(MAX_ROWS):
        if f"network-{number}" not in fields:
            break
        rows.append(_row(fields, number, faults))
    added = [line.strip() for line in fields.get("add", "").splitlines() if line.strip()]
    if len(added) > _MAX_ADDED:
        faults.append(f"{len(added)} further networks; at most {_MAX_ADDED} at a time")
    version = fields.get("version", "")
    if not re.fullmatch(r"[0-9]{1,18}", version):
        faults.append("the form does not say which scope it was made from")
    if faults:
        raise ChoiceError("\n".join(faults))
    return Chosen(int(version), _author(fields), rows, added)


def _row(fields: Mapping[str, str], number: int, faults: list[str]) -> Choice:
    network = fields[f"network-{number}"]
    manner: dict[str, float] = {}
    for name, (number_of, fault) in _NUMBERS.items():
        typed = fields.get(f"{name}-{number}", "").strip()
        if not typed:
            continue
        try:
            value = number_of(typed)
            AskingManner.model_validate({name: value})
        except (ValueError, ValidationError):
            faults.append(f"{network}: {fault.format(repr(typed[:40]))}")
        else:
            manner[name] = value
    return Choice(
        network,
        chosen=f"chosen-{number}" in fields,
        broadcast=f"broadcast-{number}" in fields,
        manner=AskingManner.model_validate(manner),
        credentials=tuple(re.findall(r"[^\s,]+", fields.get(f"credentials-{number}", ""))),
    )


def _author(fields: Mapping[str, str]) -> str:
    """The console knows nobody: a name is what was typed."""
    name = "".join(one for one in fields.get("name", "") if one.isprintable()).strip()
    return f"console ({name[:_LONGEST_NAME]}, as typed)" if name else "console"
