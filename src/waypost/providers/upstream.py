"""Our HTTP/1.1 client for providers: callbacks, no task per call on a pooled connection."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from time import perf_counter

from waypost.providers.addresses import Address
from waypost.providers.connection import Connection
from waypost.providers.dialer import Dialer, Sockets
from waypost.providers.exchange import Exchange, Sink, Trouble, Unreached, UpstreamLimits
from waypost.providers.pool import Pool
from waypost.providers.resolver import Resolver
from waypost.providers.tunnel import Proxy, ProxySettings

__all__ = ["Address", "Exchange", "ProxySettings", "Resolver", "Sink", "Trouble", "Upstream", "UpstreamLimits"]

CLOSING = Trouble("connect", "the router is shutting down")


class Upstream:
    """Sends calls to providers and keeps the connections to them. Made for one event loop.

    `tls` is taken as it is; without it the system's trust decides. Raises ValueError for proxy settings that make no
    sense.
    """

    def __init__(
        self,
        limits: UpstreamLimits | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: ProxySettings | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._limits = limits or UpstreamLimits()
        self._pool = Pool(self._limits.idle_connections_max)
        self._sockets = Sockets(self._limits.connections_max)
        self._resolver = resolver or Resolver()
        self._dialer = Dialer(self._resolver, tls, Proxy(proxy) if proxy else None, self._sockets)
        self._connections: set[Connection] = set()
        self._dialing: set[asyncio.Task[Connection]] = set()
        self._empty: asyncio.Event | None = None
        self._closing = False
        self.keep = self._pool.put

    @property
    def open_sockets(self) -> int:
        """Sockets towards providers and proxies, those still connecting too."""
        return self._sockets.open

    def send(
        self, address: Address, head: bytes, body: bytes, sink: Sink, connect_seconds_max: float = 5.0
    ) -> Exchange:
        """Send a call and return at once; the sink hears of everything later, from the loop."""
        exchange = Exchange(address, head, body, sink, connect_seconds_max)
        connection = self._pool.take(address)
        if connection is None:
            self._dial(exchange)
        else:
            connection.begin(exchange)
        return exchange

    async def close(self) -> None:
        """Close everything; calls that are still on their way are lost."""
        self._closing = True
        self._pool.clear()
        for task in list(self._dialing):
            task.cancel()
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            loop.call_soon(connection.lose, CLOSING)
        await asyncio.gather(*self._dialing, return_exceptions=True)
        await self._resolver.close()
        if self._connections:
            self._empty = asyncio.Event()
            await self._empty.wait()

    # What connections tell.

    def opened(self, connection: Connection) -> None:
        """A socket belongs to a connection now."""
        self._connections.add(connection)

    def closing(self, connection: Connection) -> None:
        """It will carry no more calls."""
        self._pool.forget(connection)
        if connection in self._connections:
            self._sockets.closes()

    def gone(self, connection: Connection) -> None:
        """Its transport has ended."""
        self._connections.discard(connection)
        if not self._connections and self._empty is not None:
            self._empty.set()

    def again(self, exchange: Exchange) -> None:
        """A pooled connection died without a byte: once more, on a fresh one."""
        exchange.repeats = 1
        self._dial(exchange)

    # Connecting.

    def _dial(self, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        if self._closing:
            loop.call_soon(_lose, exchange, CLOSING)
            return
        if self._sockets.full:
            self._pool.drop_oldest()
        exchange.began = perf_counter()
        connection = Connection(exchange.address, self, self._limits)
        task = loop.create_task(self._dialer.dial(connection, exchange.connect_seconds_max))
        exchange.dialing = task
        self._dialing.add(task)
        task.add_done_callback(partial(self._dialed, exchange))

    def _dialed(self, exchange: Exchange, task: asyncio.Task[Connection]) -> None:
        """A fresh connection is ready, or none could be made. Called from the loop."""
        self._dialing.discard(task)
        exchange.dialing = None
        if task.cancelled():
            _lose(exchange, CLOSING)
            return
        error = task.exception()
        if isinstance(error, Unreached):
            _lose(exchange, error.trouble)
        elif error is not None:
            _lose(exchange, Trouble("connect", "connecting failed for a reason we did not foresee"))
            raise error
        elif exchange.over:
            task.result().drop()
        elif task.result().closed:
            _lose(exchange, Trouble("reset", f"{exchange.address.shown} closed the connection before it was asked"))
        else:
            exchange.connect_ms = (perf_counter() - exchange.began) * 1000
            connection = task.result()
            connection.begin(exchange)
            if exchange.paused:
                connection.hold()


def _lose(exchange: Exchange, trouble: Trouble) -> None:
    if not exchange.over:
        exchange.over = True
        exchange.sink.lost(trouble)
