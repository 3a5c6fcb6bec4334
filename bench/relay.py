"""The least that any gateway in Python costs: bytes handed from one socket to another, and nothing read.

It knows no HTTP, no token, no provider but one, and each client has an upstream connection of its own. What it costs
above nginx is what the language and its event loop cost; what Waypost costs above it is what Waypost does.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop


class Relay(asyncio.Protocol):
    """One end; what comes in here goes out at the other."""

    def __init__(self, upstream: int | None) -> None:
        self._upstream = upstream
        self.transport: asyncio.Transport | None = None
        self.other: Relay | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._upstream is not None:
            self._dialing = asyncio.get_running_loop().create_task(self._dial(self._upstream))

    def data_received(self, data: bytes) -> None:
        other = self.other
        if other is None or other.transport is None:
            self._early.append(data)
        else:
            other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    async def _dial(self, port: int) -> None:
        _, other = await asyncio.get_running_loop().create_connection(lambda: Relay(None), "127.0.0.1", port)
        self.other, other.other = other, self
        for data in self._early:
            self.data_received(data)


async def main(port: int, upstream: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Relay(upstream), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
