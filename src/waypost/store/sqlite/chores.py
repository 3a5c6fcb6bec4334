"""What the writer thread does when nobody waits for it: each step is short, and most are one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from waypost.domain.requests import first_number_at
from waypost.store.books import Retention
from waypost.store.keyed_calls import delete_expired
from waypost.store.rollup import forget_sessions
from waypost.store.sql import EngineTrouble
from waypost.store.sqlite.log_file import lengthen
from waypost.store.sqlite.retention import Due, delete_old_notes, delete_oldest
from waypost.store.sqlite.scribe import Scribe
from waypost.store.uses import due_uses

log = logging.getLogger("waypost.store")
DELETE_ROWS: Final = 256
USED_MS_MIN: Final = 60_000
DAY_MS: Final = 86_400_000


class Pace(NamedTuple):
    """How often, and from what on, things are done."""

    checkpoint_pages: int = 1_000
    checkpoint_pages_forced: int = 8_000
    log_pages: int = 1_050
    """How long the log is made when nobody waits: what comes before an idle moment's checkpoint fits in."""
    checkpoint_quiet_seconds: float = 5.0
    tail_forced: int = 32_768
    retention_seconds: float = 10.0
    retention_late_seconds: float = 60.0
    """So long after it was due, retention goes on although others wait."""
    rollup_seconds: float = 2.0
    rollup_late_seconds: float = 60.0
    used_seconds: float = 10.0
    trouble_seconds: float = 5.0


class Chores:
    """Indexing, retention, last uses, checkpoints, a long log."""

    def __init__(
        self, scribe: Scribe, retention: Retention, clock_ms: Callable[[], int], pace: Pace | None = None
    ) -> None:
        self._pace = pace or Pace()
        self._scribe = scribe
        self._connection = scribe.connection
        self.retention = retention
        self._clock_ms = clock_ms
        self._wal_pages = 0
        self._log_short = True
        self._written_at = 0.0
        self._retain_at = time.monotonic()
        self._retained = retention
        self._roll_at = time.monotonic()
        self._used_at = 0.0
        self._rest_until = 0.0
        self._written_uses: dict[int, int] = {}
        self._connection.set_wal_hook(self._wal_grew)

    @property
    def pressing(self) -> bool:
        """Something must be done although others wait, or lists and the log file would grow without bound."""
        return (
            self._log_is_long
            or self._scribe.segments.tail > self._pace.tail_forced
            or time.monotonic() > self._retain_at + self._pace.retention_late_seconds
            or time.monotonic() > self._roll_at + self._pace.rollup_late_seconds
        )

    @property
    def _log_is_long(self) -> bool:
        return self._wal_pages > self._pace.checkpoint_pages_forced

    def step(self) -> bool:
        """Do the next thing that is due; whether there was one."""
        now = time.monotonic()
        if now < self._rest_until:
            return False
        try:
            return self._step(now)
        except (apsw.Error, OSError, EngineTrouble) as error:
            log.warning("housekeeping of the data folder failed and will be tried again: %s", error)
            self._rest_until = now + self._pace.trouble_seconds
            self._scribe.roll_back()
            self._scribe.segments.reload()
            self._scribe.rollup.doubt()
            return False

    def finish(self) -> None:
        """Before closing: what should not be forgotten."""
        try:
            self._note_uses(0)
        except apsw.Error as error:
            log.warning("when tokens were last used could not be written: %s", error)

    def _step(self, now: float) -> bool:
        segments = self._scribe.segments
        if self._log_is_long:
            self._checkpoint()
        elif segments.build_due or segments.mend_due:
            (segments.build if segments.build_due else segments.mend)()
        elif self._log_short:
            self._log_short = lengthen(self._connection, self._pace.log_pages)
        elif now >= self._retain_at or self.retention != self._retained:
            self._retain(now)
        elif now >= self._roll_at:
            self._roll(now)
        elif self._checkpoint_due(now):
            self._checkpoint()
        elif now >= self._used_at and self._scribe.used:
            self._used_at = now + self._pace.used_seconds
            self._note_uses(USED_MS_MIN)
        else:
            return False
        return True

    def _retain(self, now: float) -> None:
        """Delete a few of the oldest waybills; come back at once while there are more."""
        if self.retention != self._retained:
            self._retained, self._retain_at = self.retention, now
        segments, (age, rows_max) = self._scribe.segments, self._retained
        before = 0 if age is None else first_number_at(max(0, self._clock_ms() - age * DAY_MS))
        surplus = 0 if rows_max is None else segments.calls - rows_max
        gone, names = delete_oldest(self._connection, Due(before, surplus, DELETE_ROWS), self._clock_ms())
        if gone:
            segments.reload()
            self._scribe.rollup.reload()
            self._scribe.names.forget(names)
        else:
            delete_old_notes(self._connection, before)
            delete_expired(self._scribe.sql, self._clock_ms())
            if not forget_sessions(self._scribe.sql, before):
                self._retain_at = now + self._pace.retention_seconds

    def _roll(self, now: float) -> None:
        """Put some calls into the sums of usage; come back at once while there are more."""
        if not self._scribe.rollup.step():
            self._roll_at = now + self._pace.rollup_seconds

    def _note_uses(self, age_ms_min: int) -> None:
        """Write when tokens were last used, once a minute each at most."""
        due = due_uses(self._scribe.used, self._written_uses, age_ms_min)
        self._scribe.used.clear()
        if due:
            self._connection.execute(
                "UPDATE tokens SET last_used_at = max(coalesce(last_used_at, 0), uses.value)"
                " FROM json_each(?) AS uses WHERE tokens.id = CAST(uses.key AS INTEGER)",
                (msgspec.json.encode(due).decode(),),
            )
            self._written_uses.update(due)

    def _checkpoint_due(self, now: float) -> bool:
        quiet = now - self._written_at >= self._pace.checkpoint_quiet_seconds
        return self._wal_pages >= self._pace.checkpoint_pages or (self._wal_pages > 0 and quiet)

    def _checkpoint(self) -> None:
        """Move what is in the log into the database file, so that the log begins anew."""
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._wal_pages = 0

    def _wal_grew(self, _connection: Any, _name: str, pages: int) -> int:
        self._wal_pages = pages
        self._written_at = time.monotonic()
        return apsw.SQLITE_OK
