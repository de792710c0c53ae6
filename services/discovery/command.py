"""`pagetally sweep`: asks addresses by SNMP and says which of them print."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from services.discovery.broadcast import attached
from services.discovery.find import Finding, findings
from services.discovery.identify import load_makers
from services.discovery.plan import V3, Limits, Plan, Wish, make_plan
from services.discovery.resolve import resolve
from services.discovery.rounds import naming_typed
from services.discovery.settings import DiscoverySettings
from services.discovery.sweep import Sweep
from services.discovery.typed_credentials import add_credential_arguments, typed_credentials
from shared.ceiling import Ceiling, CeilingFileError, load_ceiling
from shared.credentials import Credential, CredentialError
from shared.scope import CredentialRange
from shared.settings import settings_or_exit
from shared.snmp.client import SnmpClient
from shared.snmp.wire import V1, V2C
from shared.spans import number_of, size_of, span_text
from shared.targets import Broadcast, parse_targets

_UNASKED_MOST = 1_024  # addresses outside loopback that are asked without a question back
_LOOPBACK = (number_of("127.0.0.0"), number_of("127.255.255.255"))
_TYPED_MOST = 2**32
_PROGRESS_S = 0.5
_VERSIONS = {V1: "1", V2C: "2c", V3: "3"}


class UsageError(Exception):
    """Words that cannot be carried out; the text says which."""


@dataclass(frozen=True)
class Prepared:
    sweep: Sweep
    ceiling: Ceiling
    credentials: Mapping[str, Credential]
    rate: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        nargs="+",
        metavar="TARGET",
        help="address, name, 10.0.0.0/24, 10.1-4.0.0/24, A-B, or broadcast",
    )
    parser.add_argument("--port", type=int, default=161, metavar="N", help="161")
    add_credential_arguments(parser)
    parser.add_argument("--rate", type=float, metavar="N", help="datagrams a second; 0: unpaced")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="after each pass; 2")
    parser.add_argument("--yes", action="store_true", help="do not ask before a large sweep")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run_command(args: argparse.Namespace) -> int:
    typed = {} if args.timeout is None else {"timeout_s": args.timeout}
    settings = settings_or_exit(DiscoverySettings, **typed)
    try:
        return asyncio.run(_run(args, settings))
    except (UsageError, CredentialError, CeilingFileError) as error:
        sys.stderr.write("".join(f"pagetally sweep: {line}\n" for line in str(error).splitlines()))
        return 2


async def _run(args: argparse.Namespace, settings: DiscoverySettings) -> int:
    prepared = await _prepare(args, settings)
    _agree(prepared, args)
    missed = [f"{one.target}: {one.reason}" for one in prepared.sweep.plan.not_reached]
    for line in missed:
        sys.stderr.write(f"pagetally sweep: {line}\n")
    began = time.monotonic()
    answered = printing = 0
    async with (
        SnmpClient(prepared.ceiling, timeout_s=settings.timeout_s) as client,
        _progress(prepared.sweep),
        aclosing(findings(prepared.sweep, client, prepared.credentials, load_makers())) as found,
    ):
        async for finding in found:
            answered += 1
            printing += finding.outcome == "printing"
            print(_as_json(finding) if args.json else _as_text(finding), flush=True)
        both = (prepared.sweep.traffic, client.traffic)
    for remark in prepared.sweep.remarks:
        sys.stderr.write(f"pagetally sweep: {remark}\n")
    for reason, places in prepared.sweep.unsendable.items():
        for span, _ in places:
            missed.append(reason)
            sys.stderr.write(f"pagetally sweep: {span_text(span)}: {reason}\n")
    total = {
        "asked": prepared.sweep.plan.size
        - size_of(span for places in prepared.sweep.unsendable.values() for span, _ in places),
        "answered": answered,
        "printing": printing,
        "packets": sum(one.packets_out + one.packets_in for one in both),
        "bytes": sum(one.bytes_out + one.bytes_in for one in both),
        "seconds": round(time.monotonic() - began, 3),
    }
    print(json.dumps(total) if args.json else _total_text(total), flush=True)
    return 1 if missed else 0


async def _prepare(args: argparse.Namespace, settings: DiscoverySettings) -> Prepared:
    """Raises: UsageError, CredentialError, CeilingFileError."""
    targets, faults = parse_targets(args.target)
    if not 1 <= args.port <= 65535:
        faults.append(f"--port {args.port}: a port is a number from 1 to 65535")
    if args.rate is not None and not 0 <= args.rate < math.inf:
        faults.append(f"--rate {args.rate:g}: datagrams a second, 0 for unpaced")
    if faults:
        raise UsageError("\n".join(faults))
    credentials = typed_credentials("sweep", args, settings.credentials_file)
    by_broadcast = any(isinstance(target, Broadcast) for target in targets)
    wish = Wish(
        site_targets=tuple(one.entry for one in targets if not isinstance(one, Broadcast)),
        site_credentials=tuple(credentials),
        credentials=(CredentialRange(range="0.0.0.0/0", credentials=list(credentials)),),
        broadcast=by_broadcast,
        port=args.port,
    )
    resolved = await resolve(wish.names())
    ceiling = naming_typed(load_ceiling(settings.ceiling_file), wish, resolved)
    if by_broadcast:
        ceiling = replace(ceiling, broadcast=True)
    plan = make_plan(
        wish,
        resolved=resolved,
        ceiling=ceiling,
        credentials=credentials,
        limits=Limits(max_addresses=_TYPED_MOST, tries=1),
        attached=attached() if by_broadcast else (),
    )
    rate = _rate(args.rate, plan, ceiling, settings)
    sweep = Sweep(
        plan, ceiling=ceiling, credentials=credentials, rate=rate, timeout_s=settings.timeout_s
    )
    return Prepared(sweep, ceiling, credentials, rate)


def _rate(typed: float | None, plan: Plan, ceiling: Ceiling, settings: DiscoverySettings) -> float:
    """What was typed, unless the site's own file says less. Raises: UsageError."""
    if typed is None:
        return min(settings.rate, ceiling.pace)
    is_over = typed == 0 or typed > ceiling.pace
    if is_over and settings.ceiling_file.exists() and not _is_loopback(plan):
        raise UsageError(
            f"--rate {typed:g}: {settings.ceiling_file} allows {ceiling.pace:g} datagrams a second"
        )
    return typed


