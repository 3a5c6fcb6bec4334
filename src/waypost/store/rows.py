"""A waybill as a row: what is asked about in columns, everything else in one compact trail.

Runs once a call, off the event loop where there is one to spare, so it is written to be cheap.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.ledger import HoldState
from waypost.domain.money import Price
from waypost.domain.plans import Plan
from waypost.domain.waybill import Held, Outcome, Waybill

NAMED: Final = ("payer", "model", "policy", "provider", "code", "session", "price_version")
"""Columns that hold the number of a word in `names`; a word's kind is its place here."""
ACCOUNTS: Final = ("account", "provider_account")
"""Columns that hold the number of an account, whose name stands in the row."""
COLUMNS: Final = (
    "id", "user_id", "token_id", *NAMED, *ACCOUNTS, "outcome", "status", "flags",
    "input", "cached_input", "output", "reasoning",
    "hold_nano_usd", "charge_nano_usd", "overrun_nano_usd", "reported_nano_usd", "state", "epoch", "period",
    "gateway_us", "first_word_us", "total_us", "trail",
)  # fmt: skip
WIDTH: Final = len(COLUMNS)
FIRST_NAMED: Final = COLUMNS.index(NAMED[0])
AFTER_NAMED: Final = FIRST_NAMED + len(NAMED) + len(ACCOUNTS)
ACCOUNT, PROVIDER_ACCOUNT = (COLUMNS.index(name) for name in ACCOUNTS)
CHARGE, OVERRUN, STATE, EPOCH, PERIOD = (
    COLUMNS.index(name) for name in ("charge_nano_usd", "overrun_nano_usd", "state", "epoch", "period")
)
SUBJECTS: Final = WIDTH
"""Behind the columns a row says whose monthly spending its charge counts as."""
PROVIDER: Final = "provider:"

UPSERT: Final = (
    f"(id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS if name not in ('id', 'epoch'))}"
    " WHERE calls.state = 0"
)
"""A call that ends becomes a row, or ends the row that its hold was written as; what has ended stays as it is."""

OUTCOMES: Final = {Outcome.DELIVERED: 1, Outcome.REFUSED: 2, Outcome.FAILED: 3, Outcome.LEFT: 4}
STREAM, ESTIMATED, DELIVERY_UNKNOWN, EXPLORED, SERVED, OWN_KEY = 1, 2, 4, 8, 16, 32
"""Bits of `flags`. SERVED: `provider` is whose words the caller got, not only who was tried last. OWN_KEY: with the
payer's own key."""
NO_USAGE: Final = (None, None, None, None)
ZIP_BYTES_MIN: Final = 1_024
PLANS_KEPT_MAX: Final = 2_048
NAME_LENGTH_MAX: Final = 256

