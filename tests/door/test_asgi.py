"""A real Starlette application behind a real server, asked over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from waypost.domain.problems import Problem
from waypost.door.asgi import AsgiBridge, response_block
from waypost.wire.http11 import HttpLimits, HttpServer, Reply, Request

SECONDS = 5


class Site:
    def __init__(self, bridge: AsgiBridge) -> None:
        self._bridge = bridge

    def head(self, request: Request) -> int:
        return 1 << 20

    def call(self, request: Request, reply: Reply) -> None:
        self._bridge.call(request, reply)

    def problem(self, problem: Problem, request: Request | None) -> tuple[int, bytes, bytes]:
        return problem.status, b"", problem.code.encode()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[str, int]]:
    bridge = AsgiBridge(app)
    server = HttpServer(Site(bridge), HttpLimits(write_buffer_bytes_max=64 * 1024))
    sock = socket.create_server(("127.0.0.1", 0))
    await server.listen(sock)
    try:
        yield sock.getsockname()
    finally:
        await server.drain(0)
        await bridge.close()


async def exchange(address: tuple[str, int], message: bytes) -> tuple[bytes, bytes]:
    """Head and body of the reply to a message that asks to close the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(message)
    whole = await asyncio.wait_for(reader.read(), SECONDS)
    writer.close()
    head, _, body = whole.partition(b"\r\n\r\n")
    return head.lower(), body


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def routed(path: str, endpoint: Callable[[HttpRequest], Awaitable[Response]], *methods: str) -> Starlette:
    return Starlette(routes=[Route(path, endpoint, methods=list(methods) or ["GET"])])


def test_a_request_arrives_in_all_its_parts(run):
    async def echo(request: HttpRequest) -> Response:
        return PlainTextResponse(
            f"{request.method} {request.url} {request.path_params['id']} {request.query_params['q']} "
            f"{request.cookies['b']} {request.headers['x-a']} {request.client is not None} {(await request.body())!r}"
        )

    async def body() -> None:
        async with served(routed("/models/{id:path}", echo, "POST")) as address:
            head, answer = await exchange(
                address,
                b"POST /models/acme%2Fone%20two?q=1%202 HTTP/1.1\r\nHost: example.org:81\r\n"
                b"Cookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
            )
        assert b" 200 " in head
        assert answer == (
            b"POST http://example.org:81/models/acme/one two?q=1%202 acme/one two 1 2 2 1, 2 True b'body'"
        )

    run(body())


def test_a_whole_response_travels_with_one_length_and_the_applications_headers(run):
    async def hello(_: HttpRequest) -> Response:
        return PlainTextResponse("hello", 201, {"x-one": "1", "connection": "keep-alive"})

    async def body() -> None:
        async with served(routed("/", hello)) as address:
            head, answer = await exchange(address, get("/"))
        lines = head.split(b"\r\n")
        assert lines[0] == b"http/1.1 201 created"
        assert lines.count(b"content-length: 5") == 1
        assert b"x-one: 1" in lines
        assert b"connection: close" in lines
        assert b"connection: keep-alive" not in lines
        assert answer == b"hello"

    run(body())


def test_a_reply_to_head_has_the_length_of_what_it_stands_for_and_no_body(run):
    async def hello(request: HttpRequest) -> Response:
        return PlainTextResponse("hello") if request.url.path == "/whole" else Response(headers={"content-length": "7"})

    async def body() -> None:
        app = Starlette(routes=[Route("/whole", hello), Route("/told", hello)])
        async with served(app) as address:
            for path, length in (("/whole", b"content-length: 5"), ("/told", b"content-length: 7")):
                head, answer = await exchange(address, get(path, "HEAD"))
                assert head.split(b"\r\n").count(length) == 1
                assert b"transfer-encoding" not in head
                assert answer == b""

    run(body())


def test_a_stream_comes_in_chunks(run):
    async def stream(_: HttpRequest) -> Response:
        async def words() -> AsyncIterator[bytes]:
            yield b"one"
            yield b""
            yield b"two"

        return StreamingResponse(words(), media_type="text/event-stream")

    async def body() -> None:
        async with served(routed("/", stream)) as address:
            head, answer = await exchange(address, get("/"))
        assert b"transfer-encoding: chunked" in head
        assert answer == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"

    run(body())


