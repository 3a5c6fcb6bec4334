"""A disk that fails when a test says so: an apsw VFS around the real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import apsw


class FailingDisk(apsw.VFS):
    """Everything opened while it is in force goes through it. `sync_error` is raised by every sync of the log file."""

    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        super().__init__("failing", self.base, makedefault=True)
        self.sync_error: type[apsw.Error] | None = None
        self.write_error: type[apsw.Error] | None = None
        self.gate: threading.Event | None = None
        """A slow disk: syncs of the log wait for it."""
        self.syncs = 0
        self._fails: dict[str, tuple[int, type[apsw.Error]]] = {}

    def fail_at(self, what: str, place: int, error: type[apsw.Error]) -> None:
        """The so-many-th `write` or `sync` of the log from now on fails, and none after it."""
        self._fails[what] = (place, error)

    def mend(self) -> None:
        """Nothing that was said fails any more."""
        self._fails.clear()

    def now(self, what: str) -> None:
        """One of the log begins."""
        place, error = self._fails.pop(what, (0, apsw.Error))
        if place == 1:
            raise error("the test's disk")
        if place:
            self._fails[what] = (place - 1, error)

    def xOpen(self, name, flags):  # noqa: N802 (SQLite's own name)
        return FailingFile(self, name, flags)


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name, flags) -> None:
        super().__init__(disk.base, name, flags)
        self._disk = disk
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags):  # noqa: N802
        self._disk.syncs += self._is_log
        if self._is_log and self._disk.gate is not None:
            assert self._disk.gate.wait(20), "the test forgot its slow disk"
        if self._is_log and self._disk.sync_error is not None:
            raise self._disk.sync_error("the test's disk")
        if self._is_log:
            self._disk.now("sync")
        return super().xSync(flags)

    def xWrite(self, data, offset):  # noqa: N802
        if self._is_log and self._disk.write_error is not None:
            raise self._disk.write_error("the test's disk")
        if self._is_log:
            self._disk.now("write")
        return super().xWrite(data, offset)


@contextmanager
def failing_disk() -> Iterator[FailingDisk]:
    disk = FailingDisk()
    try:
        yield disk
    finally:
        disk.unregister()
