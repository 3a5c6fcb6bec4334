"""Who leaves when: clients at every point of a call, and the server itself. And TLS, where leaving is harder."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme
from wire_site import QUICK, TEXT, PlayedSite, Served, connected, served, until, within

from waypost.wire.http11 import Reply, Request

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"


class Waiting:
    """A call that only ends when the test says so."""

    def __init__(self, *, streams: bool = False) -> None:
        self.streams = streams
        self.replies: list[Reply] = []
        self.gone = 0
        self.drained = 0

    def __call__(self, request: Request, reply: Reply) -> None:
        self.replies.append(reply)
        reply.on_gone = self.leave
        if self.streams:
            reply.begin(200, TEXT)
            reply.write(b"word")

    def leave(self) -> None:
        self.gone += 1


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
@pytest.mark.parametrize("streams", [False, True], ids=["silent", "streaming"])
def test_a_client_that_leaves_is_noticed_at_once_and_only_once(run, how, streams):
    async def body():
        play = Waiting(streams=streams)
        async with served(PlayedSite({"/wait": play})) as on, connected(on) as client:
            client.send(WAIT)
            await until(lambda: bool(play.replies))
            assert on.server.in_flight == 1
            leave(client.writer, how)
            await until(lambda: play.gone == 1)
            reply = play.replies[0]
            assert reply.gone
            assert not reply.finished
            assert on.server.in_flight == 0
            reply.write(b"more")
            reply.finish(b"end")
            reply.send(200, TEXT, b"late")
            reply.abort()
            await until(lambda: on.server.connections == 0)
        assert play.gone == 1

    run(body())


def leave(writer: asyncio.StreamWriter, how: str) -> None:
    sock = writer.get_extra_info("socket")
    if how == "half-close":
        writer.write_eof()
    elif how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
    else:
        writer.close()


def test_a_client_may_leave_after_each_byte_of_its_request(run):
    message = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"

    async def body():
        site = PlayedSite()
        async with served(site) as on:
            for end in range(len(message)):
                async with connected(on) as client:
                    client.send(message[:end])
                    leave(client.writer, "half-close")
                    assert await client.closed()
            await until(lambda: on.server.connections == 0)
            assert on.server._traffic.bodies_bytes == 0
        assert site.calls == []

    run(body())


def test_a_client_that_pipelined_too_much_and_left_is_noticed_too(run):
    async def body():
        play = Waiting()
        site = PlayedSite({"/wait": play})
        async with served(site, QUICK._replace(pipelined_bytes_max=10_000)) as on, connected(on) as client:
            client.send(WAIT)
            await until(lambda: bool(play.replies))
            client.send(GET * 10_000)
            await client.writer.drain()
            client.writer.close()
            await until(lambda: play.gone == 1)
            await until(lambda: on.server.connections == 0)

    run(body())


def test_a_listener_with_a_bug_harms_nobody_else(run):
    async def body():
        def breaks(request: Request, reply: Reply) -> None:
            def bug() -> None:
                raise ZeroDivisionError

            reply.on_gone = reply.on_drain = bug

        site = PlayedSite({"/wait": breaks})
        async with served(site, QUICK._replace(drain_cut_seconds_max=0.05)) as on:
            async with connected(on) as one, connected(on) as other:
                one.send(WAIT)
                other.send(WAIT)
                await until(lambda: on.server.in_flight == 2)
                one.writer.close()
                await until(lambda: on.server.in_flight == 1)
                assert await on.server.drain(0) == 1
            assert on.server.connections == 0

    run(body())


# Drain.


def test_a_drain_closes_idle_connections_at_once_and_lets_calls_finish(run):
    async def body():
        play, stream = Waiting(), Waiting(streams=True)
        site = PlayedSite({"/wait": play, "/stream": stream})
        async with served(site) as on, connected(on) as idle, connected(on) as busy, connected(on) as streaming:
            await idle.ask(GET)
            busy.send(WAIT)
            streaming.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: on.server.in_flight == 2)
            draining = asyncio.create_task(on.server.drain(10))
            assert await idle.closed()
            with pytest.raises(OSError):
                await asyncio.open_connection(*on.address)
            assert on.server.in_flight == 2
            play.replies[0].send(200, TEXT, b"done")
            got = await busy.answer()
            assert (got.body, got.headers["connection"]) == (b"done", "close")
            assert await busy.closed()
            stream.replies[0].finish(b"end")
            assert (await streaming.answer()).body == b"wordend"
            assert await streaming.closed()
            assert await within(draining) == 0
        assert play.gone == stream.gone == 0

    run(body())


def test_a_request_that_is_still_coming_when_the_drain_begins_is_served(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as head, connected(on) as upload:
            head.send(b"GET /a HTTP/1.1\r\n")
            upload.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
            await until(lambda: sum(bool(each._held or each._upload) for each in on.server._traffic.connections) == 2)
            draining = asyncio.create_task(on.server.drain(10))
            await asyncio.sleep(0)
            for client, rest in ((head, b"Host: x\r\n\r\n"), (upload, b"llo")):
                got = await client.ask(rest)
                assert (got.status, got.headers["connection"]) == (200, "close")
                assert await client.closed()
            assert await within(draining) == 0

    run(body())


def test_a_drain_that_runs_out_of_time_lets_replies_say_so_and_counts_them(run):
    async def body():
        def polite(request: Request, reply: Reply) -> None:
            reply.on_drain = lambda: reply.finish(b"cut: we are closing")
            reply.begin(200, TEXT)
            reply.write(b"word ")

        silent = Waiting(streams=True)
        site = PlayedSite({"/polite": polite, "/wait": silent})
        async with served(site) as on, connected(on) as one, connected(on) as other:
            one.send(b"GET /polite HTTP/1.1\r\nHost: x\r\n\r\n")
            other.send(WAIT)
            await until(lambda: on.server.in_flight == 2)
            assert await within(on.server.drain(0.05)) == 2
            assert (await one.answer()).body == b"word cut: we are closing"
            assert (await other.rest()).endswith(b"4\r\nword\r\n")
            assert on.server.connections == 0
        assert silent.gone == 1

    run(body())


def test_a_reply_that_ignores_the_end_of_the_drain_is_closed_within_its_second(run):
    async def body():
        heard = []

        def stubborn(request: Request, reply: Reply) -> None:
            reply.on_drain = lambda: heard.append("drain")
            reply.on_gone = lambda: heard.append("gone")

        limits = QUICK._replace(drain_cut_seconds_max=0.05)
        async with served(PlayedSite({"/wait": stubborn}), limits) as on, connected(on) as client:
            client.send(WAIT)
            await until(lambda: on.server.in_flight == 1)
            assert await within(on.server.drain(0), 2) == 1
            assert heard == ["drain", "gone"]
            assert await client.closed()

    run(body())


def test_a_drain_waits_until_a_slow_reader_has_the_end_of_its_reply(run):
    async def body():
        content = b"x" * 3_000_000
        site = PlayedSite({"/a": lambda request, reply: reply.send(200, TEXT, content)})
        async with served(site) as on, connected(on, limit=8192) as client:
            client.writer.transport.pause_reading()
            client.send(GET)
            await within(site.called.wait())
            draining = asyncio.create_task(on.server.drain(10))
            await asyncio.sleep(0.02)
            client.writer.transport.resume_reading()
            assert (await client.answer()).body == content
            await within(draining)

    run(body())


# TLS.


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return {"ssl": context, "server_hostname": "localhost"}


def test_requests_come_through_tls(run, tls, trusting):
    async def body():
        content = b"x" * 300_000
        site = PlayedSite({"/p": lambda request, reply: reply.send(200, TEXT, request.body)})
        async with served(site, tls=tls) as on, connected(on, **trusting) as client:
            head = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(content)
            for _ in range(2):
                assert (await client.ask(head + content)).body == content
            got = await client.ask(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert got.status == 200
            assert await client.closed()
        assert all(request.secure for request, _ in site.calls)

    run(body())


def test_a_client_that_leaves_through_tls_is_noticed(run, tls, trusting):
    async def body():
        play = Waiting(streams=True)
        async with served(PlayedSite({"/wait": play}), tls=tls) as on, connected(on, **trusting) as client:
            client.send(WAIT)
            await until(lambda: bool(play.replies))
            client.writer.close()
            await until(lambda: play.gone == 1)
            await until(lambda: on.server.connections == 0)

    run(body())


def test_a_refusal_comes_through_tls(run, tls, trusting):
    async def body():
        site = PlayedSite(body_bytes_max=10)
        async with served(site, tls=tls) as on, connected(on, **trusting) as client:
            client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500_000)
            assert (await client.answer()).status == 413

    run(body())


def test_a_handshake_that_never_comes_is_cut(run, tls):
    async def body():
        limits = QUICK._replace(tls_handshake_seconds_max=0.1)
        async with served(PlayedSite(), limits, tls) as on, connected(on) as silent, connected(on) as half:
            half.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            assert await silent.closed()
            assert await half.closed()

    run(body())


def test_plain_http_on_a_tls_port_harms_nobody(run, tls, trusting):
    async def body():
        site = PlayedSite()
        async with served(site, tls=tls) as on:
            async with connected(on) as plain:
                plain.send(GET)
                await plain.closed()
            async with connected(on, **trusting) as client:
                assert (await client.ask(GET)).status == 200
        assert len(site.calls) == 1

    run(body())


def test_a_drain_ends_tls_connections_too(run, tls, trusting):
    async def body():
        play = Waiting(streams=True)
        limits = QUICK._replace(tls_shutdown_seconds_max=0.2, drain_cut_seconds_max=0.3)
        async with (
            served(PlayedSite({"/wait": play}), limits, tls) as on,
            connected(on, **trusting) as idle,
            connected(on, **trusting) as busy,
        ):
            await idle.ask(GET)
            busy.send(WAIT)
            await until(lambda: on.server.in_flight == 1)
            assert await within(on.server.drain(0.05)) == 1
            assert await idle.closed()
            assert play.gone == 1
            assert on.server.connections == 0

    run(body())


def test_a_name_for_the_address_is_not_needed_on_a_unix_socket(run, tmp_path):
    async def body():
        site = PlayedSite()
        async with served(site) as on:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(tmp_path / "s"))
            await on.server.listen(sock)
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            writer.write(GET)
            assert (await within(reader.readline())).startswith(b"HTTP/1.1 200")
            writer.close()
            assert Served
        assert site.calls[0][0].peer == "local"

    run(body())
