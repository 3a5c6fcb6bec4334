"""The words of money that more than one room uses: how holds end, and months."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

MONTHS: Final = 12


class HoldState(IntEnum):
    """Where a hold stands. Only `OPEN` changes, but for real usage that comes late: `EXPIRED` to `SETTLED`."""

    OPEN = 0
    SETTLED = 1
    VOIDED = 2
    EXPIRED = 3


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


def _begins(period: int) -> int:
    year, month = divmod(period, 100)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)
