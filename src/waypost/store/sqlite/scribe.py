"""Writes a batch: one transaction, many rows a statement, durable when it returns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import apsw

from waypost.domain.problems import Failed, Problem
from waypost.domain.waybill import Waybill
from waypost.store.books import STRANGERS_MAX, Change
from waypost.store.rows import COLUMNS, Row, RowMaker, stranger_row
from waypost.store.sqlite.commands import Desk, run_command
from waypost.store.sqlite.identities import changes_since, last_seq
from waypost.store.sqlite.many_rows import ManyRows
from waypost.store.sqlite.names import Names
from waypost.store.sqlite.segments import Segments

log = logging.getLogger("waypost.store")
CALLS: Final = ManyRows("INSERT", "calls", COLUMNS)
STRANGERS: Final = ManyRows("REPLACE", "strangers", ("slot", "id", "status", "code", "trail"))
NEXT_SLOT: Final = "SELECT slot + 1 FROM strangers ORDER BY id DESC LIMIT 1"
TOKEN_PLACE: Final = COLUMNS.index("token_id")
BUG_FIX: Final = "This is a bug of ours; the operator's log has more."
TRIAL: Final = (
    "REPLACE INTO pulse (key, at_ms, reading) VALUES (x'', 0, zeroblob(65536))",
    "DELETE FROM pulse WHERE key = x''",
)
"""Room for some hundred waybills, in the table whose unreadable rows mean nothing and go by themselves."""
BAD_ROW: Final = (apsw.ConstraintError, apsw.TooBigError, OverflowError, TypeError, ValueError)


class OutcomeUnknown(Exception):
    """The disk failed in the middle of a commit: nobody knows whether it is written until the file is read anew."""


class Order(NamedTuple):
    """A command to run in the next batch, and what to hand its result to."""

    name: str
    args: dict[str, Any]
    done: Any


class Sheet(NamedTuple):
    """Rows that a worker made, and what to tell when they are written."""

    rows: list[Row]
    strangers: list[Row]
    done: Any


class Batch:
    """What one transaction writes, and what came of it."""

    __slots__ = ("bills", "changes", "orders", "problem", "problems", "results", "rows", "sheets", "strangers")

    def __init__(
        self,
        bills: list[tuple[Waybill, Any]],
        sheets: list[Sheet],
        orders: list[Order],
        strangers: list[Waybill],
    ) -> None:
        self.bills = bills
        self.sheets = sheets
        self.orders = orders
        self.strangers: list[Row] = [stranger_row(bill) for bill in strangers]
        self.rows: list[Row] = []
        self.results: list[Any] = []
        """One for each order: its result, or the Problem it raised."""
        self.changes: list[Change] = []
        self.problem: Problem | None = None
        """Why nothing of this batch was written."""
        self.problems: dict[int, Problem] = {}
        """Waybill id → why this one was not, though the others were."""


class Scribe:
    """The write connection and everything that is kept in memory about what it wrote."""

    def __init__(self, connection: apsw.Connection, clock_ms: Callable[[], int]) -> None:
        self.connection = connection
        self.names = Names(connection)
        self.segments = Segments(connection)
        self.used: dict[int, int] = {}
        """Token → the last request that showed it."""
        self._clock_ms = clock_ms
        self._maker = RowMaker()
        self._strangers = int(connection.execute(NEXT_SLOT).get or 0)
        self._seq = last_seq(connection)
        self._data_version = 0

    def prepare(self, batch: Batch) -> None:
        """Make the rows; needs no transaction, so that a batch tried again does not make them again."""
        make = self._maker.row
        try:
            batch.rows = [make(bill) for bill, _ in batch.bills]
        except Exception:  # noqa: BLE001 (one waybill nobody can write must not take the others with it)
            batch.rows = [row for bill, _ in batch.bills if (row := self._make_one(batch, bill)) is not None]
        for sheet in batch.sheets:
            batch.rows += sheet.rows
            batch.strangers += sheet.strangers

    def write(self, batch: Batch) -> None:
        """The transaction. Raises apsw's errors when nothing was written, and OutcomeUnknown."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        ids = self._write_calls(batch) if batch.rows else []
        if batch.strangers:
            self._write_strangers(batch.strangers)
        if batch.orders:
            desk = Desk(self.connection, self._clock_ms())
            batch.results = [_run(desk, order) for order in batch.orders]
        self._commit()
        self._after_commit(batch, ids)

    def try_disk(self) -> None:
        """Write something and take it away again. Raises as `write` does."""
        for statement in TRIAL:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute(statement)
            self._commit()

    def roll_back(self) -> None:
        """Undo a transaction that failed."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.names.forget_fresh()

    def news(self) -> list[Change]:
        """What changed since this was last asked, whoever wrote it."""
        version = self.connection.pragma("data_version")
        if version == self._data_version:
            return []
        self._data_version = version
        return self._changes()

    def _commit(self) -> None:
        try:
            self.connection.execute("COMMIT")
        except apsw.IOError as error:
            raise OutcomeUnknown(str(error)) from error

    def _changes(self) -> list[Change]:
        changes = changes_since(self.connection, self._seq)
        if changes:
            self._seq = changes[-1].seq
        return changes

    def _write_calls(self, batch: Batch) -> list[int]:
        numbered = self.names.numbered
        rows = [numbered(row) for row in batch.rows]
        try:
            with self.connection:
                CALLS.write(self.connection, rows)
        except BAD_ROW:
            rows = [row for row in rows if self._write_one(batch, row)]
        ids = [row[0] for row in rows]
        if ids and min(ids) <= self.segments.indexed_to:
            self.segments.note_late(ids)
        return ids

    def _write_one(self, batch: Batch, row: list[Any]) -> bool:
        try:
            CALLS.write(self.connection, [row])
        except BAD_ROW as error:
            log.exception("waybill %d cannot be written", row[0])
            batch.problems[row[0]] = _unwritable(error)
            return False
        return True

    def _make_one(self, batch: Batch, bill: Waybill) -> Row | None:
        try:
            return self._maker.row(bill)
        except Exception as error:
            log.exception("waybill %s cannot be written", bill.request_id)
            batch.problems[bill.id] = _unwritable(error)
            return None

    def _write_strangers(self, rows: list[Row]) -> None:
        first = self._strangers
        slots = [((first + place) % STRANGERS_MAX, *row) for place, row in enumerate(rows)]
        STRANGERS.write(self.connection, slots)

    def _after_commit(self, batch: Batch, ids: list[int]) -> None:
        self.names.keep_fresh()
        self._strangers = (self._strangers + len(batch.strangers)) % STRANGERS_MAX
        if ids:
            self.segments.count_new(ids)
            used = self.used
            for row in batch.rows:
                used[row[TOKEN_PLACE]] = row[0]
        if batch.orders:
            batch.changes = self._changes()


def _run(desk: Desk, order: Order) -> Any:
    try:
        return run_command(desk, order.name, order.args)
    except Problem as problem:
        return problem
    except apsw.Error:
        raise
    except Exception as error:
        log.exception("the command %s went wrong", order.name)
        return Failed("internal_error", f"The command {order.name} went wrong.", why=str(error), fix=BUG_FIX)


def _unwritable(error: Exception) -> Failed:
    return Failed(
        "internal_error",
        "The record of this request cannot be written.",
        why=f"{type(error).__name__}: {error}",
        fix=BUG_FIX,
    )
