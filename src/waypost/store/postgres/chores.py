"""What the writer thread does when nobody waits for it: retention and last uses. Each step is short, and a transaction.

Postgres itself sees to its log and its dead rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from waypost.domain.requests import first_number_at
from waypost.store.books import Retention
from waypost.store.keyed_calls import delete_expired
from waypost.store.moving import CARRY_OF
from waypost.store.postgres.arrays import array
from waypost.store.postgres.names import Word
from waypost.store.postgres.scribe import Scribe
from waypost.store.postgres.sql import translated
from waypost.store.rollup import forget_sessions, keep_sums
from waypost.store.sql import OutcomeUnknown, TryAgain, Unstorable
from waypost.store.uses import due_uses

log = logging.getLogger("waypost.store")
DELETE_ROWS: Final = 256
USED_MS_MIN: Final = 60_000
DAY_MS: Final = 86_400_000
CHANGES_KEPT: Final = 10_000
LISTED: Final = ("model", "policy", "provider", "code", "session")
"""Named columns with an index of their own: whether a word is still used is quickly known."""
TOO_OLD: Final = "SELECT id FROM calls WHERE id < %s AND state IS DISTINCT FROM 0 ORDER BY id LIMIT %s"
TOO_MANY: Final = "SELECT id FROM calls WHERE state IS DISTINCT FROM 0 ORDER BY id LIMIT %s"
DELETE: Final = f"DELETE FROM calls WHERE id = ANY(%s::bigint[]) RETURNING {', '.join(LISTED)}"  # noqa: S608 (constants)
CARRY: Final = CARRY_OF.format(
    now="%s::bigint", ids="(SELECT unnest(%s::bigint[]))", again="(SELECT unnest(%s::bigint[]))"
)
UNUSED: Final = " AND ".join(f"NOT EXISTS (SELECT 1 FROM calls WHERE {name} = names.id)" for name in LISTED)  # noqa: S608 (constants)
FORGET: Final = f"DELETE FROM names WHERE id = ANY(%s::bigint[]) AND {UNUSED} RETURNING kind, text"  # noqa: S608 (constants)
USES: Final = """
  UPDATE tokens SET last_used_at = greatest(last_used_at, uses.at)
  FROM unnest(%s::bigint[], %s::bigint[]) AS uses (id, at) WHERE tokens.id = uses.id
