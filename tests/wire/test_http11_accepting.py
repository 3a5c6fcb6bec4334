"""Connections at the sockets of processes that do not take them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

import pytest
import trustme
from wire_site import PlayedSite, within

from waypost.wire.http11 import HttpServer

GET = b"GET /x HTTP/1.1\r\nhost: w\r\n\r\n"
MANY = 40


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("secure", [False, True])
def test_what_waits_at_a_neighbours_socket_is_answered_all_the_same(run, secure: bool) -> None:
    server_tls, client_tls = contexts() if secure else (None, None)

    async def ask(address) -> bytes:
        reader, writer = await asyncio.open_connection(*address, ssl=client_tls)
        writer.write(GET)
        line: bytes = await within(reader.readline())
        writer.transport.abort()
        return line

    async def story() -> float:
        own, other, third = (socket.create_server(("127.0.0.1", 0), backlog=MANY) for _ in range(3))
        for sock in (other, third):
            sock.setblocking(False)
        server = HttpServer(PlayedSite())
        await server.listen(own, server_tls, (other, third))
        began = time.monotonic()
        asked = [ask(sock.getsockname()) for sock in (other, third) for _ in range(MANY)]
        assert set(await asyncio.gather(*asked)) == {b"HTTP/1.1 200 OK\r\n"}
        seconds = time.monotonic() - began
        await server.drain(0)
        for sock in (other, third):
            assert sock.fileno() == -1, "it still listens"
        return seconds

    assert run(story()) < 3


def test_a_neighbour_who_is_only_a_little_late_loses_one_connection_and_not_all(run) -> None:
    async def story() -> int:
        own, other = (socket.create_server(("127.0.0.1", 0), backlog=MANY) for _ in range(2))
        other.setblocking(False)
        late = other.dup()
        server = HttpServer(PlayedSite())
        await server.listen(own, None, (other,))
        clients = [socket.create_connection(other.getsockname()) for _ in range(MANY)]
        async with asyncio.timeout(5):
            while not server.connections:
                await asyncio.sleep(0.005)
        left = 0
        try:
            while True:
                late.accept()[0].close()
                left += 1
        except BlockingIOError:
            pass
        for sock in (late, *clients):
            sock.close()
        await server.drain(0)
        return left

    assert run(story()) == MANY - 1


def test_a_neighbours_client_who_left_meanwhile_harms_nobody(run) -> None:
    async def story() -> None:
        own, other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        other.setblocking(False)
        server = HttpServer(PlayedSite())
        await server.listen(own, contexts()[0], (other,))
        socket.create_connection(other.getsockname()).close()
        with socket.create_connection(other.getsockname()) as plain:
            plain.sendall(GET)
            plain.setblocking(False)
            loop = asyncio.get_running_loop()
            assert b"HTTP/" not in await within(loop.sock_recv(plain, 100))
        await server.drain(0)

    run(story())
