"""Whole answers: limits, choices, reasoning, structured output, and what they count."""

import json
import re

import jsonschema_rs
import pytest
from practiceclient import understood

from waypost.practice.answers import answer


def reply(prompt, **fields):
    return answer(understood(prompt, **fields))


def text(prompt, **fields):
    return "".join(answer(understood(prompt, **fields)).choices[0].content)


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def test_max_tokens_ends_the_answer_with_length():
    got = reply("Write 50 words", max_tokens=7)
    assert (len(got.choices[0].content), got.choices[0].finish, got.completion_tokens) == (7, "length", 7)


def test_max_completion_tokens_stands_before_max_tokens():
    assert reply("Write 50 words", max_tokens=7, max_completion_tokens=3).completion_tokens == 3


def test_an_answer_that_just_fits_ends_with_stop():
    assert reply("Reply with exactly OK", max_tokens=1).choices[0].finish == "stop"


def test_the_models_own_limit_holds_too():
    assert answer(understood("Write 50 words"), 5).completion_tokens == 5


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
