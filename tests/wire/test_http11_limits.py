"""Every size and every wait has its end, and a refusal says which."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from wire_site import LOOPS, QUICK, TEXT, Client, PlayedSite, connected, served, until, within

from waypost.wire.http11 import Reply, Request

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=LOOPS)
def run(request):
    """Both kinds of loop: nothing may lean on uvloop alone."""

    def runs(coroutine):
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(within(coroutine, 20))

    return runs


def with_length(length: int) -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length


# Sizes.

SMALL = QUICK._replace(
    header_bytes_max=1000, header_fields_max=10, target_bytes_max=200, body_bytes_max=500, head_asks_above_bytes=100
)
SIZES = {
    "target": (414, b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "target without an end": (414, b"GET /" + b"a" * 1000),
    "head": (431, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1000 + b"\r\n\r\n"),
    "head without an end": (431, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1000),
    "head of short lines without an end": (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200),
    "fields": (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10 + b"\r\n"),
    "body by the site's word": (413, with_length(401)),
    "body by the server's word": (413, with_length(99)),
    "chunk": (413, CHUNKED + b"191\r\n"),
    "chunks": (413, CHUNKED + b"c8\r\n" + b"a" * 200 + b"\r\nc9\r\n"),
    "chunk extensions": (431, CHUNKED + b"1;" + b"a" * 2000 + b"\r\na\r\n"),
    "trailers": (431, CHUNKED + b"0\r\nA: " + b"a" * 2000 + b"\r\n\r\n"),
    "a megabyte of head": (431, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "ten thousand headers": (431, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n"),
}


@pytest.mark.parametrize("case", SIZES)
def test_what_is_too_large_is_refused_before_it_is_kept(run, case):
    status, message = SIZES[case]
    limits = SMALL._replace(body_bytes_max=98) if case == "body by the server's word" else SMALL

    async def body():
        site = PlayedSite(body_bytes_max=400)
        async with served(site, limits) as on, connected(on) as client:
            got = await client.ask(message)
            assert got.status == status, got
            assert got.headers["connection"] == "close"
            assert await client.closed()
        assert site.calls == []

    run(body())


def test_what_just_fits_is_served(run):
    async def body():
        site = PlayedSite(body_bytes_max=400)
        async with served(site, SMALL) as on, connected(on) as client:
            head = b"GET /%b HTTP/1.1\r\nHost: x\r\n%bA: " % (b"a" * 199, b"B: c\r\n" * 8)
            for message in (
                head + b"a" * (1000 - len(head) - 4) + b"\r\n\r\n",
                with_length(400) + b"a" * 400,
                CHUNKED + b"190\r\n" + b"a" * 400 + b"\r\n0\r\n\r\n",
            ):
                assert (await client.ask(message)).status == 200

    run(body())


def test_bodies_that_fill_the_memory_are_refused_and_forgotten(run):
    async def body():
        site = PlayedSite({"/p": lambda request, reply: None})
        limits = QUICK._replace(bodies_bytes_max=100_000)
        async with served(site, limits) as on, connected(on) as one, connected(on) as other, connected(on) as third:
            one.send(with_length(90_000))
            await until(lambda: len(site.heads) == 1)
            one.send(b"x" * 60_000)
            await until(lambda: on.server._traffic.bodies_bytes == 60_000)
            other.send(with_length(90_000))
            await until(lambda: len(site.heads) == 2)
            got = await other.ask(b"x" * 60_000)
            assert (got.status, got.body, got.headers["retry-after"]) == (503, b"overloaded", "1")
            assert on.server._traffic.bodies_bytes == 60_000
            one.send(b"x" * 30_000)
            await until(lambda: len(site.calls) == 1)
            assert on.server._traffic.bodies_bytes == 60_000, "a running call still holds its body"
            site.calls[0][1].send(200, TEXT, b"")
            await one.answer()
            assert on.server._traffic.bodies_bytes == 0
            third.send(with_length(90_000))
            await until(lambda: len(site.heads) == 3)
            third.send(b"x" * 60_000)
            await until(lambda: on.server._traffic.bodies_bytes == 60_000)
            third.writer.transport.abort()
            await until(lambda: on.server._traffic.bodies_bytes == 0)

    run(body())


# Waits.


async def seconds_until_closed(client: Client) -> float:
    begun = time.monotonic()
    assert await client.closed()
    return time.monotonic() - begun


def test_a_head_must_come_in_time_however_it_trickles(run):
    async def body():
        site = PlayedSite()
        async with served(site, QUICK._replace(header_seconds_max=0.15)) as on, connected(on) as client:
            begun = time.monotonic()
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
            trickle = asyncio.create_task(_trickle(client, b"A: b\r\n"))
            got = await client.answer()
            trickle.cancel()
            assert (got.status, got.body) == (408, b"request_timeout")
            assert 0.1 < time.monotonic() - begun < 2
        assert site.calls == []

    run(body())


async def _trickle(client: Client, data: bytes) -> None:
    while True:
        client.send(data)
        await asyncio.sleep(0.02)


def test_a_client_that_says_nothing_is_let_go(run):
    async def body():
        async with served(PlayedSite(), QUICK._replace(header_seconds_max=0.1)) as on, connected(on) as client:
            assert await seconds_until_closed(client) < 2
            assert not client.reader._buffer

    run(body())


def test_a_stray_empty_line_is_no_request_that_comes_too_slowly(run):
    async def body():
        async with served(PlayedSite(), QUICK._replace(header_seconds_max=0.1)) as on, connected(on) as client:
            await client.ask(GET)
            client.send(b"\r\n")
            assert await client.closed()

    run(body())


def test_an_idle_connection_is_let_go_and_a_busy_one_is_not(run):
    async def body():
        limits = QUICK._replace(idle_seconds_max=0.15)
        site = PlayedSite({"/slow": lambda request, reply: None})
        async with served(site, limits) as on, connected(on) as idle, connected(on) as busy:
            await idle.ask(GET)
            busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: len(site.calls) == 2)
            assert await seconds_until_closed(idle) < 2
            await asyncio.sleep(0.1)
            site.calls[1][1].send(200, TEXT, b"at last")
            assert (await busy.answer()).body == b"at last"

    run(body())


RATE = QUICK._replace(body_check_seconds=0.1, body_bytes_per_second_min=1000)


@pytest.mark.parametrize("start", [with_length(100_000), CHUNKED + b"1000\r\n"], ids=["length", "chunked"])
def test_a_body_that_trickles_is_cut(run, start):
    async def body():
        site = PlayedSite()
        async with served(site, RATE) as on, connected(on) as client:
            client.send(start + b"x" * 3000)
            trickle = asyncio.create_task(_trickle(client, b"x"))
            got = await client.answer()
            trickle.cancel()
            assert (got.status, got.body) == (408, b"request_timeout")
        assert site.calls == []

    run(body())


def test_a_body_that_comes_fast_enough_may_take_as_long_as_it_needs(run):
    async def body():
        site = PlayedSite({"/p": lambda request, reply: reply.send(200, TEXT, b"%d" % len(request.body))})
        async with served(site, RATE) as on, connected(on) as client:
            client.send(with_length(3000))
            for _ in range(30):
                client.send(b"x" * 100)
                await asyncio.sleep(0.01)
            assert (await client.answer()).body == b"3000"

    run(body())


def test_a_refused_client_that_never_closes_is_cut(run):
    async def body():
        async with served(PlayedSite(), QUICK._replace(linger_seconds_max=0.1)) as on, connected(on) as client:
            client.send(b"nonsense\r\n\r\n")
            await client.answer()
            await until(lambda: on.server.connections == 0)

    run(body())


# Readers that are slow.

PIECE = b"x" * 16_384


def narrow(address: tuple[str, int]) -> socket.socket:
    """A client's socket with little room, so that what is not read stays with the server."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.connect(address)
    sock.setblocking(False)
    return sock


