"""`pagetally report`: make a customer's workbook now, mail it, or list what was made."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.reporter.deliver import deliver
from services.reporter.make import make_report
from services.reporter.period import Period, PeriodError, between, days, month, month_before
from services.reporter.report import printable
from services.reporter.settings import ReporterSettings
from services.reporter.smtp import write_whole
from services.reporter.workbook import WorkbookError
from shared.clock import utc_now
from shared.log import set_up_logs
from shared.settings import settings_or_exit, state_folder
from shared.store.chosen import chosen_database
from shared.store.deliveries import list_reports, workbook_of
from shared.store.embedded import EmbeddedError
from shared.store.postgres import Store, StoreError, open_store
from shared.store.reports import Customer, customer_named, customer_names


class _AskedWrongError(Exception):
    """What was typed cannot be done; exit 2."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("customer", metavar="CUSTOMER", help="its name; or `list`: what was made")
    parser.add_argument("--period", metavar="MONTH", help="such as 2026-10; default: the last one")
    parser.add_argument("--from", dest="first", metavar="DAY", help="such as 2026-10-01")
    parser.add_argument("--to", dest="last", metavar="DAY", help="this day included")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the workbook is written")
    parser.add_argument("--mail", action="store_true", help="mail it to the customer's recipients")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="default: PAGETALLY_DATABASE_URL, else the embedded one of this box",
    )


def run_command(args: argparse.Namespace) -> int:
    try:
        with chosen_database(args.database, state_folder()) as url:
            settings = settings_or_exit(ReporterSettings, database_url=url)
            set_up_logs(settings.log_format, "error")
            return asyncio.run(_run(args, settings))
    except (_AskedWrongError, PeriodError) as error:
        sys.stderr.write(f"pagetally: {error}\n")
        return 2
    except (EmbeddedError, StoreError, WorkbookError, OSError) as error:
        sys.stderr.write(f"pagetally: {' '.join(str(error).split())[:300]}\n")
        return 1


async def _run(args: argparse.Namespace, settings: ReporterSettings) -> int:
    async with open_store(settings.database_url.get_secret_value()) as store:
        if args.customer == "list":
            return await _list(store, as_json=args.json)
        return await _report(args, settings, store)


async def _list(store: Store, *, as_json: bool) -> int:
    async with store.transaction() as connection:
        made = await list_reports(connection)
    for report in made:
        if as_json:
            print(json.dumps(_object("made", report)))
            continue
        period = between(report["period_from"], report["period_to"], report["time_zone"])
        print(f"{period.clock(report['made_at'])}  {report['customer']}  {period.name}")
        print(f"  {report['id']}  {report['file_name']}")
        for delivery in report["deliveries"]:
            print(f"  {_line(delivery)}")
        if not report["deliveries"]:
            print("  not mailed")
    if not made and not as_json:
        print("no report was made yet")
    return 0


async def _report(args: argparse.Namespace, settings: ReporterSettings, store: Store) -> int:
    now = utc_now()
    customer = await _customer(store, args.customer)
    report_id = await make_report(
        store,
        customer,
        _period(args, customer.zone),
        f"asked {now.isoformat()}",
        now,
        mail_from=settings.mail_from,
        mailed=args.mail,
    )
    async with store.transaction() as connection:
        name, workbook = await workbook_of(connection, report_id)
    out: Path | None = args.out or (None if args.mail else Path(name))
    if out is not None:
        await asyncio.to_thread(write_whole, out, workbook)
    if args.mail:
        await deliver(store, settings.mailer(), now, report_id=report_id)
    async with store.transaction() as connection:
        [made] = await list_reports(connection, report_id=report_id)
    deliveries = made["deliveries"]
    if args.json:
        digest = hashlib.sha256(workbook).hexdigest()
        file = str(out) if out else None
        print(json.dumps(_object("made", made) | {"file": file, "sha256": digest}))
    else:
        print(f"workbook  {out or 'in the mail: ' + name}")
        for delivery in deliveries:
            print(f"mail      {_line(delivery)}")
    if args.mail and not deliveries:
        sys.stderr.write(
            f"pagetally: {customer.name} has no recipient; see pagetally admin recipient add\n"
        )
        return 1
    return 0 if all(one["state"] in ("sent", "filed") for one in deliveries) else 1


async def _customer(store: Store, name: str) -> Customer:
    async with store.transaction() as connection:
        customer = await customer_named(connection, name)
        if customer is not None:
            return customer
        known = ", ".join(await customer_names(connection)) or "none yet"
    raise _AskedWrongError(f"no customer is called {printable(name, 80)!r}; known: {known}")


def _period(args: argparse.Namespace, zone: str) -> Period:
    if args.period and (args.first or args.last):
        raise _AskedWrongError("give either --period or --from and --to")
    if bool(args.first) != bool(args.last):
        raise _AskedWrongError("--from and --to belong together")
    if args.first:
        return days(args.first, args.last, zone)
    return month(args.period, zone) if args.period else month_before(utc_now(), zone)


def _object(outcome: str, report: Mapping[str, Any]) -> dict[str, Any]:
    period = between(report["period_from"], report["period_to"], report["time_zone"])
    return {
        "outcome": outcome,
        "report": str(report["id"]),
        "customer": report["customer"],
        "period": period.name,
        "time_zone": period.zone,
        "made_at": report["made_at"].isoformat(),
        "message_id": report["message_id"],
        "file_name": report["file_name"],
        "deliveries": report["deliveries"],
    }


def _line(delivery: Mapping[str, Any]) -> str:
    words = [printable(delivery["recipient"]), delivery["state"]]
    if delivery["possibly_twice"]:
        words.append("possibly twice")
    if delivery["reason"]:
        words.append(f"({printable(delivery['reason'])})")
    return " ".join(words)
