"""A waybill as a row: what is asked about in columns, everything else in one compact trail.

Runs once a call, off the event loop where there is one to spare, so it is written to be cheap.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from waypost.domain.plans import Plan
from waypost.domain.waybill import Attempt, Outcome, Waybill

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
PLANS_KEPT_MAX: Final = 512
NAME_LENGTH_MAX: Final = 256

Row = Sequence[Any]
"""Values in the order of COLUMNS, with words where NAMED ones stand."""

_pack = msgspec.msgpack.Encoder().encode


class RowMaker:
    """Makes rows. Keeps the packed form of recent plans, because callers' plans repeat."""

    def __init__(self) -> None:
        self._plans: dict[int, tuple[Plan, msgspec.Raw]] = {}

    def row(self, bill: Waybill) -> Row:
        """The row of a waybill."""
        caller, request, usage, first_word = bill.caller, bill.request, bill.usage, bill.first_word_ms
        payer = bill.payer
        return (
            bill.id,
            caller and caller.user.id,
            caller and caller.token.id,
            payer and f"{payer[0]} {payer[1]}",
            request and request.model[:NAME_LENGTH_MAX],
            bill.plan and bill.plan.policy,
            _provider(bill),
            bill.code,
            request and request.session_tag and request.session_tag[:NAME_LENGTH_MAX],
            bill.price_version or None,
            OUTCOMES[bill.outcome],
            bill.status,
            _flags(bill),
            *(NO_USAGE if usage is None else usage[:4]),
            bill.hold_nano_usd,
            bill.charge_nano_usd,
            int(bill.gateway_ms * 1000),
            None if first_word is None else int(first_word * 1000),
            int(bill.ms * 1000),
            self._trail(bill),
        )

    def _trail(self, bill: Waybill) -> bytes:
        asked = bill.asked
        if bill.request is not None and bill.request.model == asked:
            asked = ""
        return _pack(
            (
                asked,
                None if bill.plan is None else self._plan(bill.plan),
                [_attempt(attempt) for attempt in bill.attempts],
                bill.why,
                bill.fix,
                _zipped(bill.request_body),
                _zipped(bill.reply_body),
            )
        )

    def _plan(self, plan: Plan) -> msgspec.Raw:
        known = self._plans.get(id(plan))
        if known is not None:
            return known[1]
        if len(self._plans) >= PLANS_KEPT_MAX:
            self._plans.clear()
        packed = msgspec.Raw(_pack(_plan_words(plan)))
        self._plans[id(plan)] = (plan, packed)
        return packed


def _flags(bill: Waybill) -> int:
    flags = SERVED if bill.served_by else 0
    if bill.request is not None and bill.request.stream:
        flags |= STREAM
    if bill.usage is not None and bill.usage.estimated:
        flags |= ESTIMATED
    if bill.plan is not None and bill.plan.explored:
        flags |= EXPLORED
    if bill.delivery_unknown:
        flags |= DELIVERY_UNKNOWN
    return flags


def _provider(bill: Waybill) -> str | None:
    """Who served, or else who was tried last, so that failures are found under a provider too."""
    if bill.served_by:
        return bill.served_by
    return bill.attempts[-1].provider if bill.attempts else None


def stranger_row(bill: Waybill) -> Row:
    """The row of a refused unknown caller: id, status, code, trail."""
    return (bill.id, bill.status, bill.code, _pack((bill.stranger, bill.asked, bill.why, bill.fix, bill.ms)))


def _attempt(attempt: Attempt) -> tuple[Any, ...]:
    return (
        attempt.provider,
        attempt.endpoint_model,
        attempt.status,
        attempt.code,
        attempt.connect_ms,
        attempt.first_word_ms,
        attempt.ms,
        attempt.upstream_request_id,
        attempt.why,
        attempt.repeats,
    )


def _plan_words(plan: Plan) -> bytes | tuple[Any, Any]:
    """What a waybill says of a plan: who and why; never a provider's key. Zipped when long."""
    words = ([(one.endpoint.provider, one.why) for one in plan.order], plan.excluded)
    packed = _pack(words)
    return zlib.compress(packed) if len(packed) > ZIP_BYTES_MIN else words


def _zipped(body: bytes | None) -> tuple[bool, bytes] | None:
    """Whether it is zipped, and the bytes."""
    if body is None:
        return None
    if len(body) < ZIP_BYTES_MIN:
        return (False, body)
    return (True, zlib.compress(body, 1))
