"""Where does a body end? Receivers for bodies that did not come whole with their head."""

from __future__ import annotations

import re
from typing import Final

from waypost.wire.http11_messages import HttpLimits
from waypost.wire.http11_refusals import bad_request, body_too_large, headers_too_large

SIZE_DIGITS_MAX: Final = 8
CHUNKS_FREE: Final = 16_384
CHUNK_BYTES_MEAN_MIN: Final = 64
"""Beyond the free chunks: smaller ones on average cost us more than they carry."""
CHUNK_FRAMING_BYTES: Final = 16

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)(;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class SizedBody:
    """A body of a known number of bytes."""

    __slots__ = ("_left", "_pieces", "received")

    def __init__(self, length: int) -> None:
        self._left = length
        self._pieces: list[bytes] = []
        self.received = 0
        """Raw bytes so far, for the rate."""

    def feed(self, data: bytes) -> bytes | None:
        """Take what came. Returns what follows the body once that is complete, else None."""
        self.received += len(data)
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            self._pieces.append(data)
            return None
        self._left = 0
        self._pieces.append(data[:left])
        return data[left:]

    def whole(self) -> bytes:
        return b"".join(self._pieces)


class ChunkedBody:
    """A chunked body. Everything but data is counted: extensions, framing, trailers; trailers are dropped."""

    __slots__ = (
        "_chunks",
        "_held",
        "_left",
        "_limits",
        "_max",
        "_pieces",
        "_size",
        "_trailer_fields",
        "_waste",
        "received",
    )

    def __init__(self, limits: HttpLimits, body_bytes_max: int) -> None:
        self._limits = limits
        self._max = body_bytes_max
        self._held = b""
        """A line that has not ended yet."""
        self._left = 0
        """Bytes of the current chunk still to come, its CRLF among them."""
        self._chunks = 0
        self._size = 0
        self._waste = 0
        self._trailer_fields = -1
        """-1 until the last chunk."""
        self._pieces: list[bytes] = []
        self.received = 0
        """Raw bytes so far, for the rate."""

    def feed(self, data: bytes) -> bytes | None:
        """Take what came. Returns what follows the body once that is complete, else None. Raises Problem."""
        self.received += len(data)
        if self._held:
            data = self._held + data
            self._held = b""
        at = 0
        while True:
            if self._left:
                at = self._take_data(data, at)
            if self._left or at == len(data):
                return None
            end = data.find(b"\n", at)
            if end < 0:
                self._hold(data[at:])
                return None
            if self._take_line(data[at : end + 1]):
                return data[end + 1 :]
            at = end + 1

    def whole(self) -> bytes:
        return b"".join(self._pieces)

    def _take_data(self, data: bytes, at: int) -> int:
        """Chunk data and the CRLF behind it, as far as they are here."""
        left = self._left
        if left > 2:
            piece = data[at : at + left - 2]
            self._pieces.append(piece)
            left -= len(piece)
            at += len(piece)
        if left <= 2:
            ending = data[at : at + left]
            if ending != b"\r\n"[2 - left : 2 - left + len(ending)]:
                raise bad_request("A chunk is longer than it said.", "No CRLF where the chunk should end.")
            left -= len(ending)
            at += len(ending)
        self._left = left
        return at

    def _hold(self, line: bytes) -> None:
        if len(line) + max(self._waste, 0) > self._limits.header_bytes_max:
            raise headers_too_large(self._limits)
        self._held = line

    def _take_line(self, line: bytes) -> bool:
        """A chunk's first line, a trailer, or the end; True for the end."""
        if line[-2:] != b"\r\n":
            raise bad_request("A line in a chunked body ends with a bare LF.", "Lines end with CRLF.")
        if self._trailer_fields < 0:
            self._begin_chunk(line)
            return False
        if line == b"\r\n":
            return True
        self._trailer_fields += 1
        self._waste += len(line)
        if self._waste > self._limits.header_bytes_max or self._trailer_fields > self._limits.header_fields_max:
            raise headers_too_large(self._limits)
        if not _TRAILER.fullmatch(line, 0, len(line) - 2):
            raise bad_request("A trailer is malformed.", "Trailers are `Name: value` lines.")
        return False

    def _begin_chunk(self, line: bytes) -> None:
        found = _SIZE_LINE.fullmatch(line, 0, len(line) - 2)
        if found is None or len(found[1]) > SIZE_DIGITS_MAX:
            raise bad_request("A chunk's size is malformed.", "It must be up to eight hexadecimal digits.")
        size = int(found[1], 16)
        if size == 0:
            self._trailer_fields = 0
            self._waste = len(line)
            return
        self._size += size
        self._chunks += 1
        self._waste = max(0, self._waste + len(line) - CHUNK_FRAMING_BYTES)
        if self._size > self._max:
            raise body_too_large(self._max)
        if self._waste > self._limits.header_bytes_max:
            raise headers_too_large(self._limits)
        if self._chunks > CHUNKS_FREE + self._size // CHUNK_BYTES_MEAN_MIN:
            raise bad_request("The body comes in too many tiny chunks.", "Their framing outweighs what they carry.")
        self._left = size + 2
