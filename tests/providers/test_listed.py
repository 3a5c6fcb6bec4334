"""How everybody spells prices, context and abilities, and what is not believed."""

from __future__ import annotations

import pytest

from waypost.domain.chat import Need
from waypost.providers.listed import abilities_of, context_of, is_chat, modalities_of, output_max_of, price_of, rate_of

DAY = "2026-11-20"
ALL = Need.TOOLS | Need.STRUCTURED_OUTPUT | Need.IMAGES


@pytest.mark.parametrize(
    ("item", "figures"),
    [
        ({"pricing": {"input": 0.1, "output": 0.3}}, (100_000_000, 300_000_000, None, None, 0)),
        (
            {"pricing": {"hourly": 0, "input": 3, "output": 7, "cached_input": 0.3, "base": 0}},
            (3_000_000_000, 7_000_000_000, 300_000_000, None, 0),
        ),
        (
            {"pricing": {"prompt": "0.0000005", "completion": "0.0000015", "input_cache_read": "0.00000005"}},
            (500_000_000, 1_500_000_000, 50_000_000, None, 0),
        ),
        (
            {"pricing": {"prompt": 5e-7, "completion": 15e-7, "internal_reasoning": "0.000003", "request": "0.001"}},
            (500_000_000, 1_500_000_000, None, 3_000_000_000, 1_000_000_000_000),
        ),
        (
            {"metadata": {"pricing": {"input_tokens": 0.04, "output_tokens": 0.1, "cache_read_tokens": 0.01}}},
            (40_000_000, 100_000_000, 10_000_000, None, 0),
        ),
        (
            {"input_token_price_per_m": 5700, "output_token_price_per_m": 23000},
            (570_000_000, 2_300_000_000, None, None, 0),
        ),
    ],
    ids=["hugging face", "together", "openrouter", "openrouter numbers", "deepinfra", "novita"],
)
def test_each_spelling_of_a_price_becomes_nano_usd_for_each_million(item, figures) -> None:
    price = price_of(item, DAY)
    assert price[:-1] == figures
    assert price.version.startswith(f"{DAY}-")


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"pricing": None},
        {"pricing": {}},
        {"pricing": {"input": 0, "output": 0}},
        {"pricing": {"input": 0.1}},
        {"pricing": {"input": 0.1, "output": 0}},
        {"pricing": {"input": -1, "output": -1}},
        {"pricing": {"prompt": "-1", "completion": "-1"}},
        {"pricing": {"input": True, "output": True}},
        {"pricing": {"input": "free", "output": "free"}},
        {"pricing": {"input": "nan", "output": "inf"}},
        {"pricing": {"input": [1], "output": {}}},
        {"pricing": {"prompt": 0.5, "completion": 1.5}},
        {"pricing": {"prompt": 0.05, "completion": 0.06}},
        {"pricing": {"prompt": "0.000001", "completion": "0.000001", "request": "2"}},
        {"input_token_price_per_m": -1, "output_token_price_per_m": -1},
        {"is_free": "yes"},
    ],
)
def test_a_price_that_is_not_stated_or_cannot_be_believed_is_no_price_and_never_zero(item) -> None:
    assert price_of(item, DAY) is None


def test_only_what_is_said_to_be_free_costs_nothing() -> None:
    assert price_of({"is_free": True}, DAY)[:2] == (0, 0)
    assert price_of({"is_free": True, "pricing": {"input": 1, "output": 1}}, DAY)[:2] == (0, 0)
    assert price_of({"is_free": False, "pricing": {"input": 1, "output": 1}}, DAY)[0] == 1_000_000_000


def test_a_zero_for_a_cache_means_that_nothing_is_known_about_it() -> None:
    price = price_of({"pricing": {"prompt": "1e-6", "completion": "1e-6", "input_cache_read": "0"}}, DAY)
    assert price.cached_input is None


@pytest.mark.parametrize(
    ("item", "tokens"),
    [
        ({"context_length": 32768}, 32768),
        ({"context_length": 32768.0}, 32768),
        ({"context_window": 131072}, 131072),
        ({"context_size": 4096}, 4096),
        ({"max_model_len": 8192}, 8192),
        ({"max_context_length": 8192, "loaded_context_length": 4096}, 4096),
        ({"metadata": {"context_length": 9}}, 9),
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 131072}}, 4096),
        ({"context_length": 0}, None),
        ({"context_length": -1}, None),
        ({"context_length": 1.5}, None),
        ({"context_length": True}, None),
        ({"context_length": "32768"}, None),
        ({"context_length": 10**15}, None),
        ({}, None),
    ],
)
def test_context_is_a_positive_whole_number_or_unknown(item, tokens) -> None:
    assert context_of(item) == tokens


def test_the_longest_answer_has_several_names() -> None:
    assert output_max_of({"max_completion_tokens": 9}) == 9
    assert output_max_of({"top_provider": {"max_completion_tokens": 8}}) == 8
    assert output_max_of({"metadata": None}) is None


@pytest.mark.parametrize(
    ("item", "reads", "granted", "known"),
    [
        ({}, (), ALL, False),
        ({}, ("text",), ALL & ~Need.IMAGES, False),
        ({"supports_tools": True, "supports_structured_output": False}, ("text",), Need.TOOLS, True),
        ({"supports_tools": False}, ("text", "image"), Need.STRUCTURED_OUTPUT | Need.IMAGES, True),
        ({"supported_features": ["tools", "structured_outputs"]}, ("text",), Need.TOOLS | Need.STRUCTURED_OUTPUT, True),
        ({"supported_parameters": ["temperature"]}, ("text",), Need.NOTHING, True),
        ({"features": ["function-calling", 5]}, ("text",), Need.TOOLS, True),
        ({"capabilities": {"function_calling": True, "vision": True}}, (), ALL, True),
        ({"features": [], "supports_tools": True}, ("text",), Need.TOOLS, True),
    ],
)
def test_what_nobody_denies_is_granted_and_it_is_said_whether_anybody_spoke(item, reads, granted, known) -> None:
    assert abilities_of(item, reads) == (granted, known)


@pytest.mark.parametrize(
    ("item", "name", "chat"),
    [
        ({}, "gpt-oss-120b", True),
        ({"type": "chat"}, "flux-chat", True),
        ({"type": "image"}, "one", False),
        ({"type": "embeddings"}, "one", False),
        ({"model_type": "chat"}, "one", True),
        ({"supports_chat": False}, "one", False),
        ({"capabilities": {"completion_chat": False}}, "one", False),
        ({"active": False}, "one", False),
        ({"architecture": {"output_modalities": ["image"]}}, "one", False),
        ({"architecture": {"output_modalities": ["image", "text"]}}, "one", True),
        ({}, "text-embedding-3-small", False),
        ({}, "whisper-large-v3", False),
    ],
)
def test_chat_models_are_told_from_others(item, name, chat) -> None:
    assert is_chat(item, name) is chat


def test_modalities_and_rates_of_another_type_are_unknown() -> None:
    assert modalities_of({"architecture": {"input_modalities": ["text", "image"]}}) == ("text", "image")
    assert modalities_of({"input_modalities": ["text", 5]}) == ()
    assert modalities_of({"architecture": "text->text"}) == ()
    assert rate_of({"throughput": 12}, "throughput") == 12.0
    assert rate_of({"throughput": 0}, "throughput") is None
    assert rate_of({"throughput": "fast"}, "throughput") is None
