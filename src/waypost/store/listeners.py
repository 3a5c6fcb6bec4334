"""Callbacks, and what came before there were any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Listeners(Generic[Item]):
    """Tells every callback.

    What is said before anybody listens is kept for the first, so that nothing is missed between reading a state and
    listening to its changes.
    """

    def __init__(self, earlier: list[Item]) -> None:
        self._callbacks: list[Callable[[list[Item]], None]] = []
        self._earlier = earlier

    def add(self, callback: Callable[[list[Item]], None]) -> None:
        """Listen from now on."""
        earlier, self._earlier = self._earlier, []
        self._callbacks.append(callback)
        if earlier:
            callback(earlier)

    def tell(self, items: list[Item]) -> None:
        """Say it to everybody."""
        if not self._callbacks:
            self._earlier += items
        for callback in self._callbacks:
            callback(items)
