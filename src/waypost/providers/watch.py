"""One ticker for the deadlines of all flows: a timer for each would cost every call, and nearly all are never due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from waypost.providers.drains import Drains

log = logging.getLogger("waypost.providers")
TICK_SECONDS = 0.1


class Watched(Protocol):
    """Something with a deadline."""

    due: float
    """Seconds of `perf_counter`."""

    def overdue(self, now: float) -> None:
        """The deadline has passed: end, or set another."""


class Watch:
    """Looks at every flow ten times a second, while there are any."""

    def __init__(self, tick_seconds: float = TICK_SECONDS) -> None:
        self.loop = asyncio.get_running_loop()
        self.drains = Drains()
        self._tick_seconds = tick_seconds
        self._flows: set[Watched] = set()
        self.drop: Callable[[Watched], None] = self._flows.discard
        """For a flow that has ended."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, flow: Watched) -> None:
        """Look after this one."""
        self._flows.add(flow)
        if self._timer is None:
            self._timer = self.loop.call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        now = perf_counter()
        for flow in [flow for flow in self._flows if flow.due <= now]:
            try:
                flow.overdue(now)
            except Exception:  # one flow's bug must not take the deadlines of all others away
                log.exception("a bug in the deadline of a flow")
                self.drop(flow)
        self._timer = self.loop.call_later(self._tick_seconds, self._tick) if self._flows else None