"""


class Pace(NamedTuple):
    """How often things are done."""

    retention_seconds: float = 10.0
    retention_late_seconds: float = 60.0
    """So long after it was due, retention goes on although others wait."""
    rollup_seconds: float = 2.0
    rollup_late_seconds: float = 60.0
    used_seconds: float = 10.0
    trouble_seconds: float = 5.0


class Chores:
    """Retention and last uses."""

    def __init__(
        self, scribe: Scribe, retention: Retention, clock_ms: Callable[[], int], pace: Pace | None = None
    ) -> None:
        self._pace = pace or Pace()
        self._scribe = scribe
        self.retention = retention
        self._clock_ms = clock_ms
        self._retained = retention
        self._retain_at = time.monotonic()
        self._roll_at = time.monotonic()
        self._used_at = 0.0
        self._rest_until = 0.0
        self._written_uses: dict[int, int] = {}
        self._counted: int | None = None
        """Calls that were there before this scribe wrote any, without those deleted since."""

    @property
    def pressing(self) -> bool:
        now = time.monotonic()
        return (
            now > self._retain_at + self._pace.retention_late_seconds
            or now > self._roll_at + self._pace.rollup_late_seconds
        )

    def step(self) -> bool:
        now = time.monotonic()
        if now < self._rest_until:
            return False
        try:
            if now >= self._retain_at or self.retention != self._retained:
                self._scribe.be_connected()
                self._retain(now)
            elif now >= self._roll_at:
                self._roll(now)
            elif now >= self._used_at and self._scribe.used:
                self._used_at = now + self._pace.used_seconds
                self._note_uses(USED_MS_MIN)
            else:
                return False
        except (TryAgain, OutcomeUnknown, Unstorable) as error:  # whatever came of it, it is looked at again
            log.warning("housekeeping of the database failed and will be tried again: %s", error)
            self._rest_until = now + self._pace.trouble_seconds
            self._counted = None
            self._scribe.roll_back()
            self._scribe.rollup.doubt()
            return False
        return True

    def finish(self) -> None:
        try:
            self._note_uses(0)
        except (TryAgain, OutcomeUnknown, Unstorable) as error:
            log.warning("when tokens were last used could not be written: %s", error)

    def _retain(self, now: float) -> None:
        """Delete a few of the oldest waybills; come back at once while there are more."""
        age, rows_max = self._retained = self.retention
        before = 0 if age is None else first_number_at(max(0, self._clock_ms() - age * DAY_MS))
        surplus = 0 if rows_max is None else self._calls() - rows_max
        gone, words = self._delete_oldest(before, surplus)
        if gone:
            self._scribe.rollup.reload()
            self._scribe.names.forget(words)
            if self._counted is not None:
                self._counted -= gone
        elif not self._delete_old_notes(before):
            self._retain_at = now + self._pace.retention_seconds

    def _roll(self, now: float) -> None:
        """Put some calls into the sums of usage; come back at once while there are more."""
        self._scribe.be_connected()
        if not self._scribe.rollup.step():
            self._roll_at = now + self._pace.rollup_seconds

    def _calls(self) -> int:
        """How many there are. Counted once: a table of millions takes a second."""
        if self._counted is None:
            self._counted = (
                int(self._scribe.sql.value("SELECT count(*) FROM calls WHERE state IS DISTINCT FROM 0"))
                - self._scribe.written
            )
        return self._counted + self._scribe.written

    def _delete_oldest(self, before: int, surplus: int) -> tuple[int, list[Word]]:
        """How many went, and the words that went with them."""
        words: list[Word] = []
        with translated():
            self._scribe.begin()
            execute = self._scribe.session.connection.execute
            due: list[Any] = execute(TOO_OLD, (before, DELETE_ROWS)).fetchall()
            if not due and surplus > 0:
                due = execute(TOO_MANY, (min(surplus, DELETE_ROWS),)).fetchall()
            rows: list[Any] = []
            if due:
                ids = array("bigint", [number for (number,) in due])
                keep_sums(self._scribe.sql, due[-1][0])
                execute(CARRY, (self._clock_ms(), ids, ids))
                rows = execute(DELETE, (ids,)).fetchall()
                numbers = {number for row in rows for number in row if number is not None}
                words = [(kind, text) for kind, text in execute(FORGET, (array("bigint", numbers),)).fetchall()]
            self._scribe.commit()
        return len(rows), words

    def _delete_old_notes(self, before: int) -> int:
        """Unknown callers and sums by session under `before`, and changes that every process has long seen.

        How many sums went: there may be more of those.
        """
        with translated():
            self._scribe.begin()
            sql = self._scribe.sql
            delete_expired(sql, self._clock_ms())
            sql.run("DELETE FROM strangers WHERE id < :before", {"before": before})
            newest = sql.value("SELECT max(seq) FROM changes") or 0
            sql.run("DELETE FROM changes WHERE seq <= :old", {"old": newest - CHANGES_KEPT})
            forgotten = forget_sessions(sql, before)
            self._scribe.commit()
        return forgotten

    def _note_uses(self, age_ms_min: int) -> None:
        """Write when tokens were last used, once a minute each at most."""
        due = due_uses(self._scribe.used, self._written_uses, age_ms_min)
        self._scribe.used.clear()
        if due:
            with translated():
                self._scribe.begin()
                self._scribe.session.connection.execute(USES, (array("bigint", due), array("bigint", due.values())))
                self._scribe.commit()
            self._written_uses.update(due)
