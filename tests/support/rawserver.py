"""Servers that say exactly the bytes a test gives them, and a sink that writes down what it hears."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from waypost.providers.upstream import Address, Exchange, Upstream

TURNS = 4
"""Turns of the loop after which bytes written on one end of a loopback socket were read at the other."""


async def turns(count: int = TURNS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Line:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number
        self.ended = asyncio.Event()
        """The client closed its end."""

    async def request(self) -> bytes:
        """One whole request: head, and a body of the length it names."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head + await self.reader.readexactly(int(line.partition(b":")[2]))
        return head

    async def say(self, *pieces: bytes) -> None:
        """Write the pieces so that each arrives alone."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionResetError
            self.writer.write(piece)
            await self.writer.drain()
            if len(pieces) > 1:
                await turns()

    async def until_left(self) -> None:
        """Wait until the client closes, reading what it sends meanwhile."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.ended.set()

    def reset(self) -> None:
        """Close with a RST."""
        self.writer.transport.abort()


Script = Callable[[Line], Awaitable[None]]


class RawServer:
    """Plays a script on each connection."""

    def __init__(self, script: Script) -> None:
        self.lines: list[Line] = []
        self.address = Address("http", "127.0.0.1", 0, allow_private=True)
        self.failures: list[BaseException] = []
        self.listener: Any = None
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer, len(self.lines))
        self.lines.append(line)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._script(line)
        except (asyncio.IncompleteReadError, ConnectionError):
            line.ended.set()
        except BaseException as error:
            self.failures.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def raw_server(script: Script, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[RawServer]:
    """A server on loopback; with `tls` its address says https and `localhost`."""
    played = RawServer(script)
    at = {"host": "127.0.0.1", "port": 0, **options}
    server = await asyncio.start_server(played.serve, ssl=tls, **at)
    played.listener = server
    port = server.sockets[0].getsockname()[1]
    scheme, host = ("https", "localhost") if tls else ("http", server.sockets[0].getsockname()[0])
    played.address = Address(scheme, host, port, allow_private=True)
    try:
        yield played
    finally:
        server.close()
        await played.stop()
        await turns()
    unexpected = [error for error in played.failures if not isinstance(error, asyncio.CancelledError)]
    assert not unexpected, unexpected


class Heard:
    """A sink that keeps everything, and knows that something may come only once."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.pieces = 0
        self.end: Any = None
        """`eof`, or the trouble."""
        self.head_came = asyncio.Event()
        self.data_came = asyncio.Event()
        self.ended = asyncio.Event()
        self.on_head: Callable[[], None] | None = None
        self.on_data: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.exchange: Exchange

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        assert not self.status, "a second head"
        assert self.end is None, "a head after the end"
        self.status = status
        self.headers = headers
        self.head_came.set()
        if self.on_head:
            self.on_head()

    def data(self, data: bytes) -> None:
        assert self.status, "a body before its head"
        assert self.end is None, "a body after the end"
        assert data, "an empty piece"
        self.body += data
        self.pieces += 1
        self.data_came.set()
        if self.on_data:
            self.on_data()

    def eof(self) -> None:
        assert self.status, "an end before the head"
        self._end("eof")

    def lost(self, trouble: Any) -> None:
        self._end(trouble)

    def _end(self, how: Any) -> None:
        assert self.end is None, f"{how} after {self.end}"
        self.end = how
        self.ended.set()
        if self.on_end:
            self.on_end()

    @property
    def code(self) -> str:
        """`eof`, or the trouble's code."""
        return self.end if isinstance(self.end, str) else self.end.code


def call(path: str = "/", body: bytes = b"") -> tuple[bytes, bytes]:
    """Head and body of a request."""
    return f"POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {len(body)}\r\n\r\n".encode(), body


def send(upstream: Upstream, address: Address, body: bytes = b"", seconds_max: float = 5.0) -> Heard:
    """Send and give back who hears of it. Nothing may be heard before this returns."""
    heard = Heard()
    heard.exchange = upstream.send(address, *call(body=body), heard, seconds_max)
    assert heard.end is None
    assert not heard.status
    return heard


async def ask(upstream: Upstream, address: Address, body: bytes = b"", seconds_max: float = 5.0) -> Heard:
    """Send and wait for the end."""
    heard = send(upstream, address, body, seconds_max)
    await heard.ended.wait()
    return heard


@asynccontextmanager
async def upstream_of(**parts: Any) -> AsyncIterator[Upstream]:
    """An upstream that must have no socket left when it is closed."""
    upstream = Upstream(**parts)
    try:
        yield upstream
    finally:
        await upstream.close()
    assert upstream.open_sockets == 0


def answer(body: bytes = b"hello", *lines: bytes) -> bytes:
    """A whole reply with a length."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (
        len(body),
        b"".join(b"%b\r\n" % x for x in lines),
        body,
    )


async def answers(line: Line) -> None:
    """The script of an ordinary provider."""
    while True:
        await line.request()
        await line.say(answer())
