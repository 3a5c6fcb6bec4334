"""The load: keep-alive connections that call again as soon as they are answered, or at a steady rate.

Run as a process of its own (`python -m bench.load`), it reads one JSON order from standard input and prints one JSON
result: what was answered, how fast, and how busy this process was itself.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop


@dataclass
class Order:
    """What to do."""

    host: str
    port: int
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    connections: int = 64
    calls: int = 0
    """Stop after this many answers."""
    rate: float = 0.0
    """Calls a second over all connections; 0: as fast as they are answered."""
    hold_seconds: float = 0.0
    """Open the streams, wait, and leave: nothing is counted but that a first byte came."""

    def request(self) -> bytes:
        body = json.dumps(self.body).encode()
        lines = [f"POST {self.path} HTTP/1.1", f"host: {self.host}:{self.port}", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


@dataclass
class Tally:
    """What happened."""

    left: int
    done: asyncio.Future[None]
    ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    bad: dict[str, int] = field(default_factory=dict)
    started: int = 0

    def answered(self, status: int, ms: float, first_ms: float) -> None:
        if status == 200:
            self.ms.append(ms)
            self.first_ms.append(first_ms)
        else:
            self.bad[str(status)] = self.bad.get(str(status), 0) + 1
        self.left -= 1
        if self.left == 0:
            self.done.set_result(None)


class Caller(asyncio.Protocol):
    """One connection; implements the callbacks of httptools' response parser."""

    def __init__(self, request: bytes, tally: Tally, *, steady: bool) -> None:
        self._request = request
        self._tally = tally
        self._steady = steady
        self._loop = asyncio.get_running_loop()
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        if not self._steady:
            self.call()

    def call(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.busy = True
        self._first = 0.0
        self._tally.started += 1
        self._began = self._loop.time()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._first == 0.0:
            self._first = self._loop.time()
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = self._loop.time()
        self.busy = False
        first = (self._first - self._began) * 1000
        self._tally.answered(self._parser.get_status_code(), (now - self._began) * 1000, first)
        if not self._steady and self._tally.left > 0:
            self._loop.call_soon(self.call)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy and self._tally.left > 0:
            self._tally.answered(0, 0.0, 0.0)


def percentile(values: list[float], share: float) -> float:
    """A percentile by rank; 0 for nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def run(order: Order) -> dict[str, Any]:
    """Carry the order out."""
    loop = asyncio.get_running_loop()
    tally = Tally(order.calls, loop.create_future())
    request = order.request()
    steady = order.rate > 0
    began, cpu = loop.time(), _cpu_seconds()
    callers = []
    for _ in range(order.connections):
        _, caller = await loop.create_connection(lambda: Caller(request, tally, steady=steady), order.host, order.port)
        callers.append(caller)
    if order.hold_seconds:
        await asyncio.sleep(order.hold_seconds)
    elif steady:
        await _steadily(callers, order, tally)
    else:
        await tally.done
    seconds = loop.time() - began
    for caller in callers:
        caller.transport.close()
    return {
        "calls": len(tally.ms),
        "bad": tally.bad,
        "seconds": seconds,
        "calls_per_second": len(tally.ms) / seconds,
        "ms_p50": percentile(tally.ms, 0.5),
        "ms_p99": percentile(tally.ms, 0.99),
        "first_ms_p50": percentile(tally.first_ms, 0.5),
        "first_ms_p99": percentile(tally.first_ms, 0.99),
        "own_cpu_share": (_cpu_seconds() - cpu) / seconds,
    }


async def _steadily(callers: list[Caller], order: Order, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(order.calls):
        due += 1 / order.rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        free = next((caller for caller in callers if not caller.busy), None)
        if free is None:
            tally.answered(-1, 0.0, 0.0)  # every connection is still waiting
        else:
            free.call()
    await tally.done


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Order(**json.load(sys.stdin))))))
