"""POST /v1/chat/completions, and the same on a provider's own path: the hot route."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from waypost.domain.chat import ChatRequest
from waypost.domain.problems import Problem, Refusal
from waypost.domain.requests import RequestNumbers, request_id
from waypost.domain.waybill import Waybill
from waypost.door.cors import Cors
from waypost.door.problems import ProblemWriter, Reader
from waypost.identity.credentials import credential_of
from waypost.journey import House, chat, turned_away
from waypost.wire.dialects import read_chat
from waypost.wire.http11_messages import Request
from waypost.wire.http11_replies import Reply

KEPT_BYTES_MAX = 1024 * 1024
SESSION_TAG_CHARS_MAX = 256
_bill_to = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class AskedChat:
    """What was asked at the door, before anybody read it."""

    __slots__ = ("_pinned", "_request", "arrived", "bill")

    def __init__(self, request: Request, bill: Waybill, pinned: str | None) -> None:
        self._request = request
        self._pinned = pinned
        self.bill = bill
        self.arrived = perf_counter()

    def credential(self) -> bytes | None:
        return credential_of(self._request.headers)

    def read(self) -> ChatRequest:
        """Raises Refusal `invalid_request`."""
        request = self._request
        ask = read_chat(request.body, self._pinned)
        self.bill.asked = ask.asked
        headers = request.headers
        if b"x-hf-bill-to" in headers or b"x-hf-session-id" in headers:
            ask = ask._replace(
                bill_to=_read_bill_to(headers.get(b"x-hf-bill-to")),
                session_tag=_read_session_tag(headers.get(b"x-hf-session-id")),
            )
        return ask


class ChatCall(AskedChat):
    """One call at the door: the journey's view of a request and its reply."""

    __slots__ = ("_extra", "_kept", "_problems", "_reply", "task")
    task: asyncio.Task[None]

    def __init__(
        self, request: Request, reply: Reply, bill: Waybill, problems: ProblemWriter, pinned: str | None
    ) -> None:
        super().__init__(request, bill, pinned)
        self._reply = reply
        self._problems = problems
        self._extra = b""
        self._kept: bytearray | None = None

    @property
    def gone(self) -> bool:
        """The client left."""
        return self._reply.gone

    def watch(
        self,
        on_gone: Callable[[], None],
        on_drain: Callable[[], None],
        on_full: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        """Who is to be told of what happens on the client's side."""
        reply = self._reply
        reply.on_gone = on_gone
        reply.on_drain = on_drain
        reply.on_full = on_full
        reply.on_room = on_room

    def limits(self, headers: tuple[tuple[str, str], ...]) -> None:
        """More headers for the reply, such as what is left of a limit."""
        self._extra += b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in headers)

    def allow_page(self, block: bytes) -> None:
        """Headers that let a web page read the reply (`door/cors.py`)."""
        self._extra += block

    def begin(self, bill: Waybill) -> None:
        """Send the true status of a streamed answer."""
        self._reply.begin(
            200,
            self._head("content-type: text/event-stream\r\ncache-control: no-cache\r\nx-accel-buffering: no", bill),
        )

    def writer(self) -> Callable[[bytes], None]:
        """What takes the pieces of the answer: the connection itself, unless the bodies are kept."""
        return self._reply.write if self._kept is None else self._write_and_keep

    def _write_and_keep(self, data: bytes) -> None:
        self._reply.write(data)
        if self._kept is not None and len(self._kept) < KEPT_BYTES_MAX:
            self._kept += data

    def keep(self) -> None:
        """The operator wants to see what was said."""
        self._kept = bytearray()

    def kept(self, tail: bytes) -> tuple[bytes, bytes]:
        """Request and reply, each at most `KEPT_BYTES_MAX`."""
        answered = bytes((self._kept or b"")[:KEPT_BYTES_MAX])
        return self._request.body[:KEPT_BYTES_MAX], answered + tail[: KEPT_BYTES_MAX - len(answered)]

    def finish(self, tail: bytes) -> None:
        self._reply.finish(tail)

    def whole(self, bill: Waybill, body: bytes) -> None:
        """Send a whole answer."""
        cost = f"content-type: application/json\r\nx-waypost-cost-nano-usd: {bill.charge_nano_usd}"
        self._reply.send(200, self._head(cost, bill), body)

    def broken(self, problem: Problem) -> None:
        """One error event, and no `[DONE]` after it."""
        self._reply.finish(self._problems.event(problem, self.bill.request_id))

    def refused(self, problem: Problem) -> None:
        if self._reply.started:
            self.broken(problem)
            return
        reader = Reader(self._request.headers.get(b"user-agent", b""))
        status, head, body = self._problems.whole(problem, self.bill.request_id, reader)
        self._reply.send(status, head + self._extra, body)

    def _head(self, first: str, bill: Waybill) -> bytes:
        payer = bill.payer
        lines = (
            f"{first}\r\nx-request-id: {bill.request_id}\r\nx-inference-provider: {bill.served_by or ''}\r\n"
            f"x-waypost-payer: {payer.name if payer else ''}\r\nx-waypost-attempts: {len(bill.attempts)}\r\n"
        )
        return lines.encode() + self._extra


