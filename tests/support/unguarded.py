"""A mutant, to see that tests of limits would notice: counters that refuse nobody."""

from __future__ import annotations

from waypost.store.books import Counter, Verdict
from waypost.store.counters import Counters, Tally


class BottomlessTally(Tally):
    __slots__ = ()

    def free(self, limit: int) -> int:
        return 1 << 60


class Unguarded(Counters):
    """Whoever asks gets."""

    def _tally(self, counter: Counter) -> Tally:
        tally = super()._tally(counter)
        tally.__class__ = BottomlessTally
        return tally

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        self._tally(counter).used += amount
        return Verdict(True, 0, 0)
