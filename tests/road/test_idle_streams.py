"""Thousands of streams that say nothing: what each costs, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator

import pytest
from waypost_process import waypost
from wayside import MODEL, Proc, Road, chat, endpoint_row, post, road, soon

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

START_BYTES_MAX = 70 * 1024 * 1024
STREAM_BYTES_MAX = 32 * 1024
RELEASED_SECONDS_MAX = 2.0
STREAMS, STREAMS_FULL = 500, 5000


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> Iterator[Road]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # this process is client and provider at once
    with road(tmp_path_factory.mktemp("quiet"), endpoint_row(MODEL, "alpha"), slugs=("alpha",)) as running:
        yield running
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


Caller = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def begin(quiet: Road, count: int) -> list[Caller]:
    """So many streams that have begun, a few of them beginning at a time."""
    gate = asyncio.Semaphore(100)

    async def one() -> Caller:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port, limit=4096)
            writer.write(post(quiet.token, chat()))
            await reader.readuntil(b'"1"')
            return reader, writer

    return list(await asyncio.gather(*(one() for _ in range(count))))


def leave(callers: list[Caller]) -> None:
    for _, writer in callers:
        writer.transport.abort()


def test_an_idle_stream_costs_little_and_leaves_nothing_behind(quiet, full) -> None:
    count = STREAMS_FULL if full else STREAMS
    alpha = quiet["alpha"]
    assert quiet.process.resident_bytes < START_BYTES_MAX

    async def story() -> None:
        alpha.set_faults("stalls=2")
        leave(await begin(quiet, 50))  # what is loaded and grown once is none of a stream's
        await soon(lambda: quiet.process.sockets == quiet.nobody)
        before = quiet.process.resident_bytes
        callers = await begin(quiet, count)
        try:
            assert alpha.streams == count
            each = (quiet.process.resident_bytes - before) / count
            print(f"{each / 1024:.1f} KiB a stream, {before / 1e6:.0f} MB without")  # noqa: T201 (the figure)
            assert each < STREAM_BYTES_MAX
        finally:
            began = time.perf_counter()
            leave(callers)
        await soon(lambda: alpha.connections == 0 and quiet.process.sockets == quiet.nobody, 10)
        assert time.perf_counter() - began < RELEASED_SECONDS_MAX

    quiet.run(story(), 100)


def test_a_crowd_that_comes_again_finds_the_memory_of_the_first(quiet, full) -> None:
    """What leaks a little with every stream would show; that the allocator keeps freed memory does not."""
    count = (STREAMS_FULL if full else STREAMS) // 2

    async def crowd() -> int:
        callers = await begin(quiet, count)
        size = quiet.process.resident_bytes
        leave(callers)
        await soon(lambda: quiet.process.sockets == quiet.nobody, 10)
        return size

    async def story() -> None:
        quiet["alpha"].set_faults("stalls=2")
        first, *others = [await crowd() for _ in range(4)]
        assert max(others) < first + count * STREAM_BYTES_MAX / 8, [size / 1e6 for size in (first, *others)]

    quiet.run(story(), 100)


def test_the_server_asks_for_as_many_open_files_as_it_may_have(tmp_path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with waypost(tmp_path, "[server]\nworkers = 2\n") as server:
            pids = [server.running.pid, *Proc(server.running.pid).children]
            limits = {resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] for pid in pids}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert limits == {min(before[1], 65_536)}
