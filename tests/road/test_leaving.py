"""A client goes away at six points, in three ways: the provider is let go at once, nothing leaks, the waybill knows."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Iterator
from itertools import count
from statistics import median
from typing import Any, NamedTuple

import pytest
from wayside import MODEL, Road, chat, endpoint_row, get, post, road, soon
from wire_site import Client, within

pytestmark = [
    pytest.mark.keeps_sockets,  # the router keeps its free connections to the providers
    pytest.mark.timeout(600),  # for the long forms
]

UPSTREAM_CLOSED_SECONDS_MAX = 0.1
SOCKETS_RELEASED_SECONDS_MAX = 2.0
TRIES = 5
TAGS = count()
ALPHA = f"{MODEL}:alpha"


class Point(NamedTuple):
    """Where a call stands when its client goes."""

    fault: str
    """What makes the provider wait there."""
    heard: bytes
    """What the client has read by then."""


STREAMED = {
    "before the upstream's head": Point("silent", b""),
    "before the first word": Point("head_then_silent", b""),
    "after the first word": Point("stalls=2", b'"1"'),
    "in mid-stream": Point("stalls=9", b'" 4"'),
    "after the last content": Point("late_usage=30", b'"finish_reason":"stop"'),
}
WHOLE = {
    "before the upstream's head": Point("silent", b""),
    "after the upstream's head": Point("head_then_silent", b""),
    "in the middle of the upstream's body": Point("stalls", b""),
    "before the end of the upstream's body": Point("never_ends", b""),
}
POINTS = [(True, name, point) for name, point in STREAMED.items()] + [(False, *item) for item in WHOLE.items()]
IDS = [f"{'streamed' if stream else 'whole'} {name}" for stream, name, _ in POINTS]


def closes(client: Client) -> None:
    client.writer.close()


def resets(client: Client) -> None:
    sock: socket.socket = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


def half_closes(client: Client) -> None:
    client.writer.write_eof()


WAYS = [closes, resets, half_closes]


@pytest.fixture(scope="module")
def lane(tmp_path_factory) -> Iterator[Road]:
    with road(tmp_path_factory.mktemp("lane"), endpoint_row(MODEL, "alpha"), slugs=("alpha",)) as running:
        yield running


async def bills(lane: Road, tag: str) -> list[dict[str, Any]]:
    async with lane.client() as client:
        return json.loads((await client.ask(get(lane.token, f"/v1/requests?session={tag}"))).body)["data"]


async def bill_soon(lane: Road, tag: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while not (found := await bills(lane, tag)):
            await asyncio.sleep(0.01)
    return found[0]


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize(("stream", "name", "point"), POINTS, ids=IDS)
def test_the_provider_is_let_go_within_100_ms_and_the_waybill_says_left(lane, stream, name, point, leave) -> None:
    alpha = lane["alpha"]

    async def once() -> float:
        tag = f"tag-{next(TAGS)}"
        async with lane.client() as client:
            client.send(post(lane.token, chat(ALPHA, stream=stream), "/v1/chat/completions", f"x-hf-session-id: {tag}"))
            await soon(lambda: alpha.streams == 1)
            if point.heard:
                await within(client.reader.readuntil(point.heard))
            else:
                await asyncio.sleep(0.02)  # until what the provider says has come to the router
            began = time.perf_counter()
            leave(client)
            await soon(lambda: alpha.connections == 0, every=0.001)
            took = time.perf_counter() - began
        check(await bill_soon(lane, tag), point, stream=stream)
        return took

    async def story() -> None:
        alpha.set_faults(point.fault)
        await lane.idle("alpha")
        took = [await once() for _ in range(TRIES)]
        assert median(took) < UPSTREAM_CLOSED_SECONDS_MAX, took

    lane.run(story())


def check(bill: dict[str, Any], point: Point, *, stream: bool) -> None:
    begun = stream and bool(point.heard)
    [attempt] = bill["attempts"]
    assert bill["outcome"] == "left"
    assert bill["stream"] == stream
    assert (bill["status"], bill["code"]) == (200 if begun else 499, None)
    assert attempt["status"] == (0 if point.fault == "silent" else 200)
    assert attempt["code"] == (None if begun else "caller_left")
    assert bill["served_by"] == ("alpha" if begun else None)
    assert (attempt["first_word_ms"] is not None) == begun


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_client_that_leaves_within_its_request_has_asked_nothing(lane, part: str, leave) -> None:
    async def story() -> None:
        tag = f"tag-{next(TAGS)}"
        calls = lane["alpha"].desk.calls
        whole = post(lane.token, chat(ALPHA), "/v1/chat/completions", f"x-hf-session-id: {tag}")
        end = whole.index(b"\r\n\r\n")
        async with lane.client() as client:
            client.send(whole[: end // 2] if part == "head" else whole[: (end + len(whole)) // 2])
            await asyncio.sleep(0.02)
            leave(client)
            if leave is half_closes:
                assert await client.closed()
        async with asyncio.timeout(1):
            while await lane.gauge("waypost_client_connections") > 1:  # the one that asks
                await asyncio.sleep(0.005)
        assert lane["alpha"].desk.calls == calls
        assert await bills(lane, tag) == []

    lane.run(story())


def test_many_that_leave_at_once_leave_no_socket_and_no_call_behind(lane, full) -> None:
    clients = 4500 if full else 300
    alpha = lane["alpha"]
    nobody = lane.nobody

    async def story() -> None:
        await lane.idle("alpha")
        await soon(lambda: lane.process.sockets == nobody)
        alpha.set_faults("stalls=2")
        callers = [await asyncio.open_connection("127.0.0.1", lane.port) for _ in range(clients)]
        try:
            for _, writer in callers:
                writer.write(post(lane.token, chat(ALPHA)))
            await asyncio.gather(*(reader.readuntil(b'"1"') for reader, _ in callers))
            assert alpha.streams == clients
            assert lane.process.sockets == nobody + 2 * clients
        finally:
            began = time.perf_counter()
            for _, writer in callers:
                writer.transport.abort()
        await soon(lambda: alpha.connections == 0 and lane.process.sockets == nobody, 10)
        assert time.perf_counter() - began < SOCKETS_RELEASED_SECONDS_MAX
        assert await lane.gauge("waypost_in_flight") == 1  # the one that asks
        assert await lane.gauge("waypost_upstream_sockets") == 0

    lane.run(story())
