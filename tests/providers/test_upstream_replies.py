"""Replies of every shape, cut anywhere; whatever two readers could read differently is refused."""

from __future__ import annotations

import asyncio

import pytest
from rawserver import Heard, Line, answer, ask, raw_server, send, turns, upstream_of

from waypost.providers.upstream import UpstreamLimits

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"content-length: 0\r\n\r\n"

WHOLE = {
    "length": (OK + b"X-One: a\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    "chunks like ends": (
        OK + b"transfer-encoding: CHUNKED\r\n\r\nC\r\n0\r\n\r\n0\r\n\r\n\r\n\r\n000\r\n\r\n",
        b"0\r\n\r\n0\r\n\r\n\r\n",
    ),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b""),
    "interim heads": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: </>\r\n\r\n" + answer(), b"hello"),
    "interim look-alike": (OK + b"content-length: 8\r\n\r\n\r\n\r\n\r\n\r\n", b"\r\n\r\n\r\n\r\n"),
    "old but kept": (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
}
CLOSING = {
    "until the end": (OK + b"content-type: text/plain\r\n\r\nhello", b"hello"),
    "until the end, empty": (OK + b"\r\n", b""),
    "old": (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
    "says close": (answer(b"hello", b"Connection: close"), b"hello"),
    "trailer": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", b"hello"),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b""),
}


async def replied(*pieces: bytes, **limits: int) -> tuple[Heard, int]:
    """What a sink hears when a server says `pieces` and closes, and how many sockets were kept before it closed."""

    async def script(line: Line) -> None:
        await line.request()
        await line.say(*pieces)
        await asyncio.sleep(0.005)

    async with raw_server(script) as server, upstream_of(limits=UpstreamLimits(**limits)) as upstream:
        heard = await ask(upstream, server.address)
        return heard, upstream.open_sockets


@pytest.mark.parametrize("kind", WHOLE)
def test_a_reply_cut_at_any_byte_is_the_same_and_its_connection_is_used_again(play, kind) -> None:
    reply, body = WHOLE[kind]
    cuts = [
        *([reply[:at], reply[at:]] for at in range(1, len(reply))),
        [reply[at : at + 1] for at in range(len(reply))],
    ]

    async def scene() -> None:
        async def script(line: Line) -> None:
            for pieces in cuts:
                await line.request()
                await line.say(*pieces)
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            for _ in cuts:
                heard = await ask(upstream, server.address)
                assert heard.code == "eof"
                assert heard.status == (204 if kind == "nothing" else 200)
                assert heard.body == body
            assert len(server.lines) == 1

    play(scene())


@pytest.mark.parametrize("kind", CLOSING)
def test_a_reply_that_ends_its_connection_is_whole_wherever_it_is_cut(play, kind) -> None:
    reply, body = CLOSING[kind]

    async def scene() -> None:
        async def script(line: Line) -> None:
            at = 1 + line.number
            await line.request()
            await line.say(reply[:at], reply[at:])

        async with raw_server(script) as server, upstream_of() as upstream:
            for _ in range(1, len(reply), 1 if kind.startswith("until") else 5):
                heard = await ask(upstream, server.address)
                assert (heard.code, heard.body) == ("eof", body)
                assert upstream.open_sockets == 0

    play(scene())


def test_names_come_in_lower_case_and_values_as_they_were_sent(play) -> None:
    reply = OK + b"X-Two:  b c \t\r\nX-EMPTY:\r\nX-Two: \xff\r\nContent-Length: 0\r\n\r\n"
    heard, _ = play(replied(reply))
    assert heard.headers == {b"x-two": b"\xff", b"x-empty": b"", b"content-length": b"0"}


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503, 529, 599])
def test_every_final_status_is_handed_on_and_no_redirect_followed(play, status) -> None:
    heard, _ = play(replied(b"HTTP/1.1 %d X\r\nlocation: /\r\ncontent-length: 2\r\n\r\nno" % status))
    assert (heard.status, heard.body, heard.code) == (status, b"no", "eof")


def test_a_compressed_reply_is_handed_on_as_it_is(play) -> None:
    heard, _ = play(replied(answer(b"\x1f\x8b\x08", b"content-encoding: gzip")))
    assert heard.headers[b"content-encoding"] == b"gzip"
    assert heard.body == b"\x1f\x8b\x08"


def test_an_answer_that_comes_in_pieces_is_handed_on_in_pieces(play) -> None:
    async def scene() -> None:
        go_on = asyncio.Event()

        async def script(line: Line) -> None:
            await line.request()
            await line.say(OK + b"transfer-encoding: chunked\r\n\r\n")
            await go_on.wait()
            await line.say(b"2\r\nhe\r\n3\r\nllo\r\n")
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = send(upstream, server.address)
            await heard.head_came.wait()
            assert not heard.pieces
            go_on.set()
            await heard.data_came.wait()
            await turns()
            assert (heard.body, heard.pieces, heard.end) == (b"hello", 1, None)
            heard.exchange.cancel()

    play(scene())


