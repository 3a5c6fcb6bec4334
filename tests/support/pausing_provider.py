"""A provider whose every answer stops at a point until the test lets it go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from rawserver import Line

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
WORDS = ("one", " two", " three", " four", " five")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n\r\n"


def streamed(*, usage: bool) -> Iterator[tuple[str, bytes]]:
    """What comes next, and its name."""
    yield "head", HEAD % b"text/event-stream"
    yield "role", _frame({"role": "assistant", "content": ""})
    for word in WORDS:
        yield word, _frame({"content": word})
    yield "finish", _frame({}, "stop")
    if usage:
        yield "usage", b"data: " + json.dumps({"id": "c", "choices": [], "usage": USAGE}).encode() + b"\n\n"
    yield "done", b"data: [DONE]\n\n"


def whole(*, usage: bool) -> Iterator[tuple[str, bytes]]:
    message = {"role": "assistant", "content": "".join(WORDS)}
    answer = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    body = json.dumps(answer | ({"usage": USAGE} if usage else {})).encode()
    yield "head", HEAD % b"application/json"
    yield "body", body[:20]
    yield "half", body[20:-1]
    yield "end", body[-1:]


def _frame(delta: dict[str, str], finish: str | None = None) -> bytes:
    event = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}
    event["choices"][0]["finish_reason"] = finish  # type: ignore[index]
    return b"data: " + json.dumps(event).encode() + b"\n\n"


class PausingProvider:
    """Plays on a RawServer. `at` is the piece before which it stops; empty: nowhere."""

    def __init__(self, *, usage: bool) -> None:
        self.usage = usage
        self.pause("")

    def pause(self, at: str) -> None:
        self.at = at
        self.reached, self.go_on, self.left, self.finished = (asyncio.Event() for _ in range(4))

    async def __call__(self, line: Line) -> None:
        asked = json.loads((await line.request()).partition(b"\r\n\r\n")[2])
        watching = asyncio.create_task(self._watch(line, self.left))
        pieces = streamed(usage=self.usage) if asked.get("stream") else whole(usage=self.usage)
        try:
            for name, data in pieces:
                if name == self.at:
                    self.reached.set()
                    await self.go_on.wait()
                await line.say(data)
            self.finished.set()
        finally:
            watching.cancel()

    async def _watch(self, line: Line, left: asyncio.Event) -> None:
        await line.until_left()
        left.set()
