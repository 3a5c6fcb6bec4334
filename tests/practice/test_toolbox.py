"""Which tool is called, how often, and with which arguments."""

import json
import re

import jsonschema_rs
import pytest
from practiceclient import understood

from waypost.practice.answers import answer

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


def reply(prompt, **fields):
    return answer(understood(prompt, **fields))


def text(prompt, **fields):
    return "".join(answer(understood(prompt, **fields)).choices[0].content)


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


def test_a_tool_without_parameters_is_called_with_an_empty_object():
    tool = {"type": "function", "function": {"name": "local_time"}}
    (call,) = reply("What is the local time?", tools=[tool]).choices[0].calls
    assert call.arguments == "{}"


def test_tokens_that_run_out_cut_the_arguments_as_they_do_with_real_models():
    choice = reply("What's the weather in Paris?", tools=[WEATHER], max_tokens=8).choices[0]
    (call,) = choice.calls
    assert choice.finish == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(call.arguments)