# Too many bytes.


@pytest.mark.parametrize(
    "extra",
    [b"x", b"\r\n", b"\n", answer(b"evil"), EMPTY, b"HTTP/1.1 100 Continue\r\n\r\n", b"\0" * 70000],
)
@pytest.mark.parametrize("kind", ["length", "chunks", "nothing", "interim heads"])
def test_bytes_after_a_reply_close_its_connection_and_are_never_told(play, kind, extra) -> None:
    reply, body = WHOLE[kind]
    heard, kept = play(replied(reply + extra))
    assert (heard.code, heard.body, kept) == ("eof", body, 0)


@pytest.mark.parametrize(
    "extra", [b"x", b"HT", b"\0\0\0", b"HTTP/1.1 200 0\r\n\r\n", b"HTTP/1.1 204 X\r\na: 0\r\n\r\n"]
)
@pytest.mark.parametrize("rest", range(1, 6))
def test_bytes_after_the_last_chunk_close_the_connection_wherever_it_is_cut(play, rest, extra) -> None:
    reply, body = WHOLE["chunks"]
    heard, kept = play(replied(reply[:-rest], reply[-rest:] + extra))
    assert (heard.code, heard.body, kept) == ("eof", body, 0)


@pytest.mark.parametrize("extra", [b"x", b"\r\n", answer(b"evil")])
def test_bytes_that_come_while_nobody_asked_close_the_connection(play, extra) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer())
            await asyncio.sleep(0.01)
            await line.say(extra)
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            await ask(upstream, server.address)
            assert upstream.open_sockets == 1
            async with asyncio.timeout(2):
                await server.lines[0].ended.wait()
            assert upstream.open_sockets == 0

    play(scene())


# Too few bytes.


@pytest.mark.parametrize("kind", ["length", "chunks", "interim heads"])
def test_a_reply_cut_short_is_lost_wherever_it_is_cut(play, kind) -> None:
    reply, _ = WHOLE[kind]

    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(reply[: line.number])

        async with raw_server(script) as server, upstream_of() as upstream:
            for at in range(len(reply)):
                heard = await ask(upstream, server.address)
                assert heard.code == "reset"
                assert ("without a reply" if at == 0 else "middle") in heard.end.why
                assert b"hello".startswith(heard.body)

    play(scene())


@pytest.mark.parametrize("head", [OK, OK + b"content-length: 50\r\n", OK + b"transfer-encoding: chunked\r\n"])
def test_a_reset_in_the_body_is_never_taken_for_its_end(play, head) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(head + b"\r\n5\r\nhello\r\n")
            await asyncio.sleep(0.01)
            line.writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: a RST
            line.reset()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "reset"
            assert heard.status == 200

    play(scene())


# What is not HTTP, or not one thing.

REFUSED = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "looks a little like it": b"HTTPS/1.1 200 OK\r\n\r\n",
    "RTSP": b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n",
    "binary": bytes(range(256)),
    "an empty line first": b"\r\n" + EMPTY,
    "status 99": b"HTTP/1.1 099 X\r\n\r\n",
    "status 600": b"HTTP/1.1 600 X\r\ncontent-length: 0\r\n\r\n",
    "status 20": b"HTTP/1.1 20 X\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 X\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 X\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nPRI",
    "switching, without saying to what": b"HTTP/1.1 101 X\r\n\r\n",
    "an interim head with a length": b"HTTP/1.1 103 X\r\ncontent-length: 3\r\n\r\n" + EMPTY,
    "an interim head in chunks": b"HTTP/1.1 100 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + EMPTY,
    "bare LF": OK.replace(b"\r\n", b"\n") + b"content-length: 0\n\n",
    "bare CR": OK + b"a: b\rcontent-length: 0\r\n\r\n",
    "NUL in a value": OK + b"a: \0\r\ncontent-length: 0\r\n\r\n",
    "folded": OK + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "space before colon": OK + b"content-length : 0\r\n\r\n",
    "no colon": OK + b"content-length\r\n\r\n",
    "no name": OK + b": x\r\ncontent-length: 0\r\n\r\n",
    "length and chunks": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "two lengths in one": OK + b"content-length: 5, 6\r\n\r\nhello!",
    "length +5": OK + b"content-length: +5\r\n\r\nhello",
    "length -5": OK + b"content-length: -5\r\n\r\nhello",
    "length 0x5": OK + b"content-length: 0x5\r\n\r\nhello",
    "length 5 5": OK + b"content-length: 5 5\r\n\r\nhello",
    "length without digits": OK + b"content-length:\r\n\r\nhello",
    "length over 64 bits": OK + b"content-length: 18446744073709551621\r\n\r\nhello",
    "gzip and chunks": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks and gzip": OK + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "identity": OK + b"transfer-encoding: identity\r\n\r\nhello",
    "chunks twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked with a form feed": OK + b"transfer-encoding: \x0cchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_reply_that_could_be_read_in_two_ways_is_refused(play, kind) -> None:
    heard, kept = play(replied(REFUSED[kind]))
    assert (heard.code, heard.status, heard.body, kept) == ("protocol", 0, b"", 0)


