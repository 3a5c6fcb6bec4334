"""What practice models answer, worked out without a wire."""

import json
import re

import jsonschema_rs
import pytest

from waypost.practice.answers import answer
from waypost.practice.asked import BadAsk, read
from waypost.practice.words import count, pieces

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather at a place",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location", "unit"],
            "additionalProperties": False,
        },
    },
}
TIME = {"type": "function", "function": {"name": "local_time", "parameters": {"type": "object", "properties": {}}}}


def ask(prompt, **fields):
    messages = fields.pop("messages", [{"role": "user", "content": prompt}])
    return read(json.dumps({"model": "practice/parrot", "messages": messages, **fields}).encode())


def reply(prompt, **fields):
    return answer(ask(prompt, **fields))


def text(prompt, **fields):
    return "".join(reply(prompt, **fields).choices[0].content)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Reply with exactly OK", "OK"),
        ("reply with exactly: OK.", "OK"),
        ("Reply with exactly OK and nothing else.", "OK"),
        ("Please answer with just the word blue\nThanks", "blue"),
        ("Say exactly 'good morning' to me", "good morning"),
        ("Respond with only yes", "yes"),
        ("echo: žluťoučký  kůň 🦜\nline two", "žluťoučký  kůň 🦜\nline two"),
        ("echo:", ""),
        ("What is 12 * 12?", "12 * 12 = 144"),
        ("what is 1 / 0", "1 / 0 has no answer."),
        ("Count to 5 please", "1, 2, 3, 4, 5"),
    ],
)
def test_a_prompt_with_one_right_answer_gets_it(prompt, said):
    assert text(prompt) == said


def test_the_same_request_gets_the_same_words_and_another_seed_others():
    prompt = "How do I bake sourdough bread?"
    assert text(prompt) == text(prompt)
    assert len({text(prompt, seed=seed) for seed in range(12)}) > 1


def test_the_text_of_a_request_is_fixed_for_ever():
    assert text("How do I bake bread?") == (
        "Bake bread? bake bread! I like the sound of it. A parrot repeats what it hears, and I heard every word. "
        "I have turned it over twice and it is still bake bread. Shall I say it again?"
    )


def test_every_model_has_its_own_voice():
    said = {
        name: "".join(
            answer(
                read(json.dumps({"model": name, "messages": [{"role": "user", "content": "Tell me of rain"}]}).encode())
            )
            .choices[0]
            .content
        )
        for name in ("practice/parrot", "practice/sage", "practice/painter", "meta/llama")
    }
    assert len(set(said.values())) == 4


def test_asking_for_500_words_gives_500_words():
    assert len(text("Write 500 words about the sea").split()) == 500


def test_pieces_join_to_the_text_and_none_is_empty():
    for sample in ("", "  a b\n\nc!? ", "x" * 100, "žluť 🦜🦜", "\t\t", "a'b-c"):
        assert "".join(pieces(sample)) == sample
        assert all(pieces(sample))
        assert count(sample) == len(pieces(sample)) <= len(sample.encode())


def test_max_tokens_ends_the_answer_with_length():
    got = reply("Write 50 words", max_tokens=7)
    assert (len(got.choices[0].content), got.choices[0].finish, got.completion_tokens) == (7, "length", 7)


def test_max_completion_tokens_stands_before_max_tokens():
    assert reply("Write 50 words", max_tokens=7, max_completion_tokens=3).completion_tokens == 3


def test_an_answer_that_just_fits_ends_with_stop():
    assert reply("Reply with exactly OK", max_tokens=1).choices[0].finish == "stop"


def test_the_models_own_limit_holds_too():
    assert answer(ask("Write 50 words"), 5).completion_tokens == 5


def test_reasoning_uses_up_the_tokens_first():
    got = reply("Write 50 words", reasoning_effort="high", max_tokens=5)
    assert (len(got.choices[0].reasoning), got.choices[0].content, got.reasoning_tokens) == (5, [], 5)


def test_a_stop_sequence_ends_the_text_before_itself():
    assert text("count to 9", stop=["7", ", 5"]) == "1, 2, 3, 4"
    assert text("count to 3", stop="") == "1, 2, 3"


def test_n_choices_are_made_and_all_are_counted():
    got = reply("Tell me about owls", n=5)
    assert len(got.choices) == 5
    assert len({"".join(choice.content) for choice in got.choices}) > 1
    assert got.completion_tokens == sum(len(choice.content) for choice in got.choices)


