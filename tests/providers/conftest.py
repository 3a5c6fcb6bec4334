"""A scripted upstream: plays exactly what a test tells it, and remembers what was done to it."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import pytest
import uvloop

from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.plans import Candidate, Plan


class Trouble(NamedTuple):
    code: str
    why: str


class ScriptedExchange:
    def __init__(self) -> None:
        self.connect_ms: float | None = 1.0
        self.repeats = 0
        self.cancelled = False
        self.paused = False

    def cancel(self) -> None:
        self.cancelled = True

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class Script(NamedTuple):
    """What a provider does: a status (None: connection trouble), header fields, pieces, and how it stops."""

    status: int | None = 200
    pieces: tuple[bytes, ...] = ()
    kind: bytes = b"text/event-stream"
    stop: str = "eof"
    """`eof`, `lost` or `hang`."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    before: Callable[[], None] | None = None


class ScriptedClient:
    """Answers the n-th call with the n-th script."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.sent: list[tuple[bytes, bytes]] = []
        self.exchanges: list[ScriptedExchange] = []

    def send(self, address, head, body, sink, connect_seconds_max):
        self.sent.append((head, body))
        exchange = ScriptedExchange()
        self.exchanges.append(exchange)
        self._task = asyncio.get_running_loop().create_task(self._play(self.scripts.pop(0), sink, exchange))
        return exchange

    async def _play(self, script: Script, sink, exchange: ScriptedExchange) -> None:
        await asyncio.sleep(0)
        if script.status is None:
            sink.lost(Trouble("connect", "connection refused"))
            return
        sink.head(script.status, {b"content-type": script.kind, **dict(script.headers)})
        for piece in script.pieces:
            if exchange.cancelled:
                return
            sink.data(piece)
            await asyncio.sleep(0)
        if script.stop == "eof" and not exchange.cancelled:
            sink.eof()
        elif script.stop == "lost" and not exchange.cancelled:
            sink.lost(Trouble("reset", "connection reset"))


class Client:
    """The caller's side: keeps what it was given."""

    def __init__(self) -> None:
        self.gone = False
        self.got = b""
        self.writes = 0
        self.watchers: tuple = ()

    def watch(self, *watchers) -> None:
        self.watchers = watchers

    def writer(self):
        return self._write

    def _write(self, data: bytes) -> None:
        self.got += data
        self.writes += 1

    def leave(self) -> None:
        self.gone = True
        self.watchers[0]()

    def drain(self) -> None:
        self.watchers[1]()


def candidate(slug: str = "alpha", native: str = "one-at-alpha") -> Candidate:
    provider = Provider(slug, f"http://127.0.0.1:9/{slug}/v1", key="key-of-" + slug)
    return Candidate(Endpoint("acme/one", slug, native), provider, "")


def plan(*slugs: str, deadlines: Deadlines | None = None) -> Plan:
    order = tuple(candidate(slug) for slug in slugs)
    return Plan("acme/one", "fastest", order, (), deadlines or Deadlines())


@pytest.fixture
def scripted():
    """The names a test of flows needs."""

    class Names:
        client = ScriptedClient
        script = Script
        caller = Client
        exchange = ScriptedExchange
        trouble = Trouble

    Names.plan = staticmethod(plan)
    Names.candidate = staticmethod(candidate)
    return Names


LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(params=list(LOOPS))
def play(request):
    """`play(coroutine)` on uvloop, and on the loop that Python brings."""

    def run(coroutine):
        async def watched():
            async with asyncio.timeout(20):
                return await coroutine

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(watched())

    return run
