"""One connection to a provider, reading one reply at a time.

The parser's callbacks only take notes. The sink is told after the parser has returned, so a callback may cancel, pause
or send again, and a bug in it is never taken for a bad reply.
"""

from __future__ import annotations

import asyncio
import re
import select
from typing import Any, Final, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from waypost.providers.addresses import Address
from waypost.providers.exchange import Exchange, Trouble, UpstreamLimits

JOINED_BYTES_MAX: Final = 64 * 1024
"""Up to this size head and body are joined into one write."""
HEAD_END: Final = b"\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
START: Final = b"HTTP/"
MODERN: Final = b"HTTP/1.1 "
VERSIONS: Final = ("1.1", "1.0")
CODING: Final = b"transfer-encoding"
FRAMING: Final = frozenset((b"content-length", CODING, b"keep-alive"))
BODILESS: Final = (204, 304)
_TIMEOUT: Final = re.compile(rb"(?:^|[\s,])timeout\s*=\s*\"?(\d{1,6})", re.IGNORECASE)

Headers = dict[bytes, bytes]


class Home(Protocol):
    """Where a connection belongs: told when it is free, when it closes, and of a call that must be sent once more."""

    def opened(self, connection: Connection) -> None: ...
    def keep(self, connection: Connection, seconds: float) -> None: ...
    def closing(self, connection: Connection) -> None: ...
    def gone(self, connection: Connection) -> None: ...
    def again(self, exchange: Exchange) -> None: ...


