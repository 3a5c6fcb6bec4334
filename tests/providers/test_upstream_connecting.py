"""Reaching a provider: names, checked addresses, races between them, and every way it can fail."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Iterator

import pytest
from rawserver import Line, answers, ask, raw_server, send, turns, upstream_of

from waypost.providers.addresses import Spot
from waypost.providers.resolver import Resolver
from waypost.providers.upstream import Address


@pytest.fixture
def deaf() -> Iterator[Address]:
    """A listener whose queue is full: it answers no SYN any more, like an address behind a firewall."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        callers = []
        for _ in range(3):
            caller = socket.socket()
            caller.setblocking(False)
            callers.append(caller)
            assert caller.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        yield Address("http", "127.0.0.1", listener.getsockname()[1], allow_private=True)
        for caller in callers:
            caller.close()


def names(**found: list[str] | BaseException) -> Resolver:
    """A resolver that knows `one="127.0.0.1 127.0.0.2"` and so on, dots in names written as `_`."""

    async def lookup(name: str) -> list[Spot]:
        spots = found[name.replace(".", "_")]
        if isinstance(spots, BaseException):
            raise spots
        return [Spot(ip) for ip in spots]

    return Resolver(lookup)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_name_is_looked_up_and_its_address_connected_to(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address._replace(host="localhost"))
            assert heard.code == "eof"

    play(scene())


def test_ipv6_works_too(play) -> None:
    async def scene() -> None:
        async with raw_server(answers, host="::1") as server, upstream_of() as upstream:
            heard = await ask(upstream, server.address)
            assert heard.code == "eof"

    play(scene())


def test_a_name_that_does_not_resolve_is_told(play) -> None:
    async def scene() -> None:
        resolver = names(gone_test=socket.gaierror(-2, "Name or service not known"), empty_test=[])
        async with upstream_of(resolver=resolver) as upstream:
            for host, why in (("gone.test", "Name or service not known"), ("empty.test", "no address")):
                heard = await ask(upstream, Address("http", host, 80, allow_private=True))
                assert heard.code == "dns"
                assert host in heard.end.why
                assert why in heard.end.why

    play(scene())


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "a\r\nx: y", "a/b", "u@h", "x" * 64 + ".test", "a..b", "é" * 80, "-", "[::1]", "a:b", "*"]
)
def test_a_host_that_cannot_be_a_name_is_never_looked_up(play, host) -> None:
    async def scene() -> None:
        async def lookup(name: str) -> list[Spot]:
            raise AssertionError(name)

        async with upstream_of(resolver=Resolver(lookup)) as upstream:
            heard = await ask(upstream, Address("http", host, 80, allow_private=True))
            assert heard.code == "dns"

    play(scene())


def test_a_closed_port_is_told_without_the_address_behind_the_name(play) -> None:
    async def scene() -> None:
        async with upstream_of(resolver=names(inside_test=["127.0.0.1"])) as upstream:
            port = free_port()
            heard = await ask(upstream, Address("http", "inside.test", port, allow_private=True))
            assert heard.end == ("connect", f"no TCP connection to inside.test:{port}: Connection refused")
            assert upstream.open_sockets == 0

    play(scene())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "::1",
        "::ffff:127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1%lo",
        "224.0.0.1",
        "localhost",
    ],
)
def test_an_address_that_is_not_public_is_never_connected_to(play, host) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server, upstream_of() as upstream:
            heard = await ask(upstream, Address("http", host, server.address.port, allow_private=False))
            assert heard.code == "forbidden_address"
            assert upstream.open_sockets == 0
            await turns()
            assert not server.lines

    play(scene())


def test_of_several_addresses_only_the_public_ones_are_tried(play) -> None:
    async def scene() -> None:
        async with raw_server(answers) as server:
            resolver = names(mixed_test=["127.0.0.1", "10.0.0.1", "8.8.8.8"])
            spots = await resolver.checked(Address("http", "mixed.test", 80, allow_private=False))
            assert spots == (Spot("8.8.8.8"),)
            assert not server.lines

    play(scene())


def test_a_name_that_changes_after_its_check_is_not_asked_again(play) -> None:
    """DNS rebinding: the address that was checked is the address that is connected to."""

    async def scene() -> None:
        asked = []

        async def lookup(name: str) -> list[Spot]:
            asked.append(name)
            return [Spot("127.0.0.1" if len(asked) == 1 else "127.0.0.9")]

        async with raw_server(answers) as server, upstream_of(resolver=Resolver(lookup)) as upstream:
            address = server.address._replace(host="moving.test")
            for heard in [send(upstream, address) for _ in range(5)]:
                await heard.ended.wait()
                assert heard.code == "eof"
            assert asked == ["moving.test"]

    play(scene())


