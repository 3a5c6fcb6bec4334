"""A provider that wants a key, counts what it is asked, and does what a prompt tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
BAD_KEY = "sk-refused-0123456789"
PROVIDER = """
[providers.{slug}]
base_url = "{url}"
{key}
[models."acme/one".{slug}]
input_usd_per_million = "1"
output_usd_per_million = "1"
"""


class KeyedProvider:
    """Answers `fail`, `drop`, `wait`, `long` and everything else, streamed or not."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        """The key of every call, in their order."""
        self.go_on = asyncio.Event()
        """What `wait` waits for, after its first words."""
        self.url = ""

    def settings(self, slug: str, key: str = "") -> str:
        return PROVIDER.format(slug=slug, url=self.url, key=key)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
                body = json.loads(await reader.readexactly(int(lines["content-length"])))
                self.keys.append(lines.get("authorization", "").removeprefix("Bearer "))
                await self._answer(body, writer)
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        prompt = body["messages"][-1]["content"]
        if self.keys[-1] == BAD_KEY:
            said = json.dumps({"error": {"message": f"Incorrect API key provided: {BAD_KEY}"}}).encode()
            writer.write(b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
        elif prompt == "fail":
            writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
        elif body.get("stream"):
            await self._stream(prompt, writer)
        else:
            words = f"answer {len(self.keys)}" if prompt != "long" else "x" * 1_100_000
            if prompt == "wait":
                await self.go_on.wait()
            choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
            told = {"id": "c", "created": 1, "model": body["model"], "choices": [choice], "usage": USAGE}
            said = json.dumps(told).encode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            writer.write(head % len(said) + said)
        await writer.drain()

    async def _stream(self, prompt: str, writer: asyncio.StreamWriter) -> None:
        def say(event: Any) -> None:
            data = b"data: %b\n\n" % (event if isinstance(event, bytes) else json.dumps(event).encode())
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))

        def word(text: str, end: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": end}
            return {"id": "c", "model": "m", "choices": [choice]}

        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        say(word(f"answer {len(self.keys)} "))
        if prompt == "drop":
            writer.close()
            return
        if prompt == "wait":
            await self.go_on.wait()
        for _ in range(120 if prompt == "long" else 2):
            say(word("x" * 10_000 if prompt == "long" else "more "))
            await writer.drain()
        say(word("", "stop"))
        say({"id": "c", "model": "m", "choices": [], "usage": USAGE})
        say(b"[DONE]")
        writer.write(b"0\r\n\r\n")


@asynccontextmanager
async def keyed_provider() -> AsyncIterator[KeyedProvider]:
    provider = KeyedProvider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield provider
    finally:
        provider.go_on.set()
        server.close()
        await server.wait_closed()
