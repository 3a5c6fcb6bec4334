"""A Waypost process with practice providers whose every move a test decides, and raw clients in front of it.

The providers live in a loop of their own thread, so that one process serves many tests; `Road.run` carries a coroutine
to them.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import uvloop
from waypost_process import Waypost, waypost
from wire_site import Answer, Client

from waypost.practice.profiles import PracticeProvider, at
from waypost.practice.server import PracticeServer, PracticeServers, start

SECONDS_MAX = 60.0
MODEL = "acme/one"
Result = TypeVar("Result")


def provider(slug: str, **more: Any) -> PracticeProvider:
    """A practice provider that runs `acme/one` under a name of its own, as fast as it can."""
    row = at(slug, MODEL, ("0.10", "0.30"), (0.0, 0.0), id=f"one-at-{slug}")
    return PracticeProvider(slug, (row,), **{"speed": 0, **more})


def provider_rows(base_urls: Mapping[str, str], *, stops: bool = True) -> str:
    """The settings that name providers, and no practice ones beside them. `stops`: what is cancelled is not billed."""
    more = f"stops_billing_on_cancel = {str(stops).lower()}\n"
    rows = [f'[providers.{slug}]\nbase_url = "{url}"\n{more}' for slug, url in base_urls.items()]
    return "[practice]\nenabled = false\n" + "".join(rows)


def endpoint_row(model: str, slug: str, native: str | None = None) -> str:
    """The settings of one endpoint."""
    return (
        f'[models."{model}".{slug}]\nid = "{native or f"one-at-{slug}"}"\n'
        'input_usd_per_million = "0.10"\noutput_usd_per_million = "0.30"\n'
    )


def chat(model: str = MODEL, prompt: str = "Count to 9", **fields: Any) -> dict[str, Any]:
    """A streamed conversation, unless `stream` says otherwise."""
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}], **fields}


def post(token: str, body: Any, path: str = "/v1/chat/completions", *lines: str) -> bytes:
    """A request's bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1",
        "host: waypost",
        f"authorization: Bearer {token}",
        "content-type: application/json",
        *lines,
        f"content-length: {len(data)}",
    )
    return "\r\n".join((*head, "", "")).encode() + data


