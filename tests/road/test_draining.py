"""SIGTERM while calls run: they finish within the drain, or are told that they end; then the process ends with 0."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from serving import Serving
from wayside import MODEL, Road, chat, endpoint_row, post, road, soon, spoken

from waypost.domain.requests import request_number
from waypost.store.reader import Reader

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers

STREAMS = 10
STOPPED_SECONDS_MAX = 5.0
EACH = pytest.mark.parametrize("workers", [1, 2])


@contextmanager
def closing(folder, workers: int, drain_seconds_max: float) -> Iterator[Road]:
    """A server whose end is up to the test."""
    settings = f"[server]\nworkers = {workers}\ndrain_seconds_max = {drain_seconds_max}\n" + endpoint_row(
        MODEL, "alpha"
    )
    with road(folder, settings, slugs=("alpha",)) as running:
        yield running


def stop(running: Serving) -> None:
    os.kill(running.pid, signal.SIGTERM)


async def ended(running: Serving, seconds_max: float = STOPPED_SECONDS_MAX) -> int:
    await soon(lambda: running.process.poll() is not None, seconds_max)
    return running.process.returncode


def bill_of(leaving: Road, request_id: str) -> dict:
    """A waybill after the server has ended."""
    return Reader(leaving.folder / "data").find(request_number(request_id) or 0) or {}


async def accepts(leaving: Road) -> bool:
    try:
        async with leaving.client() as client:
            client.send(b"GET /ready HTTP/1.1\r\nhost: w\r\n\r\n")
            return (await client.head())[0] == 200
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


async def refuses_soon(leaving: Road) -> None:
    async with asyncio.timeout(1):
        while await accepts(leaving):
            await asyncio.sleep(0.01)


@EACH
def test_streams_finish_within_the_drain_and_nobody_new_is_let_in(tmp_path, workers: int) -> None:
    async def story(leaving: Road) -> None:
        leaving["alpha"].set_faults("slow_first_word=1,pace=0.02")
        calls = [
            asyncio.create_task(leaving.call(chat(prompt="Count to 30", stream=number % 2 == 0)))
            for number in range(STREAMS)
        ]
        await soon(lambda: leaving["alpha"].streams == STREAMS)
        stop(leaving.waypost.running)
        await refuses_soon(leaving)
        assert leaving["alpha"].streams == STREAMS, "the calls were over before anything was refused"
        for number, call in enumerate(calls):
            answer = await call
            assert answer.status == 200
            assert number % 2 or spoken(answer.body).done
        assert await ended(leaving.waypost.running) == 0

    with closing(tmp_path, workers, 60) as leaving:
        leaving.run(story(leaving))


@EACH
def test_what_still_runs_after_the_drain_is_told_and_its_waybill_says_so(tmp_path, workers: int) -> None:
    async def story(leaving: Road) -> list[tuple[str, str]]:
        leaving["alpha"].set_faults("stalls=3")
        streams = [asyncio.create_task(leaving.call(chat())) for _ in range(STREAMS)]
        wholes = [asyncio.create_task(leaving.call(chat(stream=False))) for _ in range(STREAMS)]
        await soon(lambda: leaving["alpha"].streams == 2 * STREAMS)
        await asyncio.sleep(0.1)  # until the first words are through
        began = time.perf_counter()
        stop(leaving.waypost.running)
        ends = []
        for call in streams:
            answer = await call
            said = spoken(answer.body)
            assert answer.status == 200
            assert said.text == "1,"
            assert said.error["code"] == "draining"
            ends.append((answer.headers["x-request-id"], "alpha"))
        for call in wholes:
            answer = await call
            assert answer.status == 503
            assert json.loads(answer.body)["error"]["code"] == "draining"
            assert int(answer.headers["retry-after"]) >= 1
            ends.append((answer.headers["x-request-id"], ""))
        assert 0.9 < time.perf_counter() - began < 0.9 + STOPPED_SECONDS_MAX
        assert await ended(leaving.waypost.running) == 0
        assert leaving["alpha"].streams == 0, "a provider still talks to nobody"
        return ends

    with closing(tmp_path, workers, 1) as leaving:
        ends = leaving.run(story(leaving))
        for request_id, served_by in ends:
            bill = bill_of(leaving, request_id)
            assert (bill["outcome"], bill["code"]) == ("failed", "draining")
            assert bill["status"] == (200 if served_by else 503)
            assert (bill["served_by"] or "") == served_by
            assert bill["attempts"][0]["code"] == "draining"
        assert "cut at the end of the drain" in leaving.log


@EACH
def test_without_calls_it_ends_at_once_whoever_is_connected(tmp_path, workers: int) -> None:
    async def story(leaving: Road) -> None:
        async with leaving.client() as idle, leaving.client() as silent, leaving.client() as slow:
            await idle.ask(post(leaving.token, chat()))
            slow.send(b"GET /rea")
            began = time.perf_counter()
            stop(leaving.waypost.running)
            assert await idle.closed()
            assert await silent.closed()
            slow.send(b"dy HTTP/1.1\r\nhost: w\r\n\r\n")
            assert await ended(leaving.waypost.running) == 0
            assert time.perf_counter() - began < 2

    with closing(tmp_path, workers, 60) as leaving:
        leaving.run(story(leaving))
