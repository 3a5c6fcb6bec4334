"""The owner: the one object that writes. With one process it lives in it; with workers, in their parent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from waypost.domain.problems import Problem
from waypost.domain.pulse import PulseDelta
from waypost.domain.waybill import Waybill
from waypost.store.batch import Batch, Order, Sheet
from waypost.store.books import Change, Counter, Retention, StoreSettings, Verdict, ledger_unavailable
from waypost.store.clock import unix_ms
from waypost.store.counters import Ask, Counters, Grant
from waypost.store.engines import engine_of
from waypost.store.folder_lock import FolderLock
from waypost.store.listeners import Listeners
from waypost.store.office import LOCAL, Line, Office
from waypost.store.readings import SAVE_SECONDS, Shelf
from waypost.store.readings_table import kept_readings
from waypost.store.rows import Row
from waypost.store.settling import settle
from waypost.store.sqlite.writer import Hooks, Writer

GONE = "The data folder's disk failed in the middle of a write."


class Owner:
    """`Books` in the process that holds the only write connection. Made inside a running event loop.

    Raises DataError where the folder cannot be used.
    """

    writer = 0

    def __init__(self, settings: StoreSettings, clock_ms: Callable[[], int] = unix_ms) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._lock = FolderLock(settings.folder)
        self._lock.take()
        with self._lock.kept():
            scribe, chores = engine_of(settings.folder, settings.database).open_writer(settings.retention, clock_ms)
        self._shelf = Shelf(kept_readings(scribe.sql))
        hooks = Hooks(self._committed, self._changed_elsewhere, self._died, self._troubled)
        self._writer = Writer(scribe, chores, settings, hooks)
        self._office = Office(self)
        self.counters = Counters(lambda: clock_ms() / 1000, self._office)
        self._changes: Listeners[Change] = Listeners([])
        self._pulse: Listeners[PulseDelta] = Listeners(self._shelf.everything())
        self._on_fatal: Callable[[BaseException], None] | None = None
        self._broken: Problem | None = None
        self._ringing = False
        self._saving = self._loop.call_later(SAVE_SECONDS, self._save_readings)
        self._writer.start()

    async def listen(self) -> None:
        """Open `owner.sock` for workers and the command line."""
        await self._office.listen(self._settings.folder)

    def on_fatal(self, callback: Callable[[BaseException], None]) -> None:
        """Call back when nobody knows any more what is written: the process must end with 75 and load anew."""
        self._on_fatal = callback

    def on_silent(self, callback: Callable[[int], None]) -> None:
        """Call back with the pid of a worker that did not acknowledge a change within a second: it must be killed."""
        self._office.on_silent = callback

    def retain(self, retention: Retention) -> None:
        self._writer.retain(retention)

    @property
    def worker_pids(self) -> list[int]:
        """The workers that are connected now."""
        return [line.pid for line in self._office.workers]

    @property
    def trouble(self) -> str | None:
        return self._writer.trouble if self._broken is None else self._broken.why

    @property
    def unwritten(self) -> int:
        return self._writer.unwritten

    def file(self, waybill: Waybill) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        if self._broken is not None:
            future.set_exception(self._broken)
            return future
        self._writer.bills.append((waybill, future))
        self._ring_soon()
        return future

    def file_stranger(self, waybill: Waybill) -> None:
        self._writer.strangers.append(waybill)
        self._ring_soon()

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        return self.counters.try_take(counter, amount)

    async def take(self, counter: Counter, amount: int) -> Verdict:
        answer: asyncio.Future[Grant] = self._loop.create_future()
        self.counters.ask(Ask(LOCAL, counter, amount, max(1, amount), answer))
        return Verdict(*(await answer)[:3])

    def give(self, counter: Counter, amount: int) -> None:
        self.counters.give(counter, amount)

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        if self._broken is not None:
            raise self._broken
        done: asyncio.Future[Any] = self._loop.create_future()
        self._writer.orders.append(Order(command, args, done))
        self._writer.ring()
        result = await done
        await self._office.all_know()
        return result

    def on_changes(self, callback: Callable[[list[Change]], None]) -> None:
        self._changes.add(callback)

    def on_pulse(self, callback: Callable[[list[PulseDelta]], None]) -> None:
        self._pulse.add(callback)

    def send_pulse(self, deltas: list[PulseDelta]) -> None:
        if deltas:
            self._shelf.put(deltas)
            self._office.tell_readings(deltas, None)

    async def close(self) -> None:
        """Write what is queued and let the folder go."""
        self._save_readings()
        self._saving.cancel()
        self._office.close()
        await asyncio.to_thread(self._writer.stop)
        self._broken = self._broken or ledger_unavailable("The data folder is closed.")
        self._lock.release()

    def _ring_soon(self) -> None:
        """Wake the writer once for all that this turn of the loop brings: waking a thread costs as a row does."""
        if not self._ringing:
            self._ringing = True
            self._loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._ringing = False
        self._writer.ring()

    # What the office needs.

    def take_rows(self, rows: list[Row], strangers: list[Row], line: Line) -> None:
        """A worker's waybills."""
        self._writer.sheets.append(Sheet(rows, strangers, line))
        self._writer.ring()

    def felt(self, deltas: list[PulseDelta], line: Line) -> None:
        """A worker's readings."""
        self._shelf.put(deltas)
        self._office.tell_readings(deltas, line)
        self._pulse.tell(deltas)

    def readings(self) -> list[PulseDelta]:
        """The newest of every endpoint."""
        return self._shelf.everything()

    # From the writer thread.

    def _committed(self, batch: Batch) -> None:
        self._loop.call_soon_threadsafe(self._resolve, batch)

    def _changed_elsewhere(self, changes: list[Change]) -> None:
        self._loop.call_soon_threadsafe(self._tell, changes)

    def _troubled(self, trouble: str | None) -> None:
        self._loop.call_soon_threadsafe(self._office.tell_condition, trouble)

    def _died(self, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._give_up, error)

    def _resolve(self, batch: Batch) -> None:
        problem, problems = batch.problem, batch.problems
        _settle_bills(batch)
        for sheet in batch.sheets:
            if sheet.rows:
                sheet.done.written(sheet.rows, problem, problems)
        if batch.changes:
            self._tell(batch.changes)
        for place, order in enumerate(batch.orders):
            settle(order.done, problem or batch.results[place])

    def _tell(self, changes: list[Change]) -> None:
        self._changes.tell(changes)
        self._office.tell_changes(changes)

    def _give_up(self, error: BaseException) -> None:
        problem = self._broken = ledger_unavailable(GONE)
        for batch in self._writer.abandoned():
            batch.problem = problem
            self._resolve(batch)
        if self._on_fatal is not None:
            self._on_fatal(error)

    def _save_readings(self) -> None:
        self._saving = self._loop.call_later(SAVE_SECONDS, self._save_readings)
        unsaved = self._shelf.take_unsaved()
        if unsaved and self._broken is None:
            done = self._loop.create_future()
            done.add_done_callback(asyncio.Future.exception)  # lost readings hurt nobody
            self._writer.orders.append(Order("pulse.save", {"readings": unsaved}, done))
            self._writer.ring()


def _settle_bills(batch: Batch) -> None:
    problem, problems = batch.problem, batch.problems
    if problem or problems:
        for bill, future in batch.bills:
            settle(future, problem or problems.get(bill.id))
        return
    for _, future in batch.bills:
        if not future.done():
            future.set_result(None)
