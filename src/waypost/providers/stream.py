"""A streamed answer: frames held until the first word, then handed on as they come, the tail kept back."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import msgspec

from waypost.domain.chat import ChatRequest, Usage
from waypost.domain.endpoints import Deadlines
from waypost.domain.plans import Candidate
from waypost.providers.flow import ENDED, HELD, POURING, REPLY_BYTES_MAX, End, EndKind, Flow
from waypost.providers.metering import UNBELIEVABLE, reported_cost, usage_json, usage_of
from waypost.providers.renaming import Renaming
from waypost.providers.replies import Blame, Verdict, judge_embedded
from waypost.providers.watch import Watch
from waypost.providers.whole import read_whole
from waypost.wire.foreign_json import UNREADABLE, read_foreign
from waypost.wire.sse import (
    DONE,
    DONE_FRAME,
    FrameCutter,
    FrameTooLong,
    frame_end,
    payload,
    split_frames,
)
from waypost.wire.sse_plain import PlainFrames

HELD_BYTES_MAX = 1024 * 1024
WAITING_BYTES_MAX = 128 * 1024
"""Of an answer whose first word is here and not yet for the caller."""
WORD_KEYS = (
    "content",
    "reasoning",
    "reasoning_content",
    "reasoning_text",
    "refusal",
    "tool_calls",
    "function_call",
    "audio",
)
BLANK_LINES_CR = (b"\r\r", b"\n\r")
"""Blank lines that the cutter keeps back, because an LF could still follow."""
_decode = msgspec.json.Decoder().decode


class StreamFlow(Flow):
    """One attempt at a streamed answer."""

    stream = True

    _frames = 0
    _reported: Usage | None = None
    _reported_nano_usd: int | None = None
    _usage_frame: dict[str, Any] | None = None
    _first: dict[str, Any] | None = None
    _usage_shown = False
    _waits = False

    def __init__(
        self, candidate: Candidate, ask: ChatRequest, deadlines: Deadlines, started: float, watch: Watch
    ) -> None:
        super().__init__(candidate, ask, deadlines, started, watch)
        self.due = min(self.due, self._began + deadlines.first_word_seconds_max)
        self._cutter = FrameCutter()
        self._plain = PlainFrames()
        self._held: list[bytes] = []
        self._renaming = Renaming(ask.model)
        self._finished: set[int] = set()

    def data(self, data: bytes) -> None:
        """Nearly always, once the answer pours: whole frames that need no look. They pass in two calls."""
        if self.stage == POURING and not self._cutter.held and data.endswith(b"}\n\n"):
            frames, end = self._plain.leading(data)
            if end == len(data) and self._bytes + len(data) <= REPLY_BYTES_MAX:
                self._bytes += len(data)
                self._frames += frames
                self._heard = perf_counter()
                renaming = self._renaming
                self._write(data.replace(renaming.old, renaming.new) if renaming.old else data)
                return
        super().data(data)

    def _take(self, data: bytes) -> None:
        try:
            run = self._cutter.feed(data)
        except FrameTooLong:
            self._break("upstream_error", "an event is longer than 1 MiB")
            return
        if not run:
            return
        self._read_run(run)

    def _read_run(self, run: bytes) -> None:
        """Hand on what needs no look, look at the rest frame by frame."""
        passed: list[bytes] = []
        start = 0
        while start < len(run) and self.stage < HELD:
            end = frame_end(run, start)
            self._read_frame(run[start:end], passed)
            start = end
        if start < len(run) and self.stage != ENDED:
            frames, end = self._plain.leading(run, start)
            if frames:
                self._frames += frames
                passed.append(self._renaming.apply(run[start:end]))
            for frame in split_frames(run[end:]):
                self._read_frame(frame, passed)
        if not passed:
            return
        piece = passed[0] if len(passed) == 1 else b"".join(passed)
        if self.pouring:
            self._write(piece)
        else:
            self._hold(piece)

    def _read_frame(self, frame: bytes, passed: list[bytes]) -> None:
        if self.stage != ENDED and self._passes(frame):
            passed.append(self._renaming.apply(frame))

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        if self.stage < HELD:
            if self._bytes > HELD_BYTES_MAX:
                self._break("upstream_error", "no word in the first MiB")
        elif not self._waits and self._bytes > WAITING_BYTES_MAX:
            self._waits = True  # the caller's hold is on its way to the disk: no more, until it is there
            self.exchange.pause()

    def _passes(self, frame: bytes) -> bool:
        """Act on one frame; False when it is not for the client, or not yet."""
        text = DONE if frame == DONE_FRAME else payload(frame)
        if text is None:
            return True  # a comment keeps connections alive
        if text.strip() == DONE:
            self._done()
            return False
        try:
            event = read_foreign(_decode, text)
        except UNREADABLE:
            event = None
        if not isinstance(event, dict):
            self._break("upstream_error", "the provider sent an event that cannot be read")
            return False
        return self._passes_event(event, text)

    def _passes_event(self, event: dict[str, Any], text: bytes) -> bool:
        if event.get("error"):
            self._take_error(event["error"])
            return False
        if self._first is None:
            self._first = event
        if not self._renaming.old:
            self._renaming.learn(text, event.get("model"))
        choices = event.get("choices")
        choices = choices if isinstance(choices, list) else []
        if event.get("usage") is not None:
            self._count(event["usage"])
            if not choices:
                self._usage_frame = event
                return False
        self._frames += 1
        if self._repeats_an_end(choices):
            return False
        self._usage_shown = self._usage_shown or event.get("usage") is not None
        if self.stage < HELD and any(is_word(choice) for choice in choices):
            self._say_first_word()
        return True

    def _count(self, usage: Any) -> None:
        """The last count stands; one that cannot be is as if it had not come."""
        counted = usage_of(usage)
        if counted is None:
            self.attempt.why = UNBELIEVABLE
            return
        self._reported = counted
        self._reported_nano_usd = reported_cost(usage)

    def _repeats_an_end(self, choices: list[Any]) -> bool:
        """The first finish reason of a choice stands; a second one is not handed on, unless words come with it."""
        ends = [choice for choice in choices if isinstance(choice, dict) and choice.get("finish_reason")]
        if not ends:
            return False
        indices = [_index(choice) for choice in ends]
        again = self._finished.issuperset(indices) and not any(map(says_something, ends))
        self._finished.update(indices)
        return again

    def _take_error(self, error: Any) -> None:
        verdict = judge_embedded(error, self.attempt.status, self.candidate.provider.secrets)
        if self.stage < HELD:
            self._refuse(verdict)
        else:
            self._break("upstream_error", verdict.why)

    def _done(self) -> None:
        if self.stage < HELD:
            self._refuse(Verdict("provider_failed", "ended before its first word", status=self.attempt.status))
        else:
            self._finish_stream()

    def _complete(self) -> None:
        rest = self._cutter.rest()
        if self.stage < HELD and self._headers.get(b"content-type", b"").startswith(b"application/json"):
            read = read_whole(rest, self.attempt.status, self.candidate.provider)
            whole = Verdict("provider_failed", "answered in one piece where a stream was asked for", status=200)
            self._refuse(read if isinstance(read, Verdict) else whole)
        elif rest.endswith(BLANK_LINES_CR):
            self._read_run(rest)
        elif readable(rest):
            self._read_run(rest.rstrip(b"\r\n") + b"\n\n")  # without its blank line it would run into our tail
        if self.stage == ENDED:
            return
        if self.stage < HELD:
            self._refuse(Verdict("provider_failed", "ended before its first word", Blame.FAILURE, self.attempt.status))
        else:
            self._cut_off("the provider ended the stream before the answer was finished")

    def _cut_off(self, why: str) -> None:
        if len(self._finished) >= self.ask.choices:
            self._finish_stream()  # the answer itself is complete
        else:
            self._break("upstream_incomplete", why)

    def _finish_stream(self) -> None:
        self._finish(
            End(EndKind.DONE, self._reported, DONE_FRAME, self._frames, reported_nano_usd=self._reported_nano_usd)
        )

    def closing(self, usage: Usage | None, cost_nano_usd: int, warning: str = "") -> bytes:
        """The usage-only frame of the tail, with what the call cost; empty when the caller did not ask for it."""
        if not self.ask.wants_usage or usage is None or (self._usage_shown and self._usage_frame is None):
            return b""
        event = self._usage_frame or {
            **{key: value for key, value in (self._first or {}).items() if key in ("id", "object", "created")},
            "choices": [],
        }
        counts = event.get("usage")
        counts = counts if self._reported is not None and isinstance(counts, dict) else usage_json(usage)
        told: dict[str, Any] = {"cost_nano_usd": cost_nano_usd} | ({"warning": warning} if warning else {})
        shown = {**event, "model": self.ask.model, "usage": {**counts, **told}}
        return b"data: %b\n\n" % msgspec.json.encode(shown)

    def _release(self) -> None:
        if self.stage == HELD:
            self.stage = POURING
            self._look_again(perf_counter())
        if self._held:
            self._write(b"".join(self._held))
        self._held.clear()
        if self._waits and not self._paused:
            self.exchange.resume()

    def _usage(self) -> Usage | None:
        return self._reported

    def words(self) -> int:
        return self._frames if self._delivered is None else self._delivered

    def _cost(self) -> int | None:
        return self._reported_nano_usd


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def readable(rest: bytes) -> bool:
    """True for an event that lacks only its blank line; what was cut in its middle is not one."""
    text = payload(rest)
    if not text:
        return False
    try:
        return text.strip() == DONE or isinstance(read_foreign(_decode, text), dict)
    except UNREADABLE:
        return False


def is_word(choice: Any) -> bool:
    """True for content, reasoning, a refusal, a tool call or a finish reason; a role alone is no word."""
    if not isinstance(choice, dict):
        return False
    return bool(choice.get("finish_reason")) or says_something(choice)


def says_something(choice: dict[str, Any]) -> bool:
    """True for words of any kind."""
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return any(delta.get(key) for key in WORD_KEYS)
    return bool(choice.get("text"))
