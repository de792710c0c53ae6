"""`pagetally segments`: the networks that the gateway and this box know, to choose from."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace

from services.discovery.interfaces import own_interfaces
from services.discovery.learn import Gateway, learn
from services.discovery.listing import Site, gateway_of, segments_of
from services.discovery.plan import Wish
from services.discovery.roster_look import known_addresses
from services.discovery.settings import NO_GATEWAY, DiscoverySettings, checked_gateway
from services.discovery.typed_credentials import add_credential_arguments, typed_credentials
from shared.ceiling import Ceiling, CeilingFileError, load_ceiling
from shared.credentials import CredentialError
from shared.messages import Segment
from shared.scope import CredentialRange
from shared.settings import settings_or_exit
from shared.targets import Addresses, parse_target


class UsageError(Exception):
    """Words that cannot be carried out; the text says which."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gateway",
        metavar="ADDRESS[:PORT]",
        help="the router to ask, or none; this box's default gateway",
    )
    add_credential_arguments(parser)
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="of each try; 2")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run_command(args: argparse.Namespace) -> int:
    typed = {} if args.timeout is None else {"timeout_s": args.timeout}
    settings = settings_or_exit(DiscoverySettings, **typed)
    try:
        return asyncio.run(_run(args, settings))
    except (UsageError, CredentialError, CeilingFileError) as error:
        sys.stderr.write(f"pagetally segments: {error}\n")
        return 2


async def _run(args: argparse.Namespace, settings: DiscoverySettings) -> int:
    """1 where the gateway was asked and did not answer, or could not be asked."""
    site = _site(args, settings)
    asking = replace(site, ceiling=_naming(site.ceiling, args.gateway, settings.port))
    gateway = gateway_of(asking)
    learned = await learn(
        gateway if isinstance(gateway, Gateway) else None,
        own_interfaces(),
        ceiling=asking.ceiling,
        allowed=site.ceiling.allowed_at(settings.port),
        timeout_s=settings.timeout_s,
        tries=settings.tries,
    )
    known = known_addresses(settings.roster_file)
    segments = await segments_of(site, learned.networks, known or ())
    unknown = {"devices"} if known is None else set()
    for segment in segments:
        _print(_as_json(segment, unknown) if args.json else _as_text(segment))
    notes = [gateway, *learned.notes] if isinstance(gateway, str) else learned.notes
    total = {
        "segments": len(segments),
        "gateway": gateway.name if isinstance(gateway, Gateway) else None,
        "answered": learned.answered,
        "notes": notes,
        "packets": learned.packets,
        "bytes": learned.bytes,
    }
    if args.json:
        _print(json.dumps(total))
    else:
        kilobytes = learned.bytes / 1000
        _print(f"{len(segments)} segments; {learned.packets} packets, {kilobytes:.1f} kB")
        sys.stderr.write("".join(f"pagetally segments: {note}\n" for note in notes))
    return 0 if learned.answered or site.settings.gateway == NO_GATEWAY else 1


def _site(args: argparse.Namespace, settings: DiscoverySettings) -> Site:
    """The site as if each credential were set for every address. Raises: UsageError, …"""
    if args.gateway is not None:
        try:
            gateway = checked_gateway(args.gateway)
        except ValueError as error:
            raise UsageError(f"--gateway {error}") from None
        settings = settings.model_copy(update={"gateway": gateway})
    credentials = typed_credentials("segments", args, settings.credentials_file)
    names = tuple(credentials)
    everywhere = CredentialRange(range="0.0.0.0/0", credentials=list(names))
    wish = Wish(credentials=(everywhere,), site_credentials=names, port=settings.port)
    return Site(wish, {}, load_ceiling(settings.ceiling_file), credentials, settings)


def _naming(ceiling: Ceiling, typed: str | None, port: int) -> Ceiling:
    """What a person typed at the site counts as named, to be asked and not to be searched."""
    if typed in {None, NO_GATEWAY}:
        return ceiling
    target = parse_target(str(typed))
    assert isinstance(target, Addresses)
    return ceiling.naming(target.networks(), [target.port or port])


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _as_json(segment: Segment, unknown: set[str]) -> str:
    said = segment.model_dump(mode="json", exclude=unknown, exclude_none=True)
    return json.dumps({"outcome": "segment", **said})


def _as_text(segment: Segment) -> str:
    way = f"by {segment.gateway}" if segment.gateway else segment.interface or "attached"
    if segment.preview:
        preview = segment.preview
        words = (
            f"{preview.addresses} addresses: at most {preview.datagrams} datagrams,"
            f" {preview.bytes / 1000:.0f} kB, {preview.seconds} s"
        )
    else:
        words = ""
    words = "; ".join(filter(None, (words, segment.refused)))
    return f"{segment.network:<18} {way:<15} {words} ({segment.learned_from})"
