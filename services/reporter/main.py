"""The reporter: wakes up, makes the reports that are due, hands them over, and sleeps again."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta

from services.reporter.deliver import deliver
from services.reporter.due import Due, all_due
from services.reporter.make import make_report
from services.reporter.settings import ReporterSettings
from services.reporter.smtp import Mailer, write_whole
from services.reporter.watch import Watcher
from shared.clock import utc_now
from shared.log import log, set_up_logs
from shared.serve import health, stop_on_signals
from shared.settings import settings_or_exit
from shared.store.beating import beating
from shared.store.deliveries import workbook_of
from shared.store.postgres import Store, StoreError, open_store
from shared.store.reports import schedules

_AGAIN_AFTER = timedelta(hours=1)
_FINISH_S = 20


def main() -> None:
    settings = settings_or_exit(ReporterSettings)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(run(settings))
    except (StoreError, OSError) as error:
        sys.stderr.write(f"reporter: {error}\n")
        raise SystemExit(1) from None


async def run(
    settings: ReporterSettings, store: Store | None = None, stopping: asyncio.Event | None = None
) -> None:
    """Until `stopping` is set, or SIGTERM where none is given.

    Raises: StoreError, where the database cannot be opened; OSError, for a password file.
    """
    stopping = stopping or stop_on_signals()
    mailer = settings.mailer()
    async with AsyncExitStack() as stack:
        if store is None:
            url = settings.database_url.get_secret_value()
            store = await stack.enter_async_context(open_store(url))
        reporter = Reporter(settings, store, mailer, stopping)
        await stack.enter_async_context(health(settings.health_port, [reporter.problem]))
        await stack.enter_async_context(beating(store, "reporter", [reporter.problem]))
        working = asyncio.create_task(reporter.work())
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        await asyncio.wait({working}, timeout=_FINISH_S)
        mailer.cut()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


class Reporter:
    """What one running reporter remembers: which reports could not be made, and what is wrong."""

    def __init__(
        self, settings: ReporterSettings, store: Store, mailer: Mailer, stopping: asyncio.Event
    ) -> None:
        self._settings, self._store = settings, store
        self._mailer, self._stopping = mailer, stopping
        self._failed: dict[str, datetime] = {}  # occasion -> when it is tried again
        self._faults: set[str] = set()
        self._problem: str | None = "has not worked yet"
        self._watch_fault: str | None = None
        self._watcher = Watcher(
            store, mailer, mail_from=settings.mail_from, mail_to=settings.watch_mail_to
        )

    def problem(self) -> str | None:
        return self._watch_fault or self._problem

    async def work(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.wake(utc_now())
                self._problem = None
            except StoreError as error:
                if self._problem is None:
                    log.error("reporter waits for the database", error=str(error))
                self._problem = str(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.wake_s):
                    await self._stopping.wait()

    async def wake(self, now: datetime) -> None:
        """Make what is due, hand over what waits. Raises: StoreError."""
        async with self._store.transaction() as connection:
            kept = await schedules(connection)
        due, faults = all_due(kept, now)
        for fault in set(faults) - self._faults:
            log.error("schedule set aside", reason=fault)
        self._faults = set(faults)
        for one in due:
            if not self._stopping.is_set() and self._failed.get(one.occasion, now) <= now:
                await self._make(one, now)
        await deliver(self._store, self._mailer, now, stopping=self._stopping)
        await self._look(now)

    async def _look(self, now: datetime) -> None:
        """Whatever is wrong with the watch stops no report. Raises: StoreError."""
        try:
            await self._watcher.look(now)
        except Exception as error:
            if isinstance(error, StoreError):
                raise
            self._watch_fault = f"nobody is watched: {error}"
            log.error("nobody is watched", error=str(error), exc_info=True)
        else:
            self._watch_fault = None

    async def _make(self, due: Due, now: datetime) -> None:
        customer, period = due.customer.name, due.period.name
        try:
            report = await make_report(
                self._store,
                due.customer,
                due.period,
                due.occasion,
                now,
                mail_from=self._settings.mail_from,
            )
            if self._settings.report_folder is not None:
                async with self._store.transaction() as connection:
                    name, workbook = await workbook_of(connection, report)
                # two customers' names may give one file name, and a period several reports
                own_name = f"{name.removesuffix('.xlsx')}-{report}.xlsx"
                file = self._settings.report_folder / own_name
                await asyncio.to_thread(write_whole, file, workbook)
        except Exception as error:
            known = isinstance(error, StoreError)
            if known and await self._store.problem():
                raise
            # one customer's report never stops another's
            self._failed[due.occasion] = now + _AGAIN_AFTER
            log.error(
                "report not made",
                customer=customer,
                period=period,
                error=str(error),
                exc_info=not known,
            )
            return
        log.info("report made", customer=customer, period=period, report=str(report))
