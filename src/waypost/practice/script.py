"""A reply as a plan: what is written, when, and how it ends. Faults are functions from one script to another. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Final

import msgspec

FOR_EVER: Final = math.inf
_SIZE_MAX: Final = 1 << 34
JSON: Final = (("content-type", "application/json"),)
SSE: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


class End(Enum):
    """What happens after the last frame."""

    WELL = auto()
    """The message ends as HTTP wants it and the connection is kept."""
    CLOSE = auto()
    """The connection is closed, whatever was promised."""
    RESET = auto()
    """The connection is reset (RST)."""


class Head(Enum):
    """When status and headers leave."""

    WITH_FIRST_FRAME = auto()
    AT_ONCE = auto()
    NEVER = auto()
    """The frames, if any, are the raw bytes of the whole message, head included."""


@dataclass(frozen=True, slots=True)
class Script:
    """One reply. A whole reply has one frame, its JSON body; a stream has one for each event."""

    frames: tuple[bytes, ...]
    streamed: bool = False
    status: int = 200
    headers: tuple[tuple[str, str], ...] = JSON
    head: Head = Head.WITH_FIRST_FRAME
    prelude: bytes = b""
    """Raw bytes before the head."""
    end: End = End.WELL
    first_seconds: float = 0.0
    """Until the first frame."""
    every_seconds: float = 0.0
    """Between frames."""
    waits: Mapping[int, float] = field(default_factory=dict)
    """More seconds before the frame of this number; the end counts as one more frame."""
    apart: bool = False
    """Every frame is its own write in its own turn of the loop, even when that makes the reply late."""
    at: int = 0
    """Unix seconds of the call, for dates in headers."""
    reused: bool = False
    """The connection has carried an earlier call."""

    @property
    def instant(self) -> bool:
        """Nothing to wait for and nothing broken: it can leave in one write."""
        return (
            self.end is End.WELL
            and self.head is Head.WITH_FIRST_FRAME
            and not (self.first_seconds or self.every_seconds or self.waits or self.apart or self.prelude)
        )

    @property
    def in_pieces(self) -> bool:
        """Something comes between the head, the frames and the end, so the length cannot be told beforehand."""
        return (
            self.head is Head.AT_ONCE
            or self.end is not End.WELL
            or len(self.frames) > 1
            or bool(self.waits.get(len(self.frames)))
        )

    def wait_before(self, number: int) -> float:
        """Seconds between frame `number` and the one before it."""
        usual = self.every_seconds if number else self.first_seconds
        return (usual if number < len(self.frames) else 0.0) + self.waits.get(number, 0.0)

    def instead(self, status: int, body: bytes, *headers: tuple[str, str]) -> Script:
        """A whole reply in place of this one."""
        return replace(self, frames=(body,), streamed=False, status=status, headers=headers or JSON)

    def upto(self, number: int) -> Script:
        """The first `number` frames of a stream, at most those before the finish; half the body of a whole reply."""
        if not self.streamed:
            body = b"".join(self.frames)
            return replace(self, frames=(body[: len(body) // 2],) if number else ())
        return replace(self, frames=self.frames[: min(number, self.finish_number)])

    def with_frame(self, number: int, *frames: bytes) -> Script:
        """More frames before the frame `number`, at the latest before the finish."""
        number = min(number, self.finish_number)
        return replace(self, frames=(*self.frames[:number], *frames, *self.frames[number:]))

    def each(self, change: Callable[[bytes], bytes]) -> Script:
        return replace(self, frames=tuple(map(change, self.frames)))

    @property
    def finish_number(self) -> int:
        """The number of the frame with the first finish reason."""
        return next((at for at, frame in enumerate(self.frames) if is_finish(frame)), len(self.frames))

    @property
    def usage_number(self) -> int | None:
        """The number of the frame that tells the usage."""
        return next((at for at, frame in enumerate(self.frames) if b'"usage":{' in frame), None)


def whole(arg: str) -> int:
    """A fault's argument as a number or a size. Raises ValueError."""
    number = int(arg)
    if not 0 <= number <= _SIZE_MAX:
        raise ValueError(arg)
    return number


def duration(arg: str) -> float:
    """A fault's argument as seconds; `inf` is for ever. Raises ValueError."""
    seconds = float(arg)
    if not seconds >= 0:
        raise ValueError(arg)
    return seconds


def is_finish(frame: bytes) -> bool:
    return b'"finish_reason":"' in frame


def reworded(frame: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The frame, or the whole body, with its JSON changed; one without JSON, or with a broken one, as it is."""
    label, text = (b"data: ", frame[6:]) if frame.startswith(b"data: ") else (b"", frame)
    if not text.startswith(b"{"):
        return frame
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return frame
    change(value)
    return label + msgspec.json.encode(value) + (b"\n\n" if label else b"")


def event(value: Any) -> bytes:
    """A value as one event of a stream."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
