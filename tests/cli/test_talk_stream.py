"""Events of a stream, however they are cut, and what they come to."""

from __future__ import annotations

import json

import pytest

from waypost.cli.exits import Stop
from waypost.cli.router_calls import Router, Token
from waypost.cli.talk_stream import Answer, Piece, events, whole_answer
from waypost.cli.whereabouts import Destination

EVENTS = [{"n": 1, "text": "grüße"}, {"n": 2}, {"n": 3}]
STREAM = b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in EVENTS)
WHOLE = b": hello\n\n" + STREAM + b"data: [DONE]\n\n"


def reading(*pieces: bytes):
    waiting = list(pieces)
    return lambda: waiting.pop(0) if waiting else b""


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_events_are_the_same_wherever_the_stream_is_cut(size) -> None:
    pieces = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    assert list(events(reading(*pieces))) == EVENTS


def test_what_comes_after_the_end_is_not_looked_at() -> None:
    assert list(events(reading(WHOLE + b"data: nonsense\n\n"))) == EVENTS


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (STREAM, "before it was whole"),
        (b"", "before it was whole"),
        (b"data: {\n\n", "cannot be read"),
        (b"data: 3\n\n", "no object"),
        (b"data: " + b"x" * 2_000_000, "too long"),
    ],
)
def test_a_stream_that_is_broken_says_how(stream, said) -> None:
    with pytest.raises(Stop, match=said) as stopped:
        list(events(reading(stream)))
    assert stopped.value.code == 7


def test_words_thoughts_and_tools_are_told_apart() -> None:
    answer = Answer()
    delta = {"reasoning": "hm", "content": "yes", "refusal": None, "tool_calls": [{"id": "1"}]}
    assert answer.chosen({"delta": delta, "finish_reason": "stop"}) == [Piece("hm", thought=True), Piece("yes")]
    assert answer.chosen({"message": {"content": "whole"}, "finish_reason": None}) == [Piece("whole")]
    assert answer.chosen({"delta": {"content": ["no", "text"]}}) == []
    assert (answer.finish_reason, answer.tool_calls) == ("stop", [{"id": "1"}])


def test_speed_counts_from_the_first_word_on() -> None:
    answer = Answer()
    assert answer.tokens_per_s is None
    answer.counted({"completion_tokens": 30, "cost_nano_usd": 5})
    answer.first_word_ms, answer.ms = 100.0, 400.0
    assert answer.tokens_per_s == 100
    answer.counted(None)
    assert answer.cost_nano_usd == 5
    answer.ms = 100.2
    assert answer.tokens_per_s is None


def test_an_answer_that_did_not_come_took_its_time_too() -> None:
    answer = Answer()
    with pytest.raises(Stop):
        whole_answer(Router(Destination("http://127.0.0.1:1"), Token(None)), {}, answer, print)
    assert answer.ms > 0
