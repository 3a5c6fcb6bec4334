"""Readers that take nothing, and more calls than there is room for: memory stays bounded, and refusals are quick."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

import pytest
from wayside import MODEL, Road, chat, endpoint_row, get, post, road, soon, spoken
from wire_site import Client, within

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers

MEBIBYTE = 1024 * 1024
REPLY_BYTES = 24 * MEBIBYTE
READERS = 8
READER_BYTES_MAX = MEBIBYTE
"""Of the router's memory, for a reader that takes nothing."""
IN_FLIGHT = 6
REFUSED_SECONDS_MAX = 0.1
BLOCKED = "[server]\nwrite_blocked_seconds_max = 1\n"


@asynccontextmanager
async def small_window(running: Road) -> AsyncIterator[Client]:
    """A client whose side of the network holds next to nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", running.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=16 * 1024)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@pytest.fixture
def patient(tmp_path) -> Iterator[Road]:
    with road(tmp_path, endpoint_row(MODEL, "alpha"), slugs=("alpha",)) as running:
        yield running


def test_slow_readers_cost_little_memory_and_miss_nothing(patient) -> None:
    alpha = patient["alpha"]

    async def story() -> None:
        alpha.set_faults(f"huge_reply={REPLY_BYTES}")
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(small_window(patient)) for _ in range(READERS)]
            before = patient.process.resident_bytes
            for client in clients:
                client.send(post(patient.token, chat()))
            sizes = [patient.process.resident_bytes]
            for _ in range(20):
                await asyncio.sleep(0.05)
                sizes.append(patient.process.resident_bytes)
            assert alpha.streams == READERS, "somebody had it all, and nothing was held back"
            assert max(sizes) - before < READERS * READER_BYTES_MAX, (max(sizes) - before) / READERS
            for client in clients:
                assert (await client.head())[0] == 200
            bodies = await asyncio.gather(*(within(client.chunks(), 30) for client in clients))
        for body in bodies:
            assert len(body) > REPLY_BYTES
            assert spoken(body).done

    patient.run(story())


def test_a_reader_that_takes_nothing_for_long_is_cut_and_its_provider_let_go(tmp_path) -> None:
    async def story(running: Road) -> None:
        alpha = running["alpha"]
        alpha.set_faults(f"huge_reply={REPLY_BYTES}")
        async with small_window(running) as client:
            client.send(post(running.token, chat(), "/v1/chat/completions", "x-hf-session-id: slow"))
            await soon(lambda: alpha.streams == 1)
            began = time.perf_counter()
            await soon(lambda: alpha.connections == 0)
            assert 0.8 < time.perf_counter() - began < 3
            await soon(lambda: running.process.sockets == running.nobody)
        async with running.client() as client, asyncio.timeout(2):
            found: list = []
            while not found:  # nobody waits for the waybill of one who has gone
                found = json.loads((await client.ask(get(running.token, "/v1/requests?session=slow"))).body)["data"]
        [bill] = found
        assert (bill["outcome"], bill["status"]) == ("left", 200)

    with road(tmp_path, BLOCKED + endpoint_row(MODEL, "alpha"), slugs=("alpha",)) as running:
        running.run(story(running))


@pytest.fixture
def full_house(tmp_path) -> Iterator[Road]:
    settings = f"[server]\nin_flight_max = {IN_FLIGHT}\nconnections_max = 40\n" + endpoint_row(MODEL, "alpha")
    with road(tmp_path, settings, slugs=("alpha",)) as running:
        yield running


def test_more_calls_than_there_is_room_for_get_a_quick_503(full_house) -> None:
    alpha = full_house["alpha"]

    async def refused() -> float:
        began = time.perf_counter()
        answer = await full_house.call(chat())
        assert answer.status == 503
        assert json.loads(answer.body)["error"]["code"] == "overloaded"
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["x-request-id"]
        return time.perf_counter() - began

    async def story() -> None:
        alpha.set_faults("pace=0.05")
        streams = [asyncio.create_task(full_house.call(chat(prompt="Count to 20"))) for _ in range(IN_FLIGHT)]
        await soon(lambda: alpha.streams == IN_FLIGHT)
        took = [await refused() for _ in range(20)]
        for path in ("/live", "/ready", "/metrics"):
            async with full_house.client() as client:
                assert (await client.ask(get(full_house.token, path))).status == 200
        assert alpha.desk.calls == IN_FLIGHT
        assert median(took) < REFUSED_SECONDS_MAX
        for stream in streams:
            assert spoken((await stream).body).done
        alpha.set_faults("")
        assert (await full_house.call(chat())).status == 200

    full_house.run(story())


def test_more_connections_than_there_is_room_for_are_told_so(full_house) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(full_house.client()) for _ in range(40)]
            answers = [await client.ask(get(full_house.token, "/live")) for client in clients]
            assert {answer.status for answer in answers} == {200}
            async with full_house.client() as client:
                answer = await client.answer()
                assert answer.status == 503
                assert json.loads(answer.body)["error"]["code"] == "overloaded"
        await soon(lambda: full_house.process.sockets == full_house.nobody)
        assert (await full_house.call(chat())).status == 200

    full_house.run(story())
