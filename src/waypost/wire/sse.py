"""Server-sent events: cut a byte stream into frames.

A frame is everything up to and including its blank line, byte for byte as it came. A provider's frames pass to the
client untouched, so the common case must cost next to nothing: frames are cut apart only where somebody reads them.
"""

from __future__ import annotations

import re

FRAME_BYTES_MAX = 1024 * 1024
DONE = b"[DONE]"
DONE_FRAME = b"data: [DONE]\n\n"
BOM = b"\xef\xbb\xbf"

_blank_line = re.compile(rb"(?>\r\n|\r|\n){2}")
_line = re.compile(rb"\r\n|\r|\n")


class FrameTooLong(Exception):
    """An event grew beyond `FRAME_BYTES_MAX`."""


class FrameCutter:
    """Holds the unfinished end of a stream, and hands on what is complete."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = b""
        """What is not complete yet."""

    def feed(self, data: bytes) -> bytes:
        """All complete frames so far, in one piece; empty while none is.

        Raises FrameTooLong.
        """
        if self.held:
            data = self.held + data
        if len(data) > FRAME_BYTES_MAX and max(map(len, split_frames(data))) > FRAME_BYTES_MAX:
            raise FrameTooLong
        if b"\r" in data:
            end = _last_boundary(data)
        else:
            end = data.rfind(b"\n\n") + 2
            if end == 1:  # not found
                end = 0
        if end == len(data):
            self.held = b""
            return data
        self.held = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """What came after the last complete frame, at the end of the stream."""
        rest, self.held = self.held, b""
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


def frame_end(run: bytes, start: int) -> int:
    """Where the frame ends that begins at `start` in a run of complete frames."""
    if b"\r" not in run:
        end = run.find(b"\n\n", start)
        return end + 2 if end >= 0 else len(run)
    match = _blank_line.search(run, start)
    return match.end() if match else len(run)


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
