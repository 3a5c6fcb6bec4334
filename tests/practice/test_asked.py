"""What is read of a request, and what is refused as real providers refuse it."""

import pytest
from practiceclient import understood

from waypost.practice.answers import answer
from waypost.practice.asked import BadAsk, Form, read

TOOL = {"type": "function", "function": {"name": "get_weather"}}


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
        ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "nobody"}}}, "tool_choice"),
        ({"response_format": {"type": "regex", "value": "(?=x)"}}, "response_format"),
    ],
)
def test_a_bad_field_is_named(fields, param):
    with pytest.raises(BadAsk) as caught:
        answer(understood("hello", **fields))
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


def test_text_and_images_are_read_from_parts():
    picture = {"type": "image_url", "image_url": "data:,x"}
    asked = understood([{"type": "text", "text": "one"}, picture, {"type": "text", "text": "two"}])
    assert (asked.prompt, asked.images) == ("one\ntwo", 1)


def test_fields_that_nobody_reads_are_no_trouble():
    asked = understood("hello", store=True, user="me", metadata={"a": [1]}, top_p=0.5, logit_bias=None)
    assert asked.prompt == "hello"


@pytest.mark.parametrize(
    ("wanted", "form"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, Form(None)),
        ({"type": "json_object", "value": {"type": "integer"}}, Form({"type": "integer"})),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": True}}, Form(True)),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, Form(None)),
        ({"type": "regex", "value": "a+"}, Form(None, "a+")),
    ],
)
def test_every_shape_of_a_response_format_is_understood(wanted, form):
    assert understood("hello", response_format=wanted).form == form


def test_null_means_not_said():
    asked = understood("hello", stream=None, stop=None, n=None, tools=None, stream_options=None)
    assert (asked.stops, asked.wants_usage, asked.output_tokens_max) == ((), False, None)
