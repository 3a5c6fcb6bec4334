"""What is counted against limits, in the owner: one primitive for requests, tokens, streams at once, and money.

The owner knows for each counter what it used itself and what each worker **holds**: amounts that were granted there,
and a **slice**, more of it, that the worker may spend without asking. used + held never passes the limit by granting.
When there is not enough, slices are called back first, and only then the answer is no. Pure: what must be said to
workers goes out through `Post`.

Standing counters never turn. They begin from what the disk says (`Purse`): a payer's credits with everything posted,
a month's spending with what was spent. What a worker holds of them becomes used when its calls are written, and what a
dead worker held stays held until its open calls are swept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from waypost.domain.ledger import period_before
from waypost.store.books import STANDING, Counter, Verdict
from waypost.store.standing import spending_period

SLICE_CALLS: Final = 32
"""A worker is given enough for so many calls like the one it asks for, if there is plenty."""
SPARE_CALLS_MIN: Final = 8
"""With less than this left over, nothing is handed out ahead: every call asks."""


class Ask(NamedTuple):
    """A worker's question."""

    worker: int
    counter: Counter
    amount: int
    """0 asks for a slice alone."""
    unit: int
    """What one call takes, to size slices by."""
    note: Any
    """Handed back with the answer."""
    touching: bool = True
    """Whether a standing counter gets what its first touch in a month brings."""


class Grant(NamedTuple):
    """The owner's answer. `slice` is handed out on top of the amount; `window` is the minute both belong to."""

    granted: bool
    remaining: int
    reset_seconds: int
    window: int
    slice: int


class Post(Protocol):
    """The way to the workers."""

    def answer(self, ask: Ask, grant: Grant) -> None: ...
    def recall(self, worker: int, key: str, turn: int) -> None: ...


class Purse(Protocol):
    """Where standing counters begin."""

    def begin(self, key: str) -> tuple[int, int | None]:
        """What is used already, and the limit where it is not the counter's. Asked once for each key."""

    def touched(self, key: str) -> int:
        """A counter is used for the first time, or for the first time in a month: what it gets for that."""


class Tally:
    """One counter's state within one window."""

    __slots__ = ("awaited", "held", "limit", "overdue", "slack", "turn", "used", "waiting", "window", "window_seconds")

    def __init__(self, window: int, window_seconds: int, used: int = 0, limit: int | None = None) -> None:
        self.window = window
        self.window_seconds = window_seconds
        self.used = used
        self.limit = limit
        """Where it is not each counter's own."""
        self.held: dict[int, int] = {}
        """Worker → what it has of this counter, spent or not."""
        self.slack: set[int] = set()
        """Workers that may hold something unspent."""
        self.awaited: set[int] = set()
        """Workers whose slices were called back and have not answered."""
        self.overdue = False
        """They were waited for long enough."""
        self.turn = 0
        """Counts the recalls, so that a late alarm does not end a newer one."""
        self.waiting: list[Ask] = []
        """Asks that were not enough for until those have answered."""

    def free(self, limit: int) -> int:
        return (limit if self.limit is None else self.limit) - self.used - sum(self.held.values())

    @property
    def empty(self) -> bool:
        return not (self.used or self.waiting or self.awaited or any(self.held.values()))


