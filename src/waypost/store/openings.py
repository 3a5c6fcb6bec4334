"""Holds of calls that run: which of them the disk must hear of before their calls end.

Most calls end so soon that their hold is written together with their end. One that lasts, or whose caller may see its
first byte, is written by itself: an opening. Lives on the event loop; only `Opening.bill` is read elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from waypost.domain.problems import Problem
from waypost.domain.waybill import Waybill
from waypost.store.settling import settle

TICK_SECONDS: Final = 0.005
"""Nobody waits for an opening longer than two of these before it is sent."""


class Opening:
    """A hold that may have to be written before its call ends."""

    __slots__ = ("bill", "done", "sent", "written")

    def __init__(self, bill: Waybill) -> None:
        self.bill: Waybill = bill
        self.done: asyncio.Future[None] | None = None
        """Whoever waits for it."""
        self.sent = False
        self.written = False

    def resolve(self, problem: Problem | None) -> None:
        """It is on the disk, or why not: then it may be sent again."""
        done = self.done
        if problem is None:
            self.written = True
        else:
            self.sent, self.done = False, None
        settle(done, problem)


class Openings:
    """A process's openings. `send` hands one to whoever writes."""

    def __init__(self, send: Callable[[Opening], None]) -> None:
        self._send_on = send
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, Opening] = {}
        self._younger: list[int] = []
        self._older: list[int] = []
        self._ticking = False

    def hold(self, bill: Waybill, *, at_once: bool) -> None:
        """The call runs from now on; it is sent now, or when it has lasted."""
        opening = self._open[bill.id] = Opening(bill)
        if at_once:
            self._send(opening)
            return
        self._younger.append(bill.id)
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(TICK_SECONDS, self._tick)

    def held(self, bill: Waybill) -> asyncio.Future[None]:
        """Done when it is written. At once for a call that holds nothing."""
        opening = self._open.get(bill.id)
        done = self._loop.create_future() if opening is None or opening.done is None else opening.done
        if opening is None or opening.written:
            settle(done, None)
            return done
        opening.done = done
        if not opening.sent:
            self._send(opening)
        return done

    def ended(self, number: int) -> Opening | None:
        """The call has ended. None for one that holds nothing."""
        return self._open.pop(number, None)

    def _send(self, opening: Opening) -> None:
        opening.sent = True
        self._send_on(opening)

    def _tick(self) -> None:
        find = self._open.get
        for number in self._older:
            opening = find(number)
            if opening is not None and not opening.sent:
                self._send(opening)
        self._older, self._younger = self._younger, []
        self._ticking = bool(self._older)
        if self._ticking:
            self._loop.call_later(TICK_SECONDS, self._tick)
