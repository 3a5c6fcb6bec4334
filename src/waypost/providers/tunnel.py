"""Through the operator's proxy: which hosts go through it, and the CONNECT that opens the way."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from base64 import b64encode
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from waypost.providers.addresses import Address, authority
from waypost.providers.exchange import Unreached

HEAD_BYTES_MAX: Final = 32 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: |\r\n)")


class ProxySettings(NamedTuple):
    """A proxy as the operator set it. There is none unless set; the environment is never asked here."""

    url: str
    """`http://[user:password@]host:port`."""
    no_proxy: tuple[str, ...] = ()
    """Hosts reached directly: `host`, `host:port`, `.suffix` (`suffix` too covers its subdomains), networks, `*`."""
    trusted: bool = False
    """The proxy resolves names and keeps private addresses out itself; else it is sent the address we checked."""

    def __repr__(self) -> str:
        return f"ProxySettings(no_proxy={self.no_proxy!r}, trusted={self.trusted})"  # the URL may hold a password


class Proxy:
    """A proxy ready for use. Raises ValueError for settings that make no sense, without repeating the URL."""

    def __init__(self, settings: ProxySettings) -> None:
        url = urlsplit(settings.url)
        if url.scheme != "http" or not url.hostname or url.path not in ("", "/") or url.query or url.fragment:
            raise ValueError("the proxy's URL must be http://[user:password@]host:port")
        try:
            port = url.port or 80
        except ValueError:
            raise ValueError("the port in the proxy's URL is not a port") from None
        self.address = Address("http", url.hostname, port, allow_private=True)
        self.trusted = settings.trusted
        self._rules = tuple(rule.strip().lower() for rule in settings.no_proxy if rule.strip())
        self._authorization = b""
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
            self._authorization = b"proxy-authorization: Basic " + b64encode(pair) + b"\r\n"

    def serves(self, address: Address) -> bool:
        """False for hosts on the no_proxy list."""
        return not any(_matches(rule, address) for rule in self._rules)

    def request(self, host: str, port: int) -> bytes:
        """The CONNECT for one target."""
        target = authority(host, port).encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, self._authorization)


def _matches(rule: str, address: Address) -> bool:
    host = address.host
    if rule in ("*", host, authority(host, address.port)):
        return True
    if "/" in rule:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    return host.endswith("." + rule.removeprefix("*").removeprefix("."))


class Opening(asyncio.Protocol):
    """Holds a fresh TCP connection until it is handed on: nobody may speak before us, but a proxy we asked."""

    def __init__(self) -> None:
        self._bytes = b""
        self._head: asyncio.Future[None] | None = None
        self._lost = False

    @property
    def quiet(self) -> bool:
        """Nothing came and nothing was lost."""
        return not self._bytes and not self._lost

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        if b"\r\n\r\n" in self._bytes or len(self._bytes) > HEAD_BYTES_MAX:
            self._wake()

    def eof_received(self) -> None:
        self._lost = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake()

    async def tunnel(self, transport: Any, request: bytes) -> None:
        """Ask the proxy for a way. Raises Unreached (`proxy`)."""
        self._head = asyncio.get_running_loop().create_future()
        transport.write(request)
        if not self._lost:
            await self._head
        head, end, rest = self._bytes.partition(b"\r\n\r\n")
        if not end:
            how = "answered with a head that is too long" if len(head) > HEAD_BYTES_MAX else "closed the connection"
            raise Unreached("proxy", f"the proxy {how}")
        status = _STATUS.match(head + b"\r\n")
        if status is None:
            raise Unreached("proxy", "the proxy's answer to CONNECT is not HTTP")
        if status[1] == b"407":
            raise Unreached("proxy", "the proxy wants other credentials (407)")
        if status[1][:1] != b"2":
            raise Unreached("proxy", f"the proxy refused the connection ({status[1].decode('ascii')})")
        if rest:
            raise Unreached("proxy", "the proxy sent more than its answer to CONNECT")
        self._bytes = b""

    def _wake(self) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_result(None)
