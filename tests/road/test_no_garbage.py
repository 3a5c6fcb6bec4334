"""A call leaves nothing for Python's collector: what is not needed any more is gone at once.

The provider is another process and the client is blocking sockets in a thread, so that all garbage is the router's.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest
from inside import Inside, inside
from practice_process import KEY, provider_elsewhere
from wayside import chat, endpoint_row, post, provider_rows

CALLS, CALLS_FULL = 20, 1000
WARM = 5
LIMITED = "limited"
FAULTS = {
    "fine": "llama-elsewhere",
    "down": "llama-elsewhere+status_500",
    "mute": "llama-elsewhere+reset_before",
    "wrong": "llama-elsewhere+unprocessable_422",
    "cut": "llama-elsewhere+cut_mid_stream",
    "error": "llama-elsewhere+error_mid_stream",
    "stalls": "llama-elsewhere+stalls=2",
}
SETTINGS = "[routing]\nexplore_share = 0\nbreaker_failures = 1000\n" + "".join(
    endpoint_row(f"acme/{name}", "elsewhere", native) for name, native in FAULTS.items()
)


class Kind(NamedTuple):
    """A way for a call to go."""

    model: str = "acme/fine"
    stream: bool = True
    token: str | None = None
    usage: bool = False
    leaves: bool = False
    """After the first words."""


KINDS = {
    "streamed": Kind(),
    "streamed with usage": Kind(usage=True),
    "whole": Kind(stream=False),
    "no such model": Kind("acme/none"),
    "no such tag": Kind("acme/fine:nobody"),
    "no token": Kind(token=""),
    "a bad token": Kind(token="wp_bad"),
    "the provider fails": Kind("acme/down"),
    "the provider fails, whole": Kind("acme/down", stream=False),
    "the provider resets": Kind("acme/mute"),
    "the provider says the request is wrong": Kind("acme/wrong"),
    "the provider breaks off": Kind("acme/cut"),
    "the provider sends an error event": Kind("acme/error"),
    "the client leaves": Kind("acme/stalls", leaves=True),
    "the client leaves a whole call": Kind("acme/stalls", stream=False, leaves=True),
}


def call(port: int, token: str, kind: Kind, calls: int) -> int:
    """Call so often, one after the other; gives how many replies were heard to their end. Blocking."""
    options = {"stream_options": {"include_usage": True}} if kind.usage else {}
    request = post(token if kind.token is None else kind.token, chat(kind.model, stream=kind.stream, **options))
    heard = 0
    with socket.create_connection(("127.0.0.1", port), 10) as kept:
        for _ in range(calls):
            if not kind.leaves:
                kept.sendall(request)
                heard += b"HTTP/1.1 " in reply(kept)
                continue
            with socket.create_connection(("127.0.0.1", port), 10) as leaving:
                leaving.sendall(request)
                if kind.stream:
                    leaving.recv(65536)
                else:
                    leaving.settimeout(0.01)
                    with suppress(TimeoutError):
                        leaving.recv(1)
                heard += 1
    return heard


def reply(sock: socket.socket) -> bytes:
    """One reply, with a length or chunked."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    while len(body) < int(length) if length else not body.endswith(b"0\r\n\r\n"):
        body += sock.recv(65536)
    return head + body


@contextmanager
def saving() -> Iterator[list[object]]:
    """Whatever the collector would have to free is kept to be looked at."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def garbage_of(house: Inside, kind: Kind, calls: int) -> Counter[str]:
    """What so many calls leave, by type."""
    assert await asyncio.to_thread(call, house.port, house.token, kind, WARM) == WARM
    await quiet(house)
    with saving() as found:
        assert await asyncio.to_thread(call, house.port, house.token, kind, calls) == calls
        await quiet(house)
        gc.collect()
        return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in found)


async def quiet(house: Inside) -> None:
    """Until no call is under way, nobody is connected, and what was begun at a call's end is over."""
    async with asyncio.timeout(5):
        while house.serving.server.connections or house.serving.server.in_flight:
            await asyncio.sleep(0.005)
        await house.serving.chat.idle()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_call_leaves_no_cyclic_garbage(run, full, tmp_path, elsewhere, kind: Kind) -> None:
    async def story() -> Counter[str]:
        rows = provider_rows({"elsewhere": f"{elsewhere}/v1"})
        keyed = rows + 'key_env = "ELSEWHERE_KEY"\n' + SETTINGS
        async with inside(tmp_path, keyed, {"ELSEWHERE_KEY": KEY}) as house:
            return await garbage_of(house, kind, CALLS_FULL if full else CALLS)

    found = run(story(), 100)
    assert found == Counter(), found.most_common(12)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    with provider_elsewhere() as address:
        yield address
