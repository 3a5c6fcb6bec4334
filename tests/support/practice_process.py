"""A provider in a process of its own, as somebody else's would be: it demands a key and knows nothing of us."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from waypost.practice.profiles import PracticeProvider, at
from waypost.practice.server import serve_practice

KEY = "elsewhere-key-1234"
ELSEWHERE = PracticeProvider(
    "elsewhere",
    (at("elsewhere", "meta/llama", ("0.20", "0.80"), (0.0, 0.0), id="llama-elsewhere"),),
    key=KEY,
    speed=0,
)


@contextmanager
def provider_elsewhere() -> Iterator[str]:
    """Its address without `/v1`, until the block ends."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line, "the practice provider did not start"
            yield json.loads(line)["elsewhere"].removesuffix("/v1")
        finally:
            process.terminate()


async def _serve() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve_practice(stop, lambda servers: print(json.dumps(servers.base_urls), flush=True), (ELSEWHERE,))  # noqa: T201 (its ready line)


if __name__ == "__main__":
    asyncio.run(_serve())
