"""Plain frames are told from those that need a look, and nothing unreadable passes among them."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.wire.foreign_json import without_halves
from waypost.wire.sse import split_frames
from waypost.wire.sse_plain import LESSONS_MAX, REST_BYTES_MAX, PlainFrames

KEYS = ("content", "text", "reasoning", "reasoning_content", "arguments", "model", "role")
TEXTS = (
    "",
    "hi",
    'a "quoted" word',
    "line\n\ttab \\",
    "grüße 你好",
    "🚂",
    '"content":"',
    '":"',
    "}\n\ndata: {",
    "usage",
)
HALF = b'"\\ud83d"'


def frame(text: str = "hi", key: str = "content", **more: object) -> bytes:
    return written(
        {"id": "c", "choices": [{"index": 0, "delta": {"role": "x", key: text}, "finish_reason": None}], **more}
    )


def written(event: object, *, ascii_only: bool = False) -> bytes:
    return b"data: " + json.dumps(event, separators=(",", ":"), ensure_ascii=ascii_only).encode() + b"\n\n"


def plain(run: bytes, known: PlainFrames | None = None) -> int:
    """How many frames a run has, when all are plain; else 0."""
    frames, end = (known or PlainFrames()).leading(run)
    return frames if end == len(run) else 0


def needs_no_look(one: bytes) -> bool:
    """The same by the book, for one frame."""
    if not one.startswith(b"data: ") or one.count(b"\n") != 2 or b"\r" in one:
        return False
    try:
        event = json.loads(without_halves(one[6:]).decode())
    except ValueError:
        return False
    if not isinstance(event, dict):
        return False
    choices = event.get("choices") or []
    ends = any(choice.get("finish_reason") is not None for choice in choices)
    return event.get("usage") is None and event.get("error") is None and not ends


SPECIAL = [
    b"data: [DONE]\n\n",
    b": comment\n\n",
    frame(usage={"prompt_tokens": 1}),
    frame(error={"message": "no"}),
    frame(error={"content": "no"}),
    frame().replace(b'"finish_reason":null', b'"finish_reason":"stop"'),
    frame().replace(b'"finish_reason":null', b'"\\u0066inish_reason":"stop"'),
    frame().replace(b'"id":"c"', b'"\\u0075sage" : {"text":"hi"}'),
    b'data: {"choices":[{"finish_reason":"stop"}]}\n\n',
    b'data: {"choices": [garbage}\n\n',
    b'data: {"choices":"\xff\xfe"}\n\n',
    frame().replace(b"hi", b"h\xffi"),
    frame("é").replace(b"\xc3\xa9", b"\xc3"),
    frame().replace(b"hi", b"h\x01i"),
    frame().replace(b",", b",\r"),
    frame().replace(b",", b",\n"),
    frame().replace(b"}\n", b"}\r\n"),
    frame().replace(b"hi", b'h"i'),
    frame().replace(b"hi", b"h\\i"),
    frame().replace(b"hi", b"h\\"),
    frame().replace(b"hi", b"\\u12g4"),
    frame().replace(b"hi", b'hi"},"finish_reason":"stop"}],"x":[{"y":{"z":"'),
    b'data: {"a":1}\r\n\r\n',
    b'data:{"a":1}\n\n',
    b'data: {"a":\ndata: 1}\n\n',
    b'data: {"a":1},{"b":2}\n\n',
    frame()[:-2] + b"," + frame()[6:],
    frame()[:-2] + frame(),
    frame()[:-2],
]


def test_ordinary_frames_are_plain_however_many_come_at_once() -> None:
    assert plain(frame()) == 1
    assert plain(frame('a "quoted" word', usage=None) * 100) == 100
    assert plain(frame("grüße 你好")) == 1
    assert plain(b"".join(frame(text, key) for key in KEYS for text in TEXTS)) == len(KEYS) * len(TEXTS)


def test_a_frame_like_one_seen_before_is_plain_whatever_it_says() -> None:
    known = PlainFrames()
    for text in TEXTS * 2:
        assert plain(frame(text), known) == 1
        assert plain(frame(text) * 7, known) == 7


@pytest.mark.parametrize("special", SPECIAL)
def test_a_frame_that_needs_looking_at_is_never_plain(special: bytes) -> None:
    taught = PlainFrames()
    assert plain(frame(), taught) == 1
    for known in (PlainFrames(), taught):
        assert known.leading(special) == (0, 0)
        assert known.leading(special * 2) == (0, 0)
        before = frame() + frame("more")
        for rest in (special + frame(), special + frame() * (REST_BYTES_MAX // 50)):
            assert known.leading(before + rest)[1] <= len(before)


def test_what_comes_before_a_frame_to_look_at_is_plain_still() -> None:
    words, end = frame() * 50, frame(usage={"prompt_tokens": 1})
    assert PlainFrames().leading(words + end + b"data: [DONE]\n\n") == (50, len(words))
    different = b"".join(frame(id=str(number)) for number in range(50))
    assert PlainFrames().leading(different + end + b"data: [DONE]\n\n") == (50, len(different))
    assert PlainFrames().leading(words + different + end) == (100, len(words + different))
    assert PlainFrames().leading(b": ping\n\n" + words, 8) == (50, len(words) + 8)


def test_half_characters_are_no_garbage() -> None:
    assert plain(frame() + frame().replace(b'"hi"', HALF)) == 2


def test_a_stream_whose_frames_are_ever_new_is_read_all_the_same() -> None:
    known = PlainFrames()
    for number in range(LESSONS_MAX * 2):
        assert plain(frame(id=str(number)), known) == 1
        assert plain(frame(id=str(number), usage={}), known) == 0
    assert plain(frame() * 3, known) == 3


def mutated(stream: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, doubled or lost, mostly such as mean something in JSON."""
    for _ in range(dice.randint(0, 3)):
        at = dice.randrange(len(stream))
        new = dice.choice(
            [b'"', b"\\", b"{", b"}", b",", b":", b" ", b"\n", b"\r", b"\xff", b"\x80", b"\x1f", b"a", b""]
        )
        stream = stream[:at] + new + stream[at + dice.randint(0, 2) :]
    return stream


