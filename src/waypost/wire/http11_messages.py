"""What an HTTP/1.1 server says and hears: a request, its limits, and the first lines of a reply."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple

STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus
}
BODILESS: Final = frozenset({204, 304})
CHUNKED: Final = -1
"""`Request.length` of a body that says its size as it goes."""

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


class HttpLimits(NamedTuple):
    """What a client may take of us. The units are in the names."""

    header_seconds_max: float = 10.0
    """From a head's first byte to its last; also how long a new connection may stay silent."""
    header_bytes_max: int = 32 * 1024
    """Head, and separately trailers, and separately what chunk framing wastes."""
    header_fields_max: int = 100
    target_bytes_max: int = 8 * 1024
    body_bytes_max: int = 32 * 1024 * 1024
    head_asks_above_bytes: int = 64 * 1024
    """A body larger than this is put to `Site.head` before it is received."""
    body_bytes_per_second_min: int = 1024
    body_check_seconds: float = 10.0
    """The rate must hold in every window of this length."""
    bodies_bytes_max: int = 1024 * 1024 * 1024
    """Bodies that came in pieces, all connections together, until their replies are finished."""
    idle_seconds_max: float = 75.0
    linger_seconds_max: float = 2.0
    """After a refusal, how long we go on reading so that the client gets to see it."""
    write_buffer_bytes_max: int = 256 * 1024
    write_blocked_seconds_max: float = 60.0
    pipelined_bytes_max: int = 64 * 1024
    in_flight_max: int = 10_000
    connections_max: int = 20_000
    loop_lag_seconds_max: float = 1.0
    """Two readings in a row above this, and new requests are refused until one is below it."""
    retry_after_seconds: int = 1
    tick_seconds: float = 0.25
    """How often timeouts and lag are looked at: no request pays for a timer of its own."""
    tls_handshake_seconds_max: float = 10.0
    tls_shutdown_seconds_max: float = 5.0
    drain_cut_seconds_max: float = 1.0
    never_overloaded: frozenset[str] = frozenset({"/live", "/ready", "/metrics"})
    """Paths answered even when overloaded, because those who ask decide whether to restart us."""


class Request:
    """One request whose body is complete. `headers` are as they were when the head ended: trailers change nothing."""

    __slots__ = (
        "arrived",
        "body",
        "expects_continue",
        "headers",
        "http10",
        "keep_alive",
        "length",
        "method",
        "path",
        "peer",
        "query",
        "secure",
        "target",
    )

    def __init__(self, method: str, target: bytes, path: str, query: bytes, headers: dict[bytes, bytes]) -> None:
        self.method = method
        self.target = target
        """As sent."""
        self.path = path
        """Path part of the target, ASCII, not percent-decoded."""
        self.query = query
        """What follows `?`, without it."""
        self.headers = headers
        """Names in lower case; repeated ones joined with `, ` (cookies with `; `)."""
        self.body = b""
        self.peer = ""
        """`127.0.0.1:5555`"""
        self.secure = False
        self.arrived = 0.0
        """`loop.time()` at the head's first byte."""
        self.length = 0
        """Bytes of body the head announced, or CHUNKED."""
        self.keep_alive = True
        self.http10 = False
        self.expects_continue = False


def header_block(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Headers as the bytes of a reply's head. Raises ValueError for what would break out of its line."""
    lines = []
    for name, value in pairs:
        if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} holds a character that no header may hold")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


def status_line(status: int) -> bytes:
    """The first line of a reply; a status without a name gets none."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
