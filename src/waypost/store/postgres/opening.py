"""Opens the database: one connection that writes, behind a lock, and connections that cannot write."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from waypost.domain.databases import scrubbed, shown
from waypost.store.books import DataError
from waypost.store.postgres.migrate import data_version, migrate, refuse_other_version
from waypost.store.postgres.sql import Connection, said, teach

log = logging.getLogger("waypost.store")
DEFAULTS: Final = {
    "connect_timeout": "5",
    # A database that has gone without a word is noticed in about ten seconds.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
SESSION: Final = "SET synchronous_commit = on; SET lock_timeout = '5s'; SET TIME ZONE 'UTC'"
TAKE_LOCK: Final = "SELECT pg_try_advisory_lock(1465993584, hashtext(current_schema()))"
"""`Wayp`: one owner for each schema."""
LOCK_WAIT_SECONDS_MAX: Final = 2.0
HOLDER: Final = """
  SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.classid = 1465993584 AND l.objid = hashtext(current_schema())::bigint & 4294967295
  AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Database:
    """A database by its address. Each process that opens it shows itself there under a name of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.shown = shown(address)
        self.name = f"waypost {socket.gethostname()[:32]}:{os.getpid()} {secrets.token_hex(4)}"

    def connect(self) -> Connection:
        """Raises psycopg's errors."""
        parameters: dict[str, Any] = DEFAULTS | conninfo_to_dict(self._address)
        parameters |= {"application_name": self.name, "client_encoding": "UTF8"}
        connection = psycopg.connect(autocommit=True, **parameters)
        try:
            teach(connection.adapters)
            connection.execute(SESSION)
        except BaseException:
            connection.close()
            raise
        return connection

    def open_writer(self) -> Connection:
        """The one connection that writes, its data brought to this version. Raises DataError."""
        with self.explained():
            connection = self.connect()
            try:
                self._wait_for_lock(connection)
                self._look_at(connection)
                migrate(connection, self.shown)
            except BaseException:
                connection.close()
                raise
        return connection

    def open_reader(self) -> Connection:
        """A connection that cannot write. Raises DataError."""
        with self.explained():
            connection = self.connect()
            try:
                refuse_other_version(connection, self.shown)
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
            except BaseException:
                connection.close()
                raise
        return connection

    def version(self) -> int:
        """The version of the data there; 0 where there is none. Raises DataError."""
        with self.explained(), self.connect() as connection:
            return data_version(connection)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What psycopg raises, as what a person can do something about."""
        try:
            yield
        except psycopg.Error as error:
            why = scrubbed(said(error).partition(" Is the server running")[0], self._address).rstrip(".")
            raise DataError(
                f"The database {self.shown} cannot be used: {why}.",
                "Check its address, user and password (--database, WAYPOST_DATABASE), and that it runs.",
            ) from None

    def _wait_for_lock(self, connection: Connection) -> None:
        """Short visits of the command line end soon."""
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while not take_lock(connection):
            if time.monotonic() > deadline:
                holder = lock_holder(connection)
                who = (
                    "unknown" if holder is None else holder[1].removeprefix("waypost ").rpartition(" ")[0] or "unknown"
                )
                raise DataError(
                    f"The database {self.shown} is in use by another Waypost ({who}).",
                    "Stop that one, or name another database with --database.",
                )
            time.sleep(0.02)

    def _look_at(self, connection: Connection) -> None:
        encoding, synced = connection.execute(
            "SELECT current_setting('server_encoding'), current_setting('fsync')"
        ).fetchone() or ("", "")
        if encoding != "UTF8":
            raise DataError(
                f"The database {self.shown} is encoded in {encoding}, which cannot hold every name.",
                "Make one with ENCODING 'UTF8'.",
            )
        if synced != "on":
            log.warning("the database %s runs with fsync = off: a power cut can lose what was written", self.shown)


def take_lock(connection: Connection) -> bool:
    """Become the one that writes, unless somebody is. Held as long as the connection lives."""
    row = connection.execute(TAKE_LOCK).fetchone()
    return row is not None and bool(row[0])


def lock_holder(connection: Connection) -> tuple[int, str] | None:
    """Process id and name of the session that writes."""
    row = connection.execute(HOLDER).fetchone()
    return None if row is None else (row[0], row[1] or "")
