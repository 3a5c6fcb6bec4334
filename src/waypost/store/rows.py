"""A waybill as a row: what is asked about in columns, everything else in one compact trail.

Runs once a call, off the event loop where there is one to spare, so it is written to be cheap.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.plans import Plan
from waypost.domain.waybill import Outcome, Waybill

NAMED: Final = ("payer", "model", "policy", "provider", "code", "session", "price_version")
"""Columns that hold the number of a word in `names`; a word's kind is its place here."""
COLUMNS: Final = (
    "id", "user_id", "token_id", *NAMED, "outcome", "status", "flags", "input", "cached_input", "output", "reasoning",
    "hold_nano_usd", "charge_nano_usd", "gateway_us", "first_word_us", "total_us", "trail",
)  # fmt: skip
FIRST_NAMED: Final = COLUMNS.index(NAMED[0])

OUTCOMES: Final = {Outcome.DELIVERED: 1, Outcome.REFUSED: 2, Outcome.FAILED: 3, Outcome.LEFT: 4}
STREAM, ESTIMATED, DELIVERY_UNKNOWN, EXPLORED, SERVED = 1, 2, 4, 8, 16
"""Bits of `flags`. SERVED: `provider` is whose words the caller got, not only who was tried last."""
NO_USAGE: Final = (None, None, None, None)
ZIP_BYTES_MIN: Final = 1_024
PLANS_KEPT_MAX: Final = 2_048
NAME_LENGTH_MAX: Final = 256

Row = Sequence[Any]
"""Values in the order of COLUMNS, with words where NAMED ones stand."""

_pack = msgspec.msgpack.Encoder().encode


class Known(NamedTuple):
    """What rows say of a plan."""

    plan: Plan
    """Held, so that no other plan gets its id."""
    policy: str
    flags: int
    packed: msgspec.Raw


class RowMaker:
    """Makes rows. Keeps what they say of recent plans, because callers' plans repeat."""

    def __init__(self) -> None:
        self._plans: dict[int, Known] = {}

    def row(self, bill: Waybill) -> Row:
        """The row of a waybill."""
        caller, request, plan, usage, first_word = bill.caller, bill.request, bill.plan, bill.usage, bill.first_word_ms
        payer = bill.payer
        user = token = model = session = policy = packed = None
        flags = 0
        if caller is not None:
            user, token = caller.user.id, caller.token.id
        if request is not None:
            model, session = request.model[:NAME_LENGTH_MAX], request.session_tag
        if plan is not None:
            _, policy, flags, packed = self._plans.get(id(plan)) or self._look_at(plan)
        return (
            bill.id,
            user,
            token,
            None if payer is None else f"{payer.type} {payer.name}",
            model,
            policy,
            bill.served_by or _tried_last(bill),
            bill.code,
            session and session[:NAME_LENGTH_MAX],
            bill.price_version or None,
            OUTCOMES[bill.outcome],
            bill.status,
            flags | _flags(bill),
            *(NO_USAGE if usage is None else usage[:4]),
            bill.hold_nano_usd,
            bill.charge_nano_usd,
            int(bill.gateway_ms * 1000),
            None if first_word is None else int(first_word * 1000),
            int(bill.ms * 1000),
            _trail(bill, packed),
        )

    def _look_at(self, plan: Plan) -> Known:
        if len(self._plans) >= PLANS_KEPT_MAX:
            self._plans.clear()
        packed = msgspec.Raw(_pack(_plan_words(plan)))
        known = self._plans[id(plan)] = Known(plan, plan.policy, EXPLORED if plan.explored else 0, packed)
        return known


def _trail(bill: Waybill, plan: msgspec.Raw | None) -> bytes:
    asked, request, sent, got = bill.asked, bill.request, bill.request_body, bill.reply_body
    return _pack(
        (
            "" if request is not None and request.model == asked else asked,
            plan,
            [
                (
                    one.provider,
                    one.endpoint_model,
                    one.status,
                    one.code,
                    one.connect_ms,
                    one.first_word_ms,
                    one.ms,
                    one.upstream_request_id,
                    one.why,
                    one.repeats,
                )
                for one in bill.attempts
            ],
            bill.why,
            bill.fix,
            None if sent is None else _zipped(sent),
            None if got is None else _zipped(got),
        )
    )


def _flags(bill: Waybill) -> int:
    request, usage = bill.request, bill.usage
    flags = SERVED if bill.served_by else 0
    if request is not None and request.stream:
        flags |= STREAM
    if usage is not None and usage.estimated:
        flags |= ESTIMATED
    if bill.delivery_unknown:
        flags |= DELIVERY_UNKNOWN
    return flags


def _tried_last(bill: Waybill) -> str | None:
    """Who failed, where nobody served, so that failures are found under a provider too."""
    return bill.attempts[-1].provider if bill.attempts else None


def stranger_row(bill: Waybill) -> Row:
    """The row of a refused unknown caller: id, status, code, trail."""
    return (bill.id, bill.status, bill.code, _pack((bill.stranger, bill.asked, bill.why, bill.fix, bill.ms)))


def _plan_words(plan: Plan) -> bytes | tuple[Any, Any]:
    """What a waybill says of a plan: who and why; never a provider's key. Zipped when long."""
    words = ([(one.endpoint.provider, one.why) for one in plan.order], plan.excluded)
    packed = _pack(words)
    return zlib.compress(packed) if len(packed) > ZIP_BYTES_MIN else words


def _zipped(body: bytes) -> tuple[bool, bytes]:
    """Whether it is zipped, and the bytes."""
    if len(body) < ZIP_BYTES_MIN:
        return (False, body)
    return (True, zlib.compress(body, 1))
