"""The answer to one request, written as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from waypost.domain.problems import Problem
from waypost.wire.http11_messages import BODILESS, Request, status_line

CHUNK_HEADS: Final = tuple(b"%x\r\n" % size for size in range(4096))
"""The first line of a small chunk, which most are."""
END: Final = b"0\r\n\r\n"
LOG: Final = logging.getLogger("waypost.wire")


class Line(Protocol):
    """The connection, as far as a reply needs it."""

    @property
    def transport(self) -> asyncio.Transport: ...

    keep_alive: bool
    """Whether another request may follow this reply."""

    def reply_done(self) -> None: ...
    def reply_aborted(self, *, reset: bool) -> None: ...


def _nowhere(data: bytes) -> None:
    """Where bytes go that nobody will read."""


class Reply:
    """One per request. Once the client has left, or the reply is finished, every call is without effect."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_head",
        "_http10",
        "_line",
        "_out",
        "finished",
        "gone",
        "on_drain",
        "on_full",
        "on_gone",
        "on_room",
        "started",
    )

    def __init__(self, line: Line, out: Callable[[bytes], None], request: Request) -> None:
        self._line = line
        self._out = out
        self._head = b""
        self._http10 = request.http10
        self._bodiless = request.method == "HEAD"
        self._chunked = False
        self.started = False
        """A status was chosen."""
        self.gone = False
        """The client left before the reply was finished."""
        self.finished = False
        """Every byte was handed over, or the reply was aborted."""
        self.on_gone: Callable[[], None] | None = None
        self.on_full: Callable[[], None] | None = None
        """The client reads slower than we write: stop until on_room."""
        self.on_room: Callable[[], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        """The server is closing: say what must be said, and finish at once."""

    @property
    def transport(self) -> asyncio.Transport:
        """The connection itself: practice providers play broken servers on it. Nobody else has business here."""
        return self._line.transport

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole reply. `headers` is a block of lines (`header_block`), without content-length."""
        if not self._start():
            return
        line, connection = status_line(status), self._connection_header()
        if status in BODILESS:
            self._out(b"%b%b%b\r\n" % (line, headers, connection))
        else:
            sent = b"" if self._bodiless else body
            self._out(b"%b%b%bcontent-length: %d\r\n\r\n%b" % (line, headers, connection, len(body), sent))
        self._end()

    def begin(self, status: int, headers: bytes) -> None:
        """Start a reply of unknown length. Its head leaves with the first bytes of the body."""
        if not self._start():
            return
        head = status_line(status) + headers
        if self._bodiless or status in BODILESS:
            self._bodiless = True
            self._head = head + self._connection_header() + b"\r\n"
        elif self._http10:
            self._line.keep_alive = False  # HTTP/1.0 knows no chunks: the body ends with the connection
            self._head = head + self._connection_header() + b"\r\n"
        else:
            self._chunked = True
            self._head = head + self._connection_header() + b"transfer-encoding: chunked\r\n\r\n"

    def write(self, data: bytes) -> None:
        """More of the body, as one chunk. Empty data sends the head alone."""
        if self._head or not self._chunked or self._bodiless or not data:
            self._write_unusual(data)
            return
        size = len(data)
        if size < 4096:
            self._out(b"".join((CHUNK_HEADS[size], data, b"\r\n")))
        else:
            self._out(b"%x\r\n%b\r\n" % (size, data))

    def finish(self, tail: bytes = b"") -> None:
        """The last of the body, and the end."""
        if self.finished or self.gone:
            return
        if not self.started:
            raise RuntimeError("this reply has not begun")
        end = b"" if self._bodiless else self._chunk(tail) + END if self._chunked else tail
        self._out(self._head + end)
        self._end()

    def abort(self) -> None:
        """Close without the ending, so that the client knows the reply is cut short."""
        if self.finished or self.gone:
            return
        reset = self.started and not self._chunked  # where the end of the body is the end of the connection
        self.release()
        self.finished = True
        self._line.reply_aborted(reset=reset)

    def leave(self) -> None:
        """The connection says: the client is gone."""
        self.release()
        self.gone = True
        self._tell(self.on_gone)

    def drain(self) -> None:
        """The connection says: finish now."""
        self._tell(self.on_drain)

    def _tell(self, listener: Callable[[], None] | None) -> None:
        """Called from loops over all connections, so one listener's bug must not reach the others."""
        try:
            if listener is not None:
                listener()
        except Exception:
            LOG.exception("a reply's listener failed")

    def release(self) -> None:
        """Nothing more goes out."""
        self._out = _nowhere
        self._head = b""

    def _start(self) -> bool:
        if self.finished or self.gone:
            return False
        if self.started:
            raise RuntimeError("this reply has already begun")
        self.started = True
        return True

    def _connection_header(self) -> bytes:
        if not self._line.keep_alive:
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if self._http10 else b""

    def _write_unusual(self, data: bytes) -> None:
        """Bytes that take the head along, or travel without chunk framing, or not at all."""
        if self.finished or self.gone:
            return
        if not self.started:
            raise RuntimeError("this reply has not begun")
        head, self._head = self._head, b""
        body = b"" if self._bodiless else self._chunk(data) if self._chunked else data
        if head or body:
            self._out(head + body)

    def _chunk(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    def _end(self) -> None:
        self.finished = True
        self._out = _nowhere
        self._head = b""
        self._line.reply_done()


class Site(Protocol):
    """What stands behind the server: it decides, the server carries."""

    def head(self, request: Request) -> int:
        """Asked once a head is complete, if the body is large, chunked, or waits for `100 Continue`.

        Returns how many bytes of body to take at most; raises Problem to refuse before the body comes.
        """
        ...

    def call(self, request: Request, reply: Reply) -> None:
        """A complete request. Returns at once."""
        ...

    def problem(self, problem: Problem, request: Request | None) -> tuple[int, bytes, bytes]:
        """Status, header block and body for a refusal of the server's own."""
        ...
