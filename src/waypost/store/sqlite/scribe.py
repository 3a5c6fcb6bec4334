"""Writes a batch: one transaction, many rows a statement, durable when it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import apsw

from waypost.store.batch import Batch, EndedAlreadyError
from waypost.store.books import STRANGERS_MAX, Change
from waypost.store.commands import outcome_of
from waypost.store.desk import Desk
from waypost.store.identities import changes_since, last_seq
from waypost.store.netting import Net, netted
from waypost.store.rollup import Rollup
from waypost.store.rows import COLUMNS, OPEN, STATE, UPSERT, WIDTH, Row, RowMaker
from waypost.store.sql import OutcomeUnknown, Sql
from waypost.store.sqlite.charges import Money
from waypost.store.sqlite.many_rows import ManyRows
from waypost.store.sqlite.names import Names
from waypost.store.sqlite.segments import Segments
from waypost.store.sqlite.sql import SqliteSql, translated
from waypost.store.sweeping import Swept, sweep, void

CALLS: Final = ManyRows("INSERT", "calls", COLUMNS, UPSERT)
STRANGERS: Final = ManyRows("REPLACE", "strangers", ("slot", "id", "status", "code", "trail"))
NEXT_SLOT: Final = "SELECT slot + 1 FROM strangers ORDER BY id DESC LIMIT 1"
TOKEN_PLACE: Final = COLUMNS.index("token_id")
TRIAL: Final = (
    "REPLACE INTO pulse (key, at_ms, reading) VALUES (x'', 0, zeroblob(65536))",
    "DELETE FROM pulse WHERE key = x''",
)
"""Room for some hundred waybills, in the table whose unreadable rows mean nothing and go by themselves."""
BAD_ROW: Final = (apsw.ConstraintError, apsw.TooBigError, OverflowError, TypeError, ValueError)


class Scribe:
    """The write connection and everything that is kept in memory about what it wrote."""

    def __init__(self, connection: apsw.Connection, clock_ms: Callable[[], int]) -> None:
        self.connection = connection
        self.sql: Sql = SqliteSql(connection)
        self.names = Names(connection)
        self.segments = Segments(connection)
        self.rollup = Rollup(self.sql)
        self.money = Money(connection, self.names)
        self.used: dict[int, int] = {}
        """Token → the last request that showed it."""
        self._clock_ms = clock_ms
        self._maker = RowMaker()
        self._strangers = int(connection.execute(NEXT_SLOT).get or 0)
        self._seq = last_seq(self.sql)
        self._data_version = 0

    def prepare(self, batch: Batch) -> None:
        batch.prepare(self._maker.row, self._maker.open_row)
        self.money.note_prices([*self._maker.take_prices(), *batch.prices])
        batch.net = netted(batch.rows)

    def write(self, batch: Batch) -> None:
        """The transaction. Raises EngineTrouble."""
        with translated():
            self.connection.execute("BEGIN IMMEDIATE")
            values = self._write_calls(batch) if batch.rows else []
            self._write_rest(batch)
            self._commit()
        self._after_commit(batch, values)

    def sweep(self, epoch: int | None) -> Swept:
        with translated():
            self.connection.execute("BEGIN IMMEDIATE")
            swept = sweep(self.sql, epoch, self._clock_ms())
            self._end_late(swept.ids)
        return swept

    def void(self, numbers: list[int]) -> None:
        with translated():
            self.connection.execute("BEGIN IMMEDIATE")
            self._end_late(void(self.sql, numbers))

    def try_disk(self) -> None:
        """Write something and take it away again. Raises as `write` does."""
        with translated():
            for statement in TRIAL:
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.execute(statement)
                self._commit()

    def roll_back(self) -> None:
        """Undo a transaction that failed."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.names.forget_fresh()
        self.money.lots.forget()

    def news(self) -> list[Change]:
        """What changed since this was last asked, whoever wrote it."""
        version = self.connection.pragma("data_version")
        if version == self._data_version:
            return []
        self._data_version = version
        return self._changes()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _commit(self) -> None:
        try:
            self.connection.execute("COMMIT")
        except apsw.IOError as error:
            raise OutcomeUnknown(str(error)) from error

    def _changes(self) -> list[Change]:
        changes = changes_since(self.sql, self._seq)
        if changes:
            self._seq = changes[-1].seq
        return changes

    def _write_calls(self, batch: Batch) -> list[Any]:
        """First in the transaction, with what they come to. Gives the values that were written."""
        net: Net | None = batch.net
        try:
            values = self._write_values(batch.rows)
        except BAD_ROW:
            values, net = self._write_each(batch)
        if net is not None:
            self.money.write(net)
        ids = ended_of(values)
        if ids:
            oldest = min(ids)
            if oldest <= self.segments.indexed_to:
                self.segments.note_late(ids)
            if oldest <= self.rollup.rolled_to:
                self.rollup.note_late(ids)
        return values

    def _write_values(self, rows: list[Row]) -> list[Any]:
        values = self.names.numbered(rows)
        before = self.connection.total_changes()
        CALLS.write_values(self.connection, values)
        if self.connection.total_changes() - before != len(rows):
            raise EndedAlreadyError("it was written before")
        return values

    def _write_each(self, batch: Batch) -> tuple[list[Any], Net | None]:
        """One of them cannot be written: begin anew, and leave out only who must be."""
        self.roll_back()
        self.connection.execute("BEGIN IMMEDIATE")
        values, written = [], []
        for row in batch.rows:
            try:
                values += self._write_values([row])
            except BAD_ROW as error:
                batch.unwritable(row[0], error)
            else:
                written.append(row)
        return values, netted(written)

    def _write_rest(self, batch: Batch) -> None:
        self.money.write_prices()
        if batch.marks:
            self.money.mark(batch.marks)
        if batch.strangers:
            self._write_strangers(batch.strangers)
        if batch.orders:
            desk = Desk(self.sql, self._clock_ms())
            batch.results = [outcome_of(desk, order.name, order.args) for order in batch.orders]
            batch.moved, batch.allowed, batch.spent = desk.moves, desk.floors, desk.spendings

    def _end_late(self, ids: list[int]) -> None:
        """These ended without having been written here. Commits."""
        self.segments.note_late(ids)
        self.rollup.note_late(ids)
        self._commit()
        self.money.lots.forget()
        self.segments.reload()

    def _write_strangers(self, rows: list[Row]) -> None:
        first = self._strangers
        slots = [((first + place) % STRANGERS_MAX, *row) for place, row in enumerate(rows)]
        STRANGERS.write(self.connection, slots)

    def _after_commit(self, batch: Batch, values: list[Any]) -> None:
        self.names.keep_fresh()
        self.money.keep()
        self._strangers = (self._strangers + len(batch.strangers)) % STRANGERS_MAX
        if values:
            ids = ended_of(values)
            if ids:
                self.segments.count_new(ids)
            self.used.update(zip(values[TOKEN_PLACE::WIDTH], values[::WIDTH], strict=True))
        if batch.orders:
            self.money.lots.forget()  # commands write them too
            batch.changes = self._changes()


def ended_of(values: list[Any]) -> list[int]:
    """The ids of the calls in these values that have ended."""
    ids, states = values[::WIDTH], values[STATE::WIDTH]
    return [number for number, state in zip(ids, states, strict=True) if state != OPEN] if OPEN in states else ids
