"""One provider behind its address: routes, the key, the models, refusals."""

import json

import httpx
import pytest
from practiceclient import ask, fetch, practice

from waypost.practice.profiles import PracticeProvider, at

LOCKED = PracticeProvider("locked", (at("locked", "practice/parrot", ("1", "2"), (0.0, 0.0)),), key="sk-right", speed=0)


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
