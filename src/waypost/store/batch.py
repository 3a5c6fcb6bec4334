"""What one transaction writes, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from waypost.domain.money import Price
from waypost.domain.problems import Failed, Problem
from waypost.domain.waybill import Waybill
from waypost.store.books import Change, Mark
from waypost.store.commands import BUG_FIX
from waypost.store.netting import Net
from waypost.store.openings import Opening
from waypost.store.rows import EPOCH, OPEN, STATE, Row, stranger_row

log = logging.getLogger("waypost.store")


class EndedAlreadyError(ValueError):
    """There is such a call, and it is not open."""


class Order(NamedTuple):
    """A command to run in the next batch, and what to hand its result to."""

    name: str
    args: dict[str, Any]
    done: Any


class Sheet(NamedTuple):
    """Rows that a worker made, and what to tell when they are written."""

    rows: list[Any]
    strangers: list[Row]
    done: Any
    epoch: int = 0
    """The worker's life."""
    prices: Sequence[Price] = ()
    """What its calls were held at, where it did not say so before."""


class Batch:
    """Waybills, commands and refused unknown callers, in the order in which they came."""

    __slots__ = (
        "allowed", "bills", "changes", "epoch", "marks", "moved", "net", "opens", "orders", "prices", "problem",
        "problems", "results", "rows", "sheets", "spent", "strangers",
    )  # fmt: skip

    def __init__(
        self,
        bills: list[tuple[Waybill, Any]],
        sheets: list[Sheet],
        orders: list[Order],
        strangers: list[Waybill],
        opens: Sequence[Opening] = (),
        marks: Sequence[Mark] = (),
    ) -> None:
        self.bills = bills
        self.sheets = sheets
        self.orders = orders
        self.opens = opens
        """Calls of this process that run, taken after `bills`: so none of them is among those."""
        self.marks = marks
        self.epoch = 0
        """This process's life, which its open calls belong to."""
        self.prices: list[Price] = []
        self.net: Net | None = None
        """What the rows come to."""
        self.moved: list[tuple[str, int]] = []
        """What the orders credited to accounts, or debited, beside what calls take and give."""
        self.allowed: list[tuple[str, int]] = []
        """Accounts and their new floors."""
        self.spent: list[tuple[str, int, int]] = []
        """What counts as spent beside what these calls do: subject, month, amount."""
        self.strangers: list[Row] = [stranger_row(bill) for bill in strangers]
        self.rows: list[Row] = []
        self.results: list[Any] = []
        """One for each order: its result, or the Problem it raised."""
        self.changes: list[Change] = []
        self.problem: Problem | None = None
        """Why nothing of this batch was written."""
        self.problems: dict[int, Problem] = {}
        """Waybill id → why this one was not, though the others were."""

    def prepare(self, make: Callable[[Waybill], Row], make_open: Callable[[Waybill, int], Row] | None = None) -> None:
        """Make the rows; needs no transaction, so that a batch tried again does not make them again."""
        try:
            self.rows = [make(bill) for bill, _ in self.bills]
        except Exception:  # noqa: BLE001 (one waybill nobody can write must not take the others with it)
            self.rows = [row for bill, _ in self.bills if (row := self._make_one(make, bill)) is not None]
        if self.opens and make_open is not None:
            self._open(make_open)
        if self.sheets:
            self._take_in(self.sheets)

    def _open(self, make_open: Callable[[Waybill, int], Row]) -> None:
        def make(bill: Waybill) -> Row:
            return make_open(bill, self.epoch)

        self.rows += [row for one in self.opens if (row := self._make_one(make, one.bill)) is not None]

    def _take_in(self, sheets: list[Sheet]) -> None:
        opens = False
        for sheet in sheets:
            for row in sheet.rows:
                if row[STATE] == OPEN:
                    row[EPOCH] = sheet.epoch
                    opens = True
            self.rows += sheet.rows
            self.strangers += sheet.strangers
            self.prices += sheet.prices
        if opens:  # a call may have begun in one sheet and ended in the next: no statement writes it twice
            self.rows = list({row[0]: row for row in self.rows}.values())

    def unwritable(self, number: int, error: Exception) -> None:
        """This waybill was left out."""
        log.error("waybill %d cannot be written", number, exc_info=error)
        self.problems[number] = Failed(
            "internal_error",
            "The record of this request cannot be written.",
            why=f"{type(error).__name__}: {error}",
            fix=BUG_FIX,
        )

    def _make_one(self, make: Callable[[Waybill], Row], bill: Waybill) -> Row | None:
        try:
            return make(bill)
        except Exception as error:  # noqa: BLE001 (whatever it is, the waybill is left out and the caller told)
            self.unwritable(bill.id, error)
            return None
