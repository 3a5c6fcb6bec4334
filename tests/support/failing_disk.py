"""A disk that fails when a test says so: an apsw VFS around the real one."""

from __future__ import annotations

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
        self.syncs = 0

    def xOpen(self, name, flags):  # noqa: N802 (SQLite's own name)
        return FailingFile(self, name, flags)


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name, flags) -> None:
        super().__init__(disk.base, name, flags)
        self._disk = disk
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags):  # noqa: N802
        self._disk.syncs += self._is_log
        if self._is_log and self._disk.sync_error is not None:
            raise self._disk.sync_error("the test's disk")
        return super().xSync(flags)

    def xWrite(self, data, offset):  # noqa: N802
        if self._is_log and self._disk.write_error is not None:
            raise self._disk.write_error("the test's disk")
        return super().xWrite(data, offset)


@contextmanager
def failing_disk() -> Iterator[FailingDisk]:
    disk = FailingDisk()
    try:
        yield disk
    finally:
        disk.unregister()
