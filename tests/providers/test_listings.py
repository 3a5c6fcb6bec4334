"""Lists as they are published, read into sheets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.chat import Need
from waypost.domain.kinds import MODEL_ID
from waypost.providers.listings import (
    NoList,
    Origin,
    hub_ids,
    items_of,
    our_id,
    provider_sheet,
    providers_named,
    router_sheet,
)

HUB = Origin("huggingface", "https://router.huggingface.co/v1/models", "2026-11-20")
CEREBRAS = Origin("cerebras", "https://api.cerebras.ai/v1/models", "2026-11-20")
ROUTER_LIST = {
    "object": "list",
    "data": [
        {
            "id": "openai/gpt-oss-120b",
            "object": "model",
            "created": 1754000000,
            "owned_by": "openai",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "providers": [
                {
                    "provider": "cerebras",
                    "status": "live",
                    "context_length": 131072,
                    "pricing": {"input": 0.35, "output": 0.75},
                    "supports_tools": True,
                    "supports_structured_output": False,
                    "first_token_latency_ms": 210.5,
                    "throughput": 1500,
                    "is_model_author": False,
                },
                {"provider": "featherless-ai", "status": "live", "is_model_author": False},
                {"provider": "groq", "status": "error", "is_free": True, "is_model_author": False},
                {"provider": "novita", "status": "live", "is_model_author": False},
            ],
        },
        {"id": "no slash", "providers": []},
        "no object",
        {"id": "acme/lonely"},
    ],
}
IDS = {"cerebras": {"openai/gpt-oss-120b": "gpt-oss-120b"}}

WORDS = (
    *("id", "data", "providers", "provider", "pricing", "input", "output", "status", "created", "architecture"),
    *("input_modalities", "context_length", "features", "capabilities", "name", "type", "metadata"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


def by_provider(sheet, model_id):
    (model,) = [model for model in sheet.models if model.id == model_id]
    return {endpoint.provider: endpoint for endpoint in model.endpoints}


def test_every_provider_of_a_model_becomes_an_endpoint_with_its_own_id() -> None:
    sheet = router_sheet(ROUTER_LIST, IDS, HUB)
    endpoints = by_provider(sheet, "openai/gpt-oss-120b")
    assert list(endpoints) == ["cerebras", "featherless-ai", "groq", "huggingface"]
    cerebras = endpoints["cerebras"]
    assert cerebras.id == "gpt-oss-120b"
    assert (cerebras.context_length, cerebras.first_token_ms, cerebras.output_tokens_per_s) == (131072, 210.5, 1500.0)
    assert cerebras.price[:2] == (350_000_000, 750_000_000)
    assert (cerebras.abilities, cerebras.abilities_known) == (Need.TOOLS, True)
    assert (cerebras.source, cerebras.as_of) == (HUB.source, HUB.as_of)
    assert endpoints["featherless-ai"].id == "openai/gpt-oss-120b"
    assert endpoints["featherless-ai"].price is None
    assert not endpoints["featherless-ai"].abilities_known
    assert endpoints["groq"].status == "error"
    assert endpoints["groq"].is_free
    assert endpoints["groq"].price[:2] == (0, 0)


def test_an_endpoint_whose_id_nobody_told_is_left_out_and_not_guessed() -> None:
    sheet = router_sheet(ROUTER_LIST, IDS, HUB)
    assert "novita" not in by_provider(sheet, "openai/gpt-oss-120b")
    assert set(sheet.notes) == {
        "1 left out: endpoint of novita, whose own ids are not known",
        "1 left out: without a usable id",
        "1 left out: no object",
    }


def test_the_router_itself_is_one_more_provider_and_claims_no_more_than_all_of_its_own_do() -> None:
    endpoints = by_provider(router_sheet(ROUTER_LIST, IDS, HUB), "openai/gpt-oss-120b")
    router = endpoints["huggingface"]
    assert router.id == "openai/gpt-oss-120b"
    assert router.price is None
    assert router.context_length == 131072
    assert not router.abilities_known
    same = {"pricing": {"input": 1, "output": 2}, "supports_tools": True}
    rows = [{"provider": "groq", "context_length": 10, **same}, {"provider": "together", "context_length": 5, **same}]
    router = by_provider(router_sheet([{"id": "acme/one", "providers": rows}], {}, HUB), "acme/one")["huggingface"]
    assert router.price[:2] == (1_000_000_000, 2_000_000_000)
    assert router.context_length == 5
    assert router.abilities_known


def test_a_model_keeps_what_it_reads_and_when_it_was_made() -> None:
    model = router_sheet(ROUTER_LIST, IDS, HUB).models[0]
    assert (model.created, model.input_modalities, model.output_modalities) == (1754000000, ("text",), ("text",))


def test_providers_named_in_a_list_are_told_once_each() -> None:
    assert providers_named(ROUTER_LIST) == ("cerebras", "featherless-ai", "groq", "novita")


def test_the_hub_s_mapping_tells_a_provider_s_own_ids() -> None:
    document = {
        "conversational": {
            "openai/gpt-oss-120b": {"_id": "1", "providerId": "gpt-oss-120b", "status": "live"},
            "acme/broken": {"providerId": None},
        },
        "text-to-image": {"acme/paint": {"providerId": "paint"}},
    }
    assert hub_ids(document) == IDS["cerebras"]
    assert hub_ids([]) == hub_ids({"conversational": 5}) == {}


def test_a_provider_s_own_list_uses_the_model_ids_that_are_known_for_its_own() -> None:
    document = {
        "data": [{"id": "gpt-oss-120b", "context_length": 65536}, {"id": "zai-glm-4.6"}, {"id": "OPENAI/gpt-oss-120B"}]
    }
    sheet = provider_sheet(document, {"gpt-oss-120b": "openai/gpt-oss-120b"}, CEREBRAS)
    assert [(model.id, model.endpoints[0].id) for model in sheet.models] == [
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("cerebras/zai-glm-4.6", "zai-glm-4.6"),
    ]
    assert sheet.notes == ("1 left out: listed twice",)


def test_a_hub_id_in_the_list_is_believed() -> None:
    sheet = provider_sheet([{"id": "Qwen3-32B", "hugging_face_id": "Qwen/Qwen3-32B"}], {}, Origin("ovhcloud", "u", "d"))
    assert sheet.models[0].id == "Qwen/Qwen3-32B"
    assert sheet.models[0].endpoints[0].id == "Qwen3-32B"


def test_what_is_no_chat_model_is_left_out_and_counted() -> None:
    sheet = provider_sheet(
        [{"id": "a/chat", "type": "chat"}, {"id": "a/paint", "type": "image"}, {"id": ""}], {}, CEREBRAS
    )
    assert [model.id for model in sheet.models] == ["a/chat"]
    assert set(sheet.notes) == {"1 left out: no chat model", "1 left out: without a usable id"}


def test_another_router_s_list_is_read_as_one_provider() -> None:
    origin = Origin("upstairs", "http://upstairs:8080/v1/models", "2026-11-20")
    sheet = provider_sheet(ROUTER_LIST, {}, origin)
    assert {each.provider for model in sheet.models for each in model.endpoints} == {"upstairs"}


@pytest.mark.parametrize(
    ("native", "ours"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"),
        ("gpt-4o", "there/gpt-4o"),
        ("llama3.2:latest", "there/llama3.2"),
        ("llama3.2:3b", "there/llama3.2-3b"),
        ("hf.co/unsloth/Qwen3-GGUF:Q4_K_M", "there/Qwen3-GGUF-Q4_K_M"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1-free"),
        ("accounts/fireworks/models/kimi-k2", "there/kimi-k2"),
        ("/models/qwen2.5-7b-q4_k_m.gguf", "there/qwen2.5-7b-q4_k_m"),
        ("C:\\models\\my model.gguf", "there/C-models-my-model"),
        ("...", "there/model"),
        ("ä", "there/model"),
    ],
)
def test_a_provider_s_name_becomes_a_model_id_without_anything_like_a_tag(native, ours) -> None:
    assert our_id("there", native) == ours


@given(st.text(min_size=1, max_size=300))
def test_any_name_becomes_a_usable_model_id(native) -> None:
    assert MODEL_ID.match(our_id("there", native))


@pytest.mark.parametrize("document", [None, "x", 5, {}, {"data": {}}, {"error": "no"}])
def test_what_is_no_list_says_so(document) -> None:
    with pytest.raises(NoList):
        items_of(document)


@given(st.lists(JSON, max_size=5))
def test_no_list_however_odd_breaks_the_reading_or_makes_an_unusable_id(items) -> None:
    for sheet in (router_sheet(items, {}, HUB), provider_sheet(items, {}, CEREBRAS)):
        for model in sheet.models:
            assert MODEL_ID.match(model.id)
            assert all(each.price is None or each.is_free or each.price.output > 0 for each in model.endpoints)
