"""Opens the data folder's file: one write connection behind the folder's lock, read connections that cannot write.

SQLite comes with apsw, because the one in Python 3.11-3.13 (3.40.1) is inside the WAL-reset bug that can lose
acknowledged commits (https://sqlite.org/wal.html, mended in 3.51.3, 3.50.7 and 3.44.6).
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from waypost.store.books import DataError
from waypost.store.folder_lock import FolderLock
from waypost.store.sqlite.migrate import data_version, migrate, refuse_other_version

DATABASE = "waypost.db"
BUSY_MS_MAX = 1_000
CACHE_KIB = 16_384


def mended(version: str) -> bool:
    """Whether this SQLite is free of the WAL-reset bug."""
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    if (major, minor) in ((3, 50), (3, 44)):
        return patch >= {50: 7, 44: 6}[minor]
    return (major, minor, patch) >= (3, 51, 3)


def refuse_unmended(version: str) -> None:
    """Raise DataError for a SQLite that can lose commits."""
    if not mended(version):
        raise DataError(
            f"SQLite {version} can lose acknowledged writes (the WAL-reset bug).",
            "Install apsw 3.51.3 or newer.",
        )


def open_writer(folder: Path, lock: FolderLock) -> apsw.Connection:
    """The one write connection, its data brought to this version. Lets the lock go where that fails."""
    with lock.kept():
        return open_locked(folder)


def open_locked(folder: Path) -> apsw.Connection:
    """The one write connection of a folder whose lock the caller holds, its data brought to this version."""
    refuse_unmended(apsw.sqlite_lib_version())
    path = folder / DATABASE
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # its log gets the same mode
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_MS_MAX)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "wal_autocheckpoint = 0",  # only when idle, by `chores`
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        migrate(connection, path)
    except OSError as error:
        raise DataError(f"The data file {path} cannot be opened: {error.strerror}.", "Check its owner.") from None
    except apsw.Error as error:
        raise unusable(path, error) from None
    return connection


def version_in(folder: Path) -> int:
    """The version of the data there; 0 where there is none."""
    path = folder / DATABASE
    if not path.exists():
        return 0
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return data_version(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        raise unusable(path, error) from None


def open_reader(folder: Path) -> apsw.Connection:
    """A connection that cannot write and never checkpoints."""
    path = folder / DATABASE
    if not path.exists():
        raise DataError(
            f"There is no data in {folder} yet.", "Run `waypost serve` once, or name the folder with --data."
        )
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(BUSY_MS_MAX)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        refuse_other_version(connection, path)
    except apsw.Error as error:
        raise unusable(path, error) from None
    return connection


def unusable(path: Path, error: apsw.Error) -> DataError:
    """What SQLite said, in words that help."""
    if isinstance(error, apsw.FullError):
        return DataError(f"The disk under {path} is full.", "Free some space and start again.")
    if isinstance(error, (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)):
        return DataError(f"The data file {path} cannot be opened or written.", "Check its owner and its folder's.")
    if isinstance(error, (apsw.NotADBError, apsw.CorruptError)):
        return DataError(f"The data file {path} is damaged or not ours.", "Restore a backup, or move it away.")
    return DataError(f"The data file {path} cannot be used: {error}.", "Look at the disk and its permissions.")
