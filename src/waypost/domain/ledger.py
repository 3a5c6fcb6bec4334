"""The words of money that more than one room uses: how holds end, months, accounts and what moves between them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, NamedTuple

from waypost.domain.chat import Usage

MONTHS: Final = 12


class HoldState(IntEnum):
    """Where a hold stands. Only `OPEN` changes, but for real usage that comes late: `EXPIRED` to `SETTLED`."""

    OPEN = 0
    SETTLED = 1
    VOIDED = 2
    EXPIRED = 3


class Settlement(NamedTuple):
    """What a call came to: what its payer pays, and what the operator does."""

    state: HoldState
    usage: Usage | None
    charge: int
    """Nano-USD the payer pays, at most the hold."""
    overrun: int = 0
    """Nano-USD that the provider's count comes to above the hold: the operator's loss."""


VOID: Final = Settlement(HoldState.VOIDED, None, 0)


def period_of(unix_ms: int) -> int:
    """The UTC month of a moment, as 202611."""
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return at.year * 100 + at.month


def period_range(period: int) -> tuple[int, int]:
    """First Unix millisecond of a month, and of the month after it."""
    return _begins(period), _begins(next_period(period))


def next_period(period: int) -> int:
    """The month after."""
    year, month = divmod(period, 100)
    return (year + 1) * 100 + 1 if month == MONTHS else period + 1


def period_before(period: int) -> int:
    """The month before."""
    year, month = divmod(period, 100)
    return (year - 1) * 100 + MONTHS if month == 1 else period - 1


def _begins(period: int) -> int:
    year, month = divmod(period, 100)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)


class Account(NamedTuple):
    """What somebody has. Amounts are nano-USD."""

    id: int
    name: str
    """`user:1`, `org:3`, `provider:alpha`, `granted`, `overrun`, `loss`."""
    posted: int
    """Everything credited to it less everything debited."""
    floor: int
    """How far it may go below nothing."""
    period: int
    """The month in which it was last charged; 0 before its first charge."""
    period_used: int
    """Charged in that month."""
    held: int
    """Set aside for calls that run."""

    @property
    def free(self) -> int:
        """What can be held or taken."""
        return self.posted - self.held - self.floor


class Transfer(NamedTuple):
    """Credits that moved, but not by a call."""

    id: int
    at_ms: int
    kind: str
    """`grant`, `included`, `topup`, `refund`, `expiry`, `adjustment`, `carried`, `loss` or `overrun`."""
    debit: str
    credit: str
    amount: int
    outside_id: str | None = None
    """A name from outside: what came under it once never moves again."""
    call: int | None = None
    """Number of the call it is about."""
    about: int | None = None
    """The transfer it is about: whose lot ended, or whose rest the operator bears."""
    note: str = ""
    by_user: int | None = None
    """Id of the user who ordered it."""
    expires_at: int | None = None
    """Of credits that end, Unix milliseconds."""


class Movement(NamedTuple):
    """What a command did with an account's credits, and where that leaves it."""

    account: str
    balance: int
    """Posted, when the command was done."""
    floor: int
    transfer: Transfer | None = None
    """None where nothing was to be moved."""
    moved: tuple[tuple[str, int], ...] = ()
    """Payer's account and nano-USD credited (negative: debited): what `credits:…` counters must follow."""
    spent: tuple[tuple[str, int], ...] = ()
    """`<subject>:<month>` and nano-USD charged: what `spend:…` counters must follow."""
    again: bool = False
    """It had been done before under the same outside id, and nothing moved now."""
