"""How does a cold route's request get to an ASGI application, and its answer back?

The body is complete before the application is called. The application hears `http.disconnect` as soon as the client
has left, and its `send` waits while the client reads slower than the application writes.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote

from waypost.wire.http11 import Reply, Request

Message = MutableMapping[str, Any]
AsgiApp = Callable[[Any, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
"""2.3, not 2.4: up to there Starlette itself listens for the client's leaving while it streams, so that a stream which
has nothing to say ends too."""
FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})
"""The wire's own headers, which it writes itself."""
LOG: Final = logging.getLogger("waypost.door")

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


class AsgiBridge:
    """Answers requests with an ASGI application. One task a request."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()
        """Held so that none is collected while it runs."""

    def call(self, request: Request, reply: Reply) -> None:
        """Start the application on one complete request. Returns at once."""
        task = asyncio.get_running_loop().create_task(_Exchange(request, reply).run(self._app))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what still runs, such as work an application does after its answer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def scope_of(request: Request) -> dict[str, Any]:
    """The request in ASGI's words."""
    host, _, port = request.peer.rpartition(":")
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": "1.0" if request.http10 else "1.1",
        "method": request.method,
        "scheme": "https" if request.secure else "http",
        "path": unquote(request.path),
        "raw_path": request.path.encode("ascii"),
        "query_string": request.query,
        "root_path": "",
        "headers": list(request.headers.items()),
        "client": (host.strip("[]"), int(port)) if host else None,
        "server": None,
        "state": {},
    }


def response_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The application's headers as lines, without the wire's own. Raises ValueError for what would break a line."""
    lines = []
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} holds a character that no header may hold")
        if name.lower() not in FRAMING:
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


class _Exchange:
    """One call of the application: what it receives, what it sends."""

    def __init__(self, request: Request, reply: Reply) -> None:
        self._request = request
        self._reply = reply
        self._body_taken = False
        self._status = 0
        self._block = b""
        self._length: bytes | None = None
        """What the application said of its body's length; only a reply to HEAD needs it."""
        self._over = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        reply.on_gone = self._leave
        reply.on_full = self._room.clear
        reply.on_room = self._room.set

    async def run(self, app: AsgiApp) -> None:
        try:
            await app(scope_of(self._request), self._receive, self._send)
        except Exception:
            LOG.exception("the application failed at %s %s", self._request.method, self._request.path)
        finally:
            self._close()

    def _close(self) -> None:
        """Whatever the application left undone."""
        reply = self._reply
        if not reply.started:
            reply.send(500, b"content-type: text/plain; charset=utf-8\r\n", b"Internal Server Error")
        elif not reply.finished:
            reply.abort()
        reply.on_gone = reply.on_full = reply.on_room = None

    def _leave(self) -> None:
        self._over.set()
        self._room.set()

    async def _receive(self) -> Message:
        if not self._body_taken:
            self._body_taken = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
        elif message["type"] == "http.response.body":
            self._answer(message.get("body", b""), more=message.get("more_body", False))
            await self._room.wait()
        else:
            raise RuntimeError(f"this server has no use for {message['type']!r}")

    def _start(self, message: Message) -> None:
        if self._status:
            raise RuntimeError("http.response.start came twice")
        headers = list(message.get("headers", ()))
        self._block = response_block(headers)
        self._length = next((value for name, value in headers if name.lower() == b"content-length"), None)
        self._status = message["status"]

    def _answer(self, body: bytes, *, more: bool) -> None:
        reply = self._reply
        if not self._status:
            raise RuntimeError("http.response.body came before http.response.start")
        if not reply.started:
            self._begin(body, more=more)
        elif more:
            reply.write(body)
        else:
            reply.finish(body)
        if reply.finished:
            self._over.set()

    def _begin(self, body: bytes, *, more: bool) -> None:
        """A whole body at once travels with its length; a reply to HEAD with the length of what it stands for."""
        reply = self._reply
        if more:
            reply.begin(self._status, self._block)
            reply.write(body)
        elif self._request.method == "HEAD" and not body and self._length is not None:
            reply.begin(self._status, b"%bcontent-length: %b\r\n" % (self._block, self._length))
            reply.finish()
        else:
            reply.send(self._status, self._block, body)
