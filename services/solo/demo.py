"""`pagetally demo`: the whole road in one process, with a simulated fleet."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from services.discovery.agenda import Agenda
from services.ingest.recipients import add_recipient
from services.ingest.sites import AdminError, Site
from services.reporter.deliver import deliver
from services.reporter.make import make_report
from services.reporter.period import Period
from services.solo.agent import running_agent
from services.solo.faults import told
from services.solo.fleet import NETWORK, PORT, Fleet
from services.solo.gateway import ADDRESS, BRANCH
from services.solo.hub import Hub, own_site, running_hub
from services.solo.places import Places
from services.solo.simulator import simulate
from shared.ceiling import Ceiling
from shared.clock import utc_now
from shared.files import write_private
from shared.log import set_up_logs
from shared.serve import stop_on_signals
from shared.settings import state_folder
from shared.store.deliveries import list_reports, workbook_of
from shared.store.reports import Customer, customer_named
from shared.store.rounds import round_at_hub
from shared.store.scope import newest_scope, scope_in_force, set_scope

CUSTOMER, SITE, RECIPIENT = "Demo Customer", "demo-office", "billing@example.com"
_ARRIVAL_S = 60.0  # for a round and its reads to be at the hub, or its scope at the site
_CONTACT_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="one round and a report, then end")
    parser.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="a round")
    parser.add_argument("--folder", type=Path, help="where all is kept; default: the state folder")
    parser.add_argument("--verbose", action="store_true", help="the services' own log lines too")


def run_command(args: argparse.Namespace) -> int:
    set_up_logs("kv", "info" if args.verbose else "error")
    places = Places((args.folder or state_folder() / "demo").absolute())
    return told(demo(places, once=args.once, every_s=max(args.every, 1.0)))


async def demo(places: Places, *, once: bool, every_s: float) -> None:
    places.make()
    fleet = Fleet(places.state)
    stopping = stop_on_signals()
    networks = tuple(map(ip_network, (NETWORK, BRANCH)))
    ceiling = Ceiling(networks=networks, ports=frozenset({PORT}), pace=1000.0)
    async with (
        simulate(fleet.agents()),
        running_hub(places, host="127.0.0.1", port=0, console_port=0, names=()) as hub,
    ):
        site = await own_site(hub.store, places, CUSTOMER, SITE)
        customer = await _customer(hub)
        await _first_scope(hub, site)
        async with running_agent(
            places,
            hub_url=hub.url,
            key_file=places.site_key,
            ca_file=hub.ca.ca_cert,
            ceiling=ceiling,
            contact_s=_CONTACT_S,
            gateway=f"{ADDRESS}:{PORT}",
            port=PORT,
            rate=1000.0,
            timeout_s=0.5,
        ) as agenda:
            _say(f"Simulated devices answer on {NETWORK}, UDP port {PORT}.")
            _say(f"Devices and rounds: {hub.console_url}")
            _say(f"What is searched:   {hub.console_url}network?site={SITE}")
            while not stopping.is_set():
                fleet.advance()
                await _scope_taken(agenda, hub, site)
                await _round(agenda, hub, customer, places)
                if once or stopping.is_set():
                    return
                _say(f"Next round in {every_s:.0f} s; Ctrl-C ends it.")
                with suppress(TimeoutError):
                    async with asyncio.timeout(every_s):
                        await stopping.wait()


async def _round(agenda: Agenda, hub: Hub, customer: Customer, places: Places) -> None:
    """One search, and a report of the day so far."""
    parts = await agenda.run_once("search")
    orders = sum(len(part.orders) for part in parts)
    _say(
        f"\nFound   {orders} printing devices: {parts[0].asked} addresses asked, "
        f"{parts[0].answered} answered, {parts[0].not_printers} no printer, "
        f"{sum(len(part.silent) for part in parts)} known ones silent."
    )
    async with asyncio.timeout(_ARRIVAL_S):
        while not (  # noqa: ASYNC110  (the database tells nobody)
            (arrived := await round_at_hub(hub.store, parts[0].round)) and arrived.closed
        ):
            await asyncio.sleep(0.05)
    _say(f"Read    {arrived.read} devices, {arrived.failed} failed.")
    _say(f"Stored  {arrived.orders} of {orders} outcomes, each once.")
    await _report(hub, customer, places, parts[0].round)


async def _report(hub: Hub, customer: Customer, places: Places, round_id: UUID) -> None:
    now = utc_now()
    today = now.astimezone(ZoneInfo(customer.zone)).date()
    report_id = await make_report(
        hub.store,
        customer,
        Period(today, today, customer.zone),
        f"demo round {round_id}",
        now,
        mail_from=hub.reports.mail_from,
    )
    await deliver(hub.store, hub.reports.mailer(), now, report_id=report_id)
    async with hub.store.transaction() as connection:
        name, workbook = await workbook_of(connection, report_id)
        [report] = await list_reports(connection, report_id=report_id)
    places.reports.mkdir(exist_ok=True)
    write_private(places.reports / name, workbook)
    for delivery in report["deliveries"]:
        where = f"{delivery['state']}; {delivery['reason'] or 'handed over'}"
        _say(f"Mailed  to {delivery['recipient']}: {where}")
    _say(f"        workbook: {places.reports / name}")


async def _first_scope(hub: Hub, site: Site) -> None:
    """The fleet's segment is chosen, until somebody chooses otherwise."""
    credentials = [{"range": one, "credentials": ["public"]} for one in (NETWORK, BRANCH)]
    chosen = {"segments": [NETWORK], "credentials": credentials}
    async with hub.store.transaction() as connection:
        newest = await newest_scope(connection, site.id)
    if newest is None:
        await set_scope(hub.store, site.id, chosen, author="demo", now=utc_now())


async def _scope_taken(agenda: Agenda, hub: Hub, site: Site) -> None:
    """What was chosen at the hub by now is what the next round goes by."""
    async with hub.store.transaction() as connection:
        scope = await scope_in_force(connection, site.id)
    async with asyncio.timeout(_ARRIVAL_S):
        while agenda.scope_version < scope.version:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _customer(hub: Hub) -> Customer:
    with suppress(AdminError):  # it is there already
        await add_recipient(hub.store, CUSTOMER, RECIPIENT)
    async with hub.store.transaction() as connection:
        customer = await customer_named(connection, CUSTOMER)
    assert customer is not None
    return customer


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
