"""Sums over calls by UTC day, so that a month is read in milliseconds, however many calls it had, and outlives them.

Calls are put into the sums a few thousand at a time, when nobody waits. `rolled_to` says how far: ended calls up to it
are in the sums, but for those in `usage_late`, which were open then, or came later; what is newer, and what is late, is
summed from the calls themselves. So whoever asks gets exactly what the calls add up to, at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from waypost.domain.requests import first_number_at
from waypost.store.rows import ESTIMATED, OWN_KEY, SERVED
from waypost.store.sql import Sql, Values

DAY_MS: Final = 86_400_000
DAY: Final = first_number_at(DAY_MS)
"""How far the numbers of calls grow in a day."""
STEP_CALLS: Final = 512
BEHIND_CALLS: Final = 1_024
"""Left for later, at least: most of the newest calls' neighbours have not ended yet."""
LATE_TOGETHER: Final = 512
EVERY: Final = 1 << 31
SESSIONS_TOGETHER: Final = 256
ID_MAX: Final = (1 << 63) - 1

WAS_SERVED: Final = f"((c.flags & {SERVED}) <> 0 OR coalesce(c.state, 0) = 1)"
"""The caller got words, or pays for what was done: this is what counts as a request. Every other call has failed."""
BY_OWN_KEY: Final = f"{WAS_SERVED} AND (c.flags & {OWN_KEY}) <> 0"
SETTLED: Final = "coalesce(c.state, 0) = 1"
COUNTED: Final = {
    "requests": f"CASE WHEN {WAS_SERVED} THEN 1 ELSE 0 END",
    "failed": f"CASE WHEN {WAS_SERVED} THEN 0 ELSE 1 END",
    # no price was known: what it cost is not 0, it is not known
    "unpriced": f"CASE WHEN {WAS_SERVED} AND (c.flags & {OWN_KEY}) = 0 AND c.price_version IS NULL THEN 1 ELSE 0 END",
    # the provider bills the payer itself
    "own_key": f"CASE WHEN {BY_OWN_KEY} THEN 1 ELSE 0 END",
    "estimated": f"CASE WHEN {WAS_SERVED} AND (c.flags & {ESTIMATED}) <> 0 THEN 1 ELSE 0 END",
    "input": "coalesce(c.input, 0)",
    "cached_input": "coalesce(c.cached_input, 0)",
    "output": "coalesce(c.output, 0)",
    "reasoning": "coalesce(c.reasoning, 0)",
    "charge": f"CASE WHEN {SETTLED} THEN c.charge_nano_usd ELSE 0 END",
    "overrun": f"CASE WHEN {SETTLED} THEN c.overrun_nano_usd ELSE 0 END",
}
"""What is summed → what one call adds to it."""
KEYS: Final = {
    "account": "coalesce(c.account, 0)",
    "day": f"c.id / {DAY}",
    "user_id": "coalesce(c.user_id, 0)",
    "token_id": "coalesce(c.token_id, 0)",
    "model": "coalesce((SELECT text FROM names WHERE id = c.model), '')",
    "provider": "coalesce((SELECT text FROM names WHERE id = c.provider), '')",
    "session": "coalesce((SELECT text FROM names WHERE id = c.session), '')",
}
"""What sums are kept by → a call's."""
DAYS: Final = ("day", "account", "user_id", "token_id", "model", "provider")
SESSIONS: Final = ("day", "account", "user_id", "session")
HAS_ENDED: Final = "coalesce(c.state, 1) <> 0"
LATE: Final = f"FROM usage_late l JOIN calls c ON c.id = l.id WHERE l.id <= :last AND {HAS_ENDED}"

STATE: Final = "SELECT rolled_to, deleted_to FROM usage_state WHERE id = 1"
FORGET_SESSIONS: Final = """
  DELETE FROM usage_sessions WHERE (day, account, user_id, session) IN
    (SELECT day, account, user_id, session FROM usage_sessions WHERE day < :day ORDER BY day LIMIT :limit)
"""
IN_RANGE: Final = "c.id > :after AND c.id <= :last AND c.id NOT IN (SELECT id FROM usage_late)"
IS_ONE: Final = "c.id = :id"


def facts(keys: Iterable[str], where: str) -> str:
    """A SELECT of ended calls, each with these keys and everything that is summed."""
    columns = {name: KEYS[name] for name in keys} | COUNTED
    shown = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    return f"SELECT {shown} FROM calls c WHERE {HAS_ENDED} AND {where}"  # noqa: S608 (constants)


def _folding(table: str, keys: tuple[str, ...], where: str) -> str:
    names = ", ".join(keys)
    sums = ", ".join(f":sign * sum({name})" for name in COUNTED)
    adding = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in COUNTED)
    return (
        f"INSERT INTO {table} ({names}, {', '.join(COUNTED)}) SELECT {names}, {sums} FROM ({facts(keys, where)}) AS f"  # noqa: S608 (constants)
        f" WHERE true GROUP BY {names} ON CONFLICT ({names}) DO UPDATE SET {adding}"
    )


def _noting(table: str, keys: tuple[str, ...], where: str) -> str:
    names, shown = ", ".join(keys), ", ".join(KEYS[name] for name in keys)
    return (
        f"INSERT INTO {table} ({names}) SELECT DISTINCT {shown} FROM calls c WHERE {HAS_ENDED} AND {where}"  # noqa: S608 (constants)
        f" ON CONFLICT ({names}) DO NOTHING"
    )


