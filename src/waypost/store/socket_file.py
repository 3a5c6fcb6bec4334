"""The owner's Unix socket: where it is, and who may speak to it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from waypost.store.books import DataError

SOCKET: Final = "owner.sock"
PATH_BYTES_MAX: Final = 100
"""The kernel takes 107 bytes on Linux, 103 elsewhere."""
PEER: Final = struct.Struct("3i")


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """A path that the kernel takes also where the folder's own is too long."""
    path = str(folder / SOCKET)
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield path
        return
    if sys.platform != "linux":
        raise DataError(f"The path {path} is too long for a Unix socket.", "Name a shorter folder with --data.")
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def listening_socket(folder: Path) -> socket.socket:
    """A bound socket that only this user may open. The caller holds the folder's lock, so an old one is dead."""
    with suppress(FileNotFoundError):
        (folder / SOCKET).unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(folder) as path:
            sock.bind(path)
            Path(path).chmod(0o600)
    except OSError as error:
        sock.close()
        raise DataError(f"The socket {folder / SOCKET} cannot be made: {error}.", "Check the folder.") from None
    sock.setblocking(False)
    return sock


def connected_socket(folder: Path) -> socket.socket | None:
    """A connection to the owner; None while none is there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(folder) as path:
            sock.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError as error:
        sock.close()
        raise DataError(f"The socket {folder / SOCKET} cannot be opened: {error}.", "Check its owner.") from None
    return sock


def same_user(sock: Any) -> bool:
    """Whether the other end is a process of this user, where the kernel tells; elsewhere the file's mode guards."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, user, _ = PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, option, PEER.size))
    return bool(user == os.getuid())
