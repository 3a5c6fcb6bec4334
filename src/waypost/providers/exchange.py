"""One call on its way to a provider: what it is made of, who hears of it, and how it is stopped."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Protocol

from waypost.providers.addresses import Address


class Trouble(NamedTuple):
    """Why no whole reply came. `why` names the step and the evidence, never a secret."""

    code: str
    """dns | connect | connect_timeout | tls | proxy | reset | protocol | too_large | forbidden_address."""
    why: str


class Unreached(Exception):
    """No connection could be made."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.trouble = Trouble(code, why)


class UpstreamLimits(NamedTuple):
    """What we take from providers, and how much we keep open towards them."""

    head_bytes_max: int = 32 * 1024
    """Of a reply, all its 1xx heads counted in."""
    head_fields_max: int = 100
    stray_bytes_max: int = 32 * 1024
    """Chunk extensions and trailers in a row that carry no body."""
    idle_seconds_max: float = 4.0
    idle_seconds_max_named: float = 60.0
    """Where the provider's `Keep-Alive: timeout=N` promises longer."""
    idle_connections_max: int = 1024
    connections_max: int = 10_000


class Sink(Protocol):
    """Who hears of a reply. Every call comes from the event loop, never from inside `send`."""

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """The final head, names in lower case; of a repeated field the last one."""

    def data(self, data: bytes) -> None:
        """A piece of the body, chunks taken apart."""

    def eof(self) -> None:
        """The reply is complete; its connection is free again or closed."""

    def lost(self, trouble: Trouble) -> None:
        """No complete reply will come. Instead of `eof`, at most once."""


class Line(Protocol):
    """The connection under an exchange."""

    def drop(self) -> None: ...
    def hold(self) -> None: ...
    def unhold(self) -> None: ...


class Exchange:
    """A call that is on its way. Made by `Upstream.send`."""

    __slots__ = (
        "address",
        "began",
        "body",
        "connect_ms",
        "connect_seconds_max",
        "dialing",
        "head",
        "line",
        "over",
        "paused",
        "repeats",
        "sink",
    )

    def __init__(self, address: Address, head: bytes, body: bytes, sink: Sink, connect_seconds_max: float) -> None:
        self.address = address
        self.head = head
        self.body = body
        self.sink = sink
        self.connect_seconds_max = connect_seconds_max
        self.connect_ms: float | None = None
        """None on a pooled connection; set before the sink's `head`."""
        self.repeats = 0
        """1 when a pooled connection died without a byte and the call was sent again on a fresh one."""
        self.began = 0.0
        self.line: Line | None = None
        self.dialing: asyncio.Task[Any] | None = None
        self.paused = False
        self.over = False

    def cancel(self) -> None:
        """Close the connection now. The sink hears nothing more."""
        if self.over:
            return
        self.over = True
        if self.dialing is not None:
            self.dialing.cancel()
        line, self.line = self.line, None
        if line is not None:
            line.drop()

    def pause(self) -> None:
        """Read no further; at most what was already read still comes."""
        self.paused = True
        if self.line is not None:
            self.line.hold()

    def resume(self) -> None:
        """Read on."""
        self.paused = False
        if self.line is not None:
            self.line.unhold()
