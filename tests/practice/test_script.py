"""Scripts are values: cut, stretched and reworded without a wire."""

from dataclasses import replace

import pytest

from waypost.practice.script import SSE, End, Head, Script, duration, event, reworded, whole

FINISH = b'data: {"choices":[{"finish_reason":"stop"}]}\n\n'
STREAM = Script((b"a", b"b", b"c", FINISH, b"usage"), streamed=True, headers=SSE)


def test_a_cut_comes_before_the_finish_at_the_latest():
    assert STREAM.upto(2).frames == (b"a", b"b")
    assert STREAM.upto(99).frames == (b"a", b"b", b"c")
    assert STREAM.upto(0).frames == ()
    assert Script((b"0123456789",)).upto(5).frames == (b"01234",)


def test_a_frame_is_put_before_the_finish_at_the_latest():
    assert STREAM.with_frame(1, b"x").frames[1] == b"x"
    assert STREAM.with_frame(99, b"x").frames[3:5] == (b"x", FINISH)


def test_the_waits_before_each_frame_and_the_end():
    script = replace(STREAM, first_seconds=3, every_seconds=2, waits={1: 0.5, 5: 7})
    assert [script.wait_before(number) for number in range(6)] == [3, 2.5, 2, 2, 2, 7]


@pytest.mark.parametrize(
    "change",
    [
        {"end": End.CLOSE},
        {"head": Head.AT_ONCE},
        {"first_seconds": 1},
        {"every_seconds": 1},
        {"waits": {0: 1}},
        {"apart": True},
        {"prelude": b"x"},
    ],
)
def test_a_script_with_anything_to_wait_for_is_not_instant(change):
    assert STREAM.instant
    assert not replace(STREAM, **change).instant


def test_only_json_is_reworded():
    def drop(value):
        del value["a"]

    assert reworded(event({"a": 1, "b": 2}), drop) == event({"b": 2})
    assert reworded(b'{"a":1}', drop) == b"{}"
    for untouched in (b"data: [DONE]\n\n", b": comment\n\n", b"<html>", b'data: {"a":\n\n'):
        assert reworded(untouched, drop) == untouched


@pytest.mark.parametrize("argument", ["", "x", "-1", "1.5", "99999999999999"])
def test_a_size_is_a_whole_number_within_reason(argument):
    with pytest.raises(ValueError):
        whole(argument)


def test_seconds_may_be_for_ever_but_not_less_than_nothing():
    assert duration("inf") == float("inf")
    for argument in ("-0.1", "nan", ""):
        with pytest.raises(ValueError):
            duration(argument)
