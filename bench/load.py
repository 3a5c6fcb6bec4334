"""The load: keep-alive connections that call again as soon as they are answered, or at a steady rate, or wait.

Run as a process of its own (`python -m bench.load`), it reads one JSON order, a line, from standard input, and prints
one JSON result, a line: for each route what was answered and how fast, and how much time this process used itself.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import cycle
from time import perf_counter
from typing import Any

import httptools
import uvloop

GRACE_SECONDS_MAX = 60.0
"""How long what is under way at the end may still take."""


@dataclass
class Route:
    """Where to call, and with what."""

    name: str
    port: int
    requests: list[str]
    """Whole requests, head and body, sent in turn."""
    stream: bool


@dataclass
class Order:
    """What to do."""

    routes: list[Route]
    connections: int
    """For each route."""
    seconds: float = 0.0
    """No call begins after this time."""
    rate: float = 0.0
    """Calls a second for each route, the routes in turn; 0: as fast as they are answered."""
    hold: bool = False
    """Open one stream on each connection, say so, and wait until standard input ends."""

    def line(self) -> bytes:
        """As it is read from standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"


def read_order(line: bytes) -> Order:
    """The order behind a line."""
    fields = json.loads(line)
    return Order(**{**fields, "routes": [Route(**route) for route in fields["routes"]]})


@dataclass
class Tally:
    """What happened on one route."""

    ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    bad: dict[str, int] = field(default_factory=dict)
    last: float = 0.0
    open: int = 0
    """Calls under way."""
    first_words: int = 0
    late: int = 0
    """Calls that were due and could not be sent."""

    def answered(self, status: str, began: float, first: float) -> None:
        self.last = now = perf_counter()
        self.open -= 1
        if status == "200":
            self.ms.append((now - began) * 1000)
            self.first_ms.append(((first or now) - began) * 1000)
        else:
            self.refused(status)

    def refused(self, why: str) -> None:
        self.bad[why] = self.bad.get(why, 0) + 1

    def figures(self) -> dict[str, Any]:
        return {
            "calls": len(self.ms),
            "bad": self.bad,
            "late": self.late,
            "ms_p50": percentile(self.ms, 0.5),
            "ms_p99": percentile(self.ms, 0.99),
            "first_ms_p50": percentile(self.first_ms, 0.5),
            "first_ms_p99": percentile(self.first_ms, 0.99),
        }


class Caller(asyncio.Protocol):
    """One connection; implements a callback of httptools' response parser."""

    transport: asyncio.Transport

    again_until = 0.0

    def __init__(self, requests: Callable[[], bytes], tally: Tally, first_mark: bytes) -> None:
        self._requests = requests
        self._tally = tally
        self._first_mark = first_mark
        self._parser = httptools.HttpResponseParser(self)
        self._began = self._first = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def call(self) -> None:
        self.busy = True
        self._first = 0.0
        self._tally.open += 1
        self._began = perf_counter()
        self.transport.write(self._requests())

    def data_received(self, data: bytes) -> None:
        if self._first == 0.0 and self._first_mark in data:
            self._first = perf_counter()
            self._tally.first_words += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._ended("unreadable")
            self.transport.close()

    def on_message_complete(self) -> None:
        self._ended(str(self._parser.get_status_code()))
        if perf_counter() < self.again_until:
            self.call()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended("lost")

    def _ended(self, status: str) -> None:
        if self.busy:
            self.busy = False
            self._tally.answered(status, self._began, self._first)


def percentile(values: list[float], share: float) -> float:
    """A percentile by rank; 0 for nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def carry_out(order: Order, say: Callable[[str], None], told_to_end: asyncio.Event) -> dict[str, Any]:
    """Do it."""
    tallies = {route.name: Tally() for route in order.routes}
    teams = [await _connected(route, tallies[route.name], order.connections) for route in order.routes]
    callers = [caller for team in teams for caller in team]
    cpu, began = time.process_time(), perf_counter()
    if order.hold:
        await _held(callers, tallies, say, told_to_end)
    elif order.rate:
        await _steadily(teams, tallies, order)
    else:
        await _saturated(callers, tallies, began + order.seconds)
    seconds = max(tally.last for tally in tallies.values()) - began
    own = time.process_time() - cpu
    for caller in callers:
        caller.transport.close()
    return {"routes": {name: tally.figures() for name, tally in tallies.items()}, "seconds": seconds, "cpu": own}


async def _connected(route: Route, tally: Tally, count: int) -> deque[Caller]:
    """The connections of a route; they send its requests in turn."""
    loop = asyncio.get_running_loop()
    requests = cycle([request.encode() for request in route.requests]).__next__
    mark = b"data:" if route.stream else b""
    callers: deque[Caller] = deque()
    for _ in range(count):
        _, caller = await loop.create_connection(lambda: Caller(requests, tally, mark), "127.0.0.1", route.port)
        callers.append(caller)
    return callers


async def _saturated(callers: list[Caller], tallies: dict[str, Tally], until: float) -> None:
    """Every connection calls again as soon as it is answered."""
    for caller in callers:
        caller.again_until = until
        caller.call()
    await asyncio.sleep(max(0.0, until - perf_counter()))
    await _all_ended(tallies)


async def _steadily(teams: list[deque[Caller]], tallies: dict[str, Tally], order: Order) -> None:
    """The routes in turn, so that whatever else the machine does falls on all of them."""
    due, step = perf_counter(), 1 / (order.rate * len(teams))
    for _ in range(max(1, round(order.seconds * order.rate))):
        for team, tally in zip(teams, tallies.values(), strict=True):
            due += step
            await asyncio.sleep(max(0.0, due - perf_counter()))
            team.rotate()
            free = next((caller for caller in team if not caller.busy), None)
            if free is None:
                tally.late += 1  # every connection is still waiting
            else:
                free.call()
    await _all_ended(tallies)


async def _held(
    callers: list[Caller], tallies: dict[str, Tally], say: Callable[[str], None], told_to_end: asyncio.Event
) -> None:
    """A stream on every connection, until told to leave."""
    for caller in callers:
        caller.call()
    await _until(lambda: all(tally.first_words >= tally.open for tally in tallies.values()))
    say(json.dumps({"open": sum(tally.open for tally in tallies.values())}))
    await told_to_end.wait()
    for tally in tallies.values():
        tally.last = perf_counter()
    for caller in callers:
        caller.busy = False  # it is we who leave


async def _all_ended(tallies: dict[str, Tally]) -> None:
    await _until(lambda: not any(tally.open for tally in tallies.values()))
    for tally in tallies.values():
        if tally.open:
            tally.refused("never answered")


async def _until(holds: Callable[[], bool]) -> None:
    give_up = perf_counter() + GRACE_SECONDS_MAX
    while not holds() and perf_counter() < give_up:
        await asyncio.sleep(0.002)


async def main() -> None:
    """One order from standard input."""
    order = read_order(sys.stdin.buffer.readline())
    told_to_end = asyncio.Event()
    if order.hold:
        asyncio.get_running_loop().add_reader(0, told_to_end.set)
    print(json.dumps(await carry_out(order, lambda text: print(text, flush=True), told_to_end)))


if __name__ == "__main__":
    gc.disable()  # a pause of the collector would be taken for the gateway's
    uvloop.run(main())
