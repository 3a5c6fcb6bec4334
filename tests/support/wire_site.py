"""A site that plays what a test tells it, served over real sockets, and a client that writes raw bytes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from waypost.domain.problems import Problem
from waypost.wire.http11 import HttpLimits, HttpServer, Reply, Request, header_block

SECONDS_MAX = 5.0
TEXT = header_block([("content-type", "text/plain")])
QUICK = HttpLimits(tick_seconds=0.01)
"""The product's limits, looked at often enough for a test."""

Play = Callable[[Request, Reply], None]


def echo(request: Request, reply: Reply) -> None:
    """Method, path and body of the request."""
    reply.send(200, TEXT, b"%b %b %b" % (request.method.encode(), request.path.encode(), request.body))


class PlayedSite:
    """Calls what stands for a path; remembers everything."""

    def __init__(self, plays: dict[str, Play] | None = None, body_bytes_max: int = 1 << 20) -> None:
        self.plays = plays or {}
        self.body_bytes_max = body_bytes_max
        self.heads: list[Request] = []
        self.calls: list[tuple[Request, Reply]] = []
        self.problems: list[Problem] = []
        self.refusal: Problem | None = None
        """Raised for every head."""
        self.called = asyncio.Event()

    def head(self, request: Request) -> int:
        self.heads.append(request)
        if self.refusal is not None:
            raise self.refusal
        return self.body_bytes_max

    def call(self, request: Request, reply: Reply) -> None:
        self.calls.append((request, reply))
        self.called.set()
        self.plays.get(request.path, echo)(request, reply)

    def problem(self, problem: Problem, request: Request | None) -> tuple[int, bytes, bytes]:
        self.problems.append(problem)
        seconds = problem.retry_after_seconds
        more = [] if seconds is None else [("retry-after", str(seconds))]
        return problem.status, TEXT + header_block([*more, *problem.headers]), problem.code.encode()


class Served(NamedTuple):
    """A server that is listening."""

    server: HttpServer
    address: tuple[str, int]


@asynccontextmanager
async def served(
    site: PlayedSite, limits: HttpLimits = QUICK, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    server = HttpServer(site, limits)
    sock = socket.create_server(("127.0.0.1", 0))
    await server.listen(sock, tls)
    try:
        yield Served(server, sock.getsockname()[:2])
    finally:
        await server.drain(0)
        assert server.connections == 0
        assert server.in_flight == 0


class Answer(NamedTuple):
    """One reply as it stood on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Writes bytes and reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        block = await within(self.reader.readuntil(b"\r\n\r\n"))
        first, *lines = block.decode("latin-1").split("\r\n")[:-2]
        pairs = [line.split(": ", 1) for line in lines]
        assert len({name for name, _ in pairs}) == len(pairs), f"a header came twice: {pairs}"
        return int(first.split(" ")[1]), dict(pairs)  # type: ignore[arg-type]

    async def answer(self, *, bodiless: bool = False) -> Answer:
        status, headers = await self.head()
        if bodiless or status in {100, 204, 304}:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, await self.chunks())
        if "content-length" in headers:
            return Answer(status, headers, await within(self.reader.readexactly(int(headers["content-length"]))))
        return Answer(status, headers, await self.rest())

    async def chunks(self) -> bytes:
        pieces = []
        while size := int(await within(self.reader.readuntil(b"\r\n")), 16):
            pieces.append(await within(self.reader.readexactly(size)))
            assert await within(self.reader.readexactly(2)) == b"\r\n"
        assert await within(self.reader.readexactly(2)) == b"\r\n"
        return b"".join(pieces)

    async def ask(self, data: bytes) -> Answer:
        self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await within(self.reader.read())

    async def closed(self) -> bool:
        """The server closed, with nothing more said."""
        try:
            return await self.rest() == b""
        except ConnectionResetError:
            return True


async def within(what: Coroutine[Any, Any, Any], seconds_max: float = SECONDS_MAX) -> Any:
    async with asyncio.timeout(seconds_max):
        return await what


@asynccontextmanager
async def connected(served: Served, **options: Any) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*served.address, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def until(true: Callable[[], bool], seconds_max: float = SECONDS_MAX) -> None:
    """Give the other side its turns of the loop until something is so."""
    async with asyncio.timeout(seconds_max):
        while not true():
            await asyncio.sleep(0.002)
