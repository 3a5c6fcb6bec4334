"""Model servers of this machine, each played on a port of its own."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pathserver import Page, path_server
from rawserver import upstream_of

from waypost.providers.discover import PORTS, Discovery, discover
from waypost.settings import load

OLLAMA = {
    "/v1/models": {
        "object": "list",
        "data": [
            {"id": "llama3.2:latest", "object": "model", "created": 1, "owned_by": "library"},
            {"id": "qwen3:4b", "object": "model", "created": 1, "owned_by": "library"},
            {"id": "nomic-embed-text:latest", "object": "model", "created": 1, "owned_by": "library"},
        ],
    },
    "/api/tags": {"models": [{"name": "llama3.2:latest", "digest": "a80c", "details": {"family": "llama"}}]},
}
VLLM = {
    "/v1/models": {
        "object": "list",
        "data": [{"id": "Qwen/Qwen3-4B", "object": "model", "owned_by": "vllm", "max_model_len": 40960}],
    },
    "/version": {"version": "0.11.0"},
}
SGLANG = {"/v1/models": {"data": [{"id": "Qwen/Qwen3-4B", "owned_by": "sglang", "max_model_len": 32768}]}}
LLAMACPP = {
    "/v1/models": {
        "models": [{"name": "x"}],
        "object": "list",
        "data": [{"id": "/models/q.gguf", "owned_by": "llamacpp", "meta": {"n_ctx": 4096, "n_ctx_train": 131072}}],
    }
}
LM_STUDIO = {
    "/v1/models": {"data": [{"id": "granite-4", "object": "model", "owned_by": "organization_owner"}]},
    "/api/v0/models": {
        "object": "list",
        "data": [
            {
                "id": "granite-4",
                "type": "llm",
                "compatibility_type": "gguf",
                "state": "loaded",
                "max_context_length": 9000,
            }
            | {"loaded_context_length": 4096},
            {"id": "bge-m3", "type": "embeddings", "compatibility_type": "gguf", "state": "not-loaded"},
        ],
    },
}
TGI = {
    "/v1/models": {"object": "list", "data": [{"id": "acme/one", "object": "model", "owned_by": "acme/one"}]},
    "/info": {"model_id": "acme/one", "router": "text-generation-router", "version": "3.3.6", "max_total_tokens": 4096},
}
UNKNOWN = {"/v1/models": {"data": [{"id": "mystery-1"}]}, "/api/tags": {"tags": ["holiday"]}, "/info": ["x"]}


def found_on(run, *servers: dict[str, Any], ours: tuple[int, ...] = ()) -> tuple[Discovery, list[int]]:
    """What is found where these servers run; `ours` are the places (not ports) that are our own."""

    async def scene() -> tuple[Discovery, list[int]]:
        async with AsyncExitStack() as stack:
            ports = [(await stack.enter_async_context(path_server(pages))).port for pages in servers]
            upstream = await stack.enter_async_context(upstream_of())
            return await discover(upstream, "2026-11-20", ports, [ports[place] for place in ours]), ports

    return run(scene())


@pytest.mark.parametrize(
    ("pages", "slug", "models"),
    [
        (OLLAMA, "ollama", {"ollama/llama3.2": ("llama3.2:latest", None), "ollama/qwen3-4b": ("qwen3:4b", None)}),
        (VLLM, "vllm", {"Qwen/Qwen3-4B": ("Qwen/Qwen3-4B", 40960)}),
        (SGLANG, "sglang", {"Qwen/Qwen3-4B": ("Qwen/Qwen3-4B", 32768)}),
        (LLAMACPP, "llamacpp", {"llamacpp/q": ("/models/q.gguf", 4096)}),
        (LM_STUDIO, "lm-studio", {"lm-studio/granite-4": ("granite-4", 4096)}),
        (TGI, "tgi", {"acme/one": ("acme/one", 4096)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_of_server_is_told_by_what_it_alone_answers(run, pages, slug, models) -> None:
    discovery, (port,) = found_on(run, pages)
    (found,) = discovery.found
    assert found.provider.slug == slug
    assert found.provider.base_url == f"http://127.0.0.1:{port}/v1"
    assert found.provider.usable
    assert {model.id: (model.endpoints[0].id, model.endpoints[0].context_length) for model in found.models} == models
    assert all(model.endpoints[0].price is None for model in found.models)


def test_a_server_that_no_question_tells_apart_is_named_by_its_port_alone(run) -> None:
    discovery, (port,) = found_on(run, UNKNOWN)
    (found,) = discovery.found
    assert found.provider.slug == f"local-{port}"
    assert found.evidence == "no question told which server it is"


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ({}, "it answered 404"),
        ({"/v1/models": Page(b"<html>hello", 200, ("content-type: text/html",))}, "is no JSON"),
        ({"/v1/models": {"hello": "world"}}, "it is no list of models"),
        ({"/v1/models": Page({}, 401)}, "the key is missing or refused"),
        ({"/v1/models": {"data": [{"id": "a/b", "providers": []}]}}, "a router, not a model server"),
    ],
)
def test_a_port_that_answers_something_else_is_nothing_and_says_why(run, pages, why) -> None:
    discovery, (port,) = found_on(run, pages)
    assert discovery.found == ()
    assert discovery.skipped[0][0] == port
    assert why in discovery.skipped[0][1]


def test_our_own_port_is_not_asked(run) -> None:
    discovery, ports = found_on(run, VLLM, OLLAMA, ours=(0,))
    assert [found.provider.slug for found in discovery.found] == ["ollama"]
    assert discovery.skipped == ((ports[0], "our own port"),)


def test_a_port_where_nobody_listens_is_skipped(run) -> None:
    async def scene(port: int) -> Discovery:
        async with upstream_of() as upstream:
            return await discover(upstream, "2026-11-20", [port])

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        discovery = run(scene(unused.getsockname()[1]))
    assert discovery.found == ()
    assert len(discovery.skipped) == 1


def test_two_servers_of_one_kind_get_two_names_and_may_run_the_same_model(run) -> None:
    discovery, ports = found_on(run, VLLM, VLLM)
    slugs = [found.provider.slug for found in discovery.found]
    assert slugs == ["vllm", f"vllm-{ports[1]}"]
    assert [found.models[0].endpoints[0].provider for found in discovery.found] == slugs


def test_what_is_offered_for_the_settings_is_understood_by_the_settings(run, tmp_path) -> None:
    names = ['a "quoted" \\ ñame', "with\x7fcontrol", "with\nline"]
    odd = {"/v1/models": {"data": [{"id": name, "owned_by": "vllm", "max_model_len": 9} for name in names]}}
    discovery, _ = found_on(run, OLLAMA, odd)
    file = tmp_path / "waypost.toml"
    file.write_text("\n".join(found.toml for found in discovery.found))
    settings = load(file, {"HOME": str(tmp_path)})
    assert len(settings.models) == 3
    for found in discovery.found:
        assert settings.providers[found.provider.slug] == found.provider
        for model in found.models:
            given = settings.models[model.id].endpoints[found.provider.slug]
            assert given["id"] == model.endpoints[0].id
            assert given.get("context_length") == model.endpoints[0].context_length


def test_the_usual_ports_are_asked_where_none_are_named() -> None:
    assert {11434, 8000, 8080, 1234, 3000, 30000} == set(PORTS)
