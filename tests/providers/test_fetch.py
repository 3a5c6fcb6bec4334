"""One document from a provider: what is sent, and what is told when it does not come."""

from __future__ import annotations

import socket

import pytest
from pathserver import Page, path_server
from rawserver import Line, raw_server, upstream_of

from waypost.domain.endpoints import Provider
from waypost.domain.problems import Failed
from waypost.providers.addresses import Address
from waypost.providers.fetch import FetchLimits, fetch, fetch_json


async def failure(base_url: str, key: str | None = None, limits: FetchLimits | None = None) -> Failed:
    """The failure of one fetch."""
    provider = Provider("alpha", base_url, key=key, allow_private=True)
    async with upstream_of() as upstream:
        with pytest.raises(Failed) as caught:
            await fetch_json(upstream, provider, "/models", limits)
    assert caught.value.message
    assert caught.value.fix
    return caught.value


async def failure_of_page(page: Page, key: str | None = None, limits: FetchLimits | None = None) -> Failed:
    async with path_server({"/v1/models": page}) as server:
        return await failure(f"{server.url}/v1", key, limits)


def test_the_key_and_the_provider_s_headers_go_with_the_question(run) -> None:
    async def scene() -> None:
        async with path_server({"/v1/models?a=b": {"data": []}}) as server, upstream_of() as upstream:
            headers = (("x-team", "blue"),)
            provider = Provider("alpha", f"{server.url}/v1", key="sk-1", headers=headers, allow_private=True)
            assert await fetch_json(upstream, provider, "/models?a=b") == {"data": []}
        (head,) = server.asked
        lines = head.strip().split("\r\n")
        assert lines[0] == "GET /v1/models?a=b HTTP/1.1"
        assert {f"host: 127.0.0.1:{server.port}", "authorization: Bearer sk-1", "x-team: blue"} <= set(lines)

    run(scene())


@pytest.mark.parametrize(
    ("page", "code", "why"),
    [
        (Page({}, 404), "provider_failed", "it answered 404"),
        (Page({}, 500), "provider_failed", "it answered 500"),
        (Page({}, 401), "provider_refused_key", "the key is missing or refused"),
        (Page({}, 403), "provider_refused_key", "the key is missing or refused"),
        (Page(b"<html>", 200, ("content-type: text/html",)), "provider_failed", "is no JSON (text/html)"),
        (Page(b"", 200), "provider_failed", "is no JSON"),
        (Page(b"\xff\xfe", 200), "provider_failed", "is no JSON"),
        (Page(b"[" * 100_000, 200), "provider_failed", "is no JSON"),
        (Page(b"x", 200, ("content-encoding: gzip",)), "provider_failed", "compressed"),
        (Page(b"", 302, ("location: http://169.254.169.254/",)), "provider_failed", "redirects are never followed"),
    ],
)
def test_anything_but_a_document_says_what_came_instead(run, page, code, why) -> None:
    failed = run(failure_of_page(page, key="sk-canary"))
    assert failed.code == code
    assert why in failed.why
    assert f"{failed.message} {failed.why}".count("http://127.0.0.1:") == 1, "where it was looked for, said once"
    assert "sk-canary" not in f"{failed.why} {failed.message} {failed.fix} {failed.extra}"


def test_a_port_is_named_where_it_is_not_the_scheme_s_own(run) -> None:
    async def message(base_url: str) -> str:
        async with upstream_of() as upstream:
            with pytest.raises(Failed) as caught:  # an address that nobody named is never called
                await fetch_json(upstream, Provider("alpha", base_url), "/models")
        return caught.value.message

    assert run(message("https://127.0.0.1/v1")).startswith("https://127.0.0.1/v1/models could")
    assert run(message("https://127.0.0.1:444/v1")).startswith("https://127.0.0.1:444/v1/models could")
    assert run(message("http://[::1]:80/v1")).startswith("http://[::1]/v1/models could")


def test_a_document_above_the_limit_is_not_read_to_its_end(run) -> None:
    failed = run(failure_of_page(Page(b"[" + b" " * 5000 + b"]"), limits=FetchLimits(bytes_max=1000)))
    assert "larger than 1,000 bytes" in failed.why


def test_a_port_where_nobody_listens_says_so(run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failed = run(failure(f"http://127.0.0.1:{unused.getsockname()[1]}/v1"))
    assert failed.code == "provider_failed"
    assert failed.extra["trouble"] == "connect"


def test_an_answer_that_never_ends_is_given_up_and_its_socket_closed(run) -> None:
    async def scene() -> Failed:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[")
            await line.until_left()

        async with raw_server(script) as server, upstream_of() as upstream:
            with pytest.raises(Failed) as caught:
                await fetch(upstream, server.address, "/", limits=FetchLimits(seconds_max=0.2))
            await server.lines[0].ended.wait()
            return caught.value

    failed = run(scene())
    assert failed.code == "provider_timeout"
    assert failed.status == 504


def test_a_private_address_that_nobody_named_is_not_asked(run) -> None:
    async def scene() -> None:
        async with path_server({}) as server, upstream_of() as upstream:
            with pytest.raises(Failed) as caught:
                await fetch_json(upstream, Provider("alpha", server.url, allow_private=False), "/models")
            assert caught.value.extra["trouble"] == "forbidden_address"
            assert server.asked == []

    run(scene())


def test_a_document_comes_with_its_headers(run) -> None:
    async def scene() -> None:
        async with path_server({"/": []}) as server, upstream_of() as upstream:
            document = await fetch(upstream, Address("http", "127.0.0.1", server.port, allow_private=True), "/")
            assert document.value == []
            assert document.headers[b"content-type"] == b"application/json"

    run(scene())
