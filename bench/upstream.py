"""A provider that answers before it is asked twice: canned bytes, so that it is never the bottleneck.

The path chooses, or the model's name where the path does not: `whole` answers 1 KB at once, `burst` 100 frames in one
write, `paced` 100 frames 5 ms apart, `brief` one frame and the end within 5 ms, `idle` one frame and then nothing. All
streams are paced by one timer. A request without a body is answered 200: somebody asks whether we live.

Run as a process of its own (`python -m bench.upstream`), it prints its port, a line.
"""

from __future__ import annotations

import asyncio
import gc
import json

import uvloop

FRAMES = 100
FRAME_BYTES = 180
PACE_SECONDS = 0.005


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _frame(kind: str, text: str, finish: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": f"bench/{kind}",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _padded(kind: str) -> bytes:
    return _frame(kind, "x" * (FRAME_BYTES - len(_frame(kind, ""))))


def _tail(kind: str) -> bytes:
    usage = {"id": "c", "model": f"bench/{kind}", "choices": [], "usage": USAGE}
    last = b"data: " + json.dumps(usage, separators=(",", ":")).encode() + b"\n\ndata: [DONE]\n\n"
    return _frame(kind, "", "stop") + last


USAGE = {"prompt_tokens": 250, "completion_tokens": 100, "total_tokens": 350}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
FRAME = _chunked(_padded("paced"))
BURST = STREAM_HEAD + _chunked(_padded("burst") * FRAMES) + _chunked(_tail("burst")) + END
PACED_END = _chunked(_tail("paced")) + END


def _whole() -> bytes:
    message = {"role": "assistant", "content": "x" * 700}
    body = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "bench/whole",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        },
        separators=(",", ":"),
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


WHOLE = _whole()
ALIVE = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"data": []}'
MORE_FRAMES = {"paced": FRAMES - 1, "brief": 0}
KINDS = ("whole", "burst", "paced", "brief", "idle")


def kind_of(head: bytes, body: bytes) -> str:
    """What is asked for: the first of the path's words that is a kind, else the model's last word."""
    target = head.split(b" ", 2)[1].decode()
    named = [word for word in target.split("/") if word in KINDS]
    return named[0] if named else str(json.loads(body)["model"]).replace(":", "/").rpartition("/")[2]


class Pace:
    """Writes the next frame to every open stream, every 5 ms."""

    def __init__(self) -> None:
        self.streams: dict[asyncio.Transport, int] = {}
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()
        self._tick()

    def _tick(self) -> None:
        for transport, left in list(self.streams.items()):
            if left > 0:
                transport.write(FRAME)
                self.streams[transport] = left - 1
            else:
                transport.write(PACED_END)
                del self.streams[transport]
        self._next = max(self._next + PACE_SECONDS, self._loop.time())
        self._timer = self._loop.call_at(self._next, self._tick)

    def stop(self) -> None:
        self._timer.cancel()


class Canned(asyncio.Protocol):
    """One connection."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._got) < end + 4 + length:
                return
            body = self._got[end + 4 : end + 4 + length]
            self._got = self._got[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if b" /whole/" in head:
            self._transport.write(WHOLE)
        elif head.startswith(b"get ") or not body:
            self._transport.write(ALIVE)
        else:
            self._answer_kind(kind_of(head, body))

    def _answer_kind(self, kind: str) -> None:
        if kind == "whole":
            self._transport.write(WHOLE)
        elif kind == "burst":
            self._transport.write(BURST)
        else:
            self._transport.write(STREAM_HEAD + FRAME)
            if kind in MORE_FRAMES:
                self._pace.streams[self._transport] = MORE_FRAMES[kind]

    def connection_lost(self, exc: Exception | None) -> None:
        self._pace.streams.pop(self._transport, None)


async def main() -> None:
    """Serve until killed."""
    pace = Pace()
    server = await asyncio.get_running_loop().create_server(lambda: Canned(pace), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()
    uvloop.run(main())
