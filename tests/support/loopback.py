"""A guard around the sockets of the test process: beyond loopback there is nothing."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import uvloop

trespasses: list[str] = []
"""Who was called beyond loopback, also where the code under test swallowed the refusal."""


class BeyondLoopbackError(Exception):
    """Not an OSError, so that no client takes it for the network's answer and tries again."""


def is_loopback(host: Any) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        address = ip_address(host.decode() if isinstance(host, bytes) else str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse_beyond(host: Any) -> None:
    if not is_loopback(host):
        trespasses.append(str(host))
        raise BeyondLoopbackError(f"a test may not reach {host!r}: only loopback")


def _refuse_address(address: Any) -> None:
    if isinstance(address, tuple):  # a Unix socket's address is text
        refuse_beyond(address[0])


def guard_sockets() -> None:
    """Put the guard before Python's own sockets and resolver."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    resolve = socket.getaddrinfo

    def guarded_connect(sock: socket.socket, address: Any) -> None:
        _refuse_address(address)
        connect(sock, address)

    def guarded_connect_ex(sock: socket.socket, address: Any) -> int:
        _refuse_address(address)
        return connect_ex(sock, address)

    def guarded_sendto(sock: socket.socket, data: Any, *rest: Any) -> int:
        _refuse_address(rest[-1])
        return sendto(sock, data, *rest)

    def guarded_getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        refuse_beyond(host)
        return resolve(host, *rest, **options)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.socket.sendto = guarded_sendto  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = guarded_getaddrinfo


def guard_uvloop() -> None:
    """uvloop opens its sockets and resolves names in C, past Python's."""
    loop_class: Any = uvloop.Loop
    create, connect, resolve = loop_class.create_connection, loop_class.sock_connect, loop_class.getaddrinfo

    async def guarded_create(loop: Any, factory: Any, host: Any = None, *rest: Any, **options: Any) -> Any:
        refuse_beyond(host)
        return await create(loop, factory, host, *rest, **options)

    async def guarded_connect(loop: Any, sock: Any, address: Any) -> Any:
        _refuse_address(address)
        return await connect(loop, sock, address)

    async def guarded_getaddrinfo(loop: Any, host: Any, *rest: Any, **options: Any) -> Any:
        refuse_beyond(host)
        return await resolve(loop, host, *rest, **options)

    loop_class.create_connection = guarded_create
    loop_class.sock_connect = guarded_connect
    loop_class.getaddrinfo = guarded_getaddrinfo