def get(token: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: waypost\r\nauthorization: Bearer {token}\r\n\r\n".encode()


class Spoken(NamedTuple):
    """A streamed body, event by event."""

    values: list[dict[str, Any]]
    text: str
    error: dict[str, Any] | None
    done: bool
    """`[DONE]` was the last event."""
    sources: set[str]
    """The slugs of the practice providers whose frames these are, as their ids tell."""


def spoken(body: bytes) -> Spoken:
    """Read a body as a client does. Fails where an error is not the one, last event, or [DONE] not the last."""
    events = [event for event in body.replace(b"\r\n", b"\n").split(b"\n\n") if event.strip(b"\n")]
    texts = [text for event in events if (text := data_of(event)) is not None]
    done = bool(texts) and texts[-1] == b"[DONE]"
    values = [json.loads(text) for text in texts if text != b"[DONE]"]
    errors = [value for value in values if "error" in value]
    assert texts.count(b"[DONE]") == done, "something follows [DONE]"
    assert len(errors) <= 1, "several error events"
    if errors:
        assert values[-1] is errors[0], "something follows the error event"
        assert not done, "[DONE] follows the error event"
    deltas = [choice.get("delta") or {} for value in values for choice in value.get("choices") or []]
    ids = {str(value["id"]) for value in values if str(value.get("id", "")).startswith("chatcmpl-")}
    return Spoken(
        values,
        "".join(delta.get("content") or "" for delta in deltas),
        errors[0]["error"] if errors else None,
        done,
        {name.removeprefix("chatcmpl-").rpartition("-")[0] for name in ids},
    )


def data_of(event: bytes) -> bytes | None:
    """The data lines of an event, joined as the standard says; None where it has none."""
    lines = [line.removeprefix(b"data:") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(line.removeprefix(b" ") for line in lines) if lines else None


class Proc:
    """A process seen from outside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    @property
    def sockets(self) -> int:
        """Open sockets."""
        found = 0
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found += os.readlink(entry).startswith("socket:")  # noqa: PTH115 (its target is no path)
            except OSError:
                continue
        return found

    @property
    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"process {self.pid} is gone")

    @property
    def alive(self) -> bool:
        """There is such a process, and it is not one that has ended and waits to be collected."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


class Road:
    """A running Waypost and the providers behind it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, providers: PracticeServers, process: Waypost, folder: Path
    ) -> None:
        self.loop = loop
        self.providers = providers
        self.waypost = process
        self.folder = folder
        self.process = Proc(process.running.pid)
        self.nobody = self.process.sockets
        """Sockets of the process while it has no client and no provider."""

    @property
    def token(self) -> str:
        return self.waypost.token

    @property
    def port(self) -> int:
        return int(self.waypost.address.rpartition(":")[2])

    def __getitem__(self, slug: str) -> PracticeServer:
        return self.providers[slug]

    def run(self, work: Coroutine[Any, Any, Result], seconds_max: float = SECONDS_MAX) -> Result:
        """Carry out a coroutine in the providers' loop."""
        return carry(self.loop, work, seconds_max)

    def faults(self, **texts: str) -> None:
        """What goes wrong at a provider from now on."""

        async def change() -> None:
            for slug, text in texts.items():
                self.providers[slug].set_faults(text)

        self.run(change())

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        """A connection that says and hears bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def call(self, body: Any, token: str | None = None, *lines: str) -> Answer:
        """One conversation on a connection of its own; fails where the reply is cut."""
        async with self.client() as client:
            return await client.ask(post(token or self.token, body, "/v1/chat/completions", *lines))

    async def gauge(self, name: str) -> float:
        """A figure of `/metrics`, of whichever worker answers."""
        async with self.client() as client:
            page = (await client.ask(get(self.token, "/metrics"))).body.decode()
        line = next(line for line in page.splitlines() if line.startswith(name))
        return float(line.rpartition(" ")[2])

    async def idle(self, slug: str) -> None:
        """Kill a provider's connections and let it listen again: the router keeps none to it."""
        await self.providers[slug].close()
        await self.providers[slug].open()

    def settings(self, text: str) -> None:
        """Write other settings at once, as an editor does that cares."""
        fresh = self.folder / "waypost.toml.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "waypost.toml")

    @property
    def log(self) -> str:
        return self.waypost.log.read_text()


def carry(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Result], seconds_max: float = SECONDS_MAX
) -> Result:
    """Carry out a coroutine in another thread's loop."""

    async def watched() -> Result:
        async with asyncio.timeout(seconds_max):
            return await work

    future: Future[Result] = asyncio.run_coroutine_threadsafe(watched(), loop)
    return future.result(seconds_max + 10)


@contextmanager
def another_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that turns in a thread of its own until the block ends."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="providers", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def road(
    folder: Path, settings: str = "", *arguments: str, slugs: tuple[str, ...] = ("alpha", "beta"), **more: Any
) -> Iterator[Road]:
    """Practice providers of these names, and a Waypost in front of them with more settings than their addresses."""
    profiles = more.pop("profiles", None) or tuple(provider(slug) for slug in slugs)
    with another_loop() as loop:
        providers = carry(loop, start(profiles, clock=lambda: 1_800_000_000))
        try:
            with waypost(folder, provider_rows(providers.base_urls) + settings, *arguments, **more) as process:
                yield Road(loop, providers, process, folder)
        finally:
            carry(loop, providers.close())


async def soon(true: Callable[[], Any], seconds_max: float = 5.0, every: float = 0.005) -> float:
    """Wait until something is so; gives how many seconds it took."""
    began = time.perf_counter()
    while not true():
        assert time.perf_counter() - began < seconds_max, f"not so within {seconds_max} s"
        await asyncio.sleep(every)
    return time.perf_counter() - began
