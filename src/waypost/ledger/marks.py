"""How far running calls have come, written down now and then.

A crash must not make long answers free: at the next start a call is settled from its last mark. A call's first mark
comes after a second, the next ones every ten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from waypost.store.books import Mark


class Pace(NamedTuple):
    """How often a call is written down."""

    first_seconds: float = 1.0
    again_seconds: float = 10.0
    tick_seconds: float = 0.25


USUAL: Final = Pace()


class Keeper(Protocol):
    """Who writes marks."""

    def progress(self, marks: list[Mark]) -> None: ...


class _Running:
    """One call."""

    __slots__ = ("due", "price_version", "provider", "words")

    def __init__(self, due: float, provider: str, price_version: str, words: Callable[[], int]) -> None:
        self.due = due
        self.provider = provider
        self.price_version = price_version
        self.words = words


class Marks:
    """Looks at the running calls of a process four times a second, while there are any. Made for one event loop."""

    def __init__(self, keeper: Keeper, pace: Pace = USUAL) -> None:
        self._keeper = keeper
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, _Running] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, number: int, provider: str, price_version: str, words: Callable[[], int]) -> None:
        """Follow a call by its number; `words` says how many pieces of answer were handed on so far."""
        self._running[number] = _Running(self._loop.time() + self._pace.first_seconds, provider, price_version, words)
        if self._timer is None:
            self._timer = self._loop.call_later(self._pace.tick_seconds, self._tick)

    def end(self, number: int) -> None:
        """It has ended, or never began."""
        self._running.pop(number, None)

    def _tick(self) -> None:
        now = self._loop.time()
        due = [(number, call) for number, call in self._running.items() if call.due <= now]
        for _, call in due:
            call.due = now + self._pace.again_seconds
        if due:
            self._keeper.progress([Mark(n, call.provider, call.price_version, call.words()) for n, call in due])
        self._timer = self._loop.call_later(self._pace.tick_seconds, self._tick) if self._running else None
