"""`pagetally record`: a walk of one device, without what it says of its owner."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import SystemRandom

from services.poller.command import UsageError, credentials_to_ask, naming, target_of
from services.poller.hidden import Hidden
from services.poller.mib import HR_DEVICE_DESCR
from services.poller.private_rows import COMMUNITY, IP, LEFT_OUT, NAME, PrivateRows, left_out
from services.poller.profile import ProfileError, load_profiles
from services.poller.record_walk import Recorded, record, roots_of
from services.poller.redact import redact, text_of
from services.poller.settings import PollerSettings
from services.poller.text import decode_text
from shared.ceiling import CeilingFileError, OutsideCeilingError, load_ceiling
from shared.credentials import Credential, CredentialError
from shared.files import write_private
from shared.messages import SnmpTarget
from shared.serve import stop_on_signals
from shared.settings import settings_or_exit
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpError, Varbind
from shared.snmprec import snmprec_line

SECONDS = 600.0
_TELL_S = 3.0
_OID = re.compile(r"1\.3\.6\.1(\.[0-9]{1,10}){1,100}")


@dataclass(frozen=True)
class _Wanted:
    """What was typed."""

    address: str
    credentials: Sequence[str]
    communities: Sequence[str]
    out: Path
    under: Sequence[str]
    seconds: float
    shows: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS[:PORT]", help="[IPv6]:PORT as well")
    asked_as = parser.add_mutually_exclusive_group()
    asked_as.add_argument("--credential", metavar="NAME", help="this site's")
    asked_as.add_argument("--community", metavar="C")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR or FILE.snmprec", help="here, by its model"
    )
    parser.add_argument(
        "--under", action="append", default=[], metavar="OID", help="only what lies there"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at most; %(default)g")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="of a try; 2")
    parser.add_argument("--tries", type=int, metavar="N", help="3")
    parser.add_argument(
        "--show", action="store_true", help="print what was hidden beside what stands for it"
    )


def run_command(args: argparse.Namespace) -> int:
    typed = {"timeout_s": args.timeout, "tries": args.tries}
    settings = settings_or_exit(
        PollerSettings, **{name: value for name, value in typed.items() if value is not None}
    )
    wanted = _Wanted(
        address=args.address,
        credentials=[args.credential] if args.credential is not None else [],
        communities=[args.community] if args.community is not None else [],
        out=args.out,
        under=args.under,
        seconds=args.seconds,
        shows=args.show,
    )
    try:
        _refuse_wrong(wanted)
        return asyncio.run(_record(wanted, settings))
    except (UsageError, CredentialError, CeilingFileError, ProfileError) as error:
        sys.stderr.write(f"pagetally record: {error}\n")
        return 2


def _refuse_wrong(wanted: _Wanted) -> None:
    """Raises: UsageError, before anything is asked."""
    for oid in wanted.under:
        if not _OID.fullmatch(oid):
            raise UsageError(f"--under {oid}: is no OID below 1.3.6.1")
        stretch = left_out(oid)
        if stretch:
            raise UsageError(f"--under {oid}: {stretch.holds}; that is left out of recordings")
    if not 1 <= wanted.seconds <= 86_400:
        raise UsageError(f"--seconds {wanted.seconds:g}: is 1 to 86400")
    if wanted.shows and not sys.stdout.isatty():
        raise UsageError("--show prints secrets, and prints them to a terminal alone")
    if not (wanted.out.is_dir() or (_is_file_name(wanted.out) and wanted.out.parent.is_dir())):
        raise UsageError(f"--out {wanted.out}: no folder that is there, nor a .snmprec in one")


def _is_file_name(path: Path) -> bool:
    return path.suffix == ".snmprec"


async def _record(wanted: _Wanted, settings: PollerSettings) -> int:
    """Returns 0 where all was walked; 1 where nothing answered or it was broken off."""
    target = target_of(wanted.address)
    if not isinstance(target, SnmpTarget):
        raise UsageError(f"{wanted.address}: is walked by SNMP; type its address alone")
    [(name, credential)] = credentials_to_ask(settings, wanted.credentials, wanted.communities)
    ceiling = naming(load_ceiling(settings.ceiling_file), [target])
    profiles = load_profiles(*([settings.profiles] if settings.profiles else []))
    places = PrivateRows(profiles.values())
    stopping = stop_on_signals()
    async with SnmpClient(ceiling, timeout_s=settings.timeout_s, tries=settings.tries) as client:
        session = client.session(target.snmp, target.port, credential, deadline_s=wanted.seconds)
        try:
            recorded = await record(
                session,
                roots_of(wanted.under),
                seconds=wanted.seconds,
                tell=_progress(),
                is_stopped=stopping.is_set,
            )
        except (SnmpError, OutsideCeilingError) as error:
            sys.stderr.write(f"pagetally record: {error}, asked with {name}\n")
            return 1
    for fault in recorded.faults:
        sys.stderr.write(f"{fault}\n")
    if not recorded.rows:
        sys.stderr.write(f"pagetally record: {target.snmp} answered, and has nothing there\n")
        return 1
    said = [(IP, target.snmp), *_words_of(credential)]
    host = wanted.address.partition(":")[0]
    if any(letter.isalpha() for letter in host):
        said.append((NAME, host))
    _write(wanted, recorded, places, said)
    return 0 if recorded.is_whole else 1


def _words_of(credential: Credential) -> list[tuple[str, str]]:
    said = (
        credential.community,
        credential.user,
        credential.auth_password,
        credential.privacy_password,
    )
    return [
        (COMMUNITY, word.get_secret_value().encode().decode("latin-1")) for word in said if word
    ]


def _progress() -> Callable[[int, str], None]:
    told_at = time.monotonic()

    def tell(rows: int, oid: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _TELL_S:
            told_at = time.monotonic()
            sys.stderr.write(f"{rows:,} rows, at {oid}\n")

    return tell


def _write(
    wanted: _Wanted, recorded: Recorded, places: PrivateRows, said: list[tuple[str, str]]
) -> None:
    redacted = redact(recorded.rows.values(), places, SystemRandom(), said)
    file = wanted.out if _is_file_name(wanted.out) else _free_name(wanted.out, redacted.rows)
    lines = [snmprec_line(row) for row in redacted.rows]
    if recorded.faults:
        lines.insert(0, "# not the whole device: some of it did not answer, or there was no time")
    write_private(file, "\n".join(lines) + "\n")
    out = sys.stdout.write
    for line in as_text(redacted.hidden, shows=wanted.shows):
        out(f"{line}\n")
    out(f"left out: {', '.join(dict.fromkeys(stretch.holds for stretch in LEFT_OUT))}\n")
    out(
        f"{file}: {len(redacted.rows):,} rows. Look through it before you send it: a name that"
        " nothing marks as one is still there.\n"
    )


def as_text(hidden: Sequence[Hidden], *, shows: bool) -> Iterator[str]:
    """How much of each kind; then each stand-in, its secret where that is shown, and its place."""
    kinds = Counter(each.kind for each in hidden)
    told = [
        f"{number} {kind}{_plural(kind) if number > 1 else ''}" for kind, number in kinds.items()
    ]
    yield f"hidden: {', '.join(told) or 'nothing was found'}"
    for each in sorted(hidden, key=lambda one: one.kind):
        secret = f" for {_as_line(each.secret)}" if shows else ""
        more = f" and {len(each.places) - 1} more" if len(each.places) > 1 else ""
        yield f"  {each.kind}: {_as_line(each.stand_in)}{secret} at {each.places[0]}{more}"


def _plural(kind: str) -> str:
    return "es" if kind.endswith("s") else "s"


def _as_line(octets: str) -> str:
    """What a device said, without what a terminal would obey."""
    return decode_text(octets.encode("latin-1")) or "octets"


def _free_name(folder: Path, rows: Sequence[Varbind]) -> Path:
    """Named by the model, as far as letters and digits go; no file is written over."""
    said = next((text_of(row) for row in rows if row.oid.startswith(HR_DEVICE_DESCR)), "")
    name = "-".join(re.findall(r"[a-z0-9]+", said.lower()))[:60] or "device"
    numbers = (f"-{number}" if number > 1 else "" for number in count(1))
    return next(
        file for number in numbers if not (file := folder / f"{name}{number}.snmprec").exists()
    )
