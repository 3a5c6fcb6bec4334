"""A client that looks at every byte a practice provider sends, and at how the connection ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from waypost.practice.asked import Asked, read
from waypost.practice.profiles import BUILT_IN, PracticeProvider
from waypost.practice.server import PracticeServer, PracticeServers, start

INSTANT = tuple(profile.at_speed(0) for profile in BUILT_IN)
QUIET_SECONDS = 3.0
WHOLE_QUIET_SECONDS = 0.01
"""How long to wait for more behind a message that is complete."""


@dataclass
class Wire:
    """What came over one connection."""

    raw: bytes
    ending: str
    """`eof`, `reset`, or `open` when nothing more came and the connection stayed."""
    reads: list[bytes] = field(default_factory=list)

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        rest = self.raw.partition(b"\r\n\r\n")[2]
        return dechunked(rest) if self.headers.get("transfer-encoding") == "chunked" else rest

    @property
    def whole(self) -> bool:
        """Whether the chunked body came to its end."""
        return self.raw.endswith(b"0\r\n\r\n")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        return [part for part in self.body.split(b"\n\n") if part]

    @property
    def values(self) -> list[Any]:
        """The JSON of every event that has some."""
        return [json.loads(part[6:]) for part in self.events if part.startswith(b"data: {")]

    @property
    def text(self) -> str:
        deltas = [choice["delta"] for value in self.values for choice in value.get("choices", []) if choice]
        return "".join(delta.get("content") or "" for delta in deltas)


def dechunked(data: bytes) -> bytes:
    """The body of a chunked message as far as it came."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        try:
            length = int(size, 16)
        except ValueError:
            break
        body += data[:length]
        data = data[length + 2 :]
    return body


def is_whole(raw: bytes) -> bool:
    """Whether the first message has come to its end, as its head tells it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"\r\n0\r\n\r\n")
    if head.startswith(b"HTTP/1.1 204"):
        return True
    length = Wire(raw, "").headers.get("content-length") if body or raw.endswith(b"\r\n\r\n") else None
    return length is not None and len(body) >= int(length)


def ask(prompt: Any = "Count to 9", **fields: Any) -> dict[str, Any]:
    return {"model": "practice/parrot", "messages": [{"role": "user", "content": prompt}], **fields}


def understood(prompt: Any = "Count to 9", **fields: Any) -> Asked:
    """The same, as the provider reads it."""
    return read(json.dumps(ask(prompt, **fields)).encode())


def request(body: Any, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "host: practice",
        f"content-length: {len(data)}",
        "content-type: application/json",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


async def listen_to(reader: asyncio.StreamReader, until: bytes | None, quiet_seconds: float = QUIET_SECONDS) -> Wire:
    """Read until `until` came, the connection ended, or nothing came for a while."""
    reads: list[bytes] = []
    ending = "open"
    try:
        while until is None or not b"".join(reads[-3:]).endswith(until):
            wait = WHOLE_QUIET_SECONDS if until is None and is_whole(b"".join(reads)) else quiet_seconds
            data = await asyncio.wait_for(reader.read(1 << 20), wait)
            if not data:
                ending = "eof"
                break
            reads.append(data)
    except TimeoutError:
        pass
    except ConnectionError:
        ending = "reset"
    return Wire(b"".join(reads), ending, reads)


@asynccontextmanager
async def line_to(server: PracticeServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a practice provider."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 24)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def fetch(server: PracticeServer, body: Any, *, fault: str = "", **more: Any) -> Wire:
    """One call on a connection of its own; reads on until the connection ends or falls silent."""
    headers = {**more.pop("headers", {}), **({"x-practice-fault": fault} if fault else {})}
    until = more.pop("until", None)
    quiet_seconds = more.pop("quiet_seconds", QUIET_SECONDS)
    async with line_to(server) as (reader, writer):
        writer.write(request(body, headers, **more))
        return await listen_to(reader, until, quiet_seconds)


@asynccontextmanager
async def practice(profiles: tuple[PracticeProvider, ...] = INSTANT) -> AsyncIterator[PracticeServers]:
    """Practice providers, as fast as they can unless told otherwise, and stopped again."""
    servers = await start(profiles, clock=lambda: 1_800_000_000)
    try:
        yield servers
    finally:
        await servers.close()
