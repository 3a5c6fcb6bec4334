"""Real usage that came after its call had expired: the one way in which the end of a hold may change."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.chat import Usage
from waypost.domain.ledger import HoldState, Movement
from waypost.domain.money import Price, cost_nano_usd
from waypost.domain.requests import request_id
from waypost.store.accounts import LOSS, OVERRUN, account_number, payer_account, transfer_by
from waypost.store.credits import Taking, telling
from waypost.store.desk import Command, Commands, Desk, invalid
from waypost.store.moving import move
from waypost.store.netting import Move, Net
from waypost.store.rollup import recounted
from waypost.store.rows import ESTIMATED, PROVIDER
from waypost.store.sql import Row
from waypost.store.sweeping import TRAIL_SUBJECTS, subjects_in
from waypost.store.transfers import Wanted, post

LATE: Final = 1 << 10
"""A bit of `flags`: settled when it had expired, on what was free then."""
TOKENS_MAX: Final = 1 << 40
_unpack = msgspec.msgpack.Decoder().decode
CALL: Final = """
  SELECT c.id, a.name, c.user_id, c.token_id, c.state, c.flags, c.hold_nano_usd, c.period, provider.text,
    c.input, c.cached_input, c.output, c.reasoning, c.trail,
    p.input, p.output, p.cached_input, p.reasoning, p.request, p.version
  FROM calls c JOIN accounts a ON a.id = c.account LEFT JOIN names provider ON provider.id = c.provider
  LEFT JOIN names version ON version.id = c.price_version LEFT JOIN prices p ON p.version = version.text
  WHERE c.id = :id
"""
SETTLE: Final = """
  UPDATE calls SET state = 1, provider_account = :provider, charge_nano_usd = :charge, overrun_nano_usd = :overrun,
    input = :input, cached_input = :cached_input, output = :output, reasoning = :reasoning, flags = :flags
  WHERE id = :id AND state = 3
"""
LIMITED: Final = "SELECT subject FROM spending WHERE period = :period AND subject IN (:account, :member, :token)"


class LateArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of ledger.settle_late: a call's number, its tokens by class, and what the owner could take."""

    call: int
    input: int
    cached_input: int
    output: int
    reasoning: int
    taken: int | None = None


class Expired(NamedTuple):
    """The call, and the price at its hold."""

    id: int
    account: str
    user_id: int | None
    token_id: int | None
    state: int
    flags: int
    hold: int
    period: int
    provider: str | None
    usage: tuple[int | None, ...]
    trail: bytes
    price: Price | None


def settle_late(desk: Desk, args: LateArgs) -> Movement:
    """Charge what is free of the cost, never above the hold; the operator's overrun bears the rest.

    Twice is once. Raises Refusal for calls that did not expire.
    """
    usage = _usage(args)
    call = _call(desk, args.call)
    if call is None or call.price is None:
        raise invalid("call", f"{request_id(args.call)} is no call under a hold with a price.")
    account = payer_account(desk.sql, call.account)
    stands = Movement(account.name, account.posted, account.floor)
    if call.state == HoldState.SETTLED and call.flags & LATE and call.usage == usage[:4]:
        return stands._replace(again=True)
    if call.state != HoldState.EXPIRED:
        raise invalid("call", f"{request_id(args.call)} did not expire.", why=f"its hold is {_state(call)}")
    cost = cost_nano_usd(call.price, usage)
    charge = max(0, min(cost, call.hold, account.free if args.taken is None else args.taken))
    subjects = _subjects(desk, call)
    _write(desk, call, usage, charge, cost - charge)
    net = Net(
        {
            call.account: Move(-charge, call.period, charge, charge),
            PROVIDER + (call.provider or ""): Move(cost),
            OVERRUN: Move(charge - cost),
        },
        {(subject, call.period): charge for subject in subjects},
    )
    move(desk.sql, net)
    _undo_loss(desk, call)
    moved = ((account.name, -charge),) if charge else ()
    spent = tuple((f"{subject}:{call.period}", charge) for subject in subjects)
    return stands._replace(balance=account.posted - charge, moved=moved, spent=spent)


def settling_late(desk: Desk, args: LateArgs) -> Taking | None:
    """What the owner should take before it runs ledger.settle_late."""
    usage, call = _usage(args), _call(desk, args.call)
    if call is None or call.price is None or call.state != HoldState.EXPIRED:
        return None
    wanted = min(cost_nano_usd(call.price, usage), call.hold)
    return Taking(call.account, wanted) if wanted else None


def _usage(args: LateArgs) -> Usage:
    usage = Usage(args.input, args.cached_input, args.output, args.reasoning)
    if not all(0 <= tokens <= TOKENS_MAX for tokens in usage[:4]):
        raise invalid("input", "That is no usage a call can have.", why=f"its tokens are {usage[:4]}")
    return usage


def _call(desk: Desk, number: int) -> Expired | None:
    row = desk.sql.row(CALL, {"id": number})
    return None if row is None else _expired(row)


def _expired(row: Row) -> Expired:
    return Expired._make([*row[:9], row[9:13], row[13], None if row[14] is None else Price(*row[14:])])


def _write(desk: Desk, call: Expired, usage: Usage, charge: int, overrun: int) -> None:
    values: dict[str, Any] = {
        "id": call.id,
        "provider": account_number(desk.sql, PROVIDER + (call.provider or "")),
        "charge": charge,
        "overrun": overrun,
        "flags": (call.flags & ~ESTIMATED) | LATE,
        **usage._asdict(),
    }
    with recounted(desk.sql, call.id):
        desk.sql.run(SETTLE, values)


def _undo_loss(desk: Desk, call: Expired) -> None:
    """What was guessed to be lost when it expired, somebody has paid now."""
    lost = desk.sql.rows("SELECT id FROM transfers WHERE call = :id AND kind = 'loss' ORDER BY id", {"id": call.id})
    for (number,) in lost:
        guess = transfer_by(desk.sql, number)
        post(desk, Wanted("loss", guess.credit, LOSS, guess.amount, call=call.id, about=number))


def _subjects(desk: Desk, call: Expired) -> list[str]:
    """Whose monthly spending it counts as: who had a limit when it began. Where that was not kept, who is counted."""
    kept = _unpack(call.trail) if call.trail else []
    if len(kept) > TRAIL_SUBJECTS:
        return subjects_in(kept)
    values = {
        "period": call.period,
        "account": call.account,
        "member": f"member:{call.account.removeprefix('org:')}:{call.user_id}",
        "token": f"token:{call.token_id}",
    }
    return [subject for (subject,) in desk.sql.rows(LIMITED, values)]


def _state(call: Expired) -> str:
    return HoldState(call.state).name.lower() if call.state is not None else "none"


COMMANDS: Final[Commands] = {
    "ledger.settle_late": Command(LateArgs, telling(settle_late)),
    "ledger.settling_late": Command(LateArgs, settling_late),
}
