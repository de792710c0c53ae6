"""`pagetally admin site segments|choose|unchoose|exclude|import|ask`: what a site searches."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from services.ingest.sites import AdminError, site_named
from shared.choosing import (
    Choice,
    ChoiceError,
    changes_told,
    choices_of,
    same,
    with_ask,
    with_choices,
    with_credentials,
    with_exclusions,
    with_targets,
    without_exclusions,
    without_segments,
)
from shared.clock import utc_now
from shared.messages import Preview
from shared.person import name_of_user
from shared.scope import Ask, AskingManner, Scope
from shared.store.network import Network, Row, network_of
from shared.store.postgres import Store
from shared.store.scope import change_scope
from shared.targets_csv import targets_of_csv

_Arguments = argparse.Namespace
_MOST_HOURS = 168
_Add = Callable[..., argparse.ArgumentParser]


def add_choosing(add: _Add) -> None:
    """The verbs, by what adds one to those of `admin site`."""
    segments = add("segments", help="what the site listed, and what is chosen of it")
    segments.add_argument("name", metavar="NAME")
    segments.add_argument("--json", action="store_true", help="one JSON object a line")
    segments.set_defaults(do=_segments)
    choose = _changing(add, "choose", _choose, "search networks or ranges", "NETWORK")
    choose.add_argument("--credential", action="append", metavar="NAME", help="sent, in order")
    choose.add_argument(
        "--broadcast", action=argparse.BooleanOptionalAction, help="ask by broadcast first"
    )
    choose.add_argument("--timeout", type=float, metavar="SECONDS", dest="timeout_s")
    choose.add_argument("--tries", type=int, metavar="N")
    choose.add_argument("--pace", type=float, metavar="N", help="datagrams a second")
    choose.add_argument("--max-message", type=int, metavar="OCTETS", help="of an answer")
    _changing(add, "unchoose", _unchoose, "search them no longer", "NETWORK")
    exclude = _changing(add, "exclude", _exclude, "never touch them", "TARGET")
    exclude.add_argument("--remove", action="store_true", help="exclude them no longer")
    targets = _changing(add, "import", _import, "add the targets of a CSV file")
    targets.add_argument("file", type=Path, metavar="FILE.csv")
    ask = _changing(add, "ask", _ask, "order a round now, beside those of the schedule")
    ask.add_argument("kind", choices=("search", "read"))
    ask.add_argument("--hours", type=float, default=1.0, help="it is not begun later; 1")


def _changing(
    add: _Add, verb: str, do: object, about: str, entries: str | None = None
) -> argparse.ArgumentParser:
    parser = add(verb, help=about)
    parser.add_argument("name", metavar="NAME")
    if entries:
        parser.add_argument("entries", nargs="+", metavar=entries)
    parser.add_argument("--author", metavar="NAME", help="default: who runs this")
    parser.set_defaults(do=do)
    return parser


async def _choose(store: Store, args: _Arguments) -> None:
    manner = _manner(args)

    def one(was: Choice) -> Choice:
        named = tuple(args.credential) if args.credential else was.credentials
        broadcast = was.broadcast if args.broadcast is None else args.broadcast
        asked = was.manner.model_copy(update=manner)
        return replace(was, chosen=True, broadcast=broadcast, credentials=named, manner=asked)

    def change(scope: Scope) -> Scope:
        there = choices_of(scope)
        return with_choices(scope, (one(there.get(same(n)) or Choice(n)) for n in args.entries))

    await _changed(store, args, change)
    network = await _network(store, args.name)
    chosen = {same(entry) for entry in args.entries}
    for row in network.rows:
        if same(row.choice.network) in chosen:
            _say(f"{row.choice.network}: refused by the site: {why}" for why in row.refused)


async def _unchoose(store: Store, args: _Arguments) -> None:
    await _changed(store, args, lambda scope: without_segments(scope, args.entries))


async def _exclude(store: Store, args: _Arguments) -> None:
    change = without_exclusions if args.remove else with_exclusions
    await _changed(store, args, lambda scope: change(scope, args.entries))


async def _import(store: Store, args: _Arguments) -> None:
    """Raises: AdminError; ChoiceError, and then nothing was written."""
    try:
        text = args.file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise AdminError(f"{args.file}: is no text in UTF-8; save it as CSV UTF-8") from None
    rows, faults = targets_of_csv(text)
    if faults:
        raise ChoiceError("\n".join(f"{args.file}: {fault}" for fault in faults))
    named = {row.target: row.credentials for row in rows if row.credentials}

    def change(scope: Scope) -> Scope:
        return with_credentials(with_targets(scope, [row.target for row in rows]), named)

    await _changed(store, args, change)


async def _ask(store: Store, args: _Arguments) -> None:
    if not 0 < args.hours <= _MOST_HOURS:
        raise AdminError(f"--hours {args.hours:g}: more than 0, and at most {_MOST_HOURS}")
    now = utc_now()
    ask = Ask(id=uuid4(), kind=args.kind, until=now + timedelta(hours=args.hours))
    await _changed(store, args, lambda scope: with_ask(scope, ask, now))


async def _changed(store: Store, args: _Arguments, change: Callable[[Scope], Scope]) -> None:
    """Write a new version of the scope, and print what it says otherwise."""
    site = await site_named(store, args.name)
    author = args.author or name_of_user()
    before, after = await change_scope(store, site.id, change, author=author, now=utc_now())
    if after is before:
        _say([f"scope {after.version} of site {site.name} says so already"])
        return
    _say([f"scope {after.version} of site {site.name}", *changes_told(before, after)])


def _manner(args: _Arguments) -> dict[str, object]:
    """What was typed of it. Raises: AdminError."""
    typed = {name: getattr(args, name) for name in AskingManner.model_fields}
    given = {name: value for name, value in typed.items() if value is not None}
    try:
        AskingManner.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        option = "--" + str(fault["loc"][0]).removesuffix("_s").replace("_", "-")
        raise AdminError(f"{option} {fault['input']}: {fault['msg'].lower()}") from None
    return given


async def _segments(store: Store, args: _Arguments) -> None:
    network = await _network(store, args.name)
    if args.json:
        for line in (*map(_as_json, network.rows), _listed_as_json(network)):
            sys.stdout.write(json.dumps(line) + "\n")
    else:
        _say("\t".join(_cells(row)) for row in network.rows)
        _say(_told(network))


async def _network(store: Store, name: str) -> Network:
    async with store.transaction() as connection:
        network = await network_of(connection, name)
    if network is None:
        raise AdminError(f"there is no site {name!r}; see pagetally admin site list")
    return network


def _as_json(row: Row) -> dict[str, object]:
    """Outcome first; `choice` as the scope says it, `segment` as the site listed it."""
    choice, segment = row.choice, row.segment
    return {
        "outcome": "segment",
        "network": choice.network,
        "chosen": choice.chosen,
        "reach": row.reach,
        "refused": row.refused,
        "broadcast": choice.broadcast,
        "manner": choice.manner.model_dump(exclude_none=True),
        "credentials": choice.credentials,
        "listed": segment.model_dump(exclude={"network", "refused"}) if segment else None,
    }


def _listed_as_json(network: Network) -> dict[str, object]:
    listed = network.listed
    return {
        "outcome": "listed" if listed else "not_listed",
        "scope": network.scope.version,
        "author": network.scope.author,
        "listed_at": listed.listed_at.isoformat() if listed else None,
        "listed_under": listed.scope_version if listed else None,
        "notes": listed.notes if listed else [],
        "refused": [one.model_dump() for one in network.refused],
    }


def _cells(row: Row) -> Sequence[str]:
    segment, choice = row.segment, row.choice
    reach = {"all": ", within one", "part": ", in part"}.get("" if choice.chosen else row.reach, "")
    return (
        choice.network,
        choice.told + reach,
        f"{segment.devices} devices" if segment else "not listed",
        segment.learned_from if segment else "",
        _preview(segment.preview) if segment and segment.preview else "",
        *(f"refused by the site: {why}" for why in row.refused),
    )


def _preview(preview: Preview) -> str:
    return (
        f"at most {preview.addresses} addresses, {preview.datagrams} datagrams, "
        f"{preview.bytes} bytes, {preview.seconds} s, "
        f"credentials {', '.join(preview.credentials) or 'none'}"
    )


def _told(network: Network) -> Iterable[str]:
    scope, listed = network.scope, network.listed
    if listed is None:
        yield "the site has not listed its segments yet"
    else:
        yield f"listed {listed.listed_at:%Y-%m-%d %H:%M:%S} UTC by {listed.agent}"
        yield from listed.notes
        yield from (f"{one.target}: refused by the site: {one.reason}" for one in network.refused)
    if scope.version:
        yield f"scope {scope.version} by {scope.author}"
    if not network.is_taken:
        yield f"the site has not yet taken scope {scope.version}"


def _say(lines: Iterable[str]) -> None:
    """What a site or a person wrote may hold anything, and is printed without its controls."""
    for line in lines:
        shown = "".join(one if one.isprintable() or one == "\t" else "?" for one in line)
        sys.stdout.write(shown + "\n")
