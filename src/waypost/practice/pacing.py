"""One timer for any number of streams: who waits stands in the slot of its due time, and costs nothing there."""

from __future__ import annotations

import asyncio
import math
from heapq import heappop, heappush
from typing import Final, Protocol

TICK_SECONDS: Final = 0.001


class Waiting(Protocol):
    """Someone who wants to be woken at a time."""

    slot: int
    """Where it stands; 0 is nowhere."""

    def tick(self, now: float) -> None: ...


class Wheel:
    """Wakes those whose time has come, all of one tick together."""

    def __init__(self, tick_seconds: float = TICK_SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick_seconds = tick_seconds
        self._slots: dict[int, dict[Waiting, None]] = {}
        self._order: list[int] = []
        self._reached = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0

    def now(self) -> float:
        return self._loop.time()

    def put(self, due: float, one: Waiting) -> None:
        """Wake `one` at `due`, or a tick later. It stands in one slot at a time; infinity is never."""
        self.drop(one)
        if due == math.inf:
            return
        slot = max(math.ceil(due / self._tick_seconds), self._reached + 1)
        one.slot = slot
        if slot not in self._slots:
            self._slots[slot] = {}
            heappush(self._order, slot)
            self._arm()
        self._slots[slot][one] = None

    def drop(self, one: Waiting) -> None:
        """Forget `one`, wherever it stands."""
        if one.slot:
            waiting = self._slots.get(one.slot)
            if waiting is not None:
                waiting.pop(one, None)
            one.slot = 0

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()
        self._order.clear()

    def _arm(self) -> None:
        """Let the timer run to the next slot; one that already runs to an earlier time stays."""
        if not self._order or (self._timer is not None and self._armed <= self._order[0]):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._order[0]
        self._timer = self._loop.call_at(self._armed * self._tick_seconds, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._reached = max(self._armed, math.floor(now / self._tick_seconds))
        while self._order and self._order[0] <= self._reached:
            slot = heappop(self._order)
            for one in tuple(self._slots.pop(slot)):
                if one.slot == slot:
                    self._wake(one, now)
        self._arm()

    def _wake(self, one: Waiting, now: float) -> None:
        """One that fails takes nobody with it."""
        one.slot = 0
        try:
            one.tick(now)
        except Exception as error:  # noqa: BLE001 (told to the loop, as it would be from a timer of its own)
            self._loop.call_exception_handler({"message": "a practice reply failed", "exception": error})