class Connection(asyncio.Protocol):
    """Carries one exchange at a time and reads its reply strictly."""

    __slots__ = (
        "_calls",
        "_chunked",
        "_closed",
        "_exchange",
        "_fault",
        "_finished",
        "_head",
        "_head_bytes",
        "_headers",
        "_heads",
        "_held",
        "_home",
        "_in_body",
        "_keeps",
        "_limits",
        "_parser",
        "_parts",
        "_probe",
        "_promise",
        "_raw",
        "_repeated",
        "_status",
        "_stray_bytes",
        "_tail",
        "_transport",
        "_until_eof",
        "address",
        "idle_until",
        "on_body",
    )

    def __init__(self, address: Address, home: Home, limits: UpstreamLimits) -> None:
        self.address = address
        self.idle_until = 0.0
        self._home = home
        self._limits = limits
        self._exchange: Exchange | None = None
        self._closed = False
        self._held = False
        self._calls = 0
        self._status = 0
        self._keeps = False
        self._head: Headers | None = None
        self._fault: str | None = None
        self._promise = b""
        self._chunked = self._until_eof = False
        self._transport: Any = None
        self._raw: Any = None
        self._parts: list[bytes] = []
        self.on_body = self._parts.append
        self._parser: Any = HttpResponseParser(self)

    def open(self, transport: Any, raw: Any) -> None:
        """Take over a connected transport; `raw` is the TCP transport under it, the same one without TLS."""
        self._transport = transport
        self._raw = raw
        poll = select.poll()
        poll.register(raw.get_extra_info("socket").fileno(), select.POLLIN)
        self._probe = poll.poll
        self._home.opened(self)

    # What the pool and the exchange ask.

    @property
    def closed(self) -> bool:
        """It ended, or is about to."""
        return self._closed or (self._raw is not None and self._raw.is_closing())

    def silent(self) -> bool:
        """Nothing came since the last reply, neither bytes nor an end; the kernel may know before the loop does."""
        return not self._closed and not self._raw.is_closing() and not self._probe(0)

    def begin(self, exchange: Exchange) -> None:
        """Send a call and read its reply."""
        exchange.line = self
        self._exchange = exchange
        self._calls += 1
        self._headers: Headers = {}
        self._tail = b""
        self._head_bytes = self._stray_bytes = self._heads = self._repeated = 0
        self._in_body = self._finished = False
        body = exchange.body
        if len(body) <= JOINED_BYTES_MAX:
            self._transport.write(exchange.head + body)
        else:
            self._transport.writelines((exchange.head, body))

    def drop(self) -> None:
        """Close at once, whatever is on its way."""
        self._exchange = None
        if not self._closed:
            self._closed = True
            self._home.closing(self)
            if self._raw is not None:
                self._raw.abort()

    def hold(self) -> None:
        """Read no further."""
        if not self._held and not self._raw.is_closing():
            self._held = True
            self._transport.pause_reading()

    def unhold(self) -> None:
        """Read on."""
        if self._held and not self._raw.is_closing():
            self._held = False
            self._transport.resume_reading()

    # What the transport tells.

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or not (self._in_body or self._head_may_go_on(data)):
            self.drop()  # nobody asked for this
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._note(error)
        head = self._head
        if head is not None and not self._tell_head(exchange, head, data):
            return
        parts = self._parts
        size = 0
        if parts:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            size = len(body)
            exchange.sink.data(body)
        if self._exchange is not exchange:
            return  # cancelled by its sink
        if self._finished:
            self._finish(exchange, clean=self._ends_cleanly(data, size, starts=head is not None))
        elif size and self._fault is None:
            self._stray_bytes = 0
        else:
            self._go_on(data)

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._home.closing(self)
        self._home.gone(self)
        self._ended(exc)
        self._parser = None  # it holds our methods, a cycle

    # What the parser notes.

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        if name in headers:
            self._repeated += 1
            if name == CODING:  # of all other fields the last one stands
                value = headers[name] + b", " + value
        headers[name] = value.rstrip()

    def on_headers_complete(self) -> None:
        if self._finished:
            raise ValueError  # another head behind the reply; the parser stops here
        parser = self._parser
        status = self._status = parser.get_status_code()
        headers = self._headers
        self._heads += 1
        if status >= 200:
            self._keeps = parser.should_keep_alive()
            self._head = headers
            self._headers = {}  # for trailers, which nobody reads
            self._in_body = True
        elif status >= 100 and status != 101 and FRAMING.isdisjoint(headers):
            self._headers = {}
            self._repeated = 0
        else:
            self._fault = f"the provider sent a status {status} that we did not ask for"
            raise ValueError  # the parser stops here

    def on_message_complete(self) -> None:
        if self._in_body:
            self._finished = True

    # Reading the head.

    def _head_may_go_on(self, data: bytes) -> bool:
        """Check the first bytes and the size before the parser sees them: it knows no limits."""
        before = self._head_bytes
        if not before and not data.startswith(START) and not START.startswith(data):
            self.lose(Trouble("protocol", "the provider's reply is not HTTP"))
            return False
        room = self._limits.head_bytes_max - before
        self._head_bytes = before + len(data)
        if len(data) > room and HEAD_END not in self._tail + data[: max(room, 0)]:
            self.lose(Trouble("too_large", f"the reply's head is longer than {self._limits.head_bytes_max} bytes"))
            return False
        return True

    def _tell_head(self, exchange: Exchange, head: Headers, data: bytes) -> bool:
        """Hand the head on, unless it breaks the rules; False when this was the end of the exchange."""
        self._head = None
        exchange.head = exchange.body = b""  # from here on it cannot be sent again
        first = self._heads == 1 and not self._tail  # its status line is what this piece begins with
        version = "1.1" if first and data.startswith(MODERN) else self._parser.get_http_version()
        trouble = self._objection(head, version)
        if trouble is not None:
            self.lose(trouble)
            return False
        exchange.sink.head(self._status, head)
        return self._exchange is exchange

    def _objection(self, head: Headers, version: str) -> Trouble | None:
        """Decide how the body is framed, strictly; anything two readers could read differently is refused."""
        if len(head) + self._repeated > self._limits.head_fields_max:
            return Trouble("too_large", f"the reply's head has more than {self._limits.head_fields_max} fields")
        if self._status > 599 or version not in VERSIONS:
            return Trouble("protocol", "the provider's reply has a status or a version that HTTP/1.1 does not know")
        coding = head.get(CODING)
        if coding is not None and (coding.lower() != b"chunked" or version != "1.1"):
            return Trouble("protocol", "the provider's reply has a Transfer-Encoding other than chunked")
        self._chunked = coding is not None
        self._until_eof = coding is None and b"content-length" not in head
        self._promise = head.get(b"keep-alive", b"")
        if self._status in BODILESS:
            self._keeps = self._keeps and self._until_eof
            self._until_eof = False
            self._finished = True
        return None

    # After each piece.

    def _note(self, error: Exception) -> None:
        if self._finished:
            self._keeps = False  # bytes after the reply, whatever they end with
        elif self._fault is None:
            self._fault = f"the provider's reply is not HTTP/1.1: {error}"

    def _go_on(self, data: bytes) -> None:
        """The reply is not complete, and nothing of this piece was body, or it broke a rule."""
        if self._fault is not None:
            self.lose(Trouble("protocol", self._fault))
        elif not self._in_body:
            self._tail = (self._tail + data)[-3:]
            self._heads = 0
        else:
            self._stray_bytes += len(data)
            if self._stray_bytes > self._limits.stray_bytes_max + self._head_bytes:
                self.lose(Trouble("too_large", "the reply has too many bytes that are not its body"))

    def _ends_cleanly(self, data: bytes, size: int, *, starts: bool) -> bool:
        """Whether the reply's last byte is the last byte of this piece. In doubt no: then the connection is closed."""
        if self._chunked:
            return data.endswith(LAST_CHUNK) or LAST_CHUNK.endswith(data)
        return size == len(data) - (self._body_start(data) if starts else 0)

    def _body_start(self, data: bytes) -> int:
        """Where the body begins in the piece that ended the last head."""
        if self._heads == 1 and not self._tail:
            return data.find(HEAD_END) + len(HEAD_END)
        whole = self._tail + data
        start = 0
        for _ in range(self._heads):
            start = whole.find(HEAD_END, start) + len(HEAD_END)
        return start - len(self._tail)

    # Ends.

    def _finish(self, exchange: Exchange, *, clean: bool) -> None:
        """The reply is complete: first the connection is free or closed, then the sink hears of it."""
        self._exchange = None
        exchange.line = None
        exchange.over = True
        if clean and self._keeps and not self._sending():
            if self._held:
                self.unhold()
            self._home.keep(self, self._idle_seconds() if self._promise else self._limits.idle_seconds_max)
        else:
            self.drop()
        exchange.sink.eof()

    def _sending(self) -> bool:
        """The reply came before all of the call was written."""
        raw = self._raw
        transport = self._transport
        return bool(raw.get_write_buffer_size() or (raw is not transport and transport.get_write_buffer_size()))

    def _idle_seconds(self) -> float:
        named = _TIMEOUT.search(self._promise)
        if named is None:
            return self._limits.idle_seconds_max
        return float(min(int(named[1]) - 1, self._limits.idle_seconds_max_named))

    def lose(self, trouble: Trouble) -> None:
        """Close at once and say why; silent where no exchange is on."""
        exchange = self._exchange
        self.drop()
        if exchange is not None:
            exchange.line = None
            exchange.over = True
            exchange.sink.lost(trouble)

    def _ended(self, exc: Exception | None) -> None:
        """The provider closed the connection, or it broke."""
        exchange = self._exchange
        if exchange is None:
            self.drop()
        elif self._in_body and self._until_eof and exc is None:
            self._finish(exchange, clean=False)
        elif self._calls > 1 and not self._head_bytes:  # a fresh connection has had one call, so this cannot go on
            self.drop()
            exchange.line = None
            self._home.again(exchange)
        else:
            self.lose(Trouble("reset", self._how_it_ended(exc)))

    def _how_it_ended(self, exc: Exception | None) -> str:
        how = "reset the connection" if isinstance(exc, ConnectionError) else "closed the connection"
        if not self._head_bytes:
            return f"the provider {how} without a reply"
        return f"the provider {how} in the middle of its reply"
