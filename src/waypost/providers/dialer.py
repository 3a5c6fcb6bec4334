"""Makes fresh connections: look up, check, race the addresses, go through a proxy where one is set, TLS."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar

from waypost.providers.addresses import Address, Spot, literal, plain_name
from waypost.providers.connection import Connection
from waypost.providers.exchange import Unreached
from waypost.providers.resolver import Resolver
from waypost.providers.tunnel import Opening, Proxy

T = TypeVar("T")
Opened = tuple[Any, Opening]
"""A TCP transport and the protocol that holds it until it is handed on."""
STAGGER_SECONDS: Final = 0.25
TUNNEL_SPOTS_MAX: Final = 3


class Sockets:
    """Counts the sockets that are open, and says when there is no room for more."""

    def __init__(self, most: int) -> None:
        self.open = 0
        self._most = most

    @property
    def full(self) -> bool:
        return self.open >= self._most

    def opens(self) -> None:
        """Another one. Raises Unreached."""
        if self.full:
            raise Unreached("connect", f"{self._most} connections to providers are open already, the most we allow")
        self.open += 1

    def closes(self) -> None:
        """One less."""
        self.open -= 1


class Dialer:
    """Connects. Every failure is an Unreached whose `why` names the step."""

    def __init__(self, resolver: Resolver, tls: ssl.SSLContext | None, proxy: Proxy | None, sockets: Sockets) -> None:
        self._resolver = resolver
        self._tls = tls
        self._proxy = proxy
        self._sockets = sockets

    async def dial(self, connection: Connection, seconds_max: float) -> Connection:
        """Open `connection` within `seconds_max`, DNS, TCP, proxy and TLS together."""
        address = connection.address
        steps = ["looking up the host"]
        try:
            async with asyncio.timeout(seconds_max):
                await self._reach(connection, steps)
        except TimeoutError:
            raise Unreached(
                "connect_timeout", f"{address.shown}: {steps[-1]} was not done {seconds_max:g} s after the start"
            ) from None
        return connection

    async def _reach(self, connection: Connection, steps: list[str]) -> None:
        address = connection.address
        proxy = self._proxy if self._proxy is not None and self._proxy.serves(address) else None
        if proxy is None:
            spots = await self._resolver.checked(address)
            steps.append("the TCP connection")
            raw, opening = await self._race(address, spots)
        else:
            raw, opening = await self._tunnel(address, proxy, steps)
        try:
            _insist_quiet(opening, raw, address)
            transport = raw
            if address.scheme == "https":
                steps.append("the TLS handshake")
                transport = await self._secure(raw, connection)
            else:
                raw.set_protocol(connection)
            connection.open(transport, raw)
        except BaseException:
            self._abort(raw)
            raise

    async def _race(self, address: Address, spots: Sequence[Spot]) -> Opened:
        """The first address that connects; the next one starts after 250 ms or a failure (RFC 8305)."""
        waiting = list(reversed(spots))
        running: set[asyncio.Task[Opened]] = set()
        failures: list[BaseException] = []
        try:
            while waiting or running:
                if waiting:
                    running.add(asyncio.create_task(self._connect(waiting.pop(), address.port)))
                stagger = STAGGER_SECONDS if waiting else None
                done, _ = await asyncio.wait(running, timeout=stagger, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    running.discard(task)
                    error = task.exception()
                    if error is None:
                        return task.result()
                    failures.append(error)
        finally:
            for task in running:  # nothing is awaited here: a cancellation now would lose the one that won
                task.cancel()
                task.add_done_callback(self._too_late)
        raise _unconnected(address, failures)

    async def _connect(self, spot: Spot, port: int) -> Opened:
        """One address. The loop is given the address itself, so it looks nothing up."""
        self._sockets.opens()
        try:
            return await asyncio.get_running_loop().create_connection(Opening, spot.host, port)
        except BaseException:
            self._sockets.closes()
            raise

    def _too_late(self, task: asyncio.Task[Opened]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._abort(task.result()[0])

    def _abort(self, raw: Any) -> None:
        raw.abort()
        self._sockets.closes()

    async def _tunnel(self, address: Address, proxy: Proxy, steps: list[str]) -> Opened:
        """A connection that the proxy has opened for us; a refusal for one checked address tries the next."""
        hosts = await self._tunnel_hosts(address, proxy)
        steps.append("looking up the proxy")
        proxy_spots = await _proxied(self._resolver.checked(proxy.address))
        for number, host in enumerate(hosts, 1):
            steps.append("the TCP connection to the proxy")
            raw, opening = await _proxied(self._race(proxy.address, proxy_spots))
            steps.append("the proxy's answer to CONNECT")
            try:
                await opening.tunnel(raw, proxy.request(host, address.port))
            except BaseException as error:
                self._abort(raw)
                if not isinstance(error, Unreached) or number == len(hosts):
                    raise
            else:
                return raw, opening
        raise Unreached("proxy", "there is nothing to ask the proxy for")

    async def _tunnel_hosts(self, address: Address, proxy: Proxy) -> list[str]:
        """What CONNECT names: the checked addresses, or the name itself where the proxy is trusted to check it."""
        spelled = literal(address.host)
        if proxy.trusted and spelled is None:
            name = plain_name(address.host)
            if name is None:
                raise Unreached("dns", "the provider's host name is not one that DNS can have")
            return [name]
        return [spot.ip for spot in (await self._resolver.checked(address))[:TUNNEL_SPOTS_MAX]]

    async def _secure(self, raw: Any, connection: Connection) -> Any:
        """TLS, verified against the provider's name. Raises Unreached (`tls`)."""
        host = connection.address.host
        if self._tls is None:
            self._tls = default_tls()  # reads the system's trust, 30 ms that only a call over TLS needs
        try:
            transport = await asyncio.get_running_loop().start_tls(raw, connection, self._tls, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise Unreached("tls", f"{host}: its certificate is not valid: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreached("tls", f"{host}: the TLS handshake failed: {error.reason or 'unknown'}") from None
        except (OSError, ValueError) as error:
            raise Unreached("tls", f"{host}: the TLS handshake failed: {type(error).__name__}") from None
        if transport is None or transport.is_closing() or connection.closed:
            raise Unreached("tls", f"{host}: the connection was closed after the TLS handshake")
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() not in (None, "http/1.1"):
            raise Unreached("tls", f"{host}: it speaks another protocol than HTTP/1.1")
        return transport


async def _proxied(step: Awaitable[T]) -> T:
    """A failure on the way to the proxy is the proxy's."""
    try:
        return await step
    except Unreached as error:
        raise Unreached("proxy", f"on the way to the proxy: {error.trouble.why}") from None


def _insist_quiet(opening: Opening, raw: Any, address: Address) -> None:
    if not opening.quiet or raw.is_closing():
        raise Unreached("reset", f"{address.shown} closed the connection, or spoke, before it was asked anything")


def _unconnected(address: Address, failures: list[BaseException]) -> BaseException:
    """One error for all addresses that failed."""
    for failure in failures:
        if not isinstance(failure, OSError):
            return failure
    codes = sorted({failure.errno or 0 for failure in failures if isinstance(failure, OSError)})
    code = "connect_timeout" if codes == [errno.ETIMEDOUT] else "connect"
    return Unreached(code, f"no TCP connection to {address.shown}: {', '.join(map(os.strerror, codes))}")


def default_tls() -> ssl.SSLContext:
    """TLS as we speak it: the system's trust, names checked, HTTP/1.1 only."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
