"""`pagetally probe`: reads devices now."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from uuid import uuid4

from pydantic import SecretStr, ValidationError

from services.poller.decode import NotAPrinterError, NotReadableError
from services.poller.device import read_device
from services.poller.ipp import ipp_client, read_ipp
from services.poller.profile import ProfileError, load_profiles
from services.poller.recognise import Profiles
from services.poller.sessions import LONGEST_READ_S, USUAL, Connect, connecting
from services.poller.settings import PollerSettings, SettingError
from shared.ceiling import Ceiling, CeilingFileError, OutsideCeilingError, load_ceiling
from shared.clock import utc_now
from shared.credentials import PUBLIC, Credential, CredentialError, load_credentials
from shared.ipp.client import IppClient
from shared.ipp.errors import IppNoAnswerError
from shared.ipp_uri import IppUri, IppUriError, ipp_uri_of, is_ipp_uri
from shared.messages import IppTarget, MeterRead, SnmpTarget, SupplyLevel, order_id
from shared.scope import AskingManner
from shared.settings import settings_or_exit
from shared.snmp.client import SnmpClient
from shared.snmp.port import CredentialRefusedError, NoAnswerError

AT_ONCE = 16

ProbedTarget = SnmpTarget | IppUri


class UsageError(Exception):
    """Words that cannot be carried out; the text says which."""


@dataclass(frozen=True)
class Probed:
    """One address' outcome: read, not_a_printer, unreadable or no_answer."""

    target: ProbedTarget
    outcome: str
    reason: str | None = None
    read: MeterRead | None = None

    @property
    def address(self) -> str:
        if isinstance(self.target, IppUri):
            return str(self.target)
        ip = self.target.snmp
        return f"[{ip}]:{self.target.port}" if ":" in ip else f"{ip}:{self.target.port}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "address",
        nargs="+",
        metavar="ADDRESS[:PORT]",
        help="[IPv6]:PORT, ipp://HOST[:PORT]/PATH and ipps://… as well",
    )
    parser.add_argument(
        "--credential", action="append", default=[], metavar="NAME", help="this site's, in order"
    )
    parser.add_argument("--community", action="append", default=[], metavar="C", help="in order")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="of a try; 2")
    parser.add_argument("--tries", type=int, metavar="N", help="3")
    parser.add_argument("--max-message", type=int, metavar="OCTETS", help="of SNMP; 1372")
    parser.add_argument("--json", action="store_true", help="one JSON object an address")


def run_command(args: argparse.Namespace) -> int:
    settings = settings_or_exit(PollerSettings)
    try:
        return asyncio.run(
            probe(
                args.address,
                settings=settings,
                names=args.credential,
                communities=args.community,
                manner=_manner(args),
                as_json=args.json,
            )
        )
    except (UsageError, CredentialError, CeilingFileError, ProfileError, SettingError) as error:
        sys.stderr.write(f"pagetally probe: {error}\n")
        return 2


def _manner(args: argparse.Namespace) -> AskingManner:
    """Raises: UsageError."""
    try:
        return AskingManner(timeout_s=args.timeout, tries=args.tries, max_message=args.max_message)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        option = str(fault["loc"][0]).removesuffix("_s").replace("_", "-")
        raise UsageError(f"--{option}: {fault['msg']}") from None


async def probe(
    addresses: Sequence[str],
    *,
    settings: PollerSettings,
    names: Sequence[str] = (),
    communities: Sequence[str] = (),
    manner: AskingManner = USUAL,
    as_json: bool = False,
) -> int:
    """Prints one outcome an address, in the order they were typed.

    Returns 0 where every address answered; 1 where one did not, or broke off.

    Raises: UsageError, CredentialError, CeilingFileError, ProfileError, SettingError.
    """
    targets = [target_of(text) for text in addresses]
    by_snmp = any(isinstance(target, SnmpTarget) for target in targets)
    credentials = credentials_to_ask(settings, names, communities) if by_snmp else []
    ceiling = naming(load_ceiling(settings.ceiling_file), targets)
    profiles = Profiles(load_profiles(*([settings.profiles] if settings.profiles else [])))
    slots = asyncio.Semaphore(AT_ONCE)
    found_all = True
    async with (
        SnmpClient(ceiling, timeout_s=settings.timeout_s, tries=settings.tries) as client,
        ipp_client(settings, ceiling) as ipp,
        asyncio.TaskGroup() as group,
    ):
        connect = connecting(client, settings)

        async def one(target: ProbedTarget) -> Probed:
            async with slots:
                if isinstance(target, IppUri):
                    return await _probe_ipp(ipp, target, profiles)
                return await _probe(connect, target, credentials, profiles, manner)

        for task in [group.create_task(one(target)) for target in targets]:
            probed = await task
            found_all = found_all and probed.outcome in ("read", "not_a_printer")
            print(as_line(probed) if as_json else as_text(probed), flush=True)
    return 0 if found_all else 1


