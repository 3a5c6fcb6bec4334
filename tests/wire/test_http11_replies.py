"""What a reply looks like on the wire, whole or streamed, with and without a body, and when the site has bugs."""

from __future__ import annotations

import asyncio

import pytest
from wire_site import TEXT, PlayedSite, connected, served, until, within

from waypost.wire.http11 import Reply, Request, header_block

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
EXPECTING = b"POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"


# Streams.


def _two_words(request: Request, reply: Reply) -> None:
    reply.begin(200, TEXT)
    reply.write(b"one")
    reply.write(b"")
    reply.write(b"two" * 2000)
    reply.finish(b"end")


def test_a_stream_is_chunked_and_the_connection_goes_on(run):
    async def body():
        async with served(PlayedSite({"/a": _two_words})) as on, connected(on) as client:
            for _ in range(2):
                got = await client.ask(GET)
                assert got.headers == {"content-type": "text/plain", "transfer-encoding": "chunked"}
                assert got.body == b"one" + b"two" * 2000 + b"end"

    run(body())


def test_a_streams_head_waits_for_its_first_word_and_leaves_with_it(run):
    async def body():
        site = PlayedSite({"/a": lambda request, reply: reply.begin(200, TEXT)})
        async with served(site) as on, connected(on) as client:
            client.send(GET)
            await within(site.called.wait())
            assert site.calls[0][1].started
            await asyncio.sleep(0.02)
            assert not client.reader._buffer
            site.calls[0][1].write(b"one")
            await until(lambda: bool(client.reader._buffer))
            assert client.reader._buffer.endswith(b"\r\n\r\n3\r\none\r\n")

    run(body())


def test_empty_data_sends_a_streams_head_alone(run):
    async def body():
        site = PlayedSite({"/a": lambda request, reply: (reply.begin(200, TEXT), reply.write(b""))})
        async with served(site) as on, connected(on) as client:
            client.send(GET)
            status, _ = await client.head()
            assert status == 200
            site.calls[0][1].finish()
            assert await client.chunks() == b""

    run(body())


def test_an_aborted_stream_has_no_ending(run):
    async def body():
        def half(request: Request, reply: Reply) -> None:
            reply.begin(200, TEXT)
            reply.write(b"half")
            reply.abort()
            assert reply.finished
            reply.write(b"more")
            reply.finish()

        async with served(PlayedSite({"/a": half})) as on, connected(on) as client:
            client.send(GET + GET)
            assert (await client.rest()).endswith(b"\r\n\r\n4\r\nhalf\r\n")

    run(body())


def test_a_client_of_http10_gets_a_stream_that_ends_with_the_connection(run):
    async def body():
        async with served(PlayedSite({"/a": _two_words})) as on:
            for connection in (b"", b"Connection: keep-alive\r\n"):
                async with connected(on) as client:
                    got = await client.ask(b"GET /a HTTP/1.0\r\n%b\r\n" % connection)
                    assert "transfer-encoding" not in got.headers
                    assert got.headers["connection"] == "close"
                    assert got.body == b"one" + b"two" * 2000 + b"end"

    run(body())


def test_a_client_of_http10_can_tell_a_stream_that_was_cut_short(run):
    async def body():
        def half(request: Request, reply: Reply) -> None:
            reply.begin(200, TEXT)
            reply.write(b"half")
            asyncio.get_running_loop().call_later(0.02, reply.abort)

        async with served(PlayedSite({"/a": half})) as on, connected(on) as client:
            client.send(b"GET /a HTTP/1.0\r\n\r\n")
            await client.head()
            with pytest.raises(ConnectionResetError):
                await client.rest()

    run(body())


# Replies without a body, and the end of the connection.


