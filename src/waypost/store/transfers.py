"""Moving credits between two accounts: one row in `transfers`, both balances, lots, and once for each outside id."""

from __future__ import annotations

from typing import Final, NamedTuple

from waypost.domain.ledger import Account, Movement, Transfer
from waypost.domain.lots import Lot, within
from waypost.domain.money import NANO_USD_PER_USD
from waypost.store.accounts import (
    OVERRUN,
    account_named,
    account_number,
    is_payer,
    keep_lots,
    open_lots,
    transfer_by,
    transfer_under,
)
from waypost.store.desk import Desk, invalid

AMOUNT_NANO_USD_MAX: Final = 100_000_000 * NANO_USD_PER_USD
BALANCE_NANO_USD_MAX: Final = 9_000_000_000 * NANO_USD_PER_USD
OUTSIDE_ID_LENGTH_MAX: Final = 255
NOTE_LENGTH_MAX: Final = 500
INSERT: Final = """
  INSERT INTO transfers (at_ms, kind, debit, credit, amount, outside_id, call, about, note, by_user)
  VALUES (:at, :kind, :debit, :credit, :amount, :outside_id, :call, :about, :note, :by) RETURNING id
"""


class Wanted(NamedTuple):
    """A transfer that is to be made. Accounts by their names."""

    kind: str
    debit: str
    credit: str
    amount: int
    outside_id: str | None = None
    call: int | None = None
    about: int | None = None
    note: str = ""
    by: int | None = None
    expires_at: int | None = None

    @property
    def payer(self) -> str:
        """The user's or organisation's account among the two."""
        return self.credit if is_payer(self.credit) else self.debit


def checked(wanted: Wanted) -> Wanted:
    """The same, or a Refusal for what no transfer can be."""
    if not 0 < wanted.amount <= AMOUNT_NANO_USD_MAX:
        most = AMOUNT_NANO_USD_MAX // NANO_USD_PER_USD
        raise invalid(
            "amount",
            f"An amount is 1 nano-USD to {most:,} USD.",
            why=f"it is {wanted.amount} nano-USD",
            fix="Give an amount above 0; what is to be taken back is a refund.",
        )
    if wanted.outside_id is not None and not 0 < len(wanted.outside_id) <= OUTSIDE_ID_LENGTH_MAX:
        raise invalid("outside_id", f"An outside id has 1 to {OUTSIDE_ID_LENGTH_MAX} characters.")
    if len(wanted.note) > NOTE_LENGTH_MAX:
        raise invalid("note", f"A note has at most {NOTE_LENGTH_MAX} characters.", fix="Shorten it.")
    return wanted


def done_before(desk: Desk, wanted: Wanted) -> Movement | None:
    """The answer to what came under this outside id already. Raises Refusal where that was something else.

    When the credits end is not compared: "in 90 days" is another moment each time it is said, and the first one stands.
    """
    known = None if wanted.outside_id is None else transfer_under(desk.sql, wanted.outside_id)
    if known is None:
        return None
    different = [
        f"{name} was {getattr(known, name)}, now {getattr(wanted, name)}"
        for name in ("kind", "debit", "credit", "amount", "call")
        if getattr(known, name) != getattr(wanted, name)
    ]
    if different:
        raise invalid(
            "outside_id",
            f"Under {known.outside_id!r} something else was done already, so nothing was moved.",
            why=f"transfer {known.id}: {'; '.join(different)}",
            fix="Use a new outside id for every new transfer, and the same one only to repeat it.",
        )
    return _movement(desk, wanted.payer, known)._replace(again=True)


def move(desk: Desk, wanted: Wanted, free: int | None = None) -> Movement:
    """Make the transfer, or find that it was made.

    Where the payer gives and only `free` of it can be taken, the operator's overrun bears the rest: the payer is
    debited all and credited the rest, so that both stand in the books.
    """
    known = done_before(desk, checked(wanted))
    if known is not None:
        return known
    made = post(desk, wanted)
    rest = 0 if free is None else wanted.amount - max(0, min(free, wanted.amount))
    if rest:
        post(desk, Wanted("overrun", OVERRUN, wanted.payer, rest, about=made.id, note=wanted.note, by=wanted.by))
    trim_lots(desk, wanted.payer)
    delta = wanted.amount if wanted.credit == wanted.payer else rest - wanted.amount
    return _movement(desk, wanted.payer, transfer_by(desk.sql, made.id), delta)


def post(desk: Desk, wanted: Wanted) -> Transfer:
    """The row and both balances. The caller sees to outside ids and to what lots become."""
    sql = desk.sql
    debit, credit = account_number(sql, wanted.debit), account_number(sql, wanted.credit)
    for number, amount in ((debit, -wanted.amount), (credit, wanted.amount)):
        add_posted(desk, number, amount)
    values = {"at": desk.now_ms, **wanted._asdict(), "debit": debit, "credit": credit}
    expires_at = values.pop("expires_at")
    made = int(sql.value(INSERT, values))
    if expires_at is not None:
        lot = {"id": made, "account": credit, "amount": wanted.amount, "expires_at": expires_at}
        sql.run(
            "INSERT INTO lots (id, account, remaining, expires_at) VALUES (:id, :account, :amount, :expires_at)", lot
        )
    return transfer_by(sql, made)


def add_posted(desk: Desk, account: int, amount: int) -> None:
    """Change a balance. Raises Refusal where it would be more than can be counted."""
    posted = int(desk.sql.value("SELECT posted FROM accounts WHERE id = :id", {"id": account})) + amount
    if abs(posted) > BALANCE_NANO_USD_MAX:
        most = BALANCE_NANO_USD_MAX // NANO_USD_PER_USD
        raise invalid("amount", f"No account holds more than {most:,} USD, either way.")
    desk.sql.run("UPDATE accounts SET posted = :posted WHERE id = :id", {"posted": posted, "id": account})


def trim_lots(desk: Desk, account: str) -> None:
    """Lots are never more than the balance."""
    found = account_named(desk.sql, account)
    if found is not None:
        lots: list[Lot] = open_lots(desk.sql, found.id)
        keep_lots(desk.sql, within(lots, found.posted))


def where_it_stands(account: Account) -> Movement:
    """The answer where nothing was to be moved."""
    return Movement(account.name, account.posted, account.floor)


def _movement(desk: Desk, payer: str, transfer: Transfer, delta: int = 0) -> Movement:
    found = account_named(desk.sql, payer)
    assert found is not None  # noqa: S101 (something moved on it)
    return Movement(payer, found.posted, found.floor, transfer, ((payer, delta),) if delta else ())
