"""Practice providers over real sockets: the dialect, the routes, the pace, stopping and leaving."""

import asyncio
import json
import socket
import ssl

import httpx
import pytest
import trustme
from practiceclient import INSTANT, ask, fetch, line_to, listen_to, practice, request

from waypost.practice.profiles import BENCH, SWIFT, PracticeProvider, at
from waypost.practice.server import serve_practice, start

LOCKED = PracticeProvider("locked", (at("locked", "practice/parrot", ("1", "2"), (0.0, 0.0)),), key="sk-right", speed=0)
PACED = SWIFT.at_speed(200, 0.05)
END = b"0\r\n\r\n"


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


def test_the_models_are_listed_with_price_and_context(run):
    async def call():
        async with practice() as servers, httpx.AsyncClient() as client:
            rows = (await client.get(servers["practice-thrifty"].base_url + "/models")).json()
            assert rows["object"] == "list"
            row = next(row for row in rows["data"] if row["id"] == "llama-at-thrifty")
            assert row == {
                "id": "llama-at-thrifty",
                "object": "model",
                "created": 1_764_547_200,
                "owned_by": "meta",
                "context_length": 32_768,
                "pricing": {"input": 0.04, "output": 0.1},
            }
            sages = (await client.get(servers["practice-flaky"].base_url + "/models/practice%2Fsage")).json()
            assert "pricing" not in sages
            assert (await client.get(servers["practice-flaky"].base_url + "/models/nobody")).status_code == 404

    run(call())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/chat/completions", b"{", 400, None),
        (
            "POST",
            "/chat/completions",
            b'{"model":"nobody","messages":[{"role":"user","content":"x"}]}',
            404,
            "model_not_found",
        ),
        ("POST", "/chat/completions", b'{"model":"practice/parrot","messages":[]}', 400, None),
        ("GET", "/chat/completions", b"", 405, None),
        ("DELETE", "/models", b"", 405, None),
        ("GET", "/embeddings", b"", 404, None),
        (
            "POST",
            "/chat/completions",
            json.dumps(ask([{"type": "image_url", "image_url": {"url": "data:,x"}}])).encode(),
            400,
            "unsupported_content",
        ),
        ("POST", "/chat/completions", json.dumps(ask("word " * 40_000)).encode(), 400, "context_length_exceeded"),
    ],
)
def test_a_wrong_request_gets_openais_envelope(run, method, path, body, status, code):
    async def call():
        async with practice() as servers, httpx.AsyncClient() as client:
            reply = await client.request(method, servers["practice-swift"].base_url + path, content=body)
            assert reply.status_code == status
            error = reply.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert error["message"]
            if code:
                assert error["code"] == code

    run(call())


@pytest.mark.parametrize(
    ("field", "value"),
    [("tools", [{"type": "function", "function": {"name": "x"}}]), ("response_format", {"type": "json_object"})],
)
def test_a_model_refuses_what_it_cannot_do(run, field, value):
    async def call():
        async with practice() as servers:
            wire = await fetch(servers["practice-thrifty"], ask(model="practice/clerk", **{field: value}))
            assert (wire.status, wire.json["error"]["param"]) == (400, field)

    run(call())


@pytest.mark.parametrize("shown", [None, "Bearer sk-wrong", "sk-right", "Bearer "])
def test_a_provider_with_a_key_refuses_any_other(run, shown):
    async def call():
        async with practice((LOCKED,)) as servers:
            headers = {} if shown is None else {"authorization": shown}
            wire = await fetch(servers["locked"], ask(), headers=headers)
            assert (wire.status, wire.json["error"]["code"]) == (401, "invalid_api_key")
            assert "sk-right" not in wire.body.decode()
            assert (await fetch(servers["locked"], ask(), headers={"authorization": "Bearer sk-right"})).status == 200

    run(call())


def test_any_native_path_reaches_the_chat(run):
    async def call():
        async with practice() as servers:
            for path in (
                "/openai/v1/chat/completions",
                "/models/practice/parrot/v1/chat/completions",
                "/chat/completions",
            ):
                assert (await fetch(servers["practice-swift"], ask(), path=path)).status == 200

    run(call())


def test_the_fault_table_is_told_and_set_over_http(run):
    async def call():
        async with practice() as servers, httpx.AsyncClient() as client:
            server = servers["practice-swift"]
            address = server.base_url.removesuffix("/v1") + "/practice/faults"
            told = (await client.put(address, content="status_503@1/2,bom")).json()
            assert told["now"] == ["status_503@1/2", "bom"]
            assert told["faults"]["stalls"]["argument"] == "3"
            assert (await client.put(address, content="no such thing")).status_code == 400
            assert [(await fetch(server, ask())).status for _ in range(2)] == [200, 503]

    run(call())


def test_what_a_provider_was_sent_is_kept_for_tests_to_see(run):
    async def call():
        async with practice() as servers:
            await fetch(servers["practice-swift"], ask("echo: kept"), headers={"x-mine": "yes"})
            (seen,) = servers["practice-swift"].desk.seen
            assert json.loads(seen.body)["messages"][0]["content"] == "echo: kept"
            assert seen.headers[b"x-mine"] == b"yes"

    run(call())


