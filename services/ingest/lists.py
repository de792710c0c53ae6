"""Long lists as parameters of a query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec


def json_array(values: Iterable[str | int | bytes | UUID | datetime | None]) -> str:
    """What `json_array_elements_text` takes apart: it costs less than an array of parameters.

    Bytes are in base64.
    """
    return msgspec.json.encode(list(values)).decode()
