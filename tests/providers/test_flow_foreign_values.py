"""Whatever JSON a provider sends where we expect something else, it gets a verdict or an end, and never breaks us."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from waypost.domain.chat import Usage
from waypost.domain.endpoints import Deadlines, Endpoint, Provider
from waypost.domain.plans import Candidate
from waypost.providers.flow import ENDED, Flow
from waypost.providers.metering import estimate
from waypost.providers.stream import StreamFlow
from waypost.providers.watch import Watch
from waypost.providers.whole import WholeFlow
from waypost.wire.dialects import read_chat

NAMES = st.sampled_from(["error", "choices", "usage", "model", "content", "code", "status", "prompt_tokens"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=2), inner, max_size=4),
    max_leaves=8,
)


def object_of(**likely: Any) -> st.SearchStrategy[Any]:
    """An object with these fields, each as expected or anything at all; sometimes no object."""
    return st.fixed_dictionaries({}, optional={name: kind | ANY for name, kind in likely.items()}) | ANY


COUNTS = object_of(
    prompt_tokens=st.integers(),
    completion_tokens=st.integers(),
    prompt_tokens_details=object_of(cached_tokens=st.integers()),
    completion_tokens_details=object_of(reasoning_tokens=st.integers()),
)
WORDS = object_of(content=st.text(max_size=3), tool_calls=st.lists(ANY, max_size=1))
CHOICE = object_of(index=st.integers(0, 2), delta=WORDS, message=WORDS, finish_reason=st.just("stop"), text=ANY)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICE, max_size=3) | ANY,
        "error": object_of(message=st.text(max_size=3), code=st.integers(100, 600)),
        "usage": COUNTS,
        "model": st.just("one-at-alpha") | ANY,
        "id": ANY,
        "created": ANY,
    },
)


def written(value: Any) -> bytes:
    return json.dumps(value).replace("Infinity", "1e999").replace("NaN", "0").encode()


async def fed(kind: type[Flow], content_type: bytes, *pieces: bytes) -> None:
    """Feed a flow as the upstream does, then ask of it what the journey asks."""
    body = {"model": "acme/one", "messages": [{"role": "user", "content": "x"}], "stream": kind.stream}
    ask = read_chat(json.dumps({**body, "stream_options": {"include_usage": True}}).encode())
    candidate = Candidate(Endpoint("acme/one", "alpha", "one-at-alpha"), Provider("alpha", "http://127.0.0.1:9/v1"), "")
    flow = kind(candidate, ask, Deadlines(), 0.0, Watch())
    flow.exchange = Nothing()  # type: ignore[assignment]
    flow.head(200, {b"content-type": content_type})
    for piece in pieces:
        flow.data(piece)
    flow.eof()
    assert flow.stage >= ENDED or flow.answers.done()
    flow.closing(Usage(1, 0, 1, 0), 1)
    flow.closing(estimate(ask, 1), 1)


class Nothing:
    """An exchange that is not there."""

    connect_ms = None
    repeats = 0

    def cancel(self) -> None:
        """Nothing is on its way."""


@given(st.lists(EVENT, min_size=1, max_size=5), st.booleans())
@example([{"choices": [{"delta": {"content": "x"}, "finish_reason": "stop", "index": []}]}], False)
@example([{"choices": [{"delta": {"content": "x"}}]}, {"id": "\ud83d", "usage": {"prompt_tokens": 1}}], False)
@example([{"model": "\ud83d", "choices": [{"delta": {"content": "x"}}]}], False)
def test_any_events_of_a_stream(events: list, at_once: bool) -> None:
    frames = [b"data: %b\n\n" % written(event) for event in events]
    pieces = [b"".join(frames)] if at_once else frames
    asyncio.run(fed(StreamFlow, b"text/event-stream", *pieces, b"data: [DONE]\n\n"))


@given(EVENT, st.sampled_from([b"application/json", b"text/event-stream"]))
@example({"model": "\ud83d", "choices": [{"message": {}}]}, b"application/json")
@example({"model": "m", "choices": [{"message": {"content": "\ud83d"}}]}, b"application/json")
def test_any_body_in_one_piece(value: dict, kind: bytes) -> None:
    asyncio.run(fed(WholeFlow, b"application/json", written(value)))
    asyncio.run(fed(StreamFlow, kind, written(value)))


@given(st.lists(st.binary(min_size=1), max_size=4), st.sampled_from([StreamFlow, WholeFlow]))
@example([b'{"id":"\xff","created":1,"model":"m","choices":[{"message":{"content":"x"}}]}'], WholeFlow)
@example([b"data: [" + b"[" * 5000 + b"\n\n"], StreamFlow)
def test_any_bytes_at_all_get_an_end(pieces: list[bytes], kind: type[Flow]) -> None:
    asyncio.run(fed(kind, b"text/event-stream" if kind is StreamFlow else b"application/json", *pieces))
