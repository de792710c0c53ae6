"""What stands behind a meter that was entered by hand."""

from __future__ import annotations

from collections.abc import Iterator

from services.ingest.sites import AdminError
from shared.store.entered import Entry


def of_entry(entry: Entry, meter: str | None) -> Iterator[str]:
    """Lines of text, as `explain` shows a read. Raises: AdminError, for a meter that it has not."""
    it = entry.entered
    if meter is not None and meter not in it.meters:
        raise AdminError(
            f"{it.id}: has no meter {meter!r}; it has {', '.join(it.meters) or 'none'}"
        )
    yield f"entry {it.id}"
    yield f"  billed as    {entry.billed_as or 'held'}"
    yield f"  entered      {it.entered_at:%Y-%m-%d %H:%M:%S} UTC, by hand by {it.author}"
    yield f"               {it.reason}"
    yield f"  showed at    {it.read_at:%Y-%m-%d %H:%M:%S} UTC"
    if it.lower_because:
        yield f"  lower        {it.lower_because}"
    if it.replaces:
        yield f"  instead of   {it.replaces}"
    if entry.replaced_by:
        yield f"  replaced by  {entry.replaced_by}; it counts no more"
    yield f"  ledger       {it.site} no. {entry.ledger_no}, SHA-256 {entry.digest.hex()}"
    if not it.meters:
        yield "no meters: it takes back the entry that it replaces"
    for name in [meter] if meter else it.meters:
        yield f"{name} = {it.meters[name]} {it.units[name]}"
        yield f"  as {it.author} says; no device told it"
