"""What the connections of one server share: their number, the clock, the lag, and the sweep that ends what is overdue.

No request pays for a timer. Every connection carries one `deadline`; one tick per server looks at all of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final, Protocol

from waypost.domain.problems import Problem
from waypost.wire.http11_messages import CHUNKED, HttpLimits, Request
from waypost.wire.http11_refusals import internal_error, overloaded
from waypost.wire.http11_replies import Site

NEVER: Final = math.inf
LOG: Final = logging.getLogger("waypost.wire")


class Watched(Protocol):
    """A connection, as far as the sweep needs it."""

    deadline: float

    def overdue(self, now: float) -> None: ...
    def drain(self) -> None: ...
    def cut(self) -> None: ...
    def kill(self) -> None: ...


class Traffic:
    """Counts and clocks of one server."""

    def __init__(self, site: Site, limits: HttpLimits) -> None:
        self.site = site
        self.limits = limits
        self.connections: set[Watched] = set()
        self.in_flight = 0
        self.in_flight_max = limits.in_flight_max
        """0 while the loop lags."""
        self.whole_bytes_max = min(limits.head_asks_above_bytes, limits.body_bytes_max)
        """A body up to this needs no word from the site before it comes."""
        self.bodies_bytes = 0
        self.draining = False
        self.now = 0.0
        """The time at the last tick."""
        self.idle_until = 0.0
        self.time: Callable[[], float]
        """The loop's own clock, once started."""
        self._lagged = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None

    def start(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self.time = loop.time
            self._read_clock(loop)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def body_bytes_max(self, request: Request) -> int:
        """How much body to take. A large or uncertain one is put to the site. Raises Problem to take none."""
        uncertain = request.length == CHUNKED or request.expects_continue
        if not uncertain and request.length <= self.limits.head_asks_above_bytes:
            return self.limits.body_bytes_max
        if self.in_flight >= self.in_flight_max:
            raise overloaded("Too many requests are running.", self.limits.retry_after_seconds)
        try:
            return self.site.head(request)
        except Problem:
            raise
        except Exception:
            LOG.exception("the site failed to look at a head")
            raise internal_error() from None

    def page(self, problem: Problem, request: Request | None) -> tuple[int, bytes, bytes]:
        """Status, headers and body of a refusal, in the site's words."""
        try:
            return self.site.problem(problem, request)
        except Exception:
            LOG.exception("the site failed to word a refusal")
            return problem.status, b"content-type: text/plain\r\n", problem.message.encode("utf-8")

    def leave(self, connection: Watched) -> None:
        self.connections.discard(connection)
        if self._empty is not None and not self.connections:
            self._empty.set()

    async def emptied(self, seconds_max: float) -> bool:
        """Wait until no connection is left; False if some are."""
        if self.connections:
            self._empty = asyncio.Event()
            try:
                await asyncio.wait_for(self._empty.wait(), seconds_max)
            except TimeoutError:
                return False
        return True

    def _read_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time()
        self.idle_until = self.now + self.limits.idle_seconds_max
        self._due = self.now + self.limits.tick_seconds
        self._timer = loop.call_at(self._due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        lag = loop.time() - self._due
        late = lag > self.limits.loop_lag_seconds_max
        again = late and self._lagged
        self.in_flight_max = 0 if again else self.limits.in_flight_max
        self._lagged = late
        self._read_clock(loop)
        if late and not again:
            self._forgive(lag)
        self._sweep(self.now)

    def _forgive(self, lag: float) -> None:
        """While we paused, nobody read what clients sent: that time is not theirs."""
        for connection in self.connections:
            connection.deadline += lag

    def _sweep(self, now: float) -> None:
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.overdue(now)