def target_of(text: str) -> ProbedTarget:
    """ADDRESS, ADDRESS:PORT, NAME:PORT, [IPv6]:PORT, IPv6 or a URI of IPP. Raises: UsageError."""
    if is_ipp_uri(text):
        try:
            return ipp_uri_of(text)
        except IppUriError as error:
            raise UsageError(f"{text!r}: {error}") from None
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        if rest and not rest.startswith(":"):
            raise UsageError(f"{text!r}: after ] comes :PORT")
    elif text.count(":") == 1:
        host, port = text.split(":")
    if port and not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise UsageError(f"{text!r}: a port is a number from 1 to 65535")
    return SnmpTarget(snmp=_addresses(host)[0], port=int(port or 161))


def _addresses(host: str) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise UsageError(f"{host!r} is neither an address nor a name that can be found") from None
    return [str(entry[4][0]) for entry in found]


def naming(ceiling: Ceiling, targets: Sequence[ProbedTarget]) -> Ceiling:
    """What a person at the site typed counts as named; a name with all addresses it has now."""
    for target in targets:
        if isinstance(target, IppUri):
            named = [ip_network(one.partition("%")[0]) for one in _addresses(target.host)]
            ceiling = ceiling.naming_ipp(named, target.port)
            continue
        ceiling = ceiling.naming([ip_network(target.snmp.partition("%")[0])], [target.port])
    return ceiling


def credentials_to_ask(
    settings: PollerSettings, names: Sequence[str], communities: Sequence[str]
) -> list[tuple[str, Credential]]:
    """What to ask as, and how to call it. Raises: UsageError, CredentialError."""
    known = load_credentials(settings.credentials_file) if names else {}
    for name in names:
        if name not in known:
            raise UsageError(f"{settings.credentials_file}: holds no credential {name!r}")
    chosen = [(f'credential "{name}"', known[name]) for name in names]
    chosen += [("the community given", Credential(community=SecretStr(c))) for c in communities]
    if not chosen:
        sys.stderr.write('asking as "public"; --credential or --community says otherwise\n')
        chosen = [('community "public"', PUBLIC)]
    return chosen


async def _probe(
    connect: Connect,
    target: SnmpTarget,
    credentials: Sequence[tuple[str, Credential]],
    profiles: Profiles,
    manner: AskingManner,
) -> Probed:
    silence = refusal = ""
    for name, credential in credentials:
        session = connect(target, credential, manner, LONGEST_READ_S)
        try:
            device = await read_device(session, profiles, target.snmp, utc_now)
        except NoAnswerError as error:
            silence = f"{error}, asked with {name}; is SNMP v1 or v2c enabled?"
            continue
        except CredentialRefusedError as error:
            refusal = f"{error}, asked with {name}"
            continue
        except OutsideCeilingError as error:
            return Probed(target, "no_answer", f"not asked: {error}")
        except NotAPrinterError as error:
            return Probed(target, "not_a_printer", str(error))
        except NotReadableError as error:
            return Probed(target, "unreadable", str(error))
        round_id = uuid4()
        order = order_id(round_id, target)
        read = device.message(order, round_id, "probe", target, session.traffic)
        return Probed(target, "read", read=read)
    return Probed(target, "unreadable" if refusal else "no_answer", refusal or silence)


async def _probe_ipp(client: IppClient, uri: IppUri, profiles: Profiles) -> Probed:
    try:
        device = await read_ipp(client.ask, uri, utc_now)
    except IppNoAnswerError as error:
        return Probed(uri, "no_answer", f"{error}; is IPP enabled, and is this its port?")
    except OutsideCeilingError as error:
        return Probed(uri, "no_answer", f"not asked: {error}")
    except NotAPrinterError as error:
        return Probed(uri, "not_a_printer", str(error))
    except NotReadableError as error:
        return Probed(uri, "unreadable", str(error))
    target, round_id = IppTarget(ipp=str(uri)), uuid4()
    order = order_id(round_id, target)
    return Probed(uri, "read", read=device.message(order, round_id, "probe", target, profiles))


def as_line(probed: Probed) -> str:
    read = probed.read.model_dump(mode="json") if probed.read else None
    return json.dumps(
        {
            "address": probed.address,
            "outcome": probed.outcome,
            "reason": probed.reason,
            "read": read,
        }
    )


def as_text(probed: Probed) -> str:
    read = probed.read
    if read is None:
        return f"{probed.address}  {probed.outcome.replace('_', ' ')}: {probed.reason}"
    device = read.device
    name = " ".join(word for word in (device.make, device.model) if word) or "a printing device"
    lines = [f"{probed.address}  {name}, serial {device.serial or 'not told'}"]
    lines += [
        f"  {meter:<12} {count:>12,} {read.units.get(meter, '')}".rstrip()
        for meter, count in read.meters.items()
    ]
    if read.no_meters_because:
        lines.append(f"  no meters: {read.no_meters_because}")
    lines += [f"  {_supply(supply)}" for supply in read.supplies]
    lines += [f"  note: {note}" for note in read.notes]
    said = [read.status.printer or read.status.device, *read.status.errors]
    by_snmp = f", {read.datagrams} datagrams, {read.bytes:,} bytes" if read.datagrams else ""
    lines.append(
        f"  {', '.join(word for word in said if word) or 'status not told'}; profile "
        f"{read.profile}{by_snmp}"
    )
    return "\n".join(lines)


def _supply(supply: SupplyLevel) -> str:
    name = supply.description or supply.type or supply.index
    if supply.level_percent is not None:
        return f"{name}: {supply.level_percent:g} %"
    return f"{name}: {supply.state or 'not told'}"
