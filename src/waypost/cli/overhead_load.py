"""Calls over kept connections, in turn or as fast as they are answered. One protocol, and no more than it needs."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter, process_time
from typing import Any, Final, NamedTuple, cast

import httptools

WARM_UP: Final = 20
ANSWER_SECONDS_MAX: Final = 30.0


class Target(NamedTuple):
    """Where a call goes, and what it says."""

    host: str
    port: int
    path: str
    model: str
    prompt: str
    secret: str | None

    def request(self, *, stream: bool) -> bytes:
        """The whole request, made once."""
        body = {"model": self.model, "messages": [{"role": "user", "content": self.prompt}], "stream": stream}
        data = json.dumps(body).encode()
        lines = [f"POST {self.path} HTTP/1.1", f"host: {self.host}:{self.port}", "content-type: application/json"]
        if self.secret is not None:
            lines.append(f"authorization: Bearer {self.secret}")
        return "\r\n".join([*lines, f"content-length: {len(data)}", "", ""]).encode() + data


class Load(NamedTuple):
    """What came of full load."""

    calls: int
    bad: int
    seconds: float
    own_share: float
    """Share of that time in which this process was busy itself."""

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


class Line(asyncio.Protocol):
    """One kept connection; also the callbacks of httptools' response parser."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[float] | None = None
        self._first_body = 0.0
        self.bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[float]:
        """Done when the answer is whole, with the time of its first word."""
        assert self._transport is not None  # noqa: S101 (connected before it is used)
        self._parser: Any = httptools.HttpResponseParser(self)
        self._first_body = 0.0
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        if self._first_body == 0.0:
            self._first_body = perf_counter()

    def on_message_complete(self) -> None:
        self.bad += self._parser.get_status_code() != 200
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._first_body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server hung up"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def in_turn(one: Target, other: Target, pairs: int, *, stream: bool) -> tuple[list[float], list[float]]:
    """Milliseconds of every call to each, taken in turn: until the whole answer, or its first word in a stream."""
    lines = [await _line(target) for target in (one, other)]
    requests = [target.request(stream=stream) for target in (one, other)]
    taken: tuple[list[float], list[float]] = ([], [])
    try:
        for number in range(pairs + WARM_UP):
            for line, request, times in zip(lines, requests, taken, strict=True):
                ms = await _timed(line, request, stream=stream)
                if number >= WARM_UP:
                    times.append(ms)
    finally:
        for line in lines:
            line.close()
    return taken


async def saturate(target: Target, connections: int, seconds: float) -> Load:
    """As many calls as are answered in that time, each connection asking again when it was answered."""
    lines = [await _line(target) for _ in range(connections)]
    request = target.request(stream=False)
    began, cpu = perf_counter(), process_time()
    counts = await asyncio.gather(*(_ask_until(line, request, began + seconds) for line in lines))
    took, used = perf_counter() - began, process_time() - cpu
    for line in lines:
        line.close()
    return Load(sum(counts), sum(line.bad for line in lines), took, used / took)


async def _line(target: Target) -> Line:
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(Line, target.host, target.port)
    return line


async def _timed(line: Line, request: bytes, *, stream: bool) -> float:
    """The loop's own clock counts whole milliseconds."""
    began = perf_counter()
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        first_body = await line.ask(request)
    return ((first_body if stream else perf_counter()) - began) * 1000


async def _ask_until(line: Line, request: bytes, end: float) -> int:
    calls = 0
    while perf_counter() < end:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await line.ask(request)
        calls += 1
    return calls


def percentile(values: list[float], share: float) -> float:
    """A percentile by rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
