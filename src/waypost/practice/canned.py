"""Prepared replies for benchmarks, so that the provider is never what is measured."""

from __future__ import annotations

from typing import Final

from waypost.practice.dialect import DONE
from waypost.practice.script import JSON, SSE, Script
from waypost.wire.http11 import header_block

WHOLE_BYTES: Final = 1024
FRAMES: Final = 100
FRAME_BYTES: Final = 180
FRAME_SECONDS: Final = 0.005

_USAGE: Final = b'"usage":{"prompt_tokens":200,"completion_tokens":100,"total_tokens":300}'
_FRAME: Final = (
    b'data: {"id":"b-1","object":"chat.completion.chunk","created":1764547200,"model":"bench","choices":[%b]%b}\n\n'
)
_WHOLE: Final = (
    b'{"id":"b-1","object":"chat.completion","created":1764547200,"model":"bench","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],%b}'
)


def whole_body() -> bytes:
    """A whole reply of exactly WHOLE_BYTES."""
    room = WHOLE_BYTES - len(_WHOLE % (b"", _USAGE))
    return _WHOLE % ((b"All is well. " * room)[:room], _USAGE)


def frames() -> tuple[bytes, ...]:
    """FRAMES events of exactly FRAME_BYTES, with words, a finish and usage, and `[DONE]` behind them."""
    delta = b'{"index":0,"delta":{"content":"%b"},"finish_reason":null}'
    room = FRAME_BYTES - len(_FRAME % (delta % b"", b""))
    word = _FRAME % (delta % (b"word " * room)[:room], b"")
    finish = _padded(b'{"index":0,"delta":{},"finish_reason":"stop"}', b"")
    usage = _padded(b"", b"," + _USAGE)
    return (*[word] * (FRAMES - 2), finish, usage, DONE)


def _padded(choice: bytes, more: bytes) -> bytes:
    """A frame with spaces, which JSON allows, up to its size."""
    return _FRAME % (choice, more + b" " * (FRAME_BYTES - len(_FRAME % (choice, more))))


HEADERS: Final = header_block(JSON)
STREAM_HEADERS: Final = header_block(SSE)
WHOLE: Final = whole_body()
BURST: Final = b"".join(frames())
PACED: Final = Script(frames(), streamed=True, headers=SSE, every_seconds=FRAME_SECONDS)
