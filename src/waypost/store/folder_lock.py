"""The lock of a data folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waypost.store.books import DataError

LOCK = "owner.lock"
LOCK_WAIT_SECONDS_MAX = 2.0


class FolderLock:
    """Held by the one process that may write to a data folder; the kernel drops it when that process dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = _open_lock_file(folder)

    def take(self, wait_seconds_max: float = LOCK_WAIT_SECONDS_MAX) -> None:
        """Take the lock, waiting for short visits of the command line to end. Raises DataError naming the holder."""
        deadline = time.monotonic() + wait_seconds_max
        while not self.try_take():
            if time.monotonic() > deadline:
                holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
                self.release()
                raise DataError(
                    f"The data folder {self._folder} is in use by another Waypost (pid {holder}).",
                    f"Stop it (kill {holder}), or name another folder with --data.",
                )
            time.sleep(0.02)

    def try_take(self) -> bool:
        """Take the lock if nobody holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return True

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Lets the lock go when what is inside raises."""
        try:
            yield
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _open_lock_file(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataError(
            f"The data folder {folder} cannot be written: {error.strerror}.",
            "Give this user write access to it, or name another folder with --data.",
        ) from None