# Races.


def test_a_deaf_address_costs_a_quarter_of_a_second(play, deaf) -> None:
    async def scene() -> None:
        resolver = names(two_test=["127.0.0.1", "127.0.0.2"])
        async with (
            raw_server(answers, host="127.0.0.2", port=deaf.port),
            upstream_of(resolver=resolver) as upstream,
        ):
            heard = await ask(upstream, deaf._replace(host="two.test"))
            assert heard.code == "eof"
            assert 240 <= heard.exchange.connect_ms < 1000
            await turns(10)
            assert upstream.open_sockets == 1

    play(scene())


def test_a_closed_address_costs_nothing(play) -> None:
    async def scene() -> None:
        spots = ["127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1"]
        async with raw_server(answers) as server, upstream_of(resolver=names(four_test=spots)) as upstream:
            heard = await ask(upstream, server.address._replace(host="four.test"))
            assert heard.code == "eof"
            assert heard.exchange.connect_ms < 200

    play(scene())


def test_when_every_address_fails_each_reason_is_told_once(play) -> None:
    async def scene() -> None:
        async with upstream_of(resolver=names(bad_test=["127.0.0.1", "127.0.0.2", "127.0.0.3"])) as upstream:
            heard = await ask(upstream, Address("http", "bad.test", free_port(), allow_private=True))
            assert heard.code == "connect"
            assert heard.end.why.count("refused") == 1

    play(scene())


# Time.


def test_a_deaf_address_is_a_connect_timeout(play, deaf) -> None:
    async def scene() -> None:
        async with upstream_of() as upstream:
            began = asyncio.get_running_loop().time()
            heard = await ask(upstream, deaf, seconds_max=0.2)
            assert 0.15 < asyncio.get_running_loop().time() - began < 0.6
            assert heard.code == "connect_timeout"
            assert "TCP" in heard.end.why
            await turns()
            assert upstream.open_sockets == 0

    play(scene())


def test_a_look_up_that_does_not_end_is_a_connect_timeout(play) -> None:
    async def scene() -> None:
        async def lookup(name: str) -> list[Spot]:
            await asyncio.Event().wait()
            return []

        async with upstream_of(resolver=Resolver(lookup)) as upstream:
            calls = [send(upstream, Address("http", "slow.test", 80, allow_private=True), b"", 0.05) for _ in range(3)]
            for heard in calls:
                await heard.ended.wait()
                assert heard.code == "connect_timeout"
                assert "looking up" in heard.end.why

    play(scene())


def test_connecting_can_be_cancelled_and_leaves_nothing(play, deaf) -> None:
    async def scene() -> None:
        async with upstream_of() as upstream:
            heard = send(upstream, deaf)
            await turns(10)
            assert upstream.open_sockets == 1
            heard.exchange.cancel()
            await turns(10)
            assert upstream.open_sockets == 0
            assert heard.end is None

    play(scene())


def test_closing_while_connecting_leaves_nothing(play, deaf) -> None:
    async def scene() -> None:
        async with upstream_of() as upstream:
            heard = send(upstream, deaf)
            await turns(10)
            await upstream.close()
            assert upstream.open_sockets == 0
            assert heard.code == "connect"

    play(scene())


def test_when_no_descriptor_is_left_that_is_told(play) -> None:
    async def scene() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with raw_server(answers) as server, upstream_of() as upstream:
            with socket.socket() as probe:
                resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno(), hard))
            try:
                heard = await ask(upstream, server.address)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert heard.code == "connect"
            assert "Too many open files" in heard.end.why
            assert upstream.open_sockets == 0
            assert (await ask(upstream, server.address)).code == "eof"

    play(scene())


def test_a_provider_that_closes_at_once_or_speaks_first_is_told(play) -> None:
    async def scene() -> None:
        async def closes(line: Line) -> None:
            line.reset()

        async def speaks(line: Line) -> None:
            await line.say(b"220 mail ready\r\n")
            await line.until_left()

        async with raw_server(closes) as one, raw_server(speaks) as two, upstream_of() as upstream:
            for _ in range(5):
                assert (await ask(upstream, one.address)).code == "reset"
                assert (await ask(upstream, two.address)).code in ("reset", "protocol")
            assert upstream.open_sockets == 0

    play(scene())