def test_a_silent_stream_ends_when_its_client_leaves(run):
    async def body() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def stream(_: HttpRequest) -> Response:
            async def words() -> AsyncIterator[bytes]:
                yield b"one"
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

            return StreamingResponse(words())

        async with served(routed("/", stream)) as address:
            _, writer = await asyncio.open_connection(*address)
            writer.write(get("/"))
            await asyncio.wait_for(begun.wait(), SECONDS)
            writer.close()
            await asyncio.wait_for(ended.wait(), SECONDS)

    run(body())


def test_a_handler_hears_that_its_client_left_before_it_answered(run):
    async def body() -> None:
        called, left = asyncio.Event(), asyncio.Event()

        async def wait(request: HttpRequest) -> Response:
            await request.body()
            called.set()
            message = await request.receive()
            assert message["type"] == "http.disconnect"
            left.set()
            return PlainTextResponse("nobody reads this")

        async with served(routed("/", wait)) as address:
            _, writer = await asyncio.open_connection(*address)
            writer.write(get("/"))
            await asyncio.wait_for(called.wait(), SECONDS)
            writer.close()
            await asyncio.wait_for(left.wait(), SECONDS)

    run(body())


def test_an_application_waits_for_a_slow_reader(run):
    async def body() -> None:
        piece, sent = b"x" * 65536, 0
        stuck = asyncio.Event()

        async def stream(_: HttpRequest) -> Response:
            async def words() -> AsyncIterator[bytes]:
                nonlocal sent
                asyncio.get_running_loop().call_later(0.3, stuck.set)
                for _ in range(512):
                    yield piece
                    sent += len(piece)

            return StreamingResponse(words())

        async with served(routed("/", stream)) as address:
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            slow.setblocking(False)
            await asyncio.get_running_loop().sock_connect(slow, address)
            await asyncio.get_running_loop().sock_sendall(slow, get("/"))
            await asyncio.wait_for(stuck.wait(), SECONDS)
            assert 0 < sent < 8 << 20
            reader, writer = await asyncio.open_connection(sock=slow)
            whole = await asyncio.wait_for(reader.read(), 20)
            writer.close()
        assert sent == 512 * len(piece)
        assert whole.endswith(b"0\r\n\r\n")
        assert len(whole) > sent

    run(body())


def test_work_after_the_answer_goes_on_and_delays_nobody(run):
    async def body() -> None:
        go, done = asyncio.Event(), asyncio.Event()

        async def after() -> None:
            await go.wait()
            done.set()

        async def hello(_: HttpRequest) -> Response:
            return PlainTextResponse("hello", background=BackgroundTask(after))

        async with served(routed("/", hello)) as address:
            _, answer = await exchange(address, get("/"))
            assert answer == b"hello"
            go.set()
            await asyncio.wait_for(done.wait(), SECONDS)

    run(body())


async def _says_nothing(scope: Any, receive: Any, send: Any) -> None:
    await receive()


async def _breaks(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError


async def _splits_a_header(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]})


@pytest.mark.parametrize("app", [_says_nothing, _breaks, _splits_a_header])
def test_an_application_that_fails_before_it_answers_becomes_a_500(run, app):
    async def body() -> None:
        async with served(app) as address:
            head, answer = await exchange(address, get("/"))
        assert head.startswith(b"http/1.1 500 ")
        assert b"set-cookie" not in head
        assert answer == b"Internal Server Error"

    run(body())


def test_an_application_that_fails_while_it_streams_cuts_the_reply_short(run):
    async def breaks_later(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    async def body() -> None:
        async with served(breaks_later) as address:
            _, answer = await exchange(address, get("/"))
        assert answer == b"4\r\nhalf\r\n"

    run(body())


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.body", "body": b""}],
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.start", "status": 200}],
        [{"type": "websocket.send"}],
    ],
)
def test_messages_out_of_turn_are_refused(run, messages):
    refused = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send(message)
        except RuntimeError as error:
            refused.append(error)

    async def body() -> None:
        async with served(app) as address:
            head, _ = await exchange(address, get("/"))
        assert head.startswith(b"http/1.1 500 ")

    run(body())
    assert refused


def test_headers_that_would_break_out_of_their_line_are_refused():
    for pair in ((b"a", b"b\r\nc: d"), (b"a", b"b\0"), (b"a b", b"c"), (b"", b"c"), (b"a:", b"c"), (b"a", b"b\nc")):
        with pytest.raises(ValueError, match="header"):
            response_block([pair])
    assert response_block([(b"A", b"\xe9"), (b"Content-Length", b"5"), (b"b", b"")]) == b"A: \xe9\r\nb: \r\n"
