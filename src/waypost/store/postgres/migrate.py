"""Brings the database to the version this code knows: numbered `.sql` files, forward only, all of them or none."""

from __future__ import annotations

import psycopg

from waypost.store.books import DataError
from waypost.store.clock import unix_ms
from waypost.store.migrations import Migration, refuse_newer, refuse_older, shipped
from waypost.store.postgres.sql import Connection, said

KEPT_IN = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL)"


def known_migrations() -> list[Migration]:
    """Every migration shipped with this version, in order."""
    return shipped("waypost.store.postgres")


def data_version(connection: Connection) -> int:
    """The number of the last migration the data went through; 0 is empty."""
    (there,) = connection.execute("SELECT to_regclass('migrations') IS NOT NULL").fetchone() or (False,)
    if not there:
        return 0
    (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone() or (0,)
    return int(number)


def migrate(connection: Connection, shown: str, migrations: list[Migration] | None = None) -> None:
    """Apply what is missing. Raises DataError for data of a newer Waypost and for a migration that fails."""
    steps = known_migrations() if migrations is None else migrations
    version, newest = data_version(connection), steps[-1].number
    refuse_newer(version, newest, shown)
    missing = [step for step in steps if step.number > version]
    try:
        with connection.transaction():
            for step in missing:
                _apply(connection, step)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise DataError(
            f"The data in {shown} could not be brought to version {newest}: {said(error)}. Nothing was changed.",
            "Name a database that holds nothing else; or go on with the Waypost that wrote it, and report this line."
            if version == 0
            else "Go on with the Waypost that wrote it, and report this line.",
        ) from None


def refuse_other_version(connection: Connection, shown: str) -> None:
    """For those who only read: raise DataError unless the data has exactly this version's shape."""
    version, newest = data_version(connection), known_migrations()[-1].number
    if version == 0:
        raise DataError(
            f"There is no data in {shown} yet.", "Run `waypost serve` once, or name another with --database."
        )
    refuse_newer(version, newest, shown)
    refuse_older(version, newest, shown)


def _apply(connection: Connection, step: Migration) -> None:
    connection.execute(KEPT_IN)
    connection.execute(step.sql)
    connection.execute("INSERT INTO migrations (number, at_ms) VALUES (%s, %s)", (step.number, unix_ms()))
