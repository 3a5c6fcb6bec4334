"""OpenAI's wire language as providers write it, seen on the wire."""

from practiceclient import ask, fetch, practice


def test_a_whole_reply_has_the_shape_that_clients_demand(run):
    async def call():
        async with practice() as servers:
            wire = await fetch(servers["practice-swift"], ask("Reply with exactly OK", max_tokens=8))
            assert wire.headers["x-request-id"] == wire.headers["inference-id"] == "practice-swift-1"
            assert wire.json == {
                "id": "chatcmpl-practice-swift-1",
                "object": "chat.completion",
                "created": 1_800_000_000,
                "model": "practice/parrot",
                "system_fingerprint": "fp_practice",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "OK"},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 1,
                    "total_tokens": 11,
                    "prompt_tokens_details": {"cached_tokens": 0},
                },
            }

    run(call())


def test_a_stream_says_role_words_finish_usage_and_done_in_this_order(run):
    async def call():
        async with practice() as servers:
            body = ask("Count to 3", stream=True, stream_options={"include_usage": True})
            wire = await fetch(servers["practice-swift"], body)
            assert wire.headers["content-type"].startswith("text/event-stream")
            first, *words, finish, usage = wire.values
            assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
            assert [value["choices"][0]["delta"]["content"] for value in words] == ["1", ",", " 2", ",", " 3"]
            assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
            assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 5)
            assert {value["usage"] for value in (first, *words, finish)} == {None}
            assert wire.events[-1] == b"data: [DONE]"
            assert {value["object"] for value in wire.values} == {"chat.completion.chunk"}

    run(call())


def test_a_stream_tells_no_usage_unless_asked(run):
    async def call():
        async with practice() as servers:
            wire = await fetch(servers["practice-swift"], ask("Count to 3", stream=True))
            assert not any("usage" in value for value in wire.values)
            assert wire.events[-1] == b"data: [DONE]"

    run(call())


def test_stream_and_whole_say_the_same(run):
    async def call():
        async with practice() as servers:
            body = ask("Tell me about owls", n=2, reasoning_effort="low")
            whole = (await fetch(servers["practice-swift"], body)).json
            wire = await fetch(
                servers["practice-swift"], {**body, "stream": True, "stream_options": {"include_usage": True}}
            )
            for index in (0, 1):
                deltas = [
                    choice["delta"] for value in wire.values for choice in value["choices"] if choice["index"] == index
                ]
                message = whole["choices"][index]["message"]
                assert "".join(delta.get("content") or "" for delta in deltas) == message["content"]
                assert "".join(delta.get("reasoning") or "" for delta in deltas) == message["reasoning"]
            assert wire.values[-1]["usage"] == whole["usage"]
            assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0

    run(call())


def test_a_streamed_tool_call_comes_in_fragments_that_join_to_the_whole_one(run):
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }

    async def call():
        async with practice() as servers:
            body = ask("What's the weather in Paris and Rome?", tools=[tool])
            (whole,) = (await fetch(servers["practice-swift"], body)).json["choices"]
            wire = await fetch(servers["practice-swift"], {**body, "stream": True})
            joined = {}
            for value in wire.values:
                for part in value["choices"][0]["delta"].get("tool_calls", []):
                    call = joined.setdefault(
                        part["index"], {"id": part.get("id"), "name": part["function"].get("name"), "arguments": ""}
                    )
                    call["arguments"] += part["function"]["arguments"]
            assert [(call["id"], call["name"], call["arguments"]) for call in joined.values()] == [
                (call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in whole["message"]["tool_calls"]
            ]
            assert len(joined) == 2
            assert whole["message"]["content"] is None
            assert wire.values[-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "tool_calls"

    run(call())


def test_providers_name_their_reasoning_differently(run):
    async def call():
        async with practice() as servers:
            body = ask("Why?", reasoning_effort="low", model="practice/sage")
            assert (await fetch(servers["practice-thrifty"], body)).json["choices"][0]["message"]["reasoning_content"]

    run(call())


def test_the_same_call_gets_the_same_bytes_from_a_fresh_provider(run):
    async def call():
        async with practice() as servers:
            return (await fetch(servers["practice-swift"], ask("Tell me about owls", stream=True))).raw

    assert run(call()) == run(call())
