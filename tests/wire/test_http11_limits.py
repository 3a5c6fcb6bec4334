"""Every size has its end, and so has what we do at once."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from wire_site import QUICK, TEXT, PlayedSite, connected, served, until

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


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


def test_too_much_pipelined_just_as_a_reply_ends_is_too_much_as_well(run):
    async def body():
        site = PlayedSite({"/a": lambda request, reply: None})
        async with served(site, QUICK._replace(pipelined_bytes_max=10_000)) as on, connected(on) as client:
            client.send(GET + b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: bool(site.calls))
            (connection,) = on.server._traffic.connections
            site.calls[0][1].send(200, TEXT, b"first")
            connection.data_received(b"x" * 10_001)
            assert (await client.answer()).body == b"first"
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
            assert [await status() for _ in range(5)] == [200] * 5, "one stall is a hiccup"
            loop.call_soon(stall)
            while await status() != 503:
                assert await status(b"/ready") == 200
            stalling = False
            while await status() != 200:
                pass

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
