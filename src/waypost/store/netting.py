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
    alike: dict[tuple[str, str, int, tuple[str, ...]], tuple[int, int]] = {}
    for row in rows:
        if row[STATE] == SETTLED:
            charge, overrun = row[CHARGE], row[OVERRUN]
            if charge or overrun:
                key = (row[ACCOUNT], row[PROVIDER_ACCOUNT], row[PERIOD], tuple(row[SUBJECTS]))
                before = alike.get(key)
                alike[key] = (charge, overrun) if before is None else (before[0] + charge, before[1] + overrun)
    if not alike:
        return None
    net = Net({}, {})
    for (payer, provider, period, subjects), (charge, overrun) in alike.items():
        add(net.moves, payer, Move(-charge, period, charge, charge))
        add(net.moves, provider, Move(charge + overrun))
        if overrun:
            add(net.moves, OVERRUN_ACCOUNT, Move(-overrun))
        for subject in subjects:
            net.spent[subject, period] = net.spent.get((subject, period), 0) + charge
    return net


def add(moves: dict[str, Move], account: str, more: Move) -> None:
    """Put a movement to those of its account. Only the newest month's use is kept."""
    one = moves.get(account)
    if one is None:
        moves[account] = more
        return
    period = max(one.period, more.period)
    used = sum(each.used for each in (one, more) if each.period == period)
    moves[account] = Move(one.delta + more.delta, period, used, one.charged + more.charged)
