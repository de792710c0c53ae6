"""`pagetally credential`: the site's credentials; their secrets are never shown again."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Mapping
from dataclasses import replace

from services.discovery.identify import SYS_DESCR, SYS_OBJECT_ID, text_of
from services.discovery.local_devices.attached import list_attached
from services.discovery.settings import DiscoverySettings
from shared.ceiling import CeilingFileError, load_ceiling
from shared.credentials import (
    AUTHS,
    PRIVACIES,
    Auth,
    Credential,
    CredentialError,
    Privacy,
    community_of,
    load_credentials,
    save_credential,
    v3_credential,
    windows_credential,
)
from shared.scope import Spooler
from shared.settings import settings_or_exit
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpError
from shared.spans import address_of
from shared.targets import Addresses, TargetError, parse_target

_LONGEST_LINE = 1100
_LONGEST_HOST = 253  # of a name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = commands.add_parser("add", help="ask for a secret, or read it from stdin, and keep it")
    add.add_argument("name", metavar="NAME")
    kind = add.add_mutually_exclusive_group()
    kind.add_argument("--version", choices=("1", "2c", "3"), default="2c", dest="snmp_version")
    kind.add_argument(
        "--windows",
        metavar="[DOMAIN\\]USER",
        help="an account for computers' spoolers; its password is asked for, or read from stdin",
    )
    v3 = add.add_argument_group("with --version 3; passwords are asked for, or read from stdin")
    v3.add_argument("--user", metavar="USER")
    v3.add_argument("--auth", choices=AUTHS, help="how it proves who it is (none)")
    v3.add_argument("--privacy", choices=PRIVACIES, help="how it is encrypted (none)")
    v3.add_argument("--context", metavar="NAME", help="such as Jetdirect (none)")
    commands.add_parser("list", help="the names")
    test = commands.add_parser("test", help="ask one address, or one computer's spooler, with it")
    test.add_argument("name", metavar="NAME")
    test.add_argument("address", metavar="ADDRESS[:PORT]|COMPUTER")
    test.add_argument(
        "--protocol",
        choices=("rprn_pipe", "rprn_tcp"),
        default="rprn_pipe",
        help="with a Windows account (%(default)s)",
    )
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
    credential = _typed(args)
    save_credential(settings.credentials_file, args.name, credential)
    asks = f"; asks in SNMPv3 with {credential.level}" if credential.version == "3" else ""
    sys.stdout.write(f"{args.name}: kept in {settings.credentials_file}{asks}\n")
    return 0


def _typed(args: argparse.Namespace) -> Credential:
    """Raises: CredentialError."""
    if args.snmp_version == "3":
        return _v3(args)
    for option in ("user", "auth", "privacy", "context"):
        if getattr(args, option) is not None:
            raise CredentialError(f"--{option} belongs to --version 3")
    if args.windows is not None:
        return windows_credential(account=args.windows, password=_secret("Password: "))
    community = community_of(_secret("Community: "))
    return Credential(version=args.snmp_version, community=community)


def _v3(args: argparse.Namespace) -> Credential:
    """Raises: CredentialError."""
    if not args.user:
        raise CredentialError("--version 3 needs --user")
    auth: Auth = args.auth or "none"
    privacy: Privacy = args.privacy or "none"
    return v3_credential(
        user=args.user,
        auth=auth,
        auth_password=None if auth == "none" else _secret("Authentication password: "),
        privacy=privacy,
        privacy_password=None if privacy == "none" else _secret("Privacy password: "),
        context=args.context or "",
    )


def _secret(prompt: str) -> str:
    """One line. Raises: CredentialError."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    try:
        return sys.stdin.readline(_LONGEST_LINE).rstrip("\r\n")
    except UnicodeDecodeError:
        what = prompt.lower().removesuffix(": ")
        raise CredentialError(f"a {what} that is not UTF-8 cannot be sent") from None


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
    if credentials[args.name].version == "windows":
        return _test_spooler(args, settings, credentials)
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


def _test_spooler(
    args: argparse.Namespace, settings: DiscoverySettings, credentials: Mapping[str, Credential]
) -> int:
    """What a computer lists to an account; typed here, it needs no other naming."""
    spooler = Spooler(
        host=args.address[:_LONGEST_HOST], protocol=args.protocol, credential=args.name
    )
    ceiling = replace(load_ceiling(settings.ceiling_file), spooler_hosts=(spooler.host,))
    found = asyncio.run(list_attached([spooler], ceiling=ceiling, credentials=credentials))
    for missed in found.not_reached:
        sys.stderr.write(f"pagetally credential: {missed.target} {missed.reason}\n")
    for device in found.devices:
        queue = device.target.spooled
        words = (queue.queue, queue.kind, queue.port_name, device.seen.driver or "no driver")
        sys.stdout.write("  ".join(words) + "\n")
    return 1 if found.not_reached else 0


async def _ask(target: Addresses, credential: Credential, settings: DiscoverySettings) -> str:
    port = target.port or settings.port
    ceiling = load_ceiling(settings.ceiling_file).naming(target.networks(), [port])
    async with SnmpClient(ceiling, timeout_s=settings.timeout_s, tries=settings.tries) as client:
        session = client.session(address_of(target.span[0]), port, credential)
        found = await session.get([SYS_DESCR, SYS_OBJECT_ID])
    description = text_of(found[SYS_DESCR].value) if SYS_DESCR in found else ""
    return description or "it has no description"
