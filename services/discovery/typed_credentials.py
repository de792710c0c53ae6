"""The credentials that a person types with a command: names that the site keeps, or communities."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.credentials import PUBLIC, Credential, CredentialError, community_of, load_credentials


def add_credential_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--credential", action="append", default=[], metavar="NAME", help="this site's, in order"
    )
    parser.add_argument("--community", action="append", default=[], metavar="C", help="in order")


def typed_credentials(
    command: str, args: argparse.Namespace, file: Path
) -> Mapping[str, Credential]:
    """Those typed, in order; `public`, and said so, where none was. Raises: CredentialError."""
    stored = load_credentials(file) if args.credential else {}
    missing = [name for name in args.credential if name not in stored]
    if missing:
        raise CredentialError(f"no credential {missing[0]!r} at this site; see credential list")
    chosen = {name: stored[name] for name in args.credential}
    for number, community in enumerate(args.community, 1):
        chosen[f"community-{number}"] = Credential(community=community_of(community))
    if not chosen:
        sys.stderr.write(f"pagetally {command}: no credential given, asking as public\n")
        chosen["public"] = PUBLIC
    return chosen
