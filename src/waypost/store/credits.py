"""Credits: the commands that give them, take them back and let them end. Each answers with a `Movement`.

A command that takes credits away is told by the owner how much of them it could take in memory (`taken`), so that calls
that run keep what they hold: the owner takes `takes(…)` first, and gives that back when `Movement.moved` has told it
what really went. Without a running server nothing is held in memory, and `taken` is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.ledger import Account, HoldState, Movement, period_range
from waypost.domain.requests import request_id
from waypost.store.accounts import GRANTED, LOSS, Due, due_lots, payer_account, transfer_under
from waypost.store.desk import Command, Commands, Desk, invalid
from waypost.store.standing import included_id
from waypost.store.transfers import BALANCE_NANO_USD_MAX, Wanted, move, where_it_stands

PERIODS: Final = range(197_001, 1_000_000)
CALL: Final = """
  SELECT a.name, c.state, c.charge_nano_usd,
    (SELECT coalesce(sum(amount), 0) FROM transfers WHERE call = c.id AND kind = 'refund')
  FROM calls c LEFT JOIN accounts a ON a.id = c.account WHERE c.id = :id
"""
LOT: Final = """
  SELECT a.name, l.remaining, l.expires_at FROM lots l JOIN accounts a ON a.id = l.account WHERE l.id = :id
"""


class GrantArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.grant. `expires_at` is Unix milliseconds; None is never."""

    account: str
    amount: int
    note: str = ""
    outside_id: str | None = None
    expires_at: int | None = None
    by: int | None = None


class TopUpArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.topup: what was paid for has a name at whoever took the money."""

    account: str
    amount: int
    outside_id: str
    note: str = ""
    expires_at: int | None = None
    by: int | None = None


class RefundArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.refund: either of a call, to its payer; or of an amount, out of an account."""

    call: int | None = None
    account: str | None = None
    amount: int | None = None
    """Of a call: None is all that is left of its charge."""
    note: str = ""
    outside_id: str | None = None
    by: int | None = None
    taken: int | None = None


class AdjustArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.adjust. A negative amount takes away."""

    account: str
    amount: int
    note: str = ""
    outside_id: str | None = None
    by: int | None = None
    taken: int | None = None


class ExpireArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.expire: one of `accounts.due_lots`."""

    lot: int
    taken: int | None = None


class LotArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.expiring."""

    lot: int


class DueArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.due."""


class IncludedArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.included."""

    account: str
    period: int
    amount: int


class AllowArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of credits.allow: how far below nothing the account may go, as a number that is not above 0."""

    account: str
    floor: int
    taken: int | None = None


class Taking(NamedTuple):
    """What the owner should take in memory before a command runs."""

    account: str
    amount: int


def grant(desk: Desk, args: GrantArgs | TopUpArgs, kind: str = "grant") -> Movement:
    """Credits from the operator. With an end, they are a lot."""
    account = payer_account(desk.sql, args.account)
    if args.expires_at is not None and args.expires_at < 0:
        raise invalid("expires_at", "That is no time at which credits could end.")
    wanted = Wanted(
        kind,
        GRANTED,
        account.name,
        args.amount,
        args.outside_id,
        note=args.note,
        by=args.by,
        expires_at=args.expires_at,
    )
    return move(desk, wanted)


def top_up(desk: Desk, args: TopUpArgs) -> Movement:
    """Credits that were paid for."""
    return grant(desk, args, "topup")


def included(desk: Desk, args: IncludedArgs) -> Movement:
    """A month's included credits, once; they end with the month."""
    if args.period not in PERIODS or not 1 <= args.period % 100 <= 12:
        raise invalid("period", "A month is written as 202611.")
    account = payer_account(desk.sql, args.account)
    outside_id = included_id(account.name, args.period)
    known = transfer_under(desk.sql, outside_id)
    if known is not None:  # whatever the settings say by now
        return where_it_stands(account)._replace(transfer=known, again=True)
    if args.amount == 0:
        return where_it_stands(account)
    ends = period_range(args.period)[1]
    return move(desk, Wanted("included", GRANTED, account.name, args.amount, outside_id, expires_at=ends))


def refund(desk: Desk, args: RefundArgs) -> Movement:
    """Give back what a call cost, at the operator's loss; or take back credits whose price is paid back elsewhere."""
    if (args.call is None) == (args.account is None):
        raise invalid("call", "Name the call whose charge is given back, or the account that is paid out; not both.")
    if args.call is not None:
        return _refund_call(desk, args, args.call)
    if args.amount is None:
        raise invalid("amount", "How much is paid out must be said.")
    account = payer_account(desk.sql, str(args.account))
    wanted = Wanted("refund", account.name, GRANTED, args.amount, args.outside_id, note=args.note, by=args.by)
    return move(desk, wanted, _free(account, args.taken))


