"""A reply that is written down as it goes out, and whose last bytes wait until they may go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from waypost.wire.http11_replies import Reply

BODY_BYTES_MAX: Final = 1024 * 1024


class Transcript:
    """Stands before a connection's reply, with the same face.

    A client that leaves ends nothing, while its reply can still be kept for when it comes back.
    """

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.started = False
        self.head = b""
        """Its status chosen: the block of headers."""
        self.on_gone: Callable[[], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        self.on_full: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._last: Callable[[], None] | None = None
        reply.on_gone = self._left
        reply.on_drain = lambda: _tell(self.on_drain)
        reply.on_full = lambda: _tell(self.on_full)
        reply.on_room = lambda: _tell(self.on_room)

    @property
    def gone(self) -> bool:
        """The client left, and nobody will ask for the rest."""
        return self._reply.gone and self._too_long

    @property
    def body(self) -> bytes | None:
        """All of it so far; None where that is too long to be kept."""
        return None if self._too_long else b"".join(self._pieces)

    def begin(self, status: int, headers: bytes) -> None:
        self.started, self.head = True, headers
        self._reply.begin(status, headers)

    def write(self, data: bytes) -> None:
        self._reply.write(data)
        self._write_down(data)

    def finish(self, tail: bytes = b"") -> None:
        """The tail waits."""
        self._write_down(tail)
        self._last = partial(self._reply.finish, tail)

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """All of it waits."""
        self.started, self.head = True, headers
        self._write_down(body)
        self._last = partial(self._reply.send, status, headers, body)

    def let_go(self) -> None:
        """Now the last bytes may go."""
        last, self._last = self._last, None
        if last is not None:
            last()
        self.on_gone = self.on_drain = self.on_full = self.on_room = None  # they hold on to what is over

    @property
    def _too_long(self) -> bool:
        return self._size > BODY_BYTES_MAX

    def _write_down(self, data: bytes) -> None:
        self._size += len(data)
        if not self._too_long:
            self._pieces.append(data)
            return
        self._pieces.clear()
        if self._reply.gone:
            leave, self.on_gone = self.on_gone, None
            if leave is not None:  # soon: whoever writes is in the middle of it
                asyncio.get_running_loop().call_soon(leave)

    def _left(self) -> None:
        """From here on nobody is too slow; and where nothing can be kept, nobody waits."""
        _tell(self.on_gone if self._too_long else self.on_room)


def _tell(listener: Callable[[], None] | None) -> None:
    if listener is not None:
        listener()
