"""The writer thread: everything that is written goes through it in group commits.

A batch is whatever came in while the batch before was on its way to the disk. Whoever waits for it is told by one call
into the event loop, after the commit is durable.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

from waypost.domain.waybill import Waybill
from waypost.store.batch import Batch, Order, Sheet
from waypost.store.books import STRANGERS_MAX, Change, Mark, Retention, StoreSettings, ledger_unavailable
from waypost.store.engine import Chores, Scribe
from waypost.store.openings import Opening
from waypost.store.rows import OPEN, STATE
from waypost.store.sql import TryAgain
from waypost.store.sweeping import Swept

log = logging.getLogger("waypost.store")
BATCH_MAX: Final = 256
IDLE_SECONDS: Final = 0.02
"""How long nothing came before chores are done."""
RETRY_PAUSE_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 0.5
"""How long a batch is refused by the disk before that is trouble; so often, a disk in trouble is tried."""
BUSY_BILLS: Final = 4
"""A batch of this size tells that many calls are under way: then it pays to wait a little for the next ones."""
GATHER_SECONDS: Final = 0.0015
GATHER_ENOUGH: Final = 48
GATHER_ROUNDS_MAX: Final = 3
NOT_ENDED: Final = (None, OPEN)
NAPS_MAX: Final = 20
"""After a busy batch the thread looks again by itself for this many naps, so that nobody has to wake it: being woken
costs the event loop a system call and, on one core, a switch in the middle of its work."""
Item = TypeVar("Item")


class Hooks(NamedTuple):
    """Called on the writer thread."""

    committed: Callable[[Batch], None]
    changed: Callable[[list[Change]], None]
    """Somebody else wrote to the folder."""
    fatal: Callable[[BaseException], None]
    """Nothing can be written any more."""
    swept: Callable[[int, Swept], None]
    """The open calls of a process that is gone were ended."""
    troubled: Callable[[str | None], None]
    """Nothing can be written at the moment, and why; None when that is over."""


class Writer:
    """Owns the write connection from its first transaction to its close."""

    def __init__(self, scribe: Scribe, chores: Chores, settings: StoreSettings, hooks: Hooks) -> None:
        self._settings = settings
        self._hooks = hooks
        self._scribe = scribe
        self._chores = chores
        self.bills: deque[tuple[Waybill, Any]] = deque()
        self.sheets: deque[Sheet] = deque()
        self.orders: deque[Order] = deque()
        self.gifts: deque[Order] = deque()
        """Orders that bring credits which calls are paid with already: they are written before those."""
        self.strangers: deque[Waybill] = deque(maxlen=STRANGERS_MAX)
        self.opens: dict[int, Opening] = {}
        """Calls that run and are to be written; one that ends before it is taken from here is written once."""
        self.marks: deque[Mark] = deque()
        self.sweeps: deque[int] = deque()
        """Epochs of processes that are gone, put in after everything that they said."""
        self.epoch = 0
        self._unended: set[int] = set()
        """Calls whose end the disk did not take: nobody charges them, so they must not stay open."""
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._stopping = False
        self.trouble: str | None = None
        """Why nothing can be written at the moment."""
        self._failing = False
        """A batch was given up: the next ones are not waited for."""
        self._tried_at = self._polled_at = 0.0
        self._current: Batch | None = None
        self._last_size = 0
        self._naps = 0
        self._thread = threading.Thread(target=self._run, name="waypost-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def retain(self, retention: Retention) -> None:
        """From now on keep waybills so long."""
        self._chores.retention = retention

    def ring(self) -> None:
        """There is something in the queues."""
        if self._asleep:
            self._asleep = False
            self._bell.put(None)

    @property
    def idle(self) -> bool:
        """Whether what comes now is written at once."""
        return self._asleep

    @property
    def unwritten(self) -> int:
        """This process's waybills that are queued or on their way to the disk."""
        current = self._current
        return len(self.bills) + (0 if current is None else len(current.bills))

    def stop(self) -> None:
        """Write what is queued, close the connection, and end. Blocks until done."""
        self._stopping = True
        self._bell.put(None)
        self._thread.join()

    def abandoned(self) -> list[Batch]:
        """After a fatal failure: everything that was on its way."""
        left = [] if self._current is None else [self._current]
        while self._waiting():
            left.append(self._gather())
        return left

    def _run(self) -> None:
        try:
            while self._waiting() or not self._stopping:
                self._turn()
            if self._indebted:
                self._pay_debts()
            self._chores.finish()
            self._scribe.close()
        except Exception as error:
            log.exception("the data folder can no longer be written")
            self._hooks.fatal(error)

    def _turn(self) -> None:
        if self._waiting():
            self._naps = 0
            self._gather_more()
            self._commit(self._gather())
            if self._indebted:
                self._pay_debts()
            if self._chores.pressing:
                self._chores.step()
        elif self._indebted:
            self._pay_debts()
        elif self._last_size >= BUSY_BILLS and self._naps < NAPS_MAX:
            self._naps += 1
            time.sleep(GATHER_SECONDS)
        elif not self._rest():
            return
        if time.monotonic() - self._polled_at >= self._settings.poll_seconds:
            self._poll()

    def _rest(self) -> bool:
        """Sleep, and do chores; False when a waybill came, which nothing that has time shall delay."""
        if not self._sleep(IDLE_SECONDS):
            return False
        if self._chores.step():
            return True
        self._last_size = 0
        return self._sleep(self._settings.poll_seconds)

    def _waiting(self) -> bool:
        bills = self.bills or self.sheets or self.opens
        return bool(bills or self.orders or self.gifts or self.strangers or self.marks)

    @property
    def _indebted(self) -> bool:
        """There are calls to be ended, and the disk takes them."""
        return bool(self.sweeps or self._unended) and self.trouble is None

    def _sleep(self, seconds: float) -> bool:
        """Whether that time passed with nothing to write."""
        self._asleep = True
        if not self._waiting() and not self._stopping and not self._indebted:
            with suppress(Empty):
                self._bell.get(timeout=seconds)
        self._asleep = False
        return not self._waiting()

    def _gather_more(self) -> None:
        """Many calls are under way: while more keep coming, let them ride along, for a commit costs as ten rows do."""
        rounds = GATHER_ROUNDS_MAX if self._last_size >= BUSY_BILLS else 0
        for _ in range(rounds):
            before = len(self.bills) + len(self.sheets)
            if before >= GATHER_ENOUGH or self._stopping:
                return
            time.sleep(GATHER_SECONDS)
            if (len(self.bills) + len(self.sheets) - before) * 4 < before:
                return

    def _gather(self) -> Batch:
        billed, sheeted = len(self.bills), len(self.sheets)  # more may come in at any moment, with gifts of their own
        gifts = _some(self.gifts)
        batch = Batch([], [], gifts, []) if gifts else self._gather_all(billed, sheeted)
        batch.epoch = self.epoch
        self._last_size = len(batch.bills) + sum(len(sheet.rows) for sheet in batch.sheets)
        return batch

    def _gather_all(self, billed: int, sheeted: int) -> Batch:
        bills = _some(self.bills, billed)  # before `opens`: who is in both would be written twice
        sheets, strangers, opens = _some(self.sheets, sheeted), _some(self.strangers), _taken(self.opens)
        orders = [*_some(self.gifts), *_some(self.orders)]  # gifts for `opens`, which are no charges yet
        return Batch(bills, sheets, orders, strangers, opens, _some(self.marks))

    def _commit(self, batch: Batch) -> None:
        self._current = batch
        self._scribe.prepare(batch)
        began = time.monotonic()
        while True:
            try:
                self._scribe.write(batch)
                self._well()
                break
            except TryAgain as error:
                self._scribe.roll_back()
                tried_seconds = time.monotonic() - began
                if self._failing or tried_seconds >= self._settings.retry_seconds_max:
                    self._failing = True
                    batch.problem = ledger_unavailable(str(error))
                    self._unended.update(row[0] for row in batch.rows if row[STATE] not in NOT_ENDED)
                if self._failing or tried_seconds >= PATIENCE_SECONDS:
                    self._tell_trouble(str(error))
                if self._failing:
                    break
                time.sleep(RETRY_PAUSE_SECONDS)
        self._current = None
        self._unended.update(batch.problems)
        self._hooks.committed(batch)

    def _pay_debts(self) -> None:
        """End the calls that nobody else ends."""
        try:
            if self._unended:
                self._scribe.void(list(self._unended))
                self._unended.clear()
            while self.sweeps:
                epoch = self.sweeps[0]
                if self.sheets:  # looked at after `sweeps`: what that process still said is written first
                    return
                swept = self._scribe.sweep(epoch)
                self.sweeps.popleft()
                self._hooks.swept(epoch, swept)
        except TryAgain as error:
            self._scribe.roll_back()
            self._tell_trouble(str(error))

    def _well(self) -> None:
        self._failing = False
        self._tell_trouble(None)

    def _tell_trouble(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._hooks.troubled(trouble)

    def _try_disk(self) -> None:
        """Whoever hears of trouble sends no more calls, and without any nobody would know when it is over."""
        self._tried_at = time.monotonic()
        try:
            self._scribe.try_disk()
        except TryAgain as error:
            self._scribe.roll_back()
            self._tell_trouble(str(error))
        else:
            self._well()

    def _poll(self) -> None:
        self._polled_at = time.monotonic()
        if self.trouble is not None and self._polled_at - self._tried_at >= PATIENCE_SECONDS:
            self._try_disk()
        changes = self._news()
        if changes:
            self._hooks.changed(changes)

    def _news(self) -> list[Change]:
        """A connection that was lost while nobody used it is made again; only where that fails is it trouble."""
        for last in (False, True):
            try:
                return self._scribe.news()
            except TryAgain as error:
                self._scribe.roll_back()
                if last or self.trouble is not None:
                    self._tell_trouble(str(error))
                    break
        return []


def _taken(opens: dict[int, Opening]) -> list[Opening]:
    """At most a batch full; the event loop may take some out at the same time."""
    taken: list[Opening] = []
    with suppress(KeyError):
        while opens and len(taken) < BATCH_MAX:
            taken.append(opens.popitem()[1])
    return taken


def _some(queue: deque[Item], most: int = BATCH_MAX) -> list[Item]:
    return [queue.popleft() for _ in range(min(len(queue), most, BATCH_MAX))] if queue else []
