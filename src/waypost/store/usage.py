"""What calls added up to: totals and groups for an account, a user or everybody, over any time, to the nano-USD.

Whole days come from the sums that `rollup` keeps; the first and last part of a day, and whatever is not in the sums
yet, from the calls themselves. Where calls of such a part of a day were deleted, the whole day is counted, and the
answer says from when to when it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from waypost.domain.ledger import HoldState, period_range
from waypost.domain.requests import first_number_at
from waypost.store.rollup import COUNTED, DAY, DAY_MS, STATE, facts
from waypost.store.rows import OWN_KEY, SERVED
from waypost.store.sql import Sql

GROUPS: Final = {
    "day": "day",
    "model": "model",
    "provider": "provider",
    "token": "token_id",
    "member": "user_id",
    "session": "session",
}
"""What usage can be grouped by → the column that says it."""
WITH_SESSION: Final = frozenset({"session", "day", "member"})
"""What can be asked together with sessions."""
NAMES_OF: Final = {"token": "SELECT id, name FROM tokens", "member": "SELECT id, name FROM users"}
ID_MAX: Final = (1 << 63) - 1
DAY_MAX: Final = ID_MAX // DAY
MS_MAX: Final = DAY_MAX * DAY_MS
SCOPES: Final = {"account": "account", "user": "user_id", "token": "token_id"}
SUMS: Final = ", ".join(f"coalesce(sum({name}), 0)" for name in COUNTED)
THROUGH_DATES: Final = """
  usage_dates t CROSS JOIN {table} s WHERE t.day >= :first_day AND t.day < :after_day AND s.day = t.day
"""
"""Sums lie by day, then by account: each day is looked up by itself."""
THROUGH_PAYERS: Final = """
  usage_dates t CROSS JOIN usage_payers p CROSS JOIN {table} s
  WHERE t.day >= :first_day AND t.day < :after_day AND p.user_id = :user AND s.day = t.day AND s.account = p.account
"""
TAIL: Final = "c.id >= :tail AND c.id < :after"
LATE: Final = "c.id IN (SELECT id FROM usage_late) AND +c.id >= :first AND +c.id < :after AND +c.id <= :rolled_to"
"""The signs keep SQLite from going through every call in between."""


class Sums(NamedTuple):
    """What calls add up to. Tokens in disjoint classes, money in nano-USD."""

    requests: int = 0
    """Calls whose caller got words, or pays."""
    failed: int = 0
    """All others: refused, failed, voided."""
    unpriced: int = 0
    """Requests at endpoints without a known price: what they cost is unknown, and not in `charge`."""
    own_key: int = 0
    """Requests with the payer's own key: the provider bills the payer itself."""
    estimated: int = 0
    """Requests whose tokens we estimated, because the provider did not say."""
    input: int = 0
    cached_input: int = 0
    output: int = 0
    reasoning: int = 0
    charge: int = 0
    overrun: int = 0
    """What calls cost above their holds: the operator's."""


class Wanted(NamedTuple):
    """Whose usage, of when, and grouped by what. Times are Unix milliseconds, `until` not included."""

    account: str | None = None
    """The payer's, by its ledger name; None is whoever pays."""
    user: int | None = None
    """Id of who called; None is everybody."""
    token: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    by: tuple[str, ...] = ()
    """Some of GROUPS. With `session`, only calls that have one are counted."""


class Group(NamedTuple):
    """One row of a grouped answer."""

    key: dict[str, Any]
    """`day` as a date, `token` and `member` as ids, with `token_name` and `member_name` beside them."""
    sums: Sums


class Usage(NamedTuple):
    """The answer, and the time that it covers."""

    since_ms: int
    until_ms: int | None
    total: Sums
    groups: list[Group]


class Span(NamedTuple):
    """A time as the sums can answer it: whole days, and parts of days at both ends, as numbers of calls."""

    first_day: int
    after_day: int
    parts: tuple[tuple[int, int], ...]
    since_ms: int
    until_ms: int | None


