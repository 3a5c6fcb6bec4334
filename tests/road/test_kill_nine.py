"""kill -9 under load: whatever a client saw complete has its waybill, and what was killed comes back by itself."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from serving import Serving, serving
from wayside import (
    MODEL,
    Proc,
    another_loop,
    carry,
    chat,
    endpoint_row,
    get,
    post,
    provider,
    provider_rows,
    soon,
    spoken,
)
from wire_site import Client

from waypost.practice.server import PracticeServers, start

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

CALLERS = 16
ROUNDS, ROUNDS_FULL = 5, 40
GONE_SECONDS_MAX = 5.0


class Yard:
    """Providers that live on while the router before them is killed and started again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, providers: PracticeServers, folder: Path) -> None:
        self.loop = loop
        self.providers = providers
        self.folder = folder
        self.token = ""
        (folder / "waypost.toml").write_text(provider_rows(providers.base_urls) + endpoint_row(MODEL, "alpha"))

    @contextmanager
    def router(self, workers: int) -> Iterator[Serving]:
        """It may be killed within the block; its children must not outlive it."""
        arguments = ("--config", str(self.folder / "waypost.toml"), "--workers", str(workers))
        with (self.folder / "log").open("a") as log, serving(self.folder / "data", *arguments, stderr=log) as running:
            self.token = running.token or self.token
            children = Proc(running.pid).children
            yield running
        gone_by(children, GONE_SECONDS_MAX)

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def yard(tmp_path) -> Iterator[Yard]:
    with another_loop() as loop:
        providers = carry(loop, start([provider("alpha")]))
        try:
            yield Yard(loop, providers, tmp_path)
        finally:
            carry(loop, providers.close())


def gone_by(pids: list[int], seconds_max: float) -> None:
    """Fails where one of them still runs after that time."""
    give_up = time.monotonic() + seconds_max
    while left := [pid for pid in pids if Proc(pid).alive]:
        if time.monotonic() > give_up:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"processes {left} still ran {seconds_max} s after the kill")
        time.sleep(0.01)


async def call_on(running: Serving, token: str, seen: set[str], stop: asyncio.Event, *, stream: bool) -> None:
    """Call again and again; note every answer that came whole. A killed router ends a connection, not this."""
    port = int(running.address.rpartition(":")[2])
    while not stop.is_set():
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            client = Client(reader, writer)
            try:
                while not stop.is_set():
                    answer = await client.ask(post(token, chat(stream=stream)))
                    if answer.status == 200 and (not stream or spoken(answer.body).done):
                        seen.add(answer.headers["x-request-id"])
                    else:  # a worker that has lost its owner says so as long as it lives
                        assert b'"ledger_unavailable"' in answer.body or b'"draining"' in answer.body, answer
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.005)


@contextmanager
def load(yard: Yard, running: Serving) -> Iterator[set[str]]:
    """Callers at work; gives the ids of the answers that came whole."""
    seen: set[str] = set()
    stop = asyncio.Event()

    async def work() -> None:
        await asyncio.gather(
            *(call_on(running, yard.token, seen, stop, stream=bool(number % 2)) for number in range(CALLERS))
        )

    working = asyncio.run_coroutine_threadsafe(work(), yard.loop)
    try:
        yield seen
    finally:
        yard.loop.call_soon_threadsafe(stop.set)
        working.result(20)


async def bills(running: Serving, token: str) -> dict[str, str]:
    """Outcome by request id, of everything."""
    found: dict[str, str] = {}
    before = ""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.address.rpartition(":")[2]), limit=1 << 24)
    client = Client(reader, writer)
    while True:
        page = json.loads((await client.ask(get(token, f"/v1/requests?limit=200{before}"))).body)
        found |= {bill["id"]: bill["outcome"] for bill in page["data"]}
        if not page["has_more"]:
            writer.transport.abort()
            return found
        before = f"&before={page['next']}"


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_client_saw_complete_has_its_waybill_after_a_kill(yard, full, workers: int) -> None:
    dice = random.Random(workers)
    seen: set[str] = set()
    for _ in range(ROUNDS_FULL if full else ROUNDS):
        with yard.router(workers) as running, load(yard, running) as now:
            time.sleep(0.2 + dice.random() * 0.3)
            os.kill(running.pid, signal.SIGKILL)
            running.process.wait(10)
        assert now, "nothing was answered before the kill"
        seen |= now
    with yard.router(1) as running:
        kept = carry(yard.loop, bills(running, yard.token))
    assert [one for one in seen if kept.get(one) != "delivered"] == []
    assert "Traceback" not in yard.log()


