"""Ends calls that nobody is left to end: their process died, or the disk did not take their end.

Written once for both engines; it is done seldom. Whoever calls it is inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.chat import Usage
from waypost.domain.ledger import HoldState
from waypost.domain.money import Price, cost_nano_usd
from waypost.domain.problems import CODES
from waypost.domain.waybill import Outcome
from waypost.store.accounts import account_number
from waypost.store.moving import move
from waypost.store.netting import Move, Net, add
from waypost.store.rows import ESTIMATED, NAMED, OUTCOMES, PROVIDER
from waypost.store.sql import Sql
from waypost.store.standing import credits_key, spending_key

INTERRUPTED: Final = "interrupted"
WHY: Final = {
    INTERRUPTED: "The process that served it ended before the call did.",
    "ledger_unavailable": "Its end could not be written down.",
}
LOSS: Final = "loss"
TRAIL_WHY, TRAIL_SUBJECTS = 3, 7
OPEN: Final = """
  SELECT c.id, a.name, c.input, c.output, c.hold_nano_usd, c.period, provider.text, c.trail,
    p.input, p.output, p.cached_input, p.reasoning, p.request, p.version
  FROM calls c JOIN accounts a ON a.id = c.account LEFT JOIN names provider ON provider.id = c.provider
  LEFT JOIN names version ON version.id = c.price_version LEFT JOIN prices p ON p.version = version.text
  WHERE c.state = 0
"""
OPEN_OF_ONE: Final = OPEN + " AND c.epoch = :epoch"
END: Final = """
  UPDATE calls SET state = :state, provider_account = :provider, charge_nano_usd = :charge, outcome = :outcome,
    status = :status, code = :code, input = :input, cached_input = :none, output = :output, reasoning = :none,
    flags = :flags + flags, trail = :trail
  WHERE id = :id AND state = 0
"""
STILL_OPEN: Final = "SELECT id FROM calls WHERE id = :id AND state = 0"
TRAIL: Final = "SELECT trail FROM calls WHERE id = :id"
LOST: Final = """
  INSERT INTO transfers (at_ms, kind, debit, credit, amount, call, note)
  VALUES (:now, 'loss', :debit, :credit, :amount, :call, :note)
"""
ADD_WORD: Final = "INSERT INTO names (kind, text) VALUES (:kind, :text) ON CONFLICT (kind, text) DO NOTHING"
WORD: Final = "SELECT id FROM names WHERE kind = :kind AND text = :text"

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class Open(NamedTuple):
    """An open call, as it was written when it began, or at its last mark."""

    id: int
    account: str
    input: int
    output: int | None
    """What was marked; None before the first mark."""
    hold: int
    period: int
    provider: str | None
    trail: list[Any]
    price: Price | None

    @property
    def subjects(self) -> list[str]:
        return subjects_in(self.trail)

    @property
    def charge(self) -> int | None:
        """What it is settled at; None where nobody said that a word was delivered."""
        if self.price is None or self.output is None:
            return None
        return min(cost_nano_usd(self.price, Usage(self.input, 0, self.output, 0)), self.hold)

    @property
    def lost(self) -> int:
        """What its prompt costs the operator."""
        return 0 if self.price is None else cost_nano_usd(self.price, Usage(self.input, 0, 0, 0))


class Swept(NamedTuple):
    """What was ended, and by how much standing counters move."""

    ids: list[int]
    moved: list[tuple[str, int]]


def sweep(sql: Sql, epoch: int | None, now_ms: int) -> Swept:
    """End every open call of a life that is over; None: of all that ever were."""
    rows = sql.rows(OPEN) if epoch is None else sql.rows(OPEN_OF_ONE, {"epoch": epoch})
    net, swept = Net({}, {}), Swept([], [])
    for one in map(_open_of, rows):
        _end(sql, one, net, now_ms)
        swept.ids.append(one.id)
        if one.charge:
            swept.moved.append((credits_key(one.account), -one.charge))
            swept.moved.extend((spending_key(subject, one.period), -one.charge) for subject in one.subjects)
    move(sql, net)
    return swept


def void(sql: Sql, numbers: Iterable[int]) -> list[int]:
    """End these calls where they are open, without a charge: their callers were told so. Gives those that were."""
    still = [number for number in numbers if sql.value(STILL_OPEN, {"id": number}) is not None]
    code = "ledger_unavailable"
    for number in still:
        trail = _because(_unpack(sql.value(TRAIL, {"id": number})), code)
        sql.run(END, _ended(sql, number, HoldState.VOIDED, code, trail))
    return still


def begin_epoch(sql: Sql, now_ms: int, number: int | None = None) -> int:
    """A life begins: a process that will hold credits."""
    if number is None:
        number = int(sql.value("SELECT coalesce(max(id), 0) + 1 FROM epochs"))
    sql.run("INSERT INTO epochs (id, began_ms) VALUES (:id, :now)", {"id": number, "now": now_ms})
    return number


def subjects_in(trail: list[Any]) -> list[str]:
    """Whose monthly spending a call counts as that was open once."""
    return trail[TRAIL_SUBJECTS] if len(trail) > TRAIL_SUBJECTS else []


def _end(sql: Sql, one: Open, net: Net, now_ms: int) -> None:
    trail = _because(one.trail, INTERRUPTED)
    provider = PROVIDER + (one.provider or "")
    charge, lost = one.charge, one.lost
    if charge is not None:
        add(net.moves, one.account, Move(-charge, one.period, charge, charge))
        add(net.moves, provider, Move(charge))
        for subject in one.subjects:
            net.spent[subject, one.period] = net.spent.get((subject, one.period), 0) + charge
        values = _ended(sql, one.id, HoldState.SETTLED, INTERRUPTED, trail)
        usage = {"input": one.input, "output": one.output, "none": 0, "flags": ESTIMATED}
        sql.run(END, values | usage | {"charge": charge, "provider": account_number(sql, provider)})
        return
    sql.run(END, _ended(sql, one.id, HoldState.EXPIRED, INTERRUPTED, trail))
    if lost:
        add(net.moves, LOSS, Move(-lost))
        add(net.moves, provider, Move(lost))
        transfer = {"debit": account_number(sql, LOSS), "credit": account_number(sql, provider), "amount": lost}
        sql.run(LOST, transfer | {"now": now_ms, "call": one.id, "note": WHY[INTERRUPTED]})


def _ended(sql: Sql, number: int, state: HoldState, code: str, trail: bytes) -> dict[str, Any]:
    return {
        "id": number,
        "state": int(state),
        "provider": None,
        "charge": 0,
        "outcome": OUTCOMES[Outcome.FAILED],
        "status": CODES[code].status,
        "code": _word(sql, code),
        "input": None,
        "output": None,
        "none": None,
        "flags": 0,
        "trail": trail,
    }


def _open_of(row: tuple[Any, ...]) -> Open:
    number, account, read, written, hold, period, provider, trail, *price = row
    frozen = None if price[0] is None else Price(*price)
    return Open(number, account, read, written, hold, period, provider, _unpack(trail), frozen)


def _because(trail: list[Any], code: str) -> bytes:
    """Whose spending it would count as stays written: real usage may still come."""
    trail[TRAIL_WHY] = WHY[code]
    return _pack(trail)


def _word(sql: Sql, code: str) -> int:
    word = {"kind": NAMED.index("code"), "text": code}
    sql.run(ADD_WORD, word)
    return int(sql.value(WORD, word))
