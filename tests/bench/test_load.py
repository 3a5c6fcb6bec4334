from __future__ import annotations

import asyncio

import pytest
from bench.load import Order, Route, carry_out, percentile, read_order
from bench.targets import Speech
from bench.upstream import Canned, Pace


@pytest.mark.parametrize(
    ("values", "share", "found"), [([], 0.5, 0.0), ([3, 1, 2], 0.5, 2), (list(range(100)), 0.99, 99), ([5], 0.99, 5)]
)
def test_a_percentile_is_by_rank(values, share, found) -> None:
    assert percentile(values, share) == found


def test_an_order_travels_as_a_line() -> None:
    order = Order([Route("nginx", 80, ["GET / HTTP/1.1\r\n\r\n"], stream=False)], 8, 1.5, 50.0)
    assert order.line().count(b"\n") == 1
    assert read_order(order.line()) == order


def answering(reply: bytes | None):
    """A provider that answers everything with these bytes, or hangs up."""

    class Answer(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if reply is None:
                self.transport.close()
            else:
                self.transport.write(reply)

    return Answer


async def carried_out(kind: str, provider=None, **order) -> tuple[dict, list[str]]:
    """The result of an order to the canned provider, or to another, and what was said on the way."""
    pace = Pace()
    factory = provider or (lambda: Canned(pace))
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    routes = [Route(name, port, [Speech().request(kind)], stream=kind != "whole") for name in ("one", "two")]
    lines, told_to_end = [], asyncio.Event()
    told_to_end.set()
    try:
        return await carry_out(Order(routes, **order), lines.append, told_to_end), lines
    finally:
        server.close()
        await server.wait_closed()
        pace.stop()


def test_saturated_connections_call_again_until_the_time_is_over(run) -> None:
    result, _ = run(carried_out("whole", connections=4, seconds=0.1))
    for figures in result["routes"].values():
        assert figures["calls"] > 8
        assert figures["bad"] == {}
        assert 0 < figures["first_ms_p50"] <= figures["ms_p50"] <= figures["ms_p99"]
    assert 0.1 <= result["seconds"] < 5
    assert result["cpu"] > 0


def test_steady_calls_go_to_every_route_at_the_rate(run) -> None:
    result, _ = run(carried_out("brief", connections=4, seconds=0.2, rate=50.0))
    assert [figures["calls"] for figures in result["routes"].values()] == [10, 10]
    one = result["routes"]["one"]
    assert one["first_ms_p50"] < one["ms_p50"]  # the end comes with the provider's next tick


def test_held_streams_are_counted_when_their_first_word_is_there(run) -> None:
    result, lines = run(carried_out("idle", connections=5, hold=True))
    assert lines == ['{"open": 10}']
    assert [figures["bad"] for figures in result["routes"].values()] == [{}, {}]


@pytest.mark.parametrize(
    ("reply", "name"),
    [(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "503"), (b"nonsense\r\n\r\n", "unreadable"), (None, "lost")],
)
def test_what_is_no_answer_is_counted_by_its_name(run, reply, name) -> None:
    result, _ = run(carried_out("whole", answering(reply), connections=2, seconds=0.05))
    for figures in result["routes"].values():
        assert figures["calls"] == 0
        assert list(figures["bad"]) == [name]


def silent():
    """A provider that never answers, and hangs up after a while."""

    class Silence(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            asyncio.get_running_loop().call_later(0.3, transport.close)

    return Silence


def test_calls_that_no_connection_is_free_for_are_late(run) -> None:
    result, _ = run(carried_out("whole", silent(), connections=1, seconds=0.1, rate=50.0))
    assert [(figures["late"], figures["bad"]) for figures in result["routes"].values()] == [(4, {"lost": 1})] * 2
