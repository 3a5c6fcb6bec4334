"""The children that serve when there are several workers: started, watched, started again, and told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

log = logging.getLogger("waypost")
BACKLOG = 4096
RESTART_SECONDS = 0.5
RESTART_SECONDS_MAX = 10.0
START_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0
"""Who served this long did not fail at its start."""
READY = b"ready\n"


class WorkerOrders(msgspec.Struct, frozen=True):
    """What a worker must know; it reads the settings themselves again."""

    config: str | None
    overrides: dict[str, Any]
    listeners: tuple[int, ...] = ()
    """The inherited listening sockets: the worker's own, then the others'."""
    practice: dict[str, str] | None = None
    """Where practice providers run, by slug."""

    def of(self, base_urls: Mapping[str, str] | None) -> WorkerOrders:
        """The same, with what was found at start."""
        return msgspec.structs.replace(self, practice=None if base_urls is None else dict(base_urls))

    def at(self, place: int, socks: Sequence[socket.socket]) -> WorkerOrders:
        """The same, for the worker in this place."""
        numbers = [sock.fileno() for sock in socks]
        own = numbers[place % len(numbers)]
        return msgspec.structs.replace(self, listeners=(own, *(number for number in numbers if number != own)))


def one_each(first: socket.socket, count: int) -> list[socket.socket]:
    """Listening sockets on the address of the first, one for each worker: Linux spreads connections over them.

    One socket for all gives a burst to whoever wakes first: of 16 connections, 15 to one of two workers. The first was
    bound for itself alone, so a port that is in use has been found. Elsewhere it stays the one for all.
    """
    socks = [first]
    if sys.platform == "linux":
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with suppress(OSError):  # a system that only looks like Linux: the first will do
            while len(socks) < count:
                socks.append(_beside(first))
    return socks


def _beside(first: socket.socket) -> socket.socket:
    sock = socket.socket(first.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(first.getsockname())
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class Hands:
    """The children. One that ends unasked is replaced, at first at once and then ever more slowly."""

    def __init__(self, orders: WorkerOrders, socks: Sequence[socket.socket], stop: asyncio.Event) -> None:
        self._orders = orders
        self._socks = socks
        self._stop = stop
        self._running: set[asyncio.subprocess.Process] = set()
        self._serving: set[asyncio.subprocess.Process] = set()
        self._first: list[asyncio.subprocess.Process] = []

    async def start(self, count: int) -> None:
        """Return when all serve. Raises ChildFailed; no child is left then."""
        spawned = await asyncio.gather(*map(self._spawn, range(count)), return_exceptions=True)
        self._first = [child for child in spawned if isinstance(child, asyncio.subprocess.Process)]
        for failed in spawned:
            if isinstance(failed, BaseException):
                for child in self._first:
                    await _end(child)
                raise failed

    async def work(self) -> None:
        """Return when the stop was asked for and every child has ended."""
        keepers = [asyncio.create_task(self._keep(place, child)) for place, child in enumerate(self._first)]
        await self._stop.wait()
        for sock in self._socks:  # as long as one process holds it, clients come in and nobody answers
            sock.close()
        _tell(self._running, signal.SIGTERM)
        await asyncio.gather(*keepers)

    def reload(self) -> None:
        """Every child looks at the settings again."""
        _tell(self._serving, signal.SIGHUP)

    def kill(self, pid: int) -> None:
        """A child that does not answer must not go on serving what was revoked."""
        log.error("worker %d does not answer: killed", pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def _keep(self, place: int, child: asyncio.subprocess.Process) -> None:
        wait, began = RESTART_SECONDS, time.monotonic()
        while True:
            code = await child.wait()
            self._running.discard(child)
            self._serving.discard(child)
            if self._stop.is_set():
                return
            log.error("worker %d ended with %s: starting another", child.pid, code)
            if time.monotonic() - began > STEADY_SECONDS:
                wait = RESTART_SECONDS
            await asyncio.sleep(wait)
            wait, began = min(wait * 2, RESTART_SECONDS_MAX), time.monotonic()
            if self._stop.is_set():
                return
            try:
                child = await self._spawn(place)
            except ChildFailed as failed:
                log.error("%s", failed)  # noqa: TRY400 (told by the child itself)
                continue
            if self._stop.is_set():
                _tell([child], signal.SIGTERM)  # it began after the others were told

    async def _spawn(self, place: int) -> asyncio.subprocess.Process:
        orders = self._orders.at(place, self._socks)
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "waypost.crew_worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=orders.listeners,
            )
        except OSError as error:
            raise ChildFailed(f"no worker could be started: {error.strerror}") from None
        self._running.add(child)
        assert child.stdin is not None  # noqa: S101 (piped above)
        assert child.stdout is not None  # noqa: S101 (piped above)
        child.stdin.write(msgspec.json.encode(orders))
        child.stdin.close()
        try:
            said = await asyncio.wait_for(child.stdout.readline(), START_SECONDS_MAX)
        except TimeoutError:
            said = b""
        if said != READY:
            await _end(child)
            self._running.discard(child)
            raise ChildFailed(f"worker {child.pid} did not start; it says why above")
        self._serving.add(child)
        return child


def _tell(children: Iterable[asyncio.subprocess.Process], name: signal.Signals) -> None:
    for child in list(children):
        with suppress(ProcessLookupError):
            child.send_signal(name)


async def _end(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    await child.wait()


class ChildFailed(Exception):
    """A worker did not get as far as serving."""
