"""How much may you do at once, and in a minute?

A token's limits are counted in the books, so that all workers count together. A token without limits costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

from waypost.domain.callers import Caller, Token
from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.problems import Refusal
from waypost.store.books import Counter, Verdict

MINUTE: Final = 60
Headers = tuple[tuple[str, str], ...]


class Books(Protocol):
    """Where limits are counted."""

    def try_take(self, counter: Counter, amount: int) -> Verdict | None: ...
    async def take(self, counter: Counter, amount: int) -> Verdict: ...
    def give(self, counter: Counter, amount: int) -> None: ...


class Taken(NamedTuple):
    """Something a call took of one limit."""

    what: str
    """`streams`, `requests` or `tokens`."""
    counter: Counter
    amount: int
    verdict: Verdict


class Ticket:
    """What a call holds of its token's limits while it runs."""

    __slots__ = ("_books", "_clock", "_minute_ends", "_taken")

    def __init__(self, books: Books, taken: list[Taken], clock: Callable[[], float]) -> None:
        self._books = books
        self._taken = taken
        self._clock = clock
        self._minute_ends = clock() + min(
            (t.verdict.reset_seconds for t in taken if t.counter.window_seconds), default=0
        )

    @property
    def headers(self) -> Headers:
        """`RateLimit` and `RateLimit-Policy` as Hugging Face sends them, where something is counted by the minute."""
        return rate_limit_headers([t for t in self._taken if t.counter.window_seconds])

    def leave(self, usage: Usage | None) -> None:
        """The call ended: give back what was held at once, and put the reserved tokens right.

        Tokens that were reserved and not used go back only within their minute: the next has its own.
        """
        for taken in self._taken:
            if taken.what == "streams":
                self._books.give(taken.counter, taken.amount)
            elif taken.what == "tokens":
                used = 0 if usage is None else usage.input_total + usage.output_total
                unused = taken.amount - used
                if unused < 0 or (unused and self._clock() < self._minute_ends):
                    self._books.give(taken.counter, unused)

    def give_back(self) -> None:
        """The call was refused by a further limit: it never was."""
        for taken in self._taken:
            self._books.give(taken.counter, taken.amount)


class Turnstile:
    """Lets calls in. `clock` is monotonic seconds."""

    def __init__(self, books: Books, clock: Callable[[], float] = time.monotonic) -> None:
        self._books = books
        self._clock = clock

    def enter(self, caller: Caller, ask: ChatRequest) -> Ticket | Coroutine[Any, Any, Ticket] | None:
        """None where the token has no limits; a ticket, or a coroutine where the owner of the books must be asked.

        Raises Refusal `rate_limited`, from either.
        """
        limits = caller.token.limits
        if limits.requests_per_minute is None and limits.tokens_per_minute is None and limits.streams_at_once is None:
            return None
        wanted = wanted_of(caller.token, ask)
        taken: list[Taken] = []
        for what, counter, amount in wanted:
            verdict = self._books.try_take(counter, amount)
            if verdict is None:
                return self._ask(caller.token, wanted, taken)
            self._took(caller.token, taken, Taken(what, counter, amount, verdict))
        return Ticket(self._books, taken, self._clock)

    async def _ask(self, token: Token, wanted: list[tuple[str, Counter, int]], taken: list[Taken]) -> Ticket:
        """The rest of what is wanted, from whoever decides."""
        for what, counter, amount in wanted[len(taken) :]:
            try:
                verdict = await self._books.take(counter, amount)
            except Exception:
                Ticket(self._books, taken, self._clock).give_back()
                raise
            self._took(token, taken, Taken(what, counter, amount, verdict))
        return Ticket(self._books, taken, self._clock)

    def _took(self, token: Token, taken: list[Taken], one: Taken) -> None:
        if not one.verdict.granted:
            Ticket(self._books, taken, self._clock).give_back()
            raise rate_limited(token, one)
        taken.append(one)


def wanted_of(token: Token, ask: ChatRequest) -> list[tuple[str, Counter, int]]:
    """What a call takes of each limit its token has.

    A call that seems to need more tokens than a whole minute has takes all of a minute: it waits, but is not shut out.
    """
    limits = token.limits
    wanted = []
    if limits.streams_at_once is not None:
        wanted.append(("streams", Counter(f"token:{token.id}:streams", limits.streams_at_once, 0), 1))
    if limits.requests_per_minute is not None:
        wanted.append(("requests", Counter(f"token:{token.id}:requests", limits.requests_per_minute, MINUTE), 1))
    if (most := limits.tokens_per_minute) is not None:
        expected = ask.input_tokens_expected + ask.output_tokens_expected
        wanted.append(("tokens", Counter(f"token:{token.id}:tokens", most, MINUTE), min(expected, most) or 1))
    return wanted


def rate_limit_headers(taken: list[Taken]) -> Headers:
    """Both headers (IETF draft 9), the limit with the least left first: some clients read only that one."""
    if not taken:
        return ()
    taken = sorted(taken, key=lambda t: t.verdict.remaining / max(1, t.counter.limit))
    left = ", ".join(f'"{t.what}";r={max(0, t.verdict.remaining)};t={t.verdict.reset_seconds}' for t in taken)
    policy = ", ".join(f'"fixed window";"{t.what}";q={t.counter.limit};w={t.counter.window_seconds}' for t in taken)
    return (("RateLimit", left), ("RateLimit-Policy", policy))


def rate_limited(token: Token, refused: Taken) -> Refusal:
    """The refusal for a limit that is used up."""
    limit = refused.counter.limit
    wait = max(1, refused.verdict.reset_seconds)
    if refused.counter.window_seconds:
        message = f"This token may use {limit} {refused.what} a minute, and too few of them are left for this call."
        why = f"token {token.name!r} has {max(0, refused.verdict.remaining)} of {limit} left for {wait} s"
        setting = f"{refused.what}_per_minute"
        headers = rate_limit_headers([refused._replace(verdict=Verdict(False, 0, wait))])
    else:
        message = f"This token may have {limit} calls under way at once, and all of them are."
        why = f"token {token.name!r} has {limit} calls under way"
        setting = "streams_at_once"
        headers = ()
    return Refusal(
        "rate_limited",
        message,
        why=why,
        fix=f"Wait {wait} s, send fewer at a time, or use a token with a higher {setting}.",
        retry_after_seconds=wait,
        extra={"limit": setting, "allowed": limit},
        headers=headers,
    )
