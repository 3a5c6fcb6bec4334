"""Every wait has its end: heads and bodies that trickle, clients that say nothing, readers that do not read."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from wire_site import QUICK, TEXT, Client, PlayedSite, connected, served, until, within

from waypost.wire.http11 import Reply, Request

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def with_length(length: int) -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length


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


def test_one_long_stall_of_ours_is_not_the_clients_fault(run):
    async def body():
        site = PlayedSite({"/p": lambda request, reply: reply.send(200, TEXT, b"%d" % len(request.body))})
        async with served(site, RATE._replace(loop_lag_seconds_max=0.05)) as on, connected(on) as client:
            client.send(with_length(70_000))
            await until(lambda: len(site.heads) == 1)
            time.sleep(0.3)
            await asyncio.sleep(0.03)
            assert (await client.ask(b"x" * 70_000)).body == b"70000"

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
        self.last = 200
        self.ends = True

    def stop_at(self, last: int) -> None:
        """Dry up, without an end."""
        self.last = last
        self.ends = False

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
        if self.written >= self.last:
            if self.ends:
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


def test_a_reader_that_was_blocked_and_reads_again_has_all_the_time_it_needs(run):
    async def body():
        faucet = Faucet()
        limits = QUICK._replace(write_blocked_seconds_max=0.15)
        async with served(PlayedSite({"/a": faucet}), limits) as on, connected_by(narrow(on.address)) as client:
            client.send(GET)
            client.writer.transport.pause_reading()
            await until(lambda: not faucet.room)
            faucet.stop_at(faucet.written + 1)
            client.writer.transport.resume_reading()
            await client.head()
            for _ in range(faucet.written):
                await within(client.reader.readexactly(len(PIECE) + 8))
            await asyncio.sleep(0.3)
            assert not faucet.gone
            assert faucet.reply is not None
            faucet.reply.finish()
            await client.chunks()

    run(body())


def test_a_blocked_reader_that_stops_sending_is_gone_at_once(run):
    async def body():
        faucet = Faucet()
        async with served(PlayedSite({"/a": faucet})) as on, connected_by(narrow(on.address)) as client:
            client.send(GET)
            client.writer.transport.pause_reading()
            await until(lambda: not faucet.room)
            client.writer.write_eof()
            await until(lambda: faucet.gone, 1)

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
            for _ in range(300):
                client.send(GET)
                await asyncio.sleep(0.0005)
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
