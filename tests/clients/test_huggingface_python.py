"""`huggingface_hub`: its inference client by address, by `auto` and by provider; its Hub client; the `hf` command.

The address of Hugging Face's router is a constant of the package, so the tests put ours in its place; that of the Hub
is `HF_ENDPOINT`, which the package reads once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import AsyncInferenceClient, HfApi, InferenceClient, close_session, constants
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.inference import _providers
from huggingface_hub.inference._providers import _common, hf_inference
from waypost_process import Waypost

MODEL = "openai/gpt-oss-120b"
PARROT = "practice/parrot"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PARCEL: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "parcel",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"sender": {"type": "string"}, "grams": {"type": "integer"}},
            "required": ["sender", "grams"],
            "additionalProperties": False,
        },
    },
}
PARCEL_SAID = "A parcel from Ada of 250 grams"


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


OK = say("Reply with exactly OK")
COUNT = say("Count to 5")


@pytest.fixture(autouse=True)
def _hosts_are_here(hub: Waypost, monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "INFERENCE_PROXY_TEMPLATE", hub.address + "/{provider}")
    monkeypatch.setattr(_providers.CONVERSATIONAL_AUTO_ROUTER, "base_url", hub.address)
    yield
    for kept in (_common._fetch_inference_provider_mapping, hf_inference._check_supported_task):
        kept.cache_clear()
    close_session()


@pytest.fixture(params=["by address", "auto", "no provider"])
def client(request, hub: Waypost) -> InferenceClient:
    if request.param == "by address":
        return InferenceClient(base_url=hub.api, api_key=hub.token)
    return InferenceClient(provider="auto" if request.param == "auto" else None, api_key=hub.token)


def text_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


# Conversations.


def test_a_conversation_and_a_stream(client) -> None:
    completion = client.chat_completion(OK, model=MODEL, max_tokens=8)
    assert completion.choices[0].message.content == "OK"
    assert completion.model == MODEL
    assert completion.usage.completion_tokens == 1
    assert (
        text_of(client.chat.completions.create(messages=COUNT, model=f"{MODEL}:cheapest", stream=True))
        == "1, 2, 3, 4, 5"
    )


def test_usage_comes_last_where_it_was_asked(client) -> None:
    chunks = list(client.chat_completion(COUNT, model=PARROT, stream=True, stream_options={"include_usage": True}))
    assert [chunk for chunk in chunks[:-1] if chunk.usage] == []
    assert chunks[-1].usage.completion_tokens > 0
    assert [chunk for chunk in client.chat_completion(COUNT, model=PARROT, stream=True) if chunk.usage] == []


def test_a_tool_is_called_whole_and_streamed(client) -> None:
    messages = say("What is the weather in Paris?")
    whole = client.chat_completion(messages, model=PARROT, tools=[WEATHER], tool_choice="auto")
    call = whole.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    told = client.chat_completion(
        [
            *messages,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": call.id, "type": "function", "function": call.function}],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"},
        ],
        model=PARROT,
        tools=[WEATHER],
    )
    assert told.choices[0].message.content == "get_weather answered 18 degrees."
    deltas = [
        chunk.choices[0].delta for chunk in client.chat_completion(messages, model=PARROT, tools=[WEATHER], stream=True)
    ]
    arguments = [one.function.arguments or "" for delta in deltas for one in delta.tool_calls or ()]
    assert json.loads("".join(arguments)) == {"city": "Paris"}


def test_structured_output_in_whichever_shape_the_package_writes_it(client) -> None:
    completion = client.chat_completion(say(PARCEL_SAID), model=PARROT, response_format=PARCEL)
    assert json.loads(completion.choices[0].message.content) == {"sender": "Ada", "grams": 250}


@pytest.mark.parametrize(
    ("provider", "model"), [("together", "Qwen/Qwen3.5-9B"), ("groq", "meta/llama"), ("hf-inference", "meta/llama")]
)
def test_a_provider_by_name_is_looked_up_and_asked_on_its_own_path(hub, provider, model) -> None:
    client = InferenceClient(provider=provider, api_key=hub.token)
    assert client.chat_completion(OK, model=model).choices[0].message.content == "OK"
    assert text_of(client.chat_completion(COUNT, model=model, stream=True)) == "1, 2, 3, 4, 5"
    parcel = client.chat_completion(say(PARCEL_SAID), model=model, response_format=PARCEL)
    assert json.loads(parcel.choices[0].message.content) == {"sender": "Ada", "grams": 250}
    newest = hub.ask("GET", f"/v1/requests?provider={provider}&limit=3").json()["data"]
    assert [bill["outcome"] for bill in newest] == ["delivered"] * 3
    assert {attempt["provider"] for bill in newest for attempt in bill["attempts"]} == {provider}


def test_who_is_to_pay_stands_in_the_waybill(hub) -> None:
    client = InferenceClient(
        provider="auto", api_key=hub.token, bill_to="another-org", headers={"X-HF-Session-Id": "s-17"}
    )
    client.chat_completion(OK, model=MODEL)
    bill = hub.ask("GET", "/v1/requests?session=s-17").json()["data"][0]
    assert bill["payer"] == {"type": "organisation", "name": "another-org"}
    assert bill["caller"]["session_tag"] == "s-17"


def test_the_asynchronous_client_does_the_same(hub, run) -> None:
    async def talk() -> tuple[str, str]:
        async with AsyncInferenceClient(base_url=hub.api, api_key=hub.token) as client:
            whole = await client.chat_completion(OK, model=MODEL)
            stream = await client.chat_completion(COUNT, model=MODEL, stream=True)
            words = [chunk.choices[0].delta.content or "" async for chunk in stream]
            with pytest.raises(BadRequestError, match="Did you mean 'fastest'"):
                await client.chat_completion(OK, model=f"{MODEL}:fastset")
            return whole.choices[0].message.content, "".join(words)

    assert run(talk()) == ("OK", "1, 2, 3, 4, 5")


# Refusals and failures.


def readable(error: HfHubHTTPError, words: str) -> None:
    """The reason is in what a person sees, in one line of its own, and not as a printed dictionary."""
    lines = [line for line in str(error).splitlines() if words in line]
    assert lines, str(error)
    assert "{'" not in str(error)
    assert error.request_id in str(error)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ("openai/gpt-oss-12b", 400, f"Did you mean {MODEL}?"),
        (f"{MODEL}:fastset", 400, "Did you mean 'fastest'?"),
        ("broken/limited", 429, "Every provider that could serve broken/limited"),
        ("broken/down", 502, "No provider could serve broken/down"),
        ("broken/key", 502, "this router's"),
        ("broken/silent", 504, "No provider answered for broken/silent in time"),
    ],
)
def test_errors_are_told_in_words(hub, client, model, status, words, stream) -> None:
    with pytest.raises(HfHubHTTPError) as caught:
        list(client.chat_completion(OK, model=model, stream=stream))
    assert caught.value.response.status_code == status
    assert isinstance(caught.value, BadRequestError) == (status == 400)
    readable(caught.value, words)
    assert hub.waybill(caught.value.request_id)["status"] == status


def test_a_missing_permission_is_said_in_the_403(hub) -> None:
    weak = hub.new_token(kind="fineGrained", permissions=["user.billing.read"])
    client = InferenceClient(base_url=hub.api, api_key=weak)
    with pytest.raises(HfHubHTTPError) as caught:
        client.chat_completion(OK, model=MODEL)
    assert caught.value.response.status_code == 403
    readable(caught.value, "403 Forbidden: This token does not have sufficient permissions")


def test_a_spoilt_token_is_a_401_that_says_what_is_wrong(hub) -> None:
    client = InferenceClient(base_url=hub.api, api_key=hub.token[:-1])
    with pytest.raises(HfHubHTTPError) as caught:
        client.chat_completion(OK, model=MODEL)
    assert caught.value.response.status_code == 401
    readable(caught.value, "malformed")


def test_a_stream_that_breaks_raises_its_reason(hub) -> None:
    client = InferenceClient(base_url=hub.api, api_key=hub.token)
    stream = client.chat_completion(COUNT, model="broken/midway", stream=True)
    with pytest.raises(Exception, match="practice-swift could not finish the answer"):
        list(stream)


def test_a_provider_that_does_not_run_the_model_is_named_by_the_client_itself(hub) -> None:
    client = InferenceClient(provider="together", api_key=hub.token)
    with pytest.raises(ValueError, match=r"meta/llama is not supported by provider together"):
        client.chat_completion(OK, model="meta/llama")


# The Hub.


def test_who_am_i(hub) -> None:
    me = HfApi().whoami(token=hub.token)
    assert (me["type"], me["name"]) == ("user", hub.running.user)
    assert me["auth"]["accessToken"]["role"] == "write"
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as caught:
        HfApi().whoami(token=hub.token[:-1])
    assert caught.value.response.status_code == 401


def test_who_can_pay_and_for_which_organisation_a_token_is_good(hub) -> None:
    me = HfApi().whoami(token=hub.token)
    assert (me["canPay"], me["isPro"], me["billingMode"]) == (True, False, "prepaid")
    assert me["periodEnd"] > datetime.now(UTC).timestamp()
    [org] = [one for one in me["orgs"] if one["name"] == "some-org"]
    assert (org["type"], org["roleInOrg"], org["canPay"]) == ("org", "admin", True)
    assert org["periodEnd"] == me["periodEnd"]
    scoped = [{"entity": {"type": "org", "name": "some-org"}, "permissions": ["inference.serverless.write"]}]
    token = HfApi().whoami(token=hub.new_token(scoped=scoped))["auth"]["accessToken"]["fineGrained"]
    assert token["global"] == []
    assert token["scoped"] == [
        {
            "entity": {"_id": org["id"], "type": "org", "name": "some-org"},
            "permissions": ["inference.serverless.write"],
        }
    ]


def test_a_model_tells_who_runs_it_in_the_callers_own_order(hub) -> None:
    def providers() -> list[str]:
        info = HfApi(token=hub.token).model_info(MODEL, expand=["inferenceProviderMapping"])
        return [row.provider for row in info.inference_provider_mapping]

    assert providers() == ["practice-swift", "practice-thrifty", "together"]
    preferences = "/api/settings/inference-providers"
    assert hub.ask("PUT", preferences, json={"order": ["together"], "disabled": ["practice-thrifty"]}).is_success
    try:
        assert providers() == ["together", "practice-swift"]
    finally:
        hub.ask("PUT", preferences, json={"order": [], "disabled": []})


def test_models_are_listed_by_provider(hub) -> None:
    found = HfApi().list_models(inference_provider="together", expand=["inferenceProviderMapping"], limit=10)
    assert [model.id for model in found] == [MODEL, "Qwen/Qwen3.5-9B"]
    assert HfApi().model_info(MODEL).pipeline_tag == "text-generation"


def test_a_model_that_nobody_lists_is_a_missing_repository(hub) -> None:
    with pytest.raises(RepositoryNotFoundError) as caught:
        HfApi().model_info("nobody/nothing")
    assert caught.value.response.status_code == 404


def hf(hub: Waypost, *arguments: str, token: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "hf"), *arguments]
    variables = {"HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HUB_DISABLE_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    environ = {**os.environ, **variables}  # noqa: TID251 (for the command)
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_hf_auth_whoami_names_the_user(hub) -> None:
    done = hf(hub, "auth", "whoami", "--format", "json", token=hub.token)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user"] == hub.running.user


def test_hf_auth_whoami_refuses_a_spoilt_token_by_naming_its_source(hub) -> None:
    done = hf(hub, "auth", "whoami", token=hub.token[:-1])
    assert done.returncode != 0
    assert "HF_TOKEN" in done.stdout + done.stderr


def test_hf_models_ls_lists_what_a_provider_runs(hub) -> None:
    arguments = ["--inference-provider", "together", "--expand", "inferenceProviderMapping", "--format", "json"]
    done = hf(hub, "models", "ls", *arguments, token=hub.token)
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in json.loads(done.stdout)] == [MODEL, "Qwen/Qwen3.5-9B"]
