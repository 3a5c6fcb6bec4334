"""Frames are cut without changing a byte."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.wire.sse import FRAME_BYTES_MAX, FrameCutter, FrameTooLong, frame_end, payload, split_frames


def frame(text: str = "hi", **more: object) -> bytes:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def cut_everywhere(stream: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted(rng.sample(range(len(stream)), min(len(stream), rng.randint(0, 12))))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


ENDS = ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n"]


@given(st.lists(st.tuples(st.text(), st.sampled_from(ENDS)), max_size=8), st.randoms(use_true_random=False))
def test_whatever_the_cuts_the_bytes_come_out_as_they_went_in(events: list, rng: random.Random) -> None:
    stream = b"".join(b"data: " + json.dumps(text).encode() + end.encode() for text, end in events)
    cutter = FrameCutter()
    out = b"".join(cutter.feed(piece) for piece in cut_everywhere(stream, rng) if piece)
    assert out + cutter.rest() == stream


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=6))
def test_a_run_splits_into_its_frames_and_joins_again(ends: list) -> None:
    run = b"".join(b'data: {"n":%d}' % n + end.encode() for n, end in enumerate(ends))
    frames = split_frames(run)
    assert b"".join(frames) == run
    assert [payload(f) for f in frames] == [b'{"n":%d}' % n for n in range(len(ends))]


def test_a_frame_is_handed_on_as_soon_as_its_blank_line_is_here() -> None:
    cutter = FrameCutter()
    assert cutter.feed(b"data: 1\n") == b""
    assert cutter.feed(b"\ndata: 2") == b"data: 1\n\n"
    assert cutter.feed(b"\r\n\r\n") == b"data: 2\r\n\r\n"


def test_a_frame_that_comes_byte_by_byte_is_handed_on_when_it_is_whole() -> None:
    cutter = FrameCutter()
    event = frame()
    assert [cutter.feed(event[at : at + 1]) for at in range(len(event))] == [b""] * (len(event) - 1) + [event]


def test_a_frame_above_the_limit_is_refused() -> None:
    cutter = FrameCutter()
    with pytest.raises(FrameTooLong):
        cutter.feed(b"data: " + b"x" * (FRAME_BYTES_MAX + 1))


def test_a_frame_above_the_limit_is_refused_also_when_its_end_comes_with_what_exceeds_it() -> None:
    cutter = FrameCutter()
    assert cutter.feed(b"data: " + b"x" * (FRAME_BYTES_MAX - 100)) == b""
    with pytest.raises(FrameTooLong):
        cutter.feed(b"x" * 100 + b"\n\n" + frame())


def test_many_small_frames_may_come_at_once() -> None:
    many = frame() * (2 * FRAME_BYTES_MAX // len(frame()))
    assert FrameCutter().feed(many) == many


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b"event: error\ndata: x\n\n", b"x"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data: a\r\ndata: b\r\n\r\n", b"a\nb"),
        (b": ping\n\n", None),
        (b"id: 7\n\n", None),
        (b"data\n\n", b""),
    ],
)
def test_the_payload_of_an_event_is_read_as_the_standard_says(raw: bytes, text: bytes | None) -> None:
    assert payload(raw) == text


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"])
def test_a_frame_ends_with_its_blank_line_or_with_the_run(line: bytes) -> None:
    run = b"data: a" + line * 2 + b"data: b" + line * 2 + b"data: c"
    first = frame_end(run, 0)
    second = frame_end(run, first)
    assert [run[:first], run[first:second]] == split_frames(run)[:2]
    assert frame_end(run, second) == len(run)