@pytest.mark.parametrize("kind", ["another protocol", "RTSP", "two lengths", "bare LF", "length and chunks"])
def test_what_is_refused_is_refused_wherever_it_is_cut(play, kind) -> None:
    reply = REFUSED[kind]
    heard, _ = play(replied(*(reply[at : at + 1] for at in range(len(reply)))))
    assert (heard.code, heard.status) == ("protocol", 0)


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nhello\r\n",
        b"0x2\r\nhe\r\n",
        b"2\r\nhello\r\n",
        b"2\nhe\n",
        b"-2\r\nhe\r\n",
        b"ffffffffffffffffff\r\n",
        b"\r\n",
    ],
)
def test_garbage_between_chunks_ends_the_reply_after_what_was_good(play, chunks) -> None:
    heard, kept = play(replied(OK + b"transfer-encoding: chunked\r\n\r\n4\r\ngood\r\n" + chunks))
    assert (heard.code, heard.status, kept) == ("protocol", 200, 0)
    assert heard.body.startswith(b"good")


@pytest.mark.parametrize("kind", ["switching protocols", "switching, without saying to what"])
def test_a_switch_of_protocols_is_told_as_such(play, kind) -> None:
    heard, _ = play(replied(REFUSED[kind]))
    assert "status 101" in heard.end.why


def test_why_a_reply_was_refused_says_nothing_that_was_in_it(play) -> None:
    heard, _ = play(replied(OK + b"x-secret\0: sk-hidden\r\n\r\n"))
    assert heard.code == "protocol"
    assert "hidden" not in heard.end.why


# Bombs.


def test_a_head_up_to_the_limit_is_read_and_one_byte_more_is_not(play) -> None:
    def head(size: int) -> bytes:
        empty = OK + b"content-length: 0\r\nx: \r\n\r\n"
        return empty.replace(b"x: ", b"x: " + b"a" * (size - len(empty)))

    for pieces in (1, 3):
        for size, code in ((32 * 1024, "eof"), (32 * 1024 + 1, "too_large")):
            whole = head(size)
            assert len(whole) == size
            step = size // pieces
            cuts = [whole[at : at + step] for at in range(0, size, step)]
            heard, _ = play(replied(*cuts))
            assert heard.code == code, (pieces, size)


def test_a_head_may_have_a_hundred_fields_and_no_more(play) -> None:
    for count, code in ((99, "eof"), (100, "too_large")):
        heard, _ = play(replied(OK + b"a: b\r\n" * count + b"content-length: 0\r\n\r\n"))
        assert heard.code == code


def test_chunk_extensions_may_add_up_where_a_body_comes_between_them(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(OK + b"transfer-encoding: chunked\r\n\r\n")
            for _ in range(60):
                await line.say(b"1;" + b"x" * 1000, b"\r\na\r\n")
            await line.say(b"0\r\n\r\n")

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address)
            assert (heard.code, heard.body) == ("eof", b"a" * 60)

    play(scene())


@pytest.mark.parametrize(
    "endless",
    [
        (b"HTTP/1.1 " + b"2" * 100, b"0" * 4096),
        (OK, b"x" * 4096),
        (OK + b"a: ", b"b" * 4096),
        (OK, b"a: b\r\n" * 700),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
        (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n2;", b"x" * 4096),
        (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", b"a: b\r\n" * 700),
        (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: ", b"b" * 4096),
        (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", b"0" * 4096),
    ],
)
def test_what_never_ends_is_ended_by_us(play, endless) -> None:
    async def scene() -> None:
        sent = 0

        async def script(line: Line) -> None:
            nonlocal sent
            await line.request()
            await line.say(endless[0] or b"HTTP/1.1 100 Continue\r\n\r\n")
            while True:
                await line.say(endless[1])
                sent += len(endless[1])
                await turns()

        async with raw_server(script) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code in ("too_large", "protocol")
            assert sent < 256 * 1024
            assert upstream.open_sockets == 0

    play(scene())
