"""What a commit's calls come to together: one movement for each account, however many calls it paid or served. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from waypost.store.rows import ACCOUNT, CHARGE, OVERRUN, PERIOD, PROVIDER_ACCOUNT, SETTLED, STATE, SUBJECTS, Row

OVERRUN_ACCOUNT: Final = "overrun"


class Move(NamedTuple):
    """What happens to one account: credits less debits, and of those what calls of a month used."""

    delta: int = 0
    period: int = 0
    used: int = 0
    charged: int = 0
    """What its credits that end pay for first: every month's charges."""


class Net(NamedTuple):
    """Movements by account's name, and what was spent by subject and month."""

    moves: dict[str, Move]
    spent: dict[tuple[str, int], int]


def netted(rows: Iterable[Row]) -> Net | None:
    """The net of the rows that were settled; None where nothing moves."""
    net = Net({}, {})
    last: Row | None = None
    charges = overruns = 0
    for row in rows:
        if row[STATE] != SETTLED:
            continue
        if last is None or not _alike(row, last):  # most calls are like the one before
            if last is not None:
                _add_calls(net, last, charges, overruns)
            last, charges, overruns = row, 0, 0
        charges += row[CHARGE]
        overruns += row[OVERRUN]
    if last is not None:
        _add_calls(net, last, charges, overruns)
    return net if net.moves else None


def _alike(row: Row, last: Row) -> bool:
    """Whether the same pays the same in the same month, and for the same."""
    return bool(
        row[ACCOUNT] == last[ACCOUNT]
        and row[PROVIDER_ACCOUNT] == last[PROVIDER_ACCOUNT]
        and row[PERIOD] == last[PERIOD]
        and row[SUBJECTS] == last[SUBJECTS]
    )


def _add_calls(net: Net, like: Row, charge: int, overrun: int) -> None:
    if not charge and not overrun:
        return
    payer, provider, period = like[ACCOUNT], like[PROVIDER_ACCOUNT], like[PERIOD]
    add(net.moves, payer, Move(-charge, period, charge, charge))
    add(net.moves, provider, Move(charge + overrun))
    if overrun:
        add(net.moves, OVERRUN_ACCOUNT, Move(-overrun))
    for subject in like[SUBJECTS]:
        net.spent[subject, period] = net.spent.get((subject, period), 0) + charge


def add(moves: dict[str, Move], account: str, more: Move) -> None:
    """Put a movement to those of its account. Only the newest month's use is kept."""
    one = moves.get(account)
    if one is None:
        moves[account] = more
        return
    period = max(one.period, more.period)
    used = sum(each.used for each in (one, more) if each.period == period)
    moves[account] = Move(one.delta + more.delta, period, used, one.charged + more.charged)