class Counters:
    """Every counter's state, by key. `clock` is Unix seconds."""

    def __init__(self, clock: Callable[[], float], post: Post, purse: Purse) -> None:
        self._clock = clock
        self._post = post
        self._purse = purse
        self._tallies: dict[str, Tally] = {}
        self._standing: dict[str, Tally] = {}
        """Those of them that never turn and were touched this month."""
        self._swept = 0
        self.workers = 0

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        """The owner's own use. None while workers hold slices that would have to be called back."""
        key, limit, window_seconds = counter
        if window_seconds == STANDING:  # once or more for every call
            tally = self._standing.get(key) or self._begin(key)
            own = tally.limit
            free = (limit if own is None else own) - tally.used
            if tally.held:
                free -= sum(tally.held.values())
            if amount <= free:
                tally.used += amount
                return Verdict(True, free - amount, 0)
        else:
            tally = self._tally(counter)
            free = tally.free(limit)
            if amount <= free:
                tally.used += amount
                return self._verdict(True, free - amount, counter)
        return None if tally.slack or tally.waiting else self._verdict(False, free, counter)

    def give(self, counter: Counter, amount: int) -> None:
        """Give back the owner's own use; negative uses more."""
        if counter.window_seconds == STANDING:
            (self._standing.get(counter.key) or self._begin(counter.key)).used -= amount
        else:
            tally = self._tally(counter)
            tally.used = max(0, tally.used - amount)

    def free(self, counter: Counter) -> int:
        """How much can be taken now, what workers have not spent aside."""
        return self._tally(counter).free(counter.limit)

    def ask(self, ask: Ask) -> None:
        """Answer now, or after slices have come back."""
        tally = self._tally(ask.counter) if ask.touching else self._untouched(ask.counter.key)
        if not tally.waiting and ask.amount <= tally.free(ask.counter.limit):
            self._grant(tally, ask)
            return
        if ask.amount == 0:
            self._refuse(tally, ask)
            return
        # The asking worker too: it may have asked before an earlier answer brought it a slice.
        holders = tally.slack - tally.awaited
        if tally.overdue or not (tally.waiting or holders):
            self._refuse(tally, ask)
            return
        tally.waiting.append(ask)
        tally.awaited |= holders
        tally.turn += bool(holders)
        for worker in holders:
            self._post.recall(worker, ask.counter.key, tally.turn)

    def returned(self, worker: int, key: str, window: int, amount: int, *, recalled: bool) -> None:
        """A worker gives back what it did not spend (negative: it spent more than it held)."""
        tally = self._tallies.get(key)
        if tally is None:
            return
        if tally.window == window:
            tally.held[worker] = tally.held.get(worker, 0) - amount
        if recalled:
            tally.slack.discard(worker)
            self._heard(tally, worker)

    def gone(self, worker: int) -> None:
        """A worker died. What it held at once is free again; what it held of a minute counts as used.

        What it held of standing counters stays held until `swept`.
        """
        for tally in list(self._tallies.values()):
            tally.waiting = [ask for ask in tally.waiting if ask.worker != worker]
            if tally.window_seconds != STANDING:
                held = tally.held.pop(worker, 0)
                if tally.window_seconds:
                    tally.used += held
                tally.slack.discard(worker)
                self._heard(tally, worker)

    def spent(self, worker: int, key: str, amount: int) -> None:
        """A call of this worker was written with a charge: what the worker held for it is used."""
        tally = self._tallies.get(key)
        if tally is not None:
            tally.held[worker] = tally.held.get(worker, 0) - amount
            tally.used += amount

    def swept(self, worker: int) -> None:
        """The open calls of a worker that died are ended, and their charges `moved`: what it held is free."""
        for tally in list(self._tallies.values()):
            if tally.window_seconds == STANDING:
                tally.held.pop(worker, None)
                tally.slack.discard(worker)
                self._heard(tally, worker)

    def moved(self, key: str, amount: int, *, touching: bool = True) -> None:
        """So much was credited (negative: debited) beside what calls take and give."""
        tally = self._standing.get(key) or (self._begin(key) if touching else self._untouched(key))
        tally.used -= amount

    def allowed(self, key: str, limit: int) -> None:
        """A standing counter's own limit is another now."""
        (self._standing.get(key) or self._begin(key)).limit = limit

    def limit_of(self, key: str) -> int:
        """A standing counter's own limit; 0 without one."""
        return (self._standing.get(key) or self._begin(key)).limit or 0

    def turn_month(self, period: int) -> None:
        """Another month begins: every counter is touched for the first time again, and old spending is forgotten."""
        self._standing = {}
        before = period_before(period)
        for key, tally in list(self._tallies.items()):
            if 0 < spending_period(key) < before and not any(tally.held.values()):
                del self._tallies[key]

    def overdue(self, key: str, turn: int) -> None:
        """Decide without those who have not answered this recall; what they hold counts as used."""
        tally = self._tallies.get(key)
        if tally is not None and tally.awaited and tally.turn == turn:
            tally.overdue = True
            self._decide(tally)

    def _heard(self, tally: Tally, worker: int) -> None:
        tally.awaited.discard(worker)
        if not tally.awaited:
            tally.overdue = False
            self._decide(tally)

    def _decide(self, tally: Tally) -> None:
        waiting, tally.waiting = tally.waiting, []
        for ask in waiting:
            current = tally if tally.window_seconds == STANDING else self._tally(ask.counter)
            if ask.amount <= current.free(ask.counter.limit):
                self._grant(current, ask, ahead=False)  # others wait for what is left
            else:
                self._refuse(current, ask)

    def _grant(self, tally: Tally, ask: Ask, *, ahead: bool = True) -> None:
        spare = tally.free(ask.counter.limit) - ask.amount
        extra = 0 if tally.awaited or not ahead else self._slice(spare, ask.unit)
        if ask.worker >= 0:
            tally.held[ask.worker] = tally.held.get(ask.worker, 0) + ask.amount + extra
            if extra:
                tally.slack.add(ask.worker)
        else:
            tally.used += ask.amount
        verdict = self._verdict(True, spare - extra, ask.counter)
        self._post.answer(ask, Grant(*verdict, tally.window, extra))

    def _slice(self, spare: int, unit: int) -> int:
        """How much to hand out ahead: a share that leaves enough for every other worker."""
        if self.workers == 0 or spare < SPARE_CALLS_MIN * unit:
            return 0
        share = min(SLICE_CALLS * unit, spare // (2 * self.workers))
        return share if share >= unit else 0

    def _refuse(self, tally: Tally, ask: Ask) -> None:
        verdict = self._verdict(False, tally.free(ask.counter.limit), ask.counter)
        self._post.answer(ask, Grant(*verdict, tally.window, 0))

    def _verdict(self, granted: bool, free: int, counter: Counter) -> Verdict:
        return Verdict(granted, max(0, free), reset_seconds(counter, self._clock()))

    def _begin(self, key: str) -> Tally:
        """A standing counter's first touch, ever or in a month."""
        tally = self._standing[key] = self._untouched(key)
        tally.used -= self._purse.touched(key)
        return tally

    def _untouched(self, key: str) -> Tally:
        """A standing counter as it is."""
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(0, STANDING, *self._purse.begin(key))
        return tally

    def _tally(self, counter: Counter) -> Tally:
        if counter.window_seconds == STANDING:
            return self._standing.get(counter.key) or self._begin(counter.key)
        now = self._clock()
        window = window_of(counter, now)
        tally = self._tallies.get(counter.key)
        if tally is None:
            self._sweep(now)
            tally = self._tallies[counter.key] = Tally(window, counter.window_seconds)
        elif tally.window != window:
            turned, tally = tally, Tally(window, counter.window_seconds)
            tally.waiting, tally.awaited, tally.overdue = turned.waiting, turned.awaited, turned.overdue
            tally.turn = turned.turn
            self._tallies[counter.key] = tally
        return tally

    def _sweep(self, now: float) -> None:
        """Once a minute, forget what no longer counts."""
        minute = int(now) // 60
        if minute == self._swept:
            return
        self._swept = minute
        old = [
            key
            for key, tally in self._tallies.items()
            if tally.window_seconds != STANDING
            and (tally.empty or (tally.window_seconds and tally.window < int(now) // tally.window_seconds))
        ]
        for key in old:
            if not self._tallies[key].waiting:
                del self._tallies[key]


def window_of(counter: Counter, now: float) -> int:
    """The number of the window that `now` is in; 0 for what does not turn."""
    return int(now) // counter.window_seconds if counter.window_seconds > 0 else 0


def reset_seconds(counter: Counter, now: float) -> int:
    """Until the window turns."""
    return counter.window_seconds - int(now) % counter.window_seconds if counter.window_seconds > 0 else 0
