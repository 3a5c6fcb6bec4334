"""Practice providers on real sockets: each on a port of its own, so that one can be stopped while the others run."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from waypost.practice import faults
from waypost.practice.desk import BODY_BYTES_MAX, CannedDesk, Desk
from waypost.practice.pacing import Wheel
from waypost.practice.profiles import BUILT_IN, PracticeProvider
from waypost.wire.http11 import HttpLimits, HttpServer

LIMITS: Final = HttpLimits(
    header_bytes_max=256 * 1024,
    body_bytes_max=BODY_BYTES_MAX,
    write_blocked_seconds_max=600.0,
    in_flight_max=1_000_000,
    connections_max=1_000_000,
    loop_lag_seconds_max=math.inf,
    drain_cut_seconds_max=0.05,
)
"""A practice provider takes whatever a router sends; it is the router that is tested."""
PATH: Final = "/v1"


def unix_seconds() -> int:
    return int(datetime.now(UTC).timestamp())


class PracticeServer:
    """One running provider. `desk` counts its calls and keeps the last requests."""

    def __init__(self, desk: Desk, host: str, tls: ssl.SSLContext | None = None) -> None:
        self.desk = desk
        self.port = 0
        self._host = host
        self._tls = tls
        self._http: HttpServer | None = None

    @property
    def slug(self) -> str:
        return self.desk.provider.slug

    @property
    def base_url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}{PATH}"

    @property
    def connections(self) -> int:
        """Sockets that are open right now."""
        return self._http.connections if self._http is not None else 0

    @property
    def streams(self) -> int:
        """Replies under way."""
        return len(self.desk.playing)

    def set_faults(self, text: str) -> None:
        """What goes wrong from now on, without being asked for; an empty text for nothing. Raises Refusal."""
        self.desk.wanted = faults.read(text)

    async def open(self, port: int = 0) -> None:
        """Listen, again on the same port after `close`. Raises OSError where the port is taken."""
        sock = _bound(self._host, port or self.port)
        self.port = sock.getsockname()[1]
        self._http = HttpServer(self.desk, LIMITS)
        await self._http.listen(sock, self._tls)

    async def close(self) -> None:
        """Cut every connection, as a killed server does, and listen no more."""
        http, self._http = self._http, None
        if http is not None:
            await http.drain(0)


class PracticeServers(Mapping[str, PracticeServer]):
    """Running providers by slug."""

    def __init__(self, servers: Iterable[PracticeServer], wheel: Wheel) -> None:
        self._servers = {server.slug: server for server in servers}
        self._wheel = wheel

    def __getitem__(self, slug: str) -> PracticeServer:
        return self._servers[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def base_urls(self) -> dict[str, str]:
        return {slug: server.base_url for slug, server in self._servers.items()}

    async def close(self) -> None:
        for server in self._servers.values():
            await server.close()
        self._wheel.close()


async def start(
    profiles: Iterable[PracticeProvider] = BUILT_IN,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], int] = unix_seconds,
) -> PracticeServers:
    """Start a provider for each profile: on free ports, or on `port` and those after it.

    Raises OSError where a port is taken; nothing is left running then.
    """
    wheel = Wheel()
    servers: list[PracticeServer] = []
    try:
        for number, profile in enumerate(profiles):
            desk = (CannedDesk if profile.canned else Desk)(profile, wheel, clock)
            server = PracticeServer(desk, host, tls)
            await server.open(port + number if port else 0)
            servers.append(server)
    except BaseException:
        await PracticeServers(servers, wheel).close()
        raise
    return PracticeServers(servers, wheel)


async def serve_practice(
    stop: asyncio.Event,
    ready: Callable[[PracticeServers], None],
    profiles: Iterable[PracticeProvider] = BUILT_IN,
    host: str = "127.0.0.1",
    port: int = 0,
) -> None:
    """Run practice providers alone until `stop` is set: the whole of `waypost practice`. Raises OSError."""
    servers = await start(profiles, host, port)
    try:
        ready(servers)
        await stop.wait()
    finally:
        await servers.close()


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
