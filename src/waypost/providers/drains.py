"""Answers that nobody reads any more, read to their end because their provider bills them all the same.

A bounded number at a time: beyond it, and after a minute, an answer is let go and settled on what was delivered.
"""

from __future__ import annotations

from typing import Final, Protocol

DRAINS_MAX: Final = 512
DRAIN_SECONDS_MAX: Final = 60.0


class Drained(Protocol):
    """An answer whose caller has left."""

    def let_go(self) -> None:
        """End now, with what is known."""


class Drains:
    """The answers that are read for their usage alone."""

    def __init__(self, most: int = DRAINS_MAX, seconds_max: float = DRAIN_SECONDS_MAX) -> None:
        self._most = most
        self.seconds_max = seconds_max
        """How long each is read on."""
        self._flows: dict[Drained, None] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def take(self, flow: Drained) -> bool:
        """Whether there is room for one more."""
        if len(self._flows) >= self._most:
            return False
        self._flows[flow] = None
        return True

    def drop(self, flow: Drained) -> None:
        """It has ended."""
        self._flows.pop(flow, None)

    def close(self) -> None:
        """The process ends: nobody waits for usage any more."""
        for flow in list(self._flows):
            flow.let_go()