def _agree(prepared: Prepared, args: argparse.Namespace) -> None:
    """Shows what a large sweep will send, and asks. Raises: UsageError."""
    plan = prepared.sweep.plan
    if _is_loopback(plan) or (plan.size <= _UNASKED_MOST and prepared.rate):
        return
    datagrams, octets = prepared.sweep.datagrams_at_most()
    pace = f"about {datagrams / prepared.rate:.0f} s" if prepared.rate else "unpaced"
    sys.stderr.write(
        f"{plan.size} addresses ({', '.join(args.target)[:200]}): at most {datagrams} datagrams,"
        f" {octets / 1000:.0f} kB, {pace}; credentials sent: {', '.join(prepared.credentials)}\n"
    )
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("a sweep of this size is not begun unasked; add --yes")
    sys.stderr.write("Send them? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was sent")


def _is_loopback(plan: Plan) -> bool:
    spans = [span for group in plan.groups for span in group.spans]
    return not plan.broadcasts and all(
        _LOOPBACK[0] <= first and last <= _LOOPBACK[1] for first, last in spans
    )


@asynccontextmanager
async def _progress(sweep: Sweep) -> AsyncIterator[None]:
    """A line that is written over, where a person is watching."""
    if not sys.stderr.isatty():
        yield
        return
    most, _ = sweep.datagrams_at_most()

    async def show() -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            sent = sweep.traffic.packets_out
            sys.stderr.write(f"\r{sent} of at most {most} datagrams sent\x1b[K\r")
            sys.stderr.flush()

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        sys.stderr.write("\r\x1b[K")


def _as_json(finding: Finding) -> str:
    evidence = finding.evidence
    said = {
        "outcome": finding.outcome,
        "address": finding.target.snmp,
        "port": finding.target.port,
        "description": evidence.description or None,
        "model": evidence.model or None,
        "serial": evidence.serial or None,
        "sys_object_id": evidence.object_id,
        "credential": finding.credential or None,
        "tried": list(finding.tried) or None,
        "version": _VERSIONS[finding.version],
        "reason": finding.reason or None,
    }
    return json.dumps({key: value for key, value in said.items() if value is not None})


def _as_text(finding: Finding) -> str:
    evidence = finding.evidence
    words = finding.reason or evidence.description or evidence.model or evidence.object_id or ""
    return f"{finding.outcome:<13} {finding.target.snmp:<15} {words}"


def _total_text(total: Mapping[str, float]) -> str:
    return (
        f"{total['asked']} asked, {total['answered']} answered, {total['printing']} print;"
        f" {total['packets']} packets, {total['bytes'] / 1000:.1f} kB, {total['seconds']:.1f} s"
    )
