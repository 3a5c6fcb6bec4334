"""What one transaction writes, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from waypost.domain.problems import Failed, Problem
from waypost.domain.waybill import Waybill
from waypost.store.books import Change
from waypost.store.commands import BUG_FIX
from waypost.store.rows import Row, stranger_row

log = logging.getLogger("waypost.store")


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
    """Waybills, commands and refused unknown callers, in the order in which they came."""

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

    def prepare(self, make: Callable[[Waybill], Row]) -> None:
        """Make the rows; needs no transaction, so that a batch tried again does not make them again."""
        try:
            self.rows = [make(bill) for bill, _ in self.bills]
        except Exception:  # noqa: BLE001 (one waybill nobody can write must not take the others with it)
            self.rows = [row for bill, _ in self.bills if (row := self._make_one(make, bill)) is not None]
        for sheet in self.sheets:
            self.rows += sheet.rows
            self.strangers += sheet.strangers

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
