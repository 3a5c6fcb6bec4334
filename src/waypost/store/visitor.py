"""The command line's way to the data: through the owner while a server runs, else straight into the folder."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from waypost.domain.problems import Problem
from waypost.store.batch import Batch, Order
from waypost.store.books import DataError, Retention
from waypost.store.clock import unix_ms
from waypost.store.engine import Scribe
from waypost.store.engines import engine_of
from waypost.store.folder_lock import FolderLock
from waypost.store.frames import (
    Hello,
    Refused,
    Request,
    Result,
    Unframer,
    down_decoder,
    frame,
    unpacked_problem,
    unpacked_value,
)
from waypost.store.socket_file import connected_socket

Run = Callable[[str, dict[str, Any]], Any]
"""`run(command, args)`: as `Books.run`, blocking. Raises Problem."""

WAIT_SECONDS_MAX: Final = 5.0
"""For an owner that is just starting, or another visit."""
ANSWER_SECONDS_MAX: Final = 10.0
RECEIVE_BYTES: Final = 65_536


@contextmanager
def visit(folder: Path, database: str | None = None, wait_seconds_max: float = WAIT_SECONDS_MAX) -> Iterator[Run]:
    """A way to run commands on a data folder, whoever owns it at the moment. Raises DataError."""
    deadline = time.monotonic() + wait_seconds_max
    lock = FolderLock(folder)
    while True:
        sock = connected_socket(folder)
        if sock is not None:
            lock.release()
            with sock:
                yield _Caller(sock).run
            return
        if lock.try_take():
            break
        if time.monotonic() > deadline:
            lock.take(0)
        time.sleep(0.02)
    try:
        scribe, _ = engine_of(folder, database).open_writer(Retention(), unix_ms)
        try:
            yield _Clerk(scribe).run
        finally:
            scribe.close()
    finally:
        lock.release()


class _Clerk:
    """Runs commands in this process, each its own transaction."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    def run(self, command: str, args: dict[str, Any]) -> Any:
        batch = Batch([], [], [Order(command, args, None)], [])
        self._scribe.write(batch)
        if isinstance(batch.results[0], Problem):
            raise batch.results[0]
        return batch.results[0]


class _Caller:
    """Has commands run by the owner."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.settimeout(ANSWER_SECONDS_MAX)
        self._unframer = Unframer()
        self._number = 0
        self._send(Hello(os.getpid(), serves=False))

    def run(self, command: str, args: dict[str, Any]) -> Any:
        self._number += 1
        self._send(Request(self._number, command, args))
        while True:
            for message in self._receive():
                if isinstance(message, Result) and message.number == self._number:
                    return unpacked_value(message.value)
                if isinstance(message, Refused) and message.number == self._number:
                    raise unpacked_problem(message.problem)

    def _send(self, message: Any) -> None:
        try:
            self._sock.sendall(frame([message]))
        except OSError as error:
            raise _gone(error) from None

    def _receive(self) -> list[Any]:
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except OSError as error:
            raise _gone(error) from None
        if not data:
            raise _gone(ConnectionResetError("it hung up"))
        return [message for packed in self._unframer.feed(data) for message in down_decoder.decode(packed)]


def _gone(error: OSError) -> DataError:
    return DataError(f"The running Waypost did not answer: {error}.", "Try again; if it hangs, restart it.")