class Keyed(Protocol):
    """Who carries calls with an Idempotency-Key (`door/keyed.py`)."""

    def make(
        self, request: Request, reply: Reply, bill: Waybill, problems: ProblemWriter, pinned: str | None
    ) -> ChatCall: ...
    async def carry(self, call: Any) -> None: ...


class ChatDoor:
    """Makes a call of each request and sends it on its journey, one task each."""

    def __init__(
        self,
        house: House,
        problems: ProblemWriter,
        numbers: RequestNumbers,
        cors: Cors | None = None,
        keyed: Keyed | None = None,
    ) -> None:
        self._house = house
        self._problems = problems
        self._numbers = numbers
        self._cors = cors or Cors()
        self._keyed = keyed
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()
        """Keeps tasks alive: the loop itself only knows them weakly."""

    def __call__(self, request: Request, reply: Reply, pinned: str | None = None) -> None:
        """Returns at once."""
        keyed = self._keyed if b"idempotency-key" in request.headers else None
        make = ChatCall if keyed is None else keyed.make
        call = make(request, reply, self._bill(), self._problems, pinned)
        if b"origin" in request.headers:
            call.allow_page(self._cors.block(request.headers[b"origin"]))
        task = call.task = self._loop.create_task(self._run(call, keyed))
        self._running.add(task)

    def turned_away(self, request: Request, problem: Problem) -> str:
        """The wire refuses a call before its body is here: it has a waybill all the same. Gives the request id."""
        asked = AskedChat(request, self._bill(), None)
        task = self._loop.create_task(turned_away(asked, self._house, problem))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return asked.bill.request_id

    def asked(self, request: Request) -> AskedChat:
        """A request that will not be called, only explained."""
        return AskedChat(request, self._bill(), None)

    async def idle(self) -> None:
        """Return when no call is on its journey."""
        while self._running:
            await asyncio.wait(self._running)

    def _bill(self) -> Waybill:
        number, at_ms = self._numbers.next()
        return Waybill(number, at_ms, request_id(number))

    async def _run(self, call: ChatCall, keyed: Keyed | None) -> None:
        try:
            if keyed is None:
                await chat(call, self._house)
            else:
                await keyed.carry(call)
        finally:
            self._running.discard(call.task)
            del call.task  # else the call and its task would keep each other alive


def _read_bill_to(value: bytes | None) -> str | None:
    if value is None:
        return None
    name = value.decode("latin-1").strip()
    if not _bill_to.fullmatch(name):
        raise Refusal(
            "invalid_request",
            "`X-HF-Bill-To` must be the name or id of an organisation.",
            why="it has characters that no organisation's name has, or is longer than 64",
            fix="Send the organisation's name as it stands in its address, or leave the header out.",
            param="X-HF-Bill-To",
        )
    return name


def _read_session_tag(value: bytes | None) -> str | None:
    if value is None:
        return None
    tag = value.decode("latin-1").strip()
    if len(tag) > SESSION_TAG_CHARS_MAX or not tag.isprintable():
        raise Refusal(
            "invalid_request",
            f"`X-HF-Session-Id` must be at most {SESSION_TAG_CHARS_MAX} printable characters.",
            why=f"it has {len(tag)}",
            fix="Send a short tag such as a UUID.",
            param="X-HF-Session-Id",
        )
    return tag or None
