"""`pagetally credential`: the site's SNMP credentials; their secrets are never shown again."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys

from services.discovery.identify import SYS_DESCR, SYS_OBJECT_ID, text_of
from services.discovery.settings import DiscoverySettings
from shared.ceiling import CeilingFileError, load_ceiling
from shared.credentials import (
    Credential,
    CredentialError,
    community_of,
    load_credentials,
    save_credential,
)
from shared.settings import settings_or_exit
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpError
from shared.spans import address_of
from shared.targets import Addresses, TargetError, parse_target

_LONGEST_LINE = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = commands.add_parser("add", help="ask for a secret, or read it from stdin, and keep it")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--version", choices=("1", "2c"), default="2c", dest="snmp_version")
    commands.add_parser("list", help="the names")
    test = commands.add_parser("test", help="ask one address with it")
    test.add_argument("name", metavar="NAME")
    test.add_argument("address", metavar="ADDRESS[:PORT]")
    remove = commands.add_parser("remove", help="forget it")
    remove.add_argument("name", metavar="NAME")


def run_command(args: argparse.Namespace) -> int:
    settings = settings_or_exit(DiscoverySettings)
    actions = {"add": _add, "list": _list, "test": _test, "remove": _remove}
    try:
        return actions[args.action](args, settings)
    except (CredentialError, CeilingFileError, TargetError) as error:
        sys.stderr.write(f"pagetally credential: {error}\n")
        return 2


def _add(args: argparse.Namespace, settings: DiscoverySettings) -> int:
    if sys.stdin.isatty():
        secret = getpass.getpass("Community: ")
    else:
        try:
            secret = sys.stdin.readline(_LONGEST_LINE).rstrip("\r\n")
        except UnicodeDecodeError:
            raise CredentialError("a community that is not UTF-8 cannot be sent") from None
    credential = Credential(version=args.snmp_version, community=community_of(secret))
    save_credential(settings.credentials_file, args.name, credential)
    sys.stdout.write(f"{args.name}: kept in {settings.credentials_file}\n")
    return 0


def _list(args: argparse.Namespace, settings: DiscoverySettings) -> int:
    for name in sorted(load_credentials(settings.credentials_file)):
        sys.stdout.write(f"{name}\n")
    return 0


def _remove(args: argparse.Namespace, settings: DiscoverySettings) -> int:
    save_credential(settings.credentials_file, args.name, None)
    sys.stdout.write(f"{args.name}: removed\n")
    return 0


def _test(args: argparse.Namespace, settings: DiscoverySettings) -> int:
    credentials = load_credentials(settings.credentials_file)
    if args.name not in credentials:
        raise CredentialError(f"{settings.credentials_file}: holds no credential {args.name!r}")
    target = parse_target(args.address)
    if not isinstance(target, Addresses) or target.size != 1:
        raise TargetError(f"{args.address}: a credential is tested on one address")
    try:
        words = asyncio.run(_ask(target, credentials[args.name], settings))
    except SnmpError as error:
        sys.stderr.write(f"pagetally credential: {error}; asked with {args.name!r}\n")
        return 1
    sys.stdout.write(f"{args.address} answers to {args.name}: {words}\n")
    return 0


async def _ask(target: Addresses, credential: Credential, settings: DiscoverySettings) -> str:
    port = target.port or settings.port
    ceiling = load_ceiling(settings.ceiling_file).naming(target.networks(), [port])
    async with SnmpClient(ceiling, timeout_s=settings.timeout_s, tries=settings.tries) as client:
        session = client.session(address_of(target.span[0]), port, credential)
        found = await session.get([SYS_DESCR, SYS_OBJECT_ID])
    description = text_of(found[SYS_DESCR].value) if SYS_DESCR in found else ""
    return description or "it has no description"
