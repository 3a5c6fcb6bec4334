"""Writes a batch: one transaction, a few statements however many rows, durable when it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import psycopg

from waypost.store.batch import Batch, EndedAlreadyError
from waypost.store.books import STRANGERS_MAX, Change
from waypost.store.commands import outcome_of
from waypost.store.desk import Desk
from waypost.store.identities import changes_since, last_seq
from waypost.store.netting import netted
from waypost.store.postgres.arrays import ManyRows
from waypost.store.postgres.charges import Money
from waypost.store.postgres.names import Names
from waypost.store.postgres.opening import Database, lock_holder, take_lock
from waypost.store.postgres.sql import REFUSED, PostgresSql, Session, said, translated
from waypost.store.rollup import Rollup
from waypost.store.rows import COLUMNS, OPEN, STATE, UPSERT, Row, RowMaker
from waypost.store.sql import EngineTrouble, OutcomeUnknown, Sql, TryAgain
from waypost.store.sweeping import Swept, sweep, void

TYPES: Final = ["bytea" if name == "trail" else "bigint" for name in COLUMNS]
CALLS: Final = ManyRows("calls", COLUMNS, TYPES, UPSERT)
STRANGERS: Final = ManyRows(
    "strangers",
    ("slot", "id", "status", "code", "trail"),
    ("bigint", "bigint", "bigint", "text", "bytea"),
    "(slot) DO UPDATE SET id = excluded.id, status = excluded.status, code = excluded.code, trail = excluded.trail",
)
NEXT_SLOT: Final = "SELECT slot + 1 FROM strangers ORDER BY id DESC LIMIT 1"
TOKEN_PLACE: Final = COLUMNS.index("token_id")
TRIAL: Final = (
    "INSERT INTO pulse (key, at_ms, reading) VALUES ('', 0, '') ON CONFLICT (key) DO NOTHING",
    "DELETE FROM pulse WHERE key = ''",
)
BAD_ROW: Final = (*REFUSED, AttributeError, OverflowError, TypeError, ValueError)


class Scribe:
    """The write connection, made again where it was lost, and what is kept in memory about what it wrote."""

    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self.session = Session(database.open_writer())
        self.sql: Sql = PostgresSql(self.session)
        self.names = Names(self.session)
        self.money = Money(self.session, self.names)
        self.rollup = Rollup(self.sql)
        self.used: dict[int, int] = {}
        """Token → the last request that showed it."""
        self.written = 0
        """Calls since this was opened."""
        self._clock_ms = clock_ms
        self._maker = RowMaker()
        self._strangers = int(self.sql.value(NEXT_SLOT) or 0)
        self._seq = last_seq(self.sql)

    def prepare(self, batch: Batch) -> None:
        batch.prepare(self._maker.row, self._maker.open_row)
        self.money.note_prices([*self._maker.take_prices(), *batch.prices])
        batch.net = netted(batch.rows)

    def write(self, batch: Batch) -> None:
        with translated():
            self.begin()
            rows = self._write_calls(batch) if batch.rows else []
            self._write_rest(batch)
            self.commit()
        self._after_commit(batch, rows)

    def sweep(self, epoch: int | None) -> Swept:
        with translated():
            self.begin()
            swept = sweep(self.sql, epoch, self._clock_ms())
            self.rollup.note_late(swept.ids)
            self.commit()
        self.written += len(swept.ids)
        return swept

    def void(self, numbers: list[int]) -> None:
        with translated():
            self.begin()
            ended = void(self.sql, numbers)
            self.rollup.note_late(ended)
            self.commit()
        self.written += len(ended)

    def try_disk(self) -> None:
        with translated():
            for statement in TRIAL:
                self.begin()
                self.session.connection.execute(statement)
                self.commit()

    def be_connected(self) -> None:
        """Between transactions: make a new connection where the one before is lost."""
        if self.session.connection.closed:
            with translated():
                self._reconnect()

    def begin(self) -> None:
        """Begin a transaction, on a new connection where the one before is lost."""
        self.be_connected()
        self.session.connection.execute("BEGIN")

    def commit(self) -> None:
        """Raises OutcomeUnknown where the connection is lost on the way."""
        try:
            cursor = self.session.connection.execute("COMMIT")
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise OutcomeUnknown(said(error)) from error
        if cursor.statusmessage != "COMMIT":
            raise EngineTrouble(f"the database undid what should have been committed: {cursor.statusmessage}")

    def roll_back(self) -> None:
        self.names.forget()
        connection = self.session.connection
        if connection.closed:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()  # the next transaction begins on another

    def news(self) -> list[Change]:
        self.be_connected()
        return self._changes()

    def close(self) -> None:
        self.session.connection.close()

    def _reconnect(self) -> None:
        """A new connection, if still nobody else writes. Our own lost one may have to be ended first."""
        connection = self._database.connect()
        try:
            if not take_lock(connection):
                self._end_the_one_before(connection)
        except BaseException:
            connection.close()
            raise
        self.session.connection = connection
        self.names.forget()

    def _end_the_one_before(self, connection: psycopg.Connection[Any]) -> None:
        holder = lock_holder(connection)
        if holder is not None and holder[1] != self._database.name:
            raise EngineTrouble(f"another Waypost writes to {self._database.shown} now: {holder[1]}")
        if holder is not None:
            connection.execute("SELECT pg_terminate_backend(%s::int)", (holder[0],))
        raise TryAgain("the connection before is being ended")

    def _changes(self) -> list[Change]:
        changes = changes_since(self.sql, self._seq)
        if changes:
            self._seq = changes[-1].seq
        return changes

    def _write_calls(self, batch: Batch) -> list[Row]:
        """With what they come to. Gives those that were written."""
        rows, net = batch.rows, batch.net
        try:
            self._insert(rows)
        except BAD_ROW:
            self.roll_back()
            self.begin()
            rows = [row for row in rows if self._write_one(batch, row)]
            net = netted(rows)
        if net is not None:
            self.money.write(net)
        self.rollup.note_late([row[0] for row in rows])
        return rows

    def _write_one(self, batch: Batch, row: Row) -> bool:
        try:
            with self.session.connection.transaction():
                self._insert([row])
        except BAD_ROW as error:
            self.names.forget()
            batch.unwritable(row[0], error)
            return False
        return True

    def _insert(self, rows: list[Row]) -> None:
        values = CALLS.values(self.names.numbered(rows))
        done = self.session.connection.execute(CALLS.statement, values, prepare=True)
        if done.rowcount != len(rows):
            raise EndedAlreadyError("it was written before")

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

    def _write_strangers(self, rows: list[Row]) -> None:
        first = self._strangers
        slots = {(first + place) % STRANGERS_MAX: row for place, row in enumerate(rows)}
        values = STRANGERS.values([(slot, *row) for slot, row in slots.items()])
        self.session.connection.execute(STRANGERS.statement, values)

    def _after_commit(self, batch: Batch, rows: list[Row]) -> None:
        self._strangers = (self._strangers + len(batch.strangers)) % STRANGERS_MAX
        self.money.keep_prices()
        self.written += sum(row[STATE] != OPEN for row in rows)
        used = self.used
        for row in rows:
            used[row[TOKEN_PLACE]] = row[0]
        if batch.orders:
            batch.changes = self._changes()
