"""A disk whose power can be cut: what was written but not synced is gone afterwards.

Writes go to the real file, and what stood there before is remembered until the next sync. A cut copies the folder and
puts back everything that was never synced.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw


class CutDisk(apsw.VFS):
    """Everything opened while it is in force goes through it."""

    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        super().__init__("cuttable", self.base, makedefault=True)
        self.unsynced: dict[str, list[tuple[int, bytes, int]]] = {}
        """File → for each write since its last sync: where, what stood there, and how long the file was."""

    def xOpen(self, name, flags):  # noqa: N802 (SQLite's own name)
        return CutFile(self, name, flags)

    def cut(self, folder: Path, into: Path) -> None:
        """What the disk holds after a power cut right now."""
        shutil.copytree(folder, into)
        for name, writes in self.unsynced.items():
            path = into / Path(name).name
            if not path.exists():
                continue
            with path.open("r+b") as file:
                for offset, before, length in reversed(writes):
                    file.seek(offset)
                    file.write(before)
                    file.truncate(length)
        for index in into.glob("*-shm"):
            index.unlink()  # it lives in memory


class CutFile(apsw.VFSFile):
    def __init__(self, disk: CutDisk, name, flags) -> None:
        super().__init__(disk.base, name, flags)
        path = name if isinstance(name, str) or name is None else name.filename()
        self._writes = [] if path is None else disk.unsynced.setdefault(path, [])

    def xWrite(self, data, offset):  # noqa: N802
        length = self.xFileSize()
        before = self.xRead(min(len(data), length - offset), offset) if offset < length else b""
        self._writes.append((offset, before, length))
        return super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802
        length = self.xFileSize()
        if size < length:
            self._writes.append((size, self.xRead(length - size, size), length))
        return super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        result = super().xSync(flags)
        self._writes.clear()
        return result


@contextmanager
def cuttable_disk() -> Iterator[CutDisk]:
    disk = CutDisk()
    try:
        yield disk
    finally:
        disk.unregister()