class Faucet:
    """Writes while there is room, as a stream from a provider would."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.room = True
        self.gone = False
        self.most = 0
        self.written = 0

    def __call__(self, request: Request, reply: Reply) -> None:
        self.reply = reply
        reply.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        reply.on_gone, reply.on_full, reply.on_room = self.leave, self.stop, self.go_on
        reply.begin(200, TEXT)
        self.pour()

    def leave(self) -> None:
        self.gone = True

    def stop(self) -> None:
        self.room = False

    def go_on(self) -> None:
        self.room = True

    def pour(self) -> None:
        assert self.reply is not None
        if self.room and not self.gone:
            self.reply.write(PIECE)
            self.written += 1
            self.most = max(self.most, self.reply.transport.get_write_buffer_size())
        if self.written == 200:
            self.reply.finish()
        elif not self.gone:
            asyncio.get_running_loop().call_later(0.0005, self.pour)


def test_a_slow_reader_makes_the_writer_wait_and_gets_everything_in_the_end(run):
    async def body():
        faucet = Faucet()
        async with served(PlayedSite({"/a": faucet})) as on:
            sock = narrow(on.address)
            async with connected_by(sock) as client:
                client.send(GET)
                client.writer.transport.pause_reading()
                await until(lambda: not faucet.room)
                stood = faucet.written
                await asyncio.sleep(0.05)
                assert faucet.written == stood
                assert 0 < faucet.most <= 256 * 1024 + len(PIECE) + 16
                client.writer.transport.resume_reading()
                got = await client.answer()
                assert got.body == PIECE * 200
                assert (await client.ask(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
            assert not faucet.gone

    run(body())


class connected_by:  # noqa: N801 (reads as `connected`)
    """A client on a socket that is connected already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def __aenter__(self) -> Client:
        reader, self._writer = await asyncio.open_connection(sock=self._sock, limit=8192)
        return Client(reader, self._writer)

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()


