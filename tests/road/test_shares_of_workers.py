"""Several workers behind one address: each gets its share of the connections; nobody waits for one that is stuck."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from commandline import waypost
from wayside import MODEL, Road, endpoint_row, get, road

from waypost.domain.requests import COUNT_BITS, WRITER_BITS, request_number

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers
AT_ONCE = 64
BURSTS = 8
SHARE_MIN = 10
"""Half of 64 is fair; a fair coin gives less than ten once in a hundred million times."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Iterator[Road]:
    settings = endpoint_row(MODEL, "alpha")
    with road(tmp_path_factory.mktemp("pair"), settings, "--workers", "2", slugs=("alpha",)) as running:
        yield running


async def who_answers(pair: Road, count: int) -> Counter[int]:
    """Ask so many times at once, on a connection each: worker → answers, as the request ids tell."""

    async def one() -> int:
        async with pair.client() as client:
            answer = await client.ask(get(pair.token, "/live"))
        number = request_number(answer.headers["x-request-id"]) or 0
        return number >> COUNT_BITS & ((1 << WRITER_BITS) - 1)

    async with asyncio.timeout(10):
        return Counter(await asyncio.gather(*(one() for _ in range(count))))


def test_bursts_of_connections_are_spread_over_the_workers(pair) -> None:
    for _ in range(BURSTS):
        seen = pair.run(who_answers(pair, AT_ONCE))
        assert len(seen) == 2, seen
        assert min(seen.values()) >= SHARE_MIN, seen


def test_who_comes_to_a_worker_that_is_stuck_is_answered_by_another(pair) -> None:
    stuck = pair.process.children[0]
    os.kill(stuck, signal.SIGSTOP)
    try:
        seen = pair.run(who_answers(pair, AT_ONCE))
    finally:
        os.kill(stuck, signal.SIGCONT)
    assert len(seen) == 1
    assert seen.total() == AT_ONCE


def test_a_port_where_workers_listen_is_in_use_for_others(pair, tmp_path) -> None:
    for workers in ("1", "2"):
        done = waypost("serve", "--port", pair.port, "--data", tmp_path, "--workers", workers)
        assert done.code == 3
        assert f"Cannot listen on 127.0.0.1:{pair.port}: address already in use." in done.err
