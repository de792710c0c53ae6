"""A look into the roster beside the agent that has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from services.discovery.roster_rows import KNOWN, known_device
from shared.messages import SnmpTarget


def known_addresses(path: Path) -> list[str] | None:
    """Those of the devices that are known by SNMP; None where there is no roster to look into."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            devices = [known_device(values) for values in db.execute(KNOWN)]
    except sqlite3.Error:
        return None
    return [one.target.snmp for one in devices if isinstance(one.target, SnmpTarget)]
