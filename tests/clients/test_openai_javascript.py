"""The official `openai` package for JavaScript: one program runs through it all, each test looks at one step."""

from __future__ import annotations

import json
from typing import Any

import pytest
from waypost_process import Waypost

MODEL = "openai/gpt-oss-120b"


@pytest.fixture(scope="module")
def found(router: Waypost, run_javascript) -> dict[str, Any]:
    weak = router.new_token(kind="fineGrained", permissions=["user.billing.read"])
    return run_javascript("openai_client.mjs", router.api, router.token, weak)


@pytest.fixture
def value(found):
    def of(name: str) -> Any:
        assert "error" not in found[name], found[name]
        return found[name]["value"]

    return of


@pytest.fixture
def error(found):
    return lambda name: found[name]["error"]


def said(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


def test_models_are_listed_and_retrieved(value, error) -> None:
    assert {MODEL, "Qwen/Qwen3.5-9B", "practice/parrot"} <= set(value("models"))
    assert value("model")["id"] == MODEL
    assert isinstance(value("model")["created"], int)
    missing = error("no such model")
    assert (missing["class"], missing["code"]) == ("NotFoundError", "model_not_found")


def test_a_conversation_is_a_chat_completion_and_its_request_id_finds_its_waybill(value, router) -> None:
    chat = value("chat")
    assert chat["data"]["choices"][0]["message"]["content"] == "OK"
    assert chat["data"]["usage"]["completion_tokens"] == 1
    bill = router.waybill(chat["requestId"])
    assert (bill["outcome"], bill["model"], bill["policy"]) == ("delivered", MODEL, "fastest")
    assert bill["attempts"][0]["provider"] == chat["headers"]["x-inference-provider"]


def test_a_stream_has_usage_only_where_it_was_asked(value) -> None:
    plain, with_usage = value("stream"), value("stream with usage")
    assert said(plain) == said(with_usage) == "1, 2, 3, 4, 5"
    assert [chunk for chunk in plain if chunk.get("usage") or not chunk["choices"]] == []
    assert [chunk for chunk in with_usage[:-1] if chunk["usage"] or not chunk["choices"]] == []
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["cost_nano_usd"] > 0


def test_who_breaks_out_of_a_stream_has_left(value, router) -> None:
    assert router.waybill_soon(value("left"))["outcome"] == "left"


def test_tools_are_called_whole_and_streamed(value) -> None:
    tools = value("tools")
    assert tools["reason"] == "tool_calls"
    assert json.loads(tools["call"]["function"]["arguments"]) == {"city": "Paris"}
    assert tools["told"] == "get_weather answered 18 degrees."
    streamed = value("streamed tools")
    calls = streamed["whole"]["choices"][0]["message"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"])["city"] for call in calls] == ["Paris", "Oslo"]
    assert streamed["pieces"] > 2


def test_structured_output_images_thoughts_choices_and_limits(value) -> None:
    assert value("structured") == {"sender": "Ada", "grams": 250}
    assert value("images").startswith("I saw 1 image.")
    thoughts = value("thoughts")
    assert thoughts["content"] == "OK"
    assert thoughts["reasoning"].startswith("The question is about")
    assert thoughts["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert value("choices") == 2
    assert value("cut")["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("step", "expected", "words"),
    [
        ("spoilt token", ("AuthenticationError", 401, "token_malformed"), "quot"),
        ("weak token", ("PermissionDeniedError", 403, "scope_missing"), "inference.serverless.write"),
        ("unknown model", ("BadRequestError", 400, "model_not_found"), MODEL),
        ("unknown policy", ("BadRequestError", 400, "unknown_policy"), "fastest"),
        ("no messages", ("BadRequestError", 400, "invalid_request"), "messages"),
        ("provider limited", ("RateLimitError", 429, "providers_busy"), "provider that could serve broken/limited"),
        ("provider down", ("InternalServerError", 502, "provider_failed"), "No provider could serve broken/down"),
        ("provider silent", ("InternalServerError", 504, "provider_timeout"), "in time"),
    ],
)
def test_errors_have_their_class_their_code_and_a_readable_reason(error, router, step, expected, words) -> None:
    raised = error(step)
    assert (raised["class"], raised["status"], raised["code"]) == expected
    assert words in raised["message"]
    assert raised["said"]["fix"]
    if raised["status"] != 401:
        assert router.waybill(raised["requestId"])["code"] == raised["code"]


def test_a_stream_that_breaks_raises_its_reason_after_the_words_that_came(value, error) -> None:
    raised = error("broken midway")
    assert raised["class"] == "APIError"
    assert raised["code"] == "upstream_error"
    assert "practice-swift" in raised["message"]
    assert value("heard before")
