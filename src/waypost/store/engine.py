"""What an engine must give, so that owner, writer and readers need not know which it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from waypost.store.batch import Batch
from waypost.store.books import Change, Filters, Retention
from waypost.store.sql import Sql
from waypost.store.sweeping import Swept


class Scribe(Protocol):
    """The one write connection. Raises EngineTrouble."""

    sql: Sql

    def prepare(self, batch: Batch) -> None:
        """Make the batch's rows, before its transaction."""

    def write(self, batch: Batch) -> None:
        """The transaction: durable when it returns; nothing of it is written when it raises TryAgain."""

    def sweep(self, epoch: int | None) -> Swept:
        """End the open calls of a process that is gone, None: of all that ever were. A transaction, as `write`."""

    def void(self, numbers: list[int]) -> None:
        """End these calls, where they are open, without a charge. A transaction, as `write`."""

    def try_disk(self) -> None:
        """Write something and take it away again. Raises as `write` does."""

    def roll_back(self) -> None:
        """Undo a transaction that failed, and forget what was kept in memory of it."""

    def news(self) -> list[Change]:
        """What changed since this was last asked, whoever wrote it."""

    def close(self) -> None:
        """Let the data go."""


class Chores(Protocol):
    """What the writer does when nobody waits for it."""

    retention: Retention

    @property
    def pressing(self) -> bool:
        """Something must be done although others wait."""

    def step(self) -> bool:
        """Do the next short thing that is due; whether there was one."""

    def finish(self) -> None:
        """Before closing: what should not be forgotten."""


class Writing(NamedTuple):
    """The write connection, and what is to be done on it beside writing."""

    scribe: Scribe
    chores: Chores


class Reading(Protocol):
    """One connection that cannot write. Raises TryAgain where it is lost."""

    sql: Sql

    def snapshot(self) -> AbstractContextManager[None]:
        """Everything inside sees the same state."""

    def newest(self, filters: Filters, limit: int) -> list[int]:
        """Ids of the newest calls that fit, newest first. Inside a snapshot."""

    def calls(self) -> int:
        """How many waybills there are."""

    def close(self) -> None:
        """Hang up."""


class Versions(NamedTuple):
    """Numbers of migrations."""

    data: int
    """The last one that the data went through; 0: there is none yet."""
    newest: int
    """The last one that this program knows."""


class Engine(Protocol):
    """A kind of database, at one place. Raises DataError where it cannot be used."""

    def open_writer(self, retention: Retention, clock_ms: Callable[[], int]) -> Writing:
        """The one write connection, its data brought to this version. The caller holds the folder's lock."""

    def open_reader(self) -> Reading:
        """A connection that cannot write."""

    def versions(self) -> Versions:
        """Whether the data fits this program."""