Row = Sequence[Any]
"""Values in the order of COLUMNS, with words where NAMED ones stand and names where ACCOUNTS stand; then SUBJECTS."""
Money = tuple[int, int, int, int | None, int | None, int | None, int | None]
"""Hold, charge, overrun, reported, state, epoch, period."""
OPEN, SETTLED, VOIDED = int(HoldState.OPEN), int(HoldState.SETTLED), int(HoldState.VOIDED)

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
        self._providers: dict[str | None, str] = {}
        self._versions: set[str] = set()
        self._prices: list[Price] = []

    def take_prices(self) -> list[Price]:
        """Prices that rows since the last time were held at, and none before."""
        if not self._prices:
            return []
        taken, self._prices = self._prices, []
        return taken

    def row(self, bill: Waybill) -> Row:
        """The row of a waybill whose call has ended."""
        caller, request, plan, usage, first_word = bill.caller, bill.request, bill.plan, bill.usage, bill.first_word_ms
        payer, hold = bill.payer, bill.hold
        user = token = model = session = policy = packed = account = provider_account = None
        subjects: tuple[str, ...] = ()
        flags = 0
        provider = bill.served_by or _tried_last(bill)
        if hold is None:
            money: Money = (bill.hold_nano_usd, bill.charge_nano_usd, 0, bill.reported_nano_usd, None, None, None)
            if payer is not None:
                account = payer.account
        else:
            money = _money(hold, bill.reported_nano_usd)
            account = hold.payer.account
            if hold.payer.limits:
                subjects = tuple([limit.subject for limit in hold.payer.limits])
            if money[4] == SETTLED:
                provider_account = self._providers.get(provider) or self._name_provider(provider)
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
            provider,
            bill.code,
            session and session[:NAME_LENGTH_MAX],
            bill.price_version or None,
            account,
            provider_account,
            OUTCOMES[bill.outcome],
            bill.status,
            flags | _flags(bill),
            *(NO_USAGE if usage is None else usage[:4]),
            *money,
            int(bill.gateway_ms * 1000),
            None if first_word is None else int(first_word * 1000),
            int(bill.ms * 1000),
            _trail(bill, packed),
            subjects,
        )

    def open_row(self, bill: Waybill, epoch: int | None = None) -> Row:
        """The row of a call that runs under a hold, while others still fill in the waybill.

        It says what the call is settled by if nobody is left to end it: the provider that it went out to, that one's
        price, how long the prompt may be, and in the trail whose spending it counts as.
        """
        hold, request, plan = bill.hold, bill.request, bill.plan
        assert hold is not None  # noqa: S101 (whoever opens a call holds something)
        packed, provider, price_version = None, None, None
        caller, flags, expected = bill.caller, 0, 1
        policy = None
        if plan is not None:
            _, policy, flags, packed = self._plans.get(id(plan)) or self._look_at(plan)
            provider = _tried_last(bill) or (plan.order[0].endpoint.provider if plan.order else None)
            price_version = _price_version(plan, provider)
        if request is not None:
            expected = max(1, request.input_tokens_expected)
        session = request and request.session_tag
        subjects = tuple([limit.subject for limit in hold.payer.limits])
        return (
            bill.id,
            caller and caller.user.id,
            caller and caller.token.id,
            f"{hold.payer.type} {hold.payer.name}",
            request and request.model[:NAME_LENGTH_MAX],
            policy,
            provider,
            None,
            session and session[:NAME_LENGTH_MAX],
            price_version,
            hold.payer.account,
            None,
            OUTCOMES[Outcome.FAILED],
            0,
            flags | (STREAM if request is not None and request.stream else 0),
            expected,
            None,
            None,
            None,
            hold.amount,
            0,
            0,
            None,
            OPEN,
            epoch,
            hold.period,
            0,
            None,
            0,
            _pack((bill.asked, packed, [], "", "", None, None, subjects)),
            subjects,
        )

    def _name_provider(self, provider: str | None) -> str:
        """One text for each, so that rows compare quickly."""
        name = self._providers[provider] = PROVIDER + (provider or "")
        return name

    def _look_at(self, plan: Plan) -> Known:
        if len(self._plans) >= PLANS_KEPT_MAX:
            self._plans.clear()
        packed = msgspec.Raw(_pack(_plan_words(plan)))
        known = self._plans[id(plan)] = Known(plan, plan.policy, EXPLORED if plan.explored else 0, packed)
        self._note_prices(plan)
        return known

    def _note_prices(self, plan: Plan) -> None:
        for one in plan.order:
            price = one.endpoint.price
            if price is not None and price.version not in self._versions:
                self._versions.add(price.version)
                self._prices.append(price)


def _money(hold: Held, reported: int | None) -> Money:
    """What nobody settled is void."""
    if hold.state == SETTLED:
        return (hold.amount, hold.taken, hold.overrun, reported, SETTLED, None, hold.period)
    return (hold.amount, 0, 0, reported, VOIDED, None, hold.period)


def _price_version(plan: Plan, provider: str | None) -> str | None:
    found = (one.endpoint.price for one in plan.order if one.endpoint.provider == provider)
    price = next(found, None)
    return None if price is None else price.version or None


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
    if bill.own_key is not None:
        flags |= OWN_KEY
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
