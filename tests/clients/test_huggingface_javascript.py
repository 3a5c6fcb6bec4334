"""@huggingface/inference and @huggingface/hub: one program runs through it all, each test looks at one step.

Hugging Face's hosts are constants in these packages, so the program hands them a `fetch` that leads both hosts here.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from waypost_process import Waypost

MODEL = "openai/gpt-oss-120b"
CHAT = "POST /v1/chat/completions"


@pytest.fixture(scope="module")
def found(hub: Waypost, run_javascript) -> dict[str, Any]:
    weak = hub.new_token(kind="fineGrained", permissions=["user.billing.read"])
    return run_javascript("huggingface_client.mjs", hub.address, hub.token, weak)


@pytest.fixture
def value(found):
    def of(name: str) -> Any:
        assert "error" not in found[name], found[name]
        return found[name]["value"]

    return of


@pytest.fixture
def error(found):
    return lambda name: found[name]["error"]


def content(completion: dict[str, Any]) -> str:
    return completion["choices"][0]["message"]["content"]


@pytest.mark.parametrize("how", ["pointed", "auto"])
def test_a_conversation_and_a_stream_by_address_and_by_the_automatic_provider(value, how) -> None:
    assert content(value(how)) == "OK"
    assert value(how)["model"] == MODEL
    assert value(f"{how} stream")["text"] == "1, 2, 3, 4, 5"
    assert value(f"{how}: sent") == value(f"{how} stream: sent") == [CHAT, "200"]


@pytest.mark.parametrize(
    ("provider", "model", "path"),
    [
        ("together", "Qwen/Qwen3.5-9B", "/together/v1/chat/completions"),
        ("groq", "meta/llama", "/groq/openai/v1/chat/completions"),
        ("hf-inference", "meta/llama", "/hf-inference/models/llama-elsewhere/v1/chat/completions"),
    ],
)
def test_a_provider_by_name_is_looked_up_and_asked_on_its_own_path(value, provider, model, path) -> None:
    assert content(value(provider)) == "OK"
    assert value(f"{provider} stream")["text"] == "1, 2, 3, 4, 5"
    assert value(f"{provider} stream: sent") == [f"POST {path}", "200"]
    lookup = [f"GET /api/models/{model}?expand[]=inferenceProviderMapping", "200"]
    # The package keeps what it looked up: groq has asked for the model of hf-inference.
    assert value(f"{provider}: sent") == [*(lookup if provider != "hf-inference" else []), f"POST {path}", "200"]


def test_who_names_no_model_gets_one_that_answers(value) -> None:
    assert content(value("default model")) == "OK"
    assert value("default model: sent") == ["GET /api/tasks", "200", CHAT, "200"]


def test_tools_and_structured_output(value) -> None:
    assert json.loads(value("tools")["call"]["function"]["arguments"]) == {"city": "Paris"}
    assert value("tools")["told"] == "get_weather answered 18 degrees."
    for how in ("structured", "structured at together", "structured at hf-inference"):
        assert value(how) == {"sender": "Ada", "grams": 250}


def test_who_is_to_pay_stands_in_the_waybill(value, hub) -> None:
    assert value("bill to")["payer"] == "some-org"
    assert hub.waybill(value("bill to")["id"])["payer"] == {"type": "organisation", "name": "some-org"}


ERRORS = {
    "spoilt token": (401, "token_malformed", "malformed"),
    "weak token": (403, "scope_missing", "it lacks inference.serverless.write"),
    "unknown model": (400, "model_not_found", f"Did you mean {MODEL}?"),
    "unknown policy": (400, "unknown_policy", "Did you mean 'fastest'?"),
    "provider limited": (429, "providers_busy", "Every provider that could serve broken/limited"),
    "provider down": (502, "provider_failed", "No provider could serve broken/down"),
    "provider silent": (504, "provider_timeout", "in time"),
}


@pytest.mark.parametrize("how", ["", ", streamed"])
@pytest.mark.parametrize(("step", "expected"), ERRORS.items(), ids=ERRORS)
def test_errors_are_told_in_words_and_never_tried_again_for_ever(error, value, step, expected, how) -> None:
    status, code, words = expected
    raised = error(step + how)
    assert raised["class"] == "InferenceClientProviderApiError"
    assert raised["message"].startswith("Failed to perform inference: ")
    assert words in raised["message"]
    assert (raised["status"], raised["said"]["code"]) == (status, code)
    assert raised["said"]["fix"]
    assert raised["requestId"] == raised["said"]["request_id"]
    assert value(f"{step}{how}: sent") == [CHAT, str(status)]


def test_a_stream_that_breaks_says_why(error) -> None:
    raised = error("broken midway")
    assert raised["class"] == "InferenceClientProviderApiError"
    assert "practice-swift could not finish the answer" in raised["message"]


def test_a_provider_that_does_not_run_the_model_is_named_by_the_client_itself(error, value) -> None:
    assert "inference provider information for model meta/llama" in error("unmapped model")["message"]
    assert value("unmapped model: sent") == []


def test_a_model_that_nobody_lists_is_a_hub_error_in_words(error) -> None:
    raised = error("unlisted model")
    assert raised["class"] == "InferenceClientHubApiError"
    assert raised["status"] == 404
    assert raised["message"].endswith("for model nobody/nothing: Repository not found")


# The Hub.


def test_who_am_i(value, error) -> None:
    assert value("who")["type"] == "user"
    assert value("who")["auth"]["accessToken"]["role"] == "write"
    assert (value("who")["canPay"], value("who")["billingMode"]) == (True, "prepaid")
    [org] = [one for one in value("who")["orgs"] if one["name"] == "some-org"]
    assert (org["type"], org["canPay"], org["roleInOrg"]) == ("org", True, "admin")
    weak = value("who weak")["auth"]["accessToken"]
    assert (weak["role"], weak["fineGrained"]["global"]) == ("fineGrained", ["user.billing.read"])
    unknown = error("who unknown")
    assert (unknown["class"], unknown["status"]) == ("HubApiError", 401)
    assert unknown["message"].startswith("The token is malformed")
    assert unknown["requestId"].startswith("req_")


def test_a_model_and_the_models_of_a_provider(value, error) -> None:
    info = value("model info")
    assert (info["name"], info["task"]) == (MODEL, "text-generation")
    mapping = {row["provider"]: row for row in info["inferenceProviderMapping"]}
    assert mapping["practice-swift"]["providerId"] == "gpt-oss-120b"
    assert mapping["together"]["status"] == "live"
    assert value("models") == [MODEL, "Qwen/Qwen3.5-9B"]
    missing = error("no model info")
    assert (missing["class"], missing["status"]) == ("HubApiError", 404)
    assert missing["message"].startswith("Repository not found")