def test_of_mutated_streams_only_what_can_be_read_is_plain(full) -> None:
    dice = random.Random(20261121)
    known = PlainFrames()
    for number in range(200_000 if full else 4000):
        known = PlainFrames() if number % 10 == 0 else known
        key, more = dice.choice(KEYS), dice.choice([{}, {"usage": None}, {"id": dice.choice(TEXTS)}])
        whole = [frame(dice.choice(TEXTS), key, **more) for _ in range(dice.randint(1, 5))]
        run = mutated(b"".join(whole), dice)
        frames, end = known.leading(run)
        assert split_frames(run)[:frames] == split_frames(run[:end]) or end == 0
        assert all(map(needs_no_look, split_frames(run[:end]))), run


ANY = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        'a"content': ANY,
        ":": st.sampled_from([":", ',"content":"', 'text":"']),
        "content": ANY,
        "choices": st.lists(
            st.fixed_dictionaries({}, optional={"finish_reason": st.none() | st.just("x"), "delta": ANY})
        ),
        "usage": st.none() | st.dictionaries(st.sampled_from(KEYS), st.text(max_size=2), max_size=2),
        "error": st.none() | ANY,
    },
)


@given(st.lists(EVENT, min_size=1, max_size=4), st.binary(max_size=6), st.booleans(), st.data())
def test_of_events_of_any_shape_only_those_without_meaning_are_plain(
    events: list, noise: bytes, ascii_only: bool, data: st.DataObject
) -> None:
    frames = [written(event, ascii_only=ascii_only) for event in events]
    strings = [at for at in range(len(frames[0])) if frames[0][at : at + 1] == b'"']
    if strings:
        at = data.draw(st.sampled_from(strings)) + 1
        frames.append(frames[0][:at] + noise + frames[0][at:])
    known = PlainFrames()
    for run in [b"".join(frames), *frames, *frames]:
        _, end = known.leading(run)
        assert all(map(needs_no_look, split_frames(run[:end]))), run
