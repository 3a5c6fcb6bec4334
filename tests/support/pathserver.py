"""A server that answers each path with one document, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from rawserver import Line, raw_server


class Page(NamedTuple):
    """What a path answers."""

    body: Any = ""
    """Bytes as they are; anything else as JSON."""
    status: int = 200
    headers: tuple[str, ...] = ("content-type: application/json",)


class PathServer(NamedTuple):
    """Where it is and what it heard."""

    port: int
    asked: list[str]
    """Heads of the requests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.asked]


@asynccontextmanager
async def path_server(pages: Mapping[str, Any]) -> AsyncIterator[PathServer]:
    """A page is a `Page` or a document; a path that is not there answers 404."""
    asked: list[str] = []

    async def script(line: Line) -> None:
        while True:
            head = (await line.request()).decode()
            asked.append(head)
            page = pages.get(head.split(" ")[1], Page({"error": "not found"}, 404))
            await line.say(_reply(page if isinstance(page, Page) else Page(page)))

    async with raw_server(script) as server:
        yield PathServer(server.address.port, asked)


def _reply(page: Page) -> bytes:
    body = page.body if isinstance(page.body, bytes) else json.dumps(page.body).encode()
    lines = (f"HTTP/1.1 {page.status} -", *page.headers, f"content-length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body
