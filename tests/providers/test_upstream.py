"""The client as a whole: pooled connections, calls sent once more, stopping, back-pressure."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import stat
from typing import Any

import pytest
from rawserver import Heard, Line, answer, answers, ask, call, raw_server, send, turns, upstream_of

from waypost.providers.connection import Connection
from waypost.providers.upstream import Address, Exchange, Upstream, UpstreamLimits


def test_a_second_call_uses_the_same_connection(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            first = await ask(upstream, server.address)
            second = await ask(upstream, server.address)
            assert [first.body, second.body] == [b"hello"] * 2
            assert first.exchange.connect_ms > 0
            assert second.exchange.connect_ms is None
            assert second.exchange.repeats == 0
            assert len(server.lines) == upstream.open_sockets == 1

    play(scene())


def test_the_connection_is_free_when_the_end_is_told(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            first = Heard()
            seconds: list[Heard] = []
            first.on_end = lambda: seconds.append(send(upstream, server.address))
            upstream.send(server.address, *call(), first)
            await first.ended.wait()
            await seconds[0].ended.wait()
            assert seconds[0].code == "eof"
            assert len(server.lines) == 1

    play(scene())


def test_the_connection_freed_last_is_used_first(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            while True:
                await line.request()
                await line.say(answer(b"%d" % line.number))

        async with raw_server(script) as server, upstream_of() as upstream:
            both = [send(upstream, server.address) for _ in range(2)]
            for heard in both:
                await heard.ended.wait()
            last = max(both, key=lambda heard: heard.body)
            again = await ask(upstream, server.address)
            more = await ask(upstream, server.address)
            assert again.body == more.body
            assert last.body in (b"0", b"1")
            assert len(server.lines) == 2

    play(scene())


@pytest.mark.parametrize("other", ["host", "port", "allow_private"])
def test_a_connection_serves_only_its_own_address(play, other) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, raw_server(answers) as elsewhere, upstream_of() as upstream:
            await ask(upstream, server.address)
            changed = {"host": "localhost", "port": elsewhere.address.port, "allow_private": False}[other]
            heard = await ask(upstream, server.address._replace(**{other: changed}))
            if other == "allow_private":
                assert heard.code == "forbidden_address"
            else:
                assert heard.exchange.connect_ms is not None

    play(scene())


# Connections that died, or spoke, while they were free.


def test_a_free_connection_that_the_provider_closed_is_not_used(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer())

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            await asyncio.wait_for(until(lambda: upstream.open_sockets == 0), 2)
            heard = await ask(upstream, server.address)
            assert heard.code == "eof"
            assert heard.exchange.repeats == 0
            assert heard.exchange.connect_ms is not None

    play(scene())


@pytest.mark.parametrize("late", [b"", b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n", b"\r\n"])
def test_a_connection_that_ends_or_speaks_unasked_is_seen_before_the_loop_sees_it(play, late) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            sock = server.lines[0].writer.get_extra_info("socket")
            copy = socket.socket(fileno=os.dup(sock.fileno()))
            copy.send(late) if late else copy.shutdown(socket.SHUT_WR)
            copy.close()
            heard = await ask(upstream, server.address)  # no turn of the loop in between
            assert (heard.code, heard.status) == ("eof", 200)
            assert heard.exchange.repeats == 0
            assert len(server.lines) == 2

    play(scene())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_call_on_a_free_connection_that_dies_without_a_byte_is_sent_once_more(play, how) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer())
            if line.number == 0:
                await line.request()
                if how == "reset":
                    line.reset()
                return
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            heard = await ask(upstream, server.address, body=b"x" * 1000)
            assert heard.code == "eof"
            assert heard.exchange.repeats == 1
            assert heard.exchange.connect_ms is not None
            assert len(server.lines) == 2

    play(scene())


def test_a_call_is_sent_again_only_once(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            if line.number == 0:
                await line.say(answer())
                await line.request()

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            heard = await ask(upstream, server.address)
            assert heard.code == "reset"
            assert heard.exchange.repeats == 1
            assert len(server.lines) == 2

    play(scene())


def test_a_call_is_not_sent_again_once_a_byte_came(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer())
            await line.request()
            await line.say(b"H")

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            heard = await ask(upstream, server.address)
            assert heard.code == "reset"
            assert "middle" in heard.end.why
            assert heard.exchange.repeats == 0
            assert len(server.lines) == 1

    play(scene())


def test_a_call_on_a_fresh_connection_is_never_sent_again(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "reset"
            assert "without a reply" in heard.end.why
            assert len(server.lines) == 1

    play(scene())


def test_when_the_second_sending_cannot_connect_that_is_told(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer())
            await line.request()
            server.listener.close()

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            heard = await ask(upstream, server.address)
            assert heard.code == "connect"
            assert heard.exchange.repeats == 1

    play(scene())


# How long connections are kept.


def test_a_free_connection_is_closed_after_its_time(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of(limits=UpstreamLimits(idle_seconds_max=0.3)) as upstream:
            await ask(upstream, server.address)
            assert upstream.open_sockets == 1
            await asyncio.wait_for(until(lambda: upstream.open_sockets == 0), 2)

    play(scene())


def test_a_connection_past_its_time_is_not_used_even_before_the_ticker_comes(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of(limits=UpstreamLimits(idle_seconds_max=0.02)) as upstream:
            await ask(upstream, server.address)
            await asyncio.sleep(0.03)
            heard = await ask(upstream, server.address)
            assert heard.exchange.connect_ms is not None

    play(scene())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"x-nothing: 1", 4.0),
        (b"keep-alive: timeout=20", 19.0),
        (b"keep-alive: timeout=5, max=100", 4.0),
        (b"Keep-Alive: max=5, TIMEOUT=11", 10.0),
        (b"keep-alive: timeout=2", 1.0),
        (b"keep-alive: timeout=1", None),
        (b"keep-alive: timeout=0", None),
        (b"keep-alive: timeout=900000", 60.0),
        (b"keep-alive: timeout=soon", 4.0),
        (b"keep-alive: xtimeout=50", 4.0),
        (b"connection: close", None),
        (b"connection: keep-alive, close", None),
    ],
)
def test_a_connection_is_kept_as_long_as_the_provider_promises(play, header, seconds) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer(b"hello", header))
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            (idle,) = upstream._pool._idle.values() or [{}]
            kept = [round(each.idle_until - asyncio.get_running_loop().time(), 1) for each in idle]
            assert kept == ([] if seconds is None else [seconds])
            assert upstream.open_sockets == len(kept)

    play(scene())


def test_no_more_connections_are_kept_free_than_the_limit(play) -> None:
    async def scene() -> None:
        limits = UpstreamLimits(idle_connections_max=3)
        async with raw_server(answers) as server, upstream_of(limits=limits) as upstream:
            for heard in [send(upstream, server.address) for _ in range(8)]:
                await heard.ended.wait()
            assert upstream.open_sockets == 3

    play(scene())


def test_a_free_connection_that_ended_leaves_its_place_to_another(play) -> None:
    async def scene() -> None:
        limits = UpstreamLimits(idle_connections_max=1)
        async with raw_server(answers) as server, upstream_of(limits=limits) as upstream:
            for number in range(3):
                await ask(upstream, server.address)
                assert upstream.open_sockets == 1
                server.lines[number].writer.close()
                await until(lambda: upstream.open_sockets == 0)

    play(scene())


def test_no_more_connections_are_opened_than_the_limit(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.until_left()

        limits = UpstreamLimits(connections_max=2)
        async with raw_server(script) as server, upstream_of(limits=limits) as upstream:
            calls = [send(upstream, server.address) for _ in range(5)]
            await until(lambda: sum(heard.end is not None for heard in calls) == 3)
            assert {heard.code for heard in calls if heard.end} == {"connect"}
            assert upstream.open_sockets == 2

    play(scene())


def test_at_the_limit_a_free_connection_gives_way(play) -> None:
    async def scene() -> None:
        limits = UpstreamLimits(connections_max=1)
        async with raw_server(answers) as one, raw_server(answers) as two, upstream_of(limits=limits) as upstream:
            for server in (one, two, one, two):
                assert (await ask(upstream, server.address)).code == "eof"
            assert upstream.open_sockets == 1

    play(scene())


# Stopping.


def test_cancel_closes_the_connection_within_100_ms_and_nothing_more_is_heard(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = send(upstream, server.address)
            await heard.data_came.wait()
            heard.exchange.cancel()
            async with asyncio.timeout(0.1):
                await server.lines[0].ended.wait()
            heard.exchange.cancel()
            heard.exchange.pause()
            heard.exchange.resume()
            await turns()
            assert heard.end is None
            assert upstream.open_sockets == 0

    play(scene())


@pytest.mark.parametrize("where", ["on_head", "on_data", "on_end"])
def test_a_sink_may_cancel_from_within_any_callback(play, where) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            heard = Heard()
            called = asyncio.Event()

            def stop() -> None:
                heard.exchange.cancel()
                called.set()

            setattr(heard, where, stop)
            heard.exchange = upstream.send(server.address, *call(), heard)
            await called.wait()
            await turns(10)
            assert heard.body == (b"" if where == "on_head" else b"hello")
            assert heard.end == ("eof" if where == "on_end" else None)
            assert upstream.open_sockets == (1 if where == "on_end" else 0)

    play(scene())


def test_cancelling_right_after_sending_says_nothing_and_leaves_nothing(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            for waited in range(12):
                heard = send(upstream, server.address)
                await turns(waited)
                heard.exchange.cancel()
                ended = heard.end
                await asyncio.sleep(0.002)
                assert heard.end == ended
            assert upstream.open_sockets <= 1

    play(scene())


def test_a_paused_call_can_be_cancelled(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\n\r\nabc")
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = send(upstream, server.address)
            await heard.data_came.wait()
            heard.exchange.pause()
            await turns()
            heard.exchange.cancel()
            async with asyncio.timeout(0.1):
                await server.lines[0].ended.wait()

    play(scene())


def test_closing_tells_every_call_that_it_is_lost(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.until_left()

        async with raw_server(script) as server:
            upstream = Upstream()
            waiting = send(upstream, server.address)
            await until(lambda: len(server.lines) == 1)
            connecting = send(upstream, server.address)
            await upstream.close()
            late = await ask(upstream, server.address)
            assert [heard.end.why for heard in (waiting, connecting, late)] == ["the router is shutting down"] * 3
            assert upstream.open_sockets == 0

    play(scene())


def test_a_sink_that_raises_harms_nobody_else(play) -> None:
    async def scene() -> None:
        seen: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
        async with raw_server(answers) as server, upstream_of() as upstream:
            heard = Heard()

            def fail() -> None:
                raise ZeroDivisionError

            heard.on_data = fail
            heard.exchange = upstream.send(server.address, *call(), heard)
            await heard.ended.wait()
            assert heard.code == "reset"
            assert [type(error) for error in seen] == [ZeroDivisionError]
            assert (await ask(upstream, server.address)).code == "eof"

    play(scene())


def test_when_close_returns_the_sockets_are_closed(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.until_left()

        async with raw_server(answers) as free, raw_server(script) as busy:
            before = sockets()
            upstream = Upstream()
            await ask(upstream, free.address)
            heard = send(upstream, busy.address)
            await until(lambda: len(busy.lines) == 1)
            assert sockets() == before + 4
            await upstream.close()
            assert sockets() == before + 2  # the server's ends
            assert heard.code == "connect"

    play(scene())


def test_a_connection_that_dies_before_its_first_call_loses_that_call(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            connection = Connection(server.address, upstream, UpstreamLimits())
            dialing = asyncio.create_task(upstream._dialer.dial(connection, 5.0))
            (await dialing).drop()
            heard = Heard()
            upstream._dialed(Exchange(server.address, *call(), heard, 5.0), dialing)
            assert heard.code == "reset"
            assert "before it was asked" in heard.end.why

    play(scene())


# Back-pressure and uploads.


def test_a_paused_call_reads_no_further_and_buffers_little(play) -> None:
    total = 16 * 1024 * 1024

    async def scene() -> None:
        sent = 0

        async def script(line: Line) -> None:
            nonlocal sent
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
            piece = b"x" * 65536
            while sent < total:
                line.writer.write(piece)
                sent += len(piece)
                await line.writer.drain()
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = Heard()
            heard.on_data = lambda: heard.exchange.pause()  # noqa: PLW0108 (there is no exchange yet)
            heard.exchange = upstream.send(server.address, *call(), heard)
            await heard.data_came.wait()
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.03)
            assert sent < total
            assert heard.pieces == 1
            assert len(heard.body) <= 256 * 1024
            heard.on_data = None
            heard.exchange.resume()
            await heard.ended.wait()
            assert len(heard.body) == total
            assert heard.code == "eof"

    play(scene())


def test_a_call_paused_before_it_is_connected_waits_to_be_resumed(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            heard = send(upstream, server.address)
            heard.exchange.pause()
            await until(lambda: len(server.lines) == 1)
            await asyncio.sleep(0.05)
            assert not heard.status
            heard.exchange.resume()
            await heard.ended.wait()

    play(scene())


def test_a_call_that_ends_paused_gives_back_a_connection_that_reads(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            heard = Heard()
            heard.on_data = lambda: heard.exchange.pause()  # noqa: PLW0108 (there is no exchange yet)
            heard.exchange = upstream.send(server.address, *call(), heard)
            await heard.ended.wait()
            again = await ask(upstream, server.address)
            assert again.code == "eof"
            assert again.exchange.connect_ms is None

    play(scene())


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 5_000_000])
def test_bodies_of_any_size_go_out_whole(play, size) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            while True:
                request = await line.request()
                await line.say(answer(b"%d" % (len(request.partition(b"\r\n\r\n")[2]))))

        async with raw_server(script, limit=2**24) as server, upstream_of() as upstream:
            for _ in range(2):
                heard = await ask(upstream, server.address, body=b"x" * size)
                assert heard.body == b"%d" % size
            assert len(server.lines) == 1

    play(scene())


def test_an_answer_before_the_upload_ended_is_told_and_the_connection_closed(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.reader.readuntil(b"\r\n\r\n")
            await line.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address, body=b"x" * 30_000_000)
            assert (heard.status, heard.body, heard.code) == (413, b"no", "eof")
            assert upstream.open_sockets == 0

    play(scene())


def test_packets_do_not_wait_to_be_filled(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            (connection,) = upstream._connections
            sock = connection._raw.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    play(scene())


def test_a_hundred_calls_at_once_are_kept_apart(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            while True:
                request = await line.request()
                await line.say(answer(request.partition(b"\r\n\r\n")[2]))

        async with raw_server(script, backlog=200) as server, upstream_of() as upstream:
            for turn in range(3):
                bodies = [b"%d-%d" % (turn, number) for number in range(100)]
                calls = [send(upstream, server.address, body) for body in bodies]
                for heard in calls:
                    await heard.ended.wait()
                assert [heard.body for heard in calls] == bodies
            assert len(server.lines) == 100

    play(scene())


def test_a_finished_connection_is_not_kept_alive_by_its_own_parser(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server:
            gc.collect()
            gc.disable()
            try:
                upstream = Upstream()
                await ask(upstream, server.address)
                await upstream.close()
                await turns()
                del upstream
                assert not [each for each in gc.get_objects() if type(each).__name__ == "Connection"]
            finally:
                gc.enable()

    play(scene())


def test_no_socket_is_left_whenever_a_call_is_cancelled(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\n", b"transfer-encoding: chunked\r\n\r\n", b"3\r\nabc\r\n")
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            before = sockets()
            for waited in range(60):
                heard = send(upstream, server.address)
                await turns(waited)
                heard.exchange.cancel()
            assert server.lines
            assert upstream.open_sockets == 0
            await until(lambda: all(line.ended.is_set() for line in server.lines) and sockets() == before, 2)

    play(scene())


async def until(condition: Any, seconds_max: float = 5.0) -> None:
    async with asyncio.timeout(seconds_max):
        while not condition():
            await asyncio.sleep(0.001)


def test_an_address_is_written_as_people_read_it() -> None:
    assert Address("https", "::1", 443, allow_private=False).shown == "[::1]:443"
    assert Address("https", "api.test", 443, allow_private=False).shown == "api.test:443"


def sockets() -> int:
    """How many sockets this process has."""
    count = 0
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 (Path would stat each of them)
        try:
            count += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
        except OSError:
            continue
    return count
