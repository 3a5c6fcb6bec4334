"""What a worker may spend of a counter without asking the owner. The other half of `counters.py`. Pure.

A worker keeps nothing unspent of a counter but what came as a slice since the last recall; everything else that is
given back goes to the owner at once. So the owner knows whom it has to ask before it says no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from waypost.store.books import Counter, Verdict
from waypost.store.counters import Grant, reset_seconds, window_of

RENEW_SHARE: Final = 4
"""A slice is renewed when less than one part in so many is left."""
IDLE_SECONDS: Final = 1.0


class Returned(NamedTuple):
    """What a worker gives back of a counter; negative where it spent more than it held."""

    key: str
    window: int
    amount: int
    recalled: bool = False


class Slice:
    """What is held of one counter."""

    __slots__ = ("counter", "elsewhere", "keep", "left", "renewing", "size", "touched", "window")

    def __init__(self, counter: Counter, window: int) -> None:
        self.counter = counter
        self.window = window
        self.left = 0
        self.size = 0
        self.elsewhere = 0
        """What the owner had left when it last answered."""
        self.keep = False
        """Whether what is given back may stay here."""
        self.renewing = False
        self.touched = 0.0


class Slices:
    """A worker's slices by counter key. `send` takes what goes up, in order; `clock` is Unix seconds."""

    def __init__(
        self, clock: Callable[[], float], give_back: Callable[[Returned], None], renew: Callable[[Counter, int], None]
    ) -> None:
        self._clock = clock
        self._give_back = give_back
        self._renew = renew
        self._slices: dict[str, Slice] = {}

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        """Yes from what is held here; None: the owner must be asked."""
        held = self._slices.get(counter.key)
        if held is None:
            return None
        now = self._clock()
        if held.window != window_of(counter, now):
            del self._slices[counter.key]
            return None
        if held.left < amount or held.counter.limit != counter.limit:
            return None
        held.left -= amount
        held.touched = now
        if held.left * RENEW_SHARE < held.size and not held.renewing:
            held.renewing = True
            self._renew(counter, amount)
        return Verdict(True, held.elsewhere + held.left, reset_seconds(counter, now))

    def free(self, counter: Counter) -> int | None:
        """What is held here and was free elsewhere when the owner last spoke; None where it never did."""
        held = self._slices.get(counter.key)
        return None if held is None or held.window != window_of(counter, self._clock()) else held.left + held.elsewhere

    def surrender(self, counter: Counter) -> None:
        """Before asking: give back what is held, for it was not enough."""
        held = self._slices.get(counter.key)
        if held is not None and held.left:
            self._give_back(Returned(counter.key, held.window, held.left))
            held.left = 0

    def granted(self, counter: Counter, grant: Grant) -> Verdict:
        """The owner has answered: keep the slice, pass on the verdict."""
        held = self._slices.get(counter.key)
        if held is None or held.window < grant.window:
            held = self._slices[counter.key] = Slice(counter, grant.window)
        held.renewing = False
        if held.window == grant.window:
            self._top_up(held, counter, grant)
        return Verdict(grant.granted, grant.remaining + held.left, grant.reset_seconds)

    def _top_up(self, held: Slice, counter: Counter, grant: Grant) -> None:
        held.counter = counter
        held.elsewhere = grant.remaining
        held.touched = self._clock()
        if grant.slice:
            held.left += grant.slice
            held.keep = True
        held.size = held.left if grant.slice else 0

    def give(self, counter: Counter, amount: int) -> None:
        """Give back what was taken; negative uses more."""
        now = self._clock()
        window = window_of(counter, now)
        held = self._slices.get(counter.key)
        if held is not None and held.keep and held.window == window and held.left + amount >= 0:
            held.left += amount
            held.touched = now
        else:
            self._give_back(Returned(counter.key, window, amount))

    def recall(self, key: str) -> None:
        """The owner needs what is not spent."""
        held = self._slices.get(key)
        if held is None:
            self._give_back(Returned(key, 0, 0, recalled=True))
            return
        self._give_back(Returned(key, held.window, held.left, recalled=True))
        held.left = held.size = 0
        held.keep = False

    def tidy(self) -> None:
        """Once a second: give idle slices back, forget what is over."""
        now = self._clock()
        for key, held in list(self._slices.items()):
            if held.window != window_of(held.counter, now):
                del self._slices[key]
            elif now - held.touched >= IDLE_SECONDS:
                self.surrender(held.counter)
                if not held.keep:
                    del self._slices[key]
