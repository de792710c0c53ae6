"""Reports that were made, and how far each mailbox' mail is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.store.postgres import Connection


@dataclass(frozen=True, slots=True)
class MadeReport:
    id: UUID
    customer_id: int
    occasion: str
    period_from: datetime
    period_to: datetime
    time_zone: str
    made_at: datetime
    message_id: str
    file_name: str
    workbook: bytes
    mail: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    report_id: UUID
    recipient: str
    file_name: str  # the workbook's
    mail: bytes
    attempts: int  # that were finished
    begun: bool  # an earlier attempt ended so that the mailbox may have it


async def report_of(connection: Connection, customer_id: int, occasion: str) -> UUID | None:
    rows = await connection.execute(
        "select id from report where customer_id = %s and occasion = %s", (customer_id, occasion)
    )
    row = await rows.fetchone()
    return row["id"] if row else None


async def recipients(connection: Connection, customer_id: int) -> list[str]:
    rows = await connection.execute(
        "select address from recipient where customer_id = %s order by address", (customer_id,)
    )
    return [row["address"] for row in await rows.fetchall()]


async def insert_report(
    connection: Connection, report: MadeReport, mailboxes: Sequence[str]
) -> UUID:
    """Keep the report and whom it goes to. Returns the id of the one that is kept.

    Where the occasion has a report already, that one stands and nothing is written.
    """
    rows = await connection.execute(
        """
        insert into report (id, customer_id, occasion, period_from, period_to, time_zone, made_at,
            message_id, file_name, workbook, mail)
        values (%(id)s, %(customer_id)s, %(occasion)s, %(period_from)s, %(period_to)s,
            %(time_zone)s, %(made_at)s, %(message_id)s, %(file_name)s, %(workbook)s, %(mail)s)
        on conflict (customer_id, occasion) do nothing
        returning id
        """,
        {name: getattr(report, name) for name in MadeReport.__slots__},
    )
    if await rows.fetchone() is None:
        kept = await report_of(connection, report.customer_id, report.occasion)
        return kept or report.id
    await connection.execute(
        "insert into delivery (report_id, recipient, changed_at, next_try_at)"
        " select %s, mailbox, %s, %s from unnest(%s::text[]) as mailbox",
        (report.id, report.made_at, report.made_at, list(mailboxes)),
    )
    return report.id


async def workbook_of(connection: Connection, report_id: UUID) -> tuple[str, bytes]:
    """The file's name and its bytes. Raises: LookupError."""
    rows = await connection.execute(
        "select file_name, workbook from report where id = %s", (report_id,)
    )
    row = await rows.fetchone()
    if row is None:
        raise LookupError(f"there is no report {report_id}")
    return row["file_name"], bytes(row["workbook"])


async def due_deliveries(
    connection: Connection, now: datetime, report_id: UUID | None = None, limit: int = 1000
) -> list[tuple[UUID, str]]:
    """Report and mailbox of what is to be handed over now; those begun and not finished too."""
    rows = await connection.execute(
        """
        select report_id, recipient from delivery
        where state in ('waiting', 'sending') and next_try_at <= %(now)s
            and (%(report)s::uuid is null or report_id = %(report)s)
        order by next_try_at, report_id, recipient limit %(limit)s
        """,
        {"now": now, "report": report_id, "limit": limit},
    )
    return [(row["report_id"], row["recipient"]) for row in await rows.fetchall()]


async def take_delivery(
    connection: Connection, report_id: UUID, recipient: str, now: datetime
) -> Delivery | None:
    """The delivery, for this transaction alone; None where it is another's, done, or not due.

    The lock ends with the transaction, and with the connection of a sender that died.
    """
    # handing over may take minutes, in which nothing is asked of this connection
    await connection.execute("set local idle_in_transaction_session_timeout to 0")
    rows = await connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended(%s, 0)) as got",
        (f"delivery {report_id} {recipient}",),
    )
    row = await rows.fetchone()
    if row is None or not row["got"]:
        return None
    rows = await connection.execute(
        """
        select d.report_id, d.recipient, d.attempts, d.state = 'sending' as begun,
            r.file_name, r.mail
        from delivery d join report r on r.id = d.report_id
        where d.report_id = %s and d.recipient = %s
            and d.state in ('waiting', 'sending') and d.next_try_at <= %s
        """,
        (report_id, recipient, now),
    )
    found = await rows.fetchone()
    return Delivery(**{**found, "mail": bytes(found["mail"])}) if found else None


async def begin_sending(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """From here on the mailbox may have it. What was begun before is said to be there twice."""
    await connection.execute(
        """
        update delivery set possibly_twice = possibly_twice or state = 'sending',
            state = 'sending', changed_at = %s
        where report_id = %s and recipient = %s
        """,
        (now, delivery.report_id, delivery.recipient),
    )


async def end_attempt(
    connection: Connection,
    delivery: Delivery,
    *,
    state: str,
    reason: str | None,
    now: datetime,
    next_try_at: datetime,
) -> None:
    await connection.execute(
        """
        update delivery set state = %(state)s, reason = %(reason)s, attempts = %(attempts)s,
            changed_at = %(now)s, next_try_at = %(next)s
        where report_id = %(report)s and recipient = %(recipient)s
        """,
        {
            "state": state,
            "reason": reason,
            "attempts": delivery.attempts + 1,
            "now": now,
            "next": next_try_at,
            "report": delivery.report_id,
            "recipient": delivery.recipient,
        },
    )


async def list_reports(
    connection: Connection,
    *,
    customer_id: int | None = None,
    report_id: UUID | None = None,
    limit: int = 50,
) -> list[Mapping[str, Any]]:
    """The newest reports with their deliveries, as `recipient`, `state` and so on, by mailbox."""
    rows = await connection.execute(
        """
        select r.id, c.name as customer, r.occasion, r.period_from, r.period_to, r.time_zone,
            r.made_at, r.message_id, r.file_name,
            coalesce((
                select json_agg(json_build_object('recipient', d.recipient, 'state', d.state,
                    'possibly_twice', d.possibly_twice, 'attempts', d.attempts,
                    'reason', d.reason, 'changed_at', d.changed_at, 'next_try_at', d.next_try_at)
                    order by d.recipient)
                from delivery d where d.report_id = r.id
            ), '[]') as deliveries
        from report r join customer c on c.id = r.customer_id
        where (%(customer)s::bigint is null or r.customer_id = %(customer)s)
            and (%(report)s::uuid is null or r.id = %(report)s)
        order by r.made_at desc, r.id limit %(limit)s
        """,
        {"customer": customer_id, "report": report_id, "limit": limit},
    )
    return [dict(row) for row in await rows.fetchall()]
