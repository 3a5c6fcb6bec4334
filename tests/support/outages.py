"""An engine that cannot write for a while, or is lost in the middle of a commit, when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw
from failing_disk import FailingDisk, failing_disk
from postgres_server import PostgresServer

LOSE_COMMITS = """
  CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END $$;
  CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON calls DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lose();
"""


class SqliteOutage:
    """What is opened while it is in force can be made to fail."""

    def __init__(self, disk: FailingDisk) -> None:
        self._disk = disk

    def begin(self) -> None:
        self._disk.write_error = apsw.FullError

    def end(self) -> None:
        self._disk.write_error = None

    def lose_commits(self) -> None:
        self._disk.sync_error = apsw.IOError

    def keep_commits(self) -> None:
        self._disk.sync_error = None


class PostgresOutage:
    """The database lets nobody in, and throws out who is in."""

    def __init__(self, server: PostgresServer, address: str) -> None:
        self._server = server
        self._name = server.name(address)

    def begin(self) -> None:
        self._server.execute(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        self.throw_out()

    def end(self) -> None:
        self._server.execute(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def throw_out(self) -> None:
        """Every connection there is at the moment."""
        of_it = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{self._name}'"
        self._server.execute(of_it)

    def lose_commits(self) -> None:
        self._server.execute(LOSE_COMMITS, self._name)

    def keep_commits(self) -> None:
        self._server.execute("DROP FUNCTION lose CASCADE", self._name)


@contextmanager
def sqlite_outage() -> Iterator[SqliteOutage]:
    with failing_disk() as disk:
        yield SqliteOutage(disk)