def test_words_come_at_the_speed_that_was_set(run):
    async def call():
        async with practice((PACED,)) as servers, line_to(servers["practice-swift"]) as (reader, writer):
            clock = asyncio.get_running_loop().time
            writer.write(request(ask("Count to 20", stream=True)))
            began = clock()
            await reader.readuntil(b"data: ")
            first = clock() - began
            wire = await listen_to(reader, END)
            took = clock() - began
            assert first >= 0.045
            assert took >= 0.05 + 39 / 200 - 0.01
            assert len(wire.reads) > 5

    run(call())


def test_a_whole_reply_takes_as_long_as_its_words(run):
    async def call():
        async with practice((PACED,)) as servers:
            clock = asyncio.get_running_loop().time
            began = clock()
            wire = await fetch(servers["practice-swift"], ask("Count to 20"))
            assert wire.json["usage"]["completion_tokens"] == 39
            assert clock() - began >= 0.05 + 39 / 200 - 0.01

    run(call())


def test_at_full_speed_a_reply_comes_in_very_few_writes(run):
    async def call():
        async with practice() as servers:
            wire = await fetch(servers["practice-swift"], ask("Write 300 words", stream=True))
            assert len(wire.values) > 300
            assert wire.body.count(b"data: ") == len(wire.events)
            assert wire.raw.count(b"\r\n\r\n") <= 4

    run(call())


def test_a_caller_who_leaves_is_noticed_and_nothing_is_kept(run):
    async def call():
        async with practice() as servers:
            server = servers["practice-swift"]
            async with line_to(server) as (reader, writer):
                writer.write(request(ask(stream=True), {"x-practice-fault": "stalls"}))
                await reader.readuntil(b"data: ")
                assert (server.streams, server.connections) == (1, 1)
            while server.connections:
                await asyncio.sleep(0.005)
            assert (server.streams, server.desk.gone, server.desk.calls) == (0, 1, 1)

    run(call())


def test_a_reader_who_is_slow_does_not_fill_our_memory(run):
    async def call():
        async with practice() as servers:
            server = servers["practice-swift"]
            async with line_to(server) as (reader, writer):
                reader._transport.pause_reading()
                writer.write(request(ask(stream=True), {"x-practice-fault": "huge_reply=60000000"}))
                await asyncio.sleep(0.3)
                (player,) = server.desk.playing
                assert player._reply.transport.get_write_buffer_size() < 1_000_000
                reader._transport.resume_reading()
                total = 0
                while not (data := await reader.read(1 << 20)).endswith(END):
                    total += len(data)
                assert total > 59_000_000

    run(call())


def test_a_provider_can_be_killed_in_mid_stream_and_come_back_on_its_port(run):
    async def call():
        async with practice((PACED, *INSTANT[1:])) as servers:
            server = servers["practice-swift"]
            async with line_to(server) as (reader, writer):
                writer.write(request(ask("Count to 500", stream=True)))
                await reader.readuntil(b"data: ")
                port = server.port
                await server.close()
                wire = await listen_to(reader, None)
                assert wire.ending in ("eof", "reset")
                assert not wire.raw.endswith(END)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert (await fetch(servers["practice-thrifty"], ask())).status == 200
            await server.open()
            assert server.port == port
            assert (await fetch(server, ask("Reply with exactly OK"))).status == 200

    run(call())


def test_a_taken_port_is_an_error_and_leaves_nothing_running(run):
    async def call():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            before = taken.getsockname()[1] - 1
            with pytest.raises(OSError, match="in use"):
                await start(INSTANT, port=before)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", before)

    run(call())


def test_providers_speak_tls_when_given_a_context(run):
    async def call():
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        servers = await start(INSTANT[:1], tls=context)
        async with httpx.AsyncClient(verify=trust) as client:
            reply = await client.post(
                servers.base_urls["practice-swift"] + "/chat/completions", json=ask("Reply with exactly OK")
            )
            assert reply.json()["choices"][0]["message"]["content"] == "OK"
        await servers.close()

    run(call())


def test_practice_alone_serves_until_it_is_told_to_stop(run):
    async def call():
        stop, running = asyncio.Event(), asyncio.Event()
        found = {}

        def ready(servers):
            found.update(servers.base_urls)
            running.set()

        serving = asyncio.create_task(serve_practice(stop, ready))
        await running.wait()
        async with httpx.AsyncClient() as client:
            assert (await client.get(found["together"] + "/models")).status_code == 200
        stop.set()
        await serving
        assert set(found) == {"practice-swift", "practice-thrifty", "practice-flaky", "together"}

    run(call())


def test_the_bench_provider_sends_a_kilobyte_or_a_hundred_frames_of_180_bytes(run):
    async def call():
        async with practice((BENCH,)) as servers:
            server = servers["practice-bench"]
            whole = await fetch(server, ask(model="bench/burst"))
            assert (len(whole.body), whole.json["usage"]["total_tokens"]) == (1024, 300)
            burst = await fetch(server, ask(model="bench/burst", stream=True))
            paced = await fetch(server, ask(model="bench/paced", stream=True))
            for wire in (burst, paced):
                assert [len(event) + 2 for event in wire.events[:-1]] == [180] * 100
                assert wire.values[-1]["usage"]["completion_tokens"] == 100
                assert wire.values[-2]["choices"][0]["finish_reason"] == "stop"
            assert paced.body == burst.body
            assert len(paced.reads) > 20

    run(call())
