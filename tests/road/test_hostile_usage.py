"""Providers that lie about usage: no 500, no charge above the hold, no credit, and what is estimated is called so."""

import json

import pytest
from abacus import Rate, cost
from hostile_usage import STREAMED_SHAPES, WHOLE_SHAPES, Shape, provider
from inside import Inside, inside
from rawserver import raw_server
from wayside import MODEL, chat, endpoint_row, get, post, provider_rows

from waypost.store.accounts import account_named
from waypost.store.verify import verify

pytestmark = pytest.mark.keeps_sockets
RATE = Rate(100_000_000, 300_000_000, None, None, 0)


async def bill_of(client, running: Inside, tag: str) -> dict:
    [bill] = json.loads((await client.ask(get(running.token, f"/v1/requests?session={tag}"))).body)["data"]
    return bill


def posted(running: Inside) -> int:
    return running.serving._reader.ask(lambda sql: account_named(sql, "user:1").posted)


async def check(client, running: Inside, shape: Shape, number: int, *, stream: bool) -> None:
    tag = f"{'streamed' if stream else 'whole'}-{number}"
    body = chat(f"{MODEL}:alpha", shape.name, stream=stream, max_tokens=20)
    if stream:
        body["stream_options"] = {"include_usage": True}
    before = posted(running) if number else None
    answer = await client.ask(post(running.token, body, "/v1/chat/completions", f"x-hf-session-id: {tag}"))
    bill = await bill_of(client, running, tag)
    assert answer.status == (200 if stream or shape.readable else 502), (shape.name, answer)
    assert 0 <= bill["charge_nano_usd"] <= bill["hold_nano_usd"], (shape.name, bill)
    if before is not None:
        assert posted(running) == before - bill["charge_nano_usd"], shape.name
    if not shape.readable:
        assert bill["outcome"] == "failed", shape.name
        assert bill["charge_nano_usd"] == 0, shape.name
        return
    usage = bill["usage"]
    told = tuple(usage[name] for name in ("input", "cached_input", "output", "reasoning"))
    assert usage.get("estimated", False) == (shape.counted is None), (shape.name, bill)
    assert shape.counted in (None, told), (shape.name, usage)
    assert bill["charge_nano_usd"] == min(bill["hold_nano_usd"], cost(RATE, *told)), (shape.name, bill)
    assert bill["charge_nano_usd"] > 0 or told == (0, 0, 0, 0), shape.name
    assert bill["outcome"] == "delivered", (shape.name, bill)


def test_there_are_more_than_sixty_shapes() -> None:
    assert len({shape.name for shape in STREAMED_SHAPES}) == len(STREAMED_SHAPES) >= 60


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_no_shape_of_usage_is_a_500_a_credit_or_a_charge_above_the_hold(run, tmp_path, stream) -> None:
    async def story() -> None:
        async with raw_server(provider) as alpha:
            base = f"http://127.0.0.1:{alpha.address.port}/v1"
            settings = provider_rows({"alpha": base}) + endpoint_row(MODEL, "alpha")
            async with inside(tmp_path, settings) as running, running.client() as client:
                for number, shape in enumerate(STREAMED_SHAPES if stream else WHOLE_SHAPES):
                    await check(client, running, shape, number, stream=stream)
                assert running.serving._reader.ask(lambda sql: list(verify(sql))) == []

    run(story(), 60)
