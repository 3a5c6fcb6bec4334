"""The book: holds before a call, settlements after it. Decided in memory at once; `store` makes it last.

A call's hold is taken from every counter that applies, the widest first: the monthly limits of organisation, member,
user and token, then the payer's credits. One refusal refuses all, and nothing is half held.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, NamedTuple, Protocol

from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.ledger import VOID, HoldState, Settlement, period_of, period_range
from waypost.domain.money import Price
from waypost.domain.payers import Payer
from waypost.domain.plans import Plan
from waypost.domain.problems import Refusal
from waypost.domain.waybill import Held
from waypost.ledger.ceilings import UNLIMITED, Ceiling, cap_of, ceilings, dearest, longest_within
from waypost.ledger.settlement import Ended, settlement
from waypost.ledger.unaffordable import credits_exhausted, low_balance, spending_limit_reached
from waypost.store.books import STANDING, Counter, Verdict

COUNTERS_KEPT_MAX: Final = 16_384
CAP_BYTES: Final = 32
"""What `"max_tokens": 12345, ` adds to a body."""


class Till(Protocol):
    """Where credits and limits are counted."""

    def free(self, counter: Counter) -> int | None: ...
    def try_take(self, counter: Counter, amount: int) -> Verdict | None: ...
    async def take(self, counter: Counter, amount: int) -> Verdict: ...
    def give(self, counter: Counter, amount: int) -> None: ...


class Hold:
    """Credits set aside for one call, and the one end they come to."""

    __slots__ = ("_low", "_till", "amount", "cap", "counters", "left", "overrun", "payer", "period", "state", "taken")

    def __init__(self, till: Till, payer: Payer, period: int, counters: tuple[Counter, ...], low: int = 0) -> None:
        self._till = till
        self._low = low
        self.payer = payer
        self.period = period
        """The month it belongs to, whenever it ends."""
        self.counters = counters
        self.amount = 0
        self.taken = 0
        """What the counters lack because of this call: the hold, and at last its charge."""
        self.cap: int | None = None
        """How long the answer may get, where the caller did not say."""
        self.state = HoldState.OPEN
        self.overrun = 0
        self.left = 0
        """Credits beside it, in nano-USD, as far as was known when it was taken."""

    @property
    def warning(self) -> str:
        """What `X-HF-Warning` says: of the balance less the hold while the call runs, then less its charge."""
        return low_balance(self.payer, self.left) if self.left < self._low else ""

    def end(self, came_to: Settlement) -> None:
        """Give back everything but the charge."""
        self.state = came_to.state
        self.overrun = came_to.overrun
        self._keep(came_to.charge)

    def void(self) -> None:
        """Nothing is charged, even if it already was: what could not be written down never was. Twice is once."""
        self.end(VOID)

    def _keep(self, charge: int) -> None:
        unused, self.taken = self.taken - charge, charge
        if unused:
            self.left += unused
            for counter in self.counters:
                self._till.give(counter, unused)


class Wanted(NamedTuple):
    """What a hold is worked out from."""

    found: list[Ceiling]
    plan: Plan
    ask: ChatRequest

    def fits(self, nano_usd: int) -> int:
        """The longest answer that may be asked for, in tokens; negative where not even the prompt is within this."""
        found = self.found
        if self.ask.output_tokens_max is None:  # naming it makes the prompt longer, as its bytes bound it
            longer = self.ask._replace(input_tokens_max=self.ask.input_tokens_max + CAP_BYTES)
            found = ceilings(self.plan, longer)
        return longest_within(found, nano_usd)


class Book:
    """Holds. Callers are warned when less than `low_nano_usd` is left."""

    def __init__(self, till: Till, low_nano_usd: int = 0) -> None:
        self._till = till
        self._low = low_nano_usd
        self._period = self._begins_ms = self._ends_ms = 0
        self._counters: dict[int, tuple[Payer, tuple[Counter, ...]]] = {}
        """By the payer's identity; the payer is kept, so that no other can have it."""

    def hold(self, plan: Plan, ask: ChatRequest, payer: Payer, at_ms: int) -> Hold | Coroutine[Any, Any, Hold] | None:
        """Set aside what the call can cost at most; None where nobody planned asks for credits.

        It belongs to the month of `at_ms`, the moment in the call's number, which the sums of usage go by too.
        A coroutine where somebody else must be asked. Raises Refusal `credits_exhausted` or
        `spending_limit_reached`, from either.
        """
        found = ceilings(plan, ask)
        if not found:
            return None
        hold = Hold(self._till, payer, self._period_of(at_ms), self._counters_of(payer), self._low)
        wanted = Wanted(found, plan, ask)
        amount = self._amount(hold, wanted)
        left = 0
        for place, counter in enumerate(hold.counters):
            verdict = self._till.try_take(counter, amount)
            if verdict is None or not verdict.granted:
                _put_back(self._till, hold.counters[:place], amount)
                return self._hold_asking(hold, wanted, amount)
            left = verdict.remaining
        return self._held(hold, amount, left)

    def _held(self, hold: Hold, amount: int, left: int) -> Hold:
        hold.amount = hold.taken = amount
        hold.left = left
        return hold

    async def _hold_asking(self, hold: Hold, wanted: Wanted, amount: int) -> Hold:
        """The same, asking whoever decides. An answer without a cap of the caller's is cut down to what fits."""
        while True:
            place, verdict = await self._take_all(hold.counters, amount)
            if verdict.granted:
                return self._held(hold, amount, verdict.remaining)
            _put_back(self._till, hold.counters[:place], amount)
            smaller = self._smaller(hold, wanted, verdict.remaining)
            if smaller is None:
                raise _refusal(hold, wanted, place, verdict.remaining, amount)
            amount = smaller

    async def _take_all(self, counters: tuple[Counter, ...], amount: int) -> tuple[int, Verdict]:
        """Gives the place and word of the counter that spoke last: of the first refusal, else of the last."""
        place, verdict = 0, Verdict(True, 0, 0)
        for place, counter in enumerate(counters):
            try:
                verdict = self._till.try_take(counter, amount) or await self._till.take(counter, amount)
            except BaseException:
                _put_back(self._till, counters[:place], amount)
                raise
            if not verdict.granted:
                break
        return place, verdict

    def _amount(self, hold: Hold, wanted: Wanted) -> int:
        if wanted.ask.output_tokens_max is not None:
            return dearest(wanted.found, wanted.ask.output_tokens_max)
        known = (self._till.free(counter) for counter in hold.counters)
        free = min((amount for amount in known if amount is not None), default=UNLIMITED)
        hold.cap = cap_of(wanted.found, max(0, free))
        return dearest(wanted.found, hold.cap)

    def _smaller(self, hold: Hold, wanted: Wanted, left: int) -> int | None:
        """The amount for a shorter answer; None where the caller named its length, or it cannot be shorter."""
        if hold.cap is None:
            return None
        cap = cap_of(wanted.found, max(0, left))
        if cap >= hold.cap:
            return None
        hold.cap = cap
        return dearest(wanted.found, cap)

    def _counters_of(self, payer: Payer) -> tuple[Counter, ...]:
        kept = self._counters.get(id(payer))
        if kept is None:
            if len(self._counters) >= COUNTERS_KEPT_MAX:
                self._counters.clear()
            kept = self._counters[id(payer)] = (payer, counters_of(payer, self._period))
        return kept[1]

    def _period_of(self, at_ms: int) -> int:
        if not self._begins_ms <= at_ms < self._ends_ms:
            self._period = period_of(at_ms)
            self._begins_ms, self._ends_ms = period_range(self._period)
            self._counters.clear()
        return self._period


def came_to(hold: Held, ended: Ended, price: Price | None, counted: Usage | None, delivered: Usage) -> Settlement:
    """What the hold's end is. An endpoint without a price, or with the payer's own key, is not paid with credits."""
    return VOID if price is None else settlement(ended, hold.amount, price, counted, delivered)


def counters_of(payer: Payer, period: int) -> tuple[Counter, ...]:
    """Everything a call of this payer is counted on, the credits last."""
    limits = (Counter(f"spend:{limit.subject}:{period}", limit.nano_usd, STANDING) for limit in payer.limits)
    return (*limits, Counter(f"credits:{payer.account}", 0, STANDING))


def _put_back(till: Till, counters: tuple[Counter, ...], amount: int) -> None:
    for counter in counters:
        till.give(counter, amount)


def _refusal(hold: Hold, wanted: Wanted, place: int, left: int, amount: int) -> Refusal:
    fits = wanted.fits(left)
    if place < len(hold.payer.limits):
        return spending_limit_reached(hold.payer, hold.payer.limits[place], amount, left, hold.period, fits)
    return credits_exhausted(hold.payer, amount, left, fits)
