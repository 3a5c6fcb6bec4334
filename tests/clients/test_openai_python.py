"""The official `openai` package for Python, as it is published, against a running Waypost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from waypost_process import Waypost

MODEL = "openai/gpt-oss-120b"
PARROT = "practice/parrot:practice-swift"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
        },
    },
}


class Parcel(BaseModel):
    """What a structured answer is asked for in."""

    sender: str
    weight_grams: int
    speed: Literal["slow", "express"]
    stamps: list[str]


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


OK = say("Reply with exactly OK")


@pytest.fixture
def client(router: Waypost) -> Iterator[OpenAI]:
    with OpenAI(base_url=router.api, api_key=router.token, max_retries=0) as made:
        yield made


# What there is.


def test_models_are_listed_with_what_hugging_face_tells_of_them(client) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {MODEL, "Qwen/Qwen3.5-9B", "practice/parrot"} <= models.keys()
    model = models[MODEL]
    assert (model.object, model.owned_by) == ("model", "openai")
    assert isinstance(model.created, int)
    rows = {row["provider"]: row for row in model.model_extra["providers"]}
    assert rows["together"]["callable"] is True
    assert rows["together"]["pricing"] == {"input": 0.15, "output": 0.6}


def test_a_model_is_retrieved_though_the_slash_in_its_id_is_escaped(client) -> None:
    heard: list[Any] = []
    with OpenAI(base_url=client.base_url, api_key=client.api_key) as listening:
        listening._client.event_hooks["request"].append(heard.append)
        assert listening.models.retrieve(MODEL).id == MODEL
    assert heard[0].url.raw_path == b"/v1/models/openai%2Fgpt-oss-120b"


def test_a_model_that_is_not_there_is_a_not_found_error_with_the_nearest_ids(client) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("openai/gpt-oss-120")
    assert caught.value.code == "model_not_found"
    assert MODEL in caught.value.body["fix"]


# Conversations.


def test_a_conversation_is_a_chat_completion_and_its_request_id_finds_its_waybill(client, router) -> None:
    raw = client.chat.completions.with_raw_response.create(model=f"{MODEL}:fastest", messages=OK, max_tokens=8)
    completion = raw.parse()
    assert completion.object == "chat.completion"
    assert completion.model == MODEL
    assert isinstance(completion.created, int)
    assert completion.choices[0].message.content == "OK"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion._request_id == raw.headers["x-request-id"]
    bill = router.waybill(completion._request_id)
    assert (bill["id"], bill["outcome"], bill["status"]) == (completion._request_id, "delivered", 200)
    assert (bill["model"], bill["policy"], bill["stream"]) == (MODEL, "fastest", False)
    assert bill["charge_nano_usd"] == int(raw.headers["x-waypost-cost-nano-usd"]) > 0
    assert bill["usage"]["output"] == completion.usage.completion_tokens
    # Who is fastest is measured, and other tests have measured too.
    assert [attempt["provider"] for attempt in bill["attempts"]] == [raw.headers["x-inference-provider"]]
    assert bill["plan"]["order"][0] == raw.headers["x-inference-provider"]


def test_a_stream_arrives_word_by_word_and_without_usage_where_none_was_asked(client, router) -> None:
    raw = client.chat.completions.with_raw_response.create(model=PARROT, messages=say("Count to 5"), stream=True)
    chunks = list(raw.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "1, 2, 3, 4, 5"
    assert len(chunks) > 5
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [chunk for chunk in chunks if chunk.usage is not None] == []
    assert {(chunk.object, chunk.model) for chunk in chunks} == {("chat.completion.chunk", "practice/parrot")}
    bill = router.waybill(raw.headers["x-request-id"])
    assert (bill["outcome"], bill["usage"]["output"], bill["usage"]["estimated"]) == (
        "delivered",
        len(chunks) - 2,
        False,
    )


def test_usage_is_one_last_chunk_without_choices_where_it_was_asked_and_says_the_cost(client, router) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=PARROT, messages=say("Count to 5"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(raw.parse())
    assert [len(chunk.choices) for chunk in chunks] == [1] * (len(chunks) - 1) + [0]
    assert [chunk for chunk in chunks[:-1] if chunk.usage is not None] == []
    usage = chunks[-1].usage
    assert usage.completion_tokens == len(chunks) - 3
    bill = router.waybill(raw.headers["x-request-id"])
    assert usage.model_extra["cost_nano_usd"] == bill["charge_nano_usd"] > 0


def test_the_stream_helper_puts_a_whole_completion_together(client) -> None:
    with client.chat.completions.stream(
        model=PARROT, messages=say("Count to 5"), stream_options={"include_usage": True}
    ) as stream:
        said = "".join(event.delta for event in stream if event.type == "content.delta")
        whole = stream.get_final_completion()
    assert said == whole.choices[0].message.content == "1, 2, 3, 4, 5"
    assert whole.usage.completion_tokens > 0


@pytest.mark.parametrize(("provider", "bills_on"), [("practice-swift", False), ("practice-thrifty", True)])
def test_who_stops_listening_has_left_and_pays_what_the_provider_bills(client, router, provider, bills_on) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=f"practice/parrot:{provider}", messages=say("Write 500 words about rain"), stream=True
    )
    stream = raw.parse()
    next(iter(stream))
    stream.close()
    bill = router.waybill_soon(raw.headers["x-request-id"])
    assert bill["outcome"] == "left"
    assert (bill["usage"]["output"] > 400) is bills_on
    assert bill["usage"]["estimated"] is not bills_on
    assert bill["charge_nano_usd"] > 0


# Tools, forms, images, thoughts.


def test_a_tool_is_called_and_its_result_is_taken_up(client) -> None:
    messages = say("What is the weather in Paris, in celsius?")
    asked = client.chat.completions.create(model=PARROT, messages=messages, tools=[WEATHER])
    choice = asked.choices[0]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris", "unit": "celsius"}
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees and dry"}]
    told = client.chat.completions.create(model=PARROT, messages=messages, tools=[WEATHER])
    assert told.choices[0].message.content == "get_weather answered 18 degrees and dry."


def test_several_tool_calls_are_streamed_in_pieces(client) -> None:
    with client.chat.completions.stream(
        model=PARROT, messages=say("What is the weather like in Paris and in Oslo?"), tools=[WEATHER]
    ) as stream:
        kinds = [event.type for event in stream]
        choice = stream.get_final_completion().choices[0]
    assert kinds.count("tool_calls.function.arguments.delta") > 2
    assert [json.loads(call.function.arguments)["city"] for call in choice.message.tool_calls] == ["Paris", "Oslo"]
    assert choice.finish_reason == "tool_calls"


def test_tools_may_be_forced_and_forbidden(client) -> None:
    forced: Any = {"type": "function", "function": {"name": "get_weather"}}
    ask: Any = {"model": PARROT, "messages": say("Tell me a story"), "tools": [WEATHER], "parallel_tool_calls": False}
    made = client.chat.completions.create(**ask, tool_choice=forced).choices[0].message
    assert [call.function.name for call in made.tool_calls] == ["get_weather"]
    assert client.chat.completions.create(**ask, tool_choice="none").choices[0].message.tool_calls is None


def test_a_structured_answer_is_parsed_into_the_callers_own_type(client) -> None:
    ask = say("A parcel from Ada of 250 grams, by express")
    completion = client.chat.completions.parse(model=PARROT, messages=ask, response_format=Parcel)
    parcel = completion.choices[0].message.parsed
    assert isinstance(parcel, Parcel)
    assert (parcel.weight_grams, parcel.speed) == (250, "express")


def test_a_structured_answer_is_parsed_from_a_stream_too(client) -> None:
    ask = say("A parcel from Ada of 250 grams, by express")
    with client.chat.completions.stream(model=PARROT, messages=ask, response_format=Parcel) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Parcel)


def test_images_reach_a_model_that_sees_and_no_other(client, router) -> None:
    parts = [
        {"type": "text", "text": "What is in these?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    raw = client.chat.completions.with_raw_response.create(
        model="practice/painter:cheapest", messages=[{"role": "user", "content": parts}]
    )
    assert raw.parse().choices[0].message.content.startswith("I saw 2 images.")
    excluded = {
        row["provider"]: row["reason"] for row in router.waybill(raw.headers["x-request-id"])["plan"]["excluded"]
    }
    assert excluded == {"practice-thrifty": "no_image_input"}


@pytest.mark.parametrize(
    ("provider", "field"), [("practice-swift", "reasoning"), ("practice-thrifty", "reasoning_content")]
)
def test_thoughts_keep_the_name_their_provider_gives_them(client, provider, field) -> None:
    model = f"practice/parrot:{provider}"
    whole = client.chat.completions.create(model=model, messages=OK, reasoning_effort="minimal")
    thoughts = whole.choices[0].message.model_extra[field]
    assert thoughts.startswith("The question is about")
    assert whole.choices[0].message.content == "OK"
    assert whole.usage.completion_tokens_details.reasoning_tokens > 0
    stream = client.chat.completions.create(model=model, messages=OK, reasoning_effort="minimal", stream=True)
    streamed = [(chunk.choices[0].delta.model_extra or {}).get(field) or "" for chunk in stream]
    assert "".join(streamed) == thoughts


def test_several_choices_come_whole_and_streamed(client) -> None:
    whole = client.chat.completions.create(model=PARROT, messages=say("Hello"), n=3)
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    with client.chat.completions.stream(model=PARROT, messages=say("Hello"), n=3) as stream:
        streamed = stream.get_final_completion()
    assert [choice.message.content for choice in streamed.choices] == [c.message.content for c in whole.choices]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_an_answer_is_as_long_as_was_asked(client, field) -> None:
    cut = client.chat.completions.create(model=PARROT, messages=say("Count to 100"), **{field: 3})
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 3


def test_every_other_field_is_taken(client) -> None:
    completion = client.chat.completions.create(
        model=PARROT,
        messages=[{"role": "developer", "content": "Be brief."}, *say("Count to 9")],
        stop=["5"],
        seed=7,
        temperature=0.2,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.1,
        logit_bias={"50256": -100},
        store=False,
        metadata={"purpose": "test"},
        user="somebody",
        prompt_cache_key="key",
        service_tier="auto",
        extra_body={"repetition_penalty": 1.1, "chat_template_kwargs": {"thinking": False}},
    )
    assert completion.choices[0].message.content == "1, 2, 3, 4, "


# Refusals and failures: the class that a program catches, the code it asks for, a sentence for a person.


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("wp_" + "a" * 33, "token_malformed"),
        ("{token}  # mine", "token_malformed"),
        ("'{token}'", "token_malformed"),
        ("Bearer {token}", "token_malformed"),
        ("sk-something-else", "token_malformed"),
    ],
)
def test_a_spoilt_token_is_an_authentication_error_that_says_what_is_wrong(router, token, code) -> None:
    shown = token.format(token=router.token)
    with (
        OpenAI(base_url=router.api, api_key=shown, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model=MODEL, messages=OK)
    assert caught.value.code == code
    assert caught.value.body["fix"]
    assert router.token not in str(caught.value)


def test_a_revoked_token_is_told_apart_from_one_that_never_was(router) -> None:
    made = router.ask("POST", "/api/settings/tokens", json={"name": "short-lived"}).json()
    with OpenAI(base_url=router.api, api_key=made["secret"], max_retries=0) as client:
        assert client.chat.completions.create(model=PARROT, messages=OK).choices
        assert router.ask("DELETE", f"/api/settings/tokens/{made['id']}").is_success
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model=PARROT, messages=OK)
    assert caught.value.code == "token_revoked"


def test_a_token_without_the_permission_is_a_permission_error_that_names_it(router) -> None:
    token = router.new_token(kind="fineGrained", permissions=["user.billing.read"])
    with (
        OpenAI(base_url=router.api, api_key=token, max_retries=0) as client,
        pytest.raises(openai.PermissionDeniedError) as caught,
    ):
        client.chat.completions.create(model=MODEL, messages=OK)
    assert caught.value.code == "scope_missing"
    assert "inference.serverless.write" in str(caught.value)
    assert router.waybill(caught.value.request_id)["code"] == "scope_missing"


BAD_REQUESTS = [
    ({"model": "openai/gpt-oss-12b"}, "model_not_found", "model", "openai/gpt-oss-120b"),
    ({"model": f"{MODEL}:fastset"}, "unknown_policy", "model", "fastest"),
    ({"model": f"{MODEL}:groq"}, "model_not_supported", "model", "groq"),
    ({"model": "practice/clerk:practice-thrifty", "tools": [WEATHER]}, "model_not_supported", "model", "tools"),
    ({"messages": []}, "invalid_request", "messages", "list"),
    ({"max_tokens": 0}, "invalid_request", "max_tokens", "at least 1"),
    ({"messages": say("word " * 600_000)}, "context_too_long", "messages", "too long"),
    ({"extra_body": {"reasoning_effort": "enormous"}}, "invalid_request", "reasoning_effort", "enormous"),
]


@pytest.mark.parametrize(
    ("changes", "code", "param", "words"), BAD_REQUESTS, ids=[f"{r[1]}-{r[3]}" for r in BAD_REQUESTS]
)
def test_a_wrong_request_is_a_bad_request_error_with_its_reason(client, router, changes, code, param, words) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": MODEL, "messages": OK, **changes})
    error = caught.value
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert words in str(error)
    assert error.request_id == error.body["request_id"]
    bill = router.waybill(error.request_id)
    assert (bill["status"], bill["code"]) == (400, code)
    assert bill["outcome"] == ("failed" if param == "reasoning_effort" else "refused")


def test_what_a_provider_cannot_process_keeps_its_status(client) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model="broken/strict", messages=OK)
    assert "practice fault" in str(caught.value)


def test_the_limit_of_a_token_is_a_rate_limit_error_that_says_how_long(router) -> None:
    token = router.new_token(limits={"requests_per_minute": 1})
    with OpenAI(base_url=router.api, api_key=token, max_retries=0) as client:
        first = client.chat.completions.with_raw_response.create(model=PARROT, messages=OK)
        assert '"requests";r=0' in first.headers["ratelimit"]
        with pytest.raises(openai.RateLimitError) as caught:  # noqa: PT012 (see below)
            for _ in range(2):  # a minute may have begun since the first; it does not begin twice
                client.chat.completions.create(model=PARROT, messages=OK)
    assert caught.value.code == "rate_limited"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


def test_a_provider_at_its_limit_is_a_rate_limit_error_with_its_wait(client, router) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="broken/limited", messages=OK)
    assert caught.value.code == "providers_busy"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 7
    assert router.waybill(caught.value.request_id)["status"] == 429


@pytest.mark.parametrize(
    ("model", "status", "code", "words"),
    [
        ("broken/down", 502, "provider_failed", "answered 500"),
        ("broken/key", 502, "provider_refused_key", "Your token is fine"),
        ("broken/silent", 504, "provider_timeout", "in time"),
    ],
)
def test_a_failing_provider_is_an_internal_server_error_with_every_attempt(
    client, router, model, status, code, words
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=model, messages=OK)
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert words in json.dumps(error.body)
    bill = router.waybill(error.request_id)
    assert (bill["outcome"], bill["status"], bill["code"]) == ("failed", status, code)


def test_a_stream_that_breaks_raises_its_reason_after_the_words_that_came(client, router) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="broken/midway", messages=say("Count to 9"), stream=True
    )
    heard: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        heard.extend(chunk.choices[0].delta.content or "" for chunk in raw.parse())
    assert caught.value.code == "upstream_error"
    assert "practice-swift" in caught.value.message
    bill = router.waybill(raw.headers["x-request-id"])
    assert (bill["outcome"], bill["status"], bill["code"]) == ("failed", 200, "upstream_error")


# The same without waiting for each other.


def test_the_asynchronous_client_does_the_same_many_at_once(router, run) -> None:
    async def one(client: AsyncOpenAI, number: int) -> str:
        ask: Any = {"model": PARROT, "messages": say(f"echo: number {number}")}
        if number % 2:
            return (await client.chat.completions.create(**ask)).choices[0].message.content or ""
        stream = await client.chat.completions.create(**ask, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def together() -> list[str]:
        async with AsyncOpenAI(base_url=router.api, api_key=router.token, max_retries=0) as client:
            assert MODEL in [model.id async for model in client.models.list()]
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(one(client, number)) for number in range(20)]
            with pytest.raises(openai.BadRequestError, match="neither a policy nor a provider"):
                await client.chat.completions.create(model=f"{MODEL}:fastset", messages=OK)
        return [call.result() for call in calls]

    assert run(together()) == [f"number {number}" for number in range(20)]