def test_a_killed_worker_is_replaced_and_the_others_go_on(yard, full) -> None:
    seen: set[str] = set()
    with yard.router(3) as running:
        owner = Proc(running.pid)
        first = set(owner.children)
        assert len(first) == 3
        for _ in range(ROUNDS_FULL // 4 if full else 2):
            with load(yard, running) as now:
                time.sleep(0.2)
                victim = random.choice(owner.children)
                os.kill(victim, signal.SIGKILL)
                before = len(now)
                carry(yard.loop, soon(lambda: len(now) > before + 20))  # noqa: B023 (called here and now)
                carry(yard.loop, soon(lambda: victim not in owner.children and len(owner.children) == 3, 15))  # noqa: B023
            seen |= now
        kept = carry(yard.loop, bills(running, yard.token))
        assert running.process.poll() is None
    assert [one for one in seen if kept.get(one) != "delivered"] == []
    assert running.process.returncode == 0
    assert "starting another" in yard.log()
    assert "Traceback" not in yard.log()


def test_workers_end_with_their_owner_also_while_streams_run(yard) -> None:
    async def stream(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(yard.token, chat(prompt="Count to 500")))
        heard = await reader.readuntil(b'"1"')
        opened.set()
        with suppress(ConnectionError):
            heard += await reader.read(-1)
        writer.transport.abort()
        return heard

    async def slow() -> None:
        yard.providers["alpha"].set_faults("pace=0.1")

    with yard.router(2) as running, ExitStack() as stack:
        carry(yard.loop, slow())
        opened = asyncio.Event()
        listening = asyncio.run_coroutine_threadsafe(stream(int(running.address.rpartition(":")[2])), yard.loop)
        stack.callback(listening.cancel)
        carry(yard.loop, opened.wait())
        workers = Proc(running.pid).children
        os.kill(running.pid, signal.SIGKILL)
        running.process.wait(10)
        gone_by(workers, GONE_SECONDS_MAX)
        heard = listening.result(5)
    assert b"[DONE]" not in heard, "complete, and nobody could have written it down"
    assert heard.count(b'"error"') == 1
    assert heard.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_ends_it_now_and_keeps_what_was_acknowledged(yard, workers: int) -> None:
    seen: set[str] = set()

    async def hang() -> None:
        yard.providers["alpha"].set_faults("stalls=3")

    with yard.router(workers) as running, load(yard, running) as now:
        time.sleep(0.2)
        carry(yard.loop, hang())
        carry(yard.loop, soon(lambda: yard.providers["alpha"].streams > 0))
        running.process.terminate()
        time.sleep(0.2)
        assert running.process.poll() is None, "it did not wait for its calls"
        running.process.terminate()
        assert running.process.wait(2) == 130
    seen |= now
    with yard.router(1) as running:
        kept = carry(yard.loop, bills(running, yard.token))
    assert [one for one in seen if kept.get(one) != "delivered"] == []


def test_a_second_start_keeps_users_tokens_and_waybills(yard) -> None:
    async def calls(running: Serving) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.address.rpartition(":")[2]))
        answer = await Client(reader, writer).ask(post(yard.token, chat()))
        writer.transport.abort()
        return answer.headers["x-request-id"]

    with yard.router(1) as running:
        assert running.token
        first = carry(yard.loop, calls(running))
    with yard.router(1) as running:
        assert running.token is None, "a second start shows no token"
        second = carry(yard.loop, calls(running))
        kept = carry(yard.loop, bills(running, yard.token))
    assert kept == {first: "delivered", second: "delivered"}
