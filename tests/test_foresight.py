"""The journey's questions without a call, in the same house as the journey's own tests."""

import asyncio

from tests.test_journey import Call, Upstream, travel

from waypost.foresight import explain

WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def test_explain_asks_the_same_questions_and_calls_nobody() -> None:
    async def run():
        _, _, house, _ = await asyncio.to_thread(travel, Upstream(200, [WORD, STOP, DONE]))
        loop = asyncio.get_running_loop()
        call = Call([], {"model": "acme/one", "messages": [{"role": "user", "content": "x"}], "max_tokens": 10}, loop)
        return await explain(call, house), call

    said, call = asyncio.run(run())
    assert said["would_succeed"] is True
    assert said["predicted_nano_usd"] > 0
    assert call.bill.attempts == []


def test_explain_names_what_would_refuse_the_call_and_the_fix() -> None:
    async def run():
        _, _, house, _ = await asyncio.to_thread(travel, Upstream(200, []), order=0)
        loop = asyncio.get_running_loop()
        return await explain(
            Call([], {"model": "acme/one", "messages": [{"role": "user", "content": "x"}]}, loop), house
        )

    said = asyncio.run(run())
    assert said["would_succeed"] is False
    assert said["refused_by"]["code"] == "model_not_supported"
    assert said["fix"] == "add a provider"


def test_explain_says_what_would_be_held_and_holds_nothing() -> None:
    async def run():
        _, rooms, house, _ = await asyncio.to_thread(travel, Upstream(200, [WORD, STOP, DONE]))
        left = dict(rooms.purses.left)
        asked = {"model": "acme/one", "messages": [{"role": "user", "content": "x"}], "max_tokens": 10}
        call = Call([], asked, asyncio.get_running_loop())
        await explain(call, house)
        assert rooms.purses.left == left
        return call

    assert asyncio.run(run()).bill.hold_nano_usd > 10 * 2000