def test_a_reader_that_stays_blocked_is_cut_and_the_writer_told(run):
    async def body():
        faucet = Faucet()
        limits = QUICK._replace(write_blocked_seconds_max=0.15)
        async with served(PlayedSite({"/a": faucet}), limits) as on, connected_by(narrow(on.address)) as client:
            client.send(GET)
            client.writer.transport.pause_reading()
            await until(lambda: not faucet.room)
            begun = time.monotonic()
            await until(lambda: faucet.gone)
            assert time.monotonic() - begun > 0.1
            await until(lambda: on.server.connections == 0)
            assert on.server.in_flight == 0

    run(body())


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"], ids=["kept", "closing"])
def test_a_finished_reply_that_nobody_reads_is_cut_too(run, last):
    async def body():
        limits = QUICK._replace(write_blocked_seconds_max=0.15, idle_seconds_max=0.15)
        sizes = {"/large": 4_000_000, "/small": 60_000}

        def large(request: Request, reply: Reply) -> None:
            reply.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            reply.send(200, TEXT, b"x" * sizes[request.path])

        async with served(PlayedSite({"/large": large, "/small": large}), limits) as on:
            for path in (b"/large", b"/small"):
                async with connected_by(narrow(on.address)) as client:
                    client.writer.transport.pause_reading()
                    client.send(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n")
                    await until(lambda: on.server.connections == 1)
                    await until(lambda: on.server.connections == 0)

    run(body())


def test_a_client_that_asks_on_without_reading_is_not_answered_into_memory(run):
    async def body():
        big = b"x" * 60_000
        site = PlayedSite({"/a": lambda request, reply: reply.send(200, TEXT, big)})
        async with served(site) as on, connected_by(narrow(on.address)) as client:
            client.writer.transport.pause_reading()
            client.send(GET * 300)
            await until(lambda: len(site.calls) > 2)
            await asyncio.sleep(0.1)
            stood = len(site.calls)
            assert stood < 100
            await asyncio.sleep(0.05)
            assert len(site.calls) == stood
            client.writer.transport.resume_reading()
            for _ in range(300):
                assert (await client.answer()).body == big

    run(body())


def test_a_client_that_pipelines_too_much_gets_no_more_turns(run):
    async def body():
        site = PlayedSite({"/a": lambda request, reply: None})
        async with served(site, QUICK._replace(pipelined_bytes_max=10_000)) as on, connected(on) as client:
            client.send(GET)
            await within(site.called.wait())
            (connection,) = on.server._traffic.connections
            for _ in range(100):
                client.send(b"GET /b HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 10_000 + b"\r\n\r\n")
                await asyncio.sleep(0)
                assert len(connection._held) <= 10_000
            await client.writer.drain()
            site.calls[0][1].send(200, TEXT, b"first")
            got = await client.answer()
            assert (got.body, got.headers["connection"]) == (b"first", "close")
            assert await client.closed()
        assert len(site.calls) == 1

    run(body())


# Too much to do.


def test_calls_beyond_the_limit_are_refused_at_once_and_probes_are_not(run):
    async def body():
        site = PlayedSite({"/slow": lambda request, reply: None})
        async with served(site, QUICK._replace(in_flight_max=1)) as on, connected(on) as one, connected(on) as other:
            one.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: on.server.in_flight == 1)
            for _ in range(2):
                got = await other.ask(GET)
                assert (got.status, got.body, got.headers["retry-after"]) == (503, b"overloaded", "1")
                assert "connection" not in got.headers
            assert (await other.ask(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
            site.calls[0][1].send(200, TEXT, b"done")
            assert (await one.answer()).body == b"done"
            assert (await other.ask(GET)).status == 200
            assert on.server.in_flight == 0

    run(body())


def test_a_large_body_is_refused_before_it_comes_when_there_is_too_much_to_do(run):
    async def body():
        site = PlayedSite({"/slow": lambda request, reply: None})
        async with served(site, QUICK._replace(in_flight_max=1)) as on, connected(on) as one, connected(on) as other:
            one.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: on.server.in_flight == 1)
            got = await other.ask(with_length(100_000))
            assert (got.status, got.headers["connection"]) == (503, "close")
            assert site.heads == []

    run(body())


def test_a_loop_that_lags_twice_in_a_row_refuses_until_it_is_back(run):
    async def body():
        site = PlayedSite()
        limits = QUICK._replace(loop_lag_seconds_max=0.03)
        async with served(site, limits) as on, connected(on) as client:
            loop = asyncio.get_running_loop()
            stalling = True

            def stall() -> None:
                time.sleep(0.06)
                if stalling:
                    loop.call_later(0.001, stall)

            async def status(path: bytes = b"/a") -> int:
                return (await client.ask(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")).status

            time.sleep(0.1)
            assert await status() == 200, "one stall is a hiccup"
            loop.call_soon(stall)
            while await status() != 503:
                assert await status(b"/ready") == 200
            stalling = False
            while await status() != 200:
                pass

    run(body())


def test_one_long_stall_of_ours_is_not_the_clients_fault(run):
    async def body():
        site = PlayedSite()
        limits = QUICK._replace(header_seconds_max=0.1, loop_lag_seconds_max=0.05)
        async with served(site, limits) as on, connected(on) as client:
            client.send(b"GET /a HTTP/1.1\r\n")
            (connection,) = on.server._traffic.connections
            await until(lambda: bool(connection._held))
            client.send(b"Host: x\r\n\r\n")
            time.sleep(0.3)
            assert (await client.answer()).status == 200

    run(body())


def test_connections_beyond_the_limit_are_told_so(run):
    async def body():
        site = PlayedSite()
        async with served(site, QUICK._replace(connections_max=2)) as on:
            async with connected(on) as one, connected(on) as other:
                await one.ask(GET)
                await other.ask(GET)
                async with connected(on) as third:
                    got = await third.ask(GET)
                    assert (got.status, got.body, got.headers["connection"]) == (503, b"overloaded", "close")
                    assert await third.closed()
                assert (await one.ask(GET)).status == 200
            await until(lambda: on.server.connections == 0)
            async with connected(on) as fourth:
                assert (await fourth.ask(GET)).status == 200

    run(body())


def test_thousands_of_connections_beyond_the_limit_are_cut_without_a_word(run):
    async def body():
        async with served(PlayedSite(), QUICK._replace(connections_max=1)) as on:
            socks = [socket.create_connection(on.address) for _ in range(300)]
            await until(lambda: on.server.connections == 257)
            await asyncio.sleep(0.05)
            assert on.server.connections <= 257
            for sock in socks:
                sock.close()
            await until(lambda: on.server.connections == 0)

    run(body())
