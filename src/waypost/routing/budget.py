"""How many further tries all calls together may take, so that a provider's bad minute does not become everybody's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

HELD_SECONDS: Final = 10.0
"""A further try holds its place this long, about as long as a call; so nobody has to give it back."""


class RetryBudget:
    """Allows further tries up to a share of the calls in flight, and never less than `least` at once.

    A call's first failover does not ask here: it is free. `clock` is monotonic seconds.
    """

    def __init__(
        self, in_flight: Callable[[], int], clock: Callable[[], float], share: float = 0.2, least: int = 3
    ) -> None:
        self._in_flight = in_flight
        self._clock = clock
        self._share = share
        self._least = least
        self._held_until: deque[float] = deque()

    def may_retry(self) -> bool:
        """Whether there is room for one more."""
        now = self._clock()
        while self._held_until and self._held_until[0] <= now:
            self._held_until.popleft()
        return len(self._held_until) < max(self._least, int(self._share * self._in_flight()))

    def retried(self) -> None:
        """One more went out."""
        self._held_until.append(self._clock() + HELD_SECONDS)