def usage(sql: Sql, wanted: Wanted) -> Usage:
    """Add up. Raises ValueError for groups that cannot be asked together."""
    check_groups(wanted.by)
    rolled_to, deleted_to = sql.row(STATE) or (0, 0)
    span = span_of(wanted, deleted_to)
    scope = _scope(sql, wanted)
    first, after = span.first_day * DAY, span.after_day * DAY
    values: dict[str, Any] = {
        **scope,
        "rolled_to": rolled_to,
        "first_day": span.first_day,
        "after_day": span.after_day,
        "first": first,
        "after": after,
        "tail": max(first, rolled_to + 1),
    }
    for place, part in enumerate(span.parts):
        values |= {f"first{place}": part[0], f"after{place}": part[1]}
    rows = sql.rows(statement(wanted.by, tuple(scope), len(span.parts)), values)
    width = len(wanted.by)
    groups = [Group(dict(zip(wanted.by, row[:width], strict=True)), Sums(*row[width:])) for row in rows]
    total = Sums(*(sum(column) for column in zip(*(group.sums for group in groups), strict=True)))
    return Usage(span.since_ms, span.until_ms, total, _named(sql, groups) if width else [])


def spent(sql: Sql, subject: str, period: int) -> int:
    """What a subject of a monthly limit (`user:1`, `org:3`, `member:3:1`, `token:9`) was charged in a month."""
    kind, number, *more = subject.split(":")
    since, until = period_range(period)
    wanted = Wanted(since_ms=since, until_ms=until)
    if kind == "token":
        wanted = wanted._replace(token=int(number))
    elif kind == "member":
        wanted = wanted._replace(account=f"org:{number}", user=int(more[0]))
    else:
        wanted = wanted._replace(account=subject)
    return usage(sql, wanted).total.charge


def check_groups(by: tuple[str, ...]) -> None:
    """Raise ValueError for what cannot be asked."""
    unknown = [name for name in by if name not in GROUPS]
    if unknown or len(set(by)) < len(by):
        raise ValueError(f"usage is grouped by {', '.join(GROUPS)}, each once")
    if "session" in by and not WITH_SESSION.issuperset(by):
        raise ValueError("sessions can be asked together with day and member only")


