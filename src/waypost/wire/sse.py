"""Server-sent events: cut a byte stream into frames, and tell at a glance which frames need reading.

A frame is everything up to and including its blank line, byte for byte as it came. A provider's frames pass to the
client untouched, so the common case must cost next to nothing: `plain_frames` looks at a whole run of frames at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

FRAME_BYTES_MAX = 1024 * 1024
DONE = b"[DONE]"
DONE_FRAME = b"data: [DONE]\n\n"
BOM = b"\xef\xbb\xbf"
SEAM = b"\n\ndata: "
"""What stands between two plain frames."""

_blank_line = re.compile(rb"(?>\r\n|\r|\n){2}")
_line = re.compile(rb"\r\n|\r|\n")


class GlimpsedChoice(msgspec.Struct, gc=False):
    """A choice of a frame: only whether it ended matters here."""

    finish_reason: str | None = None


class Glimpse(msgspec.Struct, gc=False):
    """What can make a frame more than words to hand on. Decoding proves that the rest can be read."""

    choices: list[GlimpsedChoice] | None = None
    usage: Any = None
    error: Any = None


_glimpse_one = msgspec.json.Decoder(Glimpse).decode
_glimpse_run = msgspec.json.Decoder(list[Glimpse]).decode


class FrameTooLong(Exception):
    """An event grew beyond `FRAME_BYTES_MAX`."""


class FrameCutter:
    """Holds the unfinished end of a stream, and hands on what is complete."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """All complete frames so far, in one piece; empty while none is.

        Raises FrameTooLong.
        """
        if self._rest:
            data = self._rest + data
        if len(data) > FRAME_BYTES_MAX and max(map(len, split_frames(data))) > FRAME_BYTES_MAX:
            raise FrameTooLong
        if b"\r" in data:
            end = _last_boundary(data)
        else:
            end = data.rfind(b"\n\n") + 2
            if end == 1:  # not found
                end = 0
        if end == len(data):
            self._rest = b""
            return data
        self._rest = data[end:]
        return data[:end]

    @property
    def empty(self) -> bool:
        """Nothing is held back."""
        return not self._rest

    def rest(self) -> bytes:
        """What came after the last complete frame, at the end of the stream."""
        rest, self._rest = self._rest, b""
        return rest


def _last_boundary(data: bytes) -> int:
    """Index after the last blank line, where lines may end in CR, LF or CRLF; 0 without one."""
    end = 0
    for match in _blank_line.finditer(data):
        end = match.end()
    if end == len(data) and data.endswith(b"\r"):
        # The LF of a CRLF may still be on its way: the frame before it is complete only when the next byte is seen.
        end = next((m.end() for m in reversed(list(_blank_line.finditer(data[:-1])))), 0)
    return end


def split_frames(run: bytes) -> list[bytes]:
    """The single frames of a run of complete frames; joined they are the run again."""
    if b"\r" not in run:
        frames = run.split(b"\n\n")
        last = frames.pop()
        return [frame + b"\n\n" for frame in frames] + ([last] if last else [])
    frames, start = [], 0
    for match in _blank_line.finditer(run):
        frames.append(run[start : match.end()])
        start = match.end()
    if start < len(run):
        frames.append(run[start:])
    return frames


def payload(frame: bytes) -> bytes | None:
    """The data of an event: its `data` lines joined with LF. None for a comment or an event without data."""
    if frame.startswith(b"data: ") and frame.endswith(b"\n\n") and frame.count(b"\n") == 2 and b"\r" not in frame:
        return frame[6:-2]
    found: list[bytes] = []
    for line in _line.split(frame.removeprefix(BOM)):
        if line.startswith(b"data:"):
            value = line[5:]
            found.append(value.removeprefix(b" "))
        elif line == b"data":
            found.append(b"")
    return b"\n".join(found) if found else None


def first_frame(run: bytes) -> tuple[bytes, bytes]:
    """The first frame of a run of complete frames, and the others."""
    if b"\r" not in run:
        end = run.find(b"\n\n") + 2
        return (run[:end], run[end:]) if end > 1 else (run, b"")
    match = _blank_line.search(run)
    return (run[: match.end()], run[match.end() :]) if match else (run, b"")


def plain_frames(run: bytes) -> int:
    """How many frames a run has, when each is one `data: {…}` line of readable JSON that holds nothing we act on.

    0 means: look at each. Such frames hold an end, an error, usage, a comment, or something that cannot be read.
    The frames are read as one JSON list in a single call, because a call a frame would cost more than all the rest.
    """
    if not run.startswith(b"data: {") or not run.endswith(b"}\n\n"):
        return 0
    body = run[6:-2]
    if b"\n" in body:
        glimpses = _glimpse(run)
        return len(glimpses) if _plain(glimpses) == len(glimpses) else 0
    try:
        if not body.isascii():
            body.decode()
        return _plain((_glimpse_one(body),))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def leading_plain(run: bytes) -> tuple[int, bytes, bytes]:
    """The plain frames at the start of a run, how many and which, and the rest from the first that needs a look."""
    end = len(run) - len(DONE_FRAME) if run.endswith(DONE_FRAME) else len(run)
    glimpses = _glimpse(run[:end])
    plain = _plain(glimpses)
    if plain == 0:
        return 0, b"", run
    for _ in range(len(glimpses) - plain):  # nearly always two: the finish reason and the usage
        end = run.rindex(b"\n\n", 0, end - 2) + 2
    return plain, run[:end], run[end:]


def _glimpse(run: bytes) -> list[Glimpse]:
    """Every frame of a run, when each is a `data: {…}` line of readable JSON; else nothing."""
    if not run.startswith(b"data: {") or not run.endswith(b"}\n\n"):
        return []
    body = run[6:-2]
    joined = body.replace(SEAM, b",")
    frames = 1 + (len(body) - len(joined)) // (len(SEAM) - 1)
    try:
        if not run.isascii():
            run.decode()
        glimpses = _glimpse_run(b"[%b]" % joined)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return glimpses if len(glimpses) == frames else []  # one frame may not hold two objects


def _plain(glimpses: Sequence[Glimpse]) -> int:
    """How many of them come before the first that needs a look."""
    for at, glimpse in enumerate(glimpses):
        if glimpse.usage is not None or glimpse.error is not None:
            return at
        for choice in glimpse.choices or ():
            if choice.finish_reason is not None:
                return at
    return len(glimpses)
