"""What an operator is told when a box cannot start or go on: one line, never a traceback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from services.discovery.roster import RosterError
from services.poller.profile import ProfileError
from services.poller.settings import SettingError as PollerSettingError
from services.solo.ca import CaError
from services.uploader.failures import HubError
from services.uploader.numbering import SpoolError
from services.uploader.settings import SettingError
from shared.bus.port import BusDownError
from shared.ceiling import CeilingFileError
from shared.credentials import CredentialError
from shared.store.binaries import EmbeddedError
from shared.store.postgres import StoreError

_SET_WRONG = (CeilingFileError, CredentialError, PollerSettingError, ProfileError, SettingError)
_TOLD = (
    *_SET_WRONG,
    BusDownError,
    CaError,
    EmbeddedError,
    HubError,
    OSError,
    RosterError,
    SpoolError,
    StoreError,
    TimeoutError,
)


def told(work: Coroutine[Any, Any, None]) -> int:
    """Run `work`; gives 0, or with one line on stderr for each of its faults 1, or 2 where all of
    them are of what was set.
    """
    try:
        asyncio.run(work)
    except _TOLD as error:
        return _say([error])
    except ExceptionGroup as group:
        if group.split(_TOLD)[1] is not None:
            raise
        return _say(_leaves(group))
    return 0


def _say(faults: Sequence[Exception]) -> int:
    for fault in faults:
        said = " ".join(str(fault).split()) or type(fault).__name__
        sys.stderr.write(f"pagetally: {said[:500]}\n")
    return 2 if all(isinstance(fault, _SET_WRONG) for fault in faults) else 1


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return found