def span_of(wanted: Wanted, deleted_to: int) -> Span:
    """What of the time are whole days. Parts of days whose calls were deleted become whole days."""
    since, until = max(0, min(wanted.since_ms or 0, MS_MAX)), wanted.until_ms
    if first_number_at(since) <= deleted_to:
        since -= since % DAY_MS
    if until is not None:
        until = max(since, min(until, MS_MAX))
        if until % DAY_MS and first_number_at(max(since, until - until % DAY_MS)) <= deleted_to:
            until += DAY_MS - until % DAY_MS
    first_day = -(-since // DAY_MS)
    after_day = DAY_MAX if until is None else until // DAY_MS
    if until is not None and after_day < first_day:  # within one day
        return Span(first_day, first_day, ((first_number_at(since), first_number_at(until)),), since, until)
    parts = []
    if since % DAY_MS:
        parts.append((first_number_at(since), first_day * DAY))
    if until is not None and until % DAY_MS:
        parts.append((after_day * DAY, first_number_at(until)))
    return Span(first_day, after_day, tuple(parts), since, until)


@lru_cache(maxsize=512)
def statement(by: tuple[str, ...], scope: tuple[str, ...], parts: int) -> str:
    """The question. Its arms count no call twice: whole days in the sums, newer calls, late ones, parts of days."""
    table = "usage_sessions" if "session" in by else "usage_days"
    keys = tuple(GROUPS[name] for name in by)
    shown = ", ".join(f"s.{name}" for name in (*keys, *COUNTED))
    mine = "".join(f" AND s.{SCOPES[name]} = :{name}" for name in scope)
    through = THROUGH_PAYERS if "user" in scope and "account" not in scope else THROUGH_DATES
    calls_mine = "".join(f" AND c.{'account' if name == 'account' else SCOPES[name]} = :{name}" for name in scope)
    if "session" in by:
        calls_mine += " AND c.session IS NOT NULL"
    ranges = [TAIL, LATE, *(f"c.id >= :first{place} AND c.id < :after{place}" for place in range(parts))]
    arms = [f"SELECT {shown} FROM {through.format(table=table)}{mine}"]  # noqa: S608 (constants)
    arms += [facts(keys, where + calls_mine) for where in ranges]
    together = " UNION ALL ".join(arms)
    if not keys:
        return f"SELECT {SUMS} FROM ({together}) AS u"  # noqa: S608 (constants)
    names = ", ".join(keys)
    return f"SELECT {names}, {SUMS} FROM ({together}) AS u GROUP BY {names} ORDER BY {names}"  # noqa: S608 (constants)


def date_of(day: int) -> str:
    """`2026-11-20`."""
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")


def _scope(sql: Sql, wanted: Wanted) -> dict[str, int]:
    """What is asked for, by the columns' values."""
    scope: dict[str, int] = {}
    if wanted.account is not None:
        number = sql.value("SELECT id FROM accounts WHERE name = :name", {"name": wanted.account})
        scope["account"] = -1 if number is None else number  # nothing was ever paid by it
    user = wanted.user
    if wanted.token is not None:
        scope["token"] = wanted.token
        if user is None:
            user = sql.value("SELECT user_id FROM tokens WHERE id = :id", {"id": wanted.token})
    if user is not None:
        scope["user"] = user
    return scope


def _named(sql: Sql, groups: list[Group]) -> list[Group]:
    """The same, for people."""
    asked = groups[0].key.keys() if groups else ()
    names: dict[str, dict[int, str]] = {
        kind: dict(sql.rows(query)) for kind, query in NAMES_OF.items() if kind in asked
    }
    return [Group(_key(group.key, names), group.sums) for group in groups]


def _key(key: dict[str, Any], names: Mapping[str, Mapping[int, str]]) -> dict[str, Any]:
    shown = {f"{kind}_name": known.get(key[kind], "") for kind, known in names.items()}
    return key | ({"day": date_of(key["day"])} if "day" in key else {}) | shown


# Each call by itself, for export.

CALL_COLUMNS: Final = (
    "id", "user", "token", "payer", "model", "provider", "session", "status", "input", "cached_input", "output",
    "reasoning", "hold_nano_usd", "charge_nano_usd", "overrun_nano_usd", "price_version",
)  # fmt: skip
WORDS: Final = ("payer", "model", "provider", "session", "price_version")
CALL_VALUES: Final = (
    {name: f"c.{name}" for name in CALL_COLUMNS}
    | {name: f"(SELECT text FROM names WHERE id = c.{name})" for name in WORDS}  # noqa: S608 (constants)
    | {"user": "u.name", "token": "t.name", "state": "c.state", "flags": "c.flags"}
)
CALLS: Final = (
    f"SELECT {', '.join(CALL_VALUES.values())} FROM calls c"  # noqa: S608 (constants)
    " LEFT JOIN users u ON u.id = c.user_id LEFT JOIN tokens t ON t.id = c.token_id"
    " WHERE coalesce(c.state, 1) <> 0 AND c.id >= :first AND c.id < :after"
)


def calls_page(sql: Sql, wanted: Wanted, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
    """Calls one by one, oldest first. `after` is the number of the last one of the page before.

    `charge_nano_usd` is None where no credits were asked for: own key, or a price that nobody knows.
    """
    scope = _scope(sql, wanted)
    mine = "".join(f" AND c.{SCOPES[name]} = :{name}" for name in scope)
    until = ID_MAX if wanted.until_ms is None else first_number_at(min(wanted.until_ms, MS_MAX))
    since = first_number_at(min(wanted.since_ms or 0, MS_MAX))
    values = {**scope, "first": max(since, after + 1), "after": until, "limit": limit}
    rows = sql.rows(CALLS + mine + " ORDER BY c.id LIMIT :limit", values)
    return [_call(dict(zip(CALL_VALUES, row, strict=True))) for row in rows]


def _call(row: dict[str, Any]) -> dict[str, Any]:
    state, flags = row.pop("state"), row.pop("flags")
    unpaid = flags & SERVED and state != HoldState.SETTLED
    if unpaid and (state is None or flags & OWN_KEY or row["price_version"] is None):
        row["charge_nano_usd"] = None
    return row


def calls_pages(ask: Any, wanted: Wanted, limit: int = 1_000) -> Iterator[list[dict[str, Any]]]:
    """Page after page, each a snapshot of its own, so that nobody waits for an export. `ask` is `Reader.ask`."""
    after = 0
    while page := ask(lambda sql, after=after: calls_page(sql, wanted, after, limit)):
        yield page
        after = page[-1]["id"]
