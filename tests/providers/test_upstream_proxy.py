"""Through a CONNECT proxy: what it is sent, what it may answer, and who goes around it."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
import trustme
from rawserver import Line, answers, ask, raw_server, send, turns, upstream_of

from waypost.providers.addresses import Spot
from waypost.providers.dialer import default_tls
from waypost.providers.resolver import Resolver
from waypost.providers.tunnel import Proxy
from waypost.providers.upstream import Address, ProxySettings, Upstream


class SmallProxy:
    """A CONNECT proxy: opens tunnels to one port of this machine, whatever name or address it is given."""

    def __init__(self, port: int = 0, credentials: str | None = None) -> None:
        self.heads: list[bytes] = []
        self._port = port
        self._wanted = credentials and b"proxy-authorization: Basic " + b64encode(credentials.encode())

    async def script(self, line: Line) -> None:
        head = await line.request()
        self.heads.append(head)
        if self._wanted and self._wanted not in head.split(b"\r\n"):
            await line.say(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        await line.say(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        both = [asyncio.create_task(pump(line.reader, writer)), asyncio.create_task(pump(reader, line.writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            writer.close()

    @property
    def targets(self) -> list[bytes]:
        return [head.split()[1] for head in self.heads]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def through(proxy: Any, *no_proxy: str, user: str = "", trusted: bool = False) -> ProxySettings:
    return ProxySettings(f"http://{user}127.0.0.1:{proxy.address.port}", no_proxy, trusted)


async def lookup(name: str) -> list[Spot]:
    return [Spot({"provider.test": "93.184.215.14", "inside.test": "10.0.0.1"}.get(name, "127.0.0.1"))]


def test_calls_go_through_the_proxy_and_share_their_connection(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server:
            small = SmallProxy(server.address.port)
            async with raw_server(small.script) as proxy, upstream_of(proxy=through(proxy)) as upstream:
                for _ in range(3):
                    assert (await ask(upstream, server.address)).body == b"hello"
                assert small.targets == [b"127.0.0.1:%d" % server.address.port]
                assert upstream.open_sockets == 1
                assert b"uthorization" not in small.heads[0]

    play(scene())


def test_tls_is_spoken_with_the_provider_by_its_name_through_the_tunnel(play) -> None:
    async def scene() -> None:
        authority = trustme.CA()
        tls, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), default_tls()
        authority.issue_cert("provider.test").configure_cert(tls)
        authority.configure_trust(trusting)
        async with raw_server(answers, tls) as server:
            small = SmallProxy(server.address.port)
            async with (
                raw_server(small.script) as proxy,
                upstream_of(proxy=through(proxy), tls=trusting, resolver=Resolver(lookup)) as upstream,
            ):
                heard = await ask(upstream, Address("https", "provider.test", 443, allow_private=False))
                assert heard.body == b"hello"
                assert small.targets == [b"93.184.215.14:443"]
                heard = await ask(upstream, Address("https", "other.test", 443, allow_private=True))
                assert heard.code == "tls"

    play(scene())


@pytest.mark.parametrize("host", ["inside.test", "127.0.0.1", "::1", "169.254.169.254", "0x7f.1"])
def test_the_proxy_is_never_asked_for_an_address_that_is_not_public(play, host) -> None:
    async def scene() -> None:
        small = SmallProxy()
        async with raw_server(small.script) as proxy:
            for trusted in (False, True):
                settings = through(proxy, trusted=trusted)
                async with upstream_of(proxy=settings, resolver=Resolver(lookup)) as upstream:
                    if trusted and host == "inside.test":
                        continue  # the operator said that this proxy checks names itself
                    heard = await ask(upstream, Address("http", host, 80, allow_private=False))
                    assert heard.code == "forbidden_address"
        assert not small.heads

    play(scene())


def test_a_trusted_proxy_is_sent_the_name_and_nothing_is_looked_up(play) -> None:
    async def scene() -> None:
        async def never(name: str) -> list[Spot]:
            raise AssertionError(name)

        async with raw_server(answers) as server:
            small = SmallProxy(server.address.port)
            async with (
                raw_server(small.script) as proxy,
                upstream_of(proxy=through(proxy, trusted=True), resolver=Resolver(never)) as upstream,
            ):
                heard = await ask(upstream, Address("http", "provider.test", 8000, allow_private=False))
                assert heard.body == b"hello"
                assert small.heads[0].startswith(b"CONNECT provider.test:8000 HTTP/1.1\r\nhost: provider.test:8000\r\n")

    play(scene())


def test_credentials_are_sent_decoded_to_the_proxy_alone(play) -> None:
    async def scene() -> None:
        requests = []

        async def script(line: Line) -> None:
            requests.append(await line.request())
            await line.say(b"HTTP/1.1 204 No Content\r\n\r\n")

        async with raw_server(script) as server:
            small = SmallProxy(server.address.port, credentials="me@home:p:ss/ü")
            async with (
                raw_server(small.script) as proxy,
                upstream_of(proxy=through(proxy, user="me%40home:p%3Ass%2F%C3%BC@")) as upstream,
            ):
                assert (await ask(upstream, server.address)).code == "eof"
                assert b"proxy-authorization" not in requests[0]

    play(scene())


@pytest.mark.parametrize("user", ["", "me:wrong@", "me@"])
def test_a_proxy_that_wants_other_credentials_is_told_without_repeating_them(play, user) -> None:
    async def scene() -> None:
        small = SmallProxy(1, credentials="me:right")
        async with raw_server(small.script) as proxy, upstream_of(proxy=through(proxy, user=user)) as upstream:
            heard = await ask(upstream, Address("http", "127.0.0.1", 80, allow_private=True))
            assert heard.code == "proxy"
            assert "407" in heard.end.why
            assert "wrong" not in heard.end.why
            assert upstream.open_sockets == 0

    play(scene())


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nno!", "502"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "100"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "more than"),
        (b"SOCKS\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 2000\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000, "too long"),
        (b"HTTP/1.1 200 OK\r\n", "closed"),
        (b"", "closed"),
    ],
)
def test_whatever_else_a_proxy_answers_is_its_own_failure(play, reply, why) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            await line.say(reply)

        async with raw_server(script) as proxy, upstream_of(proxy=through(proxy)) as upstream:
            heard = await ask(upstream, Address("http", "127.0.0.1", 80, allow_private=True))
            assert heard.code == "proxy"
            assert why in heard.end.why
            assert upstream.open_sockets == 0

    play(scene())


def test_a_proxy_whose_answer_never_ends_is_left(play) -> None:
    async def scene() -> None:
        async def script(line: Line) -> None:
            await line.request()
            while True:
                await line.say(b"HTTP/1.1 200 OK", b"x" * 8192)
                await turns()

        async with raw_server(script) as proxy, upstream_of(proxy=through(proxy)) as upstream:
            heard = await ask(upstream, Address("http", "127.0.0.1", 80, allow_private=True))
            assert heard.code == "proxy"
            assert "too long" in heard.end.why

    play(scene())


def test_a_refused_address_is_followed_by_the_next_checked_one(play) -> None:
    async def scene() -> None:
        asked = []

        async def several(name: str) -> list[Spot]:
            return [Spot("2606:4700::1"), Spot("93.184.215.14")] if name == "two.test" else [Spot("127.0.0.1")]

        async def script(line: Line) -> None:
            head = await line.request()
            asked.append(head.split()[1])
            if len(asked) == 1:
                await line.say(b"HTTP/1.1 503 No Route\r\n\r\n")
                return
            await line.say(b"HTTP/1.1 200 OK\r\n\r\n")
            await answers(line)

        async with (
            raw_server(script) as proxy,
            upstream_of(proxy=through(proxy), resolver=Resolver(several)) as upstream,
        ):
            assert (await ask(upstream, Address("http", "two.test", 80, allow_private=False))).body == b"hello"
            assert asked == [b"[2606:4700::1]:80", b"93.184.215.14:80"]
            assert upstream.open_sockets == 1

    play(scene())


def test_a_proxy_that_is_not_there_or_silent_is_told(play) -> None:
    async def scene() -> None:
        async def mute(line: Line) -> None:
            await line.until_left()

        address = Address("http", "127.0.0.1", 80, allow_private=True)
        async with raw_server(mute) as proxy, upstream_of(proxy=through(proxy)) as upstream:
            heard = await ask(upstream, address, seconds_max=0.05)
            assert heard.code == "connect_timeout"
            assert "CONNECT" in heard.end.why
            cancelled = send(upstream, address)
            await turns(60)
            cancelled.exchange.cancel()
            await turns(10)
            assert upstream.open_sockets == 0
            proxy.listener.close()
        async with upstream_of(proxy=through(proxy)) as upstream:
            heard = await ask(upstream, address)
            assert heard.code == "proxy"
            assert "refused" in heard.end.why

    play(scene())


@pytest.mark.parametrize(
    ("rule", "host", "direct"),
    [
        ("*", "api.test", True),
        ("api.test", "api.test", True),
        ("API.test ", "api.test", True),
        ("api.test:8000", "api.test", True),
        ("api.test:9000", "api.test", False),
        ("test", "api.test", True),
        (".test", "api.test", True),
        ("*.test", "api.test", True),
        ("est", "api.test", False),
        ("pi.test", "api.test", False),
        ("api.test.example", "api.test", False),
        ("", "api.test", False),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("10.0.0.0/8", "127.0.0.1", False),
        ("10.0.0.0/8", "api.test", False),
        ("::1", "::1", True),
        ("[::1]:8000", "::1", True),
        ("nonsense/8", "127.0.0.1", False),
    ],
)
def test_hosts_on_the_no_proxy_list_go_around_it(rule, host, direct) -> None:
    proxy = Proxy(ProxySettings("http://proxy.test:3128", (rule,)))
    assert proxy.serves(Address("https", host, 8000, allow_private=True)) is not direct


def test_a_host_on_the_list_is_called_directly(play) -> None:
    async def scene() -> None:
        small = SmallProxy()
        async with (
            raw_server(answers) as server,
            raw_server(small.script) as proxy,
            upstream_of(proxy=through(proxy, "127.0.0.1")) as upstream,
        ):
            assert (await ask(upstream, server.address)).body == b"hello"
            assert not small.heads

    play(scene())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy:3128",
        "https://proxy:3128",
        "socks5://me:secret@proxy",
        "http://",
        "http://p/path",
        "http://p:99999",
        "http://p:secret",
        "http://p?secret",
        "http://p#secret",
    ],
)
def test_a_proxy_setting_that_makes_no_sense_is_refused_without_repeating_it(url) -> None:
    with pytest.raises(ValueError, match="the proxy's URL") as raised:
        Upstream(proxy=ProxySettings(url))
    assert "secret" not in str(raised.value)


def test_settings_do_not_show_the_password() -> None:
    assert "secret" not in repr(ProxySettings("http://me:secret@proxy:3128"))
