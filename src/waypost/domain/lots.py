"""Lots: credits that end. Which of them a charge uses first, and what is left of them. Pure.

A lot is part of its account's balance: together, an account's lots are never more than what it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Lot(NamedTuple):
    """Credits that end."""

    id: int
    """Of the transfer that brought them."""
    remaining: int
    """Nano-USD not used yet."""
    expires_at: int
    """Unix milliseconds."""


def used(lots: Iterable[Lot], amount: int) -> dict[int, int]:
    """A charge uses what ends first. Gives what remains of each lot that it changes; the rest is paid by other credits.

    Lots of the same end are used in the order in which they came. One whose end has passed counts as long as something
    remains of it: calls that held it then may still be charged.
    """
    left: dict[int, int] = {}
    for lot in sorted(lots, key=_order):
        if amount <= 0:
            break
        share = min(lot.remaining, amount)
        amount -= share
        if share:
            left[lot.id] = lot.remaining - share
    return left


def within(lots: Iterable[Lot], balance: int) -> dict[int, int]:
    """Cut lots down to a balance that was corrected, or that a debt had lessened before they came.

    Other credits go first, for most corrections are about them. Gives what remains of each lot that changes.
    """
    lots = list(lots)
    return used(lots, sum(lot.remaining for lot in lots) - max(0, balance))


def _order(lot: Lot) -> tuple[int, int]:
    return lot.expires_at, lot.id