def _refund_call(desk: Desk, args: RefundArgs, call: int) -> Movement:
    row = desk.sql.row(CALL, {"id": call})
    known = None if args.outside_id is None else transfer_under(desk.sql, args.outside_id)
    if row is None or row[1] != HoldState.SETTLED:
        raise invalid(
            "call",
            f"{request_id(call)} is no call that was charged, so there is nothing to give back.",
            why="there is no record of it (any more)" if row is None else "it cost nothing, or has not ended",
            fix="`waypost requests list` shows charges; `waypost credits grant` gives for other reasons.",
        )
    payer, _, charge, earlier = row
    amount = args.amount
    if amount is None:
        amount = charge - earlier if known is None else known.amount
    wanted = Wanted("refund", LOSS, payer, amount, args.outside_id, call=call, note=args.note, by=args.by)
    if (known is None and amount > charge - earlier) or amount <= 0:
        raise invalid(
            "amount",
            f"Of the charge of {request_id(call)}, {charge - earlier} nano-USD can be given back.",
            why=f"it was {charge} nano-USD, {earlier} of them were given back before, and this asks for {amount}",
        )
    return move(desk, wanted)


def adjust(desk: Desk, args: AdjustArgs) -> Movement:
    """Mend a mistake, either way."""
    account = payer_account(desk.sql, args.account)
    up = args.amount > 0
    between = (GRANTED, account.name) if up else (account.name, GRANTED)
    wanted = Wanted("adjustment", *between, abs(args.amount), args.outside_id, note=args.note, by=args.by)
    return move(desk, wanted, None if up else _free(account, args.taken))


def expire(desk: Desk, args: ExpireArgs) -> Movement:
    """Take back what remains of a lot whose end has passed. What calls hold of it stays until they have ended."""
    row = desk.sql.row(LOT, {"id": args.lot})
    if row is None:
        raise invalid("lot", f"There is no lot {args.lot}.")
    name, remaining, expires_at = row
    account = payer_account(desk.sql, name)
    if expires_at > desk.now_ms:
        raise invalid("lot", f"Lot {args.lot} has not ended yet.", why=f"it ends at {expires_at}, now is {desk.now_ms}")
    amount = max(0, min(remaining, _free(account, args.taken)))
    if amount == 0:
        return where_it_stands(account)
    desk.sql.run("UPDATE lots SET remaining = remaining - :amount WHERE id = :id", {"amount": amount, "id": args.lot})
    return move(desk, Wanted("expiry", account.name, GRANTED, amount, about=args.lot))


def expiring(desk: Desk, args: LotArgs) -> Taking | None:
    """What the owner should take before it runs credits.expire."""
    row = desk.sql.row(LOT, {"id": args.lot})
    return None if row is None or row[1] <= 0 else Taking(row[0], row[1])


def due(desk: Desk, _args: DueArgs) -> list[Due]:
    """Some of the lots that are to be taken back with credits.expire, those first that ended first."""
    return due_lots(desk.sql, desk.now_ms)


def allow(desk: Desk, args: AllowArgs) -> Movement:
    """Say how far below nothing an account may go. It is never put above where the account stands."""
    account = payer_account(desk.sql, args.account)
    if not -BALANCE_NANO_USD_MAX <= args.floor <= 0:
        raise invalid("floor", "A floor is 0, or below 0 for an account that may owe.")
    free = _free(account, args.taken)
    if args.floor - account.floor > max(0, free):
        raise invalid(
            "floor",
            f"The account stands too low for a floor of {args.floor} nano-USD.",
            why=f"its floor is {account.floor}, and only {free} above that is free",
            fix=f"Choose {account.floor + max(0, free)} or less; nothing more can be spent then.",
        )
    desk.sql.run("UPDATE accounts SET floor = :floor WHERE id = :id", {"floor": args.floor, "id": account.id})
    desk.allowed(account.name, args.floor)
    return where_it_stands(account._replace(floor=args.floor))


def takes(command: str, args: Mapping[str, Any], floor: int = 0) -> Taking | None:
    """What the owner should take in memory before it runs a command, as much of it as is free; None for most.

    `floor` is the account's as it is now. Of the commands in ASKS the books must be asked instead.
    """
    account, amount = args.get("account"), args.get("amount")
    if not isinstance(account, str):
        return None
    if command == "credits.allow" and isinstance(args.get("floor"), int):
        amount = args["floor"] - floor
    elif command == "credits.adjust" and isinstance(amount, int):
        amount = -amount
    elif command != "credits.refund":
        return None
    return Taking(account, amount) if isinstance(amount, int) and amount > 0 else None


def _free(account: Account, taken: int | None) -> int:
    return account.free if taken is None else taken


def telling(run: Callable[[Desk, Any], Movement]) -> Callable[[Desk, Any], Movement]:
    """The same; when it is done, whoever counts credits in memory is told."""

    def told(desk: Desk, args: Any) -> Movement:
        movement = run(desk, args)
        for account, amount in movement.moved:
            desk.moved(account, amount)
        return movement

    return told


ASKS: Final = {"credits.expire": "credits.expiring", "ledger.settle_late": "ledger.settling_late"}
"""Commands of which only the books know what they will take → the command with the same arguments that says it."""
COMMANDS: Final[Commands] = {
    "credits.grant": Command(GrantArgs, telling(grant)),
    "credits.topup": Command(TopUpArgs, telling(top_up)),
    "credits.included": Command(IncludedArgs, telling(included)),
    "credits.refund": Command(RefundArgs, telling(refund)),
    "credits.adjust": Command(AdjustArgs, telling(adjust)),
    "credits.expire": Command(ExpireArgs, telling(expire)),
    "credits.expiring": Command(LotArgs, expiring),
    "credits.due": Command(DueArgs, due),
    "credits.allow": Command(AllowArgs, allow),
}
