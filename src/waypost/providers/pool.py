"""Free connections, newest first, and the one ticker that closes those that waited too long."""

from __future__ import annotations

import asyncio
from typing import Final

from waypost.providers.addresses import Address
from waypost.providers.connection import Connection

TICK_SECONDS: Final = 0.5


class Pool:
    """Keeps free connections by address. A connection is only ever in here while it reads and nothing is on its way."""

    def __init__(self, idle_connections_max: int) -> None:
        self._idle: dict[Address, dict[Connection, None]] = {}
        self._most = idle_connections_max
        self._ticker: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.count = 0

    def take(self, address: Address) -> Connection | None:
        """The connection freed last, checked; None when there is none."""
        idle = self._idle.get(address)
        while idle:
            connection, _ = idle.popitem()
            self.count -= 1
            if self._loop is not None and self._loop.time() < connection.idle_until and connection.silent():
                return connection
            connection.drop()
        return None

    def put(self, connection: Connection, seconds: float) -> None:
        """Keep a free connection for at most `seconds`, or close it where there is no room."""
        if seconds <= 0 or self.count >= self._most:
            connection.drop()
            return
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        connection.idle_until = loop.time() + seconds
        idle = self._idle.get(connection.address)
        if idle is None:
            idle = self._idle[connection.address] = {}
        idle[connection] = None
        self.count += 1
        if self._ticker is None:
            self._ticker = loop.call_later(TICK_SECONDS, self._tick)

    def forget(self, connection: Connection) -> None:
        """The connection closes; it may not have been in here."""
        idle = self._idle.get(connection.address)
        if idle is not None and connection in idle:
            del idle[connection]
            self.count -= 1

    def drop_oldest(self) -> None:
        """Make room by closing the connection that is the nearest to its end."""
        oldest = min((each for idle in self._idle.values() for each in idle), key=_end, default=None)
        if oldest is not None:
            oldest.drop()

    def clear(self) -> None:
        """Close all of them."""
        for connection in [each for idle in self._idle.values() for each in idle]:
            connection.drop()
        self._idle.clear()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def _tick(self) -> None:
        assert self._loop is not None  # noqa: S101 (the ticker starts after it is set)
        now = self._loop.time()
        for address, idle in list(self._idle.items()):
            for connection in [each for each in idle if each.idle_until <= now]:
                connection.drop()
            if not idle:
                del self._idle[address]
        self._ticker = self._loop.call_later(TICK_SECONDS, self._tick) if self._idle else None


def _end(connection: Connection) -> float:
    return connection.idle_until
