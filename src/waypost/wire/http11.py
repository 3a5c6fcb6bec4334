"""Our HTTP/1.1 server: httptools on asyncio's protocols, because the wire is what we exist for.

    sockets → HttpServer → Connection (http11_connection) → read_head, bodies → Site.call(Request, Reply)

It checks framing, bounds every size and every wait, and hands over complete requests. It decides nothing else.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from waypost.wire.http11_accepting import Neighbours
from waypost.wire.http11_connection import Connection
from waypost.wire.http11_messages import HttpLimits, Request, header_block
from waypost.wire.http11_replies import Reply, Site
from waypost.wire.http11_traffic import Traffic

__all__ = ["HttpLimits", "HttpServer", "Reply", "Request", "Site", "header_block"]

BACKLOG = 2048


class HttpServer:
    """Serves one site on any number of listening sockets."""

    def __init__(self, site: Site, limits: HttpLimits | None = None) -> None:
        self._traffic = Traffic(site, limits or HttpLimits())
        self._servers: list[asyncio.Server | Neighbours] = []

    @property
    def in_flight(self) -> int:
        """Requests whose reply is not finished."""
        return self._traffic.in_flight

    @property
    def connections(self) -> int:
        return len(self._traffic.connections)

    async def listen(
        self, sock: socket.socket, tls: ssl.SSLContext | None = None, neighbours: Sequence[socket.socket] = ()
    ) -> None:
        """Accept connections on a bound socket, and those that nobody takes at other processes' sockets."""
        limits = self._traffic.limits
        options: dict[str, Any] = {}
        if tls is not None:
            options = {
                "ssl": tls,
                "ssl_handshake_timeout": limits.tls_handshake_seconds_max,
                "ssl_shutdown_timeout": limits.tls_shutdown_seconds_max,
            }
        loop = asyncio.get_running_loop()
        self._traffic.start()

        def connection() -> Connection:
            return Connection(self._traffic)

        self._servers.append(await loop.create_server(connection, sock=sock, backlog=BACKLOG, **options))
        if neighbours:
            self._servers.append(Neighbours(neighbours, connection, options))

    def stop_accepting(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def cut(self) -> None:
        """Time is up for every reply under way: each is told, and what waits for nothing is closed."""
        for connection in tuple(self._traffic.connections):
            connection.cut()

    async def drain(self, seconds_max: float) -> int:
        """Close idle connections, let replies finish, then cut. Returns how many replies had to be cut.

        A reply still running after `seconds_max` is told through `on_drain` and has a second to finish; what is left
        then is closed, which its `on_gone` hears.
        """
        traffic = self._traffic
        self.stop_accepting()
        traffic.draining = True
        for connection in tuple(traffic.connections):
            connection.drain()
        cut = 0
        if not await traffic.emptied(seconds_max):
            cut = traffic.in_flight
            self.cut()
            if not await traffic.emptied(traffic.limits.drain_cut_seconds_max):
                for connection in tuple(traffic.connections):
                    connection.kill()
                await traffic.emptied(traffic.limits.drain_cut_seconds_max)
        traffic.stop()
        return cut
