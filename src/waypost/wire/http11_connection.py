"""One client's connection: heads and bodies in, replies out, one request at a time.

At any time a connection is in one of five situations, and `data_received` asks for them in this order:

    a call runs, or the client does not read     keep what comes, within a limit
    it was refused                               read on and throw away, so that the client sees why
    a body is coming                             feed its receiver
    a head has begun                             look for its end
    nothing                                      the usual case: a whole request comes at once
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import suppress
from typing import Final, cast

from waypost.domain.problems import Problem
from waypost.wire.http11_familiar import Familiar, familiar
from waypost.wire.http11_heads import read_head, unfinished_trouble
from waypost.wire.http11_messages import Request, status_line
from waypost.wire.http11_refusals import internal_error, overloaded, too_slow
from waypost.wire.http11_replies import Reply
from waypost.wire.http11_traffic import NEVER, Traffic
from waypost.wire.http11_uploads import Upload

HEAD_END: Final = b"\r\n\r\n"
EMPTY_LINE: Final = b"\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
REFUSED_CONNECTIONS_MAX: Final = 256
"""So many clients at a time are told that we have too many; more are cut without a word."""
LOG: Final = logging.getLogger("waypost.wire")


def peer_name(address: object) -> str:
    """`127.0.0.1:5555`, `[::1]:5555`, or `local` for a socket without addresses."""
    if not isinstance(address, tuple):
        return "local"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Connection(asyncio.Protocol):
    """Reads requests off one socket and calls the site."""

    __slots__ = (
        "_arrived",
        "_busy",
        "_ending",
        "_familiar",
        "_full",
        "_held",
        "_peer",
        "_reply",
        "_secure",
        "_traffic",
        "_transport",
        "_upload",
        "deadline",
        "keep_alive",
    )

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._transport: asyncio.Transport
        self._peer = ""
        self._secure = False
        self._held = bytearray()
        """An unfinished head, or what came before its turn."""
        self._arrived = 0.0
        self._familiar: Familiar | None = None
        """The first head of a conversation, which the next ones repeat."""
        self._upload: Upload | None = None
        """The body that is coming; then, until the call ends, its claim on memory."""
        self._reply: Reply | None = None
        self.keep_alive = True
        """Whether another request may follow the one that is being answered."""
        self._busy = False
        """What comes now has to wait: a call runs, the client does not read, or it is not yet its turn."""
        self._full = False
        self._ending = False
        """Nothing that comes is read as HTTP any more."""
        self.deadline = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        traffic, limits = self._traffic, self._traffic.limits
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=limits.write_buffer_bytes_max)
        self._peer = peer_name(transport.get_extra_info("peername"))
        self._secure = transport.get_extra_info("sslcontext") is not None
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.deadline = traffic.now + limits.header_seconds_max
        traffic.connections.add(self)
        surplus = len(traffic.connections) - limits.connections_max
        if surplus > REFUSED_CONNECTIONS_MAX:
            self.kill()
        elif surplus > 0:
            self._refuse(overloaded("Too many connections are open.", limits.retry_after_seconds), None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = self._busy = True
        self._traffic.leave(self)
        self._client_left()

    def eof_received(self) -> None:
        """A client that stops sending has left: nobody waits for an answer with half a connection."""
        if self._reply is not None:
            self.kill()
        else:
            self._close()

    def data_received(self, data: bytes) -> None:
        if self._busy:
            self._keep_for_later(data)
        elif self._upload is not None:
            self._take_body(self._upload, data)
        elif self._held:
            self._grow_head(data)
        else:
            self._take_first(data)

    def pause_writing(self) -> None:
        self._full = self._busy = True
        self.deadline = self._traffic.now + self._traffic.limits.write_blocked_seconds_max
        reply = self._reply
        if reply is not None and reply.on_full is not None:
            reply.on_full()

    def resume_writing(self) -> None:
        self._full = False
        reply = self._reply
        if self._ending:
            return
        if reply is None:
            self._go_on()
            return
        self.deadline = NEVER
        if reply.on_room is not None:
            reply.on_room()

    # Receiving.

    def _take_first(self, data: bytes) -> None:
        """The start of a head; nearly always a whole request."""
        traffic = self._traffic
        self._arrived = traffic.time()
        request = None if self._familiar is None else self._familiar.read(data)
        if request is not None and request.length <= traffic.whole_bytes_max:
            request.arrived = self._arrived
            self._call(request)
            return
        end = data.find(HEAD_END, 0, traffic.limits.header_bytes_max)
        if end >= 0:
            self._take_request(data, end + 4)
        else:
            self.deadline = self._arrived + traffic.limits.header_seconds_max
            self._grow_head(data)

    def _grow_head(self, data: bytes) -> None:
        """More of a head that did not come at once. Only new bytes are looked at."""
        held = self._held
        seen = len(held)
        held += data
        end = held.find(HEAD_END, max(0, seen - 3), self._traffic.limits.header_bytes_max)
        if end >= 0:
            block = bytes(held)
            held.clear()
            self._take_request(block, end + 4)
            return
        trouble = unfinished_trouble(held, seen, self._traffic.limits)
        if trouble is not None:
            self._refuse(trouble, None)

    def _take_request(self, data: bytes, end: int) -> None:
        """A whole head and what came behind it."""
        request: Request | None = None
        try:
            head = data[:end]
            request = read_head(head, self._traffic.limits)
            request.peer = self._peer
            request.secure = self._secure
            request.arrived = self._arrived
            if self._familiar is None:
                self._familiar = familiar(head, request, self._traffic.limits)
            if request.length == len(data) - end and request.length <= self._traffic.whole_bytes_max:
                request.body = data[end:]
                self._call(request)
            else:
                self._await_body(request, data[end:])
        except Problem as problem:
            self._refuse(problem, request)

    def _await_body(self, request: Request, data: bytes) -> None:
        """A body that is not here yet, or that others must be asked about. Raises Problem to take none."""
        self._upload = Upload(request, self._traffic)
        if request.expects_continue and not data:
            self._transport.write(CONTINUE)
        self.deadline = self._traffic.now + self._traffic.limits.body_check_seconds
        self._take_body(self._upload, data)

    def _take_body(self, upload: Upload, data: bytes) -> None:
        try:
            rest = upload.feed(data)
        except Problem as problem:
            self._refuse(problem, upload.request)
            return
        if rest is not None:
            self._held += rest
            self._call(upload.request)

    def _keep_for_later(self, data: bytes) -> None:
        """What came before its turn.

        A client that sends too much of it gets no more turns: we read on, or we would not notice it leaving, but
        throw away what we read.
        """
        if self._ending:
            return
        self._held += data
        if len(self._held) > self._traffic.limits.pipelined_bytes_max:
            self._held.clear()
            self.keep_alive = False

    # Calling and replying.

    def _call(self, request: Request) -> None:
        traffic = self._traffic
        self._busy = True
        self.keep_alive = request.keep_alive and not traffic.draining
        self.deadline = NEVER
        reply = self._reply = Reply(self, self._transport.write, request)
        traffic.in_flight += 1
        if traffic.in_flight > traffic.in_flight_max and request.path not in traffic.limits.never_overloaded:
            problem = overloaded("Too many requests are running.", traffic.limits.retry_after_seconds)
            reply.send(*traffic.page(problem, request))
            return
        try:
            traffic.site.call(request, reply)
        except Exception:
            LOG.exception("the site failed to take a call")
            if reply.started:
                reply.abort()
            else:
                reply.send(*traffic.page(internal_error(), request))

    @property
    def transport(self) -> asyncio.Transport:
        """For those who play broken servers and must reach below HTTP."""
        return self._transport

    def reply_done(self) -> None:
        self._end_call()
        if not self._full:
            self._go_on()

    def reply_aborted(self, *, reset: bool) -> None:
        self._end_call()
        if reset:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.kill()
        else:
            self._close()

    def _end_call(self) -> None:
        traffic = self._traffic
        self._reply = None
        traffic.in_flight -= 1
        if self._upload is not None:
            self._drop_upload(self._upload)

    def _drop_upload(self, upload: Upload) -> None:
        upload.release()
        self._upload = None

    def _go_on(self) -> None:
        """The connection is free, or at its end. Whatever was pipelined comes in its own turn of the loop."""
        traffic = self._traffic
        if not self.keep_alive:
            self._close()
            return
        self.deadline = traffic.idle_until if self._upload is None else traffic.now + traffic.limits.body_check_seconds
        if self._held:
            asyncio.get_running_loop().call_soon(self._advance)
        else:
            self._busy = False

    def _advance(self) -> None:
        if self._reply is not None or self._full or self._ending:
            return
        block = bytes(self._held)
        self._held.clear()
        self._busy = False
        if not self.keep_alive:
            self._close()
        elif block:
            self.data_received(block)

    # Ending.

    def _refuse(self, problem: Problem, request: Request | None) -> None:
        """Answer without having read everything, then read on for a while so that the client gets to see it."""
        traffic = self._traffic
        status, headers, page = traffic.page(problem, request)
        head = b"%b%bconnection: close\r\ncontent-length: %d\r\n\r\n" % (status_line(status), headers, len(page))
        self._transport.write(head if request is not None and request.method == "HEAD" else head + page)
        self._ending = self._busy = True
        self._held.clear()
        if self._upload is not None:
            self._drop_upload(self._upload)
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client may have reset the connection meanwhile
                self._transport.write_eof()
        self.deadline = traffic.now + traffic.limits.linger_seconds_max

    def _close(self) -> None:
        """Let what is written go out, for as long as the client takes it."""
        self._ending = self._busy = True
        self.deadline = self._traffic.now + self._traffic.limits.write_blocked_seconds_max
        self._transport.close()

    def _client_left(self) -> None:
        reply = self._reply
        if reply is not None:
            self._end_call()
            reply.leave()
        elif self._upload is not None:
            self._drop_upload(self._upload)

    def kill(self) -> None:
        """Close now."""
        self._ending = self._busy = True
        self.deadline = NEVER
        self._transport.abort()
        self._client_left()

    def drain(self) -> None:
        """Close if nothing is under way, else after that."""
        self.keep_alive = False
        if not self._busy and self._upload is None and not self._held:
            self._close()

    def cut(self) -> None:
        """Time is up: the reply may still say so."""
        reply = self._reply
        if reply is not None and reply.on_drain is not None:
            reply.drain()
        elif not self._ending:
            self.kill()

    def overdue(self, now: float) -> None:
        """The deadline has passed: of what, the situation tells."""
        limits = self._traffic.limits
        if self._ending or self._full:
            self.kill()
        elif self._upload is not None:
            self._check_rate(self._upload, now)
        elif self._held and self._held != EMPTY_LINE:
            self._refuse(too_slow("The head", limits.header_seconds_max), None)
        else:
            self._close()

    def _check_rate(self, upload: Upload, now: float) -> None:
        try:
            upload.check_rate()
        except Problem as problem:
            self._refuse(problem, upload.request)
        else:
            self.deadline = now + self._traffic.limits.body_check_seconds
