"""TLS: who is trusted, whose name must be shown, and replies over it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime

import pytest
import trustme
from rawserver import Heard, Line, answer, answers, ask, call, raw_server, send, turns, upstream_of

from waypost.providers.dialer import default_tls


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority) -> ssl.SSLContext:
    """Our own TLS, and the test's authority beside it."""
    context = default_tls()
    authority.configure_trust(context)
    return context


def serving(authority: trustme.CA, *names: str, alpn: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost",))).configure_cert(context)
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


def test_calls_over_tls_share_a_connection(play, authority, trusting) -> None:
    async def scene() -> None:
        seen: list[str] = []
        tls = serving(authority, alpn="http/1.1")
        tls.sni_callback = lambda _sock, name, _context: seen.append(name)
        async with raw_server(answers, tls) as server, upstream_of(tls=trusting) as upstream:
            for _ in range(3):
                heard = await ask(upstream, server.address)
                assert (heard.code, heard.body) == ("eof", b"hello")
            assert heard.exchange.connect_ms is None
            assert len(server.lines) == upstream.open_sockets == 1
            assert seen == ["localhost"]

    play(scene())


def test_a_large_upload_and_a_large_reply_come_through_whole(play, authority, trusting) -> None:
    size = 3_000_000

    async def scene() -> None:
        async def script(line: Line) -> None:
            while True:
                request = await line.request()
                await line.say(answer(request[-size:]))

        body = bytes(range(256)) * (size // 256 + 1)
        async with raw_server(script, serving(authority)) as server, upstream_of(tls=trusting) as upstream:
            for _ in range(2):
                heard = await ask(upstream, server.address, body[:size])
                assert heard.body == body[:size]
            assert len(server.lines) == 1

    play(scene())


def test_an_address_may_be_named_in_the_certificate(play, authority, trusting) -> None:
    async def scene() -> None:
        async with (
            raw_server(answers, serving(authority, "127.0.0.1")) as server,
            upstream_of(tls=trusting) as upstream,
        ):
            heard = await ask(upstream, server.address._replace(host="127.0.0.1"))
            assert heard.code == "eof"

    play(scene())


@pytest.mark.parametrize(
    ("kind", "why"),
    [("other name", "localhost"), ("unknown authority", "unable to get local issuer"), ("expired", "expired")],
)
def test_a_certificate_that_is_not_the_hosts_is_refused_before_a_word_is_said(
    play, authority, trusting, kind, why
) -> None:
    async def scene() -> None:
        said: list[bytes] = []

        async def script(line: Line) -> None:
            said.append(await line.reader.read(1))

        tls = {
            "other name": lambda: serving(authority, "other.test"),
            "unknown authority": lambda: serving(trustme.CA()),
            "expired": lambda: expired(authority),
        }[kind]()
        async with raw_server(script, tls) as server, upstream_of(tls=trusting) as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "tls"
            assert why in heard.end.why
            assert upstream.open_sockets == 0
            await turns(20)
            assert b"".join(said) == b""

    def expired(authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        past = datetime(2020, 1, 1, tzinfo=UTC)
        authority.issue_cert("localhost", not_after=past).configure_cert(context)
        return context

    play(scene())


def test_without_the_tests_authority_the_systems_trust_refuses_it(play, authority) -> None:
    async def scene() -> None:
        async with raw_server(answers, serving(authority)) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "tls"
            assert "certificate is not valid" in heard.end.why

    play(scene())


def test_old_tls_is_refused(play, authority, trusting) -> None:
    async def scene() -> None:
        tls = serving(authority)
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
        tls.set_ciphers("ALL:@SECLEVEL=0")
        async with raw_server(answers, tls) as server, upstream_of(tls=trusting) as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "tls"

    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        play(scene())


def test_a_server_that_answers_in_plain_text_is_told_from_one_that_does_not_answer(play, trusting) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.reader.read(1)
            await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async def mute(line: Line) -> None:
            await line.until_left()

        async with raw_server(script) as plain, raw_server(mute) as silent, upstream_of(tls=trusting) as upstream:
            heard = await ask(upstream, plain.address._replace(scheme="https"))
            assert heard.code == "tls"
            heard = await ask(upstream, silent.address._replace(scheme="https"), seconds_max=0.1)
            assert heard.code == "connect_timeout"
            assert "TLS" in heard.end.why
            async with asyncio.timeout(0.2):
                await silent.lines[0].ended.wait()

    play(scene())


def test_a_server_that_closes_in_the_handshake_is_a_tls_failure(play, trusting) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.reader.read(1)

        async with raw_server(script) as server, upstream_of(tls=trusting) as upstream:
            heard = await ask(upstream, server.address._replace(scheme="https"))
            assert heard.code == "tls"

    play(scene())


def test_a_server_that_chooses_another_protocol_is_refused(play, authority) -> None:
    async def scene() -> None:
        offering = default_tls()
        authority.configure_trust(offering)
        offering.set_alpn_protocols(["http/1.1", "h2"])
        tls = serving(authority, alpn="h2")
        async with raw_server(answers, tls) as server, upstream_of(tls=offering) as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "tls"
            assert "HTTP/1.1" in heard.end.why

    play(scene())


def test_a_dead_pooled_connection_is_replaced_over_tls_too(play, authority, trusting) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(answer())
            if line.number == 0:
                await line.request()
                line.reset()
            await line.until_left()

        async with raw_server(script, serving(authority)) as server, upstream_of(tls=trusting) as upstream:
            await ask(upstream, server.address)
            heard = await ask(upstream, server.address)
            assert (heard.code, heard.exchange.repeats) == ("eof", 1)

    play(scene())


def test_an_answer_before_the_upload_ended_closes_a_tls_connection_too(play, authority, trusting) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.reader.readuntil(b"\r\n\r\n")
            line.writer.transport.pause_reading()
            await line.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await asyncio.sleep(0.05)

        async with raw_server(script, serving(authority)) as server, upstream_of(tls=trusting) as upstream:
            heard = await ask(upstream, server.address, body=b"x" * 20_000_000)
            assert (heard.status, heard.code) == (413, "eof")
            assert upstream.open_sockets == 0

    play(scene())


def test_cancel_closes_a_tls_connection_within_100_ms(play, authority, trusting) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\n\r\nabc")
            await line.until_left()

        async with raw_server(script, serving(authority)) as server, upstream_of(tls=trusting) as upstream:
            heard = send(upstream, server.address)
            await heard.data_came.wait()
            heard.exchange.cancel()
            async with asyncio.timeout(0.1):
                await server.lines[0].ended.wait()
            assert heard.end is None

    play(scene())


def test_a_paused_call_over_tls_buffers_little(play, authority, trusting) -> None:
    total = 12 * 1024 * 1024

    async def scene() -> None:
        sent = 0

        async def script(line: Line) -> None:
            nonlocal sent
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
            while sent < total:
                line.writer.write(b"x" * 65536)
                sent += 65536
                await line.writer.drain()
            await line.until_left()

        async with raw_server(script, serving(authority)) as server, upstream_of(tls=trusting) as upstream:
            heard = Heard()
            heard.on_data = lambda: heard.exchange.pause()  # noqa: PLW0108 (there is no exchange yet)
            heard.exchange = upstream.send(server.address, *call(), heard)
            await heard.data_came.wait()
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.03)
            assert sent < total
            assert len(heard.body) <= 512 * 1024
            heard.on_data = None
            heard.exchange.resume()
            await heard.ended.wait()
            assert len(heard.body) == total

    play(scene())


def test_no_socket_is_left_whenever_a_handshake_is_cancelled(play, authority, trusting) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.until_left()

        async with raw_server(script, serving(authority)) as server, upstream_of(tls=trusting) as upstream:
            for waited in range(0, 90, 3):
                heard = send(upstream, server.address)
                await turns(waited)
                heard.exchange.cancel()
                await turns(2)
            await asyncio.sleep(0.02)
            assert upstream.open_sockets == 0

    play(scene())
