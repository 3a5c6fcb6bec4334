"""The writer thread: everything that is written goes through it in group commits.

A batch is whatever came in while the batch before was on its way to the disk. It is one transaction; whoever waits
for it is told by one call into the event loop, after the commit is durable.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

import apsw

from waypost.domain.problems import Problem
from waypost.domain.waybill import Waybill
from waypost.store.books import STRANGERS_MAX, ledger_unavailable
from waypost.store.rows import COLUMNS, Row, RowMaker, stranger_row
from waypost.store.sqlite.commands import Desk, run_command
from waypost.store.sqlite.names import Names

log = logging.getLogger(__name__)

BATCH_MAX: Final = 512
ROWS_PER_STATEMENT: Final = (64, 16, 4, 1)
RETRY_PAUSE_SECONDS: Final = 0.05
ROW: Final = f"({', '.join('?' * len(COLUMNS))})"
INSERTS: Final = {
    rows: f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES {', '.join([ROW] * rows)}"  # noqa: S608 (constants)
    for rows in ROWS_PER_STATEMENT
}


class Order(NamedTuple):
    """A command on its way to the writer thread."""

    name: str
    args: dict[str, Any]
    done: Any
    """Handed back with the result."""


class Batch:
    """What one transaction writes, and what came of it."""

    def __init__(self, bills: list[tuple[Waybill, Any]], orders: list[Order], strangers: list[Waybill]) -> None:
        self.bills = bills
        self.orders = orders
        self.strangers = strangers
        self.rows: list[Row] = []
        self.results: list[Any] = []
        """One for each order: its result, or the Problem it raised."""
        self.problem: Problem | None = None
        """Why nothing of this batch was written."""


class Writer:
    """Owns the write connection from its first transaction to its close."""

    def __init__(
        self,
        connection: apsw.Connection,
        on_batch: Callable[[Batch], None],
        on_fatal: Callable[[BaseException], None],
        clock_ms: Callable[[], int],
        retry_seconds_max: float,
    ) -> None:
        self._connection = connection
        self._on_batch = on_batch
        self._on_fatal = on_fatal
        self._clock_ms = clock_ms
        self._retry_seconds_max = retry_seconds_max
        self._names = Names(connection)
        self._maker = RowMaker()
        self._stranger_count = int(connection.execute("SELECT count(*) FROM strangers").get)
        self.bills: deque[tuple[Waybill, Any]] = deque()
        self.orders: deque[Order] = deque()
        self.strangers: deque[Waybill] = deque(maxlen=STRANGERS_MAX)
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="waypost-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def ring(self) -> None:
        """There is something in the queues."""
        if self._asleep:
            self._asleep = False
            self._bell.put(None)

    def stop(self) -> None:
        """Write what is queued, close the connection, and end. Blocks until done."""
        self._stopping = True
        self._bell.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                if self._waiting():
                    self._commit(self._gather())
                elif self._stopping:
                    break
                else:
                    self._sleep()
            self._connection.close()
        except Exception as error:  # noqa: BLE001 (whatever it is, nothing can be written any more)
            self._on_fatal(error)

    def _waiting(self) -> bool:
        return bool(self.bills or self.orders or self.strangers)

    def _sleep(self) -> None:
        self._asleep = True
        if not self._waiting() and not self._stopping:
            with suppress(Empty):
                self._bell.get(timeout=0.25)
        self._asleep = False

    def _gather(self) -> Batch:
        bills = [self.bills.popleft() for _ in range(min(len(self.bills), BATCH_MAX))]
        orders = [self.orders.popleft() for _ in range(min(len(self.orders), BATCH_MAX))]
        strangers = [self.strangers.popleft() for _ in range(min(len(self.strangers), BATCH_MAX))]
        return Batch(bills, orders, strangers)

    def _commit(self, batch: Batch) -> None:
        batch.rows = [self._maker.row(bill) for bill, _ in batch.bills]
        deadline = time.monotonic() + self._retry_seconds_max
        while True:
            try:
                self._transact(batch)
                break
            except (apsw.FullError, apsw.BusyError) as error:
                self._roll_back()
                if time.monotonic() >= deadline:
                    batch.problem = ledger_unavailable(str(error))
                    break
                time.sleep(RETRY_PAUSE_SECONDS)
        self._on_batch(batch)

    def _transact(self, batch: Batch) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        self._write_rows([self._names.numbered(row) for row in batch.rows])
        for bill in batch.strangers:
            slot = self._stranger_count % STRANGERS_MAX
            execute(
                "REPLACE INTO strangers (slot, id, status, code, trail) VALUES (?, ?, ?, ?, ?)",
                (slot, *stranger_row(bill)),
            )
            self._stranger_count += 1
        desk = Desk(self._connection, self._clock_ms())
        batch.results = [self._run_order(desk, order) for order in batch.orders]
        execute("COMMIT")
        self._names.keep_fresh()

    def _write_rows(self, rows: list[list[Any]]) -> None:
        start = 0
        for size in ROWS_PER_STATEMENT:
            while len(rows) - start >= size:
                values = [value for row in rows[start : start + size] for value in row]
                self._connection.execute(INSERTS[size], values)
                start += size

    def _run_order(self, desk: Desk, order: Order) -> Any:
        try:
            return run_command(desk, order.name, order.args)
        except Problem as problem:
            return problem

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._names.forget_fresh()
