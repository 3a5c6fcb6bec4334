"""`waypost credits`: through the owner while a server runs, else straight into the data folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from waypost.cli.amounts import exact_usd, iso_of, later_ms, local_time, nano_usd_of
from waypost.cli.columns import Column, show_list, show_one
from waypost.cli.holders import Books, Holder, books_at
from waypost.cli.options import Call, usage_error
from waypost.cli.screen import plain
from waypost.domain.ledger import Movement, Transfer, period_of
from waypost.domain.requests import request_id, request_number
from waypost.store.accounts import transfers
from waypost.store.statements import Statement, statement
from waypost.store.visitor import visit

REQUEST: Final = "req_"
PAGE: Final = 1_000
Row = dict[str, Any]


def show_credits(call: Call, name: str | None) -> None:
    """What somebody has, or everybody."""
    with books_at(call.where) as books:
        if name is not None:
            told = _told(books, [books.holder(name)])[0]
            show_one(call.screen, told, facts(told))
            return
        show_list(call.screen, _told(books, books.holders()), COLUMNS, "There is nobody yet.")


def grant(call: Call, name: str, amount: str, expires: str | None, **more: Any) -> None:
    """Credits from the operator."""
    _give(call, "credits.grant", name, amount, expires, more)


def top_up(call: Call, name: str, amount: str, expires: str | None, **more: Any) -> None:
    """Credits that were paid for."""
    if more["outside_id"] is None:
        hint = (
            "Give the payment's name with --outside-id; said twice, it counts once. For a gift: waypost credits grant."
        )
        raise usage_error("A top-up is for a payment, and none is named.", hint)
    _give(call, "credits.topup", name, amount, expires, more)


def _give(call: Call, command: str, name: str, amount: str, expires: str | None, more: Row) -> None:
    wanted = {"amount": nano_usd_of(amount, "AMOUNT"), "expires_at": later_ms(expires, "--expires"), **more}
    with books_at(call.where) as books:
        holder = books.holder(name)
        _move(call, books, holder, command, {"account": holder.account, **wanted})


def refund(call: Call, what: str, amount: str | None, **more: Any) -> None:
    """Of a request, to its payer; or out of an account."""
    wanted: Row = {**more, "amount": None if amount is None else nano_usd_of(amount, "AMOUNT")}
    with books_at(call.where) as books:
        if not what.startswith(REQUEST):
            if amount is None:
                raise usage_error("How much is taken back must be said.", f"waypost credits refund {plain(what)} USD")
            holder = books.holder(what)
            _move(call, books, holder, "credits.refund", {"account": holder.account, **wanted})
            return
        number = request_number(what)
        if number is None:
            raise usage_error(f"{what!r} is no request's id.", "An id is req_ and 13 characters.")
        _move(call, books, None, "credits.refund", {"call": number, **wanted})


def allow(call: Call, name: str, amount: str) -> None:
    """How far below nothing an account may go."""
    most = nano_usd_of(amount, "AMOUNT")
    if most < 0:
        raise usage_error("AMOUNT is how much may be owed, and is not below 0.", "Leave the minus out.")
    with books_at(call.where) as books:
        holder = books.holder(name)
        _move(call, books, holder, "credits.allow", {"account": holder.account, "floor": -most})


def show_history(call: Call, name: str, limit: int) -> None:
    """What moved besides calls, newest first."""
    with books_at(call.where) as books:
        holder = books.holder(name)
        users = {user.id: user.name for user in books.reader.users()}
        found = books.reader.ask(lambda sql: transfers(sql, holder.account, None, limit))
    rows = [as_json(one, holder.account, users) for one in found]
    show_list(call.screen, rows, HISTORY, f"Nothing has moved on {plain(name)}'s account besides calls.")


def _move(call: Call, books: Books, holder: Holder | None, command: str, args: Row) -> None:
    """Have it done, and show what was done."""
    with visit(*books.place) as run:
        movement: Movement = run(command, {key: value for key, value in args.items() if value is not None})
    if holder is None:
        holder = next(one for one in books.holders() if one.account == movement.account)
    transfer = movement.transfer
    row = {
        "name": holder.name,
        "account": holder.account,
        "balance_nano_usd": movement.balance,
        "balance_usd": exact_usd(movement.balance),
        "may_owe_usd": exact_usd(-movement.floor),
        "again": movement.again,
        "transfer": None if transfer is None else as_json(transfer, movement.account, {}),
    }
    if call.screen.human and movement.again:
        call.screen.note("That was done before under this outside id; nothing moved now.")
    show_one(call.screen, row, _done(row))


def _done(row: Row) -> list[tuple[str, Any]]:
    transfer = row["transfer"]
    moved = [] if transfer is None else [(transfer["kind"], transfer["amount_usd"])]
    owes = [("may owe", row["may_owe_usd"])] if row["may_owe_usd"] != exact_usd(0) else []
    return [("balance", row["balance_usd"]), ("of", row["name"]), *moved, *owes]


def _told(books: Books, holders: list[Holder]) -> list[Row]:
    period = period_of(int(datetime.now(UTC).timestamp() * 1000))
    found = books.reader.ask(lambda sql: [statement(sql, one.account, period, one.included) for one in holders])
    return [statement_json(holder, told) for holder, told in zip(holders, found, strict=True)]


def statement_json(holder: Holder, told: Statement) -> Row:
    """An account as programs read it: nano-USD, and USD to the last digit."""
    amounts = {
        "balance": told.balance,
        "held": told.account.held,
        "free": told.free,
        "may_owe": -told.account.floor,
        "included": holder.included,
        "included_left": told.included_left,
    }
    return {
        "name": holder.name,
        "type": holder.type,
        "account": holder.account,
        **{f"{name}_nano_usd": nano for name, nano in amounts.items()},
        **{f"{name}_usd": exact_usd(nano) for name, nano in amounts.items()},
        "ending": [
            {"kind": lot.kind, "left_usd": exact_usd(lot.remaining), "ends_at": iso_of(lot.expires_at)}
            for lot in told.lots
        ],
    }


def facts(row: Row) -> list[tuple[str, Any]]:
    """An account as people read it."""
    ending = [f"{lot['left_usd']} ({lot['kind']}) until {local_time(lot['ends_at'])}" for lot in row["ending"]]
    return [
        ("balance", row["balance_usd"]),
        ("of", f"{row['type']} {row['name']}"),
        ("held", f"{row['held_usd']} for calls under way"),
        ("free", row["free_usd"]),
        ("may owe", row["may_owe_usd"] if row["may_owe_nano_usd"] else None),
        ("each month", f"{row['included_usd']}, of which {row['included_left_usd']} are left"),
        ("ending", ending or None),
    ]


def as_json(transfer: Transfer, account: str, users: dict[int, str]) -> Row:
    """A transfer as the account sees it: what it took is negative."""
    amount = transfer.amount if transfer.credit == account else -transfer.amount
    return {
        "id": transfer.id,
        "at": iso_of(transfer.at_ms),
        "kind": transfer.kind,
        "amount_nano_usd": amount,
        "amount_usd": exact_usd(amount),
        "outside_id": transfer.outside_id,
        "request": None if transfer.call is None else request_id(transfer.call),
        "by": users.get(transfer.by_user or 0),
        "ends_at": iso_of(transfer.expires_at),
        "note": transfer.note,
    }


COLUMNS: Final = (
    Column("NAME", lambda row: row["name"], flex=True),
    Column("TYPE", lambda row: row["type"], spare=3),
    Column("BALANCE", lambda row: row["balance_usd"], right=True, key="balance_usd"),
    Column("HELD", lambda row: row["held_usd"], right=True, key="held_usd", spare=2),
    Column("FREE", lambda row: row["free_usd"], right=True, key="free_usd", spare=1),
    Column("MAY OWE", lambda row: row["may_owe_usd"], right=True, key="may_owe_usd", spare=4),
    Column("EACH MONTH", lambda row: row["included_usd"], right=True, key="included_usd", spare=5),
)
HISTORY: Final = (
    Column("ID", lambda row: row["id"], right=True),
    Column("AT", lambda row: row["at"], local_time, spare=1),
    Column("KIND", lambda row: row["kind"]),
    Column("AMOUNT", lambda row: row["amount_usd"], right=True, key="amount_usd"),
    Column("OUTSIDE ID", lambda row: row["outside_id"], flex=True, key="outside_id", spare=2),
    Column("REQUEST", lambda row: row["request"], optional=True, spare=3),
    Column("ENDS", lambda row: row["ends_at"], local_time, optional=True, key="ends_at", spare=4),
    Column("BY", lambda row: row["by"], optional=True, spare=5),
    Column("NOTE", lambda row: row["note"], flex=True, optional=True),
)
