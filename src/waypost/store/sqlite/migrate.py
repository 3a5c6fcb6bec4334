"""Brings data to the version this code knows: numbered `.sql` files, forward only, tried on a copy first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from waypost.store.books import DataError
from waypost.store.migrations import Migration, refuse_newer, refuse_older, shipped


def known_migrations() -> list[Migration]:
    """Every migration shipped with this version, in order."""
    return shipped("waypost.store.sqlite")


def data_version(connection: apsw.Connection) -> int:
    """The number of the last migration the data went through; 0 is empty."""
    return int(connection.pragma("user_version"))


def migrate(connection: apsw.Connection, path: Path, migrations: Sequence[tuple[int, str]] | None = None) -> None:
    """Apply what is missing. Raises DataError for data of a newer Waypost and for a migration that fails."""
    steps = known_migrations() if migrations is None else migrations
    version, newest = data_version(connection), steps[-1][0]
    refuse_newer(version, newest, path.parent)
    missing = [(number, sql) for number, sql in steps if number > version]
    if missing and version > 0:
        _try_on_copy(connection, path, missing)
    if missing:
        _apply(connection, missing)


def refuse_other_version(connection: apsw.Connection, path: Path) -> None:
    """For those who only read: raise DataError unless the data has exactly this version's shape."""
    version, newest = data_version(connection), known_migrations()[-1].number
    refuse_newer(version, newest, path.parent)
    refuse_older(version, newest, path.parent)


def _apply(connection: apsw.Connection, steps: Sequence[tuple[int, str]]) -> None:
    """All steps or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, sql in steps:
            connection.execute(sql)
            connection.execute(f"PRAGMA user_version = {number}")
    except apsw.Error:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _try_on_copy(connection: apsw.Connection, path: Path, steps: Sequence[tuple[int, str]]) -> None:
    copy_path = path.with_suffix(".trial")
    copy_path.unlink(missing_ok=True)
    try:
        connection.execute("VACUUM INTO ?", (str(copy_path),))
        copy = apsw.Connection(str(copy_path))
        try:
            copy.execute("PRAGMA synchronous = OFF")
            _apply(copy, steps)
            _check(copy)
        finally:
            copy.close()
    except apsw.Error as error:
        raise DataError(
            f"The data in {path.parent} could not be brought to version {steps[-1][0]}: {error}. Nothing was changed.",
            "Go on with the Waypost that wrote it, and report this line.",
        ) from None
    finally:
        copy_path.unlink(missing_ok=True)


def _check(copy: apsw.Connection) -> None:
    """Raise apsw.CorruptError when the migrated copy is not sound."""
    problems = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)") if row[0] != "ok"]
    problems += [f"a row of {row[0]} points nowhere" for row in copy.execute("PRAGMA foreign_key_check")]
    if problems:
        raise apsw.CorruptError(problems[0])