def test_head_204_and_304_have_no_body_and_the_next_reply_follows_at_once(run):
    async def body():
        site = PlayedSite(
            {
                "/204": lambda request, reply: reply.send(204, b"", b"never"),
                "/304": lambda request, reply: reply.send(304, b"etag: a\r\n", b"never"),
                "/204s": lambda request, reply: (reply.begin(204, b""), reply.write(b"never"), reply.finish(b"never")),
                "/stream": _two_words,
            }
        )
        async with served(site) as on, connected(on) as client:
            for message, status, headers in (
                (b"HEAD /a", 200, {"content-type": "text/plain", "content-length": "8"}),
                (b"HEAD /stream", 200, {"content-type": "text/plain"}),
                (b"GET /204", 204, {}),
                (b"GET /304", 304, {"etag": "a"}),
                (b"GET /204s", 204, {}),
            ):
                client.send(message + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                got = await client.answer(bodiless=True)
                assert (got.status, got.headers) == (status, headers)
                assert (await client.ask(GET)).body == b"GET /a "

    run(body())


def test_a_refusal_of_head_has_no_body_either(run):
    async def body():
        async with served(PlayedSite()) as on, connected(on) as client:
            client.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")
            got = await client.answer(bodiless=True)
            assert (got.status, got.headers["content-length"]) == (413, "14")
            assert await client.closed()

    run(body())


@pytest.mark.parametrize(
    ("head", "stays"),
    [
        (b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive, CLOSE\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: TE\r\nTE: trailers\r\n\r\n", True),
        (b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", False),
        (b"GET /a HTTP/1.0\r\n\r\n", False),
        (b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_the_connection_ends_where_the_request_says_so(run, head, stays):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            got = await client.ask(head)
            if stays:
                assert got.headers.get("connection") in {None, "keep-alive"}
                assert (await client.ask(head)).status == 200
            else:
                assert got.headers["connection"] == "close"
                assert await client.closed()

    run(body())


def test_what_is_pipelined_behind_the_last_request_is_never_called(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            got = await client.ask(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET + b"junk")
            assert got.status == 200
            assert await client.closed()
        assert len(site.calls) == 1

    run(body())


# A site with bugs.


def test_a_bug_in_the_site_is_a_500_before_its_reply_began_and_a_cut_after(run):
    async def body():
        def breaks(request: Request, reply: Reply) -> None:
            raise ZeroDivisionError

        def breaks_late(request: Request, reply: Reply) -> None:
            reply.begin(200, TEXT)
            reply.write(b"half")
            raise ZeroDivisionError

        async with served(PlayedSite({"/a": breaks, "/late": breaks_late})) as on, connected(on) as client:
            got = await client.ask(GET)
            assert (got.status, got.body) == (500, b"internal_error")
            client.send(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await client.rest()).endswith(b"4\r\nhalf\r\n")

    run(body())


def test_a_bug_in_the_sites_look_at_a_head_is_a_500(run):
    async def body():
        site = PlayedSite()
        site.refusal = ZeroDivisionError()  # type: ignore[assignment]
        async with served(site) as on, connected(on) as client:
            assert (await client.ask(EXPECTING)).status == 500

    run(body())


def test_a_site_that_cannot_word_a_refusal_still_refuses(run):
    async def body():
        class Speechless(PlayedSite):
            def problem(self, problem, request):
                raise ZeroDivisionError

        async with served(Speechless()) as on, connected(on) as client:
            got = await client.ask(b"GET a HTTP/1.1\r\nHost: x\r\n\r\n")
            assert got.status == 400
            assert got.body

    run(body())


def test_a_reply_refuses_to_begin_twice_and_to_write_before_it_began(run):
    async def body():
        def twice(request: Request, reply: Reply) -> None:
            with pytest.raises(RuntimeError):
                reply.write(b"early")
            with pytest.raises(RuntimeError):
                reply.finish(b"early")
            reply.begin(200, TEXT)
            with pytest.raises(RuntimeError):
                reply.send(200, TEXT, b"twice")
            reply.finish(b"once")
            reply.send(200, TEXT, b"after the end nothing happens")
            reply.begin(200, TEXT)
            reply.write(b"nothing")
            reply.finish()
            reply.abort()

        async with served(PlayedSite({"/a": twice})) as on, connected(on) as client:
            assert (await client.ask(GET)).body == b"once"
            assert (await client.ask(GET)).body == b"once"

    run(body())


def test_headers_that_would_break_out_of_their_line_are_refused():
    for name, value in (("a", "b\r\nc: d"), ("a", "b\0"), ("a b", "c"), ("", "c"), ("a", "\u20ac"), ("a", "\x7f")):
        with pytest.raises(ValueError, match=r"header|latin-1"):
            header_block([(name, value)])
    assert header_block([("a", "b"), ("C", "\xe9\t")]) == b"a: b\r\nC: \xe9\t\r\n"
