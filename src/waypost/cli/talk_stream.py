"""An answer as it comes: events cut out of a stream, and what they come to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final, NamedTuple

from waypost.cli.exits import Exit, Stop
from waypost.cli.router_calls import Router, problem_of
from waypost.wire.sse import DONE, FrameCutter, FrameTooLong, payload, split_frames

CHAT_PATH: Final = "/v1/chat/completions"
REASONING_FIELDS: Final = ("reasoning", "reasoning_content")


class Piece(NamedTuple):
    """Some words of an answer."""

    text: str
    thought: bool = False
    """The model thinks; this is not yet the answer."""


class Answer:
    """One answer, and what was seen of it from here."""

    def __init__(self) -> None:
        self._began = perf_counter()
        self.text = ""
        self.tool_calls: list[Any] = []
        self.provider = ""
        self.request_id = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}
        self.cost_nano_usd: int | None = None
        self.first_word_ms: float | None = None
        self.ms = 0.0
        self.stopped = False
        """The person had enough before it was whole."""

    @property
    def tokens_per_s(self) -> float | None:
        """From the first word on; None where the answer came in one piece."""
        tokens = self.usage.get("completion_tokens")
        if not tokens or self.first_word_ms is None or self.ms - self.first_word_ms < 1:
            return None
        return float(tokens) * 1000 / (self.ms - self.first_word_ms)

    def heard(self, piece: Piece) -> None:
        """Words came."""
        if self.first_word_ms is None:
            self.first_word_ms = self._since()
        if not piece.thought:
            self.text += piece.text

    def ended(self) -> None:
        """Nothing more will come."""
        self.ms = self._since()

    def told(self, headers: Any) -> None:
        """What the head of the reply says."""
        self.provider = headers.get("x-inference-provider", "")
        self.request_id = headers.get("x-request-id", "")
        cost = headers.get("x-waypost-cost-nano-usd", "")
        self.cost_nano_usd = int(cost) if cost.isdecimal() else None

    def counted(self, usage: Any) -> None:
        """The provider's count."""
        if isinstance(usage, dict):
            self.usage = usage
            cost = usage.get("cost_nano_usd")
            self.cost_nano_usd = cost if isinstance(cost, int) else self.cost_nano_usd

    def chosen(self, choice: Any) -> list[Piece]:
        """The words of a choice, whole or in part."""
        said = choice.get("delta") or choice.get("message") or {}
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.tool_calls += said.get("tool_calls") or []
        thoughts = (said.get(field) for field in REASONING_FIELDS)
        pieces = [Piece(text, thought=True) for text in thoughts if isinstance(text, str) and text]
        words = (said.get(field) for field in ("content", "refusal"))
        return [*pieces, *(Piece(text) for text in words if isinstance(text, str) and text)]

    def _since(self) -> float:
        return (perf_counter() - self._began) * 1000


def stream_answer(router: Router, body: dict[str, Any], answer: Answer, show: Callable[[Piece], None]) -> None:
    """Have a model answer, showing words as they come. Raises Problem and Stop."""
    asked = body | {"stream": True, "stream_options": {"include_usage": True}}
    try:
        with router.stream(CHAT_PATH, asked) as response:
            answer.told(response.headers)
            for event in events(lambda: router.read_some(response)):
                _take(event, answer, show)
    finally:
        answer.ended()


def whole_answer(router: Router, body: dict[str, Any], answer: Answer, show: Callable[[Piece], None]) -> None:
    """The same in one piece. Raises Problem and Stop."""
    try:
        told = router.post(CHAT_PATH, body)
    finally:
        answer.ended()
    answer.told(told.headers)
    _take(told.value, answer, show)
    answer.first_word_ms = None


def _take(event: Any, answer: Answer, show: Callable[[Piece], None]) -> None:
    if "error" in event:
        raise problem_of(event, 502, answer.request_id)
    answer.counted(event.get("usage"))
    for choice in event.get("choices") or []:
        for piece in answer.chosen(choice):
            answer.heard(piece)
            show(piece)


def events(read: Callable[[], bytes]) -> Iterator[Any]:
    """The JSON objects of a stream up to its `[DONE]`. Raises Stop where it ends without one."""
    cutter = FrameCutter()
    while data := read():
        try:
            frames = split_frames(cutter.feed(data))
        except FrameTooLong:
            raise _broken("an event of it is too long") from None
        for frame in frames:
            text = payload(frame)
            if text == DONE:
                return
            if text:
                yield _decoded(text)
    raise _broken("it ended before it was whole")


def _decoded(text: bytes) -> Any:
    try:
        event = json.loads(text)
    except ValueError:
        raise _broken("an event of it cannot be read") from None
    if not isinstance(event, dict):
        raise _broken("an event of it is no object")
    return event


def _broken(why: str) -> Stop:
    return Stop(Exit.PROVIDER, f"The answer is broken: {why}.", "Ask again, or ask another provider.")
