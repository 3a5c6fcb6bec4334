"""What a call came to: usage × the price frozen at its hold, never above the hold. Pure; the table is `ledger.md`'s."""

from __future__ import annotations

from enum import StrEnum

from waypost.domain.chat import Usage
from waypost.domain.ledger import VOID, HoldState, Settlement
from waypost.domain.money import Price, cost_nano_usd


class Ended(StrEnum):
    """How a call that had gone out ended."""

    DONE = "done"
    """The answer is complete."""
    BROKEN = "broken"
    """The provider failed after some words."""
    GONE = "gone"
    """The caller left."""
    UNSERVED = "unserved"
    """Nobody said a word."""


def settlement(ended: Ended, hold: int, price: Price, counted: Usage | None, delivered: Usage) -> Settlement:
    """Settle a hold. `counted` is the provider's believable usage, `delivered` our estimate of what was handed on.

    | ended | counted | not counted |
    |---|---|---|
    | done | its cost | the estimate's, at most the hold |
    | broken | its cost | nothing |
    | gone | its cost | the estimate's, at most the hold |
    | unserved | nothing | nothing |
    """
    if ended is Ended.UNSERVED:
        return VOID
    if counted is not None:
        cost = cost_nano_usd(price, counted)
        return Settlement(HoldState.SETTLED, counted, min(cost, hold), max(0, cost - hold))
    if ended is Ended.BROKEN:
        return Settlement(HoldState.VOIDED, delivered, 0)
    return Settlement(HoldState.SETTLED, delivered, min(cost_nano_usd(price, delivered), hold))
