"""Which frames of a stream need no look: those that hold nothing but words.

Nothing that cannot be read may be handed on, and an end, an error or usage must be seen in whichever frame they come.
So each frame is either read, or it is proven to be like one that was read but for the text of one string. Nearly all
frames of a stream are, and that proof is one pass over their bytes, however many come at once.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from waypost.wire.foreign_json import UNREADABLE
from waypost.wire.sse import DONE_FRAME

SEAM: Final = b"\n\ndata: "
"""What stands between two plain frames."""
REST_BYTES_MAX: Final = 1024
"""What is left of a run after frames that are alike: nearly always a finish reason, usage and the end, which are read
one by one. More is looked at as a whole first."""
LESSONS_MAX: Final = 16
"""A stream whose frames are ever new is read frame by frame from here on."""

_TEXT: Final = rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
_text: Final = re.compile(_TEXT).fullmatch
_alike: Final = re.compile(
    # In JSON, a quote after a letter ends a string; with a colon after it that was a key, so a value's text follows.
    rb'(data: \{(?>[^\r\n]*?"(?:content|text|reasoning[a-z_]*|refusal|arguments)": ?"(?!")))'
    rb'%b("[^\r\n]*+\n\n)(?:\1%b\2)*+' % (_TEXT, _TEXT)
).match
"""A frame with a word in it, and all that follow and differ in nothing but the text of that word."""


class GlimpsedChoice(msgspec.Struct, gc=False):
    """A choice of a frame: only whether it ended matters here."""

    finish_reason: str | None = None


class Glimpse(msgspec.Struct, gc=False):
    """What can make a frame more than words to hand on. Decoding proves that the rest can be read."""

    choices: list[GlimpsedChoice] | None = None
    usage: Any = None
    error: Any = None


_glimpse_one: Final = msgspec.json.Decoder(Glimpse).decode
_glimpse_run: Final = msgspec.json.Decoder(list[Glimpse]).decode


class PlainFrames:
    """Finds the plain frames of one stream: each one `data: {…}` line of readable JSON that holds nothing we act on.

    Not plain are an end, an error, usage, a comment, and what cannot be read.
    """

    _head = _tail = b"-"
    """Around the word of the frames known so far; at first what no frame begins with."""
    _lessons = 0

    def leading(self, run: bytes, start: int = 0) -> tuple[int, int]:
        """How many plain frames a run of whole frames has from `start` on, and where they end."""
        head, tail = self._head, self._tail
        if (
            run.startswith(head, start)
            and run.endswith(tail)
            and _text(run, start + len(head), len(run) - len(tail)) is not None
            and (run.isascii() or _is_text(run))
        ):
            return 1, len(run)  # nearly always while words come one by one
        frames, end = self._known(run, start) if self._lessons < LESSONS_MAX else (0, start)
        if end == len(run) or (frames and len(run) - end <= REST_BYTES_MAX):
            return frames, end
        more, end = _read(run, end)
        return frames + more, end

    def _known(self, run: bytes, start: int) -> tuple[int, int]:
        """As `leading`, but only those that are like the first."""
        alike = _alike(run, start)
        if alike is None:
            return 0, start
        head, tail = alike.groups()
        end = alike.end()
        if not run.isascii() and not _is_text(run[start:end]):
            return 0, start
        if head != self._head or tail != self._tail:
            if _plain(_glimpse(run[start : alike.end(2)])) == 0:
                return 0, start
            self._head, self._tail = head, tail
            self._lessons += 1
        return run.count(b"\n", start, end) // 2, end


def _read(run: bytes, start: int) -> tuple[int, int]:
    """As `PlainFrames.leading`, by reading: one JSON list in a single call, because a call a frame would cost more."""
    end = len(run) - len(DONE_FRAME) if run.endswith(DONE_FRAME) else len(run)
    glimpses = _glimpse(run[start:end])
    plain = _plain(glimpses)
    if plain == 0:
        return 0, start
    for _ in range(len(glimpses) - plain):
        end = run.rindex(b"\n\n", 0, end - 2) + 2
    return plain, end


def _glimpse(run: bytes) -> list[Glimpse]:
    """Every frame of a run, when each is a `data: {…}` line of readable JSON; else nothing."""
    if (
        b"\r" in run
        or not run.startswith(b"data: {")
        or not run.endswith(b"}\n\n")
        or not (run.isascii() or _is_text(run))
    ):
        return []
    body = run[6:-2]
    try:
        if b"\n" not in body:
            return [_glimpse_one(body)]
        joined = body.replace(SEAM, b",")
        if b"\n" in joined:
            return []  # a line in the middle of an event
        frames = 1 + (len(body) - len(joined)) // (len(SEAM) - 1)
        glimpses = _glimpse_run(b"[%b]" % joined)
    except UNREADABLE:
        return []
    return glimpses if len(glimpses) == frames else []  # one frame may not hold two objects


def _plain(glimpses: list[Glimpse]) -> int:
    """How many of them come before the first that needs a look."""
    for at, glimpse in enumerate(glimpses):
        if glimpse.usage is not None or glimpse.error is not None:
            return at
        for choice in glimpse.choices or ():
            if choice.finish_reason is not None:
                return at
    return len(glimpses)


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
