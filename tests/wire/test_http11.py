"""Ordinary use: what a well-meaning client sends, in every order and size it may come in."""

from __future__ import annotations

import asyncio
import socket

import pytest
from wire_site import QUICK, TEXT, PlayedSite, Served, connected, served, until, within

from waypost.domain.problems import Refusal
from waypost.wire.http11 import HttpLimits, Reply, Request

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nT: x\r\n\r\n"
)


def test_each_call_of_a_connection_brings_its_own_token_and_body(run):
    head = b"POST /p HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
    said = [(b"one", b"hello"), (b"other", b"a longer one"), (b"one", b""), (b"third", b"x" * 70_000)]

    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            for token, text in said:
                await client.ask(head % (token, len(text), text))
        heard = [(request.headers[b"authorization"], request.body) for request, _ in site.calls]
        assert heard == [(b"Bearer " + token, text) for token, text in said]
        assert {request.headers[b"content-length"] for request, _ in site.calls} == {b"5", b"12", b"0", b"70000"}
        assert len({request.peer for request, _ in site.calls}) == 1

    run(body())


def test_a_request_arrives_in_all_its_parts(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            await client.ask(
                b"POST /v1/models/acme%2Fone?a=b&c HTTP/1.1\r\nHost: LocalHost:8080\r\nX-One: 1 \t\r\nx-ONE:2\r\n"
                b"Cookie: a=1\r\ncookie: b=2\r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello"
            )
            own = client.writer.get_extra_info("sockname")
        request, _ = site.calls[0]
        assert (request.method, request.path, request.query) == ("POST", "/v1/models/acme%2Fone", b"a=b&c")
        assert request.target == b"/v1/models/acme%2Fone?a=b&c"
        assert request.headers == {
            b"host": b"LocalHost:8080",
            b"x-one": b"1, 2",
            b"cookie": b"a=1; b=2",
            b"empty": b"",
            b"content-length": b"5",
        }
        assert request.body == b"hello"
        assert request.peer == f"127.0.0.1:{own[1]}"
        assert request.secure is False
        assert request.arrived > 0

    run(body())


def test_blanks_around_a_value_are_no_part_of_it(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            await client.ask(b"GET /a HTTP/1.1\r\nHost:x \r\nA:  \tb c\t \r\nB: \t\r\nContent-Length: 0 \r\n\r\n")
        assert site.calls[0][0].headers == {b"host": b"x", b"a": b"b c", b"b": b"", b"content-length": b"0"}

    run(body())


def test_one_connection_serves_request_after_request(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            for message, answer in ((GET, b"GET /a "), (POST, b"POST /p hello"), (CHUNKED, b"POST /c hello")) * 3:
                got = await client.ask(message)
                assert (got.status, got.body) == (200, answer)
                assert "connection" not in got.headers
            assert on.server.connections == 1
            assert on.server.in_flight == 0
        assert len(site.calls) == 9

    run(body())


@pytest.mark.parametrize("message", [GET, POST, CHUNKED], ids=["get", "length", "chunked"])
def test_a_request_may_come_byte_by_byte_with_a_neighbour_on_either_side(run, message):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            for byte in GET + message + GET:
                client.send(bytes([byte]))
                await asyncio.sleep(0)
            answers = [await client.answer() for _ in range(3)]
        assert [answer.status for answer in answers] == [200] * 3
        assert len(site.calls) == 3

    run(body())


@pytest.mark.parametrize("cut", range(1, len(CHUNKED) - 1, 3))
def test_a_request_may_be_cut_anywhere(run, cut):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            client.send(POST + CHUNKED[:cut])
            await client.answer()
            got = await client.ask(CHUNKED[cut:] + GET)
            assert got.body == b"POST /c hello"
            assert (await client.answer()).body == b"GET /a "

    run(body())


def test_pipelined_requests_are_answered_one_after_another(run):
    async def body():
        waiting: list[Reply] = []
        site = PlayedSite({"/p": lambda request, reply: waiting.append(reply)})
        async with served(site) as on, connected(on) as client:
            client.send(POST + GET + POST + CHUNKED)
            await until(lambda: bool(waiting))
            assert len(site.calls) == 1
            waiting.pop().send(200, TEXT, b"first")
            assert (await client.answer()).body == b"first"
            assert (await client.answer()).body == b"GET /a "
            await until(lambda: bool(waiting))
            assert len(site.calls) == 3
            waiting.pop().send(200, TEXT, b"third")
            assert (await client.answer()).body == b"third"
            assert (await client.answer()).body == b"POST /c hello"

    run(body())


def test_thousands_of_pipelined_requests_need_no_stack(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            client.send(GET * 3000)
            for _ in range(3000):
                assert (await client.answer()).status == 200

    run(body())


def test_a_large_body_in_many_pieces_comes_whole(run):
    async def body():
        site = PlayedSite({"/p": lambda request, reply: reply.send(200, TEXT, request.body)}, 8 << 20)
        content = bytes(range(256)) * 8192
        async with served(site) as on, connected(on) as client:
            got = await client.ask(
                b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(content) + content
            )
            assert got.body == content
            client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(content), 10_000):
                piece = content[at : at + 10_000]
                client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            got = await client.ask(b"0\r\n\r\n")
            assert got.body == content
        assert [request.length for request in site.heads] == [len(content), -1]

    run(body())


def test_the_site_is_asked_before_a_large_body_only(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            await client.ask(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536)
            assert site.heads == []
            await client.ask(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65537)
            assert len(site.heads) == 1

    run(body())


# Expect, Upgrade, targets.

EXPECTING = b"POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"


def test_a_client_that_waits_for_100_continue_gets_it_after_the_site_agreed(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            client.send(EXPECTING)
            assert (await client.answer()).status == 100
            assert len(site.heads) == 1
            assert (await client.ask(b"hello")).body == b"POST /p hello"
            assert (await client.ask(GET)).status == 200

    run(body())


def test_a_site_that_refuses_a_head_never_gets_its_body(run):
    async def body():
        site = PlayedSite()
        site.refusal = Refusal("token_missing", "Who are you?")
        async with served(site) as on, connected(on) as client:
            got = await client.ask(EXPECTING)
            assert (got.status, got.body) == (401, b"token_missing")
            assert got.headers["connection"] == "close"
            client.send(b"hello" + GET)
            assert await client.closed()
        assert site.calls == []

    run(body())


def test_100_continue_waits_until_the_reply_before_it_is_done(run):
    async def body():
        site = PlayedSite({"/a": lambda request, reply: None})
        async with served(site) as on, connected(on) as client:
            client.send(GET + EXPECTING)
            await within(site.called.wait())
            assert site.heads == []
            site.calls[0][1].send(200, TEXT, b"first")
            assert (await client.answer()).body == b"first"
            assert (await client.answer()).status == 100
            assert (await client.ask(b"hello")).body == b"POST /p hello"

    run(body())


def test_a_client_that_did_not_wait_is_not_told_to_go_on(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            assert (await client.ask(EXPECTING + b"hello")).body == b"POST /p hello"
            client.send(EXPECTING + b"he")
            await until(lambda: len(site.heads) == 1)
            assert (await client.ask(b"llo")).body == b"POST /p hello"

    run(body())


def test_expect_means_nothing_to_http10_and_without_a_body(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            assert (await client.ask(b"GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")).status == 200
            client.send(b"POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            await asyncio.sleep(0.02)
            assert (await client.ask(b"hello")).body == b"POST /p hello"
        assert site.heads == []

    run(body())


def test_javas_upgrade_to_h2c_with_a_body_is_a_plain_request(run):
    async def body():
        upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
        async with served(PlayedSite()) as on, connected(on) as client:
            for _ in range(2):
                for message, answer in ((GET, b"GET /a "), (POST, b"POST /p hello"), (CHUNKED, b"POST /c hello")):
                    client.send(message.replace(b"Host: x\r\n", b"Host: x\r\n" + upgrade))
                    assert (await client.answer()).body == answer

    run(body())


@pytest.mark.parametrize(
    ("line", "host", "path"),
    [
        (b"GET http://example.org/a?b", b"example.org", "/a"),
        (b"GET HTTP://Example.org:80?b", b"example.ORG:80", "/"),
        (b"GET https://[::1]:8080/", b"[::1]:8080", "/"),
        (b"OPTIONS *", b"example.org", "*"),
        (b"GET //v1/models", b"example.org", "//v1/models"),
        (b"GET /%2e%2E/%00?#"[:-1], b"a_b-c.d:65535", "/%2e%2E/%00"),
        (b'GET /|{}^`"<>\\', b"10.0.0.1", '/|{}^`"<>\\'),
    ],
)
def test_targets_of_every_form_come_down_to_a_path(run, line, host, path):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            got = await client.ask(line + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert got.status == 200, got
        assert site.calls[0][0].path == path

    run(body())


def test_one_empty_line_before_a_request_is_forgiven(run):
    async def body():
        site = PlayedSite()
        async with served(site) as on, connected(on) as client:
            assert (await client.ask(b"\r\n" + GET)).status == 200
            client.send(POST + b"\r\n")
            assert (await client.answer()).status == 200
            assert (await client.ask(GET)).status == 200

    run(body())


def test_small_writes_are_sent_at_once(run):
    async def body():
        asked: list[int] = []

        def look(request: Request, reply: Reply) -> None:
            asked.append(reply.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            reply.send(200, TEXT, b"")

        async with served(PlayedSite({"/a": look})) as on, connected(on) as client:
            await client.ask(GET)
        assert asked[0] != 0

    run(body())


def test_a_server_listens_on_several_sockets_of_either_family(run):
    async def body():
        site = PlayedSite()
        async with served(site, HttpLimits(tick_seconds=0.01)) as on:
            six = socket.create_server(("::1", 0), family=socket.AF_INET6)
            await on.server.listen(six)
            async with connected(on) as one, connected(Served(on.server, six.getsockname()[:2])) as other:
                await one.ask(GET)
                await other.ask(GET)
                assert on.server.connections == 2
        assert site.calls[1][0].peer.startswith("[::1]:")
        assert QUICK.tick_seconds

    run(body())
