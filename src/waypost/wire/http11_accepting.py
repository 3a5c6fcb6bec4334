"""Connections that came to another process's socket and that nobody takes: it has died, or is stuck.

Where several processes serve one address, each listens on a socket of its own and the system spreads connections over
them. All of them hold all sockets, and look now and then at those that are not theirs.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

LOOK_SECONDS: Final = 0.1


class Neighbours:
    """Takes what waits at neighbours' sockets, until closed. `options` are those of `connect_accepted_socket`."""

    def __init__(
        self, socks: Sequence[socket.socket], make_protocol: Callable[[], asyncio.Protocol], options: dict[str, Any]
    ) -> None:
        self._socks = dict.fromkeys(socks, 1)
        """How many to take at the next look: one at first, for its owner may be on the way to it."""
        self._make_protocol = make_protocol
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._welcoming: set[asyncio.Task[None]] = set()
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()
        for sock in self._socks:
            sock.close()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        for sock, most in self._socks.items():
            self._socks[sock] = most * 2 if self._take(sock, most) == most else 1

    def _take(self, sock: socket.socket, most: int) -> int:
        for taken in range(most):
            try:
                connection, _ = sock.accept()
            except OSError:  # nobody waits there any more, or the files have run out
                return taken
            connection.setblocking(False)
            task = self._loop.create_task(self._welcome(connection))
            self._welcoming.add(task)
            task.add_done_callback(self._welcoming.discard)
        return most

    async def _welcome(self, connection: socket.socket) -> None:
        with suppress(OSError):  # it has left meanwhile, or does not speak TLS
            await self._loop.connect_accepted_socket(self._make_protocol, connection, **self._options)