def test_more_effort_means_more_reasoning():
    sizes = [
        reply("Tell me about owls", reasoning_effort=effort).reasoning_tokens
        for effort in ("none", "minimal", "low", "medium", "high", "xhigh")
    ]
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))


def test_reasoning_is_counted_within_the_completion():
    got = reply("Tell me about owls", reasoning_effort="low")
    assert got.completion_tokens == got.reasoning_tokens + len(got.choices[0].content)


def test_a_fitting_tool_is_called_with_arguments_of_its_schema():
    (call,) = reply("What's the weather in Paris?", tools=[TIME, WEATHER]).choices[0].calls
    assert call.name == "get_weather"
    arguments = json.loads(call.arguments)
    jsonschema_rs.validator_for(WEATHER["function"]["parameters"]).validate(arguments)
    assert arguments["location"] == "Paris"
    assert re.fullmatch("call_[0-9a-f]{24}", call.id)


def test_two_places_make_two_parallel_calls_unless_forbidden():
    prompt = "What's the weather in Paris and Rome?"
    calls = reply(prompt, tools=[WEATHER]).choices[0].calls
    assert [json.loads(call.arguments)["location"] for call in calls] == ["Paris", "Rome"]
    assert len({call.id for call in calls}) == 2
    assert len(reply(prompt, tools=[WEATHER], parallel_tool_calls=False).choices[0].calls) == 1


@pytest.mark.parametrize(
    ("prompt", "choice", "called"),
    [
        ("Tell me a joke", "auto", None),
        ("Tell me a joke", None, None),
        ("Tell me a joke", "required", "get_weather"),
        ("Tell me a joke", {"type": "function", "function": {"name": "local_time"}}, "local_time"),
        ("What's the weather in Paris?", "none", None),
        ("What's the weather in Paris?", "auto", "get_weather"),
    ],
)
def test_tool_choice_decides_whether_a_tool_is_called(prompt, choice, called):
    got = reply(prompt, tools=[WEATHER, TIME], tool_choice=choice).choices[0]
    assert [call.name for call in got.calls] == ([called] if called else [])
    assert got.finish == ("tool_calls" if called else "stop")


def test_a_tools_answer_is_told_and_no_tool_is_called_again():
    messages = [
        {"role": "user", "content": "What's the weather in Paris?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
    ]
    assert text("", messages=messages, tools=[WEATHER]) == "get_weather answered 18 degrees."


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}},
        {"type": "json_schema", "schema": SCHEMA},
        {"type": "json_object", "value": SCHEMA},
        {"type": "json", "value": SCHEMA},
    ],
    ids=["OpenAI", "Together", "huggingface_hub", "TGI"],
)
def test_structured_output_is_valid_in_every_shape_it_is_asked_for(form):
    made = json.loads(text("Describe Ada, who is 36", response_format=form))
    jsonschema_rs.validator_for(SCHEMA).validate(made)


def test_a_json_object_without_schema_holds_the_answer():
    assert json.loads(text("Reply with exactly OK", response_format={"type": "json_object"})) == {"answer": "OK"}


def test_a_regular_expression_is_matched():
    assert re.fullmatch(
        r"(\d{1,3}\.){3}\d{1,3}",
        text("An address?", response_format={"type": "regex", "value": r"(\d{1,3}\.){3}\d{1,3}"}),
    )


def test_images_are_counted_and_cost_tokens():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    message = {"role": "user", "content": [{"type": "text", "text": "Describe these castles"}, picture, picture]}
    got = reply("", messages=[message])
    assert "".join(got.choices[0].content).startswith("I saw 2 images.")
    assert got.prompt_tokens > 2 * 256


def test_earlier_turns_come_from_the_cache_in_whole_blocks():
    first = [{"role": "user", "content": "Tell me about whales and their songs in winter, if you please"}]
    later = [*first, {"role": "assistant", "content": "They sing. " * 10}, {"role": "user", "content": "Why?"}]
    assert reply("", messages=first).cached_tokens == 0
    got = reply("", messages=later)
    assert 0 < got.cached_tokens < got.prompt_tokens
    assert got.cached_tokens % 16 == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "8"}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"response_format": {"type": "poem"}}, "response_format.type"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "nobody"}}}, "tool_choice"),
        ({"response_format": {"type": "regex", "value": "(?=x)"}}, "response_format"),
    ],
)
def test_a_bad_field_is_named(fields, param):
    with pytest.raises(BadAsk) as caught:
        reply("hello", **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model":"a"}',
        b'\xff\xfe{"model"',
        b'{"model":"a","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"a","messages":[],"x":' + b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_request_is_refused(body):
    with pytest.raises(BadAsk):
        read(body)