FOLDS: Final = {
    where: (
        _noting("usage_dates", ("day",), where),
        _noting("usage_payers", ("user_id", "account"), where),
        _folding("usage_days", DAYS, where),
        _folding("usage_sessions", SESSIONS, f"c.session IS NOT NULL AND {where}"),
    )
    for where in (IN_RANGE, IS_ONE)
}
"""Which calls → the statements that put them into the sums (or with sign -1 take them out)."""


class Rollup:
    """The writer's part: what is in the sums, and the steps that bring it forward. Each step is one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.rolled_to = rolled_to(sql)

    def reload(self) -> None:
        """Somebody else brought it forward."""
        self.rolled_to = rolled_to(self._sql)

    def doubt(self) -> None:
        """A step failed, and nobody knows how far it came: until the next one, every call may be late."""
        self.rolled_to = ID_MAX

    def note_late(self, ids: Iterable[int]) -> None:
        """Inside the transaction that writes or ends these calls: remember those that the sums have passed by."""
        late = [[number] for number in ids if number <= self.rolled_to]
        if late:
            self._sql.insert("usage_late", ["id"], late, "(id) DO NOTHING")

    def step(self) -> bool:
        """Put the next calls into the sums; whether there were enough of them."""
        if self.rolled_to == ID_MAX:
            self.reload()
        if self._call_after(STEP_CALLS + BEHIND_CALLS) is None:
            return self._fold_late()
        last = self._call_after(STEP_CALLS)
        assert last is not None  # noqa: S101 (there are even more)
        with self._sql.savepoint():
            roll_through(self._sql, self.rolled_to, last)
        self.rolled_to = last
        return True

    def _call_after(self, count: int) -> int | None:
        """The number of the `count`th call that is not in the sums."""
        statement = "SELECT id FROM calls WHERE id > :after ORDER BY id LIMIT 1 OFFSET :before"
        found = self._sql.value(statement, {"after": self.rolled_to, "before": count - 1})
        return None if found is None else int(found)

    def _fold_late(self) -> bool:
        if self._sql.value("SELECT count(*) " + LATE, {"last": self.rolled_to}) < LATE_TOGETHER:
            return False
        with self._sql.savepoint():
            fold_late(self._sql, self.rolled_to, LATE_TOGETHER)
        return True


def rolled_to(sql: Sql) -> int:
    """The number of the last call that the sums hold."""
    return int(sql.value(STATE))


def keep_sums(sql: Sql, last: int) -> None:
    """Before ended calls up to `last` are deleted, in the same transaction: keep what they add up to."""
    before = rolled_to(sql)
    if last > before:
        roll_through(sql, before, last)
    fold_late(sql, last, EVERY)
    sql.run("UPDATE usage_state SET deleted_to = :last WHERE deleted_to < :last", {"last": last})


def forget_sessions(sql: Sql, before: int) -> int:
    """Delete some sums by session tag of days whose calls all have numbers under `before`. How many.

    Their callers choose tags, so that there are as many as there were calls; sums by everything else stay for ever.
    """
    return sql.run(FORGET_SESSIONS, {"day": before // DAY, "limit": SESSIONS_TOGETHER})


def roll_through(sql: Sql, after: int, last: int) -> None:
    """Put the calls of a range into the sums. Those that are still open are late from now on."""
    bounds = {"after": after, "last": last}
    sql.run(
        "INSERT INTO usage_late (id) SELECT id FROM calls WHERE state = 0 AND id > :after AND id <= :last"
        " ON CONFLICT (id) DO NOTHING",
        bounds,
    )
    _fold(sql, IN_RANGE, bounds)
    sql.run("UPDATE usage_state SET rolled_to = :last WHERE id = 1", {"last": last})


def fold_late(sql: Sql, last: int, limit: int) -> None:
    """Put late calls up to `last` into the sums, those that have ended; at most `limit`."""
    ended = sql.rows("SELECT l.id " + LATE + " ORDER BY l.id LIMIT :limit", {"last": last, "limit": limit})
    for (number,) in ended:
        _fold(sql, IS_ONE, {"id": number})
        sql.run("DELETE FROM usage_late WHERE id = :id", {"id": number})


def refold_day(sql: Sql, day: int) -> None:
    """Sum a day anew whose calls are all there."""
    for statement in ("DELETE FROM usage_days WHERE day = :day", "DELETE FROM usage_sessions WHERE day = :day"):
        sql.run(statement, {"day": day})
    _fold(sql, IN_RANGE, {"after": day * DAY - 1, "last": min((day + 1) * DAY - 1, rolled_to(sql))})


@contextmanager
def recounted(sql: Sql, number: int) -> Iterator[None]:
    """For whoever changes a call that has ended: what it adds to the sums is taken out, and put in again."""
    late = sql.value("SELECT 1 FROM usage_late WHERE id = :id", {"id": number})
    counted = number <= rolled_to(sql) and late is None
    if counted:
        _fold(sql, IS_ONE, {"id": number}, sign=-1)
    yield
    if counted:
        _fold(sql, IS_ONE, {"id": number})


def _fold(sql: Sql, which: str, values: Values, sign: int = 1) -> None:
    for statement in FOLDS[which]:
        sql.run(statement, {**values, "sign": sign})
