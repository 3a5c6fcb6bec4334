"""The owner: the one object that writes. With one process it lives in it; with workers, in their parent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from waypost.domain.ledger import Movement, period_of, period_range
from waypost.domain.money import Price
from waypost.domain.problems import Problem
from waypost.domain.pulse import PulseDelta
from waypost.domain.waybill import Waybill
from waypost.store.batch import Batch, Order, Sheet
from waypost.store.beginning import begin
from waypost.store.books import (
    Change,
    Counter,
    Mark,
    Retention,
    StoreSettings,
    Verdict,
    ledger_unavailable,
)
from waypost.store.clock import unix_ms
from waypost.store.counters import Ask, Counters, Grant
from waypost.store.engines import engine_of
from waypost.store.folder_lock import FolderLock
from waypost.store.frames import Bills
from waypost.store.keyed_calls import claims_before
from waypost.store.listeners import Listeners
from waypost.store.lot_ends import LotEnds
from waypost.store.office import LOCAL, Line, Office
from waypost.store.openings import Opening, Openings
from waypost.store.readings import SAVE_SECONDS, Shelf
from waypost.store.readings_table import kept_readings
from waypost.store.reserve import Reserve
from waypost.store.rows import ACCOUNT, CHARGE, PERIOD, SETTLED, STATE, SUBJECTS
from waypost.store.settling import settle
from waypost.store.standing import SPENDING, credits_key, spending_key
from waypost.store.sweeping import Swept
from waypost.store.writer import Hooks, Writer

MONTH_LOOKED_AT_SECONDS: Final = 60.0
INCLUDED: Final = "credits.included"
AGAIN_SECONDS: Final = 1.0
GONE = "The data folder's disk failed in the middle of a write."


class Owner:
    """`Books` in the process that holds the only write connection. Made inside a running event loop.

    Raises DataError where the folder cannot be used.
    """

    writer = 0

    def __init__(self, settings: StoreSettings, clock_ms: Callable[[], int] = unix_ms) -> None:
        self._settings = settings
        self._clock_ms = clock_ms
        self._loop = asyncio.get_running_loop()
        self._lock = FolderLock(settings.folder)
        self._lock.take()
        with self._lock.kept():
            scribe, chores = engine_of(settings.folder, settings.database).open_writer(settings.retention, clock_ms)
            self._epoch, self.standing = begin(scribe, clock_ms())
        self._shelf = Shelf(kept_readings(scribe.sql))
        hooks = Hooks(self._committed, self._changed_elsewhere, self._died, self._swept, self._troubled)
        self._writer = Writer(scribe, chores, settings, hooks)
        self._writer.epoch = self._epoch
        self._openings = Openings(self._write_opening)
        self._office = Office(self)
        self.counters = Counters(lambda: clock_ms() / 1000, self._office, self.standing)
        self.standing.give = self._give_included
        self._reserve = Reserve(self)
        self.lot_ends = LotEnds(self, self._reserve)
        self._dead: dict[int, int] = {}
        """Epoch → number of a worker that is gone, until its open calls are ended."""
        self._changes: Listeners[Change] = Listeners([])
        self._pulse: Listeners[PulseDelta] = Listeners(self._shelf.everything())
        self._on_fatal: Callable[[BaseException], None] | None = None
        self._broken: Problem | None = None
        self._ringing = False
        self._saving = self._loop.call_later(SAVE_SECONDS, self._save_readings)
        self._turning = self._loop.call_later(self._until_the_month_turns(), self._turn_month)
        self._writer.start()
        self.lot_ends.look()

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

    def hold(self, waybill: Waybill) -> None:
        streams = waybill.request is not None and waybill.request.stream
        self._openings.hold(waybill, at_once=streams and self._writer.idle)

    def held(self, waybill: Waybill) -> asyncio.Future[None]:
        if self._broken is None:
            return self._openings.held(waybill)
        future: asyncio.Future[None] = self._loop.create_future()
        future.set_exception(self._broken)
        return future

    def progress(self, marks: list[Mark]) -> None:
        self._writer.marks.extend(marks)
        self._ring_soon()

    def file(self, waybill: Waybill) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        if self._broken is not None:
            future.set_exception(self._broken)
            return future
        if waybill.hold is not None:
            opening = self._openings.ended(waybill.id)
            if opening is not None and opening.sent:
                self._writer.opens.pop(waybill.id, None)
        self._writer.bills.append((waybill, future))
        self._ring_soon()
        return future

    def file_stranger(self, waybill: Waybill) -> None:
        self._writer.strangers.append(waybill)
        self._ring_soon()

    def free(self, counter: Counter) -> int | None:
        return self.counters.free(counter)

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        return self.counters.try_take(counter, amount)

    async def take(self, counter: Counter, amount: int) -> Verdict:
        answer: asyncio.Future[Grant] = self._loop.create_future()
        self.counters.ask(Ask(LOCAL, counter, amount, max(1, amount), answer))
        return Verdict(*(await answer)[:3])

    def give(self, counter: Counter, amount: int) -> None:
        self.counters.give(counter, amount)

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        return await self._reserve.run(command, args)

    @property
    def living_epochs(self) -> set[int]:
        """Of the processes that hold credits now, and of those that are gone and not swept yet."""
        return {self._writer.epoch, *self._dead, *(line.epoch for line in self._office.workers)}

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
        self._turning.cancel()
        self.lot_ends.stop()
        self._office.close()
        await asyncio.to_thread(self._writer.stop)
        self._broken = self._broken or ledger_unavailable("The data folder is closed.")
        self._lock.release()

    def _write_opening(self, opening: Opening) -> None:
        self._writer.opens[opening.bill.id] = opening
        self._ring_soon()

    def _ring_soon(self) -> None:
        """Wake the writer once for all that this turn of the loop brings: waking a thread costs as a row does."""
        if not self._ringing:
            self._ringing = True
            self._loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._ringing = False
        self._writer.ring()

    # What the office and the reserve need.

    async def order(self, command: str, args: dict[str, Any]) -> Any:
        """Have a command run as it is."""
        if self._broken is not None:
            raise self._broken
        done: asyncio.Future[Any] = self._loop.create_future()
        self._writer.orders.append(Order(command, args, done))
        self._writer.ring()
        result = await done
        await self._office.all_know()
        return result

    def take_rows(self, bills: Bills, line: Line) -> None:
        """A worker's waybills."""
        prices = [Price(*values) for values in bills.prices]
        self._writer.sheets.append(Sheet(bills.rows, bills.strangers, line, line.epoch, prices))
        self._writer.ring()

    def began(self, line: Line) -> None:
        """A worker has come."""
        self._epoch += 1
        line.epoch = self._epoch
        done = self._loop.create_future()
        done.add_done_callback(asyncio.Future.exception)  # whoever needs it will hear of the same trouble
        self._writer.orders.append(Order("epoch.begin", {"id": line.epoch}, done))
        self._writer.ring()

    def gone(self, line: Line) -> None:
        """A worker has gone: what it held is free when its open calls are ended."""
        self.counters.gone(line.number)
        self._dead[line.epoch] = line.number
        self._writer.sweeps.append(line.epoch)
        self._writer.ring()

    @property
    def taken_numbers(self) -> set[int]:
        """Numbers of workers that are gone, but not all that they held."""
        return set(self._dead.values())

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

    def _swept(self, epoch: int, swept: Swept) -> None:
        self._loop.call_soon_threadsafe(self._free, epoch, swept)

    def _free(self, epoch: int, swept: Swept) -> None:
        """First the charges count, then what was held does not any more; and the keys its calls claimed are free."""
        for key, amount in swept.moved:
            self.counters.moved(key, amount)
        number = self._dead.pop(epoch)
        self.counters.swept(number)
        self._insist(self._writer.orders, "keyed.sweep", {"writer": number, "before": claims_before(self._clock_ms())})

    def _resolve(self, batch: Batch) -> None:
        problem, problems = batch.problem, batch.problems
        for opening in batch.opens:
            opening.resolve(problem or problems.get(opening.bill.id))
        _settle_bills(batch)
        for sheet in batch.sheets:
            if sheet.rows:
                if problem is None:
                    self._count_spent(sheet, problems)
                sheet.done.written(sheet.rows, problem, problems)
        if problem is None:
            self._follow(batch)
        if batch.changes:
            self._tell(batch.changes)
        for place, order in enumerate(batch.orders):
            settle(order.done, problem or batch.results[place])

    def _count_spent(self, sheet: Sheet, problems: dict[int, Problem]) -> None:
        """What the worker held for these calls is used now."""
        worker, spent = sheet.done.number, self.counters.spent
        for row in sheet.rows:
            charge = row[CHARGE]
            if charge and row[STATE] == SETTLED and row[0] not in problems:
                spent(worker, credits_key(row[ACCOUNT]), charge)
                for subject in row[SUBJECTS]:
                    spent(worker, spending_key(subject, row[PERIOD]), charge)

    def _follow(self, batch: Batch) -> None:
        """What commands did to accounts counts now."""
        for order, result in zip(batch.orders, batch.results, strict=True):
            if isinstance(result, Movement):
                for key, amount in result.spent:
                    self.counters.moved(SPENDING + key, -amount)
            if order.name == INCLUDED and not isinstance(result, Problem):
                account = order.args["account"]
                self.counters.moved(credits_key(account), -self.standing.written(account, order.args["period"]))
        ended = {result.account for result in batch.results if isinstance(result, Movement) and _is_end(result)}
        for account, amount in batch.moved:  # that credits end is no reason to give this month's
            self.counters.moved(credits_key(account), amount, touching=account not in ended)
        for subject, period, amount in batch.spent:
            self.counters.moved(spending_key(subject, period), -amount)
        for account, floor in batch.allowed:
            self.counters.allowed(credits_key(account), -floor)

    def _give_included(self, account: str, period: int, amount: int) -> None:
        """Its first call this month has them already."""
        self._insist(self._writer.gifts, INCLUDED, {"account": account, "period": period, "amount": amount})

    def _insist(self, orders: deque[Order], command: str, args: dict[str, Any]) -> None:
        """Have a command run that must not fail: it is tried until it is done."""

        def again(done: asyncio.Future[Any]) -> None:
            if not done.cancelled() and done.exception() is not None and self._broken is None:
                self._loop.call_later(AGAIN_SECONDS, self._insist, orders, command, args)

        done: asyncio.Future[Any] = self._loop.create_future()
        done.add_done_callback(again)
        orders.append(Order(command, args, done))
        self._ring_soon()

    def _until_the_month_turns(self) -> float:
        now = self._clock_ms()
        return min(max(0.05, (period_range(period_of(now))[1] - now) / 1000), MONTH_LOOKED_AT_SECONDS)

    def _turn_month(self) -> None:
        period = period_of(self._clock_ms())
        if period != self.standing.period:
            self.standing.turn_month(period)
            self.counters.turn_month(period)
        self.lot_ends.look()
        self._turning = self._loop.call_later(self._until_the_month_turns(), self._turn_month)

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


def _is_end(movement: Movement) -> bool:
    """Whether credits ended by it."""
    return movement.transfer is not None and movement.transfer.kind == "expiry"


def _settle_bills(batch: Batch) -> None:
    problem, problems = batch.problem, batch.problems
    if problem or problems:
        for bill, future in batch.bills:
            settle(future, problem or problems.get(bill.id))
        return
    for _, future in batch.bills:
        if not future.done():
            future.set_result(None)
